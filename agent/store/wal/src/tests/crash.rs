//! Power cuts at every moment.

use weir_fs::Crash;

use super::*;

/// Sizes in rows: several groups per file, groups larger than the first file, rotations.
const ROWS: [usize; 10] = [3, 2_000, 12_000, 1, 9_000, 40_000, 500, 30_000, 7, 20_000];

/// Appends groups, makes spares, and gives files back, until the power goes. Returns the last acknowledged seq, the last tried one and
/// the floor that was durable.
fn script(fs: &SimFs, first_seq: u64, floor: Floor) -> (Option<u64>, Option<u64>, Floor) {
    let (mut acknowledged, mut tried, mut floor) = (None, None, floor);
    let Ok(mut log) = try_open(fs, floor, SyncMode::Commit, fs.changes()) else {
        return (acknowledged, tried, floor);
    };
    for (i, rows) in ROWS.into_iter().enumerate() {
        let seq = first_seq + ((i as u64 / 4) << 32) + i as u64;
        if log.slots().needs_spare() && i % 2 == 0 {
            let _ = log.slots().prepare_spare();
        }
        tried = Some(seq);
        if append(&mut log, seq, rows).is_err() {
            break;
        }
        acknowledged = Some(seq);
        if i == 5 {
            // Everything before the current generation is in segments now, says a manifest that is not part of this disk.
            let generation = generation_of(seq);
            floor = Floor { generation, file_no: log.slots().floor_file(generation), ..floor };
            let _ = log.slots().release(floor);
        }
    }
    (acknowledged, tried, floor)
}

/// Checks that everything acknowledged above the floor is there, at most the group being written besides, and no damage.
fn verify(
    fs: &SimFs,
    first_seq: u64,
    acknowledged: Option<u64>,
    tried: Option<u64>,
    floor: Floor,
    what: &str,
) {
    let log = scan(fs, &[floor]);
    assert_eq!(log.damage(), [], "{what}");
    let found = survivors(&log);
    let want: Vec<u64> = (0..ROWS.len() as u64)
        .map(|i| first_seq + ((i / 4) << 32) + i)
        .filter(|&seq| acknowledged.is_some_and(|last| seq <= last) && generation_of(seq) >= floor.generation)
        .collect();
    let mut with_tried = want.clone();
    with_tried.extend(tried.filter(|_| tried != acknowledged));
    let found: Vec<u64> = found.into_iter().filter(|&seq| seq >= first_seq).collect();
    assert!(
        found == want || found == with_tried,
        "{what}: found {found:?}, acknowledged {want:?}, tried {tried:?}"
    );
}

#[test]
fn acknowledged_groups_survive_a_power_cut_at_every_operation() {
    let whole = SimFs::new();
    let (last, ..) = script(&whole, 1 << 32, Floor::default());
    assert!(last.is_some());
    let changes = whole.changes();
    assert!(changes > 40, "{changes} operations");
    for cut in 0..=changes {
        let fs = SimFs::new();
        fs.cut_power_after(cut);
        let (acknowledged, tried, floor) = script(&fs, 1 << 32, Floor::default());
        for crash in [
            Crash::KeepAll,
            Crash::LoseUnsynced,
            Crash::Tear { seed: cut },
            Crash::Tear { seed: cut + 1_000 },
        ] {
            let what = format!("cut after {cut} operations, {crash:?}");
            verify(&fs.after_crash(crash), 1 << 32, acknowledged, tried, floor, &what);
        }
    }
}

#[test]
fn a_second_power_cut_while_going_on_loses_nothing_either() {
    let whole = SimFs::new();
    script(&whole, 1 << 32, Floor::default());
    for cut in (0..=whole.changes()).step_by(7) {
        let fs = SimFs::new();
        fs.cut_power_after(cut);
        let (first, first_tried, floor) = script(&fs, 1 << 32, Floor::default());
        fs.crash(Crash::Tear { seed: cut });
        let before = fs.changes();
        let probe = fs.after_crash(Crash::KeepAll);
        script(&probe, 100 << 32, floor);
        for second in (0..=probe.changes() - before).step_by(11) {
            let again = fs.after_crash(Crash::KeepAll);
            again.cut_power_after(second);
            let (acknowledged, tried, floor_now) = script(&again, 100 << 32, floor);
            again.crash(Crash::Tear { seed: second });
            let what = format!("cuts after {cut} and {second} operations");
            verify(&again, 100 << 32, acknowledged, tried, floor_now, &what);
            if floor_now == floor {
                let kept = scan(&again, &[floor]);
                let old: Vec<u64> = survivors(&kept).into_iter().filter(|seq| *seq < 100 << 32).collect();
                let last = old.last().copied();
                assert!(
                    last == first.filter(|seq| generation_of(*seq) >= floor.generation)
                        || last == first_tried,
                    "{what}: {old:?}"
                );
            }
        }
    }
}

#[test]
fn a_torn_last_write_is_dropped_wherever_it_tears() {
    let (fs, mut log) = fresh();
    append(&mut log, 1, 3).unwrap();
    append(&mut log, 2, 600).unwrap();
    let last = append(&mut log, 3, 1_000).unwrap();
    let path = newest(&fs);
    let whole = fs.peek(&path).unwrap();
    let start = last.position.offset as usize;
    let mut group = Group::new();
    fill(&mut group, 3, 1_000);
    for keep in (0..group.len()).step_by(3).chain([group.len() - 1, group.len()]) {
        for rest in [0u8, 0xA5] {
            let torn = fs.after_crash(Crash::KeepAll);
            torn.poke(&path, (start + keep) as u64, &vec![rest; whole.len() - start - keep]);
            let log = scan(&torn, &[]);
            assert_eq!(log.damage(), []);
            let want: &[u64] = if keep == group.len() { &[1, 2, 3] } else { &[1, 2] };
            // The last byte may be what it was torn to.
            if keep + 1 < group.len() || keep == group.len() {
                assert_eq!(survivors(&log), want, "{keep} bytes kept");
            }
        }
    }
    // Cut short instead.
    for len in [0, 100, PAGE, PAGE + 1, start - 1, start, start + 5_000, whole.len() - 1] {
        let cut = fs.after_crash(Crash::KeepAll);
        cut.poke_len(&path, len as u64);
        let log = scan(&cut, &[]);
        assert_eq!(log.damage(), []);
        assert!(survivors(&log).len() <= 3);
        let mut lane = open(&cut, Floor::default(), SyncMode::Commit);
        append(&mut lane, 9, 5).unwrap();
        assert_eq!(survivors(&scan(&cut, &[])).last(), Some(&9));
    }
}

#[test]
fn garbage_behind_the_last_group_is_dropped_and_the_log_goes_on() {
    let (fs, mut log) = fresh();
    for seq in 1..=4 {
        append(&mut log, seq, 300).unwrap();
    }
    let path = newest(&fs);
    let file = fs.peek(&path).unwrap();
    let used = file.iter().rposition(|b| *b != 0).unwrap() + 1;
    let noise: Vec<u8> = (0..9_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let garbage = [
        file[PAGE..PAGE + 3_000].to_vec(),
        file[PAGE..PAGE + 2 * PAGE].to_vec(),
        file[PAGE + 100..PAGE + 777].to_vec(),
        vec![0; 5_000],
        noise,
    ];
    for bytes in &garbage {
        for at in [file.len(), used.next_multiple_of(PAGE)] {
            let torn = fs.after_crash(Crash::KeepAll);
            torn.poke(&path, at as u64, bytes);
            let log = scan(&torn, &[]);
            assert_eq!((survivors(&log), log.damage()), (vec![1, 2, 3, 4], &[][..]));
            let mut lane = open(&torn, Floor::default(), SyncMode::Commit);
            append(&mut lane, 5, 300).unwrap();
            let log = scan(&torn, &[]);
            assert_eq!((survivors(&log), log.damage()), (vec![1, 2, 3, 4, 5], &[][..]));
        }
    }
}

#[test]
fn bytes_of_a_recycled_file_never_come_back() {
    let (fs, mut log) = fresh();
    let mut floor = Floor::default();
    let mut reused = false;
    for generation in 1..40u64 {
        for i in 0..4 {
            let slot_files = fs.files().len();
            append(&mut log, generation << 32 | i, 9_000).unwrap();
            reused |= generation > 30 && fs.files().len() == slot_files;
        }
        floor = Floor { generation, file_no: log.slots().floor_file(generation), ..floor };
        log.slots().release(floor).unwrap();
        let replayed = scan(&fs, &[floor]);
        assert_eq!(replayed.damage(), []);
        let want: Vec<u64> = (0..4).map(|i| generation << 32 | i).collect();
        assert_eq!(survivors(&replayed), want);
        assert!(fs.files().len() <= 5, "at most two spares: {:?}", fs.files());
    }
    assert!(reused, "files are written over");
}
