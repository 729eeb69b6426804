//! The columnar segment file, format 1: writer, reader, verification.
//!
//! A segment holds points of one shard group, ordered by (measurement, canonical series key, time), in *stripes* of up to
//! [`STRIPE_POINTS_MAX`] points of one measurement. A stripe is a column of times and one column per field; a column is a run of *blocks* of up to
//! [`BLOCK_POINTS_MAX`] points. The same bytes serve as sealed memtable in RAM and as file on disk. `agent/store/FORMAT.md` gives every byte.
//!
//! Writing: [`SegmentWriter`]. Reading: [`Segment`] → [`Directory`] of a stripe → [`Piece`]s of a series → [`StripeCursor`] for times and values; [`SeriesScan`]
//! for everything in order. No names here: measurements, fields and series are ids. Nothing is cached but directories.

mod column;
mod cursor;
mod dense;
mod directory;
mod error;
mod forge;
mod format;
mod input;
mod layout;
mod reader;
mod scan;
mod source;
mod statistics;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use column::append_rows;
pub use cursor::StripeCursor;
pub use directory::{ColumnInfo, Directory, Piece};
pub use error::SegmentError;
pub use forge::forge_checksums;
pub use input::{SegmentFacts, StripeColumn, StripeInput, StripeValues};
pub use reader::{Segment, SegmentField, SegmentMeasurement, StripeEntry};
pub use scan::{SeriesPoints, SeriesScan};
pub use source::ReadAt;
pub use statistics::{ColumnStatistics, UnitStatistics};
pub use writer::{SegmentWriter, Written};

/// The format this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 1;
/// Most points in a stripe.
pub const STRIPE_POINTS_MAX: usize = 131_072;
/// Most points in a block.
pub const BLOCK_POINTS_MAX: usize = 1_024;
