//! Databases and retention policies: what CREATE, ALTER and DROP mean, with the rules and texts of InfluxDB 1.x.

use std::sync::Arc;

use weir_model::admin::{Admin, AdminError, PolicyChange, PolicySpec};

use crate::catalog::{Catalog, Ticket};
use crate::edit::Edit;
use crate::error::CatalogError;
use crate::ids::{DatabaseId, GroupId, PolicyId};
use crate::state::{CatalogState, Database, Policy};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;
/// Shortest duration of a policy.
const DURATION_MIN_NS: i64 = HOUR_NS;
/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 4_096;
/// Name of the policy a new database gets.
const AUTOGEN: &str = "autogen";

/// The length of a policy's shard groups when none is asked for (or 0): under 2 days an hour, up to 180 days a day, else 7 days.
#[must_use]
pub fn shard_group_duration_for(duration_ns: i64) -> i64 {
    if duration_ns == 0 || duration_ns >= 180 * DAY_NS {
        7 * DAY_NS
    } else if duration_ns >= 2 * DAY_NS {
        DAY_NS
    } else {
        HOUR_NS
    }
}

/// The length of shard groups that is used when `asked` is asked for: never under an hour.
fn normalized(asked: Option<i64>, duration_ns: i64) -> i64 {
    match asked {
        None | Some(0) => shard_group_duration_for(duration_ns),
        Some(asked) => asked.max(HOUR_NS),
    }
}

impl Catalog {
    /// As [`Admin::create_database`], without waiting.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn submit_database(&self, name: &str, policy: Option<PolicySpec>) -> Result<Ticket, AdminError> {
        self.change(|state| plan_database(state, name, policy))
    }

    /// Ends a measurement: its fields and claims are forgotten, a later point of this name starts anew. `false`: there is none.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn drop_measurement(&self, database: DatabaseId, name: &str) -> Result<bool, CatalogError> {
        let mut found = false;
        let ticket = self.change(|state| {
            let measurement = state.measurement(database, name);
            found = measurement.is_some();
            let edits = measurement.map(|measurement| Edit::DropMeasurement { id: measurement.id });
            Ok::<_, CatalogError>(edits.into_iter().collect())
        })?;
        self.wait_durable(ticket)?;
        Ok(found)
    }

    fn administer(
        &self,
        plan: impl FnOnce(&CatalogState) -> Result<Vec<Edit>, AdminError>,
    ) -> Result<(), AdminError> {
        let ticket = self.change(plan)?;
        Ok(self.wait_durable(ticket)?)
    }
}

impl Admin for Catalog {
    fn create_database(&self, name: &str, policy: Option<PolicySpec>) -> Result<(), AdminError> {
        self.administer(|state| plan_database(state, name, policy))
    }

    fn drop_database(&self, name: &str) -> Result<(), AdminError> {
        self.administer(|state| {
            Ok(state
                .database(name)
                .map(|database| Edit::DropDatabase { id: database.id })
                .into_iter()
                .collect())
        })
    }

    fn create_policy(&self, database: &str, spec: PolicySpec) -> Result<(), AdminError> {
        self.administer(|state| {
            check_spec(&spec)?;
            let database = find_database(state, database)?;
            match state.policies(database).find(|policy| *policy.name == *spec.name) {
                Some(policy) if !is_same(policy, &spec) => Err(AdminError::PolicyExists),
                Some(policy) if spec.make_default && policy.name != database.default_policy => {
                    Err(AdminError::PolicyConflict)
                }
                Some(_) => Ok(Vec::new()),
                None => Ok(new_policy(state, database.id, spec)),
            }
        })
    }

    fn alter_policy(&self, database: &str, name: &str, change: PolicyChange) -> Result<(), AdminError> {
        self.administer(|state| {
            let database = find_database(state, database)?;
            let policy = state.policies(database).find(|policy| &*policy.name == name);
            let policy = policy.ok_or_else(|| AdminError::PolicyNotFound(name.to_owned()))?;
            plan_change(database, policy, &change)
        })
    }

    fn drop_policy(&self, database: &str, name: &str) -> Result<(), AdminError> {
        self.administer(|state| {
            let database = find_database(state, database)?;
            let policy = state.policies(database).find(|policy| &*policy.name == name);
            Ok(policy.map(|policy| Edit::DropPolicy { id: policy.id }).into_iter().collect())
        })
    }
}

impl CatalogState {
    /// The shard groups in which every point is older than its policy keeps, at wall time `now_ns`. Whether that time can be
    /// believed is the caller's affair.
    #[must_use]
    pub fn expired_groups(&self, now_ns: i64) -> Vec<GroupId> {
        let policies = self.databases().flat_map(|database| self.policies(database));
        policies
            .filter(|policy| policy.duration_ns > 0)
            .flat_map(|policy| {
                let oldest = now_ns.saturating_sub(policy.duration_ns);
                policy.groups.iter().filter(move |(window, _)| window.max < oldest).map(|(_, group)| *group)
            })
            .collect()
    }
}

fn plan_database(
    state: &CatalogState,
    name: &str,
    policy: Option<PolicySpec>,
) -> Result<Vec<Edit>, AdminError> {
    check_name(name)?;
    if let Some(spec) = &policy {
        check_spec(spec)?;
    }
    match (state.database(name), policy) {
        (Some(_), None) => Ok(Vec::new()),
        (Some(database), Some(spec)) if !database.policies.is_empty() => {
            let existing = state.policies(database).find(|policy| *policy.name == *spec.name);
            if existing.is_some_and(|policy| is_same(policy, &spec)) && *database.default_policy == *spec.name
            {
                Ok(Vec::new())
            } else {
                Err(AdminError::PolicyConflict)
            }
        }
        (Some(database), Some(spec)) => {
            Ok(new_policy(state, database.id, PolicySpec { make_default: true, ..spec }))
        }
        (None, spec) => {
            let id = DatabaseId(state.counters.database.max(1));
            let autogen = || PolicySpec {
                name: AUTOGEN.to_owned(),
                duration_ns: 0,
                shard_group_duration_ns: None,
                replica_n: 1,
                make_default: true,
            };
            let spec = PolicySpec { make_default: true, ..spec.unwrap_or_else(autogen) };
            let mut edits = vec![Edit::CreateDatabase { id, name: name.into() }];
            edits.extend(new_policy(state, id, spec));
            Ok(edits)
        }
    }
}

fn new_policy(state: &CatalogState, database: DatabaseId, spec: PolicySpec) -> Vec<Edit> {
    let name: Arc<str> = spec.name.into();
    let mut edits = vec![Edit::CreatePolicy {
        id: PolicyId(state.counters.policy.max(1)),
        database,
        name: Arc::clone(&name),
        duration_ns: spec.duration_ns,
        shard_group_duration_ns: normalized(spec.shard_group_duration_ns, spec.duration_ns),
        replica_n: spec.replica_n.max(1),
    }];
    if spec.make_default {
        edits.push(Edit::SetDefaultPolicy { database, name });
    }
    edits
}

fn plan_change(database: &Database, policy: &Policy, change: &PolicyChange) -> Result<Vec<Edit>, AdminError> {
    let duration_ns = change.duration_ns.unwrap_or(policy.duration_ns);
    if change.duration_ns.is_some() {
        check_duration(duration_ns)?;
    }
    let shard_group_duration_ns = match change.shard_group_duration_ns {
        Some(asked) => normalized(Some(asked), duration_ns),
        None => policy.shard_group_duration_ns,
    };
    if duration_ns > 0 && duration_ns < shard_group_duration_ns {
        return Err(AdminError::ShardDurationTooLong);
    }
    let replica_n = change.replica_n.unwrap_or(policy.replica_n).max(1);
    let mut edits = Vec::new();
    if (duration_ns, shard_group_duration_ns, replica_n)
        != (policy.duration_ns, policy.shard_group_duration_ns, policy.replica_n)
    {
        edits.push(Edit::AlterPolicy { id: policy.id, duration_ns, shard_group_duration_ns, replica_n });
    }
    if change.make_default && policy.name != database.default_policy {
        edits.push(Edit::SetDefaultPolicy { database: database.id, name: Arc::clone(&policy.name) });
    }
    Ok(edits)
}

fn is_same(policy: &Policy, spec: &PolicySpec) -> bool {
    policy.duration_ns == spec.duration_ns
        && policy.replica_n == spec.replica_n.max(1)
        && policy.shard_group_duration_ns == normalized(spec.shard_group_duration_ns, spec.duration_ns)
}

fn find_database<'a>(state: &'a CatalogState, name: &str) -> Result<&'a Arc<Database>, AdminError> {
    state.database(name).ok_or_else(|| AdminError::DatabaseNotFound(name.to_owned()))
}

fn check_spec(spec: &PolicySpec) -> Result<(), AdminError> {
    check_name(&spec.name)?;
    check_duration(spec.duration_ns)?;
    let shard_group = normalized(spec.shard_group_duration_ns, spec.duration_ns);
    if spec.duration_ns > 0 && spec.duration_ns < shard_group {
        return Err(AdminError::ShardDurationTooLong);
    }
    Ok(())
}

fn check_duration(duration_ns: i64) -> Result<(), AdminError> {
    if duration_ns != 0 && duration_ns < DURATION_MIN_NS { Err(AdminError::DurationTooShort) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), AdminError> {
    let is_valid = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if is_valid { Ok(()) } else { Err(AdminError::InvalidName) }
}

impl From<CatalogError> for AdminError {
    fn from(error: CatalogError) -> Self {
        Self::ReadOnly(error.to_string())
    }
}

#[cfg(test)]
mod tests;
