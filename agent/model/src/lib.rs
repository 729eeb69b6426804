//! Words everyone shares.
//!
//! Times ([`time`]), values ([`value`]), series keys ([`key`]), the sink that points flow into
//! ([`sink`]), and what the store offers a reader ([`read`], [`admin`]). Nothing here does I/O, knows a text
//! format beyond the canonical series key, or is async.

pub mod admin;
pub mod key;
pub mod read;
pub mod sink;
pub mod time;
pub mod value;

pub use key::SeriesKey;
pub use sink::{PointSink, Refusal, TemplateId};
pub use time::{Clock, Precision, SystemClock, TimeRange, TimestampNs};
pub use value::{Decimal, FieldType, FieldValue};
