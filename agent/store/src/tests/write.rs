//! Writing and reading back, without crashes.

use super::*;
use weir_model::admin::{Admin, PolicySpec};

#[test]
fn written_points_are_visible_at_once_and_after_seal_and_flush() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let mut model = Contents::new();
    for round in 0..3 {
        let points: Vec<Point> = (0..200)
            .map(|i| {
                let key = format!("cpu,host=h{}", i % 7);
                let time = NOW + i64::from(round) * 1_000 + i64::from(i / 7);
                let mut fields =
                    vec![("a", Value::F(f64::from(i) / 4.0)), ("b", Value::I(i64::from(i * round)))];
                if i % 3 == 0 {
                    fields.push(("s", Value::S(format!("text {i}"))));
                    fields.push(("ok", Value::B(i % 2 == 0)));
                    fields.push(("n", Value::U(u64::MAX - u64::try_from(i).unwrap())));
                }
                point(&key, time, &fields)
            })
            .collect();
        let outcomes = write(&mut writer, &target("db"), &points).unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
        apply(&mut model, &points);
        assert_eq!(contents(&store, "db"), model);
    }
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
    assert_eq!(store.stats().segments, 1);
    assert_eq!(store.stats().arena_bytes, 0);
    drop(writer);
    store.shutdown(std::time::Duration::from_secs(10));
    drop(store);
    assert_eq!(contents(&open(&fs), "db"), model);
}

#[test]
fn later_writes_win_per_field_wherever_the_earlier_ones_are() {
    let fs = SimFs::new();
    let store = open(&fs);
    let (mut one, mut two) = (store.writer(), store.writer());
    let mut model = Contents::new();
    let mut send = |writer: &mut Writer, points: &[Point]| {
        write(writer, &target("db"), points).unwrap();
        apply(&mut model, points);
        assert_eq!(contents(&store, "db"), model);
    };
    let t = NOW;
    send(&mut one, &[point("m,a=1", t, &[("x", Value::I(1)), ("y", Value::I(1))])]);
    // In one batch, with layouts that alternate.
    send(
        &mut two,
        &[
            point("m,a=1", t, &[("x", Value::I(2))]),
            point("m,a=1", t, &[("x", Value::I(3)), ("z", Value::S("z".into()))]),
            point("m,a=1", t, &[("x", Value::I(4))]),
        ],
    );
    store.flush().unwrap();
    send(&mut one, &[point("m,a=1", t, &[("y", Value::I(5))])]);
    send(&mut two, &[point("m,a=1", t, &[("z", Value::S("later".into()))])]);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db").len(), 3);
    send(&mut two, &[point("m,a=1", t - 5, &[("y", Value::I(6))])]);
    drop(store);
    drop((one, two));
    assert_eq!(contents(&open(&fs), "db"), model);
}

#[test]
fn a_refused_line_leaves_no_trace() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let good = point("m,a=1", NOW, &[("x", Value::I(1))]);
    write(&mut writer, &target("db"), std::slice::from_ref(&good)).unwrap();
    let outcomes = write(
        &mut writer,
        &target("db"),
        &[
            point("m,a=1", NOW + 1, &[("x", Value::F(1.0)), ("new", Value::I(1))]),
            point("m,a=1", NOW + 2, &[("x", Value::I(1)), ("x", Value::F(2.0))]),
            point("m,a=1", NOW + 3, &[("time", Value::I(1))]),
            point("m,a=1", NOW + 4, &[("time", Value::I(1)), ("x", Value::I(2)), ("x", Value::I(3))]),
        ],
    )
    .unwrap();
    assert!(matches!(outcomes[0], Err(Refusal::FieldType { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(Refusal::FieldType { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(Refusal::OnlyTimeFields { .. })), "{outcomes:?}");
    assert!(outcomes[3].is_ok());
    let mut model = Contents::new();
    apply(&mut model, &[good, point("m,a=1", NOW + 4, &[("x", Value::I(3))])]);
    assert_eq!(contents(&store, "db"), model);
    // The refused line has not claimed its new field.
    let taken = point("m,a=1", NOW + 5, &[("new", Value::S("other type".into()))]);
    assert!(write(&mut writer, &target("db"), &[taken]).unwrap()[0].is_ok());
}

#[test]
fn a_type_may_differ_from_one_shard_group_to_the_next() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let points =
        [point("m", NOW, &[("x", Value::I(1))]), point("m", NOW - 100 * 24 * HOUR, &[("x", Value::F(1.5))])];
    let outcomes = write(&mut writer, &target("db"), &points).unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let mut model = Contents::new();
    apply(&mut model, &points);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
    assert_eq!(store.stats().segments, 2);
}

#[test]
fn points_older_than_the_policy_are_refused() {
    let fs = SimFs::new();
    let store = open(&fs);
    let spec = PolicySpec {
        name: "day".into(),
        duration_ns: 24 * HOUR,
        shard_group_duration_ns: None,
        replica_n: 1,
        make_default: true,
    };
    store.create_database("db", Some(spec)).unwrap();
    let mut writer = store.writer();
    let points = [
        point("m", NOW - 25 * HOUR, &[("x", Value::I(1))]),
        point("m", NOW - 23 * HOUR, &[("x", Value::I(2))]),
    ];
    let outcomes = write(&mut writer, &target("db"), &points).unwrap();
    assert!(matches!(outcomes[0], Err(Refusal::BeyondRetention { .. })));
    assert!(outcomes[1].is_ok());
    assert_eq!(contents(&store, "db").len(), 1);
}

#[test]
fn a_dropped_database_takes_its_points_along_and_a_new_one_starts_empty() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let old = point("m,a=1", NOW, &[("x", Value::I(1))]);
    write(&mut writer, &target("db"), std::slice::from_ref(&old)).unwrap();
    store.flush().unwrap();
    write(&mut writer, &target("db"), &[point("m,a=1", NOW + 1, &[("x", Value::I(1))])]).unwrap();
    store.drop_database("db").unwrap();
    assert!(contents(&store, "db").is_empty());
    let absent = Target { create_database: false, ..target("db") };
    assert!(matches!(block_on(writer.begin(&absent)), Err(WriteError::DatabaseNotFound(_))));
    // Types are forgotten with it.
    let new = point("m,a=1", NOW, &[("x", Value::S("now a string".into()))]);
    assert!(write(&mut writer, &target("db"), std::slice::from_ref(&new)).unwrap()[0].is_ok());
    let mut model = Contents::new();
    apply(&mut model, &[new]);
    assert_eq!(contents(&store, "db"), model);
    drop((writer, store));
    let store = open(&fs);
    assert_eq!(contents(&store, "db"), model);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
    drop(store);
    assert_eq!(contents(&open(&fs), "db"), model);
    assert!(!has_files_under(&fs, "/d/data/1"));
}

#[test]
fn a_batch_under_way_is_refused_when_its_database_is_dropped() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    block_on(writer.begin(&target("db"))).unwrap();
    put(writer.sink(), &point("m", NOW, &[("x", Value::I(1))])).unwrap();
    store.drop_database("db").unwrap();
    assert!(block_on(writer.commit()).is_err());
    let again = point("m", NOW, &[("x", Value::F(1.0))]);
    assert!(write(&mut writer, &target("db"), &[again]).unwrap()[0].is_ok());
    assert_eq!(contents(&store, "db").len(), 1);
}

#[test]
fn two_threads_writing_one_series_store_every_point() {
    let fs = SimFs::new();
    let store = open(&fs);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut writer = store.writer();
                for i in 0..50 {
                    let points: Vec<Point> = (0..10)
                        .map(|j| {
                            let time = NOW + n * 1_000_000 + i * 100 + j;
                            point(&format!("m,t={}", j % 3), time, &[("x", Value::I(time))])
                        })
                        .collect();
                    let outcomes = write(&mut writer, &target("db"), &points).unwrap();
                    assert!(outcomes.iter().all(Result::is_ok));
                    if n == 0 && i % 20 == 7 {
                        store.flush().unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(contents(&store, "db").len(), 4 * 50 * 10);
    drop(store);
    assert_eq!(contents(&open(&fs), "db").len(), 4 * 50 * 10);
}

#[test]
fn sparse_fields_do_not_blow_up_a_batch() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let points: Vec<Point> =
        (0..3_000).map(|i| point("m", NOW + i, &[(&format!("f{}", i % 500), Value::I(i))])).collect();
    let mut model = Contents::new();
    let mut cuts = 1;
    block_on(writer.begin(&target("db"))).unwrap();
    for p in &points {
        put(writer.sink(), p).unwrap();
        if writer.wants_commit() {
            cuts += 1;
            block_on(writer.commit()).unwrap();
            block_on(writer.begin(&target("db"))).unwrap();
        }
    }
    block_on(writer.commit()).unwrap();
    // 500 columns for every row would be 12 MB.
    assert!(cuts <= 3, "{cuts} cuts");
    apply(&mut model, &points);
    assert_eq!(contents(&store, "db"), model);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
}

#[test]
fn sealing_happens_by_itself_and_memory_comes_back() {
    let fs = SimFs::new();
    let mut options = options();
    options.seal_bytes = 64 << 10;
    let store = try_open(&fs, options).unwrap();
    let mut writer = store.writer();
    let mut model = Contents::new();
    for i in 0..60 {
        let points: Vec<Point> = (0..300)
            .map(|j| point(&format!("m,t={}", j % 30), NOW + i * 300 + j, &[("x", Value::I(j))]))
            .collect();
        write(&mut writer, &target("db"), &points).unwrap();
        apply(&mut model, &points);
    }
    let start = std::time::Instant::now();
    while store.stats().sealed_runs == 0 && start.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    assert!(store.stats().sealed_runs > 0);
    assert_eq!(contents(&store, "db"), model);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
    drop(writer);
    assert_eq!(store.shared.sealed_pool.used(), 0);
    assert_eq!(store.shared.arena_pool.used(), 0);
}

#[test]
fn plugins_without_a_spelling_reach_the_same_series() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    write(&mut writer, &target("db"), &[point("m,a=1,b=2", NOW, &[("x", Value::I(1))])]).unwrap();
    block_on(writer.begin(&target("db"))).unwrap();
    let sink = writer.sink();
    sink.define(b"", "m", &[("b", "2"), ("a", "1")]).unwrap();
    let slot = sink.slot("x");
    sink.integer(slot, 2);
    sink.end(NOW).unwrap();
    block_on(writer.commit()).unwrap();
    let found = contents(&store, "db");
    assert_eq!(found.into_values().collect::<Vec<_>>(), [Value::I(2)]);
    assert_eq!(store.stats().series, 1);
}

#[test]
fn memory_and_log_stay_bounded_while_writers_push() {
    let fs = SimFs::new();
    let mut options = options();
    options.seal_bytes = 1 << 20;
    options.flush_wal_bytes = 1 << 20;
    let store = Store::open(options, Arc::new(fs.clone()), Arc::new(weir_model::SystemClock::new())).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut writer = store.writer();
                let mut random = Random::new(n);
                for i in 0..60i64 {
                    let points: Vec<Point> = (0..400)
                        .map(|j| {
                            let text: String = (0..12).map(|_| format!("{:x}", random.next())).collect();
                            let fields = [("x", Value::I(j * 7_919 % 1_013)), ("s", Value::S(text))];
                            point(&format!("m,t={n}"), NOW + i * 1_000 + j, &fields)
                        })
                        .collect();
                    let outcomes = write(&mut writer, &target("db"), &points).unwrap();
                    assert!(outcomes.iter().all(Result::is_ok));
                    let (arena, sealed) = (&store.shared.arena_pool, &store.shared.sealed_pool);
                    // One batch may be charged beyond the limit when it is complete.
                    assert!(
                        arena.used() <= arena.limit() + (2 << 20),
                        "{} of {}",
                        arena.used(),
                        arena.limit()
                    );
                    assert!(sealed.used() <= sealed.limit(), "{} of {}", sealed.used(), sealed.limit());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!(store.stats().segments > 0);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db").len(), 4 * 60 * 400 * 2);
    assert!(store.health().ok, "{:?}", store.health());
}

#[test]
fn an_idle_store_flushes_and_a_busy_one_waits() {
    let fs = SimFs::new();
    let clock = TestClock::new();
    let store = Store::open(options(), Arc::new(fs.clone()), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let mut writer = store.writer();
    // Each batch fills a page of the log.
    for i in 0..300 {
        write(&mut writer, &target("db"), &[point("m", NOW + i, &[("x", Value::I(1))])]).unwrap();
    }
    assert_eq!(store.stats().segments, 0);
    clock.advance(6_000_000_000);
    let wait_for = |segments| {
        let start = std::time::Instant::now();
        while store.stats().segments < segments && start.elapsed().as_secs() < 20 {
            std::thread::yield_now();
        }
        assert_eq!(store.stats().segments, segments);
    };
    wait_for(1);
    // A little is flushed by age only.
    write(&mut writer, &target("db"), &[point("m", NOW + 300, &[("x", Value::I(1))])]).unwrap();
    clock.advance(31 * 60 * 1_000_000_000);
    // Both files have their final form at once, so they stay two.
    let start = std::time::Instant::now();
    while store.stats().arena_bytes > 0 && start.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    assert_eq!(store.stats().arena_bytes, 0);
    wait_for(2);
    assert_eq!(contents(&store, "db").len(), 301);
}

#[test]
fn series_and_tag_limits_refuse_the_line_alone() {
    let fs = SimFs::new();
    let mut options = options();
    options.limits.series_per_database_max = 2;
    options.limits.fields_per_measurement_max = 2;
    let store = try_open(&fs, options).unwrap();
    let mut writer = store.writer();
    let points: Vec<Point> =
        (0..4).map(|i| point(&format!("m,a={i}"), NOW + i, &[(&format!("f{i}"), Value::I(i))])).collect();
    let outcomes = write(&mut writer, &target("db"), &points).unwrap();
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    assert!(matches!(outcomes[2], Err(Refusal::SeriesLimit { limit: 2, .. })), "{outcomes:?}");
    let more = point("m,a=0", NOW, &[("f3", Value::I(1))]);
    let outcomes = write(&mut writer, &target("db"), &[more]).unwrap();
    assert!(matches!(outcomes[0], Err(Refusal::FieldLimit { limit: 2, .. })), "{outcomes:?}");
    assert_eq!(contents(&store, "db").len(), 2);
}

#[test]
fn a_begin_that_fails_forgets_nothing() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let here = target("db");
    block_on(writer.begin(&here)).unwrap();
    let sink = writer.sink();
    sink.define(b"m", "m", &[]).unwrap();
    let (x, y) = (sink.slot("x"), sink.slot("y"));
    sink.integer(x, 1);
    sink.end(NOW).unwrap();
    block_on(writer.commit()).unwrap();
    let absent = Target { create_database: false, ..target("elsewhere") };
    assert!(block_on(writer.begin(&absent)).is_err());
    block_on(writer.begin(&here)).unwrap();
    let sink = writer.sink();
    assert!(sink.key(b"m").is_some());
    sink.integer(y, 2);
    sink.end(NOW).unwrap();
    block_on(writer.commit()).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &[point("m", NOW, &[("x", Value::I(1)), ("y", Value::I(2))])]);
    assert_eq!(contents(&store, "db"), model);
}
