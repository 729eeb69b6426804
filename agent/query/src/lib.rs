//! InfluxQL execution: plan, kernels, result series, management statements.
//!
//! [`Engine`] takes parsed statements and answers a [`ResultStream`] of typed [`Piece`]s, produced on the engine's own
//! threads and handed over through a bounded queue, so that a slow reader slows the query down instead of filling the memory.
//! It reads through `weir_model::read` and changes databases and policies through `weir_model::admin`; it knows neither HTTP nor JSON.

pub mod engine;
pub mod result;
pub mod stream;

pub use engine::{Engine, EngineOptions, ExecContext};
pub use result::{Cell, Cells, Level, Message, Piece, Rows, SeriesHead, Value, Zone};
pub use stream::ResultStream;
