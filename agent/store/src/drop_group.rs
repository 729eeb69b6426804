//! Ends shard groups: what DROP SHARD and retention do.
//!
//! With the files of a group go definitions of series, and with the logs that a flush gives up. Batches that are on their way may rely
//! on them: a batch leaves out what was durable when it was made. So series that no other group defines are taken for
//! undefined from then on (the next batch of such a series defines it anew, under the same id), and for the batches made before, their
//! definitions are carried in the manifest until those batches are certainly in files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roaring::RoaringBitmap;
use weir_catalog::{CatalogError, CatalogState, Edit, GroupId, MeasurementId, PolicyId, group_dir};
use weir_index::{Definition, DefinitionsWriter, decode_definitions};
use weir_model::admin::AdminError;

use crate::Store;
use crate::background::Work;
use crate::shared::Shared;
use crate::tombstones::record_of;
use crate::version::{PolicySeries, Version};

/// Key prefix of the records with carried definitions.
const RECORD_PREFIX: &str = "store/carried/";
/// A batch that was made before so long a time is not under way any more.
const SETTLED_NS: u64 = 600_000_000_000;

/// Carried definitions of this run of the store, by key of their record.
pub(crate) type Carried = HashMap<Arc<str>, Carry>;

/// Since when definitions are carried, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carry {
    since: u64,
    /// Once no batch made before can be under way: the generation up to which points may rely on them.
    until: Option<u64>,
}

impl Store {
    /// See [`Admin::drop_shard`](weir_model::admin::Admin::drop_shard).
    pub(crate) fn drop_shard_group(&self, id: u64) -> Result<(), AdminError> {
        let Ok(id) = u32::try_from(id) else { return Ok(()) };
        let flush = || self.flush().map_err(|e| AdminError::ReadOnly(e.to_string()));
        drop_groups(&self.shared, &[GroupId(id)], flush)
    }
}

/// Ends groups with all in them; those that do not exist are fine. `flush` is called before.
///
/// # Errors
/// Of `flush` and of the catalog; nothing is dropped then.
pub(crate) fn drop_groups<E: From<CatalogError>>(
    shared: &Shared,
    groups: &[GroupId],
    flush: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let state = shared.catalog.visible();
    if !groups.iter().any(|group| state.group(*group).is_some()) {
        return Ok(());
    }
    // A series that is present in another group now is defined in its files after the flush.
    let homes = homes(&shared.version.load(), &state, groups);
    flush()?;
    let structure = shared.structure();
    let state = shared.catalog.visible();
    let groups: BTreeMap<GroupId, PolicyId> =
        groups.iter().filter_map(|group| Some((*group, state.group(*group)?.policy))).collect();
    let version = shared.version.load_full();
    let mut edits = Vec::new();
    for (policy, homes) in homes {
        let Some(series) = version.policy(policy) else { continue };
        let Some((group, _)) = groups.iter().find(|(_, of)| **of == policy) else { continue };
        let durable = (0..series.index.slots_len()).filter(|&slot| series.is_durable(slot));
        let homeless: RoaringBitmap = durable.filter(|&slot| !homes.contains(slot)).collect();
        edits.extend(carry(shared, series, &homeless, &format!("{group}")));
    }
    for group in groups.keys() {
        edits.push(Edit::DropGroup { id: *group });
        let mark = record_of(*group);
        if state.records().contains_key(&mark) {
            edits.push(Edit::RemoveRecord { key: mark });
        }
    }
    shared.catalog.apply(edits)?;
    shared.change_version(|version| version.groups.retain(|group, _| !groups.contains_key(group)));
    for (group, policy) in &groups {
        if let Some(series) = version.policy(*policy) {
            series.forget_group(*group);
        }
        shared.nudge(Work::Remove(group_dir(shared.catalog.dir(), *policy, *group)));
    }
    drop(structure);
    Ok(())
}

/// By policy of `groups` the series that are present in other groups.
fn homes(version: &Version, state: &CatalogState, groups: &[GroupId]) -> HashMap<PolicyId, RoaringBitmap> {
    let mut homes = HashMap::new();
    let policies = groups.iter().filter_map(|group| state.policy(state.group(*group)?.policy));
    for policy in policies {
        let Some(series) = version.policy(policy.id) else { continue };
        homes.entry(policy.id).or_insert_with(|| {
            let others = policy.groups.iter().filter(|(_, group)| !groups.contains(group));
            let present = others.filter_map(|(_, group)| series.presence(*group));
            present.fold(RoaringBitmap::new(), |all, presence| all | &*presence.bitmap())
        });
    }
    homes
}

/// Takes series for undefined. The edit carries their definitions; it must be part of the change that takes their last home away.
pub(crate) fn carry(
    shared: &Shared,
    series: &PolicySeries,
    slots: &RoaringBitmap,
    name: &str,
) -> Option<Edit> {
    let mut list = DefinitionsWriter::new();
    let mut key = String::new();
    for slot in slots {
        let index = &series.index;
        let Some(measurement) = index.measurement_id(slot) else { continue };
        // Dropped ones are not written to any more.
        if let (Some(id), Some(_)) = (index.durable_id(slot), index.measurement_by_id(measurement)) {
            key.clear();
            index.write_canonical_key(slot, &mut key);
            list.push(Definition { id, measurement, key: &key });
        }
    }
    if list.is_empty() {
        return None;
    }
    series.forget_durable(slots);
    let key: Arc<str> = format!("{RECORD_PREFIX}{}/{name}", series.policy).into();
    let value = [&series.policy.0.to_le_bytes(), list.bytes()].concat();
    let since = shared.clock.monotonic_ns();
    shared.carried().insert(Arc::clone(&key), Carry { since, until: None });
    Some(Edit::PutRecord { key, value: value.into() })
}

/// Takes carried definitions over when the store is opened. They are not durable for those who write from now on.
pub(crate) fn load_carried(shared: &Shared, state: &CatalogState) {
    let version = shared.version.load_full();
    for (key, value) in state.records().iter().filter(|(key, _)| key.starts_with(RECORD_PREFIX)) {
        let Some((policy, list)) = value.split_first_chunk::<4>() else { continue };
        let Some(series) = version.policies.get(&PolicyId(u32::from_le_bytes(*policy))) else { continue };
        let decoded = decode_definitions(list, |definition| {
            if state.measurement_by_id(MeasurementId(definition.measurement)).is_some()
                && let Err(e) =
                    series.index.define_with_id(definition.key, definition.measurement, definition.id)
            {
                shared.health.problem(format!("a series definition was left out: {e}"));
            }
        });
        if let Err(e) = decoded {
            shared.health.problem(format!("record {key} of the manifest: {e}"));
        }
    }
}

/// Forgets carried definitions on which nothing relies any more. `floor` is the lowest generation that the logs still hold.
pub(crate) fn settled(shared: &Shared, state: &CatalogState, floor: u64) -> Vec<Edit> {
    let mut carried = shared.carried();
    carried.retain(|key, _| state.records().contains_key(key));
    let now = shared.clock.monotonic_ns();
    let keys = state.records().keys().filter(|key| key.starts_with(RECORD_PREFIX));
    let done = keys.filter(|key| {
        // What an earlier run carried is relied upon by points that were replayed only.
        let until = match carried.get_mut(*key) {
            None => Some(shared.first_generation().saturating_sub(1)),
            Some(carry) => {
                if carry.until.is_none() && now.saturating_sub(carry.since) >= SETTLED_NS {
                    carry.until = Some(shared.seq.load(Ordering::SeqCst) >> 32);
                }
                carry.until
            }
        };
        until.is_some_and(|until| floor > until)
    });
    done.map(|key| Edit::RemoveRecord { key: Arc::clone(key) }).collect()
}
