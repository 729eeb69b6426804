//! Power cuts, dying processes and failing disks: what was acknowledged is there exactly once, nothing is invented.

use super::*;
use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op};

/// Batches of a scripted run: some with new series and fields, some overwriting, some late, flushes in between.
fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..4i64 {
        let batch = |from: i64| -> Vec<Point> {
            (from..from + 6)
                .map(|i| {
                    let key = format!("m{},host=h{}", i % 2, (i + round) % 4);
                    let late = if i == from { 30 * 24 * HOUR } else { 0 };
                    point(&key, NOW - late + i % 3, &[("x", Value::I(round * 100 + i)), ("y", Value::F(0.5))])
                })
                .collect()
        };
        steps.push(Step::Write(batch(round * 10)));
        steps.push(Step::Write(batch(round * 10 + 3)));
        if round % 2 == 1 {
            steps.push(Step::Flush);
        }
    }
    steps
}

enum Step {
    Write(Vec<Point>),
    Flush,
}

/// Runs the script until it fails. Gives what was acknowledged, and the batch that may or may not be there.
fn run(fs: &SimFs, options: StoreOptions) -> (Contents, Vec<Point>) {
    let mut acknowledged = Contents::new();
    let Ok(store) = try_open(fs, options) else { return (acknowledged, Vec::new()) };
    let mut writer = store.writer();
    for step in script() {
        match step {
            Step::Write(points) => match write(&mut writer, &target("db"), &points) {
                Ok(outcomes) => {
                    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                    apply(&mut acknowledged, &points);
                }
                Err(_) => return (acknowledged, points),
            },
            Step::Flush => {
                let _ = store.flush();
            }
        }
    }
    (acknowledged, Vec::new())
}

fn check(fs: &SimFs, acknowledged: &Contents, unsure: &[Point], what: &str) {
    let store = try_open(fs, options()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = contents(&store, "db");
    // A batch of unknown outcome is there as a whole or not at all.
    let mut with = acknowledged.clone();
    apply(&mut with, unsure);
    assert!(
        found == *acknowledged || found == with,
        "{what}: {found:#?}\nexpected {acknowledged:#?}\nor {with:#?}"
    );
    // And it stays so through a flush and another start.
    store.flush().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(contents(&store, "db"), found, "{what}, after a flush");
    drop(store);
    assert_eq!(contents(&open(fs), "db"), found, "{what}, after another start");
}

#[test]
fn a_power_cut_at_any_sync_keeps_every_acknowledged_point() {
    let fs = SimFs::new();
    run(&fs, options());
    let syncs = fs.syncs();
    for at in 0..=syncs {
        let fs = SimFs::new();
        fs.cut_power_at_sync(at);
        let (acknowledged, unsure) = run(&fs, options());
        for crash in [Crash::LoseUnsynced, Crash::Tear { seed: at }, Crash::KeepAll] {
            check(&fs.after_crash(crash), &acknowledged, &unsure, &format!("cut at sync {at}, {crash:?}"));
        }
    }
}

#[test]
fn a_power_cut_after_any_change_keeps_every_acknowledged_point() {
    let fs = SimFs::new();
    run(&fs, options());
    let changes = fs.changes();
    let step = (changes / 60).max(1);
    for at in (0..=changes).step_by(usize::try_from(step).unwrap()) {
        let fs = SimFs::new();
        fs.cut_power_after(at);
        let (acknowledged, unsure) = run(&fs, options());
        let crash = Crash::Tear { seed: at.wrapping_mul(7_919) };
        check(&fs.after_crash(crash), &acknowledged, &unsure, &format!("cut after change {at}"));
    }
}

#[test]
fn a_failing_operation_loses_nothing_acknowledged() {
    let fs = SimFs::new();
    run(&fs, options());
    let counts = fs.counts();
    for (op, fault) in [
        (Op::SyncData, Fault::Fail(FaultError::Io)),
        (Op::SyncData, Fault::FailButDone(FaultError::Io)),
        (Op::SyncData, Fault::FailPartly(FaultError::Io, 3)),
        (Op::Write, Fault::Fail(FaultError::DiskFull)),
        (Op::Write, Fault::FailPartly(FaultError::Io, 5)),
        (Op::Create, Fault::Fail(FaultError::DiskFull)),
        (Op::SyncDir, Fault::Fail(FaultError::Io)),
        (Op::Rename, Fault::FailButDone(FaultError::Io)),
        (Op::CreateDir, Fault::Fail(FaultError::Io)),
    ] {
        let n = counts.get(&op).copied().unwrap_or(0);
        let step = (n / 25).max(1);
        for skip in (0..n).step_by(usize::try_from(step).unwrap()) {
            let fs = SimFs::new();
            fs.inject(FaultPlan::once(op, fault).after(skip));
            let what = format!("{op:?} number {skip}, {fault:?}");
            let (acknowledged, unsure) = run(&fs, options());
            fs.clear_faults();
            check(&fs.after_crash(Crash::LoseUnsynced), &acknowledged, &unsure, &what);
        }
    }
}

#[test]
fn a_failed_sync_of_the_log_is_mended_in_a_new_file() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let points: Vec<Point> = (0..3).map(|i| point("m,a=1", NOW + i, &[("x", Value::I(i))])).collect();
    write(&mut writer, &target("db"), &points[..1]).unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)).on("wal/"));
    write(&mut writer, &target("db"), &points[1..2]).unwrap();
    write(&mut writer, &target("db"), &points[2..]).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &points);
    assert_eq!(contents(&store, "db"), model);
    check(&fs.after_crash(Crash::LoseUnsynced), &model, &[], "after a failed sync");
}

#[test]
fn a_log_that_fails_twice_turns_the_store_read_only_and_reads_go_on() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let first = point("m,a=1", NOW, &[("x", Value::I(1))]);
    write(&mut writer, &target("db"), std::slice::from_ref(&first)).unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)).on("wal/").times(u64::MAX));
    let second = point("m,a=1", NOW + 1, &[("x", Value::I(2))]);
    assert!(matches!(
        write(&mut writer, &target("db"), std::slice::from_ref(&second)),
        Err(WriteError::Unavailable(_))
    ));
    assert!(!store.health().ok);
    assert!(write(&mut writer, &target("db"), std::slice::from_ref(&second)).is_err());
    assert_eq!(contents(&store, "db").len(), 1);
    fs.clear_faults();
    let mut model = Contents::new();
    apply(&mut model, &[first]);
    check(&fs.after_crash(Crash::LoseUnsynced), &model, &[second], "after a second failure");
}

#[test]
fn a_flush_that_fails_loses_nothing_and_succeeds_later() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let points: Vec<Point> = (0..50).map(|i| point("m,a=1", NOW + i, &[("x", Value::I(i))])).collect();
    write(&mut writer, &target("db"), &points).unwrap();
    let mut model = Contents::new();
    apply(&mut model, &points);
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)).on("data/"));
    assert!(store.flush().is_err());
    assert_eq!(contents(&store, "db"), model);
    store.flush().unwrap();
    assert_eq!(contents(&store, "db"), model);
    assert_eq!(store.stats().segments, 1);
    check(&fs.after_crash(Crash::LoseUnsynced), &model, &[], "after a failed flush");
}

#[test]
fn a_store_opened_with_fewer_lanes_reads_and_retires_the_others() {
    let fs = SimFs::new();
    let mut model = Contents::new();
    {
        let store = open(&fs);
        for n in 0..4 {
            let mut writer = store.writer();
            let p = point("m,a=1", NOW + n, &[("x", Value::I(n))]);
            write(&mut writer, &target("db"), std::slice::from_ref(&p)).unwrap();
            apply(&mut model, &[p]);
        }
    }
    assert!(has_files_under(&fs, "/d/wal/1"));
    let mut one = options();
    one.lanes = 1;
    let store = try_open(&fs, one).unwrap();
    assert_eq!(contents(&store, "db"), model);
    store.flush().unwrap();
    assert!(!has_files_under(&fs, "/d/wal/1"));
    drop(store);
    let store = open(&fs);
    assert_eq!(contents(&store, "db"), model);
    let mut writer = store.writer();
    let p = point("m,a=1", NOW, &[("x", Value::I(77))]);
    write(&mut writer, &target("db"), std::slice::from_ref(&p)).unwrap();
    write(&mut store.writer(), &target("db"), &[point("m,a=2", NOW, &[("x", Value::I(7))])]).unwrap();
    drop((writer, store));
    assert_eq!(contents(&open(&fs), "db").len(), 5);
}

#[test]
fn a_damaged_segment_is_set_aside_and_the_rest_is_served() {
    let fs = SimFs::new();
    let store = open(&fs);
    let mut writer = store.writer();
    let old = point("m,a=1", NOW - 60 * 24 * HOUR, &[("x", Value::I(1))]);
    let new = point("m,a=1", NOW, &[("x", Value::I(2))]);
    write(&mut writer, &target("db"), &[old, new.clone()]).unwrap();
    store.flush().unwrap();
    drop((writer, store));
    let segments: Vec<_> = fs.files().into_iter().filter(|f| f.to_string_lossy().ends_with(".seg")).collect();
    assert_eq!(segments.len(), 2);
    let len = fs.peek(&segments[0]).unwrap().len() as u64;
    assert!(fs.poke(&segments[0], len - 20, &[0xff; 20]));
    let store = open(&fs);
    assert_eq!(contents(&store, "db").len(), 1);
    assert!(!store.health().ok);
    drop(store);
    let store = open(&fs);
    assert_eq!(contents(&store, "db").len(), 1);
}

#[test]
fn a_failed_schema_commit_refuses_the_batch_and_the_retry_succeeds() {
    for fault in [Fault::Fail(FaultError::Io), Fault::FailButDone(FaultError::Io)] {
        let fs = SimFs::new();
        let store = open(&fs);
        let mut writer = store.writer();
        let mut model = Contents::new();
        let first = point("m,a=1", NOW, &[("x", Value::I(1))]);
        write(&mut writer, &target("db"), std::slice::from_ref(&first)).unwrap();
        apply(&mut model, &[first]);
        // New measurement, new field, new group.
        let second = point("n,a=1", NOW - 90 * 24 * HOUR, &[("y", Value::I(1)), ("z", Value::F(1.5))]);
        fs.inject(FaultPlan::once(Op::SyncData, fault).on("MANIFEST"));
        assert!(matches!(
            write(&mut writer, &target("db"), std::slice::from_ref(&second)),
            Err(WriteError::Unavailable(_))
        ));
        assert_eq!(contents(&store, "db"), model);
        let mut other = store.writer();
        for writer in [&mut writer, &mut other] {
            assert!(write(writer, &target("db"), std::slice::from_ref(&second)).unwrap()[0].is_ok());
        }
        apply(&mut model, &[second]);
        assert_eq!(contents(&store, "db"), model);
        check(&fs.after_crash(Crash::LoseUnsynced), &model, &[], "after a failed schema commit");
    }
}

#[test]
fn a_dying_process_loses_nothing_even_without_syncs() {
    let fs = SimFs::new();
    let mut lazy = options();
    lazy.wal_sync = crate::WalSync::Never;
    let (acknowledged, _) = run(&fs, lazy);
    check(&fs.after_crash(Crash::KeepAll), &acknowledged, &[], "without syncs");
}
