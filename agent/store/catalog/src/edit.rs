//! The changes a manifest record is made of.

use std::sync::Arc;

use weir_model::{FieldType, TimeRange};

use crate::ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId, TombstoneId};
use crate::state::{SegmentInfo, SeriesFileInfo, Tombstone, WalFloor};

/// One change. Several of them in one record happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A database without policies.
    CreateDatabase {
        /// Its number.
        id: DatabaseId,
        /// Its name.
        name: Arc<str>,
    },
    /// Ends a database with all its policies and measurements.
    DropDatabase {
        /// Which.
        id: DatabaseId,
    },
    /// Names the default policy of a database.
    SetDefaultPolicy {
        /// Which database.
        database: DatabaseId,
        /// Name of the policy.
        name: Arc<str>,
    },
    /// A policy without groups.
    CreatePolicy {
        /// Its number.
        id: PolicyId,
        /// Whose it is.
        database: DatabaseId,
        /// Its name.
        name: Arc<str>,
        /// How long points live, nanoseconds; 0 = for ever.
        duration_ns: i64,
        /// Length of a group, nanoseconds; positive.
        shard_group_duration_ns: i64,
        /// Stored and shown only.
        replica_n: u32,
    },
    /// Gives a policy new properties; existing windows stay.
    AlterPolicy {
        /// Which.
        id: PolicyId,
        /// How long points live, nanoseconds; 0 = for ever.
        duration_ns: i64,
        /// Length of a group made from now on, nanoseconds; positive.
        shard_group_duration_ns: i64,
        /// Stored and shown only.
        replica_n: u32,
    },
    /// Ends a policy with all its groups.
    DropPolicy {
        /// Which.
        id: PolicyId,
    },
    /// A measurement without fields.
    CreateMeasurement {
        /// Its number.
        id: MeasurementId,
        /// Whose it is.
        database: DatabaseId,
        /// Its name.
        name: Arc<str>,
    },
    /// Ends a measurement: its fields and claims are forgotten.
    DropMeasurement {
        /// Which.
        id: MeasurementId,
    },
    /// A field.
    CreateField {
        /// Its number.
        id: FieldId,
        /// Whose it is.
        measurement: MeasurementId,
        /// Its name.
        name: Arc<str>,
        /// Its type.
        field_type: FieldType,
    },
    /// Lets a field stand for its name in a group.
    Claim {
        /// In which group.
        group: GroupId,
        /// Which field.
        field: FieldId,
    },
    /// A shard group without files.
    CreateGroup {
        /// Its number.
        id: GroupId,
        /// Whose it is.
        policy: PolicyId,
        /// Its times; overlaps no other group of the policy.
        window: TimeRange,
    },
    /// Ends a group with all its files.
    DropGroup {
        /// Which.
        id: GroupId,
    },
    /// A segment file that is complete and synced.
    AddSegment(SegmentInfo),
    /// Takes a segment out.
    RemoveSegment {
        /// Which.
        file: FileId,
    },
    /// Marks a segment as damaged.
    QuarantineSegment {
        /// Which.
        file: FileId,
    },
    /// A series file that is complete and synced.
    AddSeriesFile(SeriesFileInfo),
    /// Takes a series file out.
    RemoveSeriesFile {
        /// Which.
        file: FileId,
    },
    /// Moves the floor of a lane.
    SetWalFloor {
        /// Which lane.
        lane: u16,
        /// Its floor now.
        floor: WalFloor,
    },
    /// Forgets a lane whose directory is gone.
    RemoveLane {
        /// Which lane.
        lane: u16,
    },
    /// Generations up to this one have been used.
    Generation {
        /// Highest generation used.
        generation: u64,
    },
    /// Durable series ids below this may have been given.
    ReserveSeriesIds {
        /// End of the reservation.
        end: u64,
    },
    /// File numbers below this may have been given.
    ReserveFileIds {
        /// End of the reservation.
        end: u64,
    },
    /// A delete.
    AddTombstone(Tombstone),
    /// Forgets a delete that nothing needs any more.
    RemoveTombstone {
        /// Which.
        id: TombstoneId,
    },
    /// Sets an opaque record of another part.
    PutRecord {
        /// Its key, by convention `<part>/<name>`.
        key: Arc<str>,
        /// Its value.
        value: Arc<[u8]>,
    },
    /// Removes an opaque record.
    RemoveRecord {
        /// Its key.
        key: Arc<str>,
    },
    /// Numbers a source that stands in log records.
    AddSource {
        /// Its number, not 0.
        id: u16,
        /// Its name.
        alias: Arc<str>,
    },
    /// The wall time as the store saw it.
    WallTime {
        /// Nanoseconds since the Unix epoch.
        time_ns: i64,
    },
    /// The least next number of each kind; stands in a rewritten manifest, where the things that had the numbers may be gone.
    Counters {
        /// Next database.
        database: u32,
        /// Next policy.
        policy: u32,
        /// Next measurement.
        measurement: u32,
        /// Next field.
        field: u32,
        /// Next group.
        group: u32,
        /// Last tombstone.
        tombstone: u64,
        /// Last source.
        source: u16,
    },
}
