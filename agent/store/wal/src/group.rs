//! What goes into the log in one write.

use weir_codec::put_varint;

use crate::definitions::{Definition, ListBuilder};
use crate::error::WalError;
use crate::format::{
    self, GROUP_HEADER_LEN, GroupHeader, KIND_DEFINITIONS, KIND_GENERATION, KIND_POINTS, PAGE,
    RECORD_HEADER_LEN, RecordHeader,
};
use crate::points::{Encoder, PointsView};

/// Records with more values than this (rows × fields) are cut; far below what a reader accepts.
const RECORD_VALUES_CUT: usize = 1 << 22;

/// Encoded records, in a buffer to be used again and again. A thread may fill one group and another join it to its own with
/// [`Group::extend`], which copies bytes and nothing more.
#[derive(Debug)]
pub struct Group {
    /// Room for the group header, then the records.
    bytes: Vec<u8>,
    records: u32,
    points: u64,
    encoder: Encoder,
    list: ListBuilder,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Group {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; GROUP_HEADER_LEN],
            records: 0,
            points: 0,
            encoder: Encoder::default(),
            list: ListBuilder::default(),
        }
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(GROUP_HEADER_LEN);
        self.records = 0;
        self.points = 0;
    }

    /// Whether it has no records.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Bytes it will take in the log, without filling up the last page.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Number of points in it.
    #[must_use]
    pub const fn points(&self) -> u64 {
        self.points
    }

    /// Adds points of one policy and source, in order of arrival. Empty views are left out.
    ///
    /// # Panics
    /// If the parts of a view differ in length.
    pub fn push_points(&mut self, policy: u32, source: u16, views: &[PointsView<'_>]) {
        let mut open: Option<OpenRecord> = None;
        let (mut cells, mut rows) = (0, 0u32);
        for view in views {
            let width = view.columns.len() + 2;
            let rows_max = (RECORD_VALUES_CUT / width).max(1);
            let mut from = 0;
            while from < view.len() {
                let to = view.len().min(from + rows_max);
                cells += (to - from) * width;
                if cells > RECORD_VALUES_CUT
                    && let Some(record) = open.take()
                {
                    self.close(record, KIND_POINTS, 0, policy, source, rows);
                    (cells, rows) = ((to - from) * width, 0);
                }
                open.get_or_insert_with(|| OpenRecord::at(&mut self.bytes));
                self.encoder.encode(view, from, to, &mut self.bytes);
                rows += (to - from) as u32;
                self.points += (to - from) as u64;
                from = to;
            }
        }
        if let Some(record) = open {
            self.close(record, KIND_POINTS, 0, policy, source, rows);
        }
    }

    /// Adds definitions of series of one policy.
    pub fn push_definitions<'a>(
        &mut self,
        policy: u32,
        definitions: impl IntoIterator<Item = Definition<'a>>,
    ) {
        for definition in definitions {
            self.list.push(definition);
            if self.list.is_full() {
                self.close_list(policy);
            }
        }
        self.close_list(policy);
    }

    /// Notes that a generation begins.
    pub fn push_generation(&mut self, generation: u64) {
        let record = OpenRecord::at(&mut self.bytes);
        put_varint(generation, &mut self.bytes);
        self.close(record, KIND_GENERATION, 0, 0, 0, 0);
    }

    /// Adds the records of another group behind those of this one.
    pub fn extend(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes[GROUP_HEADER_LEN..]);
        self.records += other.records;
        self.points += other.points;
    }

    fn close_list(&mut self, policy: u32) {
        if !self.list.is_empty() {
            let record = OpenRecord::at(&mut self.bytes);
            let (flags, count) = self.list.finish(&mut self.bytes);
            self.close(record, KIND_DEFINITIONS, flags, policy, 0, count);
        }
    }

    fn close(&mut self, record: OpenRecord, kind: u8, flags: u8, policy: u32, source: u16, points: u32) {
        let payload_len = self.bytes.len() - record.start - RECORD_HEADER_LEN;
        // A payload beyond 4 GiB makes the group larger than any file, which `seal` refuses.
        let payload_len = u32::try_from(payload_len).unwrap_or(u32::MAX);
        let header = RecordHeader { payload_len, kind, flags, source, policy, seq: 0, points };
        self.bytes[record.start..][..RECORD_HEADER_LEN].copy_from_slice(&header.to_bytes());
        self.records += 1;
    }

    /// Bytes on disk, last page included.
    pub(crate) const fn padded_len(&self) -> usize {
        self.bytes.len().next_multiple_of(PAGE)
    }

    /// Fills in everything that depends on the place: seq, salt, checksums, zeros up to the page's end. Gives the bytes to write.
    pub(crate) fn seal(
        &mut self,
        seq: u64,
        salt: u64,
        offset: u32,
        synced_end: u32,
        bytes_max: usize,
    ) -> Result<&[u8], WalError> {
        let too_large = WalError::GroupTooLarge { bytes: self.bytes.len(), max: bytes_max };
        if self.padded_len() > bytes_max {
            return Err(too_large);
        }
        let len = self.bytes.len();
        let header = GroupHeader {
            len: u32::try_from(len).map_err(|_| too_large)?,
            seq,
            synced_end,
            records: self.records,
        };
        header.seal(&mut self.bytes, salt, offset);
        let mut at = GROUP_HEADER_LEN;
        while let Some(n) = self.bytes.get_mut(at..).and_then(|rest| format::seal_record(rest, salt, seq)) {
            at += n;
        }
        self.bytes.resize(len.next_multiple_of(PAGE), 0);
        Ok(&self.bytes)
    }

    /// Takes back the zeros that [`seal`](Self::seal) added.
    pub(crate) fn unseal(&mut self, len: usize) {
        self.bytes.truncate(len.max(GROUP_HEADER_LEN));
    }

    /// Takes over the bytes of a group read back from a file.
    pub(crate) fn from_sealed(bytes: &[u8], records: u32) -> Self {
        Self { bytes: bytes.to_vec(), records, ..Self::new() }
    }
}

/// A record whose header is still to be written.
struct OpenRecord {
    start: usize,
}

impl OpenRecord {
    fn at(bytes: &mut Vec<u8>) -> Self {
        let start = bytes.len();
        bytes.resize(start + RECORD_HEADER_LEN, 0);
        Self { start }
    }
}

#[cfg(test)]
impl Group {
    /// Whether the two hold the same records, wherever they were written.
    pub(crate) fn same_records(&self, other: &Self) -> bool {
        self.records == other.records && self.bytes[GROUP_HEADER_LEN..] == other.bytes[GROUP_HEADER_LEN..]
    }

    /// Contents of the first record.
    pub(crate) fn first_payload(&self) -> &[u8] {
        let len = format::u32_at(&self.bytes, GROUP_HEADER_LEN).unwrap() as usize;
        &self.bytes[GROUP_HEADER_LEN + RECORD_HEADER_LEN..][..len]
    }
}
