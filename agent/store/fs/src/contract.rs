//! One suite for both implementations of [`Fs`].

use std::io::ErrorKind;
use std::path::Path;

use crate::{DiskFs, EntryKind, Fs, OpenMode, SimFs, publish_file, read_file, remove_file_if_exists};

fn both(check: impl Fn(&dyn Fs, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    check(&DiskFs::new(), dir.path());
    let sim = SimFs::new();
    sim.create_dir_all(Path::new("/store")).unwrap();
    check(&sim, Path::new("/store"));
}

#[test]
fn written_bytes_are_read_back_at_their_offsets() {
    both(|fs, root| {
        let path = root.join("a");
        let file = fs.open(&path, OpenMode::CreateNew).unwrap();
        file.write_all_at(b"world", 6).unwrap();
        file.write_all_at(b"hello ", 0).unwrap();
        assert_eq!(file.len().unwrap(), 11);
        let mut buf = [0; 32];
        assert_eq!(file.read_at(&mut buf, 6).unwrap(), 5);
        assert_eq!(&buf[..5], b"world");
        assert_eq!(file.read_at(&mut buf, 99).unwrap(), 0);
        let short = file.read_exact_at(&mut buf, 0).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
        assert!(short.to_string().contains("read"), "{short}");
        file.set_len(3).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(read_file(fs, &path, 100).unwrap(), b"hel\0\0");
        assert_eq!(read_file(fs, &path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        file.sync_data().unwrap();
    });
}

#[test]
fn create_new_refuses_an_existing_file_and_the_others_a_missing_one() {
    both(|fs, root| {
        let path = root.join("a");
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            assert!(fs.open(&path, mode).unwrap_err().is_not_found());
        }
        drop(fs.open(&path, OpenMode::CreateNew).unwrap());
        assert!(fs.open(&path, OpenMode::CreateNew).unwrap_err().is_already_exists());
        let reader = fs.open(&path, OpenMode::Read).unwrap();
        assert!(reader.write_all_at(b"x", 0).is_err());
        fs.open(&path, OpenMode::ReadWrite).unwrap().write_all_at(b"x", 0).unwrap();
        assert_eq!(fs.len(&path).unwrap(), 1);
    });
}

#[test]
fn names_come_and_go() {
    both(|fs, root| {
        let sub = root.join("x/y/z");
        fs.create_dir_all(&sub).unwrap();
        fs.create_dir_all(&sub).unwrap();
        let (a, b, c) = (sub.join("a"), sub.join("b"), sub.join("c"));
        fs.open(&a, OpenMode::CreateNew).unwrap().write_all_at(b"1", 0).unwrap();
        fs.rename(&a, &b).unwrap();
        fs.hard_link(&b, &c).unwrap();
        assert!(fs.hard_link(&b, &c).unwrap_err().is_already_exists());
        fs.create_dir_all(&sub.join("d")).unwrap();
        fs.sync_dir(&sub).unwrap();
        let entries = fs.read_dir(&sub).unwrap();
        let found: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.kind)).collect();
        assert_eq!(found, [("b", EntryKind::File), ("c", EntryKind::File), ("d", EntryKind::Dir)]);
        fs.remove_file(&b).unwrap();
        assert!(!fs.exists(&b).unwrap() && fs.exists(&c).unwrap());
        remove_file_if_exists(fs, &b).unwrap();
        assert!(fs.remove_file(&b).unwrap_err().is_not_found());
        assert!(fs.remove_dir(&sub).is_err());
        fs.remove_dir(&sub.join("d")).unwrap();
        fs.remove_dir_all(&root.join("x")).unwrap();
        assert!(fs.read_dir(&root.join("x")).unwrap_err().is_not_found());
    });
}

#[test]
fn an_open_file_outlives_its_name() {
    both(|fs, root| {
        let path = root.join("a");
        let file = fs.open(&path, OpenMode::CreateNew).unwrap();
        file.write_all_at(b"still here", 0).unwrap();
        fs.remove_file(&path).unwrap();
        let mut buf = [0; 10];
        file.read_exact_at(&mut buf, 0).unwrap();
        assert_eq!(&buf, b"still here");
    });
}

#[test]
fn publish_replaces_the_whole_file() {
    both(|fs, root| {
        let path = root.join("CURRENT");
        publish_file(fs, &path, b"first, and longer").unwrap();
        publish_file(fs, &path, b"second").unwrap();
        assert_eq!(read_file(fs, &path, 100).unwrap(), b"second");
        assert_eq!(fs.read_dir(root).unwrap().len(), 1);
    });
}

#[test]
fn a_lock_is_held_once() {
    both(|fs, root| {
        let path = root.join("LOCK");
        let guard = fs.lock_exclusive(&path).unwrap();
        assert_eq!(fs.lock_exclusive(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(guard);
        fs.lock_exclusive(&path).unwrap();
        assert!(fs.free_space(root).unwrap() > 0);
    });
}
