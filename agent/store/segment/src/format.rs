//! Fixed parts of the file: header, footer, checksums. See FORMAT.md, "Segment".

use crate::{FORMAT_VERSION, SegmentError, SegmentFacts};

pub(crate) const MAGIC: &[u8; 8] = b"WEIRSEG1";
pub(crate) const HEADER_LEN: usize = 64;
pub(crate) const FOOTER_LEN: usize = 64;
pub(crate) const CRC_LEN: usize = 4;

const _: () = assert!(MAGIC.len() + 2 + 2 + 16 + 8 + 8 + 8 + 1 + 7 + CRC_LEN == HEADER_LEN);
const _: () = assert!(6 * 8 + 4 + CRC_LEN + MAGIC.len() == FOOTER_LEN);

/// Every value of the block is there.
pub(crate) const NULLS_NONE: u8 = 0;
/// No value of the block is there.
pub(crate) const NULLS_ALL: u8 = 1;
/// A list of booleans says which values are there.
pub(crate) const NULLS_LISTED: u8 = 2;

/// CRC-32/ISO-HDLC (polynomial 0x04C11DB7 reflected, as in Ethernet and gzip).
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Splits a part into its bytes and checks the checksum behind them. `offset` is where the part starts in the file.
pub(crate) fn checked(part: &[u8], offset: u64) -> Result<&[u8], SegmentError> {
    match part.split_last_chunk::<CRC_LEN>() {
        Some((bytes, sum)) if crc(bytes) == u32::from_le_bytes(*sum) => Ok(bytes),
        _ => Err(SegmentError::Damaged { offset, what: "checksum does not match" }),
    }
}

pub(crate) fn write_header(facts: &SegmentFacts) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&facts.store_id);
    out.extend_from_slice(&facts.group_start.to_le_bytes());
    out.extend_from_slice(&facts.gen_lo.to_le_bytes());
    out.extend_from_slice(&facts.gen_hi.to_le_bytes());
    out.push(facts.level);
    out.extend_from_slice(&[0; 7]);
    out.extend_from_slice(&crc(&out).to_le_bytes());
    out
}

pub(crate) fn read_header(bytes: &[u8; HEADER_LEN]) -> Result<SegmentFacts, SegmentError> {
    if &bytes[..8] != MAGIC {
        return Err(SegmentError::Damaged { offset: 0, what: "not a segment" });
    }
    checked(bytes, 0)?;
    let format = u16::from_le_bytes(array(bytes, 8));
    // A flag says that something is needed to read the file that this version does not know.
    if format != FORMAT_VERSION || array(bytes, 10) != [0, 0] {
        return Err(SegmentError::Format { format });
    }
    Ok(SegmentFacts {
        store_id: array(bytes, 12),
        group_start: i64::from_le_bytes(array(bytes, 28)),
        gen_lo: u64::from_le_bytes(array(bytes, 36)),
        gen_hi: u64::from_le_bytes(array(bytes, 44)),
        level: bytes[52],
    })
}

/// Where schema and index stand, checksums included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) schema: (u64, u64),
    pub(crate) index: (u64, u64),
    pub(crate) points: u64,
    pub(crate) file_len: u64,
}

impl Footer {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        for n in [self.schema.0, self.schema.1, self.index.0, self.index.1, self.points, self.file_len] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc(&out).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    /// Reads the footer of a file of `file_len` bytes.
    pub(crate) fn read(bytes: &[u8; FOOTER_LEN], file_len: u64) -> Result<Self, SegmentError> {
        let offset = file_len.saturating_sub(FOOTER_LEN as u64);
        let damaged = |what| SegmentError::Damaged { offset, what };
        if &bytes[56..] != MAGIC {
            return Err(damaged("the footer is missing; the file was cut"));
        }
        checked(&bytes[..56], offset)?;
        let n = |at| u64::from_le_bytes(array(bytes, at));
        let footer = Self { schema: (n(0), n(8)), index: (n(16), n(24)), points: n(32), file_len: n(40) };
        let schema_end = footer.schema.0.checked_add(footer.schema.1);
        let index_end = footer.index.0.checked_add(footer.index.1);
        if footer.file_len != file_len
            || footer.schema.0 < HEADER_LEN as u64
            || schema_end != Some(footer.index.0)
            || index_end != Some(offset)
        {
            return Err(damaged("the footer does not fit the file"));
        }
        Ok(footer)
    }
}

fn array<const N: usize, const M: usize>(bytes: &[u8; M], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_named_one() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn header_and_footer_come_back_and_any_changed_bit_is_noticed() {
        let facts =
            SegmentFacts { store_id: *b"0123456789abcdef", group_start: -5, gen_lo: 7, gen_hi: 9, level: 2 };
        let header: [u8; HEADER_LEN] = write_header(&facts).try_into().unwrap();
        assert_eq!(read_header(&header).unwrap(), facts);
        let footer = Footer { schema: (64, 10), index: (74, 26), points: 3, file_len: 164 };
        let bytes: [u8; FOOTER_LEN] = footer.write().try_into().unwrap();
        assert_eq!(Footer::read(&bytes, 164).unwrap(), footer);
        assert!(Footer::read(&bytes, 165).is_err());
        for bit in 0..512 {
            let mut changed = header;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read_header(&changed).is_err());
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::read(&changed, 164).is_err());
        }
    }
}
