//! What a reader sees: one immutable [`Version`], and the [`View`] of a moment.
//!
//! A version lists, for each shard group, the runs of sealed points (segments in RAM or in files) and, for all groups together, the
//! arenas that are not sealed yet. It is exchanged as a whole: when an arena is sealed, the same exchange removes the arena and adds the
//! run; when runs are flushed, the same exchange removes them and adds the file. So a point is always in exactly one place.
//!
//! **Order.** Of two values for one series, time and field the later one counts: runs of a group stand in order (a later run beats an
//! earlier one), all arenas are later than all runs, and inside the arenas the higher (block seq, row) is later. Overwriting is
//! per field: a null never hides a value.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use roaring::RoaringBitmap;
use weir_catalog::{CatalogState, DatabaseId, FileId, GroupId, PolicyId, TombstoneId};
use weir_index::{Presence, SeriesIndex};
use weir_model::TimeRange;
use weir_segment::Segment;

use crate::memtable::Arena;
use crate::tombstones::Tombstones;

/// A state of the store's data.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// Grows with each exchange.
    pub number: u64,
    /// The policies that have or had points, with their series.
    pub policies: HashMap<PolicyId, Arc<PolicySeries>>,
    /// The runs of each group that has any, earliest first.
    pub groups: HashMap<GroupId, Arc<[Arc<Run>]>>,
    /// The arenas of all lanes that are not sealed yet, by generation.
    pub arenas: Vec<Arc<Arena>>,
    /// Deletes that are not applied everywhere yet.
    pub tombstones: Tombstones,
}

impl Version {
    /// The runs of a group, earliest first.
    #[must_use]
    pub fn runs(&self, group: GroupId) -> &[Arc<Run>] {
        self.groups.get(&group).map_or(&[], |runs| runs)
    }

    /// The series of a policy; `None` if it never had a point since it was made or since the store was opened.
    #[must_use]
    pub fn policy(&self, policy: PolicyId) -> Option<&Arc<PolicySeries>> {
        self.policies.get(&policy)
    }
}

/// Points of one shard group, sealed: sorted by measurement, canonical key and time, each (series, time) once.
pub struct Run {
    /// The points.
    pub segment: Arc<Segment>,
    /// Number of points.
    pub points: u64,
    /// All bytes of a sealed run.
    pub(crate) bytes: Option<Arc<[u8]>>,
    /// Lowest generation of its points.
    pub gen_lo: u64,
    /// Highest generation of its points.
    pub gen_hi: u64,
    /// First and last time of its points.
    pub span: TimeRange,
    /// Highest tombstone applied when it was written.
    pub tombstones_applied: TombstoneId,
    /// Where it lives.
    pub home: Home,
    /// Series of a sealed run; empty for files.
    pub(crate) slots: RoaringBitmap,
    /// Keeps the memory of a sealed run accounted for.
    #[expect(dead_code, reason = "its drop gives the memory back")]
    pub(crate) charge: Option<crate::pool::Charge>,
}

/// Where a run lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In RAM; the log has its points too.
    Sealed,
    /// In a segment file.
    File(FileId),
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("home", &self.home)
            .field("gen_lo", &self.gen_lo)
            .field("gen_hi", &self.gen_hi)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

/// The series of one policy instance: their index, and which of them have points in which group.
pub struct PolicySeries {
    /// The policy.
    pub policy: PolicyId,
    /// Whose it is.
    pub database: DatabaseId,
    /// Name of the database, for metrics.
    pub database_name: Arc<str>,
    /// Keys, tags, slots.
    pub index: SeriesIndex,
    presence: RwLock<HashMap<GroupId, Arc<Presence>>>,
    ended: AtomicBool,
    /// All series with slots below this are defined in synced logs or files.
    durable_below: AtomicU32,
    points: metrics::Counter,
}

impl fmt::Debug for PolicySeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySeries").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl PolicySeries {
    pub(crate) fn new(
        policy: PolicyId,
        database: DatabaseId,
        database_name: Arc<str>,
        index: SeriesIndex,
    ) -> Self {
        Self {
            policy,
            database,
            points: crate::metrics::points_counter(&database_name),
            database_name,
            index,
            presence: RwLock::default(),
            ended: AtomicBool::new(false),
            durable_below: AtomicU32::new(0),
        }
    }

    /// Counts points acknowledged.
    pub(crate) fn count_points(&self, n: u64) {
        self.points.increment(n);
    }

    /// Whether the definition of a series is in a synced log or in a file. Batches carry those that are not.
    pub(crate) fn is_durable(&self, slot: u32) -> bool {
        self.index.note(slot) != 0
    }

    /// The definitions of these series are in a synced log or in a file.
    pub(crate) fn mark_durable(&self, slots: &[u32]) {
        for &slot in slots {
            self.index.set_note(slot, 1);
        }
        let before = self.durable_below.load(Ordering::Acquire);
        let mut below = before;
        while below < self.index.slots_len() && self.is_durable(below) {
            below += 1;
        }
        self.durable_below.fetch_max(below, Ordering::AcqRel);
    }

    /// The definitions of these series will no longer be in any file; whether one of them was thought to be there.
    pub(crate) fn forget_durable(&self, slots: &RoaringBitmap) -> bool {
        let mut any = false;
        for slot in slots {
            any |= self.is_durable(slot);
            self.index.set_note(slot, 0);
        }
        if let Some(first) = slots.min() {
            any |= self.durable_below.fetch_min(first, Ordering::AcqRel) > first;
        }
        any
    }

    /// A group is gone.
    pub(crate) fn forget_group(&self, group: GroupId) {
        self.presence.write().unwrap_or_else(PoisonError::into_inner).remove(&group);
    }

    /// All series with slots below this are durable; a shortcut for [`is_durable`](Self::is_durable).
    pub(crate) fn durable_below(&self) -> u32 {
        self.durable_below.load(Ordering::Acquire)
    }

    /// Durable ids of some slots.
    pub(crate) fn durable_ids(&self, slots: &[u32]) -> Vec<u64> {
        slots.iter().map(|&slot| self.index.durable_id(slot).unwrap_or_default()).collect()
    }

    /// The series that have a visible point in a group, be it in an arena or in a run; `None` = no series has.
    #[must_use]
    pub fn presence(&self, group: GroupId) -> Option<Arc<Presence>> {
        self.presence.read().unwrap_or_else(PoisonError::into_inner).get(&group).cloned()
    }

    pub(crate) fn presence_or_make(&self, group: GroupId) -> Arc<Presence> {
        if let Some(presence) = self.presence(group) {
            return presence;
        }
        let mut presence = self.presence.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(presence.entry(group).or_default())
    }

    /// Whether the policy was dropped.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// What exists at one moment: everything acknowledged before it was taken is in it.
#[derive(Clone, Debug)]
pub struct View {
    /// Runs and series.
    pub version: Arc<Version>,
    /// Names, schema, groups; taken after the version.
    pub catalog: Arc<CatalogState>,
    /// The arenas of the version, each with the row number below which its rows belong to this view.
    pub arenas: Vec<(Arc<Arena>, u32)>,
}
