//! What exists, as one immutable value: databases, policies, measurements, fields, groups, files, floors, tombstones.
//!
//! A [`CatalogState`] never changes once it is shared; the next one shares all unchanged parts with it. Look-ups take
//! no lock. How an edit leads from one state to the next is in the module `apply`.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::read::{PolicyInfo, ShardGroupInfo};
use weir_model::{FieldType, TimeRange};

use crate::ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId, StoreId, TombstoneId};
use crate::pmap::PMap;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its number.
    pub id: DatabaseId,
    /// Its name.
    pub name: Arc<str>,
    /// Name of its default policy; there may be no policy of that name (any more).
    pub default_policy: Arc<str>,
    /// Its policies in order of creation.
    pub policies: Vec<PolicyId>,
}

/// A retention policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its number.
    pub id: PolicyId,
    /// Whose it is.
    pub database: DatabaseId,
    /// Its name.
    pub name: Arc<str>,
    /// How long points live, nanoseconds; 0 = for ever.
    pub duration_ns: i64,
    /// Length of the groups made from now on, nanoseconds; positive.
    pub shard_group_duration_ns: i64,
    /// Stored and shown only.
    pub replica_n: u32,
    /// Its groups by time. Windows never overlap.
    pub groups: Vec<(TimeRange, GroupId)>,
}

impl Policy {
    /// The group whose window holds `time`.
    #[must_use]
    pub fn group_at(&self, time: i64) -> Option<(TimeRange, GroupId)> {
        let i = self.groups.partition_point(|(window, _)| window.max < time);
        self.groups.get(i).copied().filter(|(window, _)| window.contains(time))
    }

    /// The groups whose windows overlap `range`, by time.
    #[must_use]
    pub fn groups_in(&self, range: TimeRange) -> &[(TimeRange, GroupId)] {
        let from = self.groups.partition_point(|(window, _)| window.max < range.min);
        let to = self.groups.partition_point(|(window, _)| window.min <= range.max);
        self.groups.get(from..to).unwrap_or_default()
    }
}

/// A measurement: one instance of a name in a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Its number.
    pub id: MeasurementId,
    /// Whose it is.
    pub database: DatabaseId,
    /// Its name, unescaped.
    pub name: Arc<str>,
    /// Its fields by name; a name may have one field for each type.
    pub fields: PMap<Arc<str>, FieldsOfName>,
}

/// The fields of one name, by type.
pub type FieldsOfName = [Option<FieldId>; 5];

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number.
    pub id: FieldId,
    /// Whose it is.
    pub measurement: MeasurementId,
    /// Its name, unescaped.
    pub name: Arc<str>,
    /// Its type.
    pub field_type: FieldType,
}

/// Which field stands for a name, in one group and measurement. The first writer decided.
pub type Claims = PMap<Arc<str>, FieldId>;

/// A shard group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// Whose it is.
    pub policy: PolicyId,
    /// Its times; fixed for its life.
    pub window: TimeRange,
    /// Its segments by lowest generation (then file id).
    pub segments: Vec<Arc<SegmentInfo>>,
    /// Its series files in order of addition.
    pub series_files: Vec<Arc<SeriesFileInfo>>,
}

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number: the file is `data/<policy>/<group>/<file>.seg`.
    pub file: FileId,
    /// Whose it is.
    pub group: GroupId,
    /// Lowest generation of its points.
    pub gen_lo: u64,
    /// Highest generation of its points.
    pub gen_hi: u64,
    /// 0 = from a flush; each compaction gives one more than the highest of its inputs.
    pub level: u8,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of points.
    pub points: u64,
    /// Smallest time.
    pub t_min: i64,
    /// Largest time.
    pub t_max: i64,
    /// Highest tombstone considered when it was written; 0 = none.
    pub tombstones_applied: TombstoneId,
    /// Set aside because it is damaged; readers say so, compaction leaves it alone.
    pub quarantined: bool,
    /// The store that wrote it, when it came by a restore.
    pub origin: Option<StoreId>,
}

/// A file with series definitions of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesFileInfo {
    /// Its number: the file is `data/<policy>/<group>/<file>.ser` or `.idx`.
    pub file: FileId,
    /// Whose it is.
    pub group: GroupId,
    /// What it is.
    pub kind: SeriesFileKind,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of series in it.
    pub series: u64,
}

/// What a series file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SeriesFileKind {
    /// `.ser`: definitions added by one flush.
    Log = 1,
    /// `.idx`: sorted index of a closed group.
    Index = 2,
}

impl SeriesFileKind {
    /// File name extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Log => "ser",
            Self::Index => "idx",
        }
    }
}

/// The first part of a lane's log that is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WalFloor {
    /// Records of generations below this one are not needed.
    pub generation: u64,
    /// Files numbered below this one are not needed.
    pub file_no: u64,
}

/// A recorded delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its number; consecutive.
    pub id: TombstoneId,
    /// In which policy.
    pub policy: PolicyId,
    /// What is deleted.
    pub target: TombstoneTarget,
    /// Which times.
    pub range: TimeRange,
    /// Points of generations up to this one are deleted, later ones are not.
    pub generation: u64,
}

/// What a tombstone deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TombstoneTarget {
    /// All series of a measurement.
    Measurement(MeasurementId),
    /// For each group the durable ids of the series, ascending.
    Series(Vec<(GroupId, Vec<u64>)>),
}

/// What exists at one moment.
#[derive(Clone, Debug, Default)]
pub struct CatalogState {
    pub(crate) version: u64,
    pub(crate) invalidations: u64,
    pub(crate) counters: Counters,
    pub(crate) databases: PMap<DatabaseId, Arc<Database>>,
    pub(crate) database_names: PMap<Arc<str>, DatabaseId>,
    /// In order of creation, which is the order of ids.
    pub(crate) database_order: Arc<Vec<DatabaseId>>,
    pub(crate) policies: PMap<PolicyId, Arc<Policy>>,
    pub(crate) measurements: PMap<MeasurementId, Arc<Measurement>>,
    pub(crate) measurement_names: PMap<DatabaseId, PMap<Arc<str>, MeasurementId>>,
    pub(crate) fields: PMap<FieldId, Arc<Field>>,
    pub(crate) claims: PMap<GroupId, PMap<MeasurementId, Claims>>,
    pub(crate) groups: PMap<GroupId, Arc<Group>>,
    pub(crate) files: PMap<FileId, GroupId>,
    pub(crate) floors: Arc<BTreeMap<u16, WalFloor>>,
    pub(crate) tombstones: Arc<BTreeMap<TombstoneId, Arc<Tombstone>>>,
    pub(crate) records: Arc<BTreeMap<Arc<str>, Arc<[u8]>>>,
    pub(crate) sources: Arc<BTreeMap<u16, Arc<str>>>,
}

/// The next number of each kind (the last one for tombstones and sources), and other values that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) database: u32,
    pub(crate) policy: u32,
    pub(crate) measurement: u32,
    pub(crate) field: u32,
    pub(crate) group: u32,
    pub(crate) tombstone: u64,
    pub(crate) source: u16,
    pub(crate) series_reserved: u64,
    pub(crate) files_reserved: u64,
    pub(crate) generation: u64,
    pub(crate) wall_time: i64,
}

impl CatalogState {
    /// Grows with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Grows whenever something that a caller may have cached stops being true: a drop, a change of a policy, a change taken
    /// back because it could not be made durable. Additions leave it alone.
    #[must_use]
    pub fn invalidations(&self) -> u64 {
        self.invalidations
    }

    /// All databases in order of creation.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.database_order.iter().filter_map(|id| self.databases.get(id))
    }

    /// The database of this name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Arc<Database>> {
        self.databases.get(self.database_names.get(name)?)
    }

    /// The database of this number.
    #[must_use]
    pub fn database_by_id(&self, id: DatabaseId) -> Option<&Arc<Database>> {
        self.databases.get(&id)
    }

    /// The policies of a database in order of creation.
    pub fn policies(&self, database: &Database) -> impl Iterator<Item = &Arc<Policy>> {
        database.policies.iter().filter_map(|id| self.policies.get(id))
    }

    /// The policy of this number.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> Option<&Arc<Policy>> {
        self.policies.get(&id)
    }

    /// The policy of this name; `None` or empty = the default one.
    #[must_use]
    pub fn policy_by_name(&self, database: &Database, name: Option<&str>) -> Option<&Arc<Policy>> {
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&database.default_policy);
        self.policies(database).find(|policy| &*policy.name == name)
    }

    /// What a reader is shown of a database's policies.
    #[must_use]
    pub fn policy_infos(&self, database: &Database) -> Vec<PolicyInfo> {
        self.policies(database)
            .map(|policy| PolicyInfo {
                name: Arc::clone(&policy.name),
                duration_ns: policy.duration_ns,
                shard_group_duration_ns: policy.shard_group_duration_ns,
                replica_n: policy.replica_n,
                is_default: policy.name == database.default_policy,
            })
            .collect()
    }

    /// What a reader is shown of a policy's groups.
    #[must_use]
    pub fn group_infos(&self, policy: &Policy) -> Vec<ShardGroupInfo> {
        policy.groups.iter().map(|&(window, id)| ShardGroupInfo { id: id.0, window }).collect()
    }

    /// The measurements of a database, in no particular order.
    pub fn measurements(&self, database: DatabaseId) -> impl Iterator<Item = &Arc<Measurement>> {
        let names = self.measurement_names.get(&database);
        names.into_iter().flat_map(PMap::values).filter_map(|id| self.measurements.get(id))
    }

    /// The measurement of this name.
    #[must_use]
    pub fn measurement(&self, database: DatabaseId, name: &str) -> Option<&Arc<Measurement>> {
        self.measurements.get(self.measurement_names.get(&database)?.get(name)?)
    }

    /// The measurement of this number.
    #[must_use]
    pub fn measurement_by_id(&self, id: MeasurementId) -> Option<&Arc<Measurement>> {
        self.measurements.get(&id)
    }

    /// The field of this number.
    #[must_use]
    pub fn field(&self, id: FieldId) -> Option<&Arc<Field>> {
        self.fields.get(&id)
    }

    /// Which fields stand for the names of a measurement in a group.
    #[must_use]
    pub fn claims(&self, group: GroupId, measurement: MeasurementId) -> Option<&Claims> {
        self.claims.get(&group)?.get(&measurement)
    }

    /// The measurements that have claims in a group, in no particular order.
    pub fn measurements_in(&self, group: GroupId) -> impl Iterator<Item = &Arc<Measurement>> {
        let claims = self.claims.get(&group);
        claims.into_iter().flat_map(PMap::iter).filter_map(|(id, _)| self.measurements.get(id))
    }

    /// The field that stands for `name` in a group.
    #[must_use]
    pub fn claimed_field(
        &self,
        group: GroupId,
        measurement: MeasurementId,
        name: &str,
    ) -> Option<&Arc<Field>> {
        self.fields.get(self.claims(group, measurement)?.get(name)?)
    }

    /// The group of this number.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Arc<Group>> {
        self.groups.get(&id)
    }

    /// All groups, in no particular order.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// The segment in this file.
    #[must_use]
    pub fn segment(&self, file: FileId) -> Option<&Arc<SegmentInfo>> {
        let group = self.groups.get(self.files.get(&file)?)?;
        group.segments.iter().find(|segment| segment.file == file)
    }

    /// Whether a segment or series file of this number exists.
    #[must_use]
    pub fn has_file(&self, file: FileId) -> bool {
        self.files.contains_key(&file)
    }

    /// The first parts of the logs that are still needed, by lane.
    #[must_use]
    pub fn floors(&self) -> &BTreeMap<u16, WalFloor> {
        &self.floors
    }

    /// The highest generation recorded by [`Edit::Generation`](crate::Edit::Generation), a floor, a segment or a tombstone.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.counters.generation
    }

    /// The tombstones not forgotten yet, by number.
    #[must_use]
    pub fn tombstones(&self) -> &BTreeMap<TombstoneId, Arc<Tombstone>> {
        &self.tombstones
    }

    /// Number of the tombstone made last; 0 = none ever.
    #[must_use]
    pub fn last_tombstone(&self) -> TombstoneId {
        TombstoneId(self.counters.tombstone)
    }

    /// Opaque records of other parts (users, tokens, positions), by key.
    #[must_use]
    pub fn records(&self) -> &BTreeMap<Arc<str>, Arc<[u8]>> {
        &self.records
    }

    /// The names of the sources that stand in log records.
    #[must_use]
    pub fn sources(&self) -> &BTreeMap<u16, Arc<str>> {
        &self.sources
    }

    /// The wall time recorded last, nanoseconds; 0 = never.
    #[must_use]
    pub fn wall_time(&self) -> i64 {
        self.counters.wall_time
    }

    /// All durable series ids ever given are below this.
    #[must_use]
    pub fn series_ids_reserved(&self) -> u64 {
        self.counters.series_reserved
    }
}
