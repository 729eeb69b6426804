//! Makes the checksums of changed bytes right again, so that tests reach what stands behind them.

use crate::directory::Directory;
use crate::format::{CRC_LEN, FOOTER_LEN, HEADER_LEN, crc};
use crate::reader::parse_index;

/// Writes right checksums into a segment, as far as its parts can still be found. For tests and fuzzing.
pub fn forge_checksums(bytes: &mut [u8]) {
    let _ = forge(bytes);
}

fn forge(bytes: &mut [u8]) -> Option<()> {
    let footer = bytes.len().checked_sub(FOOTER_LEN)?;
    put(bytes, 0, HEADER_LEN)?;
    put(bytes, footer, FOOTER_LEN - 8)?;
    let number = |bytes: &[u8], at: usize| {
        let (word, _) = bytes.get(footer + at..)?.split_first_chunk()?;
        usize::try_from(u64::from_le_bytes(*word)).ok()
    };
    let (schema, schema_len) = (number(bytes, 0)?, number(bytes, 8)?);
    let (index, index_len) = (number(bytes, 16)?, number(bytes, 24)?);
    put(bytes, schema, schema_len)?;
    put(bytes, index, index_len)?;
    let body = bytes.get(index..index.checked_add(index_len)?.checked_sub(CRC_LEN)?)?;
    let (_, places) = parse_index(body, index as u64).ok()?;
    for place in places {
        let start = usize::try_from(place.directory_start()).ok()?;
        let len = usize::try_from(place.directory_len).ok()?;
        put(bytes, start, len)?;
        let body = bytes.get(start..start.checked_add(len)?.checked_sub(CRC_LEN)?)?;
        let Ok(directory) = Directory::parse(body, &place) else { continue };
        for column in std::iter::once(&directory.times).chain(&directory.columns) {
            put(bytes, usize::try_from(column.start).ok()?, column.len() + CRC_LEN)?;
        }
        for part in &directory.statistics {
            put(bytes, usize::try_from(part.start).ok()?, part.len)?;
        }
    }
    Some(())
}

/// Writes the checksum at the end of the part of `len` bytes at `start`.
fn put(bytes: &mut [u8], start: usize, len: usize) -> Option<()> {
    let part = bytes.get_mut(start..start.checked_add(len)?)?;
    let (body, sum) = part.split_last_chunk_mut::<CRC_LEN>()?;
    *sum = crc(body).to_le_bytes();
    Some(())
}
