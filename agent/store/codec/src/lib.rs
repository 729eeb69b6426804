//! Column codecs: values to bits and back.
//!
//! Pure functions over slices. Encoders append to a `Vec<u8>` and choose the codec that needs the fewest bits (estimated);
//! decoders append exactly `n` values to the caller's buffer and return how many bytes they used, so encodings can stand back to back. The
//! number of values is never stored: pass the same `n` (and the same runs) to both. No values, no bytes. Decoders never panic
//! on any input, and leave the buffer as long as it was when they fail.
//!
//! **Runs.** `runs` are the lengths of neighbouring runs in `values`, one per series, zeros allowed; they add up to the number of values.
//! `&[]` means one run. Deltas never cross from one run into the next, so many short series share one header.
//!
//! Meant for blocks of up to some thousand values. The bytes are described in `agent/store/FORMAT.md`.

mod error;

pub use error::CodecError;

use weir_model::read::Strings;

/// Most values in one encoding.
pub const VALUES_MAX: usize = 1 << 20;

/// What is remembered from block to block of one float column; saves the search for scale and cut. Any value is correct.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloatHint {
    _scale: Option<u8>,
}

/// Appends the encoding of signed integers.
pub fn encode_i64(values: &[i64], runs: &[u32], out: &mut Vec<u8>) {
    let _ = (values, runs, out);
    todo!()
}
/// Appends the encoding of unsigned integers.
pub fn encode_u64(values: &[u64], runs: &[u32], out: &mut Vec<u8>) {
    let _ = (values, runs, out);
    todo!()
}
/// Appends the encoding of times in nanoseconds. As [`encode_i64`], and looks for equal lists of times and for powers of ten.
pub fn encode_time(values: &[i64], runs: &[u32], out: &mut Vec<u8>) {
    let _ = (values, runs, out);
    todo!()
}
/// Appends the encoding of floats, bit-exact for every value.
pub fn encode_f64(values: &[f64], runs: &[u32], hint: &mut FloatHint, out: &mut Vec<u8>) {
    let _ = (values, runs, hint, out);
    todo!()
}
/// Appends the encoding of booleans.
pub fn encode_bool(values: &[bool], out: &mut Vec<u8>) {
    let _ = (values, out);
    todo!()
}
/// Appends the encoding of strings.
pub fn encode_strings(values: &[&str], out: &mut Vec<u8>) {
    let _ = (values, out);
    todo!()
}
/// Appends `n` signed integers to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_i64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<i64>) -> Result<usize, CodecError> {
    let _ = (bytes, n, runs, out);
    todo!()
}
/// Appends `n` unsigned integers to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_u64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<u64>) -> Result<usize, CodecError> {
    let _ = (bytes, n, runs, out);
    todo!()
}
/// Appends `n` times to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_time(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<i64>) -> Result<usize, CodecError> {
    let _ = (bytes, n, runs, out);
    todo!()
}
/// Appends `n` floats to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_f64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<f64>) -> Result<usize, CodecError> {
    let _ = (bytes, n, runs, out);
    todo!()
}
/// Appends `n` booleans to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_bool(bytes: &[u8], n: usize, out: &mut Vec<bool>) -> Result<usize, CodecError> {
    let _ = (bytes, n, out);
    todo!()
}
/// Appends `n` strings to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_strings(bytes: &[u8], n: usize, out: &mut Strings) -> Result<usize, CodecError> {
    let _ = (bytes, n, out);
    todo!()
}
/// Appends `value` in 1 to 10 bytes, 7 bits each, lowest first (LEB128).
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    let _ = (value, out);
    todo!()
}
/// Reads a varint at `*at` and moves `*at` behind it.
///
/// # Errors
/// [`CodecError`] when the bytes end or the varint does not fit 64 bits.
pub fn get_varint(bytes: &[u8], at: &mut usize) -> Result<u64, CodecError> {
    let _ = (bytes, at);
    todo!()
}
