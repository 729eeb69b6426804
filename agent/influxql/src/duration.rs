//! Durations: `1h30m` to nanoseconds and back.

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// No number, no unit, an unknown unit, or a number outside of `i64`.
    #[error("invalid duration")]
    Invalid,
    /// The sum does not fit 64 bits of nanoseconds. The last part of it is named.
    #[error("overflowed duration {0}{1}: choose a smaller duration or INF")]
    Overflow(i64, &'static str),
}

const UNITS: [(&str, i64); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("u", 1_000),
    ("ns", 1),
];

/// Reads one or more parts of a number and a unit (`ns u µ ms s m h d w`), with an optional sign before them.
///
/// # Errors
/// [`DurationError`].
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return Err(DurationError::Invalid);
    }
    let mut sum: i128 = 0;
    let mut last = (0, "");
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let number: i64 = number.parse().map_err(|_| DurationError::Invalid)?;
        // `ms` before `m`; µ is read, never written.
        let (name, ns, after) = if let Some(after) = unit.strip_prefix('\u{b5}') {
            ("\u{b5}", 1_000, after)
        } else {
            let found =
                UNITS.iter().filter(|(name, _)| unit.starts_with(name)).max_by_key(|(name, _)| name.len());
            let (name, ns) = found.ok_or(DurationError::Invalid)?;
            (*name, *ns, &unit[name.len()..])
        };
        sum = sum.saturating_add(i128::from(number) * i128::from(ns));
        last = (number, name);
        rest = after;
    }
    let signed = if negative { -sum } else { sum };
    i64::try_from(signed).map_err(|_| DurationError::Overflow(last.0, last.1))
}

/// Writes a duration as 1.x does: one number in the largest unit that divides it, `0s` for none.
#[must_use]
pub fn format_duration(ns: i64) -> String {
    if ns == 0 {
        return "0s".to_owned();
    }
    match UNITS.iter().find(|(_, unit)| ns % unit == 0) {
        Some((name, unit)) => format!("{}{name}", ns / unit),
        None => format!("{ns}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_1x() {
        for (text, ns) in [
            ("10ns", 10),
            ("5u", 5_000),
            ("5\u{b5}", 5_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0m", 3_600_000_000_000),
            ("2w", 1_209_600_000_000_000),
            ("-5m", -300_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(ns), "{text}");
        }
        for text in ["", "-", "1", "x", "m", "1h1", "1x", "1n", "1\u{b5}s", "9223372036854775808s"] {
            assert_eq!(parse_duration(text), Err(DurationError::Invalid), "{text}");
        }
        assert_eq!(
            parse_duration("200000w").map_err(|e| e.to_string()),
            Err("overflowed duration 200000w: choose a smaller duration or INF".to_owned())
        );
    }

    #[test]
    fn durations_print_in_the_largest_whole_unit() {
        for (ns, text) in [
            (0, "0s"),
            (90_000_000_000, "90s"),
            (604_800_000_000_000, "1w"),
            (1_500, "1500ns"),
            (2_000, "2u"),
            (-300_000_000_000, "-5m"),
        ] {
            assert_eq!(format_duration(ns), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn printed_durations_read_back(ns in -i64::MAX..=i64::MAX) {
            assert_eq!(parse_duration(&format_duration(ns)), Ok(ns));
        }
    }
}
