//! Compaction changes files, never answers: beside writes and readers, and whatever fails or dies in between.

use super::*;
use std::time::Duration;
use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op};
use weir_model::admin::Admin;

const MINUTE: Duration = Duration::from_secs(60);

/// Points of a round: some series in all rounds with some times overwritten, one series only here, some a month late.
fn round(round: i64) -> Vec<Point> {
    (0..40)
        .map(|i| {
            let key =
                if i == 0 { format!("m0,host=only{round}") } else { format!("m{},host=h{}", i % 2, i % 3) };
            let late = if i % 7 == 0 { 30 * 24 * HOUR } else { 0 };
            let time = NOW - late + (round * 10 + i) % 35;
            let mut fields = vec![("x", Value::I(round * 100 + i)), ("y", Value::F(i as f64 / 4.0))];
            if i % 3 == round % 3 {
                fields = vec![("s", Value::S(format!("{round}-{i}"))), ("b", Value::B(i % 2 == 0))];
            }
            point(&key, time, &fields)
        })
        .collect()
}

/// A disk with a store that has flushed several files per group, and what is in it.
fn disk(rounds: i64) -> (SimFs, Contents) {
    let fs = SimFs::new();
    let mut model = Contents::new();
    let store = open(&fs);
    let mut writer = store.writer();
    for n in 0..rounds {
        write(&mut writer, &target("db"), &round(n)).unwrap();
        apply(&mut model, &round(n));
        store.flush().unwrap();
    }
    assert_eq!(contents(&store, "db"), model);
    store.shutdown(MINUTE);
    (fs, model)
}

fn segments(fs: &SimFs) -> usize {
    fs.files().iter().filter(|f| f.extension().is_some_and(|e| e == "seg")).count()
}

/// Waits for something the background does.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} does not come to pass");
}

#[test]
fn every_group_becomes_one_file_with_the_same_points() {
    let (fs, model) = disk(4);
    let store = open(&fs);
    assert_eq!(store.stats().segments, 8);
    store.compact(MINUTE).unwrap();
    assert_eq!(contents(&store, "db"), model);
    assert_eq!(store.stats().segments, 2);
    wait_for("the removal of old files", || segments(&fs) == 2);
    // What comes later is later, and nothing is to be done twice.
    let mut writer = store.writer();
    let mut model = model;
    write(&mut writer, &target("db"), &round(9)).unwrap();
    apply(&mut model, &round(9));
    assert_eq!(contents(&store, "db"), model);
    store.compact(MINUTE).unwrap();
    let files = fs.files();
    store.compact(MINUTE).unwrap();
    assert_eq!((contents(&store, "db"), store.stats().segments), (model.clone(), 2));
    wait_for("the removal of old files", || segments(&fs) == 2 && segments(&fs) <= files.len());
    drop((writer, store));
    assert_eq!(contents(&open(&fs), "db"), model);
}

#[test]
fn a_reader_keeps_what_it_has_until_it_lets_go() {
    let (fs, model) = disk(3);
    let store = open(&fs);
    let view = store.view().unwrap();
    store.compact(MINUTE).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(segments(&fs) > 2, "files of a version in use are still there");
    let points: u64 = view.version.groups.values().flat_map(|r| r.iter()).map(|r| r.points).sum();
    let mut read = 0;
    for run in view.version.groups.values().flat_map(|r| r.iter()) {
        let mut scan = SeriesScan::new(Arc::clone(&run.segment));
        let mut points = SeriesPoints::default();
        while scan.next(&mut points).unwrap() {
            read += points.times.len() as u64;
        }
    }
    assert_eq!(read, points);
    drop(view);
    wait_for("the removal of old files", || segments(&fs) == 2);
    assert_eq!(contents(&store, "db"), model);
}

#[test]
fn files_settle_by_themselves_after_a_moment_of_silence() {
    let (fs, model) = disk(3);
    let clock = TestClock::new();
    let store = Store::open(options(), Arc::new(fs.clone()), Arc::<TestClock>::clone(&clock)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(store.stats().segments, 6);
    clock.advance(6_000_000_000);
    wait_for("settling", || store.stats().segments == 2);
    assert_eq!(contents(&store, "db"), model);
}

#[test]
fn writes_flushes_and_queries_go_on_beside_compactions() {
    let fs = SimFs::new();
    let store = open(&fs);
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut model = Contents::new();
    let compacting = {
        let (store, done) = (store.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut n = 0;
            while !done.load(Ordering::SeqCst) {
                store.compact(MINUTE).unwrap();
                n += 1;
            }
            n
        })
    };
    let mut writer = store.writer();
    for n in 0..60 {
        write(&mut writer, &target("db"), &round(n)).unwrap();
        apply(&mut model, &round(n));
        assert_eq!(contents(&store, "db"), model);
        if n % 4 == 3 {
            store.flush().unwrap();
        }
    }
    done.store(true, Ordering::SeqCst);
    assert!(compacting.join().unwrap() > 0);
    assert_eq!(contents(&store, "db"), model);
    drop((writer, store));
    assert_eq!(contents(&open(&fs), "db"), model);
}

#[test]
fn a_database_dropped_beside_a_compaction_stays_dropped() {
    for _ in 0..5 {
        let (fs, _) = disk(3);
        let store = open(&fs);
        let compacting = {
            let store = store.clone();
            std::thread::spawn(move || store.compact(MINUTE))
        };
        store.drop_database("db").unwrap();
        let _ = compacting.join().unwrap();
        store.compact(MINUTE).unwrap();
        assert_eq!(store.stats().segments, 0);
        wait_for("the removal of dropped files", || segments(&fs) == 0);
        assert!(store.health().ok, "{:?}", store.health());
    }
}

/// Opens, compacts as far as that goes, and gives the disk back.
fn compact(fs: &SimFs) {
    if let Ok(store) = try_open(fs, options()) {
        let _ = store.compact(MINUTE);
    }
}

fn check(fs: &SimFs, model: &Contents, what: &str) {
    let store = try_open(fs, options()).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(contents(&store, "db") == *model, "{what}");
    store.compact(MINUTE).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(contents(&store, "db") == *model, "{what}, compacted");
    assert_eq!(store.stats().segments, 2, "{what}");
    drop(store);
    let store = open(fs);
    assert!(contents(&store, "db") == *model, "{what}, after another start");
    assert_eq!(segments(fs), 2, "{what}: files left behind");
}

#[test]
fn a_power_cut_at_any_change_of_a_compaction_changes_no_answer() {
    let (fs, model) = disk(3);
    let whole = fs.after_crash(Crash::KeepAll);
    let before = whole.changes();
    compact(&whole);
    let changes = whole.changes() - before;
    assert!(changes > 20, "{changes}");
    for at in 0..=changes {
        let cut = fs.after_crash(Crash::KeepAll);
        cut.cut_power_after(at);
        compact(&cut);
        let crash = match at % 3 {
            0 => Crash::LoseUnsynced,
            1 => Crash::KeepAll,
            _ => Crash::Tear { seed: at.wrapping_mul(7_919) },
        };
        check(&cut.after_crash(crash), &model, &format!("cut after change {at}, {crash:?}"));
    }
}

#[test]
fn an_operation_that_fails_during_a_compaction_changes_no_answer() {
    let (fs, model) = disk(3);
    let whole = fs.after_crash(Crash::KeepAll);
    let before = whole.counts();
    compact(&whole);
    let after = whole.counts();
    for (op, fault) in [
        (Op::SyncData, Fault::Fail(FaultError::Io)),
        (Op::SyncData, Fault::FailButDone(FaultError::Io)),
        (Op::Write, Fault::Fail(FaultError::DiskFull)),
        (Op::Write, Fault::FailPartly(FaultError::Io, 5)),
        (Op::Create, Fault::Fail(FaultError::DiskFull)),
        (Op::SyncDir, Fault::Fail(FaultError::Io)),
        (Op::Rename, Fault::FailButDone(FaultError::Io)),
        (Op::RemoveFile, Fault::Fail(FaultError::Io)),
        (Op::Read, Fault::Fail(FaultError::Io)),
    ] {
        let n = after.get(&op).unwrap_or(&0) - before.get(&op).unwrap_or(&0);
        let step = (n / 30).max(1);
        for skip in (0..n).step_by(usize::try_from(step).unwrap()) {
            let broken = fs.after_crash(Crash::KeepAll);
            broken.inject(FaultPlan::once(op, fault).after(skip));
            let what = format!("{op:?} number {skip}, {fault:?}");
            if let Ok(store) = try_open(&broken, options()) {
                let _ = store.compact(MINUTE);
                broken.clear_faults();
                // A read that failed at the start sets a file aside.
                if op != Op::Read {
                    assert!(contents(&store, "db") == model, "{what}, at once");
                }
            }
            broken.clear_faults();
            if op != Op::Read {
                check(&broken.after_crash(Crash::LoseUnsynced), &model, &what);
            }
        }
    }
}

#[test]
fn a_damaged_file_is_reported_and_the_others_are_compacted() {
    let (fs, model) = disk(3);
    let victim = fs.files().into_iter().find(|f| f.extension().is_some_and(|e| e == "seg")).unwrap();
    // Somewhere in the first stripe: the file opens, but does not read.
    assert!(fs.poke(&victim, 70, &[0xff; 4]));
    let store = open(&fs);
    assert!(store.compact(MINUTE).is_err());
    assert!(store.compact(MINUTE).is_err());
    assert!(!store.health().ok);
    assert!(store.health().problems.iter().any(|p| p.contains("cannot be read")), "{:?}", store.health());
    // The other group is one file; of this one nothing is lost.
    assert!(store.stats().segments <= 4, "{:?}", store.stats());
    assert!(fs.files().contains(&victim));
    drop((store, model));
}

#[test]
fn a_full_disk_parks_a_compaction_and_nothing_else() {
    let (fs, model) = disk(3);
    let used: usize = fs.files().iter().filter_map(|f| fs.peek(f)).map(|b| b.len()).sum();
    fs.set_capacity(Some(used as u64 + 100));
    let store = open(&fs);
    let result = store.compact(MINUTE);
    assert!(result.is_err());
    assert_eq!(contents(&store, "db"), model);
    fs.set_capacity(None);
    store.compact(MINUTE).unwrap();
    assert_eq!((contents(&store, "db"), store.stats().segments), (model, 2));
}

#[test]
fn a_time_limit_ends_a_compaction_in_good_order() {
    let (fs, model) = disk(3);
    let store = open(&fs);
    assert!(store.compact(Duration::ZERO).is_err());
    assert_eq!(contents(&store, "db"), model);
    store.compact(MINUTE).unwrap();
    assert_eq!(contents(&store, "db"), model);
}

#[test]
fn long_series_in_many_overlapping_files_are_joined_in_order() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let mut model = Contents::new();
    for n in 0..6i64 {
        let points: Vec<Point> = (0..4_000)
            .map(|i| {
                let field = if (i + n) % 5 == 0 { "b" } else { "a" };
                point("m,h=1", NOW + (i * 7 + n * 3) % 9_000, &[(field, Value::I(n * 10_000 + i))])
            })
            .collect();
        write(&mut writer, &target("db"), &points).unwrap();
        apply(&mut model, &points);
        store.flush().unwrap();
    }
    store.compact(MINUTE).unwrap();
    assert!(contents(&store, "db") == model);
}
