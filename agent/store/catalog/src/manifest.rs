//! The manifest file: records appended and synced one at a time, rewritten to a new file when it has grown.
//!
//! The layout is in FORMAT.md, "Manifest". Each record starts on a page of its own, so that a torn write never touches
//! what was synced before. Writing here decides nothing: it says whether a record is durable, certainly is not, or may be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_fs::{File, Fs, FsError, Op, OpenMode, publish_file, read_file, remove_file_if_exists};

use crate::codec::{decode_edits, encode_edits};
use crate::edit::Edit;
use crate::error::CatalogError;
use crate::ids::StoreId;
use crate::layout::{CURRENT, manifest_name, manifest_number, random_bytes, remove_leftovers};
use crate::state::CatalogState;

/// Newest format of the file this version reads, and the one it writes.
const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"WEIRMAN1";
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"WREC");
const HEADER_LEN: usize = 64;
const _: () = assert!(8 + 2 + 2 + 4 + 16 + 8 + 8 + 12 + 4 == HEADER_LEN);
const RECORD_HEADER_LEN: usize = 24;
const _: () = assert!(4 + 4 + 8 + 4 + 4 == RECORD_HEADER_LEN);
/// Records start at multiples of this: the largest unit in which disks are known to tear.
const PAGE: usize = 4096;
/// Zeros kept behind the last record, so that deletes and retention can be recorded on a full disk.
const SPARE_BYTES: u64 = 256 * 1024;
/// The spare is filled up again when less than this is left.
const SPARE_LOW_BYTES: u64 = 128 * 1024;
/// Appended bytes from which on a rewrite pays, if they also exceed the size of the state itself.
const REWRITE_BYTES: u64 = 1024 * 1024;
/// Longest manifest that is read. A hundred million fields stay below it.
const FILE_BYTES_MAX: u64 = 8 << 30;
/// Longest payload of one record.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// What is known after a failed write.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Nothing of it is on the disk; the file is as good as before.
    NotWritten(CatalogError),
    /// It may or may not be there after a restart. This file takes no more records.
    Unknown(CatalogError),
}

/// The manifest being written.
#[derive(Debug)]
pub(crate) struct Manifest {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    store_id: StoreId,
    number: u64,
    salt: u64,
    file: Arc<dyn File>,
    /// Number of the next record.
    sequence: u64,
    /// Where the next record starts.
    end: u64,
    /// Bytes of the file that exist; zeros from `end` on.
    len: u64,
    /// `end` at which a rewrite is tried (next).
    rewrite_at: u64,
    poisoned: bool,
}

impl Manifest {
    /// Reads the current manifest, or makes the first one, and goes on in a new file.
    ///
    /// A new file at each start, because what a read shows after a crash may never have reached the disk. If there is no room
    /// for it and the old one ended cleanly, the old one is synced and used.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub(crate) fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        store_id: StoreId,
    ) -> Result<(Self, CatalogState), CatalogError> {
        let Some(number) = read_current(&**fs, dir)? else {
            let state = CatalogState::default();
            let manifest = write_new(fs, dir, store_id, 1, &state).map_err(WriteError::into_inner)?;
            remove_leftovers(&**fs, dir, 1);
            return Ok((manifest, state));
        };
        let found = read_manifest(&**fs, dir, store_id, number)?;
        match write_new(fs, dir, store_id, number + 1, &found.state) {
            Ok(manifest) => {
                remove_leftovers(&**fs, dir, manifest.number);
                Ok((manifest, found.state))
            }
            Err(WriteError::NotWritten(error)) if found.is_clean => {
                tracing::warn!(%error, "no new manifest can be written; going on in the old one");
                let manifest = reopen(fs, dir, store_id, number, &found)?;
                Ok((manifest, found.state))
            }
            Err(error) => Err(error.into_inner()),
        }
    }

    /// Appends one record and syncs it.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(crate) fn append(&mut self, edits: &[Edit]) -> Result<(), WriteError> {
        if self.poisoned {
            let what = "the file is closed after a failed sync".to_owned();
            return Err(WriteError::NotWritten(CatalogError::Damaged {
                path: self.file.path().to_owned(),
                what,
            }));
        }
        let record = build_record(edits, self.sequence, self.salt).map_err(WriteError::NotWritten)?;
        let record_end = self.end + record.len() as u64;
        if self.len < record_end + SPARE_LOW_BYTES {
            // Zeros behind the end change nothing, so a failure here only matters if the record itself has no room.
            let wanted = record_end + SPARE_BYTES;
            match write_zeros(&*self.file, self.len, wanted) {
                Ok(()) => self.len = wanted,
                Err(error) if self.len < record_end => return Err(WriteError::NotWritten(error.into())),
                Err(error) => tracing::warn!(%error, "the manifest's spare space cannot be filled up"),
            }
        }
        let written = self.file.write_all_at(&record, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.poisoned = true;
            return Err(WriteError::Unknown(error.into()));
        }
        self.end = record_end;
        self.sequence += 1;
        metrics::counter!("weir_catalog_records_total").increment(1);
        Ok(())
    }

    /// Whether a rewrite pays.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.end >= self.rewrite_at
    }

    /// Writes `state` to a new file and goes on there.
    ///
    /// # Errors
    /// [`WriteError::NotWritten`]: this file stays the current one. [`WriteError::Unknown`]: either may be current after a
    /// restart, so neither takes any more records.
    pub(crate) fn rewrite(&mut self, state: &CatalogState) -> Result<(), WriteError> {
        let old = self.number;
        match write_new(&self.fs, &self.dir, self.store_id, old + 1, state) {
            Ok(new) => {
                *self = new;
                if let Err(error) = self.fs.remove_file(&self.dir.join(manifest_name(old))) {
                    tracing::warn!(%error, "the old manifest cannot be removed");
                }
                Ok(())
            }
            Err(WriteError::NotWritten(error)) => {
                self.rewrite_at = self.end + REWRITE_BYTES;
                Err(WriteError::NotWritten(error))
            }
            Err(WriteError::Unknown(error)) => {
                self.poisoned = true;
                Err(WriteError::Unknown(error))
            }
        }
    }
}

impl WriteError {
    pub(crate) fn into_inner(self) -> CatalogError {
        match self {
            Self::NotWritten(error) | Self::Unknown(error) => error,
        }
    }
}

/// The number in `CURRENT`; `None` in a directory that was just made.
fn read_current(fs: &dyn Fs, dir: &Path) -> Result<Option<u64>, CatalogError> {
    let path = dir.join(CURRENT);
    let damaged = |what: &str| CatalogError::Damaged { path: path.clone(), what: what.to_owned() };
    match read_file(fs, &path, 4096) {
        Ok(bytes) => {
            let name = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
            name.and_then(manifest_number).map(Some).ok_or_else(|| damaged("it names no manifest"))
        }
        Err(error) if error.is_not_found() => {
            // The first manifest is made before CURRENT, so one of number 1 may be a leftover; anything else is loss.
            let entries = fs.read_dir(dir)?;
            let has_data = entries
                .iter()
                .any(|entry| entry.name == "data" || manifest_number(&entry.name).is_some_and(|n| n > 1));
            if has_data { Err(damaged("it is missing, but the directory holds data")) } else { Ok(None) }
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes `state` to manifest `number` and makes it the current one.
fn write_new(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    store_id: StoreId,
    number: u64,
    state: &CatalogState,
) -> Result<Manifest, WriteError> {
    let path = dir.join(manifest_name(number));
    let file = create_file(fs, dir, &path, store_id, number, state).map_err(|error| {
        // Nothing points to it; that it cannot be removed either adds nothing.
        let _ = remove_file_if_exists(&**fs, &path);
        WriteError::NotWritten(error)
    })?;
    let current = format!("{}\n", manifest_name(number));
    match publish_file(&**fs, &dir.join(CURRENT), current.as_bytes()) {
        Ok(()) => Ok(file),
        Err(error) if matches!(error.op, Op::Rename | Op::SyncDir) => Err(WriteError::Unknown(error.into())),
        Err(error) => {
            let _ = remove_file_if_exists(&**fs, &path);
            Err(WriteError::NotWritten(error.into()))
        }
    }
}

fn create_file(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    path: &Path,
    store_id: StoreId,
    number: u64,
    state: &CatalogState,
) -> Result<Manifest, CatalogError> {
    let mut salt = [0; 8];
    random_bytes(&mut salt, path)?;
    let salt = u64::from_le_bytes(salt);
    let mut bytes = build_header(store_id, number, salt);
    bytes.resize(PAGE, 0);
    bytes.extend_from_slice(&build_record(&state.to_edits(), 1, salt)?);
    remove_file_if_exists(&**fs, path)?;
    let file = fs.open(path, OpenMode::CreateNew)?;
    file.write_all_at(&bytes, 0)?;
    let end = bytes.len() as u64;
    write_zeros(&*file, end, end + SPARE_BYTES)?;
    file.sync_data()?;
    // The name must be durable before CURRENT can point to it.
    fs.sync_dir(dir)?;
    Ok(Manifest {
        fs: Arc::clone(fs),
        dir: dir.to_owned(),
        store_id,
        number,
        salt,
        file,
        sequence: 2,
        end,
        len: end + SPARE_BYTES,
        rewrite_at: end + end.max(REWRITE_BYTES),
        poisoned: false,
    })
}

/// A file that ended cleanly, opened for more records.
fn reopen(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    store_id: StoreId,
    number: u64,
    found: &Found,
) -> Result<Manifest, CatalogError> {
    let file = fs.open(&dir.join(manifest_name(number)), OpenMode::ReadWrite)?;
    file.sync_data()?;
    fs.sync_dir(dir)?;
    let len = file.len()?;
    Ok(Manifest {
        fs: Arc::clone(fs),
        dir: dir.to_owned(),
        store_id,
        number,
        salt: found.salt,
        file,
        sequence: found.sequence,
        end: found.end,
        len,
        rewrite_at: found.end + REWRITE_BYTES,
        poisoned: false,
    })
}

fn write_zeros(file: &dyn File, from: u64, to: u64) -> Result<(), FsError> {
    let zeros = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0)];
    file.write_all_at(&zeros, from)
}

fn build_header(store_id: StoreId, number: u64, salt: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(PAGE);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&store_id.0);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&salt.to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// A whole record, filled up with zeros to the end of its last page.
fn build_record(edits: &[Edit], sequence: u64, salt: u64) -> Result<Vec<u8>, CatalogError> {
    let mut record = vec![0; RECORD_HEADER_LEN];
    encode_edits(edits, &mut record);
    let payload_len = record.len() - RECORD_HEADER_LEN;
    let len =
        u32::try_from(payload_len).ok().filter(|_| payload_len <= PAYLOAD_BYTES_MAX).ok_or_else(|| {
            CatalogError::Invalid(format!("{payload_len} bytes are more than a manifest record may have"))
        })?;
    record[0..4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
    record[4..8].copy_from_slice(&len.to_le_bytes());
    record[8..16].copy_from_slice(&sequence.to_le_bytes());
    let crc = record_crc(salt, len, sequence, &record[RECORD_HEADER_LEN..]);
    record[16..20].copy_from_slice(&crc.to_le_bytes());
    record.resize(record.len().next_multiple_of(PAGE), 0);
    Ok(record)
}

fn record_crc(salt: u64, len: u32, sequence: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&len.to_le_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// What a manifest file says.
struct Found {
    state: CatalogState,
    salt: u64,
    sequence: u64,
    end: u64,
    /// Nothing but zeros follows the last record.
    is_clean: bool,
}

fn read_manifest(fs: &dyn Fs, dir: &Path, store_id: StoreId, number: u64) -> Result<Found, CatalogError> {
    let path = dir.join(manifest_name(number));
    let bytes = read_file(fs, &path, FILE_BYTES_MAX)?;
    parse_manifest(&bytes, &path, store_id, number)
}

/// Reads the bytes of a manifest. Never panics on any input.
fn parse_manifest(bytes: &[u8], path: &Path, store_id: StoreId, number: u64) -> Result<Found, CatalogError> {
    let damaged = |what: String| CatalogError::Damaged { path: path.to_owned(), what };
    let salt = parse_header(bytes, path, store_id, number)?;
    let mut state = CatalogState::default();
    let (mut at, mut sequence) = (PAGE, 1);
    while let Some((payload, next)) = record_at(bytes, at, salt, |n| n == sequence) {
        let edits = decode_edits(payload).map_err(|what| damaged(format!("record at byte {at}: {what}")))?;
        state.apply_all(&edits).map_err(|what| damaged(format!("record at byte {at}: {what}")))?;
        sequence += 1;
        at = next;
    }
    if sequence == 1 {
        return Err(damaged(format!("the record at byte {at}, which holds the state, is damaged")));
    }
    // Each record was synced before the next one was written: one behind a bad one proves damage, not a torn write.
    let later = (at..bytes.len())
        .step_by(PAGE)
        .find(|&later| record_at(bytes, later, salt, |n| n >= sequence).is_some());
    if let Some(later) = later {
        return Err(damaged(format!(
            "the record at byte {at} is damaged, although there is a later one at byte {later}"
        )));
    }
    let is_clean = bytes.get(at..).is_none_or(|rest| rest.iter().all(|&byte| byte == 0));
    if !is_clean {
        tracing::warn!(file = %path.display(), byte = at, "the last manifest record was torn and is dropped");
    }
    Ok(Found { state, salt, sequence, end: at as u64, is_clean })
}

fn parse_header(bytes: &[u8], path: &Path, store_id: StoreId, number: u64) -> Result<u64, CatalogError> {
    let damaged = |what: &str| CatalogError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let header = bytes.get(..HEADER_LEN).ok_or_else(|| damaged("it is shorter than its header"))?;
    if !header.starts_with(MAGIC) {
        return Err(damaged("it is no manifest"));
    }
    if crc32fast::hash(&header[..60]) != u32_at(header, 60) {
        return Err(damaged("its header fails its checksum"));
    }
    let format = u16::from_le_bytes([header[8], header[9]]);
    if format != FORMAT {
        let (path, found) = (path.to_owned(), u32::from(format));
        return Err(CatalogError::NewerFormat { path, found, newest: FORMAT.into() });
    }
    if header[16..32] != store_id.0 {
        return Err(damaged("it belongs to another store than store.toml says"));
    }
    if u64_at(header, 32) != number {
        return Err(damaged("its number is not the one in its name"));
    }
    Ok(u64_at(header, 40))
}

/// The payload of the valid record at `at`, if its number is wanted, and where the next one starts.
fn record_at(bytes: &[u8], at: usize, salt: u64, is_wanted: impl Fn(u64) -> bool) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let header = rest.get(..RECORD_HEADER_LEN)?;
    let (len, sequence) = (u32_at(header, 4), u64_at(header, 8));
    if u32_at(header, 0) != RECORD_MAGIC || !is_wanted(sequence) || u32_at(header, 20) != 0 {
        return None;
    }
    let end = RECORD_HEADER_LEN.checked_add(usize::try_from(len).ok()?)?;
    let payload = rest.get(RECORD_HEADER_LEN..end)?;
    if record_crc(salt, len, sequence, payload) != u32_at(header, 16) {
        return None;
    }
    Some((payload, at.checked_add(end.checked_next_multiple_of(PAGE)?)?))
}

/// The number at `at`, which lies inside.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The number at `at`, which lies inside.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
