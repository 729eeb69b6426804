//! A group: numbers packed with a common base and width, with or without exceptions. The integer codecs are made of groups.

use std::hint::select_unpredictable;

use crate::CodecError;
use crate::bits::{bits_of, mask, pack, unpack};
use crate::varint::{get_signed, get_u8, get_varint, put_signed, put_varint, varint_len, zigzag};

/// How a group will be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    base: i64,
    width: u32,
    /// Estimated size, bits.
    pub(crate) bits: usize,
    /// Whether values that do not fit are listed apart.
    pub(crate) patched: bool,
}

/// Smallest and largest; (0, 0) of nothing.
///
/// Four at a time and without branches, since the baseline has no wide compare of 64 bits: saves a tenth of encoding integers.
pub(crate) fn min_max(values: &[i64]) -> (i64, i64) {
    let Some(&first) = values.first() else { return (0, 0) };
    let (mut low, mut high) = ([first; 4], [first; 4]);
    let (fours, rest) = values.as_chunks::<4>();
    let step = |low: &mut i64, high: &mut i64, v: i64| {
        *low = select_unpredictable(v < *low, v, *low);
        *high = select_unpredictable(v > *high, v, *high);
    };
    for four in fours {
        for lane in 0..4 {
            step(&mut low[lane], &mut high[lane], four[lane]);
        }
    }
    rest.iter().for_each(|&v| step(&mut low[0], &mut high[0], v));
    let (mut min, mut max) = (low[0], high[0]);
    for lane in 1..4 {
        (min, max) = (min.min(low[lane]), max.max(high[lane]));
    }
    (min, max)
}

/// Plans a group without exceptions.
pub(crate) fn plan_plain(values: &[i64]) -> Plan {
    let (min, max) = min_max(values);
    let width = bits_of(max.wrapping_sub(min) as u64);
    let bits = header_bits(min) + values.len() * width as usize;
    Plan { base: min, width, bits, patched: false }
}

/// Plans a group with exceptions if that is smaller than `plain`, else gives `plain` back.
pub(crate) fn plan_patched(values: &[i64], plain: Plan) -> Plan {
    let n = values.len();
    if plain.width < 2 || n < 16 {
        return plain;
    }
    // Exceptions pay only if few values need the last bit, or nearly all do because the smallest one is the exception.
    let high = count_above(values, plain.base, plain.width - 1);
    let few = n / 12;
    if high > few && high + few < n {
        return plain;
    }
    // The cheapest number of low bits, once above the smallest value and once above a low quantile of a sample.
    let mut sample = [0i64; 32];
    let mut taken = 0;
    for &v in values.iter().step_by(n.div_ceil(32)) {
        if let Some(slot) = sample.get_mut(taken) {
            *slot = v;
            taken += 1;
        }
    }
    let sample = &mut sample[..taken];
    sample.sort_unstable();
    let low = sample.get(taken / 16).copied().unwrap_or(plain.base);
    let mut best = plain;
    best_width(values, plain.base, plain.width, &mut best);
    if low != plain.base {
        best_width(values, low, plain.width, &mut best);
    }
    // An estimate may be a little off; plain groups are faster to read, so the saving must be real.
    if best.bits + best.bits / 32 < plain.bits { best } else { plain }
}

/// How many values need more than `width` < 64 bits above `base`. One compare per value and no table: it runs in wide registers.
#[inline]
fn count_above(values: &[i64], base: i64, width: u32) -> usize {
    let limit = 1u64 << width;
    values.iter().map(|&v| u64::from(v.wrapping_sub(base) as u64 >= limit)).sum::<u64>() as usize
}

/// Tries fewer and fewer bits until the exceptions cost more than the bits.
fn best_width(values: &[i64], base: i64, full: u32, best: &mut Plan) {
    let exception_bits = 8 + 8 * (full as usize + 1).div_ceil(7);
    for width in (0..full).rev() {
        let exceptions = count_above(values, base, width);
        let bits = header_bits(base) + 8 + values.len() * width as usize + exceptions * exception_bits;
        if bits < best.bits {
            *best = Plan { base, width, bits, patched: true };
        }
        if exceptions > values.len() / 6 {
            break;
        }
    }
}

fn header_bits(base: i64) -> usize {
    8 * varint_len(zigzag(base)) + 8
}

/// Writes a group as planned.
pub(crate) fn write(values: &[i64], plan: Plan, out: &mut Vec<u8>) {
    let Plan { base, width, patched, .. } = plan;
    put_signed(base, out);
    out.push(width as u8);
    if !patched {
        pack(values, width, out, |v| v.wrapping_sub(base) as u64);
        return;
    }
    // Patched groups are narrower than 64 bits.
    let limit = 1u64 << (width % 64);
    let fits = |v: i64| (v.wrapping_sub(base) as u64) < limit || width == 64;
    let exceptions = values.iter().filter(|&&v| !fits(v)).count();
    put_varint(exceptions as u64, out);
    let mut next = 0;
    for (i, &v) in values.iter().enumerate() {
        if !fits(v) {
            put_varint((i - next) as u64, out);
            put_signed(v.wrapping_sub(base), out);
            next = i + 1;
        }
    }
    pack(values, width, out, |v| v.wrapping_sub(base) as u64 & mask(width));
}

/// Appends the `n` values of a group at `*at` to `out`.
#[inline]
pub(crate) fn read_plain(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    out: &mut Vec<i64>,
) -> Result<(), CodecError> {
    let base = get_signed(bytes, at)?;
    let width = get_u8(bytes, at)?;
    unpack(bytes, at, n, u32::from(width), out, |v| base.wrapping_add(v as i64))
}

/// Appends the `n` values of a group with exceptions at `*at` to `out`.
pub(crate) fn read_patched(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    out: &mut Vec<i64>,
) -> Result<(), CodecError> {
    let base = get_signed(bytes, at)?;
    let width = get_u8(bytes, at)?;
    let exceptions = get_varint(bytes, at)?;
    let list = *at;
    for _ in 0..exceptions {
        get_varint(bytes, at)?;
        get_varint(bytes, at)?;
    }
    let start = out.len();
    unpack(bytes, at, n, u32::from(width), out, |v| base.wrapping_add(v as i64))?;
    let mut at = list;
    let mut next = start;
    for _ in 0..exceptions {
        let offset = at;
        let gap = usize::try_from(get_varint(bytes, &mut at)?).unwrap_or(usize::MAX);
        let value = get_signed(bytes, &mut at)?;
        let i = next.saturating_add(gap);
        let slot =
            out.get_mut(i).ok_or(CodecError::Corrupt { offset, what: "exception behind the last value" })?;
        *slot = base.wrapping_add(value);
        next = i + 1;
    }
    Ok(())
}
