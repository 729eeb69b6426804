//! Retention: shard groups in which every point is older than its policy keeps are dropped as a whole.
//!
//! **Distrust of the clock.** A wrong wall clock would delete everything, so retention acts only on a time it has reason to believe: not
//! within the first hour of a run of the store, nor within an hour after the wall clock has moved by more than an hour against the monotonic one; and then only if that step (or the
//! one since the time that was noted last before the start) is less than an hour and half of the policy's duration, or if the clock is known to be
//! synchronised, or an operator has confirmed it.

use std::sync::Arc;

use weir_catalog::Edit;

use crate::drop_group::drop_groups;
use crate::error::FlushError;
use crate::flush::Flusher;
use crate::metrics;
use crate::shared::Shared;

const MINUTE_NS: u64 = 60_000_000_000;
const HOUR_NS: u64 = 60 * MINUTE_NS;

/// Whether the wall clock can be believed.
#[derive(Debug)]
pub(crate) struct ClockTrust {
    /// Wall and monotonic time that belong together.
    anchor: (i64, u64),
    stable_since: u64,
    /// How far the wall clock has moved without explanation.
    step_ns: u64,
    confirmed: bool,
}

impl ClockTrust {
    /// At the start; `noted` is the wall time that was believed last, 0 = none.
    pub(crate) fn new(wall: i64, monotonic: u64, noted: i64) -> Self {
        let step_ns = if noted == 0 { 0 } else { wall.abs_diff(noted) };
        Self { anchor: (wall, monotonic), stable_since: monotonic, step_ns, confirmed: false }
    }

    /// Looks at the clocks. To be called every minute or so.
    pub(crate) fn observe(&mut self, wall: i64, monotonic: u64) {
        let passed = i64::try_from(monotonic.saturating_sub(self.anchor.1)).unwrap_or(i64::MAX);
        let step = wall.abs_diff(self.anchor.0.saturating_add(passed));
        if step > HOUR_NS {
            tracing::warn!(seconds = step / 1_000_000_000, "the wall clock has moved; retention pauses");
            self.anchor = (wall, monotonic);
            self.stable_since = monotonic;
            self.step_ns = self.step_ns.max(step);
            self.confirmed = false;
        }
    }

    /// Somebody who knows says that the clock is right.
    pub(crate) fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// Whether groups of a policy that keeps points for `duration_ns` may be dropped.
    pub(crate) fn trusts(&self, monotonic: u64, duration_ns: i64) -> bool {
        let stable = monotonic.saturating_sub(self.stable_since) >= HOUR_NS;
        let plausible = self.step_ns < HOUR_NS.saturating_add(duration_ns.max(0).cast_unsigned() / 2);
        stable && (plausible || self.confirmed)
    }
}

/// Enforces retention. Owned by the background thread.
pub(crate) struct Retention {
    shared: Arc<Shared>,
    trust: ClockTrust,
    checked: Option<u64>,
    noted: Option<u64>,
    was_paused: bool,
}

impl Retention {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let state = shared.catalog.state();
        let trust = ClockTrust::new(shared.clock.now().0, shared.clock.monotonic_ns(), state.wall_time());
        Self { shared, trust, checked: None, noted: None, was_paused: false }
    }

    /// Looks once a minute whether groups have expired, and drops them.
    ///
    /// # Errors
    /// [`FlushError`]; it is tried again a minute later.
    pub(crate) fn look(&mut self, flusher: &mut Flusher) -> Result<(), FlushError> {
        let shared = Arc::clone(&self.shared);
        let (wall, now) = (shared.clock.now().0, shared.clock.monotonic_ns());
        if self.checked.is_some_and(|at| now.saturating_sub(at) < MINUTE_NS) {
            return Ok(());
        }
        self.checked = Some(now);
        self.trust.observe(wall, now);
        if shared.clock_is_confirmed() || (shared.options.clock_synchronised)() {
            self.trust.confirm();
        }
        self.note_time(wall, now);
        let state = shared.catalog.state();
        let (due, paused): (Vec<_>, Vec<_>) = state.expired_groups(wall).into_iter().partition(|group| {
            let policy = state.group(*group).and_then(|g| state.policy(g.policy));
            policy.is_some_and(|p| self.trust.trusts(now, p.duration_ns))
        });
        metrics::retention_paused(paused.len());
        if paused.is_empty() == self.was_paused {
            self.was_paused = !paused.is_empty();
            if self.was_paused {
                tracing::info!(groups = paused.len(), "retention waits until the clock can be believed");
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        drop_groups(&shared, &due, || flusher.flush())?;
        for group in due.iter().filter_map(|group| state.group(*group)) {
            let bytes: u64 = group.segments.iter().map(|s| s.bytes).sum();
            tracing::info!(
                group = group.id.0,
                policy = group.policy.0,
                first = group.window.min,
                last = group.window.max,
                bytes,
                "a shard group has expired and is dropped"
            );
            metrics::group_expired(bytes);
        }
        flusher.forget_groups();
        Ok(())
    }

    /// Notes the time as believed, once an hour.
    fn note_time(&mut self, wall: i64, now: u64) {
        let is_due = self.noted.is_none_or(|at| now.saturating_sub(at) >= HOUR_NS);
        if is_due && self.trust.trusts(now, 0) {
            self.noted = Some(now);
            if let Err(e) = self.shared.catalog.apply(vec![Edit::WallTime { time_ns: wall }]) {
                tracing::warn!(error = %e, "the time could not be noted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = HOUR_NS.cast_signed();
    const NOW: i64 = 1_700_000_000_000_000_000;

    /// Lets `hours` pass on both clocks, minute by minute.
    fn pass(trust: &mut ClockTrust, wall: &mut i64, monotonic: &mut u64, hours: f64) {
        for _ in 0..(hours * 60.0) as u64 {
            *wall += HOUR / 60;
            *monotonic += MINUTE_NS;
            trust.observe(*wall, *monotonic);
        }
    }

    #[test]
    fn nothing_is_believed_in_the_first_hour() {
        let (mut wall, mut monotonic) = (NOW, 5);
        let mut trust = ClockTrust::new(wall, monotonic, NOW - HOUR / 2);
        pass(&mut trust, &mut wall, &mut monotonic, 0.95);
        assert!(!trust.trusts(monotonic, 24 * HOUR));
        trust.confirm();
        assert!(!trust.trusts(monotonic, 24 * HOUR));
        pass(&mut trust, &mut wall, &mut monotonic, 0.1);
        assert!(trust.trusts(monotonic, 24 * HOUR));
    }

    #[test]
    fn a_long_absence_is_believed_for_long_policies_or_when_confirmed() {
        let (mut wall, mut monotonic) = (NOW, 0);
        let mut trust = ClockTrust::new(wall, monotonic, NOW - 10 * 24 * HOUR);
        pass(&mut trust, &mut wall, &mut monotonic, 2.0);
        assert!(!trust.trusts(monotonic, 7 * 24 * HOUR));
        assert!(trust.trusts(monotonic, 30 * 24 * HOUR));
        trust.confirm();
        assert!(trust.trusts(monotonic, HOUR));
    }

    #[test]
    fn a_jump_pauses_for_an_hour_and_must_be_plausible() {
        for jump in [-3 * HOUR, 3 * HOUR, 1_000 * 24 * HOUR] {
            let (mut wall, mut monotonic) = (NOW, 0);
            let mut trust = ClockTrust::new(wall, monotonic, 0);
            pass(&mut trust, &mut wall, &mut monotonic, 5.0);
            assert!(trust.trusts(monotonic, 24 * HOUR));
            wall += jump;
            trust.observe(wall, monotonic);
            assert!(!trust.trusts(monotonic, 10_000 * 24 * HOUR));
            pass(&mut trust, &mut wall, &mut monotonic, 1.1);
            assert_eq!(trust.trusts(monotonic, 24 * HOUR), jump.abs() < 13 * HOUR);
        }
    }

    proptest! {
        #[test]
        fn what_is_believed_is_never_further_off_than_the_rule_says(
            steps in proptest::collection::vec((0.0f64..3.0, prop_oneof![3 => Just(0), 1 => -400i64..400]), 0..12),
            days in 1i64..400,
        ) {
            let (mut wall, mut monotonic) = (NOW, 0);
            let mut trust = ClockTrust::new(wall, monotonic, NOW);
            let mut worst = 0;
            for (hours, jump) in steps {
                let jump = jump * HOUR;
                wall += jump;
                worst = worst.max(jump.unsigned_abs());
                trust.observe(wall, monotonic);
                prop_assert!(jump.abs() <= HOUR || !trust.trusts(monotonic, days * 24 * HOUR));
                pass(&mut trust, &mut wall, &mut monotonic, hours);
                let duration = days * 24 * HOUR;
                if trust.trusts(monotonic, duration) {
                    prop_assert!(worst <= HOUR_NS || worst < HOUR_NS + duration.unsigned_abs() / 2);
                }
            }
        }
    }
}
