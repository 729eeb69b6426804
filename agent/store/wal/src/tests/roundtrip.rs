//! Points in, the same points out; arbitrary bytes never panic.

use proptest::prelude::*;
use weir_model::FieldType;
use weir_model::read::{Column, Strings};

use super::*;
use crate::format::RecordHeader;

/// Values with nulls, as options, for one column.
fn column(rows: usize) -> impl Strategy<Value = PointColumn> {
    let float = prop_oneof![
        (-1_000_000i64..1_000_000).prop_map(|m| m as f64 / 100.0),
        any::<f64>(),
        Just(-0.0),
        (0i64..50).prop_map(|m| m as f64)
    ];
    let integer = prop_oneof![any::<i64>(), -100i64..100];
    let valid = prop_oneof![
        Just(Validity::All),
        Just(Validity::None),
        prop::collection::vec(any::<bool>(), rows).prop_map(|bits| {
            let mut words = vec![0u64; bits.len().div_ceil(64)];
            bits.iter().enumerate().filter(|(_, b)| **b).for_each(|(i, _)| words[i / 64] |= 1 << (i % 64));
            Validity::Bits(words)
        }),
    ];
    let values = prop_oneof![
        prop::collection::vec(float, rows).prop_map(Values::Float),
        prop::collection::vec(integer, rows).prop_map(Values::Integer),
        prop::collection::vec(any::<u64>(), rows).prop_map(Values::Unsigned),
        prop::collection::vec(any::<bool>(), rows).prop_map(Values::Boolean),
        prop::collection::vec("[a-zé]{0,12}", rows)
            .prop_map(|v| Values::String(v.iter().map(String::as_str).collect::<Strings>())),
    ];
    (any::<u32>(), values, valid)
        .prop_map(|(field, values, valid)| PointColumn { field, column: Column { values, valid } })
}

fn points() -> impl Strategy<Value = Points> {
    let rows = prop_oneof![1usize..12, 1usize..300, Just(1_024), 1_020usize..2_500];
    rows.prop_flat_map(|rows| {
        let times = prop_oneof![
            prop::collection::vec(any::<i64>(), rows),
            (0i64..1_000_000)
                .prop_map(move |t| (0..rows as i64).map(|i| t + i / 10 * 1_000_000_000).collect())
        ];
        let series = prop_oneof![
            prop::collection::vec(any::<u64>(), rows),
            (0u64..1 << 40).prop_map(move |s| (0..rows as u64).map(|i| s + i % 10).collect())
        ];
        let columns = prop::collection::vec(column(rows), 0..5);
        (any::<u32>(), any::<u32>(), series, times, columns).prop_map(
            |(group, measurement, series, times, columns)| Points {
                group,
                measurement,
                series,
                times,
                columns,
            },
        )
    })
}

fn write(all: &[Points], scale: Option<u8>) -> Group {
    let columns: Vec<Vec<ColumnView<'_>>> = all
        .iter()
        .map(|points| {
            points
                .columns
                .iter()
                .map(|c| ColumnView {
                    field: c.field,
                    values: &c.column.values,
                    valid: &c.column.valid,
                    scale,
                })
                .collect()
        })
        .collect();
    let views: Vec<PointsView<'_>> = all
        .iter()
        .zip(&columns)
        .map(|(points, columns)| PointsView {
            group: points.group,
            measurement: points.measurement,
            series: &points.series,
            times: &points.times,
            columns,
        })
        .collect();
    let mut group = Group::new();
    group.push_points(4, 9, &views);
    group
}

/// Writes to a log and reads it back.
fn through_the_log(group: &mut Group) -> Vec<Points> {
    let (fs, mut log) = fresh();
    log.append(5, group).unwrap();
    let mut found = Vec::new();
    for group in scan(&fs, &[]).groups() {
        for record in group.unwrap().records() {
            match record.unwrap() {
                Record::Points { policy: 4, source: 9, points } => found.extend(points),
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

fn assert_same(a: &Points, b: &Points) {
    assert_eq!((a.group, a.measurement, &a.series, &a.times), (b.group, b.measurement, &b.series, &b.times));
    assert_eq!(a.columns.len(), b.columns.len());
    for (x, y) in a.columns.iter().zip(&b.columns) {
        assert_eq!((x.field, x.column.values.field_type()), (y.field, y.column.values.field_type()));
        for row in 0..a.times.len() {
            let show = |c: &PointColumn| {
                c.column.get(row).map(|value| match value {
                    weir_model::FieldValue::Float(f) => format!("{:016x}", f.to_bits()),
                    other => format!("{other:?}"),
                })
            };
            assert_eq!(show(x), show(y), "row {row}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn points_come_back(all in prop::collection::vec(points(), 1..4), scale in prop::option::of(0u8..30)) {
        let mut group = write(&all, scale);
        let found = through_the_log(&mut group);
        prop_assert_eq!(found.len(), all.len());
        all.iter().zip(&found).for_each(|(a, b)| assert_same(a, b));
    }

    #[test]
    fn joined_groups_are_read_like_one(a in points(), b in points()) {
        let mut group = write(std::slice::from_ref(&a), None);
        group.extend(&write(std::slice::from_ref(&b), None));
        prop_assert_eq!(group.points(), (a.times.len() + b.times.len()) as u64);
        let found = through_the_log(&mut group);
        assert_same(&a, &found[0]);
        assert_same(&b, &found[1]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_payloads_never_panic(
        payload in prop::collection::vec(any::<u8>(), 0..400),
        kind in 0u8..6, flags in 0u8..2, points in 0u32..5_000,
    ) {
        let header =
            RecordHeader { payload_len: payload.len() as u32, kind, flags, source: 0, policy: 1, seq: 1, points };
        let _ = record::decode(header, &payload);
    }

    #[test]
    fn damaged_payloads_never_panic(all in points(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let group = write(std::slice::from_ref(&all), None);
        let mut payload = group.first_payload().to_vec();
        let at = at.index(payload.len());
        payload[at] = byte;
        let points = all.times.len() as u32;
        let header =
            RecordHeader { payload_len: payload.len() as u32, kind: 2, flags: 0, source: 0, policy: 1, seq: 1, points };
        let _ = record::decode(header, &payload);
    }

    #[test]
    fn arbitrary_files_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20_000), end in prop::option::of(0u32..30_000)) {
        let scan = scan::scan_file(&bytes, 7, end);
        prop_assert!(scan.groups.is_empty());
    }

    #[test]
    fn forged_files_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..9_000),
        lens in prop::collection::vec((0usize..3, 0u32..9_000, 0u32..200), 0..4),
        end in prop::option::of(0u32..30_000),
    ) {
        let mut bytes = bytes;
        for (page, len, record) in lens {
            if let Some(at) = bytes.get_mut(page * PAGE..page * PAGE + 32) {
                at[..4].copy_from_slice(&len.to_le_bytes());
                at[24..28].copy_from_slice(&record.to_le_bytes());
            }
        }
        let report = inspect_file(&forge_file(&bytes), end).unwrap();
        prop_assert!(report.groups < 4);
    }
}

#[test]
fn large_batches_are_cut_into_records_and_read_back() {
    let rows = 100_000;
    let floats: Vec<f64> = (0..rows).map(|i| f64::from(i % 1000) / 10.0).collect();
    let one =
        PointColumn { field: 1, column: Column { values: Values::Float(floats), valid: Validity::All } };
    let columns = (0..60).map(|field| PointColumn { field, ..one.clone() }).collect();
    let times = (0..i64::from(rows)).map(|i| i / 100 * 10_000_000_000).collect();
    let series = (0..rows as u64).map(|i| i % 100).collect();
    let all = Points { group: 1, measurement: 2, series, times, columns };
    let mut group = write(std::slice::from_ref(&all), Some(1));
    let values = f64::from(rows) * 60.0;
    let per_value = group.len() as f64 / values;
    assert!(per_value < 1.6, "{per_value} bytes per value");
    let found = through_the_log(&mut group);
    assert!(found.len() > 1, "the batch was cut");
    assert_eq!(found.iter().map(|p| p.times.len()).sum::<usize>(), rows as usize);
    let times: Vec<i64> = found.iter().flat_map(|p| p.times.iter().copied()).collect();
    assert_eq!(times, all.times);
}

#[test]
fn a_report_counts_what_a_file_holds() {
    let (fs, mut log) = fresh();
    for seq in 1..=3 {
        append(&mut log, seq, 200).unwrap();
    }
    let bytes = fs.peek(&newest(&fs)).unwrap();
    let report = inspect_file(&bytes, None).unwrap();
    assert_eq!((report.groups, report.records, report.definitions, report.points), (3, 6, 3, 600));
    assert_eq!((report.seqs, report.damage.len(), report.undecodable.len()), (Some((1, 3)), 0, 0));
    assert!(inspect_file(&[0; 8192], None).is_none());
}

#[test]
fn an_empty_group_and_a_generation_mark_are_fine() {
    let (fs, mut log) = fresh();
    let mut group = Group::new();
    group.push_points(1, 0, &[]);
    assert!(group.is_empty());
    log.append(1, &mut group).unwrap();
    group.push_generation(7);
    log.append(2, &mut group).unwrap();
    let log = scan(&fs, &[]);
    let records: Vec<_> =
        log.groups().flat_map(|g| g.unwrap().records().map(Result::unwrap).collect::<Vec<_>>()).collect();
    assert!(matches!(records[..], [Record::Generation { generation: 7 }]), "{records:?}");
    assert_eq!(FieldType::ALL.len(), 5, "a new type needs a case in points/columns.rs");
}
