//! What all threads of a store share.
//!
//! Lock order: `rotation` (a generation begins and arenas are sealed, or points are deleted) before `structure` (what exists changes)
//! before `version_lock` (the version is exchanged). No lane is ever waited for while one of the latter two is held.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use weir_catalog::{Catalog, CatalogError, DatabaseId, PolicyId};
use weir_fs::Fs;
use weir_index::{IndexLimits, SeriesIndex};
use weir_model::Clock;
use weir_wal::{Group, LaneSlots};

use crate::background::Work;
use crate::drop_group::Carried;
use crate::health::Health;
use crate::lane::LaneQueue;
use crate::memtable::Arena;
use crate::options::StoreOptions;
use crate::pool::Pool;
use crate::removal::Removals;
use crate::version::{PolicySeries, Version};

/// See the module.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) version: ArcSwap<Version>,
    version_lock: Mutex<()>,
    structure: Mutex<()>,
    rotation: Mutex<()>,
    carried: Mutex<Carried>,
    pub(crate) series_ids: SeriesIds,
    /// New points and batches in preparation.
    pub(crate) arena_pool: Arc<Pool>,
    /// Sealed runs.
    pub(crate) sealed_pool: Arc<Pool>,
    /// Generation << 32 | counter of the next group of batches.
    pub(crate) seq: AtomicU64,
    pub(crate) lanes: Vec<LaneQueue>,
    pub(crate) health: Health,
    /// Asks the background for work; never blocks.
    pub(crate) background: Sender<Work>,
    pub(crate) stopping: AtomicBool,
    index_full: AtomicBool,
    /// Monotonic time of the last write; 0 = none yet.
    pub(crate) last_write: AtomicU64,
    /// Monotonic time of the oldest write that is not flushed; 0 = there is none.
    pub(crate) oldest_unflushed: AtomicU64,
    spare_groups: Mutex<Vec<Group>>,
    writers: AtomicUsize,
    /// Live log right after the last flush.
    wal_left: AtomicU64,
    /// Logs of lanes that are written no more.
    former_lanes: Mutex<Vec<Arc<LaneSlots>>>,
    /// Files to be removed when nobody reads them any more.
    removals: Mutex<Removals>,
    /// An operator says that the wall clock is right.
    clock_confirmed: AtomicBool,
    /// The generation that this run of the store began with.
    first_generation: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        options: StoreOptions,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        catalog: Arc<Catalog>,
        series_ids: SeriesIds,
        lanes: Vec<LaneQueue>,
        background: Sender<Work>,
    ) -> Self {
        Self {
            arena_pool: Pool::new(options.arena_pool()),
            sealed_pool: Pool::new(options.sealed_pool()),
            options,
            fs,
            clock,
            catalog,
            version: ArcSwap::default(),
            version_lock: Mutex::new(()),
            structure: Mutex::new(()),
            rotation: Mutex::new(()),
            carried: Mutex::default(),
            series_ids,
            seq: AtomicU64::new(0),
            lanes,
            health: Health::default(),
            background,
            stopping: AtomicBool::new(false),
            index_full: AtomicBool::new(false),
            last_write: AtomicU64::new(0),
            oldest_unflushed: AtomicU64::new(0),
            spare_groups: Mutex::default(),
            writers: AtomicUsize::new(0),
            wal_left: AtomicU64::new(0),
            former_lanes: Mutex::default(),
            removals: Mutex::default(),
            clock_confirmed: AtomicBool::new(false),
            first_generation: AtomicU64::new(u64::MAX),
        }
    }

    /// Held from the beginning of a new generation until the arenas before it are sealed, or until a delete has taken effect.
    pub(crate) fn rotation(&self) -> MutexGuard<'_, ()> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Definitions that the manifest carries.
    pub(crate) fn carried(&self) -> MutexGuard<'_, Carried> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while databases, policies or groups come to an end, and while a flush adds files to groups.
    pub(crate) fn structure(&self) -> MutexGuard<'_, ()> {
        self.structure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges the version for a changed copy.
    pub(crate) fn change_version<T>(&self, change: impl FnOnce(&mut Version) -> T) -> T {
        let _guard = self.version_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Version::clone(&self.version.load());
        next.number += 1;
        let out = change(&mut next);
        self.version.store(Arc::new(next));
        out
    }

    /// The series of a policy, made if it has none yet. Asks nobody whether the policy exists.
    pub(crate) fn policy_series(
        &self,
        policy: PolicyId,
        database: DatabaseId,
        name: &Arc<str>,
    ) -> Arc<PolicySeries> {
        if let Some(series) = self.version.load().policies.get(&policy) {
            return Arc::clone(series);
        }
        let limits = &self.options.limits;
        let limits = IndexLimits {
            series_max: limits.series_per_database_max,
            tag_values_max: limits.values_per_tag_max,
        };
        self.change_version(|version| {
            let made =
                || Arc::new(PolicySeries::new(policy, database, Arc::clone(name), SeriesIndex::new(limits)));
            Arc::clone(version.policies.entry(policy).or_insert_with(made))
        })
    }

    /// An empty arena, charged to the arena pool.
    pub(crate) fn new_arena(&self, lane: u16, generation: u32) -> Arc<Arena> {
        Arc::new(Arena::new(lane, generation, Some(self.arena_pool.charge(0))))
    }

    /// Whether indexes have used up their memory.
    pub(crate) fn index_is_full(&self) -> bool {
        self.index_full.load(Ordering::Relaxed)
    }

    /// Measures the indexes. Not for hot paths.
    pub(crate) fn measure_index(&self) -> u64 {
        let bytes = self.version.load().policies.values().map(|p| p.index.heap_bytes() as u64).sum();
        self.index_full.store(bytes > self.options.index_pool(), Ordering::Relaxed);
        bytes
    }

    /// Asks the background to look for work now.
    pub(crate) fn nudge(&self, work: Work) {
        // A full channel means that it is about to look anyway.
        let _ = self.background.try_send(work);
    }

    /// Buffer for log records, used before if possible.
    pub(crate) fn take_group(&self) -> Group {
        let mut spare = self.spare_groups.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// Gives a buffer back for the next batch.
    pub(crate) fn give_group(&self, mut group: Group) {
        const SPARES_MAX: usize = 8;
        group.clear();
        let mut spare = self.spare_groups.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARES_MAX {
            spare.push(group);
        }
    }

    /// Bytes in arenas that are not sealed.
    pub(crate) fn arena_bytes(&self) -> u64 {
        self.version.load().arenas.iter().map(|a| a.bytes()).sum()
    }

    /// Whether so many generations wait to be sealed that reads suffer.
    pub(crate) fn has_many_arenas(&self) -> bool {
        const GENERATIONS_MAX: usize = 8;
        self.version.load().arenas.len() > GENERATIONS_MAX * self.lanes.len()
    }

    /// Bytes of log that a restart would have to read.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.lanes.iter().map(LaneQueue::live_bytes).sum()
    }

    /// Bytes of log written since the last flush.
    pub(crate) fn wal_growth(&self) -> u64 {
        self.wal_bytes().saturating_sub(self.wal_left.load(Ordering::Relaxed))
    }

    /// A flush has been done: what is left of the log are the files being written.
    pub(crate) fn note_flush(&self) {
        self.wal_left.store(self.wal_bytes(), Ordering::Relaxed);
    }

    /// A running number for each writer.
    pub(crate) fn next_writer(&self) -> usize {
        self.writers.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes the log of a lane that is written no more.
    pub(crate) fn add_former_lane(&self, slots: Arc<LaneSlots>) {
        self.former_lanes.lock().unwrap_or_else(PoisonError::into_inner).push(slots);
    }

    /// Logs of lanes that are written no more.
    pub(crate) fn former_lanes(&self) -> Vec<Arc<LaneSlots>> {
        self.former_lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log of a former lane is gone.
    pub(crate) fn forget_former_lane(&self, lane: u16) {
        self.former_lanes.lock().unwrap_or_else(PoisonError::into_inner).retain(|s| s.lane() != lane);
    }

    /// The generation that this run of the store began with: all below come from a replay.
    pub(crate) fn first_generation(&self) -> u64 {
        self.first_generation.load(Ordering::Relaxed)
    }

    /// Notes with which generation writing begins.
    pub(crate) fn set_first_generation(&self, generation: u64) {
        self.first_generation.store(generation, Ordering::Relaxed);
    }

    /// Compares free space with the reserve. What is in memory must fit the disk too.
    pub(crate) fn check_disk(&self) {
        if let Ok(free) = self.fs.free_space(self.catalog.dir()) {
            let reserve = self.options.disk_reserve.saturating_add(self.sealed_pool.used());
            self.health.set_disk_low(free < reserve);
        }
    }

    /// Files to be removed when nobody reads them any more.
    pub(crate) fn removals(&self) -> MutexGuard<'_, Removals> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock is right, says somebody who knows.
    pub(crate) fn confirm_clock(&self) {
        self.clock_confirmed.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has said so since this was asked last.
    pub(crate) fn clock_is_confirmed(&self) -> bool {
        self.clock_confirmed.swap(false, Ordering::Relaxed)
    }

    /// Whether the store is on its way down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Hands out durable series ids from ranges that the manifest has reserved.
pub(crate) struct SeriesIds {
    ranges: Mutex<(Range<u64>, Option<Range<u64>>)>,
}

impl SeriesIds {
    /// Reserves the first range and waits until that is durable.
    ///
    /// # Errors
    /// Of the catalog.
    pub(crate) fn open(catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self { ranges: Mutex::new((Self::reserve(catalog)?, None)) })
    }

    /// Only durable ranges are handed out from: an id may travel in another connection's batch, which knows no ticket for it.
    fn reserve(catalog: &Catalog) -> Result<Range<u64>, CatalogError> {
        let claimed = catalog.reserve_series_ids()?;
        catalog.wait_durable(claimed.ticket)?;
        Ok(claimed.value)
    }

    /// A new id. Waits for the disk once in a million calls, unless [`prepare`](Self::prepare) came before.
    ///
    /// # Errors
    /// Of the catalog.
    pub(crate) fn next(&self, catalog: &Catalog) -> Result<u64, CatalogError> {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(id) = ranges.0.next() {
                return Ok(id);
            }
            ranges.0 = match ranges.1.take() {
                Some(range) => range,
                None => Self::reserve(catalog)?,
            };
        }
    }

    /// Reserves the next range when the current one runs low. For the background.
    pub(crate) fn prepare(&self, catalog: &Catalog) {
        let is_low = |r: &(Range<u64>, Option<Range<u64>>)| {
            r.1.is_none() && r.0.end - r.0.start.min(r.0.end) < 1 << 19
        };
        if !is_low(&self.ranges.lock().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        // Reserved outside the lock, so that definitions go on meanwhile. On failure `next` tries again and reports.
        if let Ok(range) = Self::reserve(catalog) {
            let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
            if ranges.1.is_none() {
                ranges.1 = Some(range);
            }
        }
    }
}

/// Series files and indexes of one group that are known to the flush: slots that need no further definition there.
pub(crate) type Filed = HashMap<weir_catalog::GroupId, roaring::RoaringBitmap>;
