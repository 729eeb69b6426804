//! InfluxQL execution: plan, kernels, result series, management statements.
//!
//! [`Engine`] takes parsed statements and answers a [`ResultStream`] of typed [`Piece`]s, produced on the engine's own
//! threads and handed over through a bounded queue, so that a slow reader slows the query down instead of filling the memory.
//! It reads through `weir_model::read` and changes databases and policies through `weir_model::admin`; it knows neither HTTP nor JSON.
//!
//! A SELECT passes through `plan` (pure: checks, time range, sources, wildcards, types) and `exec` (series, blocks of
//! columns, kernels, rows). `show`, `manage` and `continuous` run the other statements. [`memory`] is a plain store for tests.

pub mod engine;
pub mod memory;
pub mod result;
pub mod stream;

mod continuous;
mod error;
mod exec;
mod explain;
mod into;
mod manage;
mod plan;
mod records;
mod running;
mod select;
mod show;
mod statement;
mod threads;

pub use continuous::ContinuousRuns;
pub use engine::{Engine, EngineOptions, ExecContext};
pub use error::QueryError;
pub use into::{IntoPoint, PointWriter};
pub use records::{RecordStore, RecordStoreError};
pub use result::{Cell, Cells, Level, Message, Piece, Rows, SeriesHead, Value, Zone};
pub use stream::ResultStream;
