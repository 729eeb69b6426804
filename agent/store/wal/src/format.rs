//! Headers of files, groups and records: bytes to fields and back, and the checksums that bind them.
//!
//! Layout: `FORMAT.md`, "WAL". Checksum: CRC-32 as in zlib (polynomial 0x04C11DB7, reflected), by `crc32fast`.

/// Unit of everything in a file: no write touches a page that an earlier sync covered.
pub const PAGE: usize = 4096;
/// The format this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 1;

pub(crate) const MAGIC: &[u8; 8] = b"WEIRWAL1";
pub(crate) const FILE_HEADER_LEN: usize = 64;
/// The header's second copy, so that one damaged sector does not take the file's identity along.
pub(crate) const FILE_HEADER_COPY_AT: usize = 2048;
pub(crate) const GROUP_HEADER_LEN: usize = 24;
pub(crate) const RECORD_HEADER_LEN: usize = 28;

pub(crate) const KIND_DEFINITIONS: u8 = 1;
pub(crate) const KIND_POINTS: u8 = 2;
pub(crate) const KIND_GENERATION: u8 = 4;

const _: () = assert!(MAGIC.len() + 2 + 2 + 4 + 8 + 8 + 16 + 8 + 4 + 4 == FILE_HEADER_LEN);
const _: () = assert!(4 + 4 + 8 + 4 + 4 == GROUP_HEADER_LEN);
const _: () = assert!(4 + 4 + 1 + 1 + 2 + 4 + 8 + 4 == RECORD_HEADER_LEN);
const _: () = assert!(FILE_HEADER_COPY_AT + FILE_HEADER_LEN <= PAGE);

/// Identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) lane: u16,
    pub(crate) file_no: u64,
    /// Different for every file ever written; part of every checksum inside, so that bytes of the slot's former file never pass.
    pub(crate) salt: u64,
    pub(crate) store_id: [u8; 16],
    /// Nanoseconds since the Unix epoch.
    pub(crate) created: i64,
    /// The file before this one, `file_no - 1`, is valid exactly to this byte.
    pub(crate) prev_end: u32,
}

impl FileHeader {
    fn to_bytes(self) -> [u8; FILE_HEADER_LEN] {
        let mut out = [0; FILE_HEADER_LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&self.lane.to_le_bytes());
        // 12..16: zero.
        out[16..24].copy_from_slice(&self.file_no.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..48].copy_from_slice(&self.store_id);
        out[48..56].copy_from_slice(&self.created.to_le_bytes());
        out[56..60].copy_from_slice(&self.prev_end.to_le_bytes());
        let crc = crc32fast::hash(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The first page of a file.
    pub(crate) fn to_page(self) -> Vec<u8> {
        let bytes = self.to_bytes();
        let mut page = vec![0; PAGE];
        page[..FILE_HEADER_LEN].copy_from_slice(&bytes);
        page[FILE_HEADER_COPY_AT..][..FILE_HEADER_LEN].copy_from_slice(&bytes);
        page
    }

    /// Reads the header, or its copy, from the first page of a file (or what there is of it).
    pub(crate) fn from_page(page: &[u8]) -> Option<Self> {
        Self::from_bytes(page).or_else(|| Self::from_bytes(page.get(FILE_HEADER_COPY_AT..)?))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; FILE_HEADER_LEN] = bytes.first_chunk()?;
        let known = bytes.starts_with(MAGIC) && u16_at(bytes, 8)? == FORMAT_VERSION;
        if !known || crc32fast::hash(&bytes[..60]) != u32_at(bytes, 60)? {
            return None;
        }
        Some(Self {
            lane: u16_at(bytes, 10)?,
            file_no: u64_at(bytes, 16)?,
            salt: u64_at(bytes, 24)?,
            store_id: *bytes.get(32..)?.first_chunk()?,
            created: u64_at(bytes, 48)?.cast_signed(),
            prev_end: u32_at(bytes, 56)?,
        })
    }
}

/// Whether the page starts like a file of ours, of whatever format version and intact or not.
pub(crate) fn looks_like_ours(page: &[u8]) -> bool {
    page.starts_with(b"WEIRWAL") || page.get(FILE_HEADER_COPY_AT..).is_some_and(|p| p.starts_with(b"WEIRWAL"))
}

/// The version of an intact header that this crate does not know. Magic, place of the version and place of the checksum are
/// the same in all versions.
pub(crate) fn unknown_version(page: &[u8]) -> Option<u16> {
    let bytes: &[u8; FILE_HEADER_LEN] = page.first_chunk()?;
    let version = u16_at(bytes, 8)?;
    let intact = bytes.starts_with(MAGIC) && crc32fast::hash(&bytes[..60]) == u32_at(bytes, 60)?;
    (intact && version != FORMAT_VERSION).then_some(version)
}

/// What stands before the records of one `pwrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// Bytes of header and records; zeros fill up the last page.
    pub(crate) len: u32,
    pub(crate) seq: u64,
    /// The file was synced up to this byte when the group was built.
    pub(crate) synced_end: u32,
    pub(crate) records: u32,
}

impl GroupHeader {
    /// Writes the header over the first bytes of `group`, which will stand at `offset` of the file.
    pub(crate) fn seal(self, group: &mut [u8], salt: u64, offset: u32) {
        let Some(out) = group.first_chunk_mut::<GROUP_HEADER_LEN>() else { return };
        out[..4].copy_from_slice(&self.len.to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..20].copy_from_slice(&self.synced_end.to_le_bytes());
        out[20..24].copy_from_slice(&self.records.to_le_bytes());
        let crc = group_crc(out, salt, offset);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header at `offset` of a file. `None` unless it was written there, for this file.
    pub(crate) fn read(file: &[u8], offset: u32, salt: u64) -> Option<Self> {
        let bytes = file.get(offset as usize..)?.first_chunk::<GROUP_HEADER_LEN>()?;
        let len = u32_at(bytes, 0)?;
        if (len as usize) < GROUP_HEADER_LEN || group_crc(bytes, salt, offset) != u32_at(bytes, 4)? {
            return None;
        }
        Some(Self {
            len,
            seq: u64_at(bytes, 8)?,
            synced_end: u32_at(bytes, 16)?,
            records: u32_at(bytes, 20)?,
        })
    }

    /// Bytes of the group with the zeros that fill up its last page.
    pub(crate) const fn padded_len(self) -> usize {
        (self.len as usize).next_multiple_of(PAGE)
    }
}

fn group_crc(header: &[u8; GROUP_HEADER_LEN], salt: u64, offset: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(&header[..4]);
    crc.update(&header[8..]);
    crc.finalize()
}

/// What stands before the payload of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) payload_len: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) source: u16,
    pub(crate) policy: u32,
    pub(crate) seq: u64,
    pub(crate) points: u32,
}

impl RecordHeader {
    /// The header with neither checksum nor seq; [`seal_record`] fills them in.
    pub(crate) fn to_bytes(self) -> [u8; RECORD_HEADER_LEN] {
        let mut out = [0; RECORD_HEADER_LEN];
        out[..4].copy_from_slice(&self.payload_len.to_le_bytes());
        out[8] = self.kind;
        out[9] = self.flags;
        out[10..12].copy_from_slice(&self.source.to_le_bytes());
        out[12..16].copy_from_slice(&self.policy.to_le_bytes());
        out[24..28].copy_from_slice(&self.points.to_le_bytes());
        out
    }

    fn parse(bytes: &[u8; RECORD_HEADER_LEN]) -> Option<Self> {
        Some(Self {
            payload_len: u32_at(bytes, 0)?,
            kind: bytes[8],
            flags: bytes[9],
            source: u16_at(bytes, 10)?,
            policy: u32_at(bytes, 12)?,
            seq: u64_at(bytes, 16)?,
            points: u32_at(bytes, 24)?,
        })
    }
}

/// Fills in seq and checksum of the record at the start of `bytes`; returns its whole length, `None` if the length in its header is wrong.
pub(crate) fn seal_record(bytes: &mut [u8], salt: u64, seq: u64) -> Option<usize> {
    let len = RECORD_HEADER_LEN.checked_add(u32_at(bytes, 0)? as usize)?;
    let record = bytes.get_mut(..len)?;
    record[16..24].copy_from_slice(&seq.to_le_bytes());
    let crc = record_crc(record, salt);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    Some(len)
}

/// Checks the record at the start of `bytes`; gives its header, its payload and its whole length.
pub(crate) fn open_record(bytes: &[u8], salt: u64, seq: u64) -> Option<(RecordHeader, &[u8], usize)> {
    let header = RecordHeader::parse(bytes.first_chunk()?)?;
    let len = RECORD_HEADER_LEN.checked_add(header.payload_len as usize)?;
    let record = bytes.get(..len)?;
    let valid = header.seq == seq && record_crc(record, salt) == u32_at(record, 4)?;
    valid.then(|| (header, &record[RECORD_HEADER_LEN..], len))
}

fn record_crc(record: &[u8], salt: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&record[..4]);
    crc.update(&record[8..]);
    crc.finalize()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        FileHeader {
            lane: 3,
            file_no: 0x0102_0304_0506_0708,
            salt: 0x1112_1314_1516_1718,
            store_id: *b"0123456789abcdef",
            created: 1_700_000_000_000_000_000,
            prev_end: 8192,
        }
    }

    #[test]
    fn a_file_header_has_these_bytes() {
        let want = b"WEIRWAL1\x01\x00\x03\x00\x00\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01\
            \x18\x17\x16\x15\x14\x13\x12\x110123456789abcdef\x00\x00\x2a\x36\xfe\x9c\x97\x17\x00\x20\x00\x00";
        let bytes = header().to_bytes();
        assert_eq!(bytes[..60], want[..]);
        assert_eq!(bytes[60..], crc32fast::hash(want).to_le_bytes());
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926, "the polynomial FORMAT.md names");
    }

    #[test]
    fn a_file_header_survives_damage_to_either_copy() {
        let page = header().to_page();
        assert_eq!(FileHeader::from_page(&page), Some(header()));
        for at in 0..FILE_HEADER_LEN {
            let mut torn = page.clone();
            torn[at] ^= 0x10;
            assert_eq!(FileHeader::from_page(&torn), Some(header()));
            torn[FILE_HEADER_COPY_AT + at] ^= 0x10;
            assert_eq!(FileHeader::from_page(&torn), None);
        }
        for len in 0..PAGE {
            let got = FileHeader::from_page(&page[..len]);
            assert_eq!(got.is_some(), len >= FILE_HEADER_LEN);
        }
    }

    #[test]
    fn a_group_header_holds_only_at_its_place_in_its_file() {
        let mut group = vec![0; PAGE];
        let header = GroupHeader { len: 100, seq: 7, synced_end: 4096, records: 1 };
        header.seal(&mut group, 42, 8192);
        let mut file = vec![0; 8192];
        file.extend_from_slice(&group);
        assert_eq!(GroupHeader::read(&file, 8192, 42), Some(header));
        assert_eq!(GroupHeader::read(&file, 8192, 43), None);
        let mut moved = vec![0; 4096];
        moved.extend_from_slice(&group);
        assert_eq!(GroupHeader::read(&moved, 4096, 42), None);
        assert_eq!(GroupHeader::read(&file, 4096, 42), None, "zeros are no header");
    }
}
