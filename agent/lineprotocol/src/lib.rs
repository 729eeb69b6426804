//! InfluxDB line protocol: bytes to points with line numbers, points to bytes.
//!
//! [`Parser::parse`] drives a [`PointSink`](weir_model::PointSink) with the points of a body, or of any slice of it that ends at a line end ([`find_cut`]
//! finds one), and notes lines that it or the sink refuses in an [`ErrorList`]. A bad line never harms its
//! neighbours. The grammar is that of InfluxDB 1.x, byte for byte, with few differences, which [`Rules`] names. Times without a value
//! get one from the caller; this crate knows no clock.
//!
//! Lines of a known shape take a fast path (`fast`): series key to the next blank, fields in the expected order, numbers eight digits
//! at a time. Anything else is left to the plain path (`plain`), which is slow, complete, and the only one to
//! judge that a line is wrong. `reference` is a third reading of the grammar that tests and fuzzing compare with both.

mod errors;
mod fast;
mod number;
mod parser;
mod plain;
#[doc(hidden)]
pub mod reference;
mod serialize;
mod split;
mod template;
#[cfg(test)]
mod tests;

pub use errors::{ErrorKind, ErrorList, LineError};
pub use parser::{Options, Parser, Rules, Stats};
pub use serialize::{Unspellable, write_point};
pub use split::{find_cut, find_cut_streaming};

/// Longest series key, as in InfluxDB 1.x, where it includes the field name and four bytes between.
pub const KEY_LEN_MAX: usize = 65_535;
/// Longest measurement, tag key, tag value or field name.
pub const NAME_LEN_MAX: usize = 65_536;
/// Longest string value, unescaped.
pub const STRING_LEN_MAX: usize = 1 << 20;
