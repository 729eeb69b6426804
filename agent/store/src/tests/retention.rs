//! Retention drops whole groups, believes no strange clock, and takes no definition away that is still needed.

use super::*;
use std::time::Duration;
use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op};
use weir_model::admin::{Admin, PolicyChange};

const MINUTE: u64 = 60_000_000_000;
const DAY: i64 = 24 * HOUR;

fn open_with(fs: &SimFs, clock: &Arc<TestClock>) -> Store {
    Store::open(options(), Arc::new(fs.clone()), Arc::<TestClock>::clone(clock)).unwrap()
}

/// Lets hours pass in steps that the background can see.
fn pass(clock: &TestClock, minutes: u64) {
    for _ in 0..minutes.div_ceil(30) {
        clock.advance(30 * MINUTE);
        std::thread::sleep(Duration::from_millis(120));
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} does not come to pass");
}

/// A store with points of today and of a month ago, all flushed; and a policy of a week.
fn prepare(fs: &SimFs, clock: &Arc<TestClock>) -> (Store, Vec<Point>, Vec<Point>) {
    let store = open_with(fs, clock);
    let old: Vec<Point> =
        (0..5).map(|i| point(&format!("m,h={i}"), NOW - 30 * DAY + i, &[("x", Value::I(i))])).collect();
    let new: Vec<Point> =
        (3..8).map(|i| point(&format!("m,h={i}"), NOW + i, &[("x", Value::I(10 * i))])).collect();
    let mut writer = store.writer();
    write(&mut writer, &target("db"), &old).unwrap();
    write(&mut writer, &target("db"), &new).unwrap();
    store.flush().unwrap();
    (store, old, new)
}

fn keep_a_week(store: &Store) {
    let change = PolicyChange { duration_ns: Some(7 * DAY), ..PolicyChange::default() };
    store.alter_policy("db", "autogen", change).unwrap();
}

#[test]
fn expired_groups_go_as_a_whole_and_their_series_can_come_back() {
    let fs = SimFs::new();
    let clock = TestClock::new();
    let (store, old, new) = prepare(&fs, &clock);
    let (mut all, mut rest) = (Contents::new(), Contents::new());
    apply(&mut rest, &new);
    apply(&mut all, &old);
    apply(&mut all, &new);
    keep_a_week(&store);
    pass(&clock, 30);
    assert_eq!(contents(&store, "db"), all, "nothing is believed in the first hour");
    pass(&clock, 60);
    wait_until("the end of the old group", || {
        clock.advance(2 * MINUTE);
        contents(&store, "db") == rest
    });
    wait_until("the removal of its files", || {
        fs.files().iter().filter(|f| f.extension().is_some_and(|e| e == "seg")).count() == 1
    });
    // Series that only the old group defined are written again, and survive a power cut before anything is flushed.
    let mut writer = store.writer();
    let again: Vec<Point> =
        (0..8).map(|i| point(&format!("m,h={i}"), NOW + 100 + i, &[("x", Value::I(i))])).collect();
    write(&mut writer, &target("db"), &again).unwrap();
    apply(&mut rest, &again);
    assert_eq!(contents(&store, "db"), rest);
    let after = fs.after_crash(Crash::LoseUnsynced);
    drop((writer, store));
    let store = open_with(&after, &clock);
    assert_eq!(contents(&store, "db"), rest);
    assert!(store.health().ok, "{:?}", store.health());
}

#[test]
fn a_clock_that_jumps_drops_nothing_until_it_is_confirmed() {
    let fs = SimFs::new();
    let clock = TestClock::new();
    let (store, old, new) = prepare(&fs, &clock);
    let mut all = Contents::new();
    apply(&mut all, &old);
    apply(&mut all, &new);
    let change = PolicyChange { duration_ns: Some(60 * DAY), ..PolicyChange::default() };
    store.alter_policy("db", "autogen", change).unwrap();
    pass(&clock, 90);
    // A year into the future: all would be old.
    clock.wall.fetch_add(365 * DAY, Ordering::SeqCst);
    pass(&clock, 240);
    assert_eq!(contents(&store, "db"), all);
    store.confirm_clock();
    wait_until("the end of all groups", || {
        clock.advance(2 * MINUTE);
        contents(&store, "db").is_empty()
    });
    drop(store);
    assert!(contents(&open_with(&fs, &clock), "db").is_empty());
}

#[test]
fn whatever_fails_the_old_group_is_there_as_a_whole_or_gone_as_a_whole() {
    for (op, fault) in [
        (Op::SyncData, Fault::Fail(FaultError::Io)),
        (Op::SyncData, Fault::FailButDone(FaultError::Io)),
        (Op::RemoveFile, Fault::Fail(FaultError::Io)),
        (Op::RemoveDir, Fault::Fail(FaultError::Io)),
    ] {
        for crash in [Crash::LoseUnsynced, Crash::KeepAll, Crash::Tear { seed: 5 }] {
            let fs = SimFs::new();
            let clock = TestClock::new();
            let (store, old, new) = prepare(&fs, &clock);
            let (mut all, mut rest) = (Contents::new(), Contents::new());
            apply(&mut rest, &new);
            apply(&mut all, &old);
            apply(&mut all, &new);
            keep_a_week(&store);
            pass(&clock, 60);
            fs.inject(FaultPlan::once(op, fault));
            for _ in 0..4 {
                pass(&clock, 30);
                let now = contents(&store, "db");
                assert!(now == all || now == rest, "{op:?} {fault:?}");
                let after = fs.after_crash(crash);
                let other = open_with(&after, &TestClock::new());
                let then = contents(&other, "db");
                assert!(then == all || then == rest, "{op:?} {fault:?} {crash:?}");
                assert!(then == now || now == all, "{op:?} {fault:?} {crash:?}: what is gone stays gone");
            }
        }
    }
}
