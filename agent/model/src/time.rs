//! Time: nanoseconds inside, precisions at the edges, clocks that can be simulated.

use std::fmt;
use std::time::Instant;

/// Smallest time a point may have, as in InfluxDB 1.x (1677-09-21T00:12:43.145224194Z).
pub const TIME_MIN: i64 = i64::MIN + 2;
/// Largest time a point may have, as in InfluxDB 1.x (2262-04-11T23:47:16.854775806Z).
pub const TIME_MAX: i64 = i64::MAX - 1;

/// Nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimestampNs(pub i64);

impl fmt::Debug for TimestampNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ns", self.0)
    }
}

/// A product or a sum that lies outside [`TIME_MIN`]..=[`TIME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time outside range {TIME_MIN} - {TIME_MAX}")]
pub struct OutOfRange;

/// Unit of a timestamp on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Nanoseconds, the default everywhere.
    #[default]
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
}

impl Precision {
    /// Nanoseconds in one unit.
    #[must_use]
    pub const fn ns_per_unit(self) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
        }
    }

    /// Converts a wire timestamp to nanoseconds since the Unix epoch (UTC).
    ///
    /// # Errors
    /// [`OutOfRange`] if the product lies outside [`TIME_MIN`]..=[`TIME_MAX`].
    pub fn to_ns(self, raw: i64) -> Result<TimestampNs, OutOfRange> {
        match raw.checked_mul(self.ns_per_unit()) {
            Some(ns) if (TIME_MIN..=TIME_MAX).contains(&ns) => Ok(TimestampNs(ns)),
            _ => Err(OutOfRange),
        }
    }

    /// Converts to wire units, truncated toward zero as InfluxDB 1.x does.
    #[must_use]
    pub const fn from_ns(self, ns: TimestampNs) -> i64 {
        ns.0 / self.ns_per_unit()
    }

    /// Cuts a time down to a multiple of the unit (toward zero), as for points without a timestamp.
    #[must_use]
    pub const fn truncate(self, ns: TimestampNs) -> TimestampNs {
        TimestampNs(ns.0 - ns.0 % self.ns_per_unit())
    }
}

/// Times from `min` to `max`, both included. Empty when `min > max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First time inside.
    pub min: i64,
    /// Last time inside.
    pub max: i64,
}

impl TimeRange {
    /// Every time a point may have.
    pub const ALL: Self = Self { min: TIME_MIN, max: TIME_MAX };

    /// The range from `min` to `max`, both included.
    #[must_use]
    pub const fn new(min: i64, max: i64) -> Self {
        Self { min, max }
    }

    /// Whether no time lies inside.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.min > self.max
    }

    /// Whether `time` lies inside.
    #[must_use]
    pub const fn contains(self, time: i64) -> bool {
        self.min <= time && time <= self.max
    }

    /// Whether every time of `other` lies inside.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }

    /// Whether the two have a time in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.min <= other.max && other.min <= self.max
    }

    /// The times in both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }
}

/// Where the time comes from. Simulated in tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time. May jump in either direction.
    fn now(&self) -> TimestampNs;
    /// Nanoseconds since an arbitrary moment; never goes back.
    fn monotonic_ns(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where wall time enters")]
    fn now(&self) -> TimestampNs {
        let ns = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(TIME_MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(TIME_MIN, |ns| -ns),
        };
        TimestampNs(ns.clamp(TIME_MIN, TIME_MAX))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_ns_refuses_what_does_not_fit() {
        assert_eq!(Precision::Second.to_ns(1_700_000_000), Ok(TimestampNs(1_700_000_000_000_000_000)));
        assert_eq!(Precision::Hour.to_ns(i64::MAX), Err(OutOfRange));
        assert_eq!(Precision::Nanosecond.to_ns(TIME_MIN), Ok(TimestampNs(TIME_MIN)));
        assert_eq!(Precision::Nanosecond.to_ns(TIME_MIN - 1), Err(OutOfRange));
        assert_eq!(Precision::Nanosecond.to_ns(TIME_MAX + 1), Err(OutOfRange));
    }

    #[test]
    fn from_ns_truncates_toward_zero() {
        assert_eq!(Precision::Second.from_ns(TimestampNs(-1_500_000_000)), -1);
        assert_eq!(Precision::Hour.truncate(TimestampNs(3_600_000_000_001)).0, 3_600_000_000_000);
    }

    #[test]
    fn ranges_include_both_ends() {
        let r = TimeRange::new(10, 20);
        assert!(r.contains(10) && r.contains(20) && !r.contains(21));
        assert!(r.overlaps(TimeRange::new(20, 30)) && !r.overlaps(TimeRange::new(21, 30)));
        assert!(r.intersect(TimeRange::new(30, 40)).is_empty());
    }
}
