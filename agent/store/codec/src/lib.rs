//! Column codecs: values to bits and back.
//!
//! Pure functions over slices. Encoders append to a `Vec<u8>` and choose the codec that needs the fewest bits (estimated);
//! decoders append exactly `n` values to the caller's buffer and return how many bytes they used, so encodings can stand back
//! to back. The number of values is never stored: pass the same `n` (and the same runs) to both. No values, no bytes.
//! Decoders never panic on any input, and leave the buffer as it was when they fail.
//!
//! **Runs.** `runs` are the lengths of neighbouring runs in `values`, one per series, zeros allowed; they add up to the number
//! of values. `&[]` means one run. Deltas never cross from one run into the next, so many short series share one header.
//!
//! Meant for blocks of up to some thousand values. The bytes are described in `agent/store/FORMAT.md`.

mod bits;
mod boolean;
mod decimal;
mod dense;
mod dictionary;
mod error;
mod float;
mod front_bits;
mod group;
mod int;
mod string;
mod time;
mod varint;

#[cfg(test)]
mod tests;

pub use boolean::{decode_bool, encode_bool};
pub use dense::{DenseBlock, DenseColumn, DenseNumbers, DenseReader, is_dense};
pub use error::CodecError;
pub use float::{FloatHint, decode_f64, encode_f64};
pub use int::{decode_i64, decode_u64, encode_i64, encode_u64};
pub use string::{TEXT_BYTES_MAX, decode_strings, encode_strings};
pub use time::{decode_time, encode_time};
pub use varint::{get_varint, put_varint};

/// Most values in one encoding.
pub const VALUES_MAX: usize = 1 << 20;

/// The first byte of an encoding.
mod id {
    pub(crate) const CONSTANT: u8 = 0;
    pub(crate) const CONSTANT_STEP: u8 = 1;
    pub(crate) const REFERENCE: u8 = 2;
    pub(crate) const DELTA: u8 = 3;
    pub(crate) const DELTA_PATCHED: u8 = 4;
    pub(crate) const SECOND_DELTA: u8 = 5;
    pub(crate) const DECIMAL: u8 = 6;
    pub(crate) const DICTIONARY: u8 = 7;
    pub(crate) const FRONT_BITS: u8 = 8;
    pub(crate) const RAW: u8 = 9;
    pub(crate) const BITMAP: u8 = 10;
    pub(crate) const RUN_LENGTHS: u8 = 11;
    pub(crate) const TEXT_CONSTANT: u8 = 12;
    pub(crate) const TEXT_DICTIONARY: u8 = 13;
    pub(crate) const TEXT: u8 = 14;
    pub(crate) const DENSE: u8 = 15;
    pub(crate) const REPEATED: u8 = 16;
    pub(crate) const POWER_OF_TEN: u8 = 17;
    pub(crate) const REFERENCE_PATCHED: u8 = 18;
}
