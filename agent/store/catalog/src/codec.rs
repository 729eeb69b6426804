//! Edits as bytes. The layout is in FORMAT.md, "Manifest".

use std::sync::Arc;

use weir_model::{FieldType, TimeRange};

use crate::edit::Edit;
use crate::ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId, StoreId, TombstoneId};
use crate::state::{SegmentInfo, SeriesFileInfo, SeriesFileKind, Tombstone, TombstoneTarget, WalFloor};

/// Numbers of the kinds of edits on disk; they never change their meaning.
mod kind {
    pub(super) const CREATE_DATABASE: u8 = 1;
    pub(super) const DROP_DATABASE: u8 = 2;
    pub(super) const SET_DEFAULT_POLICY: u8 = 3;
    pub(super) const CREATE_POLICY: u8 = 4;
    pub(super) const ALTER_POLICY: u8 = 5;
    pub(super) const DROP_POLICY: u8 = 6;
    pub(super) const CREATE_MEASUREMENT: u8 = 7;
    pub(super) const DROP_MEASUREMENT: u8 = 8;
    pub(super) const CREATE_FIELD: u8 = 9;
    pub(super) const CLAIM: u8 = 10;
    pub(super) const CREATE_GROUP: u8 = 11;
    pub(super) const DROP_GROUP: u8 = 12;
    pub(super) const ADD_SEGMENT: u8 = 13;
    pub(super) const REMOVE_SEGMENT: u8 = 14;
    pub(super) const QUARANTINE_SEGMENT: u8 = 15;
    pub(super) const ADD_SERIES_FILE: u8 = 16;
    pub(super) const REMOVE_SERIES_FILE: u8 = 17;
    pub(super) const SET_WAL_FLOOR: u8 = 18;
    pub(super) const REMOVE_LANE: u8 = 19;
    pub(super) const GENERATION: u8 = 20;
    pub(super) const RESERVE_SERIES_IDS: u8 = 21;
    pub(super) const RESERVE_FILE_IDS: u8 = 22;
    pub(super) const ADD_TOMBSTONE: u8 = 23;
    pub(super) const REMOVE_TOMBSTONE: u8 = 24;
    pub(super) const PUT_RECORD: u8 = 25;
    pub(super) const REMOVE_RECORD: u8 = 26;
    pub(super) const ADD_SOURCE: u8 = 27;
    pub(super) const WALL_TIME: u8 = 28;
    pub(super) const COUNTERS: u8 = 29;
}

/// Bits of the flags byte of a segment.
const QUARANTINED: u8 = 1;
const HAS_ORIGIN: u8 = 2;

/// Appends the bytes of `edits`.
pub(crate) fn encode_edits(edits: &[Edit], out: &mut Vec<u8>) {
    let mut body = Vec::new();
    for edit in edits {
        body.clear();
        let kind = encode_body(edit, &mut body);
        out.push(kind);
        put_varint(out, body.len() as u64);
        out.extend_from_slice(&body);
    }
}

/// Reads edits back. Never panics on any input.
///
/// # Errors
/// What is wrong, and at which byte.
pub(crate) fn decode_edits(bytes: &[u8]) -> Result<Vec<Edit>, String> {
    let mut input = Reader { bytes, at: 0 };
    let mut edits = Vec::new();
    while input.at < bytes.len() {
        let start = input.at;
        let edit = decode_one(&mut input).map_err(|what| format!("edit at byte {start}: {what}"))?;
        edits.push(edit);
    }
    Ok(edits)
}

fn decode_one(input: &mut Reader<'_>) -> Result<Edit, String> {
    let kind = input.u8()?;
    let len = input.varint()?;
    let len = usize::try_from(len).map_err(|_| "impossible length".to_owned())?;
    let mut body = Reader { bytes: input.take(len)?, at: 0 };
    let edit = decode_body(kind, &mut body)?;
    if body.at == body.bytes.len() { Ok(edit) } else { Err(format!("kind {kind} has bytes left over")) }
}

fn encode_body(edit: &Edit, out: &mut Vec<u8>) -> u8 {
    match edit {
        Edit::CreateDatabase { id, name } => {
            put_varint(out, id.0.into());
            put_str(out, name);
            kind::CREATE_DATABASE
        }
        Edit::DropDatabase { id } => {
            put_varint(out, id.0.into());
            kind::DROP_DATABASE
        }
        Edit::SetDefaultPolicy { database, name } => {
            put_varint(out, database.0.into());
            put_str(out, name);
            kind::SET_DEFAULT_POLICY
        }
        Edit::CreatePolicy { id, database, name, duration_ns, shard_group_duration_ns, replica_n } => {
            put_varint(out, id.0.into());
            put_varint(out, database.0.into());
            put_str(out, name);
            put_i64(out, *duration_ns);
            put_i64(out, *shard_group_duration_ns);
            put_varint(out, (*replica_n).into());
            kind::CREATE_POLICY
        }
        Edit::AlterPolicy { id, duration_ns, shard_group_duration_ns, replica_n } => {
            put_varint(out, id.0.into());
            put_i64(out, *duration_ns);
            put_i64(out, *shard_group_duration_ns);
            put_varint(out, (*replica_n).into());
            kind::ALTER_POLICY
        }
        Edit::DropPolicy { id } => {
            put_varint(out, id.0.into());
            kind::DROP_POLICY
        }
        Edit::CreateMeasurement { id, database, name } => {
            put_varint(out, id.0.into());
            put_varint(out, database.0.into());
            put_str(out, name);
            kind::CREATE_MEASUREMENT
        }
        Edit::DropMeasurement { id } => {
            put_varint(out, id.0.into());
            kind::DROP_MEASUREMENT
        }
        Edit::CreateField { id, measurement, name, field_type } => {
            put_varint(out, id.0.into());
            put_varint(out, measurement.0.into());
            put_str(out, name);
            out.push(*field_type as u8);
            kind::CREATE_FIELD
        }
        Edit::Claim { group, field } => {
            put_varint(out, group.0.into());
            put_varint(out, field.0.into());
            kind::CLAIM
        }
        Edit::CreateGroup { id, policy, window } => {
            put_varint(out, id.0.into());
            put_varint(out, policy.0.into());
            put_range(out, *window);
            kind::CREATE_GROUP
        }
        Edit::DropGroup { id } => {
            put_varint(out, id.0.into());
            kind::DROP_GROUP
        }
        Edit::AddSegment(segment) => {
            put_segment(out, segment);
            kind::ADD_SEGMENT
        }
        Edit::RemoveSegment { file } => {
            put_varint(out, file.0);
            kind::REMOVE_SEGMENT
        }
        Edit::QuarantineSegment { file } => {
            put_varint(out, file.0);
            kind::QUARANTINE_SEGMENT
        }
        Edit::AddSeriesFile(file) => {
            put_varint(out, file.file.0);
            put_varint(out, file.group.0.into());
            out.push(file.kind as u8);
            put_varint(out, file.bytes);
            put_varint(out, file.series);
            kind::ADD_SERIES_FILE
        }
        Edit::RemoveSeriesFile { file } => {
            put_varint(out, file.0);
            kind::REMOVE_SERIES_FILE
        }
        Edit::SetWalFloor { lane, floor } => {
            put_varint(out, (*lane).into());
            put_varint(out, floor.generation);
            put_varint(out, floor.file_no);
            kind::SET_WAL_FLOOR
        }
        Edit::RemoveLane { lane } => {
            put_varint(out, (*lane).into());
            kind::REMOVE_LANE
        }
        Edit::Generation { generation } => {
            put_varint(out, *generation);
            kind::GENERATION
        }
        Edit::ReserveSeriesIds { end } => {
            put_varint(out, *end);
            kind::RESERVE_SERIES_IDS
        }
        Edit::ReserveFileIds { end } => {
            put_varint(out, *end);
            kind::RESERVE_FILE_IDS
        }
        Edit::AddTombstone(tombstone) => {
            put_tombstone(out, tombstone);
            kind::ADD_TOMBSTONE
        }
        Edit::RemoveTombstone { id } => {
            put_varint(out, id.0);
            kind::REMOVE_TOMBSTONE
        }
        Edit::PutRecord { key, value } => {
            put_str(out, key);
            put_bytes(out, value);
            kind::PUT_RECORD
        }
        Edit::RemoveRecord { key } => {
            put_str(out, key);
            kind::REMOVE_RECORD
        }
        Edit::AddSource { id, alias } => {
            put_varint(out, (*id).into());
            put_str(out, alias);
            kind::ADD_SOURCE
        }
        Edit::WallTime { time_ns } => {
            put_i64(out, *time_ns);
            kind::WALL_TIME
        }
        Edit::Counters { database, policy, measurement, field, group, tombstone, source } => {
            for n in [database, policy, measurement, field, group] {
                put_varint(out, (*n).into());
            }
            put_varint(out, *tombstone);
            put_varint(out, (*source).into());
            kind::COUNTERS
        }
    }
}

fn decode_body(kind: u8, input: &mut Reader<'_>) -> Result<Edit, String> {
    Ok(match kind {
        kind::CREATE_DATABASE => Edit::CreateDatabase { id: DatabaseId(input.u32()?), name: input.str()? },
        kind::DROP_DATABASE => Edit::DropDatabase { id: DatabaseId(input.u32()?) },
        kind::SET_DEFAULT_POLICY => {
            Edit::SetDefaultPolicy { database: DatabaseId(input.u32()?), name: input.str()? }
        }
        kind::CREATE_POLICY => Edit::CreatePolicy {
            id: PolicyId(input.u32()?),
            database: DatabaseId(input.u32()?),
            name: input.str()?,
            duration_ns: input.i64()?,
            shard_group_duration_ns: input.i64()?,
            replica_n: input.u32()?,
        },
        kind::ALTER_POLICY => Edit::AlterPolicy {
            id: PolicyId(input.u32()?),
            duration_ns: input.i64()?,
            shard_group_duration_ns: input.i64()?,
            replica_n: input.u32()?,
        },
        kind::DROP_POLICY => Edit::DropPolicy { id: PolicyId(input.u32()?) },
        kind::CREATE_MEASUREMENT => Edit::CreateMeasurement {
            id: MeasurementId(input.u32()?),
            database: DatabaseId(input.u32()?),
            name: input.str()?,
        },
        kind::DROP_MEASUREMENT => Edit::DropMeasurement { id: MeasurementId(input.u32()?) },
        kind::CREATE_FIELD => Edit::CreateField {
            id: FieldId(input.u32()?),
            measurement: MeasurementId(input.u32()?),
            name: input.str()?,
            field_type: input.field_type()?,
        },
        kind::CLAIM => Edit::Claim { group: GroupId(input.u32()?), field: FieldId(input.u32()?) },
        kind::CREATE_GROUP => Edit::CreateGroup {
            id: GroupId(input.u32()?),
            policy: PolicyId(input.u32()?),
            window: input.range()?,
        },
        kind::DROP_GROUP => Edit::DropGroup { id: GroupId(input.u32()?) },
        kind::ADD_SEGMENT => Edit::AddSegment(input.segment()?),
        kind::REMOVE_SEGMENT => Edit::RemoveSegment { file: FileId(input.varint()?) },
        kind::QUARANTINE_SEGMENT => Edit::QuarantineSegment { file: FileId(input.varint()?) },
        kind::ADD_SERIES_FILE => Edit::AddSeriesFile(input.series_file()?),
        kind::REMOVE_SERIES_FILE => Edit::RemoveSeriesFile { file: FileId(input.varint()?) },
        kind::SET_WAL_FLOOR => Edit::SetWalFloor {
            lane: input.u16()?,
            floor: WalFloor { generation: input.varint()?, file_no: input.varint()? },
        },
        kind::REMOVE_LANE => Edit::RemoveLane { lane: input.u16()? },
        kind::GENERATION => Edit::Generation { generation: input.varint()? },
        kind::RESERVE_SERIES_IDS => Edit::ReserveSeriesIds { end: input.varint()? },
        kind::RESERVE_FILE_IDS => Edit::ReserveFileIds { end: input.varint()? },
        kind::ADD_TOMBSTONE => Edit::AddTombstone(input.tombstone()?),
        kind::REMOVE_TOMBSTONE => Edit::RemoveTombstone { id: TombstoneId(input.varint()?) },
        kind::PUT_RECORD => Edit::PutRecord { key: input.str()?, value: input.bytes()?.into() },
        kind::REMOVE_RECORD => Edit::RemoveRecord { key: input.str()? },
        kind::ADD_SOURCE => Edit::AddSource { id: input.u16()?, alias: input.str()? },
        kind::WALL_TIME => Edit::WallTime { time_ns: input.i64()? },
        kind::COUNTERS => Edit::Counters {
            database: input.u32()?,
            policy: input.u32()?,
            measurement: input.u32()?,
            field: input.u32()?,
            group: input.u32()?,
            tombstone: input.varint()?,
            source: input.u16()?,
        },
        other => return Err(format!("kind {other} is not known to this version")),
    })
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_range(out: &mut Vec<u8>, range: TimeRange) {
    put_i64(out, range.min);
    put_i64(out, range.max);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_segment(out: &mut Vec<u8>, segment: &SegmentInfo) {
    put_varint(out, segment.file.0);
    put_varint(out, segment.group.0.into());
    put_varint(out, segment.gen_lo);
    put_varint(out, segment.gen_hi);
    out.push(segment.level);
    put_varint(out, segment.bytes);
    put_varint(out, segment.points);
    put_range(out, TimeRange::new(segment.t_min, segment.t_max));
    put_varint(out, segment.tombstones_applied.0);
    let quarantined = if segment.quarantined { QUARANTINED } else { 0 };
    out.push(quarantined | if segment.origin.is_some() { HAS_ORIGIN } else { 0 });
    if let Some(origin) = segment.origin {
        out.extend_from_slice(&origin.0);
    }
}

fn put_tombstone(out: &mut Vec<u8>, tombstone: &Tombstone) {
    put_varint(out, tombstone.id.0);
    put_varint(out, tombstone.policy.0.into());
    put_range(out, tombstone.range);
    put_varint(out, tombstone.generation);
    match &tombstone.target {
        TombstoneTarget::Measurement(id) => {
            out.push(0);
            put_varint(out, id.0.into());
        }
        TombstoneTarget::Series(groups) => {
            out.push(1);
            put_varint(out, groups.len() as u64);
            for (group, series) in groups {
                put_varint(out, group.0.into());
                put_varint(out, series.len() as u64);
                let mut last = 0u64;
                for &id in series {
                    // Wrapping, so that even a list out of order comes back as it was.
                    put_varint(out, id.wrapping_sub(last));
                    last = id;
                }
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).ok_or("impossible length")?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| format!("cut short at byte {}", self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "cut short".to_owned())
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        u32::try_from(self.varint()?).map_err(|_| "a number of more than 32 bits".to_owned())
    }

    fn u16(&mut self) -> Result<u16, String> {
        u16::try_from(self.varint()?).map_err(|_| "a number of more than 16 bits".to_owned())
    }

    fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn range(&mut self) -> Result<TimeRange, String> {
        Ok(TimeRange::new(self.i64()?, self.i64()?))
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = usize::try_from(self.varint()?).map_err(|_| "impossible length".to_owned())?;
        self.take(len)
    }

    fn str(&mut self) -> Result<Arc<str>, String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| "text is not UTF-8".to_owned())?;
        Ok(text.into())
    }

    fn field_type(&mut self) -> Result<FieldType, String> {
        let n = self.u8()?;
        FieldType::from_u8(n).ok_or_else(|| format!("{n} is no field type"))
    }

    fn segment(&mut self) -> Result<SegmentInfo, String> {
        let file = FileId(self.varint()?);
        let group = GroupId(self.u32()?);
        let (gen_lo, gen_hi) = (self.varint()?, self.varint()?);
        let level = self.u8()?;
        let (bytes, points) = (self.varint()?, self.varint()?);
        let times = self.range()?;
        let tombstones_applied = TombstoneId(self.varint()?);
        let flags = self.u8()?;
        if flags & !(QUARANTINED | HAS_ORIGIN) != 0 {
            return Err(format!("unknown flags {flags:#x}"));
        }
        let origin = if flags & HAS_ORIGIN == 0 { None } else { Some(StoreId(self.array()?)) };
        Ok(SegmentInfo {
            file,
            group,
            gen_lo,
            gen_hi,
            level,
            bytes,
            points,
            t_min: times.min,
            t_max: times.max,
            tombstones_applied,
            quarantined: flags & QUARANTINED != 0,
            origin,
        })
    }

    fn series_file(&mut self) -> Result<SeriesFileInfo, String> {
        let file = FileId(self.varint()?);
        let group = GroupId(self.u32()?);
        let kind = match self.u8()? {
            1 => SeriesFileKind::Log,
            2 => SeriesFileKind::Index,
            n => return Err(format!("{n} is no kind of series file")),
        };
        Ok(SeriesFileInfo { file, group, kind, bytes: self.varint()?, series: self.varint()? })
    }

    fn tombstone(&mut self) -> Result<Tombstone, String> {
        let id = TombstoneId(self.varint()?);
        let policy = PolicyId(self.u32()?);
        let range = self.range()?;
        let generation = self.varint()?;
        let target = match self.u8()? {
            0 => TombstoneTarget::Measurement(MeasurementId(self.u32()?)),
            1 => {
                let groups_n = self.varint()?;
                let mut groups = Vec::new();
                for _ in 0..groups_n {
                    let group = GroupId(self.u32()?);
                    let series_n = self.varint()?;
                    let mut series = Vec::new();
                    let mut last = 0u64;
                    for _ in 0..series_n {
                        last = last.wrapping_add(self.varint()?);
                        series.push(last);
                    }
                    groups.push((group, series));
                }
                TombstoneTarget::Series(groups)
            }
            n => return Err(format!("{n} is no target of a tombstone")),
        };
        Ok(Tombstone { id, policy, target, range, generation })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Arc<str>> + Clone {
        ".{0,12}".prop_map(|s: String| s.into())
    }

    fn segment() -> impl Strategy<Value = SegmentInfo> {
        let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u8>(), any::<u64>());
        let rest = (any::<u64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<bool>());
        (numbers, rest, proptest::option::of(any::<[u8; 16]>())).prop_map(|(n, r, origin)| SegmentInfo {
            file: FileId(n.0),
            group: GroupId(n.1),
            gen_lo: n.2,
            gen_hi: n.3,
            level: n.4,
            bytes: n.5,
            points: r.0,
            t_min: r.1,
            t_max: r.2,
            tombstones_applied: TombstoneId(r.3),
            quarantined: r.4,
            origin: origin.map(StoreId),
        })
    }

    fn tombstone() -> impl Strategy<Value = Tombstone> {
        let series = proptest::collection::vec(
            (any::<u32>().prop_map(GroupId), proptest::collection::vec(any::<u64>(), 0..5)),
            0..3,
        );
        let target = prop_oneof![
            any::<u32>().prop_map(|id| TombstoneTarget::Measurement(MeasurementId(id))),
            series.prop_map(TombstoneTarget::Series),
        ];
        (any::<u64>(), any::<u32>(), any::<(i64, i64)>(), any::<u64>(), target).prop_map(
            |(id, policy, range, generation, target)| Tombstone {
                id: TombstoneId(id),
                policy: PolicyId(policy),
                target,
                range: TimeRange::new(range.0, range.1),
                generation,
            },
        )
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let ids = (any::<u32>(), any::<u32>());
        let policy = (ids, name(), any::<i64>(), any::<i64>(), any::<u32>());
        prop_oneof![
            (any::<u32>(), name()).prop_map(|(id, name)| Edit::CreateDatabase { id: DatabaseId(id), name }),
            any::<u32>().prop_map(|id| Edit::DropDatabase { id: DatabaseId(id) }),
            (any::<u32>(), name())
                .prop_map(|(id, name)| Edit::SetDefaultPolicy { database: DatabaseId(id), name }),
            policy.clone().prop_map(|(ids, name, duration_ns, shard_group_duration_ns, replica_n)| {
                Edit::CreatePolicy {
                    id: PolicyId(ids.0),
                    database: DatabaseId(ids.1),
                    name,
                    duration_ns,
                    shard_group_duration_ns,
                    replica_n,
                }
            }),
            policy.prop_map(|(ids, _, duration_ns, shard_group_duration_ns, replica_n)| Edit::AlterPolicy {
                id: PolicyId(ids.0),
                duration_ns,
                shard_group_duration_ns,
                replica_n
            }),
            any::<u32>().prop_map(|id| Edit::DropPolicy { id: PolicyId(id) }),
            (ids, name()).prop_map(|(ids, name)| Edit::CreateMeasurement {
                id: MeasurementId(ids.0),
                database: DatabaseId(ids.1),
                name
            }),
            any::<u32>().prop_map(|id| Edit::DropMeasurement { id: MeasurementId(id) }),
            (ids, name(), 1u8..6).prop_map(|(ids, name, t)| Edit::CreateField {
                id: FieldId(ids.0),
                measurement: MeasurementId(ids.1),
                name,
                field_type: FieldType::from_u8(t).unwrap(),
            }),
            ids.prop_map(|ids| Edit::Claim { group: GroupId(ids.0), field: FieldId(ids.1) }),
            (ids, any::<(i64, i64)>()).prop_map(|(ids, w)| Edit::CreateGroup {
                id: GroupId(ids.0),
                policy: PolicyId(ids.1),
                window: TimeRange::new(w.0, w.1)
            }),
            any::<u32>().prop_map(|id| Edit::DropGroup { id: GroupId(id) }),
            segment().prop_map(Edit::AddSegment),
            any::<u64>().prop_map(|file| Edit::RemoveSegment { file: FileId(file) }),
            any::<u64>().prop_map(|file| Edit::QuarantineSegment { file: FileId(file) }),
            (any::<(u64, u32, u64, u64)>(), any::<bool>()).prop_map(|(n, log)| {
                Edit::AddSeriesFile(SeriesFileInfo {
                    file: FileId(n.0),
                    group: GroupId(n.1),
                    kind: if log { SeriesFileKind::Log } else { SeriesFileKind::Index },
                    bytes: n.2,
                    series: n.3,
                })
            }),
            any::<u64>().prop_map(|file| Edit::RemoveSeriesFile { file: FileId(file) }),
            any::<(u16, u64, u64)>().prop_map(|(lane, generation, file_no)| Edit::SetWalFloor {
                lane,
                floor: WalFloor { generation, file_no }
            }),
            any::<u16>().prop_map(|lane| Edit::RemoveLane { lane }),
            any::<u64>().prop_map(|generation| Edit::Generation { generation }),
            any::<u64>().prop_map(|end| Edit::ReserveSeriesIds { end }),
            any::<u64>().prop_map(|end| Edit::ReserveFileIds { end }),
            tombstone().prop_map(Edit::AddTombstone),
            any::<u64>().prop_map(|id| Edit::RemoveTombstone { id: TombstoneId(id) }),
            (name(), any::<Vec<u8>>()).prop_map(|(key, value)| Edit::PutRecord { key, value: value.into() }),
            name().prop_map(|key| Edit::RemoveRecord { key }),
            (any::<u16>(), name()).prop_map(|(id, alias)| Edit::AddSource { id, alias }),
            any::<i64>().prop_map(|time_ns| Edit::WallTime { time_ns }),
            (any::<[u32; 5]>(), any::<u64>(), any::<u16>()).prop_map(|(n, tombstone, source)| {
                Edit::Counters {
                    database: n[0],
                    policy: n[1],
                    measurement: n[2],
                    field: n[3],
                    group: n[4],
                    tombstone,
                    source,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn edits_come_back_as_they_were(edits in proptest::collection::vec(edit(), 0..8)) {
            let mut bytes = Vec::new();
            encode_edits(&edits, &mut bytes);
            prop_assert_eq!(decode_edits(&bytes), Ok(edits));
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            edits in proptest::collection::vec(edit(), 1..4),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
            noise in any::<Vec<u8>>(),
        ) {
            let _ = decode_edits(&noise);
            let mut bytes = Vec::new();
            encode_edits(&edits, &mut bytes);
            let at = at.index(bytes.len());
            let _ = decode_edits(&bytes[..at]);
            bytes[at] = value;
            let _ = decode_edits(&bytes);
        }
    }

    #[test]
    fn known_bytes() {
        let mut bytes = Vec::new();
        encode_edits(&[Edit::CreateDatabase { id: DatabaseId(300), name: "db".into() }], &mut bytes);
        assert_eq!(bytes, [1, 5, 0xac, 2, 2, b'd', b'b']);
    }
}
