//! Numbers, eight digits at a time.
//!
//! The plain version: gather digits into an integer, count those behind the point, divide by a power of ten. That is exact, and so equal to the
//! correctly rounded result, while the integer is below 2^53 and the power at most 10^22: both are floats without error, and a division of such rounds
//! once. Everything else goes to a complete float parser.

use weir_model::Decimal;

/// 10^0 to 10^22, all exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Integers below are floats without error.
const EXACT_MAX: u64 = 1 << 53;
/// Digits that always fit a `u64`.
pub(crate) const DIGITS_MAX: usize = 19;

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Float(f64, Option<Decimal>),
    Integer(i64),
    Unsigned(u64),
}

/// Eight bytes at `at`, zeros behind the end.
#[inline(always)]
pub(crate) fn load8(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(|b| b.first_chunk::<8>()) {
        Some(b) => u64::from_le_bytes(*b),
        None => load8_short(bytes, at),
    }
}

#[cold]
fn load8_short(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut out = [0; 8];
    for (to, from) in out.iter_mut().zip(rest) {
        *to = *from;
    }
    u64::from_le_bytes(out)
}

/// How many of the eight bytes are digits before the first that is not, and their value.
#[inline(always)]
fn digits8(word: u64) -> (usize, u64) {
    let x = word ^ 0x3030_3030_3030_3030;
    // The top bit of each byte that is no digit: 10..=127 overflow into it, 128..=255 have it.
    let others = (((x & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | x) & 0x8080_8080_8080_8080;
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Moved up, so that zeros stand in front; then pairs, quadruples and the whole by multiplication.
    let x = x << (64 - 8 * count);
    let x = x.wrapping_mul(10).wrapping_add(x >> 8);
    let low = (x & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((x >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    (count, low.wrapping_add(high) >> 32)
}

const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Appends the digits at `at` to `value`; their end and how many. More than 24 are not all read. The value is right up to 19 digits in all.
#[inline(always)]
fn digits(bytes: &[u8], at: usize, value: u64) -> (usize, u64) {
    let (count, first) = digits8(load8(bytes, at));
    let mut value = value.wrapping_mul(TENS[count]).wrapping_add(first);
    if count < 8 {
        return (count, value);
    }
    let mut total = 8;
    while total < 24 {
        let (count, next) = digits8(load8(bytes, at + total));
        value = value.wrapping_mul(TENS[count]).wrapping_add(next);
        total += count;
        if count < 8 {
            break;
        }
    }
    (total, value)
}

/// The number at `at` and its end, if it is digits with at most one point, a minus and a type. What follows the number is the caller's to check; `None`
/// says nothing about right or wrong.
#[inline(always)]
pub(crate) fn simple(bytes: &[u8], at: usize) -> Option<(Number, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let (whole, mantissa) = digits(bytes, start, 0);
    let end = start + whole;
    if whole >= DIGITS_MAX {
        return None;
    }
    let (mantissa, scale, end) = match bytes.get(end) {
        Some(b'i') if whole > 0 => {
            let n = mantissa as i64;
            return Some((Number::Integer(if negative { -n } else { n }), end + 1));
        }
        Some(b'u') if whole > 0 && !negative => return Some((Number::Unsigned(mantissa), end + 1)),
        Some(b'.') => {
            let (fraction, mantissa) = digits(bytes, end + 1, mantissa);
            let end = end + 1 + fraction;
            if whole + fraction >= DIGITS_MAX || mantissa >= EXACT_MAX {
                // Beyond 24 digits the end is not known.
                return if fraction < 24 { long(bytes.get(at..end)?, end) } else { None };
            }
            (mantissa, fraction, end)
        }
        _ if mantissa >= EXACT_MAX => return long(bytes.get(at..end)?, end),
        _ => (mantissa, 0, end),
    };
    if whole + scale == 0 {
        return None;
    }
    let float = mantissa as f64 / POWERS.get(scale)?;
    let signed = mantissa as i64;
    let (float, signed) = if negative { (-float, -signed) } else { (float, signed) };
    Some((Number::Float(float, Some(Decimal { mantissa: signed, scale: scale as u8 })), end))
}

/// Digits with a point, too many to be exact in one division.
#[inline(never)]
fn long(token: &[u8], end: usize) -> Option<(Number, usize)> {
    let value: f64 = fast_float2::parse(token).ok()?;
    Some((Number::Float(value, None), end))
}

/// A run of digits with an optional minus at `at`, and its end: the time of a point. `None` if there are none, or more than 18.
#[inline(always)]
pub(crate) fn simple_time(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let (count, value) = digits(bytes, start, 0);
    if count == 0 || count > DIGITS_MAX {
        return None;
    }
    let value = i64::try_from(value).ok()?;
    Some((if negative { -value } else { value }, start + count))
}

/// The value of a float token that the grammar accepts, with its spelling if it is short. `None` if it is none, or infinite.
pub(crate) fn float(token: &[u8]) -> Option<Number> {
    if let Some((number @ Number::Float(..), end)) = simple(token, 0)
        && end == token.len()
    {
        return Some(number);
    }
    let value: f64 = fast_float2::parse(token).ok()?;
    // Too large for a float, which the grammar calls an error.
    value.is_finite().then_some(Number::Float(value, None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_are_counted_and_valued() {
        for (text, expected) in [
            ("12345678", (8, 12_345_678)),
            ("1234567,", (7, 1_234_567)),
            ("0000000x", (7, 0)),
            ("9:999999", (1, 9)),
            ("/1234567", (0, 0)),
            ("1\u{80}234567", (1, 1)),
            ("99999999", (8, 99_999_999)),
        ] {
            assert_eq!(digits8(load8(text.as_bytes(), 0)), expected, "{text}");
        }
    }

    #[test]
    fn short_spellings_are_exact_and_keep_their_decimals() {
        let check = |text: &str, value: f64, mantissa, scale| {
            let decimal = Some(Decimal { mantissa, scale });
            assert_eq!(
                simple(text.as_bytes(), 0),
                Some((Number::Float(value, decimal), text.len())),
                "{text}"
            );
        };
        check("1", 1.0, 1, 0);
        check("1.", 1.0, 1, 0);
        check(".5", 0.5, 5, 1);
        check("-12.25", -12.25, -1225, 2);
        check("007", 7.0, 7, 0);
        check("0.30", 0.3, 30, 2);
        check("9007199254740991", 9_007_199_254_740_991.0, 9_007_199_254_740_991, 0);
        let Some((Number::Float(zero, _), _)) = simple(b"-0", 0) else { panic!() };
        assert!(zero.is_sign_negative());
        for text in ["", "-", ".", "-.", "1234567890123456789", "x"] {
            assert_eq!(simple(text.as_bytes(), 0), None, "{text}");
        }
        for text in ["9007199254740993", "0.1234567890123456789", "-12345678.123456789012345"] {
            let value = text.parse().unwrap();
            assert_eq!(simple(text.as_bytes(), 0), Some((Number::Float(value, None), text.len())), "{text}");
        }
    }

    #[test]
    fn integers_keep_all_their_digits() {
        assert_eq!(simple(b"-42i", 0), Some((Number::Integer(-42), 4)));
        assert_eq!(simple(b"999999999999999999i", 0), Some((Number::Integer(999_999_999_999_999_999), 19)));
        assert_eq!(simple(b"42u", 0), Some((Number::Unsigned(42), 3)));
        assert_eq!(simple(b"-42u", 0).map(|(_, end)| end), Some(3));
        assert_eq!(simple(b"i", 0), None);
        assert_eq!(simple_time(b"1700000000000000000 ", 0), Some((1_700_000_000_000_000_000, 19)));
        assert_eq!(simple_time(b"9223372036854775808", 0), None);
        assert_eq!(simple_time(b"-1", 0), Some((-1, 2)));
        assert_eq!(simple_time(b"00000000000000000001", 0), None);
    }

    proptest! {
        #[test]
        fn every_float_reads_as_the_standard_library_reads_it(text in "-?([0-9]{1,20}\\.?[0-9]{0,20}|\\.[0-9]{1,20})") {
            let expected: f64 = text.parse().unwrap();
            let Some(Number::Float(value, decimal)) = float(text.as_bytes()) else { panic!("{text}") };
            prop_assert_eq!(value.to_bits(), expected.to_bits());
            if let Some(d) = decimal {
                prop_assert_eq!((d.mantissa as f64 / 10f64.powi(i32::from(d.scale))).abs(), expected.abs());
                prop_assert!(d.mantissa.unsigned_abs() < EXACT_MAX && d.scale <= 22);
            }
        }

        #[test]
        fn every_integer_reads_as_the_standard_library_reads_it(n in any::<i64>(), shift in 0u32..64) {
            let n = n >> shift;
            if let Some((number, end)) = simple(format!("{n}i,").as_bytes(), 0) {
                prop_assert_eq!((number, end), (Number::Integer(n), n.to_string().len() + 1));
            } else {
                prop_assert!(n.unsigned_abs() >= 1_000_000_000_000_000_000);
            }
        }
    }
}
