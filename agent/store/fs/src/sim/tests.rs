//! The simulated disk: what a power cut keeps, what a fault does.

use std::path::Path;

use super::*;
use crate::{Fs, OpenMode, publish_file, read_file};

fn disk() -> SimFs {
    SimFs::new()
}

const A: &str = "/a";

fn create(fs: &SimFs, bytes: &[u8]) -> Arc<dyn crate::File> {
    let file = fs.open(Path::new(A), OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    file
}

#[test]
fn a_crash_loses_unsynced_data_and_unsynced_names() {
    let fs = disk();
    let file = create(&fs, b"old");
    file.write_all_at(b"new and longer", 0).unwrap();
    let b = fs.open(Path::new("/b"), OpenMode::CreateNew).unwrap();
    b.write_all_at(b"b", 0).unwrap();
    b.sync_data().unwrap();
    assert_eq!(fs.peek(Path::new(A)).unwrap(), b"new and longer");
    assert_eq!(fs.after_crash(Crash::KeepAll).files().len(), 2);
    fs.crash(Crash::LoseUnsynced);
    assert_eq!(fs.files(), [Path::new(A)]);
    assert_eq!(fs.peek(Path::new(A)).unwrap(), b"old");
    assert!(file.read_at(&mut [0; 1], 0).is_err(), "a handle from before the crash is dead");
}

#[test]
fn a_tear_keeps_whole_sectors_of_any_version_and_every_mixture_occurs() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let fs = disk();
        let file = create(&fs, &[b'o'; 8192]);
        file.write_all_at(&[b'1'; 8192], 0).unwrap();
        file.write_all_at(&[b'2'; 4096], 4096).unwrap();
        let torn = fs.after_crash(Crash::Tear { seed }).peek(Path::new(A)).unwrap();
        assert_eq!(torn.len(), 8192);
        for sector in torn.chunks(512) {
            assert!(sector.iter().all(|b| *b == sector[0]), "sectors are whole");
        }
        assert_eq!(
            torn,
            fs.after_crash(Crash::Tear { seed }).peek(Path::new(A)).unwrap(),
            "same seed, same disk"
        );
        seen.insert((torn[0], torn[4096]));
    }
    let all: Vec<_> = [b'1', b'o'].iter().flat_map(|a| [b'1', b'2', b'o'].map(|b| (*a, b))).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_failed_sync_loses_its_writes_for_good_unless_told_otherwise() {
    for (fault, want) in
        [(Fault::Fail(FaultError::Io), &b"old"[..]), (Fault::FailButDone(FaultError::Io), &b"new"[..])]
    {
        let fs = disk();
        let file = create(&fs, b"old");
        fs.inject(FaultPlan::once(Op::SyncData, fault).on("a"));
        file.write_all_at(b"new", 0).unwrap();
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(fs.peek(Path::new(A)).unwrap(), b"new");
        fs.crash(Crash::LoseUnsynced);
        assert_eq!(fs.peek(Path::new(A)).unwrap(), want);
    }
}

#[test]
fn a_full_disk_refuses_growth_but_not_overwriting() {
    let fs = disk();
    let file = create(&fs, b"1234");
    fs.set_capacity(Some(5));
    file.write_all_at(b"4321", 0).unwrap();
    let full = file.write_all_at(b"56", 4).unwrap_err();
    assert!(full.is_disk_full(), "{full}");
    assert_eq!(fs.free_space(Path::new("/")).unwrap(), 1);
    fs.remove_file(Path::new(A)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    drop(file);
    assert_eq!(fs.free_space(Path::new("/")).unwrap(), 5);
}

#[test]
fn publish_shows_old_or_new_contents_after_a_cut_at_every_operation() {
    let mut at = 0;
    loop {
        let fs = disk();
        publish_file(&fs, Path::new(A), b"old").unwrap();
        fs.cut_power_after(at);
        let done = publish_file(&fs, Path::new(A), b"new").is_ok();
        for seed in 0..32 {
            let left = fs.after_crash(Crash::Tear { seed });
            let bytes = read_file(&left, Path::new(A), 100).unwrap();
            assert!(bytes == b"new" || (!done && bytes == b"old"), "cut at {at}, seed {seed}");
        }
        if done {
            break;
        }
        at += 1;
    }
    assert_eq!(at, 5, "create, write, sync, rename, sync");
}

#[test]
fn faults_hit_the_operation_they_name() {
    let fs = disk();
    fs.record(true);
    let file = create(&fs, b"");
    fs.inject(FaultPlan::once(Op::Write, Fault::FailPartly(FaultError::DiskFull, 3)).after(1).times(2));
    file.write_all_at(b"first", 0).unwrap();
    file.write_all_at(b"second", 5).unwrap_err();
    file.write_all_at(b"third", 5).unwrap_err();
    file.write_all_at(b"fourth", 5).unwrap();
    assert_eq!(fs.count(Op::Write), 5);
    assert_eq!(fs.log().iter().filter(|entry| !entry.ok).count(), 2);
    fs.cut_power_at_sync(0);
    file.write_all_at(b"x", 0).unwrap();
    assert!(!fs.is_cut());
    file.sync_data().unwrap_err();
    assert!(fs.is_cut());
    file.read_at(&mut [0], 0).unwrap_err();
}
