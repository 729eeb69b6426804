//! Statistics of runs of values: computed by the writer, stored as small columns, read back.

use std::ops::Range;

use weir_codec::{
    CodecError, FloatHint, decode_bool, decode_f64, decode_i64, decode_u64, encode_bool, encode_f64,
    encode_i64, encode_u64,
};
use weir_model::FieldType;
use weir_model::read::{Number, Validity};

use crate::StripeValues;

/// Sums of magnitudes below this are exact in every order of adding.
const EXACT_BELOW: u128 = 1 << 53;

/// Statistics of one column of a stripe, one entry per unit (see [`Piece::unit`](crate::Piece::unit)).
#[derive(Debug, Default)]
pub struct ColumnStatistics {
    units: Vec<UnitStatistics>,
}

/// Statistics of one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitStatistics {
    /// Values that are not null.
    pub count: u32,
    /// Smallest and largest; of equal ones the earliest. `None` without values, for strings and booleans, and when there is a NaN.
    pub min_max: Option<(Number, Number)>,
    /// First and last value that is not null; `None` when `min_max` is.
    pub first_last: Option<(Number, Number)>,
    /// Sum and sum of magnitudes; only when all values are integral and the latter is below 2^53.
    pub exact_sum: Option<(Number, f64)>,
}

impl ColumnStatistics {
    /// Statistics of a unit; all zero when out of bounds.
    #[must_use]
    pub fn unit(&self, unit: usize) -> UnitStatistics {
        self.units.get(unit).copied().unwrap_or_default()
    }

    /// Number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is no unit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

/// Statistics of the valid values among `rows`.
pub(crate) fn of_rows(values: &StripeValues<'_>, valid: &Validity, rows: Range<usize>) -> UnitStatistics {
    let count = count_valid(valid, &rows) as u32;
    match values {
        StripeValues::Float(v) => of_floats(v, valid, rows),
        StripeValues::Integer(v) => of_integers(v, valid, rows, count, Number::Integer, |v| {
            (i128::from(v), u128::from(v.unsigned_abs()))
        }),
        StripeValues::Unsigned(v) => {
            of_integers(v, valid, rows, count, Number::Unsigned, |v| (i128::from(v), u128::from(v)))
        }
        StripeValues::Boolean(_) | StripeValues::String(_) => UnitStatistics { count, ..Default::default() },
    }
}

pub(crate) fn count_valid(valid: &Validity, rows: &Range<usize>) -> usize {
    match valid {
        Validity::All => rows.len(),
        Validity::None => 0,
        Validity::Bits(_) => rows.clone().filter(|&i| valid.is_valid(i)).count(),
    }
}

/// Calls `f` for each valid value.
fn each<T: Copy>(values: &[T], valid: &Validity, rows: Range<usize>, mut f: impl FnMut(T)) {
    match valid {
        Validity::All => values[rows].iter().for_each(|&v| f(v)),
        Validity::None => {}
        Validity::Bits(_) => rows.filter(|&i| valid.is_valid(i)).for_each(|i| f(values[i])),
    }
}

fn of_integers<T: Copy + Ord>(
    values: &[T],
    valid: &Validity,
    rows: Range<usize>,
    count: u32,
    number: impl Fn(T) -> Number,
    wide: impl Fn(T) -> (i128, u128),
) -> UnitStatistics {
    let mut found: Option<(T, T, T, T)> = None;
    let (mut sum, mut magnitude) = (0i128, 0u128);
    each(values, valid, rows, |v| {
        found = Some(match found {
            None => (v, v, v, v),
            Some((min, max, first, _)) => (min.min(v), max.max(v), first, v),
        });
        let (signed, size) = wide(v);
        sum += signed;
        magnitude += size;
    });
    let exact = found.is_some() && magnitude < EXACT_BELOW;
    UnitStatistics {
        count,
        min_max: found.map(|f| (number(f.0), number(f.1))),
        first_last: found.map(|f| (number(f.2), number(f.3))),
        exact_sum: exact.then(|| {
            let sum = match found.map(|f| number(f.0)) {
                Some(Number::Unsigned(_)) => Number::Unsigned(sum as u64),
                _ => Number::Integer(sum as i64),
            };
            (sum, magnitude as f64)
        }),
    }
}

fn of_floats(values: &[f64], valid: &Validity, rows: Range<usize>) -> UnitStatistics {
    let dense: Vec<f64>;
    let values = match valid {
        Validity::All => &values[rows],
        _ => {
            let mut list = Vec::new();
            each(values, valid, rows, |v| list.push(v));
            dense = list;
            &dense
        }
    };
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
        return UnitStatistics::default();
    };
    // Several short loops rather than one long one, and four values side by side: that is what the compiler can keep in wide registers.
    // Sums of several lanes are right only where adding is exact in every order, and only then used.
    let (fours, rest) = values.as_chunks::<4>();
    let (mut low, mut high) = ([first; 4], [first; 4]);
    for four in fours {
        low = std::array::from_fn(|i| if four[i] < low[i] { four[i] } else { low[i] });
        high = std::array::from_fn(|i| if four[i] > high[i] { four[i] } else { high[i] });
    }
    let smaller = |a: f64, b: f64| if b < a { b } else { a };
    let larger = |a: f64, b: f64| if b > a { b } else { a };
    let min = low.into_iter().chain(rest.iter().copied()).fold(first, smaller);
    let max = high.into_iter().chain(rest.iter().copied()).fold(first, larger);
    // Zeros of either sign are equal, so the lanes may have kept a later one than the first.
    let earliest =
        |v: f64| if v == 0.0 { values.iter().copied().find(|&w| w == 0.0).unwrap_or(v) } else { v };

    let (mut sums, mut sizes) = ([0.0; 4], [0.0; 4]);
    for four in fours {
        sums = std::array::from_fn(|i| sums[i] + four[i]);
        sizes = std::array::from_fn(|i| sizes[i] + four[i].abs());
    }
    // From +0.0 on, so that the sum of negative zeros is what a plain loop gives.
    let sum = sums.into_iter().chain(rest.iter().copied()).fold(0.0, |a, b| a + b);
    let magnitude = sizes.into_iter().chain(rest.iter().map(|v| v.abs())).fold(0.0, |a, b| a + b);
    // A NaN makes it NaN, nothing else does.
    let known = !magnitude.is_nan();
    let exact = known && magnitude < EXACT_BELOW as f64 && values.iter().all(|&v| is_integral(v));
    UnitStatistics {
        count: values.len() as u32,
        min_max: known.then(|| (Number::Float(earliest(min)), Number::Float(earliest(max)))),
        first_last: known.then_some((Number::Float(first), Number::Float(last))),
        exact_sum: exact.then_some((Number::Float(sum), magnitude)),
    }
}

/// Whether a float is an integer; those above 2^52 that are odd are not found to be.
fn is_integral(v: f64) -> bool {
    // Adding 2^52 leaves no room for a fraction.
    const ROUND: f64 = 4_503_599_627_370_496.0;
    (v.abs() + ROUND) - ROUND == v.abs()
}

const fn is_numeric(field_type: FieldType) -> bool {
    matches!(field_type, FieldType::Float | FieldType::Integer | FieldType::Unsigned)
}

/// 64 bits of a number, as stored.
fn bits(number: Number) -> u64 {
    match number {
        Number::Float(v) => v.to_bits(),
        Number::Integer(v) => v as u64,
        Number::Unsigned(v) => v,
    }
}

fn number(field_type: FieldType, bits: u64) -> Number {
    match field_type {
        FieldType::Float => Number::Float(f64::from_bits(bits)),
        FieldType::Unsigned => Number::Unsigned(bits),
        _ => Number::Integer(bits as i64),
    }
}

/// A sum that is exact, as the integer it is.
fn integral(number: Number) -> i64 {
    match number {
        Number::Float(v) => v as i64,
        Number::Integer(v) => v,
        Number::Unsigned(v) => v as i64,
    }
}

/// Appends the statistics of a column of `field_type`. `sizes` = rows of the units; counts equal to them are not stored.
pub(crate) fn write(units: &[UnitStatistics], field_type: FieldType, sizes: &[u32], out: &mut Vec<u8>) {
    let full = units.iter().zip(sizes).all(|(u, &size)| u.count == size);
    out.push(u8::from(!full));
    if !full {
        let counts: Vec<u64> = units.iter().map(|u| u64::from(u.count)).collect();
        encode_u64(&counts, &[], out);
    }
    if !is_numeric(field_type) {
        return;
    }
    let known: Vec<bool> = units.iter().map(|u| u.min_max.is_some()).collect();
    encode_bool(&known, out);
    let zero = number(field_type, 0);
    let list = |f: &dyn Fn(&UnitStatistics) -> Option<Number>| -> Vec<u64> {
        units.iter().map(|u| bits(f(u).unwrap_or(zero))).collect()
    };
    let lists = [
        list(&|u| u.min_max.map(|p| p.0)),
        list(&|u| u.min_max.map(|p| p.1)),
        list(&|u| u.first_last.map(|p| p.0)),
        list(&|u| u.first_last.map(|p| p.1)),
    ];
    for (i, list) in lists.iter().enumerate() {
        if field_type == FieldType::Float {
            let floats: Vec<f64> = list.iter().map(|&b| f64::from_bits(b)).collect();
            encode_f64(&floats, &[], &mut FloatHint::default(), out);
        } else if i == 0 {
            encode_u64(list, &[], out);
        } else {
            // Differences to the smallest value are small and need few bits.
            let above: Vec<u64> = list.iter().zip(&lists[0]).map(|(v, min)| v.wrapping_sub(*min)).collect();
            encode_u64(&above, &[], out);
        }
    }
    let exact: Vec<bool> = units.iter().map(|u| u.exact_sum.is_some()).collect();
    encode_bool(&exact, out);
    let sums: Vec<i64> = units.iter().map(|u| u.exact_sum.map_or(0, |s| integral(s.0))).collect();
    encode_i64(&sums, &[], out);
    let rest: Vec<u64> = units
        .iter()
        .zip(&sums)
        .map(|(u, sum)| u.exact_sum.map_or(0, |s| (s.1 as u64).wrapping_sub(sum.unsigned_abs())))
        .collect();
    encode_u64(&rest, &[], out);
}

/// Reads what [`write`] wrote.
pub(crate) fn read(
    bytes: &[u8],
    field_type: FieldType,
    sizes: &[u32],
) -> Result<ColumnStatistics, CodecError> {
    let n = sizes.len();
    let mut at = 0;
    let &listed = bytes.first().ok_or(CodecError::Truncated { offset: 0 })?;
    at += 1;
    let mut units: Vec<UnitStatistics> =
        sizes.iter().map(|&count| UnitStatistics { count, ..Default::default() }).collect();
    if listed > 0 {
        let mut counts = Vec::new();
        at += decode_u64(bytes.get(at..).unwrap_or_default(), n, &[], &mut counts)?;
        for (unit, &count) in units.iter_mut().zip(&counts) {
            if count > u64::from(unit.count) {
                return Err(CodecError::Corrupt { offset: 1, what: "more values than rows" });
            }
            unit.count = count as u32;
        }
    }
    if is_numeric(field_type) {
        read_numbers(bytes, at, field_type, &mut units)?;
    }
    Ok(ColumnStatistics { units })
}

fn read_numbers(
    bytes: &[u8],
    mut at: usize,
    field_type: FieldType,
    units: &mut [UnitStatistics],
) -> Result<(), CodecError> {
    let n = units.len();
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    let mut known = Vec::new();
    at += decode_bool(rest(at), n, &mut known)?;
    let mut lists: [Vec<u64>; 4] = Default::default();
    for i in 0..4 {
        let mut list = Vec::with_capacity(n);
        if field_type == FieldType::Float {
            let mut floats = Vec::with_capacity(n);
            at += decode_f64(rest(at), n, &[], &mut floats)?;
            list.extend(floats.iter().map(|v| v.to_bits()));
        } else {
            at += decode_u64(rest(at), n, &[], &mut list)?;
            if i > 0 {
                list.iter_mut().zip(&lists[0]).for_each(|(v, min)| *v = v.wrapping_add(*min));
            }
        }
        lists[i] = list;
    }
    let (mut exact, mut sums, mut above) = (Vec::new(), Vec::new(), Vec::new());
    at += decode_bool(rest(at), n, &mut exact)?;
    at += decode_i64(rest(at), n, &[], &mut sums)?;
    decode_u64(rest(at), n, &[], &mut above)?;
    for (i, unit) in units.iter_mut().enumerate() {
        let get = |list: usize| number(field_type, lists[list][i]);
        if known[i] {
            unit.min_max = Some((get(0), get(1)));
            unit.first_last = Some((get(2), get(3)));
        }
        if exact[i] {
            let sum = match field_type {
                FieldType::Float => Number::Float(sums[i] as f64),
                FieldType::Unsigned => Number::Unsigned(sums[i] as u64),
                _ => Number::Integer(sums[i]),
            };
            unit.exact_sum = Some((sum, above[i].wrapping_add(sums[i].unsigned_abs()) as f64));
        }
    }
    Ok(())
}
