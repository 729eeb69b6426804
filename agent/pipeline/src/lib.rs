//! Plugin traits, the way of gathered points into the store, scheduling.
//!
//! An input is a [`PolledInput`]; a [`RunningInput`] keeps it on its schedule and brings what it gathers through its [`Shape`] into an
//! [`Ingest`]. Knows no plugin and no store.

pub mod filter;
pub mod glob;
pub mod ingest;
pub mod input;
pub mod metric;
mod quiet;
pub mod runner;
pub mod schedule;
pub mod shape;
pub mod write;

pub use filter::{Filter, FilterSpec};
pub use ingest::{BatchWriter, Ingest, IngestError, SourceId, WriteTarget};
pub use input::{GatherError, PolledInput};
pub use metric::{Metric, MetricKind, Name, Value};
pub use runner::{InputSpec, RunningInput};
pub use shape::Shape;
pub use write::MetricWriter;
