//! Plugin traits, the way of gathered points into the store, scheduling.

pub mod ingest;

pub use ingest::{BatchWriter, Ingest, IngestError, SourceId, WriteTarget};
