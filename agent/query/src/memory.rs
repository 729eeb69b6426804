//! A plain store in memory: the oracle that tests compare with, and a store for tests of whatever needs one.
//!
//! Maps of maps, no index, no log. It checks types per shard group and keeps nothing on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use weir_model::admin::{Admin, AdminError, Deletion, PolicyChange, PolicySpec};
use weir_model::key::SeriesKey;
use weir_model::read::{
    Chunk, Column, FieldInfo, PolicyInfo, ReadContext, ReadError, Scan, ScanRequest, SeriesNo,
    ShardGroupInfo, Snapshot, Source, Strings, Table, TagColumn, TagFilter, Validity, Values,
};
use weir_model::{FieldType, FieldValue, TimeRange};

use crate::into::{IntoPoint, PointWriter};
use crate::result::Value;

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;
/// Rows of a chunk.
const CHUNK_ROWS: usize = 1_024;

/// The store. Cheap to clone; clones share the data.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<RwLock<Arc<State>>>,
}

#[derive(Clone, Default)]
struct State {
    databases: Vec<Arc<Database>>,
}

#[derive(Clone)]
struct Database {
    name: Arc<str>,
    policies: Vec<Arc<Policy>>,
}

#[derive(Clone)]
struct Policy {
    info: PolicyInfo,
    measurements: BTreeMap<Arc<str>, Arc<Measurement>>,
}

#[derive(Clone, Default)]
struct Measurement {
    series: BTreeMap<String, Series>,
    /// Types by start of the shard group and name.
    types: BTreeMap<(i64, Arc<str>), FieldType>,
    group_ns: i64,
}

#[derive(Clone, Default)]
struct Series {
    tags: Vec<(Arc<str>, Arc<str>)>,
    points: BTreeMap<i64, BTreeMap<Arc<str>, Stored>>,
}

#[derive(Clone, Debug)]
enum Stored {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    String(Arc<str>),
}

impl Stored {
    fn of(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Float(x) => Self::Float(x),
            FieldValue::Integer(x) => Self::Integer(x),
            FieldValue::Unsigned(x) => Self::Unsigned(x),
            FieldValue::Boolean(x) => Self::Boolean(x),
            FieldValue::String(x) => Self::String(x.into()),
        }
    }

    fn kind(&self) -> FieldType {
        match self {
            Self::Float(_) => FieldType::Float,
            Self::Integer(_) => FieldType::Integer,
            Self::Unsigned(_) => FieldType::Unsigned,
            Self::Boolean(_) => FieldType::Boolean,
            Self::String(_) => FieldType::String,
        }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut state))
    }

    fn current(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores one point; fields of a point already there are replaced one by one.
    ///
    /// # Errors
    /// The text that 1.x answers: unknown database or policy, or a type conflict.
    pub fn insert(
        &self,
        database: &str,
        policy: Option<&str>,
        measurement: &str,
        tags: &[(&str, &str)],
        fields: &[(&str, FieldValue<'_>)],
        time: i64,
    ) -> Result<(), String> {
        self.change(|state| {
            let database = find_database(state, database).map_err(|e| e.to_string())?;
            let wanted = |p: &&mut Arc<Policy>| policy.map_or(p.info.is_default, |n| n == &*p.info.name);
            let policy = database
                .policies
                .iter_mut()
                .find(wanted)
                .ok_or_else(|| format!("retention policy not found: {}", policy.unwrap_or("autogen")))?;
            let policy = Arc::make_mut(policy);
            let group_ns = policy.info.shard_group_duration_ns;
            let stored = policy.measurements.entry(measurement.into()).or_default();
            let stored = Arc::make_mut(stored);
            stored.group_ns = group_ns;
            let group = group_start(time, group_ns);
            for (name, value) in fields {
                let existing =
                    *stored.types.entry((group, (*name).into())).or_insert_with(|| value.field_type());
                if existing != value.field_type() {
                    return Err(format!(
                        "field type conflict: input field \"{name}\" on measurement \"{measurement}\" is type {}, already exists as type {existing}",
                        value.field_type()
                    ));
                }
            }
            let mut sorted = tags.to_vec();
            let key = SeriesKey::new(measurement, &mut sorted);
            let series = stored.series.entry(key.as_str().to_owned()).or_insert_with(|| Series {
                tags: sorted.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect(),
                points: BTreeMap::new(),
            });
            let point = series.points.entry(time).or_default();
            for (name, value) in fields {
                point.insert((*name).into(), Stored::of(*value));
            }
            Ok(())
        })
    }
}

impl PointWriter for MemoryStore {
    fn write(&self, database: &str, policy: &str, points: &[IntoPoint]) -> Result<(), String> {
        let mut dropped = 0;
        let mut first = None;
        for point in points {
            let tags: Vec<(&str, &str)> = point.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
            let fields: Vec<(&str, FieldValue<'_>)> =
                point.fields.iter().filter_map(|(k, v)| Some((&**k, field_value(v)?))).collect();
            let result = self.insert(database, Some(policy), &point.measurement, &tags, &fields, point.time);
            if let Err(text) = result {
                dropped += 1;
                first.get_or_insert(text);
            }
        }
        first.map_or(Ok(()), |text| Err(format!("partial write: {text} dropped={dropped}")))
    }
}

fn field_value(value: &Value) -> Option<FieldValue<'_>> {
    Some(match value {
        Value::Float(x) => FieldValue::Float(*x),
        Value::Integer(x) | Value::Time(x) => FieldValue::Integer(*x),
        Value::Unsigned(x) => FieldValue::Unsigned(*x),
        Value::Boolean(x) => FieldValue::Boolean(*x),
        Value::Str(x) => FieldValue::String(x),
        Value::Null => return None,
    })
}

fn group_start(time: i64, group_ns: i64) -> i64 {
    if group_ns <= 0 { 0 } else { time.saturating_sub(time.rem_euclid(group_ns)) }
}

fn find_database<'a>(state: &'a mut State, name: &str) -> Result<&'a mut Database, AdminError> {
    let found = state.databases.iter_mut().find(|d| &*d.name == name);
    found.map(Arc::make_mut).ok_or_else(|| AdminError::DatabaseNotFound(name.to_owned()))
}

fn group_length(duration_ns: i64, wanted: Option<i64>) -> i64 {
    match wanted {
        Some(d) if d > 0 => d.max(HOUR),
        _ if duration_ns == 0 || duration_ns >= 180 * DAY => 7 * DAY,
        _ if duration_ns >= 2 * DAY => DAY,
        _ => HOUR,
    }
}

fn checked(spec: &PolicySpec) -> Result<PolicyInfo, AdminError> {
    if spec.duration_ns != 0 && spec.duration_ns < HOUR {
        return Err(AdminError::DurationTooShort);
    }
    let group = group_length(spec.duration_ns, spec.shard_group_duration_ns);
    if spec.duration_ns != 0 && group > spec.duration_ns {
        return Err(AdminError::ShardDurationTooLong);
    }
    Ok(PolicyInfo {
        name: spec.name.as_str().into(),
        duration_ns: spec.duration_ns,
        shard_group_duration_ns: group,
        replica_n: spec.replica_n.max(1),
        is_default: spec.make_default,
    })
}

impl Admin for MemoryStore {
    fn create_database(&self, name: &str, policy: Option<PolicySpec>) -> Result<(), AdminError> {
        let explicit = policy.is_some();
        let spec = policy.unwrap_or_else(|| PolicySpec {
            name: "autogen".to_owned(),
            duration_ns: 0,
            shard_group_duration_ns: None,
            replica_n: 1,
            make_default: true,
        });
        let mut info = checked(&spec)?;
        info.is_default = true;
        self.change(|state| {
            if let Ok(existing) = find_database(state, name) {
                let same = existing.policies.iter().any(|p| p.info == info);
                return if same || !explicit { Ok(()) } else { Err(AdminError::PolicyConflict) };
            }
            let policy = Arc::new(Policy { info, measurements: BTreeMap::new() });
            state.databases.push(Arc::new(Database { name: name.into(), policies: vec![policy] }));
            Ok(())
        })
    }

    fn drop_database(&self, name: &str) -> Result<(), AdminError> {
        self.change(|state| state.databases.retain(|d| &*d.name != name));
        Ok(())
    }

    fn create_policy(&self, database: &str, spec: PolicySpec) -> Result<(), AdminError> {
        self.change(|state| {
            let database = find_database(state, database)?;
            let info = checked(&spec)?;
            if let Some(existing) = database.policies.iter().find(|p| p.info.name == info.name) {
                let mut same = existing.info.clone();
                same.is_default = info.is_default;
                return if same == info { Ok(()) } else { Err(AdminError::PolicyExists) };
            }
            if info.is_default {
                database.policies.iter_mut().for_each(|p| Arc::make_mut(p).info.is_default = false);
            }
            database.policies.push(Arc::new(Policy { info, measurements: BTreeMap::new() }));
            Ok(())
        })
    }

    fn alter_policy(&self, database: &str, name: &str, change: PolicyChange) -> Result<(), AdminError> {
        self.change(|state| {
            let database = find_database(state, database)?;
            let Some(at) = database.policies.iter().position(|p| &*p.info.name == name) else {
                return Err(AdminError::PolicyNotFound(name.to_owned()));
            };
            let old = database.policies[at].info.clone();
            let duration_ns = change.duration_ns.unwrap_or(old.duration_ns);
            let info = checked(&PolicySpec {
                name: name.to_owned(),
                duration_ns,
                shard_group_duration_ns: change
                    .shard_group_duration_ns
                    .or_else(|| change.duration_ns.is_none().then_some(old.shard_group_duration_ns)),
                replica_n: change.replica_n.unwrap_or(old.replica_n),
                make_default: old.is_default || change.make_default,
            })?;
            if change.make_default {
                database.policies.iter_mut().for_each(|p| Arc::make_mut(p).info.is_default = false);
            }
            Arc::make_mut(&mut database.policies[at]).info = info;
            Ok(())
        })
    }

    fn drop_policy(&self, database: &str, name: &str) -> Result<(), AdminError> {
        self.change(|state| {
            find_database(state, database)?.policies.retain(|p| &*p.info.name != name);
            Ok(())
        })
    }

    fn delete(&self, database: &str, deletion: &Deletion) -> Result<(), AdminError> {
        self.change(|state| {
            for policy in &mut find_database(state, database)?.policies {
                let policy = Arc::make_mut(policy);
                for (name, filter) in &deletion.targets {
                    if let Some(measurement) = policy.measurements.get_mut(name) {
                        Arc::make_mut(measurement).delete(filter, deletion.range);
                    }
                }
            }
            Ok(())
        })
    }

    fn drop_measurement(&self, database: &str, name: &str) -> Result<(), AdminError> {
        self.change(|state| {
            for policy in &mut find_database(state, database)?.policies {
                Arc::make_mut(policy).measurements.remove(name);
            }
            Ok(())
        })
    }
}

impl Measurement {
    /// Deletes points; series without points go, types stay.
    fn delete(&mut self, filter: &TagFilter, range: TimeRange) {
        self.series.retain(|_, series| {
            let tag = |key: &str| {
                let found = series.tags.iter().find(|(k, _)| &**k == key);
                found.map(|(_, v)| Arc::clone(v)).unwrap_or_default()
            };
            if crate::exec::filter::passes(filter, &tag) {
                series.points.retain(|time, _| !range.contains(*time));
            }
            !series.points.is_empty()
        });
    }
}

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

struct MemoryScan {
    measurement: Arc<Measurement>,
    keys: Vec<String>,
    request: ScanRequest,
    /// Place in the list of series.
    at: usize,
    /// Last time given of that series.
    after: Option<i64>,
}

impl Scan for MemoryScan {
    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, ReadError> {
        self.request.context.check()?;
        let range = self.request.range;
        while let Some(no) = self.request.series.get(self.at) {
            let series = self.keys.get(*no as usize).and_then(|key| self.measurement.series.get(key));
            let rows = match series {
                Some(series) if !range.is_empty() => self.rows(series),
                _ => Vec::new(),
            };
            if let Some((last, _)) = rows.last() {
                self.after = Some(*last);
                chunk.series = self.at;
                chunk.summary = None;
                chunk.times = rows.iter().map(|(t, _)| *t).collect();
                chunk.columns = (0..self.request.fields.len()).map(|i| column(&rows, i)).collect();
                return Ok(true);
            }
            self.at += 1;
            self.after = None;
        }
        Ok(false)
    }
}

impl MemoryScan {
    /// The next rows of one series, all of one type in each column.
    fn rows<'a>(&self, series: &'a Series) -> Vec<(i64, Vec<Option<&'a Stored>>)> {
        let range = self.request.range;
        let low = match self.after {
            Some(after) if !self.request.descending => Bound::Excluded(after),
            _ => Bound::Included(range.min),
        };
        let high = match self.after {
            Some(after) if self.request.descending => Bound::Excluded(after),
            _ => Bound::Included(range.max),
        };
        if matches!((low, high), (Bound::Excluded(a), Bound::Included(b)) | (Bound::Included(b), Bound::Excluded(a)) if a == b)
            || matches!((low, high), (Bound::Excluded(a), Bound::Included(b)) if a > b)
            || matches!((low, high), (Bound::Included(a), Bound::Excluded(b)) if a > b)
        {
            return Vec::new();
        }
        let points = series.points.range((low, high));
        let points: Box<dyn Iterator<Item = _>> =
            if self.request.descending { Box::new(points.rev()) } else { Box::new(points) };
        let mut kinds: Vec<Option<FieldType>> = vec![None; self.request.fields.len()];
        let mut rows = Vec::new();
        for (time, fields) in points {
            let values: Vec<Option<&Stored>> = self.request.fields.iter().map(|f| fields.get(f)).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let changes = values.iter().zip(&kinds).any(|(v, k)| match (v, k) {
                (Some(v), Some(k)) => v.kind() != *k,
                _ => false,
            });
            if changes || rows.len() == CHUNK_ROWS {
                break;
            }
            for (kind, value) in kinds.iter_mut().zip(&values) {
                *kind = kind.or(value.map(Stored::kind));
            }
            rows.push((*time, values));
        }
        rows
    }
}

fn column(rows: &[(i64, Vec<Option<&Stored>>)], i: usize) -> Column {
    let value = |row: &(i64, Vec<Option<&Stored>>)| row.1.get(i).copied().flatten().cloned();
    let Some(kind) = rows.iter().find_map(value).map(|v| v.kind()) else { return Column::default() };
    let mut bits = vec![0_u64; rows.len().div_ceil(64)];
    let mut full = true;
    for (row, r) in rows.iter().enumerate() {
        if value(r).is_some() {
            bits[row / 64] |= 1 << (row % 64);
        } else {
            full = false;
        }
    }
    let all = rows.iter().map(value);
    let values = match kind {
        FieldType::Float => {
            Values::Float(all.map(|v| if let Some(Stored::Float(x)) = v { x } else { 0.0 }).collect())
        }
        FieldType::Integer => {
            Values::Integer(all.map(|v| if let Some(Stored::Integer(x)) = v { x } else { 0 }).collect())
        }
        FieldType::Unsigned => {
            Values::Unsigned(all.map(|v| if let Some(Stored::Unsigned(x)) = v { x } else { 0 }).collect())
        }
        FieldType::Boolean => {
            Values::Boolean(all.map(|v| matches!(v, Some(Stored::Boolean(true)))).collect())
        }
        FieldType::String => {
            let mut strings = Strings::new();
            all.for_each(|v| strings.push(if let Some(Stored::String(s)) = &v { s } else { "" }));
            Values::String(strings)
        }
    };
    Column { values, valid: if full { Validity::All } else { Validity::Bits(bits) } }
}
