//! The background thread: seals, flushes, compacts, looks after pools, files and gauges.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::compaction::Compactor;
use crate::error::FlushError;
use crate::flush::Flusher;
use crate::lane::describe;
use crate::metrics;
use crate::retention::Retention;
use crate::shared::Shared;
use crate::version::Home;
use crate::wake::Completer;

/// What the background can be asked for.
pub(crate) enum Work {
    /// Look whether something is to be sealed.
    Seal,
    /// The log has grown long.
    Flush,
    /// Flush everything now and say how it went.
    FlushNow(Completer<Result<(), Arc<str>>>),
    /// Flush, and bring every group into its final form, as far as that is done by a monotonic time.
    CompactNow(Option<u64>, Completer<Result<(), Arc<str>>>),
    /// Remove a directory of something dropped.
    Remove(PathBuf),
    /// Flush if told so, then end.
    Stop {
        /// Whether to flush.
        flush: bool,
    },
}

/// How often the background looks around by itself.
const TICK: Duration = Duration::from_millis(100);
/// Least time between two flushes for idleness.
const IDLE_FLUSH_PAUSE_NS: u64 = 60_000_000_000;
/// Idleness alone does not make a flush of less log than this: a store that gets a little every ten seconds would end up with a tiny
/// segment for each minute. What is left is flushed by age.
const IDLE_FLUSH_BYTES: u64 = 1 << 20;
/// Pause after a failed seal or flush.
const RETRY_PAUSE_NS: u64 = 2_000_000_000;
/// Free space, indexes and gauges are looked at once in so many ticks.
const SLOW_TICKS: u64 = 10;

/// See the module.
pub(crate) struct Background {
    shared: Arc<Shared>,
    flusher: Flusher,
    /// `None` while it works.
    compactor: Option<Compactor>,
    retention: Retention,
    receiver: Receiver<Work>,
    ticks: u64,
    last_tick: Instant,
    /// Who asked for a compaction of everything, and until when it is to be done.
    compactions: Vec<(Option<u64>, Completer<Result<(), Arc<str>>>)>,
    stopping: bool,
    last_idle_flush: Option<u64>,
    not_before: u64,
    failures: u32,
}

impl Background {
    pub(crate) fn new(shared: Arc<Shared>, flusher: Flusher, receiver: Receiver<Work>) -> Self {
        Self {
            compactor: Some(Compactor::new(Arc::clone(&shared))),
            retention: Retention::new(Arc::clone(&shared)),
            shared,
            flusher,
            receiver,
            ticks: 0,
            last_tick: Instant::now(),
            compactions: Vec::new(),
            stopping: false,
            last_idle_flush: None,
            not_before: 0,
            failures: 0,
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        loop {
            let first = match self.receiver.recv_timeout(TICK) {
                Ok(work) => Some(work),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if !self.attend(first) {
                return;
            }
            self.compact();
        }
    }

    /// Does what was asked for and what thresholds ask for; false = the store ends.
    fn attend(&mut self, first: Option<Work>) -> bool {
        if self.stopping {
            return false;
        }
        let mut answers = Vec::new();
        let mut stop = None;
        let more = std::iter::from_fn(|| self.receiver.try_recv().ok()).take(1_024);
        for work in first.into_iter().chain(more).collect::<Vec<_>>() {
            match work {
                // The conditions are looked at below.
                Work::Seal | Work::Flush => {}
                Work::FlushNow(completer) => answers.push(completer),
                Work::CompactNow(deadline, completer) => self.compactions.push((deadline, completer)),
                Work::Remove(path) => self.remove(&path),
                Work::Stop { flush } => stop = Some(flush),
            }
        }
        if !answers.is_empty() || stop == Some(true) {
            let result = self.flush().map_err(|e| Arc::from(describe(&e)));
            answers.into_iter().for_each(|a| a.complete(result.clone()));
        }
        if stop.is_some() {
            self.stopping = true;
            return false;
        }
        self.look();
        if self.last_tick.elapsed() >= TICK || self.compactor.is_some() {
            self.last_tick = Instant::now();
            self.housekeeping();
        }
        true
    }

    /// Compacts what is due or was asked for. Seals and flushes go on meanwhile.
    fn compact(&mut self) {
        let Some(mut compactor) = self.compactor.take() else { return };
        for (deadline, completer) in std::mem::take(&mut self.compactions) {
            let flushed = self.flush().map_err(|e| Arc::from(describe(&e)));
            completer.complete(flushed.and_then(|()| compactor.finish(deadline, &mut || self.attend(None))));
        }
        while compactor.step(&mut || self.attend(None)) && self.attend(None) {}
        self.compactor = Some(compactor);
    }

    /// Does what thresholds ask for.
    fn look(&mut self) {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.monotonic_ns();
        if now < self.not_before || shared.health.read_only().is_some() {
            return;
        }
        if let Some(hurry) = self.wants_flush(now) {
            // Its outcome is counted and tried again.
            let _ = self.flush_with(hurry);
        } else if shared.arena_bytes() >= shared.options.seal_bytes
            || self.arenas_are_pressed()
            || shared.has_many_arenas()
        {
            let sealed = self.flusher.seal();
            self.note(&sealed);
        }
    }

    /// Whether arenas hold so much of their pool that sealing would help.
    fn arenas_are_pressed(&self) -> bool {
        let pool = &self.shared.arena_pool;
        pool.is_over(60) && self.shared.arena_bytes() > pool.limit() / 8
    }

    /// Whether to flush, and if so whether that is urgent.
    fn wants_flush(&mut self, now: u64) -> Option<bool> {
        let shared = &self.shared;
        let options = &shared.options;
        if shared.wal_growth() >= options.flush_wal_bytes || shared.sealed_pool.is_over(80) {
            return Some(true);
        }
        let oldest = shared.oldest_unflushed.load(Ordering::Relaxed);
        if oldest == 0 {
            return None;
        }
        if now.saturating_sub(oldest) >= options.flush_age.as_nanos() as u64 {
            return Some(false);
        }
        let quiet = now.saturating_sub(shared.last_write.load(Ordering::Relaxed));
        let paused = self.last_idle_flush.is_some_and(|t| now.saturating_sub(t) < IDLE_FLUSH_PAUSE_NS);
        if quiet >= options.flush_idle.as_nanos() as u64 && !paused && shared.wal_growth() >= IDLE_FLUSH_BYTES
        {
            self.last_idle_flush = Some(now);
            return Some(false);
        }
        None
    }

    fn flush(&mut self) -> Result<(), FlushError> {
        self.flush_with(true)
    }

    fn flush_with(&mut self, hurry: bool) -> Result<(), FlushError> {
        let done = if hurry { self.flusher.flush() } else { self.flusher.flush_at_leisure() };
        if done.is_ok() {
            self.shared.note_flush();
        }
        self.note(&done);
        done
    }

    fn note(&mut self, done: &Result<(), FlushError>) {
        const PERSISTENT: u32 = 3;
        match done {
            Ok(()) => self.failures = 0,
            Err(e) => {
                let text = describe(e);
                tracing::warn!(error = %text, "sealing or flushing failed; it is tried again");
                metrics::flush_failed();
                self.failures += 1;
                if self.failures == PERSISTENT {
                    self.shared.health.problem(format!("points cannot be moved to segments: {text}"));
                }
                self.not_before = self.shared.clock.monotonic_ns().saturating_add(RETRY_PAUSE_NS);
            }
        }
    }

    fn housekeeping(&mut self) {
        let shared = &self.shared;
        // Those who wait look at the clock themselves.
        shared.arena_pool.waiting().wake_all();
        shared.lanes.iter().for_each(|lane| lane.room().wake_all());
        for slots in shared.lanes.iter().filter_map(|lane| lane.slots()) {
            if slots.live_bytes() > 0
                && slots.needs_spare()
                && !shared.health.is_disk_low()
                && let Err(e) = slots.prepare_spare()
            {
                tracing::warn!(error = %describe(&e), "no spare log file");
            }
        }
        if let Some(why) = shared.catalog.read_only()
            && shared.health.read_only().is_none()
        {
            // Points could still be logged, but never leave the log.
            shared.health.set_read_only(&why);
        }
        self.ticks += 1;
        if self.ticks % SLOW_TICKS == 1 {
            shared.check_disk();
            shared.series_ids.prepare(&shared.catalog);
            self.flusher.forget_groups();
            if let Err(e) = self.retention.look(&mut self.flusher) {
                tracing::warn!(error = %describe(&e), "expired points stay for another minute");
            }
            self.shared.removals().run(self.shared.fs.as_ref());
            self.gauges();
        }
    }

    fn gauges(&self) {
        let shared = &self.shared;
        metrics::memory("arena", shared.arena_pool.used());
        metrics::memory("sealed", shared.sealed_pool.used());
        metrics::memory("index", shared.measure_index());
        let version = shared.version.load();
        let files =
            version.groups.values().flat_map(|runs| runs.iter()).filter(|r| matches!(r.home, Home::File(_)));
        let (count, bytes) = files.fold((0, 0), |(n, bytes), run| (n + 1, bytes + run.segment.bytes()));
        metrics::segments(count, bytes);
        let mut series = std::collections::BTreeMap::new();
        for policy in version.policies.values() {
            *series.entry(&policy.database_name).or_insert(0) += policy.index.series_len();
        }
        series.into_iter().for_each(|(database, n)| metrics::series(database, n));
    }

    fn remove(&self, path: &std::path::Path) {
        if let Err(e) = self.shared.fs.remove_dir_all(path)
            && !e.is_not_found()
        {
            tracing::warn!(path = %path.display(), error = %e, "dropped files stay until the next start");
        }
    }
}
