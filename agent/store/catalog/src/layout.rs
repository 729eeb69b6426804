//! The data directory from outside: `store.toml`, `LOCK`, and which names in it are ours.

use std::io;
use std::path::{Path, PathBuf};

use weir_fs::{EntryKind, Fs, LockGuard, publish_file, read_file};

use crate::error::CatalogError;
use crate::ids::{GroupId, PolicyId, StoreId};
use crate::state::SeriesFileKind;

/// Newest format of the whole data directory this version reads, and the one it writes.
pub(crate) const STORE_FORMAT: u32 = 1;

pub(crate) const STORE_TOML: &str = "store.toml";
pub(crate) const LOCK: &str = "LOCK";
pub(crate) const CURRENT: &str = "CURRENT";
const MANIFEST_PREFIX: &str = "MANIFEST-";
/// What [`publish_file`] appends while it writes aside.
const TMP_SUFFIX: &str = ".tmp";

/// Longest `store.toml` that is read; ours is under 300 bytes.
const STORE_TOML_BYTES_MAX: u64 = 64 * 1024;

/// Name of manifest `number`.
pub(crate) fn manifest_name(number: u64) -> String {
    format!("{MANIFEST_PREFIX}{number:06}")
}

/// The number of a manifest's name.
pub(crate) fn manifest_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(MANIFEST_PREFIX)?;
    let number = digits.parse().ok()?;
    (manifest_name(number) == name).then_some(number)
}

/// Directory of a shard group's files.
#[must_use]
pub fn group_dir(data: &Path, policy: PolicyId, group: GroupId) -> PathBuf {
    data.join("data").join(policy.to_string()).join(group.to_string())
}

/// Name of a segment file within its group's directory.
#[must_use]
pub fn segment_name(file: crate::FileId) -> String {
    format!("{file}.seg")
}

/// Name of a series file within its group's directory.
#[must_use]
pub fn series_file_name(file: crate::FileId, kind: SeriesFileKind) -> String {
    format!("{file}.{}", kind.extension())
}

/// Takes the directory: makes it if it is absent, locks it, and reads or makes `store.toml`.
///
/// # Errors
/// [`CatalogError`]; a directory that is not ours is left as it was.
pub(crate) fn take_directory(fs: &dyn Fs, dir: &Path) -> Result<(LockGuard, StoreId), CatalogError> {
    fs.create_dir_all(dir)?;
    // Before the lock is taken, so that nothing is made in a directory that holds something else.
    let has_store = has_store_toml(fs, dir)?;
    let lock = fs.lock_exclusive(&dir.join(LOCK)).map_err(|e| {
        if e.kind() == io::ErrorKind::WouldBlock {
            CatalogError::Locked { dir: dir.to_owned() }
        } else {
            e.into()
        }
    })?;
    // Someone else may have made it meanwhile.
    let id = if has_store || has_store_toml(fs, dir)? {
        read_store_toml(fs, dir)?
    } else {
        make_store_toml(fs, dir)?
    };
    Ok((lock, id))
}

/// Whether there is a `store.toml`; an error if there is none but something that is not ours.
fn has_store_toml(fs: &dyn Fs, dir: &Path) -> Result<bool, CatalogError> {
    let entries = fs.read_dir(dir)?;
    if entries.iter().any(|entry| entry.name == STORE_TOML) {
        return Ok(true);
    }
    // Leftovers of a first start that was interrupted, and what every fresh file system has.
    let harmless = |entry: &weir_fs::DirEntry| {
        matches!(entry.name.strip_suffix(TMP_SUFFIX).unwrap_or(&entry.name), LOCK | STORE_TOML)
            || (entry.name == "lost+found" && entry.kind == EntryKind::Dir)
    };
    if entries.iter().all(harmless) { Ok(false) } else { Err(CatalogError::Foreign { dir: dir.to_owned() }) }
}

fn make_store_toml(fs: &dyn Fs, dir: &Path) -> Result<StoreId, CatalogError> {
    let path = dir.join(STORE_TOML);
    let mut id = StoreId::default();
    random_bytes(&mut id.0, &path)?;
    let text = format!(
        "# A data directory of Weir. Do not change this file.\nformat = {STORE_FORMAT}\nstore_id = \"{id}\"\n"
    );
    publish_file(fs, &path, text.as_bytes())?;
    Ok(id)
}

fn read_store_toml(fs: &dyn Fs, dir: &Path) -> Result<StoreId, CatalogError> {
    let path = dir.join(STORE_TOML);
    let bytes = read_file(fs, &path, STORE_TOML_BYTES_MAX)?;
    let damaged = |what: &str| CatalogError::Damaged { path: path.clone(), what: what.to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not UTF-8"))?;
    let format = value_of(text, "format").ok_or_else(|| damaged("it has no format"))?;
    let format: u32 = format.parse().map_err(|_| damaged("its format is not a number"))?;
    if format > STORE_FORMAT {
        return Err(CatalogError::NewerFormat { path, found: format, newest: STORE_FORMAT });
    }
    if format == 0 {
        return Err(damaged("its format is 0"));
    }
    let id = value_of(text, "store_id").ok_or_else(|| damaged("it has no store_id"))?;
    StoreId::parse(id).ok_or_else(|| damaged("its store_id is not 32 hexadecimal digits"))
}

/// The value of `key = value` or `key = "value"`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(value.trim().trim_matches('"'))
    })
}

/// Fills `out` with random bytes of the operating system.
pub(crate) fn random_bytes(out: &mut [u8], path: &Path) -> Result<(), CatalogError> {
    getrandom::fill(out).map_err(|e| {
        weir_fs::FsError::new(weir_fs::Op::Create, path, io::Error::other(format!("no random bytes: {e}")))
            .into()
    })
}

/// Removes manifests that are not `keep`, and what was written aside when the power went. Best effort: what stays does no harm.
pub(crate) fn remove_leftovers(fs: &dyn Fs, dir: &Path, keep: u64) {
    let Ok(entries) = fs.read_dir(dir) else { return };
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
        let name = entry.name.as_str();
        let aside = name.strip_suffix(TMP_SUFFIX).is_some_and(|name| matches!(name, CURRENT | STORE_TOML));
        let old_manifest = manifest_number(name).is_some_and(|number| number != keep);
        if (aside || old_manifest)
            && let Err(error) = fs.remove_file(&dir.join(name))
        {
            tracing::warn!(file = name, %error, "a leftover of the catalog cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_fs::{OpenMode, SimFs};

    fn put(fs: &SimFs, path: &str, text: &str) {
        let file = fs.open(Path::new(path), OpenMode::CreateNew).unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
    }

    #[test]
    fn a_directory_keeps_its_id_and_its_lock() {
        let fs = SimFs::new();
        let dir = Path::new("/d");
        let (lock, id) = take_directory(&fs, dir).unwrap();
        assert!(matches!(take_directory(&fs, dir), Err(CatalogError::Locked { .. })));
        drop(lock);
        assert_eq!(take_directory(&fs, dir).unwrap().1, id);
    }

    #[test]
    fn a_foreign_directory_is_refused_and_left_alone() {
        let fs = SimFs::new();
        fs.create_dir_all(Path::new("/d")).unwrap();
        put(&fs, "/d/thesis.tex", "");
        let error = take_directory(&fs, Path::new("/d")).unwrap_err();
        assert!(
            error.to_string().contains("no data directory")
                || error.to_string().contains("not a data directory")
        );
        assert_eq!(fs.read_dir(Path::new("/d")).unwrap().len(), 1);
    }

    #[test]
    fn a_newer_format_is_refused_with_its_number() {
        let fs = SimFs::new();
        fs.create_dir_all(Path::new("/d")).unwrap();
        put(&fs, "/d/store.toml", "format = 7\nstore_id = \"00000000000000000000000000000000\"\n");
        let error = take_directory(&fs, Path::new("/d")).unwrap_err();
        assert!(matches!(error, CatalogError::NewerFormat { found: 7, newest: STORE_FORMAT, .. }));
    }

    #[test]
    fn names_of_manifests_come_back() {
        assert_eq!(manifest_number("MANIFEST-000012"), Some(12));
        assert_eq!(manifest_number(&manifest_name(12_345_678)), Some(12_345_678));
        for wrong in ["MANIFEST-12", "MANIFEST-", "MANIFEST-00001x", "CURRENT", "MANIFEST-+00012"] {
            assert_eq!(manifest_number(wrong), None, "{wrong}");
        }
    }
}
