//! Several lanes, floors, and files kept for readers.

use super::*;

fn lane(fs: &SimFs, lane: u16) -> LaneLog {
    open(fs, Floor { lane, ..Floor::default() }, SyncMode::Commit)
}

#[test]
fn lanes_are_merged_by_seq_whatever_directories_there_are() {
    let fs = SimFs::new();
    let mut logs = [lane(&fs, 0), lane(&fs, 1), lane(&fs, 7)];
    for seq in 1..=60u64 {
        append(&mut logs[(seq * seq % 3) as usize], seq, 40).unwrap();
    }
    fs.create_dir_all(&wal().join("not-a-lane")).unwrap();
    let log = scan(&fs, &[]);
    assert_eq!(log.lanes().collect::<Vec<_>>(), [0, 1, 7]);
    assert_eq!(survivors(&log), (1..=60).collect::<Vec<_>>());
    assert_eq!((log.seq_max(), log.group_count()), (Some(60), 60));
    let by_lane: usize = [0, 1, 7].iter().map(|lane| log.groups_of_lane(*lane).count()).sum();
    assert_eq!(by_lane, 60);
    let mut defined = Vec::new();
    log.definitions(|policy, definition| {
        assert_eq!(policy, 1);
        defined.push(definition.series);
        Ok::<(), WalError>(())
    })
    .unwrap();
    defined.sort_unstable();
    assert_eq!(defined, (1..=60).collect::<Vec<_>>());
}

#[test]
fn the_floor_skips_points_but_not_definitions_of_kept_files() {
    let (fs, mut log) = fresh();
    for seq in [1 << 32, 1 << 32 | 1, 2 << 32, 2 << 32 | 1] {
        append(&mut log, seq, 10).unwrap();
    }
    let floor = Floor { generation: 2, file_no: log.slots().floor_file(2), ..Floor::default() };
    assert_eq!(floor.file_no, 0, "one file holds both generations");
    let replayed = scan(&fs, &[floor]);
    assert_eq!(survivors(&replayed), [2 << 32, 2 << 32 | 1]);
    let mut defined = 0;
    let count = |_, _: Definition<'_>| {
        defined += 1;
        Ok::<(), WalError>(())
    };
    replayed.definitions(count).unwrap();
    assert_eq!(defined, 4);
}

#[test]
fn files_kept_for_readers_count_apart_and_are_not_overwritten() {
    let (fs, mut log) = fresh();
    for seq in 1..=10u64 {
        append(&mut log, seq << 32, 30_000).unwrap();
    }
    let slots = Arc::clone(log.slots());
    let needed = slots.floor_file(9);
    assert!(needed >= 2);
    let floor = Floor { generation: 9, file_no: needed, keep_from: Some(1), lane: 0 };
    let before = slots.live_bytes();
    slots.release(floor).unwrap();
    assert!(slots.live_bytes() < before && slots.held_bytes() > 0);
    for seq in 11..=20u64 {
        append(&mut log, seq << 32, 30_000).unwrap();
    }
    let replayed = scan(&fs, &[floor]);
    assert_eq!(replayed.damage(), []);
    assert_eq!(survivors(&replayed), (9..=20u64).map(|seq| seq << 32).collect::<Vec<_>>());
    let held = scan(&fs, &[Floor { file_no: 1, ..Floor::default() }]);
    assert!(survivors(&held).len() > 12, "the reader's files are still there");
    slots.release(Floor { keep_from: None, ..floor }).unwrap();
    assert_eq!(slots.held_bytes(), 0);
}

#[test]
fn a_lane_that_nothing_needs_goes_away() {
    let fs = SimFs::new();
    let mut old = lane(&fs, 5);
    append(&mut old, 3 << 32, 10).unwrap();
    drop(old);
    let start = scan(&fs, &[]).start(Floor { lane: 5, ..Floor::default() });
    let slots = LaneSlots::open(shared(&fs), wal(), &start).unwrap();
    assert!(!slots.retire(Floor { lane: 5, ..Floor::default() }).unwrap());
    let floor = Floor { lane: 5, generation: 4, file_no: slots.floor_file(4), keep_from: None };
    slots.release(floor).unwrap();
    assert!(slots.retire(floor).unwrap());
    fs.crash(weir_fs::Crash::LoseUnsynced);
    assert!(!fs.exists(&wal().join("5")).unwrap());
    assert_eq!(scan(&fs, &[]).lanes().count(), 0);
}

#[test]
fn a_lane_whose_floor_is_past_all_files_goes_on_numbering() {
    let (fs, log) = fresh();
    drop(log);
    let floor = Floor { generation: 9, file_no: 57, ..Floor::default() };
    let mut log = open(&fs, floor, SyncMode::Commit);
    assert_eq!(log.slots().floor_file(9), 57);
    assert_eq!(
        append(&mut log, 9 << 32, 10).unwrap().position,
        Position { file_no: 57, offset: PAGE as u32 }
    );
    let replayed = scan(&fs, &[floor]);
    assert_eq!((survivors(&replayed), replayed.damage()), (vec![9 << 32], &[][..]));
}

#[test]
fn after_a_restart_everything_flushed_is_given_back_before_the_first_group() {
    let (fs, mut log) = fresh();
    for seq in 1..=5u64 {
        append(&mut log, seq << 32, 30_000).unwrap();
    }
    drop(log);
    let mut log = open(&fs, Floor::default(), SyncMode::Commit);
    assert!(log.slots().live_bytes() > 1_000_000);
    let floor = Floor { generation: 6, file_no: log.slots().floor_file(6), ..Floor::default() };
    log.slots().release(floor).unwrap();
    assert_eq!(log.slots().live_bytes(), 0);
    append(&mut log, 6 << 32, 10).unwrap();
    let replayed = scan(&fs, &[floor]);
    assert_eq!((survivors(&replayed), replayed.damage()), (vec![6 << 32], &[][..]));
}

#[test]
fn spares_are_made_ahead_and_dropped_when_idle() {
    let (fs, mut log) = fresh();
    assert!(log.slots().needs_spare());
    log.slots().prepare_spare().unwrap();
    assert!(!log.slots().needs_spare());
    append(&mut log, 1, 10).unwrap();
    log.slots().prepare_spare().unwrap();
    assert_eq!(fs.files().len(), 2);
    log.slots().drop_spares().unwrap();
    assert_eq!(fs.files().len(), 1);
    assert_eq!(survivors(&scan(&fs, &[])), [1]);
}
