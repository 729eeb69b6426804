//! Claims: what the batch builder asks on its cold path, when it meets a measurement, a field or a time it does not know.
//!
//! What is durable already is found without a lock. The rest is decided under the catalog's lock: the first claim wins,
//! later ones with another type are refused. A new claim is visible to everyone at once, each with the ticket to wait for.

use weir_model::time::{TIME_MAX, TIME_MIN};
use weir_model::{FieldType, Refusal, TimeRange};

use crate::catalog::{Catalog, Claimed, Ticket};
use crate::edit::Edit;
use crate::error::ClaimError;
use crate::ids::{DatabaseId, FieldId, GroupId, MeasurementId, PolicyId};
use crate::state::{CatalogState, Field, Policy};

/// From the first of January of year 1 to 1970, nanoseconds: InfluxDB 1.x counts the windows of shard groups from there, so
/// that groups of a week start on Mondays.
const YEAR_1_TO_1970_NS: i128 = 62_135_596_800 * 1_000_000_000;

/// How many shard groups a request may still open.
#[derive(Clone, Copy, Debug)]
pub struct GroupBudget {
    left: u64,
    limit: u64,
}

impl Catalog {
    /// The measurement of this name, made if it is new.
    ///
    /// # Errors
    /// [`ClaimError`]; [`Refusal::TargetDropped`] if the database is gone.
    pub fn claim_measurement(
        &self,
        database: DatabaseId,
        name: &str,
    ) -> Result<Claimed<MeasurementId>, ClaimError> {
        if let Some(known) = self.shared().durable().measurement(database, name) {
            return Ok(durable(known.id));
        }
        let mut core = self.shared().core();
        if let Some(known) = core.visible.measurement(database, name) {
            return Ok(Claimed { value: known.id, ticket: core.ticket_of_visible() });
        }
        core.visible.database_by_id(database).ok_or(Refusal::TargetDropped)?;
        let id = MeasurementId(core.visible.counters.measurement.max(1));
        let ticket = core.submit(vec![Edit::CreateMeasurement { id, database, name: name.into() }])?;
        Ok(Claimed { value: id, ticket })
    }

    /// What a new request may open.
    #[must_use]
    pub fn group_budget(&self) -> GroupBudget {
        let limit = self.options().new_shard_groups_per_request_max;
        GroupBudget { left: limit, limit }
    }

    /// The shard group for `time` with its window, made if it is new and `budget` allows it.
    ///
    /// # Errors
    /// [`ClaimError`]; [`Refusal::ShardGroupLimit`], or [`Refusal::TargetDropped`] if the policy is gone.
    pub fn claim_group(
        &self,
        policy: PolicyId,
        time: i64,
        budget: &mut GroupBudget,
    ) -> Result<Claimed<(GroupId, TimeRange)>, ClaimError> {
        let swap = |(window, id)| (id, window);
        if let Some(known) = self.shared().durable().policy(policy).and_then(|policy| policy.group_at(time)) {
            return Ok(durable(swap(known)));
        }
        let mut core = self.shared().core();
        let target = core.visible.policy(policy).ok_or(Refusal::TargetDropped)?;
        if let Some(known) = target.group_at(time) {
            return Ok(Claimed { value: swap(known), ticket: core.ticket_of_visible() });
        }
        let limit = self.options().shard_groups_max;
        if target.groups.len() as u64 >= limit {
            return Err(Refusal::ShardGroupLimit { limit, scope: "per policy" }.into());
        }
        if budget.left == 0 {
            return Err(Refusal::ShardGroupLimit { limit: budget.limit, scope: "per request" }.into());
        }
        let window = window_for(target, time);
        let id = GroupId(core.visible.counters.group.max(1));
        let ticket = core.submit(vec![Edit::CreateGroup { id, policy, window }])?;
        budget.left -= 1;
        Ok(Claimed { value: (id, window), ticket })
    }

    /// The field that stands for `name` in a group, claimed if nobody did before.
    ///
    /// # Errors
    /// [`ClaimError`]; [`Refusal::FieldType`] if the name has another type in this group, [`Refusal::FieldLimit`], or
    /// [`Refusal::TargetDropped`] if the group or the measurement is gone.
    pub fn claim_field(
        &self,
        group: GroupId,
        measurement: MeasurementId,
        name: &str,
        field_type: FieldType,
    ) -> Result<Claimed<FieldId>, ClaimError> {
        let state = self.shared().durable();
        if let Some(known) = state.claimed_field(group, measurement, name) {
            return Ok(durable(check_type(&state, known, field_type)?));
        }
        drop(state);
        let mut core = self.shared().core();
        let state = &core.visible;
        if let Some(known) = state.claimed_field(group, measurement, name) {
            let value = check_type(state, known, field_type)?;
            return Ok(Claimed { value, ticket: core.ticket_of_visible() });
        }
        state.group(group).ok_or(Refusal::TargetDropped)?;
        let owner = state.measurement_by_id(measurement).ok_or(Refusal::TargetDropped)?;
        let of_name = owner.fields.get(name);
        let existing = of_name.and_then(|of_name| of_name.get(field_type as usize - 1).copied().flatten());
        let limit = self.options().fields_per_measurement_max;
        if of_name.is_none() && owner.fields.len() as u64 >= limit {
            let measurement = owner.name.clone();
            return Err(Refusal::FieldLimit { limit, measurement, field: name.into() }.into());
        }
        let id = existing.unwrap_or_else(|| FieldId(state.counters.field.max(1)));
        let mut edits = Vec::with_capacity(2);
        if existing.is_none() {
            edits.push(Edit::CreateField { id, measurement, name: name.into(), field_type });
        }
        edits.push(Edit::Claim { group, field: id });
        let ticket = core.submit(edits)?;
        Ok(Claimed { value: id, ticket })
    }
}

const fn durable<T>(value: T) -> Claimed<T> {
    Claimed { value, ticket: Ticket::NONE }
}

fn check_type(state: &CatalogState, known: &Field, given: FieldType) -> Result<FieldId, Refusal> {
    if known.field_type == given {
        return Ok(known.id);
    }
    let measurement = state.measurement_by_id(known.measurement);
    Err(Refusal::FieldType {
        measurement: measurement.map_or_else(|| "".into(), |measurement| measurement.name.clone()),
        field: known.name.clone(),
        given,
        existing: known.field_type,
    })
}

/// The window of a new group for `time`: as long as the policy says, cut at its neighbours.
fn window_for(policy: &Policy, time: i64) -> TimeRange {
    let length = i128::from(policy.shard_group_duration_ns.max(1));
    let start = i128::from(time) - (i128::from(time) + YEAR_1_TO_1970_NS).rem_euclid(length);
    let clamp = |t: i128| i64::try_from(t.clamp(TIME_MIN.into(), TIME_MAX.into())).unwrap_or(time);
    let mut window = TimeRange::new(clamp(start), clamp(start + length - 1));
    let next = policy.groups.partition_point(|(other, _)| other.max < time);
    if let Some((after, _)) = policy.groups.get(next) {
        window.max = window.max.min(after.min - 1);
    }
    if let Some((before, _)) = next.checked_sub(1).and_then(|i| policy.groups.get(i)) {
        window.min = window.min.max(before.max + 1);
    }
    window
}

#[cfg(test)]
mod tests;
