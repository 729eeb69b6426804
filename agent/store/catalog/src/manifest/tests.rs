//! What a manifest must survive: power cuts at any moment, torn writes, failed syncs, full disks, damage.

use super::*;
use proptest::prelude::*;
use weir_fs::{Crash, Fault, FaultError, FaultPlan, SimFs};

use crate::ids::DatabaseId;

const STORE: StoreId = StoreId([7; 16]);

fn database(n: u32) -> Vec<Edit> {
    vec![Edit::CreateDatabase { id: DatabaseId(n), name: format!("db{n}").into() }]
}

fn names(state: &CatalogState) -> Vec<String> {
    state.databases().map(|database| database.name.to_string()).collect()
}

fn open(fs: &SimFs) -> Result<(Manifest, CatalogState), CatalogError> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    fs.create_dir_all(Path::new("/d"))?;
    Manifest::open(&fs, Path::new("/d"), STORE)
}

fn current_path(fs: &SimFs) -> PathBuf {
    let name = fs.peek(Path::new("/d/CURRENT")).unwrap();
    Path::new("/d").join(String::from_utf8(name).unwrap().trim())
}

/// A manifest with records for databases 1 to `n`, one each, left open.
fn with_records(fs: &SimFs, n: u32) -> Manifest {
    let (mut manifest, _) = open(fs).unwrap();
    for i in 1..=n {
        manifest.append(&database(i)).unwrap();
    }
    manifest
}

#[test]
fn records_come_back_after_a_power_cut() {
    let fs = SimFs::new();
    let _open = with_records(&fs, 3);
    fs.crash(Crash::LoseUnsynced);
    assert_eq!(names(&open(&fs).unwrap().1), ["db1", "db2", "db3"]);
}

/// Three records, cutting the power before each change to the disk, with each way of losing what was not synced. What was
/// acknowledged must be there; the one being written may be.
#[test]
fn a_power_cut_at_any_moment_keeps_what_was_acknowledged() {
    let steps = {
        let fs = SimFs::new();
        with_records(&fs, 3);
        fs.changes()
    };
    for cut in 0..steps {
        for crash in [
            Crash::KeepAll,
            Crash::LoseUnsynced,
            Crash::Tear { seed: cut },
            Crash::Tear { seed: cut ^ 0xabcd },
        ] {
            let fs = SimFs::new();
            fs.cut_power_after(cut);
            let mut acknowledged = 0;
            if let Ok((mut manifest, _)) = open(&fs) {
                for i in 1..=3 {
                    if manifest.append(&database(i)).is_err() {
                        break;
                    }
                    acknowledged = i as usize;
                }
            }
            fs.crash(crash);
            // Twice, with a cut in between: what the first opening did must be durable too.
            let found = names(&open(&fs).unwrap().1);
            assert!(
                found.len() >= acknowledged && found.len() <= acknowledged + 1,
                "{cut} {crash:?} {found:?}"
            );
            fs.crash(Crash::LoseUnsynced);
            assert_eq!(names(&open(&fs).unwrap().1), found, "{cut} {crash:?}");
        }
    }
}

#[test]
fn a_torn_last_record_is_dropped_and_never_appended_to() {
    let fs = SimFs::new();
    let manifest = with_records(&fs, 3);
    let last = manifest.end - PAGE as u64;
    let path = current_path(&fs);
    assert!(fs.poke(&path, last + 30, b"torn"));
    drop(manifest);
    let (_, state) = open(&fs).unwrap();
    assert_eq!(names(&state), ["db1", "db2"]);
    assert_ne!(current_path(&fs), path);
    assert_eq!(fs.peek(&path), None, "the old manifest is removed");
}

#[test]
fn damage_before_the_last_record_refuses_to_open() {
    let fs = SimFs::new();
    let manifest = with_records(&fs, 3);
    assert!(fs.poke(&current_path(&fs), manifest.end - 2 * PAGE as u64 + 30, b"rot"));
    drop(manifest);
    let error = open(&fs).unwrap_err().to_string();
    assert!(error.contains("damaged, although there is a later one"), "{error}");
    assert!(error.contains("weir doctor --rebuild-manifest"), "{error}");
}

#[test]
fn a_damaged_state_or_header_refuses_to_open() {
    for (at, expected) in [(3, "no manifest"), (40, "checksum"), (PAGE as u64 + 26, "which holds the state")]
    {
        let fs = SimFs::new();
        drop(with_records(&fs, 0));
        assert!(fs.poke(&current_path(&fs), at, b"\xff"));
        let error = open(&fs).unwrap_err().to_string();
        assert!(error.contains(expected), "{at}: {error}");
    }
}

#[test]
fn a_missing_current_beside_data_refuses_to_open() {
    let fs = SimFs::new();
    drop(with_records(&fs, 1));
    fs.create_dir_all(Path::new("/d/data")).unwrap();
    fs.remove_file(Path::new("/d/CURRENT")).unwrap();
    assert!(matches!(open(&fs), Err(CatalogError::Damaged { .. })));
}

/// A sync that fails although the record reached the disk: after the rewrite the record is gone for good.
#[test]
fn a_failed_sync_leads_to_a_new_file_without_the_record() {
    for fault in [
        Fault::Fail(FaultError::Io),
        Fault::FailButDone(FaultError::Io),
        Fault::FailPartly(FaultError::Io, 3),
    ] {
        let fs = SimFs::new();
        let mut manifest = with_records(&fs, 1);
        let (_, durable) = open(&fs.after_crash(Crash::LoseUnsynced)).unwrap();
        fs.inject(FaultPlan::once(Op::SyncData, fault).on("MANIFEST"));
        assert!(matches!(manifest.append(&database(2)), Err(WriteError::Unknown(_))));
        // The old file takes nothing any more, only the new one does.
        assert!(matches!(manifest.append(&database(3)), Err(WriteError::NotWritten(_))));
        manifest.rewrite(&durable).unwrap();
        manifest.append(&database(3)).unwrap();
        for crash in [Crash::KeepAll, Crash::LoseUnsynced, Crash::Tear { seed: 5 }] {
            assert_eq!(names(&open(&fs.after_crash(crash)).unwrap().1), ["db1", "db3"], "{fault:?}");
        }
    }
}

#[test]
fn a_failed_switch_leaves_both_files_untouched() {
    for op in [Op::Rename, Op::SyncDir] {
        let fs = SimFs::new();
        let mut manifest = with_records(&fs, 1);
        let (_, state) = open(&fs.after_crash(Crash::KeepAll)).unwrap();
        // The first directory sync makes the new manifest's name durable, the second is the switch.
        let skip = u64::from(op == Op::SyncDir);
        fs.inject(FaultPlan::once(op, Fault::Fail(FaultError::Io)).after(skip));
        assert!(matches!(manifest.rewrite(&state), Err(WriteError::Unknown(_))), "{op}");
        assert!(manifest.append(&database(2)).is_err());
        for crash in [Crash::KeepAll, Crash::LoseUnsynced, Crash::Tear { seed: 1 }] {
            assert_eq!(names(&open(&fs.after_crash(crash)).unwrap().1), ["db1"], "{op} {crash:?}");
        }
    }
}

#[test]
fn appends_go_on_when_the_disk_is_full_and_so_does_a_restart() {
    let fs = SimFs::new();
    let mut manifest = with_records(&fs, 1);
    let used = fs.files().iter().filter_map(|path| fs.peek(path)).map(|bytes| bytes.len() as u64).sum();
    fs.set_capacity(Some(used));
    for i in 2..=30 {
        manifest.append(&database(i)).unwrap();
    }
    drop(manifest);
    let (mut manifest, state) = open(&fs).unwrap();
    assert_eq!(names(&state).len(), 30);
    manifest.append(&database(31)).unwrap();
    let full = (32..200).find(|&i| manifest.append(&database(i)).is_err()).expect("the spare ends");
    drop(manifest);
    // What did not fit was refused as a whole and harms nothing.
    fs.set_capacity(None);
    assert_eq!(names(&open(&fs).unwrap().1).len() as u32, full - 1);
}

#[test]
fn a_grown_file_wants_a_rewrite_and_shrinks_by_it() {
    let fs = SimFs::new();
    let (mut manifest, mut state) = open(&fs).unwrap();
    let mut records = 0;
    while !manifest.wants_rewrite() {
        let edits = vec![Edit::PutRecord { key: "k".into(), value: vec![0; 9_000].into() }];
        manifest.append(&edits).unwrap();
        state.apply_all(&edits).unwrap();
        records += 1;
    }
    assert!(records > 50);
    manifest.rewrite(&state).unwrap();
    assert!(manifest.end < 100_000 && !manifest.wants_rewrite());
    drop(manifest);
    assert_eq!(open(&fs).unwrap().1.records().len(), 1);
}

#[test]
fn another_stores_manifest_is_refused() {
    let fs = SimFs::new();
    drop(with_records(&fs, 1));
    let shared: Arc<dyn Fs> = Arc::new(fs);
    let error = Manifest::open(&shared, Path::new("/d"), StoreId([8; 16])).unwrap_err();
    assert!(error.to_string().contains("another store"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_damage_never_panics(
        at in 0usize..5 * PAGE,
        noise in proptest::collection::vec(any::<u8>(), 1..64),
        cut in 0usize..5 * PAGE,
    ) {
        let fs = SimFs::new();
        drop(with_records(&fs, 2));
        let mut bytes = fs.peek(&current_path(&fs)).unwrap();
        let end = (at + noise.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&noise[..end - at]);
        let path = Path::new("MANIFEST-000001");
        let _ = parse_manifest(&bytes, path, STORE, 1);
        let _ = parse_manifest(&bytes[..cut], path, STORE, 1);
        let _ = parse_manifest(&noise, path, STORE, 1);
    }
}
