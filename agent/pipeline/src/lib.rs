//! Plugin traits, the way of gathered points into the store, scheduling.

pub mod glob;
pub mod ingest;
pub mod input;
pub mod metric;

pub use ingest::{BatchWriter, Ingest, IngestError, SourceId, WriteTarget};
pub use input::{GatherError, PolledInput};
pub use metric::{Metric, MetricKind, Name, Value};
