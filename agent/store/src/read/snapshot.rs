//! Databases, policies, groups and measurements of a view.

use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_catalog::Policy;
use weir_index::Measurement;
use weir_model::TimeRange;
use weir_model::read::{PolicyInfo, ReadError, ShardGroupInfo, Snapshot, Source, Table};

use super::table::StoreTable;
use crate::Store;
use crate::version::{PolicySeries, View};

/// Shows a view to the query engine.
#[must_use]
pub fn snapshot(view: View) -> Arc<dyn Snapshot> {
    Arc::new(StoreSnapshot { view: Arc::new(view) })
}

impl Source for Store {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(snapshot(self.view()?))
    }
}

struct StoreSnapshot {
    view: Arc<View>,
}

impl StoreSnapshot {
    fn policy(&self, database: &str, policy: &str) -> Option<&Arc<Policy>> {
        let catalog = &self.view.catalog;
        catalog.policy_by_name(catalog.database(database)?, Some(policy))
    }
}

impl Snapshot for StoreSnapshot {
    fn databases(&self) -> Vec<Arc<str>> {
        self.view.catalog.databases().map(|database| Arc::clone(&database.name)).collect()
    }

    fn policies(&self, database: &str) -> Option<Vec<PolicyInfo>> {
        let catalog = &self.view.catalog;
        Some(catalog.policy_infos(catalog.database(database)?))
    }

    fn shard_groups(&self, database: &str, policy: &str) -> Vec<ShardGroupInfo> {
        let policy = self.policy(database, policy);
        policy.map_or_else(Vec::new, |policy| self.view.catalog.group_infos(policy))
    }

    fn measurements(&self, database: &str, policy: &str) -> Vec<Arc<str>> {
        let Some(policy) = self.policy(database, policy) else { return Vec::new() };
        let Some(series) = self.view.version.policy(policy.id) else { return Vec::new() };
        let visible = present(series, policy, TimeRange::ALL);
        let is_shown = |measurement: &Arc<Measurement>| {
            let known = self.view.catalog.measurement(policy.database, measurement.name());
            known.is_some_and(|known| known.id.0 == measurement.id()) && measurement.any_visible(&visible)
        };
        let measurements = series.index.measurements();
        measurements.iter().filter(|m| is_shown(m)).map(|m| Arc::clone(m.name())).collect()
    }

    fn table(&self, database: &str, policy: &str, measurement: &str) -> Option<Arc<dyn Table>> {
        let policy = self.policy(database, policy)?;
        let known = self.view.catalog.measurement(policy.database, measurement)?;
        let series = self.view.version.policy(policy.id)?;
        let index = series.index.measurement_by_id(known.id.0)?;
        let view = Arc::clone(&self.view);
        Some(Arc::new(StoreTable::new(view, Arc::clone(policy), Arc::clone(series), known.id, index)))
    }
}

/// The series of all measurements that have points in the groups of `policy` that overlap `range`.
pub(super) fn present(series: &PolicySeries, policy: &Policy, range: TimeRange) -> RoaringBitmap {
    let mut out = RoaringBitmap::new();
    for (_, group) in policy.groups_in(range) {
        if let Some(presence) = series.presence(*group) {
            out |= &*presence.bitmap();
        }
    }
    out
}
