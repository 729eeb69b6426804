//! Where points flow: the parser and the plugins drive a [`PointSink`], the store's batch builder is one.
//!
//! The shape lets a warm path touch each byte once and allocate nothing per point. One point is
//!
//! 1. [`key`](PointSink::key) with the spelling found on the wire; when the sink has not seen that spelling,
//!    [`define`](PointSink::define) with the parsed parts. Either gives a [`TemplateId`].
//! 2. For each field, one of [`float`](PointSink::float), [`integer`](PointSink::integer), … with a slot. The driver learns
//!    slots by [`slot`](PointSink::slot), once for each name and template, and keeps them: slots stay valid as long
//!    as the template does, which is until the sink is told another target (how is the sink's own affair).
//! 3. [`end`](PointSink::end) with the time, or [`abandon`](PointSink::abandon) when the line turns out to be broken.
//!
//! Validation that needs the store (field types, limits, retention) happens inside and comes out of `define` and `end`.

use std::sync::Arc;

use crate::value::{Decimal, FieldType};

/// A measurement as one sink numbers it: points of equal template share their field slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TemplateId(pub u32);

/// A field of a template; dense from 0 within the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

/// Receives points, one after the other.
pub trait PointSink {
    /// Starts a point whose key (measurement and tags) is spelled `raw`. `None`: this spelling is new, call
    /// [`define`](Self::define) next.
    fn key(&mut self, raw: &[u8]) -> Option<TemplateId>;

    /// Starts a point whose spelling is new. `tags` are unescaped, in the order of `raw`, free of empty values and of
    /// duplicate keys. `raw` may be empty when there is no wire spelling (a plugin); then nothing is remembered
    /// for [`key`](Self::key).
    ///
    /// # Errors
    /// A [`Refusal`]; the point is then abandoned already.
    fn define(&mut self, raw: &[u8], measurement: &str, tags: &[(&str, &str)])
    -> Result<TemplateId, Refusal>;

    /// The slot of field `name` (unescaped) in the template of the started point.
    fn slot(&mut self, name: &str) -> Slot;

    /// A float field. `decimal` says how it was spelled when that is exact.
    fn float(&mut self, slot: Slot, value: f64, decimal: Option<Decimal>);
    /// A signed integer field.
    fn integer(&mut self, slot: Slot, value: i64);
    /// An unsigned integer field.
    fn unsigned(&mut self, slot: Slot, value: u64);
    /// A boolean field.
    fn boolean(&mut self, slot: Slot, value: bool);
    /// A string field, unescaped.
    fn string(&mut self, slot: Slot, value: &str);

    /// Completes the started point at `time`, nanoseconds since the Unix epoch, within
    /// [`TIME_MIN`](crate::time::TIME_MIN)..=[`TIME_MAX`](crate::time::TIME_MAX).
    ///
    /// # Errors
    /// A [`Refusal`]: the whole point is refused, the batch goes on.
    fn end(&mut self, time: i64) -> Result<(), Refusal>;

    /// Forgets the started point.
    fn abandon(&mut self);
}

/// Why the store refuses one point. The edge words it for its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The field has another type in this shard group.
    #[error(
        "field type conflict: input field \"{field}\" on measurement \"{measurement}\" is type {given}, already exists as type {existing}"
    )]
    FieldType {
        /// Measurement of the point.
        measurement: Arc<str>,
        /// Name of the field.
        field: Arc<str>,
        /// Type on this line.
        given: FieldType,
        /// Type it has.
        existing: FieldType,
    },
    /// The point has no field that may be stored (each was called `time`).
    #[error("invalid field name: input field \"time\" on measurement \"{measurement}\" is invalid")]
    OnlyTimeFields {
        /// Measurement of the point.
        measurement: Arc<str>,
    },
    /// The time lies before what the retention policy keeps.
    #[error("points beyond retention policy")]
    BeyondRetention {
        /// Measurement of the point.
        measurement: Arc<str>,
        /// Oldest time that is accepted, nanoseconds.
        oldest: i64,
        /// Time of the point, nanoseconds.
        time: i64,
    },
    /// One more series than the limit.
    #[error("max-series-per-database limit exceeded: ({limit})")]
    SeriesLimit {
        /// The limit.
        limit: u64,
        /// Measurement of the point.
        measurement: Arc<str>,
    },
    /// One more value of a tag than the limit.
    #[error(
        "max-values-per-tag limit exceeded ({limit}/{limit}): measurement=\"{measurement}\" tag=\"{tag}\" value=\"{value}\""
    )]
    TagValueLimit {
        /// The limit.
        limit: u64,
        /// Measurement of the point.
        measurement: Arc<str>,
        /// Tag key.
        tag: Arc<str>,
        /// The value too many.
        value: Arc<str>,
    },
    /// One more field than a measurement may have.
    #[error("measurement \"{measurement}\" has {limit} fields already; field \"{field}\" is one too many")]
    FieldLimit {
        /// The limit.
        limit: u64,
        /// Measurement of the point.
        measurement: Arc<str>,
        /// The field too many.
        field: Arc<str>,
    },
    /// Times in this request would open more shard groups than allowed.
    #[error(
        "the point would open one more shard group than the {limit} allowed {scope}; send times closer together or raise the limit"
    )]
    ShardGroupLimit {
        /// The limit.
        limit: u64,
        /// "per request" or "per policy".
        scope: &'static str,
    },
    /// The canonical key is too long.
    #[error("max key length exceeded: {len} > {max}")]
    KeyTooLong {
        /// Its bytes.
        len: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// The database or policy was dropped while the request ran.
    #[error("database not found")]
    TargetDropped,
}
