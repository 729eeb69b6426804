//! Snapshots and tables of the store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::TimeRange;
use weir_model::key::SeriesKey;
use weir_model::read::{
    FieldInfo, PolicyInfo, ReadContext, ReadError, Scan, ScanRequest, SeriesNo, ShardGroupInfo, Snapshot,
    Source, Table, TagColumn, TagFilter,
};

use super::scan::MemoryScan;
use super::{Measurement, MemoryStore, Policy, Series, State, group_start};

impl Source for MemoryStore {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(Arc::new(View(self.current())))
    }
}

struct View(Arc<State>);

impl View {
    fn policy(&self, database: &str, policy: &str) -> Option<&Arc<Policy>> {
        let database = self.0.databases.iter().find(|d| &*d.name == database)?;
        database.policies.iter().find(|p| &*p.info.name == policy)
    }
}

impl Snapshot for View {
    fn databases(&self) -> Vec<Arc<str>> {
        self.0.databases.iter().map(|d| Arc::clone(&d.name)).collect()
    }

    fn policies(&self, database: &str) -> Option<Vec<PolicyInfo>> {
        let database = self.0.databases.iter().find(|d| &*d.name == database)?;
        Some(database.policies.iter().map(|p| p.info.clone()).collect())
    }

    fn shard_groups(&self, database: &str, policy: &str) -> Vec<ShardGroupInfo> {
        let Some(policy) = self.policy(database, policy) else { return Vec::new() };
        let starts: BTreeSet<i64> =
            policy.measurements.values().flat_map(|m| m.types.keys().map(|(start, _)| *start)).collect();
        let length = policy.info.shard_group_duration_ns;
        let group = |(id, start): (u32, i64)| ShardGroupInfo {
            id,
            window: TimeRange::new(start, start.saturating_add(length - 1)),
        };
        (1..).zip(starts).map(group).collect()
    }

    fn measurements(&self, database: &str, policy: &str) -> Vec<Arc<str>> {
        let Some(policy) = self.policy(database, policy) else { return Vec::new() };
        let shown = policy.measurements.iter().filter(|(_, m)| !m.series.is_empty());
        shown.map(|(name, _)| Arc::clone(name)).collect()
    }

    fn table(&self, database: &str, policy: &str, measurement: &str) -> Option<Arc<dyn Table>> {
        let measurement = self.policy(database, policy)?.measurements.get(measurement)?;
        Some(Arc::new(MemoryTable {
            keys: measurement.series.keys().cloned().collect(),
            measurement: Arc::clone(measurement),
        }))
    }
}

struct MemoryTable {
    measurement: Arc<Measurement>,
    keys: Vec<String>,
}

impl MemoryTable {
    fn series(&self, no: SeriesNo) -> Option<&Series> {
        self.measurement.series.get(self.keys.get(no as usize)?)
    }

    fn tag(&self, no: SeriesNo, key: &str) -> Arc<str> {
        let tags = self.series(no).map_or(&[][..], |s| &s.tags);
        tags.iter().find(|(k, _)| &**k == key).map(|(_, v)| Arc::clone(v)).unwrap_or_default()
    }

    fn all(&self) -> impl Iterator<Item = SeriesNo> + '_ {
        (0..).take(self.keys.len())
    }
}

impl Table for MemoryTable {
    fn fields(&self, range: TimeRange) -> Vec<FieldInfo> {
        let length = self.measurement.group_ns.max(1);
        let inside = |start: i64| TimeRange::new(start, start.saturating_add(length - 1)).overlaps(range);
        let all: BTreeSet<FieldInfo> = self
            .measurement
            .types
            .iter()
            .filter(|((start, _), _)| inside(*start))
            .map(|((_, name), kind)| FieldInfo { name: Arc::clone(name), field_type: *kind })
            .collect();
        all.into_iter().collect()
    }

    fn tag_keys(&self) -> Vec<Arc<str>> {
        let keys: BTreeSet<Arc<str>> = self
            .measurement
            .series
            .values()
            .flat_map(|s| s.tags.iter().map(|(k, _)| Arc::clone(k)))
            .collect();
        keys.into_iter().collect()
    }

    fn tag_values(&self, key: &str) -> Vec<Arc<str>> {
        let values: BTreeSet<Arc<str>> = self.all().map(|no| self.tag(no, key)).collect();
        values.into_iter().filter(|v| !v.is_empty()).collect()
    }

    fn select_series(
        &self,
        filter: &TagFilter,
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        context.check()?;
        let length = self.measurement.group_ns.max(1);
        let near = |no: &SeriesNo| {
            self.series(*no).is_some_and(|s| {
                s.points.keys().any(|t| {
                    let start = group_start(*t, length);
                    TimeRange::new(start, start.saturating_add(length - 1)).overlaps(range)
                })
            })
        };
        Ok(self
            .all()
            .filter(|no| crate::exec::filter::passes(filter, &|k| self.tag(*no, k)))
            .filter(near)
            .collect())
    }

    fn with_points_in(
        &self,
        series: &[SeriesNo],
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        context.check()?;
        let has =
            |no: &&SeriesNo| self.series(**no).is_some_and(|s| s.points.keys().any(|t| range.contains(*t)));
        Ok(series.iter().filter(has).copied().collect())
    }

    fn tag_column(&self, key: &str, series: &[SeriesNo]) -> TagColumn {
        let mut column = TagColumn::default();
        for no in series {
            let value = self.tag(*no, key);
            let place = column.values.iter().position(|v| *v == value).unwrap_or_else(|| {
                column.values.push(value);
                column.values.len() - 1
            });
            column.ids.push(u32::try_from(place).unwrap_or(0));
        }
        column
    }

    fn series_key(&self, series: SeriesNo) -> SeriesKey {
        SeriesKey::from_canonical(self.keys.get(series as usize).cloned().unwrap_or_default())
    }

    fn scan(&self, request: ScanRequest) -> Result<Box<dyn Scan>, ReadError> {
        request.context.check()?;
        let measurement = Arc::clone(&self.measurement);
        Ok(Box::new(MemoryScan { measurement, keys: self.keys.clone(), request, at: 0, after: None }))
    }
}
