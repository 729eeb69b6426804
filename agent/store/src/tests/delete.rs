//! Deletes against a plain map: at once, after seals, flushes, restarts and power cuts.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use super::*;
use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op};
use weir_model::TimeRange;
use weir_model::admin::{Admin, AdminError, Deletion};
use weir_model::read::{Chunk, ReadContext, ScanRequest, Source, TagFilter};

const DAY: i64 = 24 * HOUR;

/// A delete of series of one measurement: of all, or of those whose tag `a` has a value.
#[derive(Clone, Debug)]
struct Delete {
    measurement: String,
    a: Option<String>,
    range: TimeRange,
}

impl Delete {
    fn of(measurement: &str, a: Option<&str>, range: TimeRange) -> Self {
        Self { measurement: measurement.to_owned(), a: a.map(str::to_owned), range }
    }

    fn run(&self, store: &Store) -> Result<(), AdminError> {
        let filter = match &self.a {
            Some(value) => TagFilter::Equal("a".into(), value.as_str().into()),
            None => TagFilter::All,
        };
        let targets = vec![(self.measurement.as_str().into(), filter)];
        store.delete("db", &Deletion { targets, range: self.range })
    }

    fn apply(&self, model: &mut Contents) {
        model.retain(|(key, time, _), _| {
            let mut parts = key.split(',');
            let of_measurement = parts.next() == Some(&self.measurement);
            let tag = self.a.as_ref().map(|value| format!("a={value}"));
            let of_series = tag.is_none_or(|tag| parts.any(|part| *part == tag));
            !(of_measurement && of_series && self.range.contains(*time))
        });
    }
}

/// What queries show of a database's default policy. Checks that exactly those series are listed that have points.
fn shown(store: &Store, what: &str) -> Contents {
    let snapshot = store.snapshot().unwrap();
    let mut out = Contents::new();
    let Some(policies) = snapshot.policies("db") else { return out };
    let policy = policies.iter().find(|policy| policy.is_default).unwrap();
    for measurement in snapshot.measurements("db", &policy.name) {
        let table = snapshot.table("db", &policy.name, &measurement).unwrap();
        let context = Arc::new(ReadContext::unlimited());
        let series = table.select_series(&TagFilter::All, TimeRange::ALL, &context).unwrap();
        assert!(!series.is_empty(), "{what}: {measurement} has no series");
        assert_eq!(
            table.with_points_in(&series, TimeRange::ALL, &context).unwrap(),
            series,
            "{what}: ghosts"
        );
        let names: BTreeSet<_> = table.fields(TimeRange::ALL).into_iter().map(|field| field.name).collect();
        let fields: Vec<_> = names.into_iter().collect();
        let mut scan = table
            .scan(ScanRequest {
                series: series.clone().into(),
                fields: fields.clone(),
                range: TimeRange::ALL,
                descending: false,
                summaries: None,
                context,
            })
            .unwrap();
        let mut chunk = Chunk::default();
        while scan.next(&mut chunk).unwrap() {
            let key = table.series_key(series[chunk.series]).as_str().to_owned();
            for (name, column) in fields.iter().zip(&chunk.columns) {
                for (row, &time) in chunk.times.iter().enumerate() {
                    if let Some(value) = column.get(row) {
                        out.insert((key.clone(), time, name.to_string()), value.into());
                    }
                }
            }
        }
    }
    out
}

fn x(key: &str, time: i64, value: i64) -> Point {
    point(key, time, &[("x", Value::I(value))])
}

#[test]
fn a_delete_covers_what_was_acknowledged_and_nothing_later() {
    let fs = SimFs::new();
    let mut store = open(&fs);
    let mut model = Contents::new();
    let old = NOW - 60 * DAY;
    for round in 0..12i64 {
        let what = format!("round {round}");
        let mut writer = store.writer();
        let points: Vec<Point> = (0..40)
            .map(|i| {
                x(
                    &format!("m,a={},b={}", i % 3, i % 2),
                    if i < 20 { NOW + i } else { old + i },
                    round * 100 + i,
                )
            })
            .collect();
        write(&mut writer, &target("db"), &points).unwrap();
        apply(&mut model, &points);
        // Where the points are when they are deleted: in arenas, in a file, or in both.
        if round % 3 > 0 {
            store.flush().unwrap();
        }
        if round % 3 == 2 {
            write(&mut writer, &target("db"), &points[..10]).unwrap();
        }
        let delete = match round % 4 {
            0 => Delete::of("m", Some("1"), TimeRange::ALL),
            1 => Delete::of("m", None, TimeRange::new(NOW + 5, NOW + 12)),
            2 => Delete::of("m", None, TimeRange::ALL),
            _ => Delete::of("m", Some("2"), TimeRange::new(old, old + 30)),
        };
        delete.run(&store).unwrap();
        delete.apply(&mut model);
        assert_eq!(shown(&store, &what), model, "{what}");
        // Later points of deleted series live, at the times deleted too.
        let again = [x("m,a=1,b=1", NOW + 7, -round), x("m,a=2,b=0", old + 20, -round)];
        write(&mut writer, &target("db"), &again).unwrap();
        apply(&mut model, &again);
        assert_eq!(shown(&store, &what), model, "{what}, written again");
        if round % 2 == 0 {
            store.flush().unwrap();
            assert_eq!(shown(&store, &what), model, "{what}, flushed");
        }
        if round % 5 == 4 {
            drop((writer, store));
            store = open(&fs);
            assert_eq!(shown(&store, &what), model, "{what}, opened again");
        }
    }
}

#[test]
fn deletes_without_a_write_between_share_a_generation() {
    let store = open(&SimFs::new());
    let mut writer = store.writer();
    let points: Vec<Point> = (0..10).map(|i| x(&format!("m,a={i}"), NOW, i)).collect();
    write(&mut writer, &target("db"), &points).unwrap();
    let generations = || {
        let state = store.catalog().state();
        state.tombstones().values().map(|t| t.generation).collect::<BTreeSet<_>>()
    };
    for i in 0..5 {
        Delete::of("m", Some(&i.to_string()), TimeRange::ALL).run(&store).unwrap();
    }
    assert_eq!(generations().len(), 1);
    write(&mut writer, &target("db"), &points[..1]).unwrap();
    Delete::of("m", Some("0"), TimeRange::ALL).run(&store).unwrap();
    assert_eq!(generations().len(), 2);
    assert_eq!(shown(&store, "at the end").len(), 5);
}

#[test]
fn what_matches_nothing_leaves_no_trace() {
    let store = open(&SimFs::new());
    let none = Delete::of("m", None, TimeRange::ALL).run(&store);
    assert_eq!(none, Err(AdminError::DatabaseNotFound("db".to_owned())));
    let mut writer = store.writer();
    write(&mut writer, &target("db"), &[x("m,a=1", NOW, 1)]).unwrap();
    for delete in [
        Delete::of("n", None, TimeRange::ALL),
        Delete::of("m", Some("2"), TimeRange::ALL),
        Delete::of("m", None, TimeRange::new(NOW - 60 * DAY, NOW - 50 * DAY)),
    ] {
        delete.run(&store).unwrap();
    }
    assert!(store.catalog().state().tombstones().is_empty());
    assert_eq!(shown(&store, "").len(), 1);
}

#[test]
fn types_outlive_deleted_points_but_not_a_dropped_measurement() {
    let fs = SimFs::new();
    let mut store = open(&fs);
    let integer = x("m,a=1", NOW, 1);
    let text = point("m,a=1", NOW, &[("x", Value::S("text".into()))]);
    write(&mut store.writer(), &target("db"), &[integer]).unwrap();
    Delete::of("m", None, TimeRange::ALL).run(&store).unwrap();
    let refused = write(&mut store.writer(), &target("db"), std::slice::from_ref(&text)).unwrap();
    assert!(matches!(refused[0], Err(Refusal::FieldType { .. })), "{refused:?}");
    for _ in 0..2 {
        let dropped = store.drop_measurement("db", "m");
        assert_eq!(dropped, Ok(()));
        assert!(shown(&store, "dropped").is_empty());
        drop(store);
        store = open(&fs);
        assert!(shown(&store, "opened").is_empty());
    }
    assert!(write(&mut store.writer(), &target("db"), std::slice::from_ref(&text)).unwrap()[0].is_ok());
    store.flush().unwrap();
    let mut model = Contents::new();
    apply(&mut model, &[text]);
    assert_eq!(shown(&store, "another type"), model);
    drop(store);
    assert_eq!(shown(&open(&fs), "opened again"), model);
    assert_eq!(open(&fs).drop_measurement("nodb", "m"), Err(AdminError::DatabaseNotFound("nodb".into())));
}

#[test]
fn a_tombstone_is_forgotten_when_no_file_and_no_log_needs_it() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let points: Vec<Point> = (0..10).map(|i| x(&format!("m,a={i}"), NOW + i, i)).collect();
    write(&mut writer, &target("db"), &points).unwrap();
    Delete::of("m", Some("1"), TimeRange::ALL).run(&store).unwrap();
    assert_eq!(store.catalog().state().tombstones().len(), 1);
    // Applied while sealing; nothing else holds the points.
    store.flush().unwrap();
    assert!(store.catalog().state().tombstones().is_empty());
    assert!(store.view().unwrap().version.tombstones.is_empty());
    // Now the points are in a file, to which it stays pending.
    Delete::of("m", Some("2"), TimeRange::ALL).run(&store).unwrap();
    write(&mut writer, &target("db"), &[x("m,a=1", NOW, 5)]).unwrap();
    store.flush().unwrap();
    assert_eq!(store.catalog().state().tombstones().len(), 1);
    drop((writer, store));
    let store = open(&fs);
    let keys: BTreeSet<String> = shown(&store, "").into_keys().map(|(key, _, _)| key).collect();
    assert_eq!(keys.len(), 9);
    assert!(!keys.contains("m,a=2"));
    // A compaction applies it to the file.
    store.compact(std::time::Duration::from_secs(60)).unwrap();
    assert!(store.catalog().state().tombstones().is_empty());
    assert_eq!(shown(&store, "compacted").len(), 9);
    Delete::of("m", Some("3"), TimeRange::ALL).run(&store).unwrap();
    store.drop_database("db").unwrap();
    assert!(store.catalog().state().tombstones().is_empty());
    assert!(store.view().unwrap().version.tombstones.is_empty());
    // Its files go in the background.
    let start = std::time::Instant::now();
    while has_files_under(&fs, "/d/data") && start.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    assert!(!has_files_under(&fs, "/d/data"));
}

#[test]
fn definitions_of_emptied_series_are_kept_for_those_who_rely_on_them() {
    // The writer knows the series as defined; its definition was in a part of the log that a flush gives up.
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    write(&mut writer, &target("db"), &[x("m,a=1", NOW, 1), x("m,a=2", NOW, 1)]).unwrap();
    Delete::of("m", None, TimeRange::ALL).run(&store).unwrap();
    store.flush().unwrap();
    assert_eq!(store.stats().segments, 0);
    assert!(shown(&store, "all deleted").is_empty());
    let again = [x("m,a=1", NOW + 1, 2)];
    write(&mut writer, &target("db"), &again).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &again);
    let store = open(&fs.after_crash(Crash::LoseUnsynced));
    assert!(store.health().ok, "{:?}", store.health());
    assert_eq!(shown(&store, "after a crash"), model);
}

#[test]
fn writes_that_race_with_deletes_are_seen_when_they_are_later() {
    let store = open(&SimFs::new());
    let stop = AtomicBool::new(false);
    write(&mut store.writer(), &target("db"), &[x("m,a=0", NOW, 0)]).unwrap();
    std::thread::scope(|scope| {
        let deleter = scope.spawn(|| {
            let mut n = 0u32;
            while !stop.load(Ordering::Relaxed) || n < 20 {
                Delete::of("m", None, TimeRange::ALL).run(&store).unwrap();
                n += 1;
                if n.is_multiple_of(50) {
                    store.flush().unwrap();
                }
            }
        });
        let writers: Vec<_> = (0..3)
            .map(|w| {
                let store = &store;
                scope.spawn(move || {
                    let mut writer = store.writer();
                    for i in 0..150 {
                        let key = format!("m,a={}", i % 2);
                        write(&mut writer, &target("db"), &[x(&key, NOW + w, i)]).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        deleter.join().unwrap();
    });
    Delete::of("m", None, TimeRange::ALL).run(&store).unwrap();
    assert!(shown(&store, "all deleted").is_empty());
    let mut model = Contents::new();
    let again = [x("m,a=0", NOW, 1), x("m,a=1", NOW, 1)];
    write(&mut store.writer(), &target("db"), &again).unwrap();
    apply(&mut model, &again);
    assert_eq!(shown(&store, "written again"), model);
}

#[test]
fn a_dropped_shard_group_is_gone_and_its_series_can_be_written_on() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let old = NOW - 60 * DAY;
    let points = [x("m,a=1", old, 1), x("m,a=2", old, 1), x("m,a=2", NOW, 1), x("n,a=3", NOW - 30 * DAY, 1)];
    write(&mut writer, &target("db"), &points).unwrap();
    let groups = store.snapshot().unwrap().shard_groups("db", "autogen");
    assert_eq!(groups.len(), 3);
    let at = |time: i64| u64::from(groups.iter().find(|g| g.window.contains(time)).unwrap().id);
    store.drop_shard(at(old)).unwrap();
    store.drop_shard(at(old)).unwrap();
    store.drop_shard(u64::MAX).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &points[2..]);
    assert_eq!(shown(&store, "dropped"), model);
    // The writer still believes that the series are defined in files.
    let again = [x("m,a=1", NOW + 1, 2), x("m,a=1", old, 2)];
    write(&mut writer, &target("db"), &again).unwrap();
    apply(&mut model, &again);
    assert_eq!(shown(&store, "written again"), model);
    check(&fs.after_crash(Crash::LoseUnsynced), &(model.clone(), model.clone()), "after a crash");
    store.flush().unwrap();
    check(&fs.after_crash(Crash::LoseUnsynced), &(model.clone(), model.clone()), "after a flush and a crash");
    // What was carried is relied on no more once the replayed points are in files.
    drop((writer, store));
    let store = open(&fs);
    assert!(store.catalog().state().records().keys().any(|key| key.starts_with("store/carried/")));
    write(&mut store.writer(), &target("db"), &again).unwrap();
    store.flush().unwrap();
    assert!(!store.catalog().state().records().keys().any(|key| key.starts_with("store/carried/")));
    for group in store.snapshot().unwrap().shard_groups("db", "autogen") {
        store.drop_shard(group.id.into()).unwrap();
    }
    assert!(shown(&store, "all dropped").is_empty());
    check(&fs.after_crash(Crash::LoseUnsynced), &(Contents::new(), Contents::new()), "all dropped");
}

#[test]
fn batches_made_before_a_shard_group_is_dropped_find_their_definitions() {
    let fs = SimFs::new();
    let store = open(&fs);
    let old = NOW - 60 * DAY;
    write(&mut store.writer(), &target("db"), &[x("m,a=1", old, 1)]).unwrap();
    store.flush().unwrap();
    // This one was encoded before the drop and comes to its lane after it.
    let mut late = store.writer();
    block_on(late.begin(&target("db"))).unwrap();
    put(late.sink(), &x("m,a=1", NOW, 2)).unwrap();
    let group = store.snapshot().unwrap().shard_groups("db", "autogen")[0].id;
    store.drop_shard(group.into()).unwrap();
    block_on(late.commit()).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &[x("m,a=1", NOW, 2)]);
    check(&fs.after_crash(Crash::LoseUnsynced), &(model.clone(), model.clone()), "a late batch");
}

/// What a script does; a batch, a delete, a flush, a dropped measurement.
#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Point>),
    Delete(Delete),
    DropMeasurement(&'static str),
    /// The shard group 30 days ago.
    DropOldest,
    Flush,
    Compact,
}

impl Step {
    fn run(&self, store: &Store, writer: &mut Writer) -> bool {
        match self {
            Self::Write(points) => write(writer, &target("db"), points).is_ok(),
            Self::Delete(delete) => delete.run(store).is_ok(),
            Self::DropMeasurement(name) => store.drop_measurement("db", name).is_ok(),
            Self::DropOldest => {
                let groups = store.snapshot().unwrap().shard_groups("db", "autogen");
                let old = groups.iter().find(|group| group.window.contains(NOW - 30 * DAY));
                old.is_none_or(|group| store.drop_shard(group.id.into()).is_ok())
            }
            Self::Flush => store.flush().is_ok(),
            Self::Compact => store.compact(std::time::Duration::from_secs(60)).is_ok(),
        }
    }

    fn apply(&self, model: &mut Contents) {
        match self {
            Self::Write(points) => apply(model, points),
            Self::Delete(delete) => delete.apply(model),
            Self::DropMeasurement(name) => model.retain(|(key, _, _), _| key.split(',').next() != Some(name)),
            Self::DropOldest => model.retain(|(_, time, _), _| *time > NOW - 15 * DAY),
            Self::Flush | Self::Compact => {}
        }
    }
}

fn script() -> Vec<Step> {
    let batch = |round: i64| {
        let key = |i: i64| format!("m{},a={}", i % 2, (i + round) % 3);
        let time = |i: i64| NOW + i - if i == 0 { 30 * DAY } else { 0 };
        Step::Write((0..6).map(|i| x(&key(i), time(i), round * 10 + i)).collect())
    };
    let delete = |m: &str, a, range| Step::Delete(Delete::of(m, a, range));
    vec![
        batch(0),
        delete("m0", Some("1"), TimeRange::ALL),
        batch(1),
        Step::Flush,
        delete("m0", None, TimeRange::new(NOW + 1, NOW + 3)),
        delete("m1", None, TimeRange::ALL),
        batch(2),
        delete("m0", Some("2"), TimeRange::ALL),
        Step::Flush,
        Step::DropMeasurement("m1"),
        Step::DropOldest,
        batch(3),
        delete("m1", Some("0"), TimeRange::new(i64::MIN, NOW + 3)),
        Step::Flush,
        delete("m0", Some("1"), TimeRange::ALL),
        Step::Compact,
        delete("m0", None, TimeRange::ALL),
        batch(4),
        Step::Compact,
    ]
}

/// Runs the script until a step fails. Gives what must be there, and what may be there instead.
///
/// Nothing can be read once the power is cut.
fn run_script(fs: &SimFs, reads: bool) -> (Contents, Contents) {
    let mut model = Contents::new();
    let Ok(store) = try_open(fs, options()) else { return (model.clone(), model) };
    let mut writer = store.writer();
    for step in script() {
        let mut after = model.clone();
        step.apply(&mut after);
        if !step.run(&store, &mut writer) {
            return (model, after);
        }
        model = after;
        if reads {
            assert_eq!(shown(&store, "while running"), model, "{step:?}");
        }
    }
    (model.clone(), model)
}

fn check(fs: &SimFs, (sure, unsure): &(Contents, Contents), what: &str) {
    let store = try_open(fs, options()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = shown(&store, what);
    assert!(found == *sure || found == *unsure, "{what}: {found:#?}\nexpected {sure:#?}\nor {unsure:#?}");
    assert!(store.health().ok, "{what}: {:?}", store.health());
    store.flush().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(shown(&store, what), found, "{what}, after a flush");
    drop(store);
    assert_eq!(shown(&open(fs), what), found, "{what}, after another start");
}

#[test]
fn a_power_cut_at_any_sync_leaves_each_delete_done_or_not_done() {
    let fs = SimFs::new();
    run_script(&fs, true);
    for at in 0..=fs.syncs() {
        let fs = SimFs::new();
        fs.cut_power_at_sync(at);
        let outcome = run_script(&fs, false);
        for crash in [Crash::LoseUnsynced, Crash::Tear { seed: at }, Crash::KeepAll] {
            check(&fs.after_crash(crash), &outcome, &format!("cut at sync {at}, {crash:?}"));
        }
    }
}

#[test]
fn a_power_cut_after_any_change_leaves_each_delete_done_or_not_done() {
    let fs = SimFs::new();
    run_script(&fs, true);
    let changes = fs.changes();
    for at in 0..=changes {
        let fs = SimFs::new();
        fs.cut_power_after(at);
        let outcome = run_script(&fs, false);
        check(&fs.after_crash(Crash::Tear { seed: at * 7_919 }), &outcome, &format!("cut after change {at}"));
    }
}

#[test]
fn a_delete_whose_manifest_sync_fails_is_done_or_not_done() {
    for fault in [Fault::Fail(FaultError::Io), Fault::FailButDone(FaultError::Io)] {
        let fs = SimFs::new();
        let store = open(&fs);
        let mut model = Contents::new();
        let points: Vec<Point> = (0..4).map(|i| x(&format!("m,a={i}"), NOW, i)).collect();
        write(&mut store.writer(), &target("db"), &points).unwrap();
        apply(&mut model, &points);
        fs.inject(FaultPlan::once(Op::SyncData, fault).on("MANIFEST"));
        let delete = Delete::of("m", Some("1"), TimeRange::ALL);
        assert!(delete.run(&store).is_err());
        assert_eq!(shown(&store, "refused"), model);
        check(&fs.after_crash(Crash::KeepAll), &(model.clone(), model.clone()), "refused");
        delete.run(&store).unwrap();
        delete.apply(&mut model);
        assert_eq!(shown(&store, "done"), model);
        check(&fs.after_crash(Crash::LoseUnsynced), &(model.clone(), model.clone()), "done");
    }
}

fn random_step(random: &mut Random) -> Step {
    let below = |random: &mut Random, n: u64| i64::try_from(random.below(n)).unwrap();
    let time = |random: &mut Random| NOW - below(random, 3) * 10 * DAY + below(random, 40);
    match random.below(12) {
        0 if random.below(2) == 0 => Step::Compact,
        0 | 1 => Step::Flush,
        2..=5 => {
            let (one, two) = (time(random), time(random));
            let range = match random.below(3) {
                0 => TimeRange::ALL,
                1 => TimeRange::new(one, one),
                _ => TimeRange::new(one.min(two), one.max(two)),
            };
            let a = (random.below(2) == 0).then(|| random.below(4).to_string());
            Step::Delete(Delete { measurement: format!("m{}", random.below(3)), a, range })
        }
        6 if random.below(4) == 0 => Step::DropMeasurement("m1"),
        _ => {
            let n = 1 + random.below(80);
            let key = |random: &mut Random| {
                format!("m{},a={},b={}", random.below(3), random.below(4), random.below(3))
            };
            let fields = |random: &mut Random| {
                let mut fields = vec![("x".to_owned(), Value::I(below(random, 1_000)))];
                if random.below(2) == 0 {
                    fields[0] = ("y".to_owned(), Value::F(below(random, 1_000) as f64 / 8.0));
                }
                fields
            };
            let points =
                (0..n).map(|_| Point { key: key(random), time: time(random), fields: fields(random) });
            Step::Write(points.collect())
        }
    }
}

#[test]
fn random_deletes_leave_what_a_map_would_hold() {
    for seed in 0..16 {
        let mut random = Random::new(seed);
        let mut fs = SimFs::new();
        let mut model = Contents::new();
        let mut options = options();
        options.seal_bytes = 48 << 10;
        let mut store = try_open(&fs, options.clone()).unwrap();
        write(&mut store.writer(), &target("db"), &[x("m0,a=1,b=1", NOW, 1)]).unwrap();
        apply(&mut model, &[x("m0,a=1,b=1", NOW, 1)]);
        let mut writers = [store.writer(), store.writer(), store.writer()];
        for action in 0..70 {
            let what = format!("seed {seed}, action {action}");
            if random.below(12) == 0 {
                drop((writers, store));
                let crashes = [Crash::KeepAll, Crash::LoseUnsynced, Crash::Tear { seed: random.next() }];
                fs = fs.after_crash(crashes[usize::try_from(random.below(3)).unwrap()]);
                options.lanes = 1 + usize::try_from(random.below(3)).unwrap();
                store = try_open(&fs, options.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
                writers = [store.writer(), store.writer(), store.writer()];
            } else {
                let step = random_step(&mut random);
                let writer = &mut writers[usize::try_from(random.below(3)).unwrap()];
                assert!(step.run(&store, writer), "{what}: {step:?}");
                step.apply(&mut model);
            }
            assert_eq!(shown(&store, &what), model, "{what}");
        }
        assert!(store.health().ok, "{:?}", store.health());
    }
}
