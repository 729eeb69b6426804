//! The store as its users hold it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::bounded;
use weir_catalog::{Catalog, CatalogError, CatalogOptions};
use weir_fs::Fs;
use weir_model::Clock;
use weir_model::read::ReadError;
use weir_wal::{LaneLog, SyncMode, WalOptions};

use crate::background::{Background, Work};
use crate::error::OpenError;
use crate::health::HealthReport;
use crate::lane::{Lane, LaneQueue};
use crate::options::{StoreOptions, WalSync};
use crate::recovery::{self, Recovered};
use crate::shared::{SeriesIds, Shared};
use crate::version::{Home, View};
use crate::wake::{block_on, completion};
use crate::writer::Writer;

/// Requests the background keeps; what does not fit would repeat what is there.
const WORK_QUEUE: usize = 256;

/// An open store. Cheap to clone; the last clone dropped stops its threads without flushing. Use [`shutdown`](Self::shutdown) for an orderly end.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    threads: Arc<Threads>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.shared.catalog.dir()).finish_non_exhaustive()
    }
}

/// Numbers for `/health` and logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Sealed runs in memory.
    pub sealed_runs: u64,
    /// Bytes of points not sealed yet.
    pub arena_bytes: u64,
    /// Bytes of log a restart would read.
    pub wal_bytes: u64,
    /// Series in memory.
    pub series: u64,
}

impl Store {
    /// Opens a store, making it if the directory is absent or empty. Returns when the log is replayed: from then on it reads and writes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(options: StoreOptions, fs: Arc<dyn Fs>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let options = options.effective();
        let or_none = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        let catalog_options = CatalogOptions {
            shard_groups_max: or_none(options.limits.shard_groups_max),
            new_shard_groups_per_request_max: or_none(options.limits.new_shard_groups_per_request_max),
            fields_per_measurement_max: or_none(options.limits.fields_per_measurement_max),
        };
        let catalog = Catalog::open(Arc::clone(&fs), &options.data_dir, catalog_options)?;
        let series_ids = SeriesIds::open(&catalog)?;
        let (queues, receivers): (Vec<_>, Vec<_>) =
            (0..options.lanes).map(|lane| LaneQueue::new(u16::try_from(lane).unwrap_or(u16::MAX))).unzip();
        let (work, work_receiver) = bounded(WORK_QUEUE);
        let shared =
            Arc::new(Shared::new(options, fs, Arc::clone(&clock), catalog, series_ids, queues, work));
        shared.check_disk();
        let Recovered { flusher, log } = recovery::recover(&shared)?;

        let threads = Arc::new(Threads {
            shared: Arc::clone(&shared),
            lanes: Mutex::default(),
            background: Mutex::default(),
        });
        let store = Self { shared: Arc::clone(&shared), threads };
        let wal = WalOptions {
            store_id: shared.catalog.store_id().0,
            sync: match shared.options.wal_sync {
                WalSync::Commit => SyncMode::Commit,
                WalSync::Every(interval) => SyncMode::Interval(interval),
                WalSync::Never => SyncMode::None,
            },
            salt_seed: RandomState::new().hash_one(clock.now().0),
        };
        let floors = shared.catalog.state();
        for (number, receiver) in receivers.into_iter().enumerate() {
            let queue = &shared.lanes[number];
            let Some(slots) = queue.slots() else { continue };
            let floor = floors.floors().get(&queue.lane).copied().unwrap_or_default();
            let start = log.start(recovery::to_floor(queue.lane, floor));
            let lane_log = LaneLog::open(Arc::clone(slots), &start, Arc::clone(&clock), wal.clone());
            let lane = Lane::new(Arc::clone(&shared), number, receiver, lane_log);
            let handle = spawn(&shared, format!("lane-{number}"), Some(number), move || lane.run())?;
            store.threads.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        let background = Background::new(Arc::clone(&shared), flusher, work_receiver);
        let handle = spawn(&shared, "store-bg".to_owned(), None, move || background.run())?;
        *store.threads.background.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(store)
    }

    /// A writer for one connection or input.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::new(Arc::clone(&self.shared))
    }

    /// What exists now: everything acknowledged before this call is in it.
    ///
    /// # Errors
    /// [`ReadError::NotReady`] is kept for stores that open while they replay; this one is open when it exists.
    pub fn view(&self) -> Result<View, ReadError> {
        let version = self.shared.version.load_full();
        let arenas = version.arenas.iter().map(|a| (Arc::clone(a), a.published())).collect();
        let catalog = self.shared.catalog.state();
        Ok(View { version, catalog, arenas })
    }

    /// Names, schema, records of other parts.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.shared.catalog
    }

    /// The number that stands for the source `alias` in log records. Blocks until it is durable.
    ///
    /// # Errors
    /// Of the catalog.
    pub fn source(&self, alias: &str) -> Result<u16, CatalogError> {
        self.shared.catalog.source(alias)
    }

    /// Moves all acknowledged points to segment files. Blocks.
    ///
    /// # Errors
    /// What failed; nothing is lost.
    pub fn flush(&self) -> Result<(), Arc<str>> {
        let stopped = Err(Arc::from("the store is shutting down"));
        let (completer, done) = completion(stopped);
        if self.shared.background.send(Work::FlushNow(completer)).is_err() {
            return Err(Arc::from("the store is shutting down"));
        }
        block_on(done)
    }

    /// Flushes, then brings every shard group into its final form: one sorted run of dense files, what was deleted taken out. Blocks, at
    /// most for `deadline`; what is done by then stays done.
    ///
    /// # Errors
    /// What failed, or that time is over; nothing is lost.
    pub fn compact(&self, deadline: Duration) -> Result<(), Arc<str>> {
        let stopped = || Arc::<str>::from("the store is shutting down");
        let (completer, done) = completion(Err(stopped()));
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        let until = self.shared.clock.monotonic_ns().saturating_add(nanos);
        self.shared.background.send(Work::CompactNow(Some(until), completer)).map_err(|_| stopped())?;
        block_on(done)
    }

    /// Says that the wall clock is right, though it may have jumped: retention goes on as soon as it has been steady for an hour.
    pub fn confirm_clock(&self) {
        self.shared.confirm_clock();
    }

    /// Whether all is well, and if not, why.
    #[must_use]
    pub fn health(&self) -> HealthReport {
        let mut report = self.shared.health.report();
        if report.read_only.is_none()
            && let Some(why) = self.shared.catalog.read_only()
        {
            report.read_only = Some(why.to_string());
            report.ok = false;
        }
        report
    }

    /// Numbers for `/health` and logs.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let version = self.shared.version.load();
        let mut stats = StoreStats {
            arena_bytes: self.shared.arena_bytes(),
            wal_bytes: self.shared.wal_bytes(),
            series: version.policies.values().map(|p| p.index.series_len()).sum(),
            ..StoreStats::default()
        };
        for run in version.groups.values().flat_map(|runs| runs.iter()) {
            match run.home {
                Home::Sealed => stats.sealed_runs += 1,
                Home::File(_) => {
                    stats.segments += 1;
                    stats.segment_bytes += run.segment.bytes();
                }
            }
        }
        stats
    }

    /// Takes no more batches, finishes those queued, syncs the logs, and flushes, as far as that is done within `deadline`. What is not
    /// flushed is in the log.
    pub fn shutdown(&self, deadline: Duration) {
        self.threads.stop(true, Some(deadline));
    }
}

/// Starts a thread. A panic in it is a bug; then the store takes no more writes, and nobody waits for `lane`.
fn spawn(
    shared: &Arc<Shared>,
    name: String,
    lane: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let builder = thread::Builder::new().name(name.clone());
    let (shared, thread_name) = (Arc::clone(shared), name.clone());
    let guarded = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            let what = format!("thread {thread_name} has panicked; restart, and report this as a bug");
            shared.health.set_read_only(&what);
            if let Some(lane) = lane.and_then(|lane| shared.lanes.get(lane)) {
                lane.abandon();
            }
        }
    };
    builder.spawn(guarded).map_err(|source| OpenError::Thread { name, source })
}

/// The threads of a store; stops them when the last clone of the store is gone.
struct Threads {
    shared: Arc<Shared>,
    lanes: Mutex<Vec<JoinHandle<()>>>,
    background: Mutex<Option<JoinHandle<()>>>,
}

impl Threads {
    fn stop(&self, flush: bool, deadline: Option<Duration>) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.lanes.iter().for_each(LaneQueue::wake);
        let waited = AtomicU64::new(0);
        let join = |handle: JoinHandle<()>| {
            const STEP: Duration = Duration::from_millis(1);
            while !handle.is_finished() {
                let so_far = Duration::from_millis(waited.fetch_add(1, Ordering::Relaxed));
                if deadline.is_some_and(|deadline| so_far >= deadline) {
                    return;
                }
                thread::sleep(STEP);
            }
            // A panic was noted where it happened.
            let _ = handle.join();
        };
        for handle in std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner)) {
            join(handle);
        }
        let background = self.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = background
            && self.shared.background.send(Work::Stop { flush }).is_ok()
        {
            join(handle);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop(false, None);
    }
}
