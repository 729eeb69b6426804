//! Floats that are short decimals: an integer mantissa over a power of ten, shared by a block; the rest are exceptions.
//!
//! `m / 10^s` is correctly rounded by the division when |m| < 2^53 and s ≤ 22, so it is the float that the text `m·10^-s` parses to. The encoder
//! checks every value bit by bit, so nothing depends on where a value came from.

use crate::float::FloatHint;
use crate::int;
use crate::varint::{get_bytes, get_u8, get_varint, put_varint};
use crate::{CodecError, id};

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Most digits behind the point that are searched for; 2^51 has 15 digits.
const SCALE_MAX: u8 = 15;
/// Adding this to a float below 2^51 in magnitude rounds it to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
const LIMIT: f64 = 2_251_799_813_685_248.0;
const SAMPLE: usize = 32;

/// Mantissa of `value` at a scale, and whether it gives the value back bit by bit.
#[inline(always)]
fn mantissa(value: f64, power: f64) -> (i64, bool) {
    let scaled = value * power;
    let shifted = scaled + ROUND;
    let rounded = shifted - ROUND;
    let exact = scaled.abs() < LIMIT && (rounded / power).to_bits() == value.to_bits();
    ((shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64), exact)
}

/// Encodes `values` as decimals unless too many are none; then nothing is written. `values` is not empty.
pub(crate) fn encode(values: &[f64], runs: &[u32], hint: &mut FloatHint, out: &mut Vec<u8>) -> bool {
    let mut mantissas = Vec::with_capacity(values.len());
    let known = hint.scale.filter(|&s| still_good(values, s));
    let Some((scale, exceptions)) = known
        .and_then(|s| convert(values, s, &mut mantissas).map(|e| (s, e)))
        .or_else(|| search(values, &mut mantissas))
    else {
        hint.scale = None;
        return false;
    };
    hint.scale = Some(scale);
    out.push(id::DECIMAL);
    write_exceptions(values, (scale, exceptions), &mut mantissas, out);
    int::encode(&mantissas, runs, false, out);
    true
}

/// Writes scale and exceptions, and puts harmless mantissas in the place of the latter.
pub(crate) fn write_exceptions(
    values: &[f64],
    (scale, mut exceptions): (u8, usize),
    mantissas: &mut [i64],
    out: &mut Vec<u8>,
) {
    out.push(scale);
    put_varint(exceptions as u64, out);
    let power = POWERS[scale as usize];
    // The mantissa in place of an exception is one that costs little: the one before, or the first good one.
    let mut filler =
        mantissas.iter().zip(values).find(|(_, v)| mantissa(**v, power).1).map_or(0, |(&first, _)| first);
    let mut next = 0;
    for (i, &value) in values.iter().enumerate() {
        if exceptions == 0 {
            break;
        }
        if mantissa(value, power).1 {
            filler = mantissas[i];
        } else {
            exceptions -= 1;
            put_varint((i - next) as u64, out);
            out.extend_from_slice(&value.to_le_bytes());
            next = i + 1;
            mantissas[i] = filler;
        }
    }
}

/// A scale is kept while a sample neither fails nor would do with a digit less.
fn still_good(values: &[f64], scale: u8) -> bool {
    let power = POWERS[scale as usize];
    let mut shorter = scale > 0;
    let mut failed = 0;
    for &value in values.iter().step_by(values.len().div_ceil(SAMPLE)) {
        let (m, exact) = mantissa(value, power);
        failed += usize::from(!exact);
        shorter &= m % 10 == 0;
    }
    failed <= 1 && !shorter
}

/// Mantissas of all values and the number of exceptions; `None` if those are more than a twentieth.
pub(crate) fn convert(values: &[f64], scale: u8, mantissas: &mut Vec<i64>) -> Option<usize> {
    let power = *POWERS.get(scale as usize)?;
    mantissas.clear();
    mantissas.resize(values.len(), 0);
    let mut failed = 0u64;
    for (slot, &value) in mantissas.iter_mut().zip(values) {
        let (m, exact) = mantissa(value, power);
        *slot = m;
        failed += u64::from(!exact);
    }
    (failed as usize * 20 <= values.len()).then_some(failed as usize)
}

/// Finds the scale that most values of a sample need, then the scale that all of them need.
fn search(values: &[f64], mantissas: &mut Vec<i64>) -> Option<(u8, usize)> {
    let mut scales = [0u8; SAMPLE];
    let (mut found, mut failed) = (0, 0);
    for &value in values.iter().step_by(values.len().div_ceil(SAMPLE)) {
        let scale = (0..=SCALE_MAX).find(|&s| mantissa(value, POWERS[s as usize]).1);
        match scale {
            Some(s) => {
                scales[found] = s;
                found += 1;
            }
            None => failed += 1,
        }
        if failed > 2 {
            return None;
        }
    }
    let scales = &mut scales[..found];
    scales.sort_unstable();
    let &deepest = scales.last()?;
    let usual = scales[found - 1 - found / SAMPLE];
    [usual, deepest, deepest + 1].into_iter().find_map(|s| convert(values, s, mantissas).map(|e| (s, e)))
}

/// Scale and place of the exceptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    power: f64,
    exceptions: u64,
    list: usize,
}

/// Reads what precedes the mantissas.
pub(crate) fn read_head(bytes: &[u8], at: &mut usize) -> Result<Head, CodecError> {
    let offset = *at;
    let scale = get_u8(bytes, at)?;
    let &power =
        POWERS.get(scale as usize).ok_or(CodecError::Corrupt { offset, what: "decimal scale above 22" })?;
    let exceptions = get_varint(bytes, at)?;
    let list = *at;
    for _ in 0..exceptions {
        get_varint(bytes, at)?;
        get_bytes(bytes, at, 8)?;
    }
    Ok(Head { power, exceptions, list })
}

/// Appends the values that mantissas and exceptions stand for.
pub(crate) fn finish(
    bytes: &[u8],
    head: Head,
    mantissas: &[i64],
    out: &mut Vec<f64>,
) -> Result<(), CodecError> {
    let Head { power, exceptions, list } = head;
    let start = out.len();
    out.extend(mantissas.iter().map(|&m| m as f64 / power));
    let mut at = list;
    let mut next = start;
    for _ in 0..exceptions {
        let offset = at;
        let gap = usize::try_from(get_varint(bytes, &mut at)?).unwrap_or(usize::MAX);
        let mut raw = [0u8; 8];
        raw.copy_from_slice(get_bytes(bytes, &mut at, 8)?);
        let i = next.saturating_add(gap);
        let slot =
            out.get_mut(i).ok_or(CodecError::Corrupt { offset, what: "exception behind the last value" })?;
        *slot = f64::from_le_bytes(raw);
        next = i + 1;
    }
    Ok(())
}

/// Decodes `n` values behind the codec id.
pub(crate) fn decode(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<f64>,
) -> Result<(), CodecError> {
    let head = read_head(bytes, at)?;
    let mut mantissas = Vec::with_capacity(n);
    int::decode(bytes, at, n, runs, &mut mantissas)?;
    finish(bytes, head, &mantissas, out)
}
