//! When an input gathers.
//!
//! Aligned schedules tick at multiples of the interval on the wall clock, plus an offset; the first tick is the next multiple after
//! now plus a hundredth of the interval, so that no very short first interval arises. Others tick at once and then every interval.
//! Ticks follow the schedule, not the end of the last gather: nothing drifts, and jitter is drawn anew for each tick.

use std::time::Duration;

/// A schedule in nanoseconds of the wall clock.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: i64,
    offset: i64,
    jitter: i64,
    next: i64,
}

impl Schedule {
    /// A schedule that starts at `now` (nanoseconds since the Unix epoch). `interval` is more than 0.
    #[must_use]
    pub fn new(now: i64, interval: Duration, offset: Duration, jitter: Duration, aligned: bool) -> Self {
        let ns = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX / 4);
        let interval = ns(interval).max(1);
        let mut schedule = Self { interval, offset: ns(offset), jitter: ns(jitter), next: now };
        if aligned {
            schedule.next = schedule.multiple_after(now.saturating_add(interval / 100));
        }
        schedule
    }

    /// First multiple of the interval (shifted by the offset) after `time`.
    fn multiple_after(&self, time: i64) -> i64 {
        let shifted = time.saturating_sub(self.offset);
        shifted
            .div_euclid(self.interval)
            .saturating_add(1)
            .saturating_mul(self.interval)
            .saturating_add(self.offset)
    }

    /// When to gather next. `random` is any number; it chooses the jitter.
    #[must_use]
    pub fn next_gather(&self, random: u64) -> i64 {
        let jitter = match u64::try_from(self.jitter) {
            Ok(limit) if limit > 0 => i64::try_from(random % limit).unwrap_or(0),
            _ => 0,
        };
        self.next.saturating_add(jitter)
    }

    /// Moves on after a tick at `now`. Ticks that were missed (a slow gather, a clock that jumped forward) collapse into one; after a
    /// clock that jumped back by more than an interval the schedule starts again from there.
    ///
    /// Returns how many ticks were skipped.
    pub fn advance(&mut self, now: i64) -> u64 {
        let planned = self.next.saturating_add(self.interval);
        if planned > now.saturating_add(self.interval.saturating_mul(2)) {
            self.next = self.multiple_after(now);
            return 0;
        }
        if planned > now {
            self.next = planned;
            return 0;
        }
        let skipped = (now - planned) / self.interval + 1;
        self.next = planned.saturating_add(skipped.saturating_mul(self.interval));
        u64::try_from(skipped).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn every_ten(now: i64, aligned: bool) -> Schedule {
        Schedule::new(now, Duration::from_secs(10), Duration::ZERO, Duration::ZERO, aligned)
    }

    #[test]
    fn aligned_ticks_are_multiples_of_the_interval() {
        let mut schedule = every_ten(123 * S, true);
        assert_eq!(schedule.next_gather(0), 130 * S);
        assert_eq!(schedule.advance(130 * S), 0);
        assert_eq!(schedule.next_gather(0), 140 * S);
        assert_eq!(every_ten(129 * S + 950_000_000, true).next_gather(0), 140 * S, "too close to 130");
        let shifted =
            Schedule::new(123 * S, Duration::from_secs(10), Duration::from_secs(4), Duration::ZERO, true);
        assert_eq!(shifted.next_gather(0), 124 * S);
    }

    #[test]
    fn unaligned_ticks_start_at_once() {
        let mut schedule = every_ten(123 * S, false);
        assert_eq!(schedule.next_gather(0), 123 * S);
        schedule.advance(123 * S);
        assert_eq!(schedule.next_gather(0), 133 * S);
    }

    #[test]
    fn missed_ticks_collapse_and_the_grid_stays() {
        let mut schedule = every_ten(0, true);
        assert_eq!(schedule.next_gather(0), 10 * S);
        assert_eq!(schedule.advance(47 * S), 3);
        assert_eq!(schedule.next_gather(0), 50 * S);
    }

    #[test]
    fn a_clock_that_jumps_back_starts_the_grid_again() {
        let mut schedule = every_ten(100 * S, true);
        schedule.advance(41 * S);
        assert_eq!(schedule.next_gather(0), 50 * S);
    }

    #[test]
    fn jitter_delays_but_never_accumulates() {
        let mut schedule =
            Schedule::new(0, Duration::from_secs(10), Duration::ZERO, Duration::from_secs(2), true);
        assert_eq!(schedule.next_gather(u64::try_from(S).unwrap()), 11 * S);
        schedule.advance(11 * S);
        assert_eq!(schedule.next_gather(0), 20 * S);
    }
}
