//! Time buckets, aligned to the epoch or to local time.

use weir_model::time::{TIME_MAX, TIME_MIN};

use crate::result::Zone;

/// The buckets of one statement, and its time range.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    /// Length of a bucket, nanoseconds; 0 = one bucket for the whole range.
    pub(crate) every: i64,
    /// Shift of the bucket's starts.
    pub(crate) offset: i64,
    /// Zone whose local time the buckets follow.
    pub(crate) zone: Option<Zone>,
    /// First time of the range.
    pub(crate) start: i64,
    /// Last time of the range.
    pub(crate) end: i64,
}

impl Windows {
    /// Nanoseconds that the zone is ahead of UTC at `t`.
    pub(crate) fn zone_ns(&self, t: i64) -> i64 {
        self.zone.as_ref().map_or(0, |z| z.offset_ns(t))
    }

    /// Start (inside) and end (outside) of the bucket that holds `t`.
    ///
    /// With a zone, a bucket that contains a change of the clock is longer or shorter by it, provided that the change is
    /// smaller than the bucket.
    pub(crate) fn window(&self, t: i64) -> (i64, i64) {
        if self.every == 0 {
            return (self.start, self.end.saturating_add(1));
        }
        let t = t.wrapping_sub(self.offset);
        let zone = self.zone_ns(t);
        let into = t.wrapping_add(zone).rem_euclid(self.every);
        let mut start = if TIME_MIN + into >= t { TIME_MIN } else { t - into };
        if self.zone.is_some() {
            let change = zone - self.zone_ns(start);
            if change != 0 && change.abs() < self.every {
                start = start.saturating_add(change);
            }
        }
        start = start.saturating_add(self.offset);
        let left = self.every - into;
        let mut end = if TIME_MAX - left <= t { TIME_MAX } else { t + left };
        if self.zone.is_some() {
            let at_end = self.zone_ns(end);
            let change = zone - at_end;
            // Time that is gained belongs to the bucket before the change; time that is lost is taken from it only if the
            // change happens inside.
            if change != 0
                && change.abs() < self.every
                && (change > 0 || self.zone_ns(end.saturating_add(change)) == at_end)
            {
                end = end.saturating_add(change);
            }
        }
        (start, end.saturating_add(self.offset))
    }

    /// The time that an aggregate over the bucket of `t` carries: its start, or the epoch if that is unbounded.
    pub(crate) fn label(&self, t: i64) -> i64 {
        match self.window(t).0 {
            TIME_MIN => 0,
            start => start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(every: i64, zone: Option<&str>) -> Windows {
        Windows { every, offset: 0, zone: zone.and_then(Zone::named), start: TIME_MIN, end: TIME_MAX }
    }

    #[test]
    fn buckets_hold_their_start_and_not_their_end() {
        let w = windows(10, None);
        assert_eq!(w.window(0), (0, 10));
        assert_eq!(w.window(9), (0, 10));
        assert_eq!(w.window(-1), (-10, 0));
        assert_eq!(Windows { offset: 3, ..w }.window(2), (-7, 3));
    }

    #[test]
    fn local_days_have_23_to_25_hours() {
        const HOUR: i64 = 3_600_000_000_000;
        let w = windows(24 * HOUR, Some("Europe/Berlin"));
        // 2023-03-26: the clock jumps from 02:00 to 03:00.
        let day = 1_679_785_200_000_000_000;
        assert_eq!(w.window(day), (day, day + 23 * HOUR));
        assert_eq!(w.window(day + 22 * HOUR), (day, day + 23 * HOUR));
        // 2023-10-29: an hour is repeated.
        let day = 1_698_530_400_000_000_000;
        assert_eq!(w.window(day + 24 * HOUR), (day, day + 25 * HOUR));
    }
}
