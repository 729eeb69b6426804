//! One block of one column, packed or plain.
//!
//! Packed: the encodings of `weir-codec`, which stand back to back. Plain: series and times as zigzag varints of the difference
//! to the row before; integers as zigzag, unsigned as plain varints; floats with a scale byte, then either zigzag varints of
//! `value × 10^scale` or 8 raw bytes each; booleans one byte; strings length and bytes.

use std::ops::Range;

use weir_codec::{FloatHint, get_varint, put_varint};
use weir_model::FieldType;
use weir_model::read::{Column, Strings, Validity, Values};

use super::ColumnView;

/// Every row of the block has a value.
const NULLS_NO: u8 = 0;
/// No row has one; nothing follows.
const NULLS_ALL: u8 = 1;
/// A bitmap follows, one bit per row; only values that are there follow it.
const NULLS_SOME: u8 = 2;

/// Scale byte of floats that stand raw.
const RAW_FLOATS: u8 = 0xFF;
/// Largest power of ten a float holds exactly.
const SCALE_MAX: u8 = 22;
/// Integers below this are exact as floats.
const MANTISSA_END: f64 = 9_007_199_254_740_992.0;

/// 10^0 to 10^22, all exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

type Read<T> = Result<T, &'static str>;

/// Values of the valid rows only, when some are null. Reused.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    floats: Vec<f64>,
    integers: Vec<i64>,
    unsigned: Vec<u64>,
    booleans: Vec<bool>,
    mantissas: Vec<i64>,
}

/// Number of values; `None` if the column is absent.
pub(super) fn len(values: &Values) -> Option<usize> {
    match values {
        Values::Absent => None,
        Values::Float(v) => Some(v.len()),
        Values::Integer(v) => Some(v.len()),
        Values::Unsigned(v) => Some(v.len()),
        Values::Boolean(v) => Some(v.len()),
        Values::String(v) => Some(v.len()),
    }
}

/// Whether a bitmap, if there is one, has a word for each row.
pub(super) fn fits(valid: &Validity, rows: usize) -> bool {
    !matches!(valid, Validity::Bits(words) if words.len() < rows.div_ceil(64))
}

pub(super) fn empty(field_type: FieldType) -> Values {
    match field_type {
        FieldType::Float => Values::Float(Vec::new()),
        FieldType::Integer => Values::Integer(Vec::new()),
        FieldType::Unsigned => Values::Unsigned(Vec::new()),
        FieldType::Boolean => Values::Boolean(Vec::new()),
        FieldType::String => Values::String(Strings::new()),
    }
}

const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

impl Scratch {
    pub(super) fn series(&mut self, series: &[u64], packed: bool, out: &mut Vec<u8>) {
        if packed {
            weir_codec::encode_u64(series, &[], out);
            return;
        }
        let mut before = 0u64;
        for &id in series {
            put_varint(zigzag(id.wrapping_sub(before).cast_signed()), out);
            before = id;
        }
    }

    pub(super) fn times(&mut self, times: &[i64], packed: bool, out: &mut Vec<u8>) {
        if packed {
            weir_codec::encode_time(times, &[], out);
            return;
        }
        let mut before = 0i64;
        for &time in times {
            put_varint(zigzag(time.wrapping_sub(before)), out);
            before = time;
        }
    }

    /// Appends rows `rows` of `column`.
    pub(super) fn column(
        &mut self,
        column: &ColumnView<'_>,
        rows: Range<usize>,
        packed: bool,
        hint: &mut FloatHint,
        out: &mut Vec<u8>,
    ) {
        let n_valid = match column.valid {
            Validity::All => rows.len(),
            Validity::None => 0,
            Validity::Bits(_) => rows.clone().filter(|&row| column.valid.is_valid(row)).count(),
        };
        if n_valid == 0 {
            out.push(NULLS_ALL);
            return;
        }
        let sparse = n_valid < rows.len();
        if sparse {
            out.push(NULLS_SOME);
            put_bitmap(column.valid, rows.clone(), out);
        } else {
            out.push(NULLS_NO);
        }
        let valid = sparse.then_some(column.valid);
        match column.values {
            Values::Absent => {}
            Values::Float(v) => {
                let v = present(v, valid, rows, &mut self.floats);
                if packed {
                    weir_codec::encode_f64(v, &[], hint, out);
                } else {
                    put_floats(v, column.scale, &mut self.mantissas, out);
                }
            }
            Values::Integer(v) => {
                let v = present(v, valid, rows, &mut self.integers);
                if packed {
                    weir_codec::encode_i64(v, &[], out);
                } else {
                    v.iter().for_each(|&n| put_varint(zigzag(n), out));
                }
            }
            Values::Unsigned(v) => {
                let v = present(v, valid, rows, &mut self.unsigned);
                if packed {
                    weir_codec::encode_u64(v, &[], out);
                } else {
                    v.iter().for_each(|&n| put_varint(n, out));
                }
            }
            Values::Boolean(v) => {
                let v = present(v, valid, rows, &mut self.booleans);
                if packed {
                    weir_codec::encode_bool(v, out);
                } else {
                    out.extend(v.iter().map(|&b| u8::from(b)));
                }
            }
            Values::String(v) => {
                let keep = |row: &usize| valid.is_none_or(|valid| valid.is_valid(*row));
                let texts: Vec<&str> = rows.filter(keep).map(|row| v.get(row).unwrap_or("")).collect();
                if packed {
                    weir_codec::encode_strings(&texts, out);
                } else {
                    for text in texts {
                        put_varint(text.len() as u64, out);
                        out.extend_from_slice(text.as_bytes());
                    }
                }
            }
        }
    }
}

/// The values of the rows that have one: the slice itself, or a copy without the nulls.
fn present<'a, T: Copy>(
    values: &'a [T],
    valid: Option<&Validity>,
    rows: Range<usize>,
    scratch: &'a mut Vec<T>,
) -> &'a [T] {
    let Some(valid) = valid else { return &values[rows] };
    scratch.clear();
    scratch.extend(rows.filter(|&row| valid.is_valid(row)).map(|row| values[row]));
    scratch
}

fn put_bitmap(valid: &Validity, rows: Range<usize>, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + rows.len().div_ceil(8), 0);
    for (i, row) in rows.enumerate() {
        out[start + i / 8] |= u8::from(valid.is_valid(row)) << (i % 8);
    }
}

fn put_floats(values: &[f64], scale: Option<u8>, mantissas: &mut Vec<i64>, out: &mut Vec<u8>) {
    let scale = scale.unwrap_or(0).min(SCALE_MAX);
    let power = POWERS[usize::from(scale)];
    mantissas.clear();
    for &value in values {
        let m = (value * power).round();
        // Negative zero divides back to positive zero and so is caught by the comparison of bits.
        if m.abs() >= MANTISSA_END || (m as i64 as f64 / power).to_bits() != value.to_bits() {
            break;
        }
        mantissas.push(m as i64);
    }
    if mantissas.len() == values.len() {
        out.push(scale);
        mantissas.iter().for_each(|&m| put_varint(zigzag(m), out));
    } else {
        out.push(RAW_FLOATS);
        values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
    }
}

fn varint(bytes: &[u8], at: &mut usize) -> Read<u64> {
    get_varint(bytes, at).map_err(|_| "a number is cut off")
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, n: usize) -> Read<&'a [u8]> {
    let end = at.checked_add(n).ok_or("a length is too large")?;
    let part = bytes.get(*at..end).ok_or("the bytes end early")?;
    *at = end;
    Ok(part)
}

/// Runs a decoder of `weir-codec` on the bytes from `*at` on.
fn unpack(
    bytes: &[u8],
    at: &mut usize,
    decode: impl FnOnce(&[u8]) -> Result<usize, weir_codec::CodecError>,
) -> Read<()> {
    let rest = bytes.get(*at..).ok_or("the bytes end early")?;
    *at += decode(rest).map_err(|_| "packed values do not decode")?;
    Ok(())
}

pub(super) fn read_series(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    packed: bool,
    out: &mut Vec<u64>,
) -> Read<()> {
    if packed {
        return unpack(bytes, at, |rest| weir_codec::decode_u64(rest, n, &[], out));
    }
    let mut before = 0u64;
    for _ in 0..n {
        before = before.wrapping_add(unzigzag(varint(bytes, at)?).cast_unsigned());
        out.push(before);
    }
    Ok(())
}

pub(super) fn read_times(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    packed: bool,
    out: &mut Vec<i64>,
) -> Read<()> {
    if packed {
        return unpack(bytes, at, |rest| weir_codec::decode_time(rest, n, &[], out));
    }
    let mut before = 0i64;
    for _ in 0..n {
        before = before.wrapping_add(unzigzag(varint(bytes, at)?));
        out.push(before);
    }
    Ok(())
}

/// Appends `n` rows to a column that has `done` of them.
pub(super) fn read_column(
    bytes: &[u8],
    at: &mut usize,
    done: usize,
    n: usize,
    packed: bool,
    out: &mut Column,
) -> Read<()> {
    let bitmap: Option<&[u8]> = match take(bytes, at, 1)? {
        [NULLS_NO] => None,
        [NULLS_ALL] => Some(&[]),
        [NULLS_SOME] => Some(take(bytes, at, n.div_ceil(8))?),
        _ => return Err("unknown kind of nulls"),
    };
    let has = |i: usize| bitmap.is_none_or(|b| b.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1));
    let n_valid = if bitmap.is_some() { (0..n).filter(|&i| has(i)).count() } else { n };
    if n_valid < n {
        extend_validity(&mut out.valid, done, n, has);
    } else if let Validity::Bits(_) = out.valid {
        extend_validity(&mut out.valid, done, n, |_| true);
    }
    match &mut out.values {
        Values::Absent => return Err("a column without type"),
        Values::Float(v) => {
            read_floats(bytes, at, n_valid, packed, v)?;
            spread(v, done, n, n_valid, has);
        }
        Values::Integer(v) => {
            if packed && n_valid > 0 {
                unpack(bytes, at, |rest| weir_codec::decode_i64(rest, n_valid, &[], v))?;
            } else {
                (0..n_valid).try_for_each(|_| varint(bytes, at).map(|m| v.push(unzigzag(m))))?;
            }
            spread(v, done, n, n_valid, has);
        }
        Values::Unsigned(v) => {
            if packed && n_valid > 0 {
                unpack(bytes, at, |rest| weir_codec::decode_u64(rest, n_valid, &[], v))?;
            } else {
                (0..n_valid).try_for_each(|_| varint(bytes, at).map(|m| v.push(m)))?;
            }
            spread(v, done, n, n_valid, has);
        }
        Values::Boolean(v) => {
            if packed && n_valid > 0 {
                unpack(bytes, at, |rest| weir_codec::decode_bool(rest, n_valid, v))?;
            } else {
                v.extend(take(bytes, at, n_valid)?.iter().map(|&b| b != 0));
            }
            spread(v, done, n, n_valid, has);
        }
        Values::String(v) => read_strings(bytes, at, n, n_valid, packed, has, v)?,
    }
    Ok(())
}

fn extend_validity(valid: &mut Validity, done: usize, n: usize, has: impl Fn(usize) -> bool) {
    let mut words = match std::mem::take(valid) {
        Validity::Bits(words) => words,
        // Nothing was null so far.
        Validity::All | Validity::None => {
            let mut words = vec![u64::MAX; done.div_ceil(64)];
            if let Some(last) = words.last_mut().filter(|_| !done.is_multiple_of(64)) {
                *last &= (1 << (done % 64)) - 1;
            }
            words
        }
    };
    words.resize((done + n).div_ceil(64), 0);
    for row in (0..n).filter(|&i| has(i)).map(|i| done + i) {
        words[row / 64] |= 1 << (row % 64);
    }
    *valid = Validity::Bits(words);
}

/// Moves the last `n_valid` values, dense from `done` on, to their rows, with a default where a row has none.
fn spread<T: Copy + Default>(
    values: &mut Vec<T>,
    done: usize,
    n: usize,
    n_valid: usize,
    has: impl Fn(usize) -> bool,
) {
    if n_valid == n {
        return;
    }
    values.resize(done + n, T::default());
    let mut from = n_valid;
    for i in (0..n).rev() {
        // From the back, so that no value is overwritten before it has moved: `from` never exceeds `i`.
        let value = if has(i) {
            from -= 1;
            values[done + from]
        } else {
            T::default()
        };
        values[done + i] = value;
    }
}

fn read_floats(bytes: &[u8], at: &mut usize, n: usize, packed: bool, out: &mut Vec<f64>) -> Read<()> {
    if n == 0 {
        return Ok(());
    }
    if packed {
        return unpack(bytes, at, |rest| weir_codec::decode_f64(rest, n, &[], out));
    }
    match take(bytes, at, 1)? {
        [RAW_FLOATS] => {
            let (raw, _) = take(bytes, at, n * 8)?.as_chunks::<8>();
            out.extend(raw.iter().map(|&b| f64::from_le_bytes(b)));
        }
        [scale] => {
            let power = POWERS.get(usize::from(*scale)).ok_or("unknown scale of floats")?;
            for _ in 0..n {
                out.push(unzigzag(varint(bytes, at)?) as f64 / power);
            }
        }
        _ => return Err("the bytes end early"),
    }
    Ok(())
}

fn read_strings(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    n_valid: usize,
    packed: bool,
    has: impl Fn(usize) -> bool,
    out: &mut Strings,
) -> Read<()> {
    if packed && n_valid == n {
        return unpack(bytes, at, |rest| weir_codec::decode_strings(rest, n, out));
    }
    let mut dense = Strings::new();
    if packed && n_valid > 0 {
        unpack(bytes, at, |rest| weir_codec::decode_strings(rest, n_valid, &mut dense))?;
    } else {
        for _ in 0..n_valid {
            let len = usize::try_from(varint(bytes, at)?).map_err(|_| "a length is too large")?;
            let text = std::str::from_utf8(take(bytes, at, len)?).map_err(|_| "a string is not UTF-8")?;
            dense.push(text);
        }
    }
    let mut texts = dense.iter();
    (0..n).for_each(|i| out.push(if has(i) { texts.next().unwrap_or("") } else { "" }));
    Ok(())
}
