//! Deletes that are not applied everywhere yet.
//!
//! A delete writes no point anew: it is noted in the manifest as a tombstone (which series, which times, points of generations up to g)
//! and becomes part of the [`Version`]. Readers apply it to each source by itself, before sources are joined; whoever joins sources
//! into a new one (seal, flush, compaction) does the same and notes the last tombstone it considered.
//!
//! **Whole or not at all.** For every run and every tombstone that is newer than the last one considered for the run, either all its
//! generations are ≤ g, so that the tombstone applies to the whole run, or all are above, so that it does not apply. It holds because a
//! delete takes for g the generation before the current one, after having begun a new one if need be, while nothing is being
//! sealed: whatever is sealed or being joined at that moment is of generations ≤ g.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_catalog::{
    CatalogError, CatalogState, Edit, GroupId, MeasurementId, PolicyId, Tombstone, TombstoneId,
    TombstoneTarget,
};
use weir_model::TimeRange;
use weir_model::read::Column;
use weir_segment::{SeriesPoints, append_rows};

use crate::drop_group;
use crate::shared::Shared;
use crate::version::{PolicySeries, Run, Version};

/// Key prefix of the records that name the groups in which something was deleted.
const RECORD_PREFIX: &str = "store/deleted/";

/// One delete of series of one measurement.
#[derive(Debug)]
pub struct Pending {
    /// Number of its tombstone.
    pub id: TombstoneId,
    /// Points of generations up to this one are deleted.
    pub generation: u64,
    /// Which times.
    pub range: TimeRange,
    series: Selected,
}

/// Series of a measurement.
#[derive(Debug)]
enum Selected {
    All,
    /// By group.
    Slots(HashMap<GroupId, RoaringBitmap>),
}

impl Pending {
    /// Whether it deletes points of a series in a group.
    #[must_use]
    pub fn covers(&self, group: GroupId, slot: u32) -> bool {
        match &self.series {
            Selected::All => true,
            Selected::Slots(groups) => groups.get(&group).is_some_and(|slots| slots.contains(slot)),
        }
    }

    /// Whether it may delete something in a group.
    #[must_use]
    pub fn is_in(&self, group: GroupId) -> bool {
        match &self.series {
            Selected::All => true,
            Selected::Slots(groups) => groups.contains_key(&group),
        }
    }

    /// The part of `slots` that it covers in a group.
    pub(crate) fn covered(&self, group: GroupId, slots: &RoaringBitmap) -> RoaringBitmap {
        match &self.series {
            Selected::All => slots.clone(),
            Selected::Slots(groups) => groups.get(&group).map_or_else(RoaringBitmap::new, |own| own & slots),
        }
    }
}

/// The tombstones of a version.
#[derive(Clone, Debug, Default)]
pub struct Tombstones {
    /// The newest one, be it still there or not.
    pub last: TombstoneId,
    pending: Arc<HashMap<(PolicyId, MeasurementId), Vec<Arc<Pending>>>>,
}

impl Tombstones {
    /// Whether none is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Those of a measurement of a policy.
    #[must_use]
    pub fn of(&self, policy: PolicyId, measurement: MeasurementId) -> &[Arc<Pending>] {
        self.pending.get(&(policy, measurement)).map_or(&[], Vec::as_slice)
    }

    /// Adds one that is in the manifest. Series that nobody knows any more have no points either.
    pub(crate) fn add(&mut self, tombstone: &Tombstone, series: &PolicySeries) {
        self.last = self.last.max(tombstone.id);
        let mut parts: BTreeMap<MeasurementId, Selected> = BTreeMap::new();
        match &tombstone.target {
            TombstoneTarget::Measurement(measurement) => {
                parts.insert(*measurement, Selected::All);
            }
            TombstoneTarget::Series(groups) => {
                for (group, ids) in groups {
                    for slot in ids.iter().filter_map(|&id| series.index.slot_of_id(id)) {
                        let Some(measurement) = series.index.measurement_id(slot) else { continue };
                        let part = parts.entry(MeasurementId(measurement));
                        let part = part.or_insert_with(|| Selected::Slots(HashMap::new()));
                        if let Selected::Slots(groups) = part {
                            groups.entry(*group).or_default().insert(slot);
                        }
                    }
                }
            }
        }
        let pending = Arc::make_mut(&mut self.pending);
        for (measurement, selected) in parts {
            let one = Pending {
                id: tombstone.id,
                generation: tombstone.generation,
                range: tombstone.range,
                series: selected,
            };
            pending.entry((tombstone.policy, measurement)).or_default().push(Arc::new(one));
        }
    }

    /// Leaves some out.
    fn forget(&mut self, ids: &[TombstoneId]) {
        let pending = Arc::make_mut(&mut self.pending);
        pending.retain(|_, list| {
            list.retain(|one| !ids.contains(&one.id));
            !list.is_empty()
        });
    }

    /// Leaves those of a policy out.
    pub(crate) fn forget_policy(&mut self, policy: PolicyId) {
        if self.pending.keys().any(|(other, _)| *other == policy) {
            Arc::make_mut(&mut self.pending).retain(|(other, _), _| *other != policy);
        }
    }
}

/// Whether a point of some generation is deleted by one of `pending`.
pub(crate) fn is_deleted(
    pending: &[Arc<Pending>],
    group: GroupId,
    slot: u32,
    time: i64,
    generation: u64,
) -> bool {
    pending.iter().any(|p| generation <= p.generation && p.range.contains(time) && p.covers(group, slot))
}

/// What is deleted of one run: the tombstones that were not considered when it was written.
#[derive(Debug, Default)]
pub struct RunFilter {
    group: GroupId,
    by_measurement: HashMap<u32, Vec<Arc<Pending>>>,
    ranges: Vec<TimeRange>,
}

/// The tombstones of `version` that apply to a run of `group` of `policy`. Whoever writes its points to another file applies them
/// first and notes `version.tombstones.last` for that file.
#[must_use]
pub fn filter_for(version: &Version, policy: PolicyId, group: GroupId, run: &Run) -> RunFilter {
    let mut filter = RunFilter { group, ..RunFilter::default() };
    if version.tombstones.is_empty() {
        return filter;
    }
    for measurement in run.segment.measurements() {
        let pending: Vec<Arc<Pending>> =
            applying(version.tombstones.of(policy, MeasurementId(measurement.id)), group, run)
                .cloned()
                .collect();
        if !pending.is_empty() {
            filter.by_measurement.insert(measurement.id, pending);
        }
    }
    filter
}

/// Those of `pending` (of one measurement) that apply to a run.
fn applying<'a>(
    pending: &'a [Arc<Pending>],
    group: GroupId,
    run: &Run,
) -> impl Iterator<Item = &'a Arc<Pending>> {
    let (applied, gen_hi, span) = (run.tombstones_applied, run.gen_hi, run.span);
    pending
        .iter()
        .filter(move |p| p.id > applied && gen_hi <= p.generation && p.range.overlaps(span) && p.is_in(group))
}

impl RunFilter {
    /// The filter for one measurement of a run.
    pub(crate) fn of_measurement(
        version: &Version,
        policy: PolicyId,
        group: GroupId,
        measurement: u32,
        run: &Run,
    ) -> Self {
        let pending = version.tombstones.of(policy, MeasurementId(measurement));
        let pending: Vec<Arc<Pending>> = applying(pending, group, run).cloned().collect();
        let mut filter = Self { group, ..Self::default() };
        if !pending.is_empty() {
            filter.by_measurement.insert(measurement, pending);
        }
        filter
    }

    /// Whether nothing of the run is deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_measurement.is_empty()
    }

    /// The times that are deleted of a series.
    pub fn deleted(&mut self, measurement: u32, slot: u32) -> &[TimeRange] {
        self.ranges.clear();
        if let Some(pending) = self.by_measurement.get(&measurement) {
            let covering = pending.iter().filter(|p| p.covers(self.group, slot));
            self.ranges.extend(covering.map(|p| p.range));
        }
        &self.ranges
    }

    /// Takes the deleted points of a series out.
    pub fn apply(&mut self, slot: u32, points: &mut SeriesPoints) {
        if self.by_measurement.is_empty() {
            return;
        }
        let ranges = self.deleted(points.measurement, slot);
        take_out(ranges, &mut points.times, &mut points.columns);
    }
}

/// Takes the rows (ascending or descending in time) out whose times lie in one of `ranges`.
pub(crate) fn take_out(ranges: &[TimeRange], times: &mut Vec<i64>, columns: &mut [Column]) {
    let is_deleted = |time: &i64| ranges.iter().any(|range| range.contains(*time));
    if ranges.is_empty() || !times.iter().any(is_deleted) {
        return;
    }
    // The rows that stay, as stretches.
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
    for (row, _) in times.iter().enumerate().filter(|(_, time)| !is_deleted(time)) {
        match kept.last_mut() {
            Some(stretch) if stretch.end == row => stretch.end += 1,
            _ => kept.push(row..row + 1),
        }
    }
    for column in columns {
        let from = std::mem::take(column);
        let mut rows = 0;
        for stretch in &kept {
            append_rows(&from, stretch.clone(), column, rows);
            rows += stretch.len();
        }
    }
    times.retain(|time| !is_deleted(time));
}

/// Name of the record that says that points of a group were deleted, so that its series files name more series than have points.
pub(crate) fn record_of(group: GroupId) -> Arc<str> {
    format!("{RECORD_PREFIX}{group}").into()
}

/// Forgets the tombstones and other notes about deletes that nothing needs any more: the logs hold no point of their generations, and no file does to which they
/// were not applied. To be called when floors have moved or files were replaced.
///
/// # Errors
/// [`CatalogError`]; nothing has changed then.
pub(crate) fn forget(shared: &Shared) -> Result<(), CatalogError> {
    let state = shared.catalog.state();
    if state.tombstones().is_empty() && !state.records().keys().any(|key| key.starts_with("store/")) {
        return Ok(());
    }
    let _structure = shared.structure();
    let state = shared.catalog.state();
    let version = shared.version.load_full();
    let lanes = shared.lanes.iter().map(|lane| lane.lane);
    let lanes = lanes.chain(shared.former_lanes().iter().map(|slots| slots.lane())).collect::<Vec<_>>();
    let floor = |lane: &u16| state.floors().get(lane).copied().unwrap_or_default().generation;
    let floor = lanes.iter().map(floor).chain(state.floors().values().map(|f| f.generation)).min();
    let useless: Vec<TombstoneId> = state
        .tombstones()
        .values()
        .filter(|t| floor.is_some_and(|floor| floor > t.generation) && !is_needed(t, &state, &version))
        .map(|t| t.id)
        .collect();
    let mut edits: Vec<Edit> = useless.iter().map(|&id| Edit::RemoveTombstone { id }).collect();
    let of_gone = state.records().keys().filter(|key| {
        let group = key.strip_prefix(RECORD_PREFIX).and_then(|group| group.parse().ok());
        group.is_some_and(|group| state.group(GroupId(group)).is_none())
    });
    edits.extend(of_gone.map(|key| Edit::RemoveRecord { key: Arc::clone(key) }));
    edits.extend(drop_group::settled(shared, &state, floor.unwrap_or(0)));
    if edits.is_empty() {
        return Ok(());
    }
    shared.catalog.apply(edits)?;
    shared.change_version(|version| version.tombstones.forget(&useless));
    Ok(())
}

/// Whether some run or file holds points that a tombstone deletes.
fn is_needed(tombstone: &Tombstone, state: &CatalogState, version: &Version) -> bool {
    let Some(policy) = state.policy(tombstone.policy) else { return false };
    let (measurement, groups): (Option<MeasurementId>, Vec<GroupId>) = match &tombstone.target {
        TombstoneTarget::Measurement(id) if state.measurement_by_id(*id).is_none() => return false,
        TombstoneTarget::Measurement(id) => {
            (Some(*id), policy.groups_in(tombstone.range).iter().map(|(_, group)| *group).collect())
        }
        TombstoneTarget::Series(groups) => (None, groups.iter().map(|(group, _)| *group).collect()),
    };
    groups.iter().any(|group| {
        let not_applied =
            |gen_lo: u64, applied: TombstoneId| gen_lo <= tombstone.generation && applied < tombstone.id;
        let in_runs = version.runs(*group).iter().any(|run| {
            not_applied(run.gen_lo, run.tombstones_applied)
                && run.span.overlaps(tombstone.range)
                && measurement.is_none_or(|id| run.segment.measurement(id.0).is_some())
        });
        // A damaged file may come back one day.
        let in_damaged = state.group(*group).is_some_and(|group| {
            let damaged = group.segments.iter().filter(|segment| segment.quarantined);
            damaged.into_iter().any(|s| not_applied(s.gen_lo, s.tombstones_applied))
        });
        in_runs || in_damaged
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_model::FieldValue;
    use weir_model::read::{Validity, Values};

    proptest! {
        #[test]
        fn what_is_taken_out_is_what_lies_in_the_ranges(
            times in proptest::collection::btree_set(0i64..200, 0..80),
            ranges in proptest::collection::vec((0i64..200, 0i64..40), 0..4),
            descending in any::<bool>(),
        ) {
            let mut times: Vec<i64> = times.into_iter().collect();
            if descending {
                times.reverse();
            }
            let ranges: Vec<TimeRange> = ranges.iter().map(|&(min, n)| TimeRange::new(min, min + n)).collect();
            let bits = |keep: &dyn Fn(i64) -> bool| {
                let mut words = vec![0u64; times.len().div_ceil(64)];
                for (row, _) in times.iter().enumerate().filter(|(_, time)| keep(**time)) {
                    words[row / 64] |= 1 << (row % 64);
                }
                Validity::Bits(words)
            };
            let mut columns = [
                Column { values: Values::Integer(times.clone()), valid: Validity::All },
                Column { values: Values::Integer(times.clone()), valid: bits(&|time| time % 3 == 0) },
                Column::default(),
            ];
            let mut left = times.clone();
            take_out(&ranges, &mut left, &mut columns);
            let expected: Vec<i64> =
                times.iter().copied().filter(|&time| !ranges.iter().any(|range| range.contains(time))).collect();
            prop_assert_eq!(&left, &expected);
            for (row, &time) in expected.iter().enumerate() {
                prop_assert_eq!(columns[0].get(row), Some(FieldValue::Integer(time)));
                let third = (time % 3 == 0).then_some(FieldValue::Integer(time));
                prop_assert_eq!(columns[1].get(row), third);
                prop_assert_eq!(columns[2].get(row), None);
            }
        }
    }
}
