//! What is read equals a plain map, whatever lies in arenas, in sealed runs and in files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_fs::SimFs;
use weir_model::TimeRange;
use weir_model::admin::Admin;
use weir_model::read::{
    Buckets, Chunk, Number, ReadContext, ReadError, ScanRequest, SeriesNo, Source, Table, TagFilter,
};

use crate::Store;
use crate::tests::{Contents, HOUR, NOW, Point, Random, Value, apply, open, point, target, write};

const DAY: i64 = 24 * HOUR;

/// A row as expected or found: time, and a value or null for each asked field.
type Row = (i64, Vec<Option<Value>>);

fn request(series: &[SeriesNo], fields: &[&str], range: TimeRange) -> ScanRequest {
    ScanRequest {
        series: series.into(),
        fields: fields.iter().map(|&field| field.into()).collect(),
        range,
        descending: false,
        summaries: None,
        context: Arc::new(ReadContext::unlimited()),
    }
}

fn all_series(table: &dyn Table, range: TimeRange) -> Vec<SeriesNo> {
    table.select_series(&TagFilter::All, range, &ReadContext::unlimited()).unwrap()
}

/// Everything a scan gives, by series key. Checks what holds for every scan.
fn read(table: &dyn Table, request: ScanRequest) -> BTreeMap<String, Vec<Row>> {
    let (series, width, descending) = (Arc::clone(&request.series), request.fields.len(), request.descending);
    let mut scan = table.scan(request).unwrap();
    let mut out: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut chunk = Chunk::default();
    let mut last = None;
    while scan.next(&mut chunk).unwrap() {
        assert!(chunk.summary.is_none());
        assert!((1..=1_024).contains(&chunk.times.len()));
        assert_eq!(chunk.columns.len(), width);
        assert!(last.is_none_or(|last| last <= chunk.series), "series come in the order asked");
        last = Some(chunk.series);
        let rows = out.entry(table.series_key(series[chunk.series]).as_str().to_owned()).or_default();
        for (i, &time) in chunk.times.iter().enumerate() {
            let values: Vec<_> = chunk.columns.iter().map(|column| column.get(i).map(Value::from)).collect();
            assert!(values.iter().any(Option::is_some), "rows of nulls are left out");
            assert!(rows.last().is_none_or(|row: &Row| (row.0 < time) != descending && row.0 != time));
            rows.push((time, values));
        }
    }
    assert!(!scan.next(&mut chunk).unwrap(), "the end stays the end");
    out
}

fn expected(
    model: &Contents,
    measurement: &str,
    fields: &[&str],
    range: TimeRange,
    descending: bool,
) -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, BTreeMap<i64, Vec<Option<Value>>>> = BTreeMap::new();
    for ((key, time, field), value) in model {
        let at = fields.iter().position(|f| f == field);
        if let Some(at) = at
            && key.split(',').next() == Some(measurement)
            && range.contains(*time)
        {
            let row = rows.entry(key.clone()).or_default().entry(*time);
            row.or_insert_with(|| vec![None; fields.len()])[at] = Some(value.clone());
        }
    }
    rows.into_iter()
        .map(|(key, rows)| {
            let mut rows: Vec<Row> = rows.into_iter().collect();
            if descending {
                rows.reverse();
            }
            (key, rows)
        })
        .collect()
}

/// Batches of overlapping, late, overwriting and long runs.
fn random_points(random: &mut Random) -> Vec<Point> {
    let mut points = Vec::new();
    let day = |random: &mut Random| i64::try_from(random.below(3)).unwrap() * 10 * DAY;
    for _ in 0..1 + random.below(4) {
        let key = format!("m{},a={},b={}", random.below(2), random.below(3), random.below(3));
        let long = random.below(6) == 0;
        let n = if long { 200 + random.below(2_500) } else { 1 + random.below(60) };
        let start = NOW - day(random) + i64::try_from(random.below(400)).unwrap();
        let step = 1 + i64::try_from(random.below(3)).unwrap();
        for i in 0..i64::try_from(n).unwrap() {
            let mut fields = Vec::new();
            for f in 0..5u64 {
                if random.below(4) > 0 {
                    let x = random.next();
                    let value = match f {
                        0 => Value::F((x % 1_000) as f64 / 8.0),
                        1 => Value::I((x % 2_000) as i64 - 1_000),
                        2 => Value::U(x),
                        3 => Value::B(x.is_multiple_of(2)),
                        _ => Value::S(format!("s{}", x % 10)),
                    };
                    fields.push((format!("f{f}"), value));
                }
            }
            if fields.is_empty() {
                fields.push(("f1".to_owned(), Value::I(0)));
            }
            points.push(Point { key: key.clone(), time: start + i * step, fields });
        }
    }
    points
}

/// Runs random writes and flushes, and calls `check` now and then.
fn with_random_stores(seeds: std::ops::Range<u64>, check: impl Fn(&Store, &Contents, &mut Random)) {
    for seed in seeds {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut model = Contents::new();
        let store = open(&SimFs::new());
        let mut writers = [store.writer(), store.writer()];
        for _ in 0..8 {
            for _ in 0..random.below(4) {
                let points = random_points(&mut random);
                let writer = &mut writers[random.below(2) as usize];
                let outcomes = write(writer, &target("db"), &points).unwrap();
                assert!(outcomes.iter().all(Result::is_ok));
                apply(&mut model, &points);
            }
            if random.below(2) == 0 {
                store.flush().unwrap();
            }
            check(&store, &model, &mut random);
        }
    }
}

fn random_range(random: &mut Random) -> TimeRange {
    let time = |random: &mut Random| {
        NOW - i64::try_from(random.below(3)).unwrap() * 10 * DAY + i64::try_from(random.below(3_000)).unwrap()
    };
    let (a, b) = (time(random), time(random));
    if random.below(4) == 0 { TimeRange::ALL } else { TimeRange::new(a.min(b), a.max(b)) }
}

fn random_fields(random: &mut Random) -> Vec<&'static str> {
    let all = ["f0", "f1", "f2", "f3", "f4", "none"];
    let mut fields: Vec<_> = all.into_iter().filter(|_| random.below(2) == 0).collect();
    if random.below(2) == 0 {
        fields.reverse();
    }
    if fields.is_empty() { vec!["f1"] } else { fields }
}

#[test]
fn scans_equal_a_plain_map() {
    with_random_stores(0..8, |store, model, random| {
        let snapshot = store.snapshot().unwrap();
        for measurement in ["m0", "m1"] {
            let Some(table) = snapshot.table("db", "autogen", measurement) else {
                assert!(!model.keys().any(|(key, ..)| key.starts_with(measurement)));
                continue;
            };
            for _ in 0..4 {
                let (range, fields) = (random_range(random), random_fields(random));
                let series = all_series(&*table, range);
                let keys: Vec<_> = series.iter().map(|&s| table.series_key(s)).collect();
                assert!(keys.is_sorted());
                let descending = random.below(2) == 0;
                let found = read(&*table, ScanRequest { descending, ..request(&series, &fields, range) });
                let expected = expected(model, measurement, &fields, range, descending);
                assert!(found.keys().eq(expected.keys()), "{range:?}");
                for (key, rows) in &expected {
                    let found = &found[key];
                    let differs = found.iter().zip(rows).position(|(a, b)| a != b);
                    let differs =
                        differs.or((found.len() != rows.len()).then(|| found.len().min(rows.len())));
                    if let Some(i) = differs {
                        panic!(
                            "{key} {fields:?} {range:?} descending: {descending}, row {i} of {}: {:?}, expected {:?}",
                            rows.len(),
                            found.get(i),
                            rows.get(i)
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn summaries_and_points_together_make_up_the_whole() {
    with_random_stores(100..105, |store, model, random| {
        let snapshot = store.snapshot().unwrap();
        let Some(table) = snapshot.table("db", "autogen", "m0") else { return };
        let (range, fields) = (random_range(random), ["f0", "f1", "f4"]);
        let every = [1_000, 5_000, DAY, i64::MAX][random.below(4) as usize];
        let buckets = Buckets { every, offset: 17 };
        let series = all_series(&*table, range);
        let request = ScanRequest { summaries: Some(buckets), ..request(&series, &fields, range) };
        let mut expected = expected(model, "m0", &fields, range, false);
        let mut scan = table.scan(request).unwrap();
        let mut chunk = Chunk::default();
        while scan.next(&mut chunk).unwrap() {
            let rows = expected.get_mut(table.series_key(series[chunk.series]).as_str()).unwrap();
            let Some(summary) = &chunk.summary else {
                let taken: Vec<_> = rows.drain(..chunk.times.len()).map(|row| row.0).collect();
                assert_eq!(chunk.times, taken);
                continue;
            };
            assert!(chunk.times.is_empty() && range.covers(summary.span));
            assert!(
                every == i64::MAX
                    || (summary.span.min - 17).div_euclid(every) == (summary.span.max - 17).div_euclid(every)
            );
            let n = rows.iter().take_while(|row| row.0 <= summary.span.max).count();
            let taken: Vec<Row> = rows.drain(..n).collect();
            assert!(taken.iter().all(|row| summary.span.contains(row.0)));
            for (c, column) in summary.columns.iter().enumerate() {
                let values: Vec<&Value> = taken.iter().filter_map(|row| row.1[c].as_ref()).collect();
                assert_eq!(column.count, values.len() as u64);
                let integers = values.iter().filter_map(|value| match value {
                    Value::I(i) => Some(*i),
                    _ => None,
                });
                if c == 1 && column.count > 0 {
                    let min_max = (integers.clone().min().unwrap(), integers.clone().max().unwrap());
                    assert_eq!(
                        column.min_max,
                        Some((Number::Integer(min_max.0), Number::Integer(min_max.1)))
                    );
                    assert_eq!(column.exact_sum.map(|sum| sum.0), Some(Number::Integer(integers.sum())));
                }
            }
        }
        assert!(expected.values().all(Vec::is_empty), "{expected:?}");
    });
}

#[test]
fn summaries_answer_what_lies_alone_in_a_file() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    let points: Vec<_> = (0..5_000).map(|i| point("m", NOW + i, &[("v", Value::I(1))])).collect();
    write(&mut writer, &target("db"), &points).unwrap();
    store.flush().unwrap();
    // One late point ties one block only.
    write(&mut writer, &target("db"), &[point("m", NOW + 1_500, &[("v", Value::I(7))])]).unwrap();
    let table = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    let series = all_series(&*table, TimeRange::ALL);
    let buckets = Some(Buckets { every: i64::MAX, offset: 0 });
    let request = ScanRequest { summaries: buckets, ..request(&series, &["v"], TimeRange::ALL) };
    let mut scan = table.scan(request).unwrap();
    let (mut chunk, mut summarized, mut points) = (Chunk::default(), 0, 0);
    while scan.next(&mut chunk).unwrap() {
        summarized += chunk.summary.as_ref().map_or(0, |summary| summary.columns[0].count);
        points += chunk.times.len();
    }
    assert_eq!((summarized as usize + points, points), (5_000, 1_024));
}

#[test]
fn with_points_in_is_exact() {
    with_random_stores(200..205, |store, model, random| {
        let snapshot = store.snapshot().unwrap();
        let Some(table) = snapshot.table("db", "autogen", "m1") else { return };
        let series = all_series(&*table, TimeRange::ALL);
        for _ in 0..10 {
            let mut range = random_range(random);
            if random.below(2) == 0 {
                range.max = range.min + i64::try_from(random.below(5)).unwrap();
            }
            let found = table.with_points_in(&series, range, &ReadContext::unlimited()).unwrap();
            let found: BTreeSet<_> = found.iter().map(|&s| table.series_key(s).as_str().to_owned()).collect();
            let expected: BTreeSet<_> = model
                .keys()
                .filter(|(key, time, _)| key.starts_with("m1") && range.contains(*time))
                .map(|(key, ..)| key.clone())
                .collect();
            assert_eq!(found, expected, "{range:?}");
        }
    });
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    let put = |writer: &mut crate::Writer, v| {
        write(writer, &target("db"), &[point("m,t=a", NOW, &[("v", Value::I(v))])]).unwrap();
    };
    put(&mut writer, 1);
    let table = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    put(&mut writer, 2);
    store.flush().unwrap();
    put(&mut writer, 3);
    let series = all_series(&*table, TimeRange::ALL);
    let rows = |table: &dyn Table| read(table, request(&series, &["v"], TimeRange::ALL))["m,t=a"].clone();
    assert_eq!(rows(&*table), [(NOW, vec![Some(Value::I(1))])]);
    let newer = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    assert_eq!(rows(&*newer), [(NOW, vec![Some(Value::I(3))])]);
}

#[test]
fn a_later_null_hides_nothing() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    for (field, flush) in [("a", true), ("b", false), ("c", false)] {
        write(&mut writer, &target("db"), &[point("m", NOW, &[(field, Value::I(1))])]).unwrap();
        if flush {
            store.flush().unwrap();
        }
    }
    let table = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    let series = all_series(&*table, TimeRange::ALL);
    let found = read(&*table, request(&series, &["a", "b", "c", "d"], TimeRange::ALL));
    let one = || Some(Value::I(1));
    assert_eq!(found["m"], [(NOW, vec![one(), one(), one(), None])]);
}

#[test]
fn types_may_differ_between_shard_groups() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    for (time, value) in [(NOW - 30 * DAY, Value::F(1.5)), (NOW, Value::S("x".to_owned()))] {
        write(&mut writer, &target("db"), &[point("m", time, &[("v", value)])]).unwrap();
    }
    let table = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    let series = all_series(&*table, TimeRange::ALL);
    let rows = &read(&*table, request(&series, &["v"], TimeRange::ALL))["m"];
    assert_eq!(rows[0].1, [Some(Value::F(1.5))]);
    assert_eq!(rows[1].1, [Some(Value::S("x".to_owned()))]);
    let types = |range| table.fields(range).iter().map(|f| f.field_type.name()).collect::<Vec<_>>();
    assert_eq!(types(TimeRange::ALL), ["float", "string"]);
    assert_eq!(types(TimeRange::new(NOW, NOW)), ["string"]);
}

#[test]
fn names_tags_and_filters() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    let one = [("v", Value::I(1))];
    let points = [
        point("cpu,host=a,zone=x", NOW, &one),
        point("cpu,host=b", NOW - 30 * DAY, &one),
        point("mem", NOW, &one),
    ];
    write(&mut writer, &target("db"), &points).unwrap();
    store.catalog().create_database("other", None).unwrap();
    let snapshot = store.snapshot().unwrap();
    let strings = |list: Vec<Arc<str>>| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    assert_eq!(strings(snapshot.databases()), ["db", "other"]);
    assert_eq!(snapshot.policies("db").unwrap().len(), 1);
    assert!(snapshot.policies("nope").is_none());
    assert_eq!(strings(snapshot.measurements("db", "autogen")), ["cpu", "mem"]);
    assert!(snapshot.measurements("other", "autogen").is_empty());
    assert_eq!(snapshot.shard_groups("db", "autogen").len(), 2);
    assert!(snapshot.table("db", "autogen", "disk").is_none());
    let table = snapshot.table("db", "autogen", "cpu").unwrap();
    assert_eq!(strings(table.tag_keys()), ["host", "zone"]);
    assert_eq!(strings(table.tag_values("host")), ["a", "b"]);
    let select = |filter, range| {
        let series = table.select_series(&filter, range, &ReadContext::unlimited()).unwrap();
        series.iter().map(|&s| table.series_key(s).as_str().to_owned()).collect::<Vec<_>>()
    };
    let recent = TimeRange::new(NOW - DAY, NOW);
    assert_eq!(select(TagFilter::All, TimeRange::ALL), ["cpu,host=a,zone=x", "cpu,host=b"]);
    assert_eq!(select(TagFilter::All, recent), ["cpu,host=a,zone=x"]);
    assert_eq!(select(TagFilter::Equal("zone".into(), "".into()), TimeRange::ALL), ["cpu,host=b"]);
    let series = all_series(&*table, TimeRange::ALL);
    let column = table.tag_column("zone", &series);
    let values: Vec<_> = column.ids.iter().map(|&id| column.values[id as usize].to_string()).collect();
    assert_eq!(values, ["x", ""]);
}

#[test]
fn budget_and_cancellation_end_a_scan() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    let points: Vec<_> = (0..3_000).map(|i| point("m", NOW + i, &[("v", Value::I(i))])).collect();
    write(&mut writer, &target("db"), &points).unwrap();
    store.flush().unwrap();
    let table = store.snapshot().unwrap().table("db", "autogen", "m").unwrap();
    let series = all_series(&*table, TimeRange::ALL);
    let scan = |context: &Arc<ReadContext>| {
        let request =
            ScanRequest { context: Arc::clone(context), ..request(&series, &["v"], TimeRange::ALL) };
        table.scan(request).unwrap()
    };
    let mut chunk = Chunk::default();
    let context = Arc::new(ReadContext::new(1_000));
    assert!(matches!(scan(&context).next(&mut chunk), Err(ReadError::Memory { limit: 1_000 })));
    let context = Arc::new(ReadContext::new(20_000));
    let mut running = scan(&context);
    assert!(running.next(&mut chunk).unwrap());
    context.cancel();
    assert!(matches!(running.next(&mut chunk), Err(ReadError::Cancelled)));
    drop(running);
    assert!(context.charge(20_000).is_ok(), "everything is given back");
}
