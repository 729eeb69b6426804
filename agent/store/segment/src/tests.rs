//! Claims about whole segments: what is read is what was written, and damage is an error, never a panic or another answer.

use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use weir_model::read::{Column, Number, Strings, Validity, Values};
use weir_model::{FieldType, TimeRange};

use super::*;

/// A series as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plain {
    measurement: u32,
    id: u64,
    times: Vec<i64>,
    /// (field, debug text of each value); fields that are null everywhere are left out.
    columns: Vec<(u32, Vec<Option<String>>)>,
}

#[derive(Clone, Debug)]
struct TestColumn {
    field: u32,
    values: Values,
    valid: Validity,
}

#[derive(Clone, Debug)]
struct TestStripe {
    measurement: u32,
    series: Vec<(u64, u32)>,
    times: Vec<i64>,
    columns: Vec<TestColumn>,
}

fn borrow(values: &Values) -> StripeValues<'_> {
    match values {
        Values::Float(v) => StripeValues::Float(v),
        Values::Integer(v) => StripeValues::Integer(v),
        Values::Unsigned(v) => StripeValues::Unsigned(v),
        Values::Boolean(v) => StripeValues::Boolean(v),
        Values::String(v) => StripeValues::String(v),
        Values::Absent => StripeValues::Boolean(&[]),
    }
}

fn write(stripes: &[TestStripe]) -> Vec<u8> {
    write_as(stripes, false)
}

fn write_as(stripes: &[TestStripe], dense: bool) -> Vec<u8> {
    let facts = SegmentFacts { store_id: [7; 16], group_start: 0, gen_lo: 1, gen_hi: 2, level: 0 };
    let mut writer = SegmentWriter::new(Vec::new(), facts).unwrap().dense(dense);
    for (i, stripe) in stripes.iter().enumerate() {
        let columns: Vec<_> = stripe
            .columns
            .iter()
            .map(|c| StripeColumn { field: c.field, values: borrow(&c.values), valid: &c.valid })
            .collect();
        let key = format!("m{:03},h={i:03}", stripe.measurement);
        writer
            .push(&StripeInput {
                measurement: stripe.measurement,
                series: &stripe.series,
                times: &stripe.times,
                columns: &columns,
                first_key: key.as_bytes(),
                last_key: key.as_bytes(),
            })
            .unwrap();
    }
    let (bytes, written) = writer.finish().unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    assert_eq!(written.points, stripes.iter().map(|s| s.times.len() as u64).sum::<u64>());
    bytes
}

fn plain(stripe: &TestStripe) -> Vec<Plain> {
    let mut start = 0;
    let mut out = Vec::new();
    let n = stripe.times.len();
    for &(id, points) in &stripe.series {
        let rows = start..start + points as usize;
        start = rows.end;
        let columns = stripe
            .columns
            .iter()
            .filter(|c| (0..n).any(|i| c.valid.is_valid(i)))
            .map(|c| {
                let column = Column { values: c.values.clone(), valid: c.valid.clone() };
                (c.field, rows.clone().map(|i| column.get(i).map(|v| text(&v))).collect())
            })
            .collect();
        out.push(Plain { measurement: stripe.measurement, id, times: stripe.times[rows].to_vec(), columns });
    }
    out
}

fn text(value: &weir_model::FieldValue<'_>) -> String {
    match value {
        weir_model::FieldValue::Float(v) => format!("{:x}", v.to_bits()),
        other => format!("{other:?}"),
    }
}

/// Only `read_at`, as a file has it.
struct File(Vec<u8>);
impl ReadAt for File {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }
}

fn read(source: Arc<dyn ReadAt>) -> Result<Vec<Plain>, SegmentError> {
    let segment = Arc::new(Segment::open(source)?);
    let mut scan = SeriesScan::new(Arc::clone(&segment));
    let mut points = SeriesPoints::default();
    let mut out = Vec::new();
    while scan.next(&mut points)? {
        let columns = points
            .fields
            .iter()
            .zip(&points.columns)
            .map(|(&f, c)| (f, (0..points.times.len()).map(|i| c.get(i).map(|v| text(&v))).collect()))
            .collect();
        out.push(Plain {
            measurement: points.measurement,
            id: points.series,
            times: points.times.clone(),
            columns,
        });
    }
    segment.verify()?;
    Ok(out)
}

fn values(field_type: FieldType, n: usize, seed: u64) -> Values {
    let number = |i: usize| (i as u64).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 7;
    match field_type {
        FieldType::Float if seed.is_multiple_of(2) => {
            Values::Float((0..n).map(|i| (number(i) % 1000) as f64 / 10.0).collect())
        }
        FieldType::Float => Values::Float((0..n).map(|i| f64::from_bits(number(i) << 30)).collect()),
        FieldType::Integer => Values::Integer((0..n).map(|i| number(i) as i64 % 100 - 50).collect()),
        FieldType::Unsigned => Values::Unsigned((0..n).map(|i| u64::MAX - number(i) % 9).collect()),
        FieldType::Boolean => Values::Boolean((0..n).map(|i| number(i) % 3 == 0).collect()),
        FieldType::String => {
            let list: Vec<String> = (0..n).map(|i| format!("text {}", number(i) % 50)).collect();
            Values::String(list.iter().map(String::as_str).collect::<Strings>())
        }
    }
}

fn any_stripe(measurement: u32) -> impl Strategy<Value = TestStripe> {
    let series = proptest::collection::vec(
        (any::<u64>(), prop_oneof![8 => 1u32..12, 2 => 50u32..80, 1 => 900u32..2500]),
        1..12,
    );
    let columns = proptest::collection::btree_map(
        1u32..50,
        (0usize..5, any::<u64>(), prop_oneof![Just(0u8), Just(1), 2u8..6]),
        0..5,
    );
    (series, columns, 1i64..1_000_000_000).prop_map(move |(series, columns, step)| {
        let times: Vec<i64> = series
            .iter()
            .flat_map(|&(id, points)| {
                (0..i64::from(points))
                    .map(move |i| (id % 3) as i64 + i * step + (id as i64 & 1) * (i % 7) % step)
            })
            .collect();
        let n = times.len();
        let columns = columns
            .into_iter()
            .map(|(field, (kind, seed, nulls))| TestColumn {
                field,
                values: values(FieldType::ALL[kind], n, seed),
                valid: match nulls {
                    0 => Validity::All,
                    1 => Validity::None,
                    k => Validity::Bits(
                        (0..n.div_ceil(64))
                            .map(|w| if w % 40 > 20 { 0 } else { seed.rotate_left(w as u32 * u32::from(k)) })
                            .collect(),
                    ),
                },
            })
            .collect();
        TestStripe { measurement, series, times: ascending(times), columns }
    })
}

/// Times within a series must ascend strictly; the generator may produce equal ones for tiny steps.
fn ascending(mut times: Vec<i64>) -> Vec<i64> {
    for i in 1..times.len() {
        let restart = times[i] < times[i - 1] - 1_000;
        if !restart && times[i] <= times[i - 1] {
            times[i] = times[i - 1] + 1;
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_read_is_what_was_written(a in any_stripe(1), b in any_stripe(1), c in any_stripe(4)) {
        // One type per field and measurement.
        let mut b = b;
        b.columns.retain(|x| a.columns.iter().all(|y| x.field != y.field || x.values.field_type() == y.values.field_type()));
        let stripes = [a, b, c];
        let expected: Vec<Plain> = stripes.iter().flat_map(plain).collect();
        for dense in [false, true] {
            let bytes = write_as(&stripes, dense);
            let segment = Arc::new(Segment::open(Arc::new(bytes.clone())).unwrap());
            let mut scan = SeriesScan::new(segment).in_parts_of(100);
            let (mut points, mut rows) = (SeriesPoints::default(), Vec::new());
            while scan.next(&mut points).unwrap() {
                prop_assert!(points.times.len() < 100 + BLOCK_POINTS_MAX && !points.times.is_empty());
                rows.extend(points.times.iter().map(|&t| (points.measurement, points.series, t)));
            }
            let whole = expected.iter().flat_map(|p| p.times.iter().map(|&t| (p.measurement, p.id, t)));
            prop_assert!(rows.into_iter().eq(whole));
            prop_assert_eq!(&read(Arc::new(bytes.clone())).unwrap(), &expected);
            prop_assert_eq!(&read(Arc::new(File(bytes))).unwrap(), &expected);
        }
    }

    #[test]
    fn single_series_are_found_with_span_and_statistics(stripe in any_stripe(3)) {
        let segment = Arc::new(Segment::open(Arc::new(write(std::slice::from_ref(&stripe)))).unwrap());
        prop_assert_eq!(segment.points(), stripe.times.len() as u64);
        let directory = segment.directory(0).unwrap();
        let mut found = Vec::new();
        for (i, series) in plain(&stripe).iter().enumerate() {
            found.clear();
            segment.locate(3, series.id, &mut found).unwrap();
            let same_id = stripe.series.iter().filter(|s| s.0 == series.id).count();
            prop_assert!(same_id > 1 || found == [(0, i)]);
            let span = directory.span(i).unwrap();
            let (first, last) = (series.times[0], series.times[series.times.len() - 1]);
            prop_assert!(span.covers(TimeRange::new(first, last)));
            if series.times.len() >= 64 {
                prop_assert_eq!(span, TimeRange::new(first, last));
                for (c, (_, values)) in series.columns.iter().enumerate() {
                    let statistics = segment.statistics(&directory, c).unwrap();
                    let count: u32 = directory.pieces(i).map(|p| { assert!(p.alone); statistics.unit(p.unit).count }).sum();
                    prop_assert_eq!(count as usize, values.iter().flatten().count());
                }
            }
        }
    }
}

fn small() -> Vec<TestStripe> {
    let times: Vec<i64> = (0..100).map(|i| i * 10).chain(0..5).chain(3..20).collect();
    let n = times.len();
    let column = |field, kind, valid| TestColumn { field, values: values(kind, n, u64::from(field)), valid };
    vec![TestStripe {
        measurement: 1,
        series: vec![(10, 100), (5, 5), (77, 17)],
        times,
        columns: vec![
            column(1, FieldType::Float, Validity::All),
            column(2, FieldType::Float, Validity::Bits(vec![u64::MAX, 5])),
            column(3, FieldType::String, Validity::All),
            column(4, FieldType::Boolean, Validity::Bits(vec![0x00FF_00FF_00FF_00FF, 9])),
            column(5, FieldType::Integer, Validity::All),
            column(6, FieldType::Unsigned, Validity::All),
        ],
    }]
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = write(&small());
    for len in 0..bytes.len() {
        assert!(Segment::open(Arc::new(bytes[..len].to_vec())).is_err(), "cut to {len}");
    }
}

/// A stripe of which all columns become dense: a walk, two decimals with nulls, jittered times.
fn walks() -> Vec<TestStripe> {
    let number = |i: usize| ((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as i64;
    let small = |i: usize| (0..5).map(|k| number(5 * i + k) % 3).sum::<i64>() - 5;
    let times: Vec<i64> = (0..1_500)
        .map(|i| {
            (i as i64 % 500) * 10_000_000_000
                + 1_000_000 * (small(i) + (number(i) % 40) * i64::from(i % 9 == 0))
        })
        .collect();
    let mut x = 50;
    let walk: Vec<i64> = (0..1_500)
        .map(|i| {
            x += small(i);
            x
        })
        .collect();
    let decimals = walk.iter().map(|x| *x as f64 / 100.0).collect();
    vec![TestStripe {
        measurement: 1,
        series: vec![(10, 500), (5, 500), (77, 500)],
        times,
        columns: vec![
            TestColumn {
                field: 1,
                values: Values::Unsigned(walk.iter().map(|&x| x as u64).collect()),
                valid: Validity::All,
            },
            TestColumn { field: 2, values: Values::Integer(walk), valid: Validity::All },
            TestColumn {
                field: 3,
                values: Values::Float(decimals),
                valid: Validity::Bits(vec![!1 << 40 | 0xFFFF; 24]),
            },
        ],
    }]
}

#[test]
fn dense_segments_are_smaller_and_say_the_same() {
    let (light, dense) = (write(&walks()), write_as(&walks(), true));
    assert!(dense.len() * 100 < light.len() * 95, "{} {}", dense.len(), light.len());
    let expected: Vec<Plain> = walks().iter().flat_map(plain).collect();
    assert_eq!(read(Arc::new(dense.clone())).unwrap(), expected);
    assert_eq!(read(Arc::new(File(dense.clone()))).unwrap(), expected);
    for i in 0..dense.len() {
        let mut changed = dense.clone();
        changed[i] ^= 1 << (i % 8);
        assert!(read(Arc::new(changed.clone())).is_err(), "byte {i}");
        forge_checksums(&mut changed);
        let _ = read(Arc::new(changed));
    }
}

#[test]
fn any_changed_byte_is_noticed() {
    let bytes = write(&small());
    for i in 0..bytes.len() {
        for mask in [1u8, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[i] ^= mask;
            assert!(read(Arc::new(changed)).is_err(), "byte {i} ^ {mask:#x}");
        }
    }
}

#[test]
fn damage_behind_a_right_checksum_does_not_panic() {
    let bytes = write(&small());
    let mut same = bytes.clone();
    forge_checksums(&mut same);
    assert_eq!(same, bytes);
    let mut accepted = 0;
    for i in 0..bytes.len() {
        for mask in [1u8, 0x40, 0xFF] {
            let mut changed = bytes.clone();
            changed[i] ^= mask;
            forge_checksums(&mut changed);
            accepted += usize::from(read(Arc::new(changed)).is_ok());
        }
    }
    // Many changes give other valid data; what breaks what the parts say about each other is noticed.
    assert!(accepted < 2 * bytes.len(), "{accepted} of {}", 3 * bytes.len());
}

#[test]
fn statistics_know_exact_sums_ties_and_nulls() {
    let times: Vec<i64> = (0..64).collect();
    let mut floats: Vec<f64> = (0..64).map(|i| f64::from(i % 8)).collect();
    floats[8] = -0.0;
    let halves: Vec<f64> = floats.iter().map(|v| v + 0.5).collect();
    let column = |field, v| TestColumn { field, values: Values::Float(v), valid: Validity::All };
    let mut nan = halves.clone();
    nan[3] = f64::NAN;
    let stripe = TestStripe {
        measurement: 1,
        series: vec![(1, 64)],
        times,
        columns: vec![
            column(1, floats),
            column(2, halves),
            column(3, nan),
            TestColumn {
                field: 4,
                values: values(FieldType::Integer, 64, 0),
                valid: Validity::Bits(vec![2]),
            },
        ],
    };
    let segment = Segment::open(Arc::new(write(&[stripe]))).unwrap();
    let directory = segment.directory(0).unwrap();
    let unit = |column| segment.statistics(&directory, column).unwrap().unit(0);
    let first = unit(0);
    assert_eq!(first.min_max, Some((Number::Float(0.0), Number::Float(7.0))));
    assert!(matches!(first.min_max, Some((Number::Float(v), _)) if v.is_sign_positive()));
    assert_eq!(first.exact_sum, Some((Number::Float(224.0), 224.0)));
    assert_eq!(unit(1).exact_sum, None);
    assert_eq!(unit(1).first_last, Some((Number::Float(0.5), Number::Float(7.5))));
    assert_eq!((unit(2).count, unit(2).min_max), (64, None));
    assert_eq!(unit(3).count, 1);
}

#[test]
fn the_writer_refuses_what_breaks_the_format() {
    let refuse = |change: &dyn Fn(&mut TestStripe)| {
        let mut stripe = small().remove(0);
        change(&mut stripe);
        let columns: Vec<_> = stripe
            .columns
            .iter()
            .map(|c| StripeColumn { field: c.field, values: borrow(&c.values), valid: &c.valid })
            .collect();
        let mut writer = SegmentWriter::new(Vec::new(), SegmentFacts::default()).unwrap();
        let input = StripeInput {
            measurement: stripe.measurement,
            series: &stripe.series,
            times: &stripe.times,
            columns: &columns,
            first_key: b"a",
            last_key: b"b",
        };
        matches!(writer.push(&input), Err(SegmentError::Input { .. }))
    };
    assert!(!refuse(&|_| {}));
    assert!(refuse(&|s| s.times[1] = 0));
    assert!(refuse(&|s| s.series[0].1 = 3));
    assert!(refuse(&|s| s.series.push((9, 0))));
    assert!(refuse(&|s| s.columns[1].field = 1));
    assert!(refuse(&|s| s.columns[0].values = values(FieldType::Float, 3, 1)));
    assert!(refuse(&|s| s.columns[0].valid = Validity::Bits(vec![])));
    assert!(refuse(&|s| {
        s.times.clear();
        s.series.clear();
        s.columns.clear();
    }));
}

#[test]
fn an_empty_segment_is_a_segment() {
    let segment = Arc::new(Segment::open(Arc::new(write(&[]))).unwrap());
    assert_eq!((segment.span(), segment.points(), segment.stripes().len()), (None, 0, 0));
    segment.verify().unwrap();
}

#[test]
fn a_later_format_is_named() {
    let mut bytes = write(&[]);
    bytes[8] = 2;
    let sum = crc32fast::hash(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    assert!(matches!(Segment::open(Arc::new(bytes)), Err(SegmentError::Format { format: 2 })));
}

#[test]
fn a_known_segment_does_not_change() {
    let mut stripes = small();
    // Compressed text may change with the version of zstd.
    stripes[0].columns.remove(2);
    let bytes = write(&stripes);
    let found = (bytes.len(), crc32fast::hash(&bytes));
    // Where the codecs merely choose better, pin the new bytes; where the layout changes, it needs a new version.
    assert_eq!(found, (1_818, 1_782_611_294));
}
