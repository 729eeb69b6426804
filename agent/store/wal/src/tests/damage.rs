//! Damage to what was synced: reported, copied aside, and the rest kept.

use weir_fs::Crash;

use super::*;

#[test]
fn a_flipped_byte_in_the_middle_is_reported_and_the_rest_is_kept() {
    let (fs, mut log) = fresh();
    append(&mut log, 1, 3).unwrap();
    let middle = append(&mut log, 2, 900).unwrap();
    append(&mut log, 3, 3).unwrap();
    append(&mut log, 4, 3).unwrap();
    let path = newest(&fs);
    let mut group = Group::new();
    fill(&mut group, 2, 900);
    let start = u64::from(middle.position.offset);
    let bytes = fs.peek(&path).unwrap();
    for at in 0..u64::from(middle.bytes) {
        let damaged = fs.after_crash(Crash::KeepAll);
        damaged.poke(&path, start + at, &[bytes[(start + at) as usize] ^ 0x40]);
        let log = scan(&damaged, &[]);
        if at >= group.len() as u64 {
            assert_eq!(
                (survivors(&log), log.damage().len()),
                (vec![1, 2, 3, 4], 0),
                "nothing stands at byte {at}"
            );
            continue;
        }
        let [damage] = log.damage() else { panic!("byte {at}: {:?}", log.damage()) };
        assert_eq!(
            (damage.kind, damage.offset, damage.len),
            (DamageKind::Corrupt, start, u64::from(middle.bytes))
        );
        let seqs: Vec<u64> = log.groups().map(|group| group.unwrap().seq).filter(|seq| *seq != 2).collect();
        assert_eq!(seqs, [1, 3, 4], "byte {at}");
        for record in log.groups().filter_map(Result::ok).filter(|group| group.seq == 2) {
            assert_eq!(record.records().count(), 1, "the other record of the group is kept");
        }
    }
}

#[test]
fn damaged_bytes_are_copied_aside_once() {
    let (fs, mut log) = fresh();
    for seq in 1..=3 {
        append(&mut log, seq, 100).unwrap();
    }
    fs.poke(&newest(&fs), PAGE as u64 + 50, b"damage");
    let log = scan(&fs, &[]);
    let dir = Path::new("/damaged");
    assert_eq!(log.preserve_damage(dir).unwrap(), 1);
    assert_eq!(log.preserve_damage(dir).unwrap(), 0);
    let copy = fs.peek(&dir.join("wal-0-0-4096.bin")).unwrap();
    assert_eq!(&copy[50..56], b"damage");
}

#[test]
fn a_file_with_a_successor_ends_exactly_where_the_successor_says() {
    let (fs, mut log) = fresh();
    let mut seq = 0;
    let mut last = loop {
        seq += 1;
        let appended = append(&mut log, seq, 5_000).unwrap();
        if appended.position.file_no == 1 {
            break seq;
        }
    };
    last += 1;
    append(&mut log, last, 5_000).unwrap();
    let first = fs.files().into_iter().find(|path| {
        format::FileHeader::from_page(&fs.peek(path).unwrap()).is_some_and(|header| header.file_no == 0)
    });
    let first = first.unwrap();
    let bytes = fs.peek(&first).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap();
    // The last group of the first file is damaged: there is no later group in this file, but the successor proves it.
    fs.poke(&first, end as u64 - 10, &[bytes[end - 10] ^ 1]);
    let log = scan(&fs, &[]);
    assert_eq!(log.damage().len(), 1);
    assert_eq!(log.groups().count() as u64, last, "its definitions are kept");
    // Missing altogether.
    let gone = fs.after_crash(Crash::KeepAll);
    gone.remove_file(&first).unwrap();
    let log = scan(&gone, &[]);
    assert_eq!(log.damage().iter().map(|d| d.kind).collect::<Vec<_>>(), [DamageKind::Missing]);
    assert_eq!(survivors(&log), [last - 1, last]);
    // Both copies of its header damaged: missing, and the nameless slot is neither overwritten nor lost.
    let nameless = fs.after_crash(Crash::KeepAll);
    nameless.poke(&first, 60, b"xxxx");
    nameless.poke(&first, 2048 + 60, b"xxxx");
    let log = scan(&nameless, &[]);
    let kinds: Vec<_> = log.damage().iter().map(|d| d.kind).collect();
    assert_eq!(kinds, [DamageKind::Missing, DamageKind::Corrupt]);
    let mut lane = open(&nameless, Floor::default(), SyncMode::Commit);
    for seq in 100..120 {
        append(&mut lane, seq, 5_000).unwrap();
    }
    assert!(nameless.peek(&first).is_some_and(|b| b[PAGE..] == fs.peek(&first).unwrap()[PAGE..]));
}

#[test]
fn files_of_other_stores_are_left_alone_and_newer_formats_refused() {
    let (fs, mut log) = fresh();
    append(&mut log, 1, 10).unwrap();
    let path = newest(&fs);
    let other = Log::scan(shared(&fs), wal(), *b"another store!!!", &[]).unwrap();
    assert_eq!(other.damage().iter().map(|d| d.kind).collect::<Vec<_>>(), [DamageKind::Foreign]);
    assert_eq!(other.groups().count(), 0);
    let mut page = fs.peek(&path).unwrap()[..64].to_vec();
    page[8] = 9;
    let crc = crc32fast::hash(&page[..60]);
    page[60..].copy_from_slice(&crc.to_le_bytes());
    fs.poke(&path, 0, &page);
    let refused = Log::scan(shared(&fs), wal(), STORE, &[]).unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("log format 9 is not known"), "{text}");
}
