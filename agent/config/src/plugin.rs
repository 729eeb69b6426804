//! One plugin's table: the keys that all plugins share, and the plugin's own.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::decode::{self, FileText, TableRef};
use crate::problem::{Place, Problems};
use crate::substitute;
use crate::units::Interval;

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// Brings metrics.
    Input,
    /// Changes metrics.
    Processor,
    /// Sums metrics up.
    Aggregator,
    /// Sends metrics.
    Output,
}

impl PluginKind {
    /// The name of its array of tables.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Processor => "processors",
            Self::Aggregator => "aggregators",
            Self::Output => "outputs",
        }
    }
}

/// Keys that every input takes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct CommonInput {
    /// Gather period, instead of the agent's.
    pub interval: Option<Interval>,
    /// Timestamp rounding, instead of the agent's.
    pub precision: Option<Interval>,
    /// Random delay, instead of the agent's.
    pub collection_jitter: Option<Interval>,
    /// Shift of the schedule, instead of the agent's.
    pub collection_offset: Option<Interval>,
    /// Where timestamps of polled inputs come from.
    pub time_source: TimeSource,
    /// New name for all metrics.
    pub name_override: Option<String>,
    /// Put before the name.
    pub name_prefix: Option<String>,
    /// Put behind the name.
    pub name_suffix: Option<String>,
    /// Name of this instance in logs and metrics.
    pub alias: Option<String>,
    /// Tags to add.
    pub tags: BTreeMap<String, String>,
    /// What to do when the plugin cannot start.
    pub startup_error_behavior: Option<String>,
    /// Log level of this instance.
    pub log_level: Option<String>,
    /// Labels for `--select`.
    pub labels: BTreeMap<String, String>,
}

/// Where the timestamp of a polled metric comes from.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The metric itself, else the gather.
    #[default]
    Metric,
    /// When the gather began.
    CollectionStart,
    /// When the gather ended.
    CollectionEnd,
}

/// Which metrics, fields and tags pass. The same for every kind of plugin.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Filters {
    /// Globs of names to take.
    pub namepass: Vec<String>,
    /// Characters that `*` in `namepass` does not cross.
    pub namepass_separator: String,
    /// Globs of names to leave.
    pub namedrop: Vec<String>,
    /// Characters that `*` in `namedrop` does not cross.
    pub namedrop_separator: String,
    /// Tag → globs of values to take; one row that matches is enough.
    pub tagpass: BTreeMap<String, Vec<String>>,
    /// Tag → globs of values to leave.
    pub tagdrop: BTreeMap<String, Vec<String>>,
    /// Globs of fields to keep.
    #[serde(alias = "fieldpass", alias = "pass")]
    pub fieldinclude: Vec<String>,
    /// Globs of fields to remove.
    #[serde(alias = "fielddrop", alias = "drop")]
    pub fieldexclude: Vec<String>,
    /// Globs of tags to keep.
    pub taginclude: Vec<String>,
    /// Globs of tags to remove.
    pub tagexclude: Vec<String>,
    /// An expression; not supported.
    pub metricpass: Option<String>,
}

const COMMON_KEYS: [&str; 13] = [
    "interval",
    "precision",
    "collection_jitter",
    "collection_offset",
    "time_source",
    "name_override",
    "name_prefix",
    "name_suffix",
    "alias",
    "tags",
    "startup_error_behavior",
    "log_level",
    "labels",
];

const FILTER_KEYS: [&str; 15] = [
    "namepass",
    "namepass_separator",
    "namedrop",
    "namedrop_separator",
    "tagpass",
    "tagdrop",
    "fieldinclude",
    "fieldpass",
    "pass",
    "fieldexclude",
    "fielddrop",
    "drop",
    "taginclude",
    "tagexclude",
    "metricpass",
];

/// A plugin's table in a file, with the environment as it was when the file was read.
#[derive(Clone, Debug)]
pub struct PluginTable {
    /// What it is.
    pub kind: PluginKind,
    /// Its name, such as `cpu`.
    pub name: Arc<str>,
    /// Where its table begins.
    pub place: Place,
    /// Keys that all inputs take.
    pub common: CommonInput,
    /// Filters.
    pub filters: Filters,
    /// Same table, same identity: a reload leaves such a plugin alone.
    pub identity: u64,
    file: FileText,
    offset: usize,
    environment: Arc<BTreeMap<String, String>>,
}

impl PluginTable {
    /// Takes the table that begins at its span. Reports what is wrong with the shared keys.
    pub(crate) fn new(
        kind: PluginKind,
        name: &str,
        table: &Spanned<DeTable<'_>>,
        whole_variables: &[usize],
        file: &FileText,
        environment: &Arc<BTreeMap<String, String>>,
        problems: &mut Problems,
    ) -> Self {
        let what = format!("{}.{name}", kind.section());
        let pick = |keys: &[&str]| {
            let mut part = table.clone();
            decode::retain_keys(&mut part, |k| keys.contains(&k.get_ref().as_ref()));
            part
        };
        let (common, filters) = (pick(&COMMON_KEYS), pick(&FILTER_KEYS));
        for (key, _) in filters.get_ref().iter() {
            let better = match key.get_ref().as_ref() {
                "fieldpass" | "pass" => "fieldinclude",
                "fielddrop" | "drop" => "fieldexclude",
                _ => continue,
            };
            problems.warning(
                file.place(key.span().start),
                format!("{what}: {:?} is the old name of {better:?}", key.get_ref()),
            );
        }
        if let Some((key, _)) = filters.get_ref().iter().find(|(k, _)| k.get_ref() == "metricpass") {
            problems.error(
                file.place(key.span().start),
                format!("{what}: \"metricpass\" is not supported; use namepass, tagpass and fieldinclude"),
            );
        }
        let from = |table| TableRef { what: &what, table, file, whole_variables };
        let common_keys = decode::decode(from(&common), problems).unwrap_or_default();
        let filter_keys = decode::decode(from(&filters), problems).unwrap_or_default();
        let mut hasher = std::hash::DefaultHasher::new();
        (kind, name).hash(&mut hasher);
        hash_table(table.get_ref(), &mut hasher);
        Self {
            kind,
            name: name.into(),
            place: file.place(table.span().start),
            common: common_keys,
            filters: filter_keys,
            identity: hasher.finish(),
            file: file.clone(),
            offset: table.span().start,
            environment: environment.clone(),
        }
    }

    /// The alias, else the name.
    #[must_use]
    pub fn label(&self) -> &str {
        self.common.alias.as_deref().unwrap_or(&self.name)
    }

    /// Decodes the plugin's own keys. Everything that does not fit is an error with its place.
    pub fn decode<T: DeserializeOwned>(&self, problems: &mut Problems) -> Option<T> {
        let mut document = DeTable::parse_recoverable(self.file.text()).0;
        let mut outcome = substitute::Outcome::default();
        substitute::in_table(document.get_mut(), &|name| self.environment.get(name).cloned(), &mut outcome);
        let mut table = find_table(document.get_ref(), self.offset)?;
        decode::retain_keys(&mut table, |key| {
            let key: &str = key.get_ref();
            !COMMON_KEYS.contains(&key) && !FILTER_KEYS.contains(&key)
        });
        let what = format!("{}.{}", self.kind.section(), self.name);
        let from = TableRef { what: &what, table: &table, file: &self.file, whole_variables: &outcome.whole };
        decode::decode(from, problems)
    }

    /// Notes an error about the table as a whole.
    pub fn error(&self, problems: &mut Problems, text: impl std::fmt::Display) {
        problems.error(self.place.clone(), format!("{}.{}: {text}", self.kind.section(), self.name));
    }
}

/// The table below `root` that begins at `offset`.
fn find_table<'i>(root: &DeTable<'i>, offset: usize) -> Option<Spanned<DeTable<'i>>> {
    root.iter().find_map(|(_, value)| find_in_value(value, offset))
}

fn find_in_value<'i>(value: &Spanned<DeValue<'i>>, offset: usize) -> Option<Spanned<DeTable<'i>>> {
    match value.get_ref() {
        DeValue::Table(table) if value.span().start == offset => {
            Some(Spanned::new(value.span(), table.clone()))
        }
        DeValue::Table(table) => find_table(table, offset),
        DeValue::Array(items) => items.iter().find_map(|item| find_in_value(item, offset)),
        _ => None,
    }
}

fn hash_table(table: &DeTable<'_>, hasher: &mut impl Hasher) {
    table.len().hash(hasher);
    for (key, value) in table.iter() {
        key.get_ref().hash(hasher);
        hash_value(value.get_ref(), hasher);
    }
}

fn hash_value(value: &DeValue<'_>, hasher: &mut impl Hasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(n) => n.as_str().hash(hasher),
        DeValue::Float(x) => x.as_str().hash(hasher),
        DeValue::Boolean(b) => b.hash(hasher),
        DeValue::Datetime(t) => t.to_string().hash(hasher),
        DeValue::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash_value(item.get_ref(), hasher));
        }
        DeValue::Table(table) => hash_table(table, hasher),
    }
}
