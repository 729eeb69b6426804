//! A plain store in memory: the oracle that tests compare with, and a store for tests of whatever needs one.
//!
//! Maps of maps, no index, no log. It checks types per shard group and keeps nothing on disk.

mod scan;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use weir_model::admin::{Admin, AdminError, Deletion, PolicyChange, PolicySpec};
use weir_model::key::SeriesKey;
use weir_model::read::{PolicyInfo, TagFilter};
use weir_model::{FieldType, FieldValue, TimeRange};

use crate::into::{IntoPoint, PointWriter};
use crate::result::Value;

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

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
