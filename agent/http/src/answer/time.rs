//! Times as text: RFC 3339, nanoseconds, trailing zeros of the fraction cut off.

use weir_query::Zone;

const NS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Writes times. Keeps the date of the last one, since rows of one answer mostly fall on the same day.
#[derive(Debug)]
pub(crate) struct TimeWriter {
    /// Days since the Unix epoch.
    day: i64,
    /// `2023-11-14T`.
    date: [u8; 11],
}

impl TimeWriter {
    pub(crate) fn new() -> Self {
        Self { day: 0, date: *b"1970-01-01T" }
    }

    /// Appends `ns` (nanoseconds since the Unix epoch) in `zone`; UTC without one.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, ns: i64, zone: Option<&Zone>) {
        let offset = zone.map_or(0, |zone| i64::from(zone.offset_seconds(ns)));
        let seconds = ns.div_euclid(NS_PER_SECOND) + offset;
        let fraction = ns.rem_euclid(NS_PER_SECOND);
        let day = seconds.div_euclid(SECONDS_PER_DAY);
        if day != self.day {
            self.date = date_of(day);
            self.day = day;
        }
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        // Built aside and appended at once: most of an answer is times.
        let mut text = Text { bytes: [0; TEXT_BYTES_MAX], len: 0 };
        text.push(&self.date);
        text.push(&two_digits(second_of_day / 3600));
        text.push(b":");
        text.push(&two_digits(second_of_day / 60 % 60));
        text.push(b":");
        text.push(&two_digits(second_of_day % 60));
        if fraction != 0 {
            push_fraction(&mut text, fraction);
        }
        if offset == 0 {
            text.push(b"Z");
        } else {
            push_offset(&mut text, offset);
        }
        out.extend_from_slice(&text.bytes[..text.len]);
    }
}

/// `2023-11-14T22:13:20.123456789+01:00`.
const TEXT_BYTES_MAX: usize = 35;

struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Text {
    #[inline(always)]
    fn push(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        self.bytes[self.len..end].copy_from_slice(part);
        self.len = end;
    }
}

fn push_fraction(text: &mut Text, fraction: i64) {
    let mut digits = [0_u8; 9];
    let mut rest = fraction;
    for digit in digits.iter_mut().rev() {
        *digit = ascii_digit(rest % 10);
        rest /= 10;
    }
    let used = digits.iter().rposition(|&d| d != b'0').map_or(0, |last| last + 1);
    text.push(b".");
    text.push(&digits[..used]);
}

fn push_offset(text: &mut Text, offset: i64) {
    let minutes = offset.abs() / 60;
    text.push(if offset < 0 { b"-" } else { b"+" });
    text.push(&two_digits(minutes / 60));
    text.push(b":");
    text.push(&two_digits(minutes % 60));
}

/// Date of a day since the Unix epoch, with years of 400 years' cycle counted from March, so that the leap day comes last.
fn date_of(day: i64) -> [u8; 11] {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let [c, d] = [two_digits(year / 100), two_digits(year % 100)];
    let [m, n] = [two_digits(month), two_digits(day_of_month)];
    [c[0], c[1], d[0], d[1], b'-', m[0], m[1], b'-', n[0], n[1], b'T']
}

fn two_digits(value: i64) -> [u8; 2] {
    [ascii_digit(value / 10 % 10), ascii_digit(value % 10)]
}

fn ascii_digit(value: i64) -> u8 {
    // Callers give 0 to 9.
    b'0' + value as u8 % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_model::time::{TIME_MAX, TIME_MIN};

    fn text(ns: i64, zone: Option<&Zone>) -> String {
        let mut out = Vec::new();
        TimeWriter::new().push(&mut out, ns, zone);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_look_like_those_of_1x() {
        for (ns, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1_500_000_000, "1969-12-31T23:59:58.5Z"),
            (1_700_000_000_123_450_000, "2023-11-14T22:13:20.12345Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (TIME_MIN, "1677-09-21T00:12:43.145224194Z"),
            (TIME_MAX, "2262-04-11T23:47:16.854775806Z"),
        ] {
            assert_eq!(text(ns, None), expected);
        }
    }

    #[test]
    fn zones_give_local_time_with_its_offset() {
        let zone = |name| Zone::named(name).unwrap();
        let ns = 1_700_000_000_000_000_000;
        assert_eq!(text(ns, Some(&zone("Europe/Berlin"))), "2023-11-14T23:13:20+01:00");
        assert_eq!(text(ns, Some(&zone("America/New_York"))), "2023-11-14T17:13:20-05:00");
        assert_eq!(text(ns, Some(&zone("Asia/Kolkata"))), "2023-11-15T03:43:20+05:30");
        assert_eq!(text(ns, Some(&zone("Europe/London"))), "2023-11-14T22:13:20Z");
        assert_eq!(text(-1_500_000_001, Some(&zone("Asia/Tokyo"))), "1970-01-01T08:59:58.499999999+09:00");
    }

    proptest! {
        #[test]
        fn times_agree_with_an_independent_calendar(ns in TIME_MIN..=TIME_MAX, other in TIME_MIN..=TIME_MAX) {
            let reference = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap().to_string();
            prop_assert_eq!(text(ns, None), reference.clone());
            // The kept date does not stick.
            let mut writer = TimeWriter::new();
            let mut out = Vec::new();
            writer.push(&mut out, other, None);
            out.clear();
            writer.push(&mut out, ns, None);
            prop_assert_eq!(String::from_utf8(out).unwrap(), reference);
        }
    }
}
