//! What one file of the log holds, for people and for verification: every checksum checked, every record decoded.

use std::ops::Range;

use crate::format::{self, FileHeader, RecordHeader};
use crate::record::{self, Record, Records};
use crate::{WalError, scan};

/// What one file holds.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Lane.
    pub lane: u16,
    /// Number of the file in its lane.
    pub file_no: u64,
    /// Store it belongs to.
    pub store_id: [u8; 16],
    /// When it was begun, nanoseconds since the Unix epoch.
    pub created: i64,
    /// Where the log of the file before ends.
    pub prev_end: u32,
    /// Where the log of this file ends.
    pub end: u32,
    /// Valid groups.
    pub groups: u64,
    /// Valid records.
    pub records: u64,
    /// Definitions in them.
    pub definitions: u64,
    /// Points in them.
    pub points: u64,
    /// First and last seq.
    pub seqs: Option<(u64, u64)>,
    /// Damaged bytes.
    pub damage: Vec<Range<u64>>,
    /// Records with a right checksum that do not decode: group's offset and reason.
    pub undecodable: Vec<(u32, String)>,
}

/// Looks through a whole file. `end` is what the header of the file after it says, if there is one. `None`: not a file of the log (a spare
/// that was never used, or both copies of its header are damaged).
#[must_use]
pub fn inspect_file(bytes: &[u8], end: Option<u32>) -> Option<FileReport> {
    let header = FileHeader::from_page(bytes)?;
    let found = scan::scan_file(bytes, header.salt, end);
    let mut report = FileReport {
        lane: header.lane,
        file_no: header.file_no,
        store_id: header.store_id,
        created: header.created,
        prev_end: header.prev_end,
        end: found.end,
        groups: found.groups.len() as u64,
        records: 0,
        definitions: 0,
        points: 0,
        seqs: found.groups.first().zip(found.groups.last()).map(|(first, last)| (first.seq, last.seq)),
        damage: found.damage.iter().map(|range| range.start as u64..range.end as u64).collect(),
        undecodable: Vec::new(),
    };
    for group in &found.groups {
        for range in &group.records {
            let records = bytes.get(range.clone()).unwrap_or(&[]);
            for record in Records::new(records, header.salt, group.seq) {
                report.records += 1;
                match record {
                    Ok(Record::Definitions { list, .. }) => report.definitions += list.len() as u64,
                    Ok(Record::Points { points, .. }) => {
                        report.points += points.iter().map(|p| p.times.len() as u64).sum::<u64>();
                    }
                    Ok(Record::Generation { .. }) => {}
                    Err(e) => report.undecodable.push((group.offset, e.to_string())),
                }
            }
        }
    }
    Some(report)
}

/// Decodes the contents of one record whose checksum was right. Never panics on any input; this is what fuzzing calls.
///
/// # Errors
/// [`WalError::Record`].
pub fn decode_record(kind: u8, flags: u8, points: u32, payload: &[u8]) -> Result<Record, WalError> {
    let payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    record::decode(RecordHeader { payload_len, kind, flags, source: 0, policy: 0, seq: 0, points }, payload)
}

/// Gives groups that were put together by hand the checksums they need, so that fuzzing reaches what lies behind them. `file` is
/// taken as the pages of a file after its header; its first bytes of each page may say where a group starts.
#[doc(hidden)]
#[must_use]
pub fn forge_file(pages: &[u8]) -> Vec<u8> {
    let header = FileHeader { lane: 0, file_no: 0, salt: 7, store_id: [0; 16], created: 0, prev_end: 0 };
    let mut file = header.to_page();
    file.extend_from_slice(pages);
    let mut at = format::PAGE;
    while at < file.len() {
        let Some(group) = file.get_mut(at..).filter(|group| group.len() >= format::GROUP_HEADER_LEN) else {
            break;
        };
        let len = format::u32_at(group, 0).unwrap_or(0);
        let seq = u64::from(group[8]);
        let records = u32::from(group[20]);
        let synced_end = format::u32_at(group, 16).unwrap_or(0);
        let header = format::GroupHeader { len, seq, synced_end, records };
        header.seal(group, 7, u32::try_from(at).unwrap_or(u32::MAX));
        let end = (len as usize).clamp(format::GROUP_HEADER_LEN, group.len());
        let mut pos = format::GROUP_HEADER_LEN;
        while let Some(n) = group.get_mut(pos..end).and_then(|rest| format::seal_record(rest, 7, seq)) {
            pos += n;
        }
        at += (len as usize).clamp(1, 1 << 24).next_multiple_of(format::PAGE);
    }
    file
}
