//! Deletes points: a new generation, tombstones in the manifest, then in the version, and what that does to presence.
//!
//! The order makes a delete cover whatever was acknowledged before it, and nothing that is sent after it: all points of the generations
//! before the new one are covered. It is durable before it shows, so a crash leaves it done or not done.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use roaring::RoaringBitmap;
use weir_catalog::{CatalogState, Edit, GroupId, MeasurementId, Tombstone, TombstoneId, TombstoneTarget};
use weir_index::Presence;
use weir_model::admin::{AdminError, Deletion};
use weir_model::read::{ReadContext, TagFilter};
use weir_segment::SegmentError;

use crate::Store;
use crate::background::Work;
use crate::flush::rotate;
use crate::lane::describe;
use crate::memtable::NO_ROW;
use crate::read::with_points;
use crate::shared::Shared;
use crate::tombstones::record_of;
use crate::version::{PolicySeries, Run, View};

/// Series of one measurement of one policy that lose points.
struct Hit {
    series: Arc<PolicySeries>,
    measurement: MeasurementId,
    /// All series of the measurement are meant.
    whole: bool,
    groups: Vec<(GroupId, RoaringBitmap)>,
}

impl Store {
    /// See [`Admin::delete`](weir_model::admin::Admin::delete).
    pub(crate) fn delete_points(&self, database: &str, deletion: &Deletion) -> Result<(), AdminError> {
        let shared = &*self.shared;
        let _rotation = shared.rotation();
        let generation = last_closed_generation(shared)?;
        let structure = shared.structure();
        let hits = find(shared, database, deletion)?;
        if hits.is_empty() {
            return Ok(());
        }
        let state = shared.catalog.visible();
        let mut id = state.last_tombstone().0;
        let tombstones: Vec<Tombstone> = hits
            .iter()
            .map(|hit| {
                id += 1;
                Tombstone {
                    id: TombstoneId(id),
                    policy: hit.series.policy,
                    target: hit.target(),
                    range: deletion.range,
                    generation,
                }
            })
            .collect();
        let mut edits: Vec<Edit> = tombstones.iter().cloned().map(Edit::AddTombstone).collect();
        let mut groups: Vec<GroupId> =
            hits.iter().flat_map(|hit| &hit.groups).map(|(group, _)| *group).collect();
        groups.sort_unstable();
        groups.dedup();
        let unmarked = groups.into_iter().map(record_of).filter(|key| !state.records().contains_key(key));
        edits.extend(unmarked.map(|key| Edit::PutRecord { key, value: Arc::from([]) }));
        shared.catalog.apply(edits)?;
        shared.change_version(|version| {
            for (tombstone, hit) in tombstones.iter().zip(&hits) {
                version.tombstones.add(tombstone, &hit.series);
            }
        });
        drop(structure);
        for hit in &hits {
            self.hide(hit, generation);
        }
        if shared.has_many_arenas() {
            shared.nudge(Work::Seal);
        }
        Ok(())
    }

    /// Takes the series out of presence that have no point left.
    fn hide(&self, hit: &Hit, generation: u64) {
        let Ok(view) = self.view() else { return };
        let view = Arc::new(view);
        for (group, slots) in &hit.groups {
            let Some(presence) = hit.series.presence(*group) else { continue };
            match with_points(&view, &hit.series, *group, hit.measurement, slots) {
                Ok(left) => {
                    let gone = slots - left;
                    for slot in &gone {
                        presence.remove(slot);
                    }
                    self.show_again(hit, *group, &gone, &presence, generation);
                }
                // They are shown until the next start or until the damage is mended.
                Err(e) => tracing::warn!(error = %describe(&e), "emptied series cannot be told from others"),
            }
        }
    }

    /// Batches that are being published meanwhile may have found their series present before it was taken out; their rows are linked
    /// before they look, so either they see that it is gone or this finds their rows.
    fn show_again(
        &self,
        hit: &Hit,
        group: GroupId,
        gone: &RoaringBitmap,
        presence: &Presence,
        generation: u64,
    ) {
        fence(Ordering::SeqCst);
        let version = self.shared.version.load_full();
        for arena in version.arenas.iter().filter(|a| u64::from(a.generation) > generation) {
            let Some(heads) = arena.heads(hit.series.policy) else { continue };
            for slot in gone {
                if arena.chain(&heads, slot, NO_ROW).any(|(block, _)| block.rows.group == group) {
                    presence.add(slot);
                }
            }
        }
    }
}

impl Hit {
    fn target(&self) -> TombstoneTarget {
        if self.whole {
            return TombstoneTarget::Measurement(self.measurement);
        }
        let ids = |slots: &RoaringBitmap| {
            let mut ids: Vec<u64> =
                slots.iter().filter_map(|slot| self.series.index.durable_id(slot)).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        TombstoneTarget::Series(self.groups.iter().map(|(group, slots)| (*group, ids(slots))).collect())
    }
}

/// The highest generation to which nothing is added any more and which holds all points acknowledged so far. Begins a new one unless
/// the current one is unused. The caller holds the rotation lock.
fn last_closed_generation(shared: &Shared) -> Result<u64, AdminError> {
    let current = shared.seq.load(Ordering::SeqCst) >> 32;
    let version = shared.version.load_full();
    let is_unused =
        version.arenas.iter().filter(|a| u64::from(a.generation) == current).all(|a| a.is_empty())
            && shared.lanes.iter().all(|lane| lane.is_past(u32::MAX));
    if is_unused && current > 0 {
        return Ok(current - 1);
    }
    let next = rotate(shared).map_err(|e| AdminError::ReadOnly(describe(&e)))?;
    Ok(u64::from(next).saturating_sub(1))
}

/// The series with points in the groups that the deletion is about.
fn find(shared: &Shared, database: &str, deletion: &Deletion) -> Result<Vec<Hit>, AdminError> {
    let state = shared.catalog.visible();
    let Some(database) = state.database(database) else {
        return Err(AdminError::DatabaseNotFound(database.to_owned()));
    };
    let version = shared.version.load_full();
    let mut hits = Vec::new();
    for policy in state.policies(database) {
        let Some(series) = version.policy(policy.id) else { continue };
        for (name, filter) in &deletion.targets {
            let Some(measurement) = state.measurement(database.id, name).map(|m| m.id) else { continue };
            let Some(index) = series.index.measurement_by_id(measurement.0) else { continue };
            let mut groups = Vec::new();
            for (_, group) in policy.groups_in(deletion.range) {
                let Some(presence) = series.presence(*group) else { continue };
                let slots = index.select(filter, Some(&presence.bitmap()), &ReadContext::unlimited());
                let slots = slots.map_err(|e| AdminError::ReadOnly(e.to_string()))?;
                if !slots.is_empty() {
                    groups.push((*group, slots));
                }
            }
            if !groups.is_empty() {
                let whole = matches!(filter, TagFilter::All);
                hits.push(Hit { series: Arc::clone(series), measurement, whole, groups });
            }
        }
    }
    Ok(hits)
}

/// Shows the series of a run alone: points were deleted from this group, so its series files may name more than have points.
///
/// # Errors
/// Of the segment.
pub(crate) fn show_series_of(run: &Run, series: &PolicySeries, group: GroupId) -> Result<(), SegmentError> {
    let presence = series.presence_or_make(group);
    for stripe in 0..run.segment.stripes().len() {
        let directory = run.segment.directory(stripe)?;
        for slot in directory.series().iter().filter_map(|&id| series.index.slot_of_id(id)) {
            presence.add(slot);
        }
    }
    Ok(())
}

/// Takes over the deletes of the manifest when the store is opened, before the log is replayed, and hides the series that they leave
/// without points in files.
pub(crate) fn load_tombstones(shared: &Shared, state: &Arc<CatalogState>) {
    shared.change_version(|version| {
        version.tombstones.last = state.last_tombstone();
        for tombstone in state.tombstones().values() {
            if let Some(series) = version.policies.get(&tombstone.policy) {
                version.tombstones.add(tombstone, series);
            }
        }
    });
    let version = shared.version.load_full();
    if version.tombstones.is_empty() {
        return;
    }
    let view =
        Arc::new(View { version: Arc::clone(&version), catalog: Arc::clone(state), arenas: Vec::new() });
    for group in state.groups() {
        let Some(series) = version.policies.get(&group.policy) else { continue };
        let Some(presence) = series.presence(group.id) else { continue };
        for measurement in series.index.measurements() {
            let id = MeasurementId(measurement.id());
            let pending = version.tombstones.of(group.policy, id).iter();
            let pending = pending.filter(|p| p.is_in(group.id) && p.range.overlaps(group.window));
            let shown = measurement.slots() & &*presence.bitmap();
            let mut touched = RoaringBitmap::new();
            pending.for_each(|p| touched |= p.covered(group.id, &shown));
            if touched.is_empty() {
                continue;
            }
            match with_points(&view, series, group.id, id, &touched) {
                Ok(left) => {
                    for slot in touched - left {
                        presence.remove(slot);
                    }
                }
                Err(e) => shared.health.problem(describe(&e)),
            }
        }
    }
}
