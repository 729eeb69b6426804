//! Times: integers that often repeat from series to series and are often whole milliseconds or seconds.

use crate::int::{self, each_run, runs_fit};
use crate::varint::{get_bytes, get_u8};
use crate::{CodecError, VALUES_MAX, id};

/// Appends the encoding of times in nanoseconds; `runs` as in [`encode_i64`](crate::encode_i64).
///
/// Stores a list of times once when the next series has the same (or its beginning), and divides by a power of ten when nothing is
/// lost.
pub fn encode_time(values: &[i64], runs: &[u32], out: &mut Vec<u8>) {
    let runs = if runs_fit(runs, values.len()) { runs } else { &[] };
    if runs.len() > 1 && repeats(values, runs, out) {
        return;
    }
    encode_scaled(values, runs, out);
}

/// Writes equal neighbouring lists once, if there are any; says whether it did.
fn repeats(values: &[i64], runs: &[u32], out: &mut Vec<u8>) -> bool {
    let mut lists: Vec<&[i64]> = Vec::new();
    let mut fresh = Vec::with_capacity(runs.len());
    for run in each_run(values, runs) {
        let known = lists.last().is_some_and(|last| last.starts_with(run));
        if !known {
            lists.push(run);
        }
        fresh.push(!known);
    }
    if lists.len() == fresh.len() {
        return false;
    }
    out.push(id::REPEATED);
    if let [only] = lists[..] {
        out.push(ONE_LIST);
        encode_scaled(only, &[], out);
        return true;
    }
    out.push(SOME_LISTS);
    for eight in fresh.chunks(8) {
        out.push(eight.iter().enumerate().map(|(i, &f)| u8::from(f) << i).sum());
    }
    let lens: Vec<u32> = lists.iter().map(|l| l.len() as u32).collect();
    encode_scaled(&lists.concat(), &lens, out);
    true
}

/// All runs have the times of the first, or their beginning.
const ONE_LIST: u8 = 0;
/// A bitmap says which runs have times of their own.
const SOME_LISTS: u8 = 1;

fn encode_scaled(values: &[i64], runs: &[u32], out: &mut Vec<u8>) {
    let mut scaled = Vec::new();
    let exponent = match values.len() {
        0 | 1 => 0,
        _ => power_of_ten(values),
    };
    match exponent {
        9 => scaled.extend(values.iter().map(|v| v / 1_000_000_000)),
        6 => scaled.extend(values.iter().map(|v| v / 1_000_000)),
        3 => scaled.extend(values.iter().map(|v| v / 1_000)),
        _ => return int::encode(values, runs, true, out),
    }
    out.push(id::POWER_OF_TEN);
    out.push(exponent);
    int::encode(&scaled, runs, true, out);
}

/// 9, 6 or 3 when all values are such multiples. The divisors are constants so that no division instruction is needed.
pub(crate) fn power_of_ten(values: &[i64]) -> u8 {
    if values.iter().all(|v| v % 1_000_000_000 == 0) {
        9
    } else if values.iter().all(|v| v % 1_000_000 == 0) {
        6
    } else if values.iter().all(|v| v % 1_000 == 0) {
        3
    } else {
        0
    }
}

/// Appends `n` times to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_time(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<i64>) -> Result<usize, CodecError> {
    let (start, mut at) = (out.len(), 0);
    match decode_repeated(bytes, &mut at, n, runs, out) {
        Ok(()) => Ok(at),
        Err(e) => {
            out.truncate(start);
            Err(e)
        }
    }
}

fn decode_repeated(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<i64>,
) -> Result<(), CodecError> {
    if n == 0 {
        return Ok(());
    }
    if bytes.get(*at) != Some(&id::REPEATED) {
        return decode_scaled(bytes, at, n, runs, out);
    }
    if n > VALUES_MAX || !runs_fit(runs, n) {
        return Err(CodecError::Count { n });
    }
    *at += 1;
    let offset = *at;
    let mode = get_u8(bytes, at)?;
    let whole = [n as u32];
    let filled: Vec<usize> =
        if runs.is_empty() { &whole } else { runs }.iter().filter(|&&r| r > 0).map(|&r| r as usize).collect();
    let bitmap: &[u8] = match mode {
        ONE_LIST => &[],
        SOME_LISTS => get_bytes(bytes, at, filled.len().div_ceil(8))?,
        _ => return Err(CodecError::Corrupt { offset, what: "unknown way of repeating times" }),
    };
    let fresh = |i: usize| i == 0 || bitmap.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
    let lens: Vec<u32> =
        filled.iter().enumerate().filter(|(i, _)| fresh(*i)).map(|(_, &len)| len as u32).collect();
    let stored = lens.iter().map(|&l| l as usize).sum();
    let mut lists = Vec::with_capacity(stored);
    decode_scaled(bytes, at, stored, &lens, &mut lists)?;
    out.reserve(n);
    let mut rest = &lists[..];
    let mut last: &[i64] = &[];
    for (i, &len) in filled.iter().enumerate() {
        if fresh(i) {
            (last, rest) = rest.split_at(len);
        }
        let run = last
            .get(..len)
            .ok_or(CodecError::Corrupt { offset, what: "repeated times longer than the list they repeat" })?;
        out.extend_from_slice(run);
    }
    Ok(())
}

fn decode_scaled(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<i64>,
) -> Result<(), CodecError> {
    if n == 0 || bytes.get(*at) != Some(&id::POWER_OF_TEN) {
        return int::decode(bytes, at, n, runs, out);
    }
    *at += 1;
    let offset = *at;
    let factor = 10i64
        .checked_pow(u32::from(get_u8(bytes, at)?))
        .ok_or(CodecError::Corrupt { offset, what: "power of ten above 18" })?;
    let start = out.len();
    int::decode(bytes, at, n, runs, out)?;
    out[start..].iter_mut().for_each(|v| *v = v.wrapping_mul(factor));
    Ok(())
}
