//! Failing writes and syncs, and full disks.

use std::time::Duration;

use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op};

use super::*;

const ALL: [Crash; 4] =
    [Crash::KeepAll, Crash::LoseUnsynced, Crash::Tear { seed: 1 }, Crash::Tear { seed: 2 }];

#[test]
fn after_one_failed_write_or_sync_the_log_goes_on_in_a_new_file() {
    for op in [Op::Write, Op::SyncData] {
        for seed in 0..6 {
            for fault in [
                Fault::Fail(FaultError::Io),
                Fault::FailButDone(FaultError::Io),
                Fault::FailPartly(FaultError::DiskFull, seed),
            ] {
                let (fs, mut log) = fresh();
                append(&mut log, 1, 2_000).unwrap();
                append(&mut log, 2, 2_000).unwrap();
                log.slots().prepare_spare().unwrap();
                fs.inject(FaultPlan::once(op, fault));
                let moved = append(&mut log, 3, 2_000).unwrap();
                assert!(moved.synced && moved.position.file_no == 1, "{moved:?}");
                append(&mut log, 4, 2_000).unwrap();
                for crash in ALL {
                    let replayed = scan(&fs.after_crash(crash), &[]);
                    assert_eq!(replayed.damage(), [], "{op:?} {fault:?} {crash:?}");
                    assert_eq!(survivors(&replayed), [1, 2, 3, 4], "{op:?} {fault:?} {crash:?}");
                }
            }
        }
    }
}

#[test]
fn a_second_failure_closes_the_log_and_a_restart_mends_it() {
    for op in [Op::Write, Op::SyncData] {
        for fault in [
            Fault::Fail(FaultError::Io),
            Fault::FailButDone(FaultError::Io),
            Fault::FailPartly(FaultError::Io, 9),
        ] {
            let (fs, mut log) = fresh();
            append(&mut log, 1, 2_000).unwrap();
            log.slots().prepare_spare().unwrap();
            fs.inject(FaultPlan::once(op, fault).times(3));
            let failed = append(&mut log, 2, 2_000).unwrap_err();
            assert!(matches!(failed, WalError::Failed { .. }), "{failed:?}");
            assert!(matches!(append(&mut log, 3, 1), Err(WalError::Closed { .. })));
            assert!(log.is_closed());
            for crash in ALL {
                let again = fs.after_crash(crash);
                let mut log = open(&again, Floor::default(), SyncMode::Commit);
                append(&mut log, 5, 100).unwrap();
                again.crash(Crash::LoseUnsynced);
                let replayed = scan(&again, &[]);
                assert_eq!(replayed.damage(), []);
                let found = survivors(&replayed);
                assert!(found == [1, 5] || found == [1, 2, 5], "{found:?}");
            }
        }
    }
}

#[test]
fn a_failing_operation_of_any_kind_never_loses_what_was_acknowledged() {
    for nth in 0..80 {
        for fault in [Fault::Fail(FaultError::DiskFull), Fault::FailPartly(FaultError::Io, nth)] {
            let (fs, mut log) = fresh();
            let plan = FaultPlan { op: None, path_contains: String::new(), skip: nth, times: 1, fault };
            fs.inject(plan);
            let mut acknowledged = Vec::new();
            for seq in 1..=12 {
                if append(&mut log, seq, 6_000).is_ok() {
                    acknowledged.push(seq);
                }
            }
            assert!(acknowledged.len() >= 11, "one failure costs one group at most");
            for crash in ALL {
                let replayed = scan(&fs.after_crash(crash), &[]);
                assert_eq!(replayed.damage(), [], "operation {nth}, {fault:?}, {crash:?}");
                assert_eq!(survivors(&replayed), acknowledged, "operation {nth}, {fault:?}, {crash:?}");
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_the_next_file_and_harms_nothing() {
    let (fs, mut log) = fresh();
    append(&mut log, 1, 10_000).unwrap();
    fs.set_capacity(Some(300 << 10));
    let mut seq = 2;
    let refused = loop {
        match append(&mut log, seq, 10_000) {
            Ok(_) => seq += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(&refused, WalError::NoSlot { source, .. } if source.is_disk_full()), "{refused:?}");
    // What still fits goes on; with room again, so does the rest.
    append(&mut log, seq, 1).unwrap();
    fs.set_capacity(None);
    append(&mut log, seq + 1, 10_000).unwrap();
    fs.crash(Crash::LoseUnsynced);
    assert_eq!(survivors(&scan(&fs, &[])), (1..=seq + 1).collect::<Vec<_>>());
}

#[test]
fn groups_larger_than_a_file_are_refused_unharmed() {
    let (_, mut log) = fresh();
    let refused = append(&mut log, 1, 3_000_000).unwrap_err();
    assert!(matches!(refused, WalError::GroupTooLarge { .. }), "{refused:?}");
    append(&mut log, 1, 1_000_000).unwrap();
}

#[test]
fn unsynced_groups_move_along_when_a_delayed_sync_fails() {
    let fs = SimFs::new();
    let mut log = open(&fs, Floor::default(), SyncMode::Interval(Duration::from_millis(100)));
    append(&mut log, 1, 50).unwrap();
    assert!(log.sync_due_ns().is_some());
    log.sync().unwrap();
    assert!(log.sync_due_ns().is_none());
    for seq in 2..=4 {
        assert!(!append(&mut log, seq, 50).unwrap().synced);
    }
    assert_eq!(survivors(&scan(&fs.after_crash(Crash::LoseUnsynced), &[])), [1]);
    log.slots().prepare_spare().unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)));
    log.sync().unwrap();
    fs.crash(Crash::LoseUnsynced);
    let replayed = scan(&fs, &[]);
    assert_eq!((survivors(&replayed), replayed.damage()), (vec![1, 2, 3, 4], &[][..]));
}

#[test]
fn without_syncs_a_power_cut_leaves_a_prefix_and_no_damage() {
    for mode in [SyncMode::None, SyncMode::Interval(Duration::from_secs(1))] {
        let fs = SimFs::new();
        let mut log = open(&fs, Floor::default(), mode);
        for seq in 1..=30 {
            append(&mut log, seq, 3_000).unwrap();
            for seed in 0..8 {
                let replayed = scan(&fs.after_crash(Crash::Tear { seed }), &[]);
                assert_eq!(replayed.damage(), []);
                let found = survivors(&replayed);
                assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
            }
        }
        assert_eq!(survivors(&scan(&fs.after_crash(Crash::KeepAll), &[])).len(), 30);
    }
}
