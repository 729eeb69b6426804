//! Series files: the definitions that a flush adds to a shard group. The bytes are described in `agent/store/FORMAT.md`, "Series file".

use std::io::Write as _;
use std::path::Path;

use weir_catalog::{GroupId, StoreId};
use weir_fs::{Fs, FsError, read_file};
use weir_index::{Definition, DefinitionsWriter, decode_definitions};

use crate::file_out::FileOut;
use crate::version::PolicySeries;

const MAGIC: &[u8; 8] = b"WEIRSER1";
const FORMAT: u16 = 1;
const FLAG_ZSTD: u16 = 1;
/// magic, format, flags, group, store id, count, bytes unpacked.
const HEADER_LEN: usize = 8 + 2 + 2 + 4 + 16 + 8 + 8;
/// Lists shorter than this are not worth compressing.
const COMPRESS_FROM: usize = 512;
const LEVEL: i32 = 1;
/// Longest file that is read, and longest list in one: far beyond what one flush makes.
const BYTES_MAX: u64 = 4 << 30;

/// Why a series file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeriesFileError {
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The bytes are not what a writer wrote.
    #[error("series file is damaged: {0}")]
    Damaged(String),
}

/// Writes the definitions of `slots` to a new file and syncs it; gives its length.
///
/// # Errors
/// Of the file system.
pub(crate) fn write(
    fs: &dyn Fs,
    path: &Path,
    store: StoreId,
    group: GroupId,
    series: &PolicySeries,
    slots: &roaring::RoaringBitmap,
) -> Result<u64, FsError> {
    let mut list = DefinitionsWriter::new();
    let mut key = String::new();
    for slot in slots {
        let index = &series.index;
        if let (Some(id), Some(measurement)) = (index.durable_id(slot), index.measurement_id(slot)) {
            key.clear();
            index.write_canonical_key(slot, &mut key);
            list.push(Definition { id, measurement, key: &key });
        }
    }
    let raw = list.bytes();
    let packed = if raw.len() < COMPRESS_FROM { None } else { zstd::bulk::compress(raw, LEVEL).ok() };
    let (flags, payload) = match &packed {
        Some(packed) if packed.len() < raw.len() => (FLAG_ZSTD, packed.as_slice()),
        _ => (0, raw),
    };
    let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len() + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&group.0.to_le_bytes());
    bytes.extend_from_slice(&store.0);
    bytes.extend_from_slice(&(list.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&(raw.len() as u64).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let mut out = FileOut::create(fs, path)?;
    out.write_all(&bytes).map_err(|e| FsError::new(weir_fs::Op::Write, path, e))?;
    out.finish()
}

/// Reads a file and gives each definition to `each`; the number of definitions.
///
/// # Errors
/// [`SeriesFileError`]; some definitions may have been given already.
pub(crate) fn read(
    fs: &dyn Fs,
    path: &Path,
    mut each: impl FnMut(Definition<'_>),
) -> Result<u64, SeriesFileError> {
    let bytes = read_file(fs, path, BYTES_MAX)?;
    let raw = unpack(&bytes).map_err(|what| SeriesFileError::Damaged(what.to_owned()))?;
    let mut n = 0;
    decode_definitions(&raw.0, |definition| {
        n += 1;
        each(definition);
    })
    .map_err(|e| SeriesFileError::Damaged(e.to_string()))?;
    if n == raw.1 {
        Ok(n)
    } else {
        Err(SeriesFileError::Damaged(format!("{n} definitions instead of {}", raw.1)))
    }
}

/// The list inside a file, and how many definitions it says it has.
fn unpack(bytes: &[u8]) -> Result<(Vec<u8>, u64), &'static str> {
    let short = "it is too short";
    let body_len = bytes.len().checked_sub(4).filter(|&len| len >= HEADER_LEN).ok_or(short)?;
    let (body, crc) = bytes.split_at(body_len);
    let u64_at = |at: usize| body.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let u16_at = |at: usize| body.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
    if crc != crc32fast::hash(body).to_le_bytes() {
        return Err("its checksum is wrong");
    }
    if !body.starts_with(MAGIC) {
        return Err("it does not begin like one");
    }
    if u16_at(8) != Some(FORMAT) {
        return Err("it has a format this version does not read");
    }
    let count = u64_at(32).ok_or(short)?;
    let raw_len = u64_at(40).filter(|&len| len <= BYTES_MAX).and_then(|len| usize::try_from(len).ok());
    let raw_len = raw_len.ok_or("its list is too long")?;
    let payload = body.get(HEADER_LEN..).ok_or(short)?;
    let raw = match u16_at(10) {
        Some(0) => payload.to_vec(),
        Some(FLAG_ZSTD) => {
            zstd::bulk::decompress(payload, raw_len).map_err(|_| "its list does not decompress")?
        }
        _ => return Err("it has unknown flags"),
    };
    if raw.len() == raw_len { Ok((raw, count)) } else { Err("its list has another length") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).is_err());
            // With a right beginning and checksum too.
            let n = bytes.len().min(8);
            bytes[..n].copy_from_slice(&MAGIC[..n]);
            let crc = crc32fast::hash(&bytes).to_le_bytes();
            bytes.extend_from_slice(&crc);
            let _ = unpack(&bytes);
        }
    }
}
