//! Floats: constant, decimal, dictionary, front-bit dictionary, raw. Bit-exact for every value.

use crate::decimal;
use crate::dictionary::{self, Distinct};
use crate::front_bits;
use crate::varint::{get_bytes, get_u8};
use crate::{CodecError, VALUES_MAX, id};

/// What is remembered from block to block of one float column; saves the search for scale and cut. Any value is correct.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloatHint {
    /// Digits behind the point that the last block needed.
    pub(crate) scale: Option<u8>,
    /// Front bits that the last block was cut at, and for how many more blocks that shall do.
    pub(crate) cut: Option<(u8, u8)>,
}

/// Appends the encoding of floats, bit-exact for every value; `runs` as in [`encode_i64`](crate::encode_i64).
pub fn encode_f64(values: &[f64], runs: &[u32], hint: &mut FloatHint, out: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    let n = values.len();
    if values.iter().all(|v| v.to_bits() == first.to_bits()) {
        out.push(id::CONSTANT);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    let start = out.len();
    let mut best = 64 * n;
    if decimal::encode(values, runs, hint, out) {
        best = 8 * (out.len() - start);
        if best <= 12 * n {
            return;
        }
    }
    let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
    if let Some(distinct) = Distinct::find(&bits, n / 4, |&v| v)
        && 64 * distinct.values.len() + distinct.code_bits(n) < best
    {
        out.truncate(start);
        out.push(id::DICTIONARY);
        distinct.write_len(out);
        distinct.values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
        distinct.write_codes(out);
        return;
    }
    if best > 40 * n
        && let Some(plan) = front_bits::Plan::new(&bits, hint)
        && plan.bits < best
        && plan.bits < 64 * n - 64 * n / 20
    {
        out.truncate(start);
        out.push(id::FRONT_BITS);
        plan.write(&bits, out);
        return;
    }
    if out.len() == start {
        out.push(id::RAW);
        bits.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
    }
}

/// Appends `n` floats to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_f64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<f64>) -> Result<usize, CodecError> {
    let (start, mut at) = (out.len(), 0);
    match decode(bytes, &mut at, n, runs, out) {
        Ok(()) => Ok(at),
        Err(e) => {
            out.truncate(start);
            Err(e)
        }
    }
}

fn decode(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<f64>,
) -> Result<(), CodecError> {
    if n == 0 {
        return Ok(());
    }
    if n > VALUES_MAX {
        return Err(CodecError::Count { n });
    }
    let offset = *at;
    match get_u8(bytes, at)? {
        id::CONSTANT => {
            let mut values = Vec::with_capacity(1);
            read_raw(bytes, at, 1, &mut values)?;
            out.extend(values.iter().cycle().take(n));
        }
        id::DECIMAL => decimal::decode(bytes, at, n, runs, out)?,
        id::DICTIONARY => {
            let len = dictionary::read_len(bytes, at, n)?;
            let mut values = Vec::with_capacity(len);
            read_raw(bytes, at, len, &mut values)?;
            dictionary::read_codes(bytes, at, n, &values, out)?;
        }
        id::FRONT_BITS => front_bits::decode(bytes, at, n, out)?,
        id::RAW => read_raw(bytes, at, n, out)?,
        other => return Err(CodecError::UnknownCodec { id: other, offset }),
    }
    Ok(())
}

fn read_raw(bytes: &[u8], at: &mut usize, n: usize, out: &mut Vec<f64>) -> Result<(), CodecError> {
    let raw = get_bytes(bytes, at, n.saturating_mul(8))?;
    out.extend(raw.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c)));
    Ok(())
}
