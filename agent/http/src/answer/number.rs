//! Numbers as text, the way Go's encoders write them.

/// Appends an integer.
pub(crate) fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned integer.
pub(crate) fn push_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite float in its shortest form, as JSON: no fraction when whole, an exponent below 1e-6 and from 1e21. NaN and
/// infinities give `null`.
pub(crate) fn push_json_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        push_f64(out, value, Layout::Json);
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends a finite float in its shortest form, never with an exponent; nothing for NaN and infinities.
pub(crate) fn push_plain_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        push_f64(out, value, Layout::Plain);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Json,
    Plain,
}

/// Whole floats below this are exact integers.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn push_f64(out: &mut Vec<u8>, value: f64, layout: Layout) {
    if value.abs() < WHOLE_MAX && value.trunc() == value && !(value == 0.0 && value.is_sign_negative()) {
        // Exact, since it is whole and small.
        return push_i64(out, value as i64);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    match text.split_once(['e', 'E']) {
        // Between 1e-5 and 1e16 the shortest digits come without an exponent already.
        None => out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes()),
        Some((mantissa, exponent)) => relay(out, mantissa, exponent, layout),
    }
}

/// Writes `mantissa` times ten to `exponent` with the point, or the exponent, where Go has it.
fn relay(out: &mut Vec<u8>, mantissa: &str, exponent: &str, layout: Layout) {
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    out.extend_from_slice(sign.as_bytes());
    // The digits are `whole` (one, not zero) and `fraction`; the point stands after the first one, moved by `exponent`.
    if layout == Layout::Json && !(-6..21).contains(&exponent) {
        out.extend_from_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        push_zeros(out, exponent.unsigned_abs() as usize - 1);
        out.extend_from_slice(whole.as_bytes());
        out.extend_from_slice(fraction.as_bytes());
    } else {
        let moved = exponent.unsigned_abs() as usize;
        out.extend_from_slice(whole.as_bytes());
        if fraction.len() <= moved {
            out.extend_from_slice(fraction.as_bytes());
            push_zeros(out, moved - fraction.len());
        } else {
            out.extend_from_slice(&fraction.as_bytes()[..moved]);
            out.push(b'.');
            out.extend_from_slice(&fraction.as_bytes()[moved..]);
        }
    }
}

fn push_zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b'0');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(value: f64) -> String {
        let mut out = Vec::new();
        push_json_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn plain(value: f64) -> String {
        let mut out = Vec::new();
        push_plain_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// What Go's encoding/json prints, recorded with a 1.6.7 server.
    #[test]
    fn floats_look_like_gos() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (1.5e-6, "0.0000015"),
            (1e-7, "1e-7"),
            (9.99e-7, "9.99e-7"),
            (1.25e-10, "1.25e-10"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1.234_567_890_123_456_8e20, "123456789012345680000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (-1e21, "-1e+21"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (12_345.678, "12345.678"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(json(value), expected, "{value:e}");
        }
        assert_eq!(plain(1e-7), "0.0000001");
        assert_eq!(plain(1e21), "1000000000000000000000");
        assert_eq!(plain(-0.0), "-0");
        assert_eq!(plain(1.5e22), "15000000000000000000000");
        assert_eq!(plain(f64::NAN), "");
    }

    proptest! {
        #[test]
        fn floats_read_back_bit_for_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(json(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert_eq!(plain(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(!plain(value).contains('e'));
            let read: serde_json::Value = serde_json::from_str(&json(value)).unwrap();
            prop_assert_eq!(read.as_f64().unwrap(), value);
        }

        #[test]
        fn floats_near_powers_of_ten_use_an_exponent_where_go_does(mantissa in 1_u32..100_000, exponent in -30_i32..30) {
            let value: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
            prop_assert_eq!(json(value).contains('e'), !(1e-6..1e21).contains(&value));
            prop_assert!(!json(value).ends_with(".0"));
        }
    }
}
