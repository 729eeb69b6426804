//! Times written as text.

use crate::result::Zone;

/// Whether `text` starts like a date, so that it is meant as a time when compared to one.
pub(crate) fn is_time(text: &str) -> bool {
    let b = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| b.get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    // Like Go's `.`, what follows the date may be anything but a line feed.
    digits(0..4)
        && b.get(4) == Some(&b'-')
        && digits(5..7)
        && b.get(7) == Some(&b'-')
        && digits(8..10)
        && b.get(10) != Some(&b'\n')
}

/// Nanoseconds since the epoch of `2006-01-02`, `2006-01-02 15:04:05[.999999999]` (both in `zone`) or RFC 3339.
/// `None` if `text` is none of them. The result may lie outside of what a point may have.
pub(crate) fn parse_time(text: &str, zone: Option<&Zone>) -> Option<i128> {
    let mut p = Parser { rest: text.as_bytes() };
    let (year, month, day) = (p.digits(4)?, (p.byte(b'-')?, p.digits(2)?).1, (p.byte(b'-')?, p.digits(2)?).1);
    let days = days_from_civil(year, month, day)?;
    if p.rest.is_empty() {
        return Some(local_to_utc(i128::from(days) * DAY, zone));
    }
    let with_offset = match p.next()? {
        b' ' => false,
        b'T' => true,
        _ => return None,
    };
    let hour = p.hour()?;
    let minute = (p.byte(b':')?, p.digits(2)?).1;
    let second = (p.byte(b':')?, p.digits(2)?).1;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = p.fraction()?;
    let seconds = i128::from(days) * 86_400 + i128::from(hour * 3600 + minute * 60 + second);
    let ns = seconds * 1_000_000_000 + i128::from(nanos);
    if !with_offset {
        return p.rest.is_empty().then(|| local_to_utc(ns, zone));
    }
    let sign = match p.next()? {
        b'Z' => return p.rest.is_empty().then_some(ns),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (h, m) = (p.digits(2)?, (p.byte(b':')?, p.digits(2)?).1);
    if !p.rest.is_empty() || h > 24 || m > 59 {
        return None;
    }
    Some(ns - i128::from(sign * (h * 3600 + m * 60)) * 1_000_000_000)
}

/// The time as RFC 3339 in UTC, whole seconds.
pub(crate) fn format_seconds(ns: i128) -> String {
    let seconds = ns.div_euclid(1_000_000_000);
    let days = i64::try_from(seconds.div_euclid(86_400)).unwrap_or(0);
    let in_day = seconds.rem_euclid(86_400);
    let (y, m, d) = civil_from_days(days);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", in_day / 3600, in_day / 60 % 60, in_day % 60)
}

const DAY: i128 = 86_400_000_000_000;

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        head.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }

    /// One or two digits.
    fn hour(&mut self) -> Option<i64> {
        let two = self.rest.get(1).is_some_and(u8::is_ascii_digit);
        self.digits(if two { 2 } else { 1 })
    }

    /// Nanoseconds of an optional fraction; digits beyond the ninth are dropped.
    fn fraction(&mut self) -> Option<i64> {
        if self.rest.first() != Some(&b'.') {
            return Some(0);
        }
        let digits = self.rest.iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let (text, rest) = self.rest.split_at(digits + 1);
        self.rest = rest;
        let shown = text.iter().skip(1).chain(std::iter::repeat(&b'0')).take(9);
        Some(shown.fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }
}

/// Days since 1970-01-01; `None` for a date that does not exist.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > in_month {
        return None;
    }
    // Years from March, so that the leap day is the last of its year.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * m + 2) / 5 + 1)
}

/// UTC of a local time. Where the clock was changed so that there are two or none, one of the two possible answers.
fn local_to_utc(local: i128, zone: Option<&Zone>) -> i128 {
    let Some(zone) = zone else { return local };
    let at = |t: i128| i64::try_from(t).map_or(0, |t| i128::from(zone.offset_ns(t)));
    let first = at(local);
    local - at(local - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_spellings_of_1x() {
        let t = 1_677_628_800_000_000_000;
        for text in ["2023-03-01", "2023-03-01 00:00:00", "2023-03-01T00:00:00Z", "2023-02-28T19:00:00-05:00"]
        {
            assert_eq!(parse_time(text, None), Some(t), "{text}");
        }
        assert_eq!(parse_time("2023-03-01 00:00:00.001", None), Some(t + 1_000_000));
        for text in
            ["2023-03-01T00:00:00", "2023-03-01T00:00Z", "2023-02-29", "2023-03-01 00:00", "2023-03-01x"]
        {
            assert_eq!(parse_time(text, None), None, "{text}");
        }
        let berlin = Zone::named("Europe/Berlin");
        assert_eq!(parse_time("2023-03-01", berlin.as_ref()), Some(t - 3_600_000_000_000));
    }

    #[test]
    fn printing_gives_back_the_date() {
        for ns in [0, -1_000_000_000, 1_677_628_800_000_000_000, -11_676_096_000_000_000_000_i128] {
            let text = format_seconds(ns);
            assert_eq!(parse_time(&text, None), Some(ns), "{text}");
        }
    }
}
