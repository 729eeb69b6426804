//! States and the edits that make them.

use super::*;
use proptest::prelude::*;
use weir_model::FieldType;

use crate::codec::{decode_edits, encode_edits};
use crate::ids::TombstoneId;
use crate::state::{SeriesFileKind, Tombstone, TombstoneTarget, WalFloor};

fn assert_same(a: &CatalogState, b: &CatalogState) {
    assert_eq!(a.counters, b.counters);
    assert_eq!(a.databases, b.databases);
    assert_eq!(a.database_names, b.database_names);
    assert_eq!(a.database_order, b.database_order);
    assert_eq!(a.policies, b.policies);
    assert_eq!(a.measurements, b.measurements);
    assert_eq!(a.fields, b.fields);
    assert_eq!(a.groups, b.groups);
    assert_eq!(a.files, b.files);
    assert_eq!(a.floors, b.floors);
    assert_eq!(a.tombstones, b.tombstones);
    assert_eq!(a.records, b.records);
    assert_eq!(a.sources, b.sources);
    for (group, claims) in a.claims.iter() {
        for (measurement, names) in claims.iter() {
            let other = b.claims(*group, *measurement).cloned().unwrap_or_default();
            assert_eq!(*names, other);
        }
    }
}

/// An edit out of small numbers, so that many fit.
fn edit(kind: u8, a: u32, b: u32, c: u32) -> Edit {
    let name: Arc<str> = format!("n{c}").into();
    let times = TimeRange::new(i64::from(c) * 10, i64::from(c) * 10 + 9);
    match kind % 22 {
        0 => Edit::CreateDatabase { id: DatabaseId(a), name },
        1 => Edit::SetDefaultPolicy { database: DatabaseId(a), name },
        2 | 3 => Edit::CreatePolicy {
            id: PolicyId(a),
            database: DatabaseId(b),
            name,
            duration_ns: c.into(),
            shard_group_duration_ns: 10,
            replica_n: 1,
        },
        4 => Edit::AlterPolicy {
            id: PolicyId(a),
            duration_ns: b.into(),
            shard_group_duration_ns: 5,
            replica_n: c,
        },
        5 | 6 => Edit::CreateMeasurement { id: MeasurementId(a), database: DatabaseId(b), name },
        7 | 8 => Edit::CreateField {
            id: FieldId(a),
            measurement: MeasurementId(b),
            name,
            field_type: if a.is_multiple_of(2) { FieldType::Float } else { FieldType::String },
        },
        9 => Edit::Claim { group: GroupId(a), field: FieldId(b) },
        10 | 11 => Edit::CreateGroup { id: GroupId(a), policy: PolicyId(b), window: times },
        12 => Edit::AddSegment(SegmentInfo {
            file: FileId(a.into()),
            group: GroupId(b),
            gen_lo: c.into(),
            gen_hi: (c + 1).into(),
            level: 0,
            bytes: 1,
            points: 2,
            t_min: times.min,
            t_max: times.max,
            tombstones_applied: TombstoneId(0),
            quarantined: false,
            origin: None,
        }),
        13 => Edit::AddSeriesFile(SeriesFileInfo {
            file: FileId(a.into()),
            group: GroupId(b),
            kind: SeriesFileKind::Log,
            bytes: 1,
            series: 1,
        }),
        14 => Edit::SetWalFloor {
            lane: (a % 2) as u16,
            floor: WalFloor { generation: b.into(), file_no: c.into() },
        },
        15 => Edit::AddTombstone(Tombstone {
            id: TombstoneId(a.into()),
            policy: PolicyId(b),
            target: TombstoneTarget::Measurement(MeasurementId(c)),
            range: times,
            generation: c.into(),
        }),
        16 => Edit::PutRecord { key: name, value: vec![0].into() },
        17 => Edit::AddSource { id: a as u16, alias: name },
        18 => match c % 4 {
            0 => Edit::DropDatabase { id: DatabaseId(a) },
            1 => Edit::DropPolicy { id: PolicyId(a) },
            2 => Edit::DropMeasurement { id: MeasurementId(a) },
            _ => Edit::DropGroup { id: GroupId(a) },
        },
        19 => match c % 4 {
            0 => Edit::RemoveSegment { file: FileId(a.into()) },
            1 => Edit::RemoveSeriesFile { file: FileId(a.into()) },
            2 => Edit::QuarantineSegment { file: FileId(a.into()) },
            _ => Edit::RemoveTombstone { id: TombstoneId(a.into()) },
        },
        20 => Edit::ReserveSeriesIds { end: a.into() },
        _ => Edit::ReserveFileIds { end: a.into() },
    }
}

/// No part of the state refers to something that is not there.
fn check_consistency(state: &CatalogState) {
    for policy in state.policies.values() {
        assert!(state.databases.get(&policy.database).unwrap().policies.contains(&policy.id));
        for (window, group) in &policy.groups {
            assert_eq!(state.groups.get(group).unwrap().window, *window);
        }
    }
    let mut files = 0;
    for group in state.groups.values() {
        assert!(state.policies.get(&group.policy).unwrap().groups.contains(&(group.window, group.id)));
        files += group.segments.len() + group.series_files.len();
        assert!(group.segments.iter().all(|segment| state.files.get(&segment.file) == Some(&group.id)));
    }
    assert_eq!(files, state.files.len());
    for measurement in state.measurements.values() {
        assert_eq!(state.measurement(measurement.database, &measurement.name).unwrap().id, measurement.id);
        assert!(measurement.fields.values().flatten().flatten().all(|id| state.fields.contains_key(id)));
    }
    for field in state.fields.values() {
        assert!(state.measurements.contains_key(&field.measurement));
    }
    for (group, claims) in state.claims.iter() {
        assert!(state.groups.contains_key(group));
        assert!(claims.values().flat_map(PMap::values).all(|id| state.fields.contains_key(id)));
    }
}

proptest! {
    #[test]
    fn a_state_written_as_edits_is_the_same_state(
        numbers in proptest::collection::vec((any::<u8>(), 1u32..5, 1u32..5, 0u32..6), 0..250)
    ) {
        let mut state = CatalogState::default();
        for (kind, a, b, c) in numbers {
            let mut next = state.clone();
            if next.apply_all(&[edit(kind, a, b, c)]).is_ok() {
                state = next;
            }
        }
        check_consistency(&state);
        let mut bytes = Vec::new();
        encode_edits(&state.to_edits(), &mut bytes);
        let mut copy = CatalogState::default();
        copy.apply_all(&decode_edits(&bytes).unwrap()).unwrap();
        assert_same(&state, &copy);
    }
}

/// Adding one field to a large schema, with an older state still held.
#[test]
fn adding_a_field_shares_the_rest_of_a_large_schema() {
    let mut state = CatalogState::default();
    let mut edits = vec![Edit::CreateDatabase { id: DatabaseId(1), name: "db".into() }];
    for m in 1..=1_000 {
        let id = MeasurementId(m);
        edits.push(Edit::CreateMeasurement { id, database: DatabaseId(1), name: format!("m{m}").into() });
    }
    state.apply_all(&edits).unwrap();
    let older = state.clone();
    let field = Edit::CreateField {
        id: FieldId(1),
        measurement: MeasurementId(500),
        name: "v".into(),
        field_type: FieldType::Float,
    };
    state.apply_all(&[field]).unwrap();
    let shared = state
        .measurements
        .iter()
        .filter(|(id, measurement)| Arc::ptr_eq(measurement, older.measurements.get(id).unwrap()))
        .count();
    assert_eq!(shared, 999);
    assert!(older.field(FieldId(1)).is_none());
}
