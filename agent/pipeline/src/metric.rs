//! A gathered point on its way from a plugin to the store.

use std::borrow::Cow;
use std::sync::Arc;

/// How the values of a metric behave; shows only in Prometheus output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricKind {
    /// Not known.
    #[default]
    Untyped,
    /// Goes up and down.
    Gauge,
    /// Only goes up, until it starts again.
    Counter,
}

/// A name: nearly always a literal in a plugin.
pub type Name = Cow<'static, str>;

/// An owned field value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// 64-bit IEEE 754.
    Float(f64),
    /// Signed 64-bit.
    Integer(i64),
    /// Unsigned 64-bit.
    Unsigned(u64),
    /// True or false.
    Boolean(bool),
    /// UTF-8 text.
    String(Arc<str>),
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Float(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Integer(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Boolean(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::String(v.into())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::String(v.into())
    }
}

/// Clips an unsigned counter to what an integer field can hold, as Telegraf does on the wire.
#[must_use]
pub fn clip(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// One point: a measurement, tags, fields and, unless the plugin leaves that to the agent, a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Measurement.
    pub name: Name,
    /// Tags in any order, keys distinct. An empty value means that the tag is absent.
    pub tags: Vec<(Name, Cow<'static, str>)>,
    /// Fields in any order, names distinct.
    pub fields: Vec<(Name, Value)>,
    /// Nanoseconds since the Unix epoch; `None` = when it was gathered.
    pub time: Option<i64>,
    /// How the values behave.
    pub kind: MetricKind,
}

impl Metric {
    /// A metric without tags, fields or time.
    pub fn new(name: impl Into<Name>, kind: MetricKind) -> Self {
        Self { name: name.into(), tags: Vec::new(), fields: Vec::new(), time: None, kind }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<Name>, value: impl Into<Cow<'static, str>>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<Name>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds an unsigned counter as an integer field.
    #[must_use]
    pub fn count(mut self, name: impl Into<Name>, value: u64) -> Self {
        self.fields.push((name.into(), clip(value)));
        self
    }

    /// The value of a tag.
    #[must_use]
    pub fn get_tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_ref())
    }

    /// The value of a field.
    #[must_use]
    pub fn get_field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}
