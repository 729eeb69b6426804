//! Series index in memory: key table, tag interners, postings, presence.
//!
//! One [`SeriesIndex`] serves one instance of a retention policy. Within it a series is a measurement instance and a set of
//! tags; it has two numbers. The **slot** (`u32`, dense) indexes arrays in RAM and never reaches the disk; the **durable
//! id** (`u64`, handed out by the caller, never reused) stands in logs and files.
//!
//! Writers find the slot of a series by the bytes of its key as the client spelled it ([`SeriesIndex::lookup`]), each with a
//! [`Predictor`] that remembers which series followed which. A spelling that is not known is parsed and defined
//! ([`SeriesIndex::define`]). Readers ask a [`Measurement`] for the slots that match a filter, among the slots that they are shown.
//! Nothing here knows points: which series have any is told by a [`Presence`] for each shard group, which the caller
//! maintains; a series that was interned for a write which was then refused is in no presence and never shows.

mod chunks;
mod columns;
mod definitions;
mod filter;
mod ids;
mod interner;
mod keys;
mod literals;
mod measurement;
mod order;
mod posting;
mod predictor;
mod presence;
mod series;
mod store;
mod table;

pub use definitions::{Definition, DefinitionsError, DefinitionsWriter, decode_definitions};
pub use measurement::Measurement;
pub use predictor::Predictor;
pub use presence::Presence;
pub use series::{DefineError, IndexLimits, SeriesIndex, SeriesSlot};
