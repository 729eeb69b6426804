//! Which groups of one file are valid, where its log ends, and what in it is damaged. Pure: bytes in, facts out.
//!
//! A file with a successor ends where the successor says. Damage before that is damage; bytes behind it are ignored, however valid
//! they look. In the last file the first bad group is damage only if a later group proves that it was synced once; else the log
//! ends there, because nothing from there on was ever acknowledged.

use std::ops::Range;

use crate::format::{self, GROUP_HEADER_LEN, GroupHeader, PAGE};

/// A group of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRef {
    pub(crate) offset: u32,
    pub(crate) seq: u64,
    /// Where its valid records stand in the file: one range, or several with damage between.
    pub(crate) records: Vec<Range<usize>>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileScan {
    pub(crate) groups: Vec<GroupRef>,
    /// The log of this file ends here.
    pub(crate) end: u32,
    pub(crate) damage: Vec<Range<usize>>,
}

/// Looks through a file, the header page included. `end` is what the successor says, if there is one.
pub(crate) fn scan_file(bytes: &[u8], salt: u64, end: Option<u32>) -> FileScan {
    let limit = end.map_or(bytes.len(), |end| (end as usize).min(bytes.len()));
    let mut scan = FileScan::default();
    let mut last_seq = None;
    let mut at = PAGE;
    while at < limit {
        let header = header_at(bytes, at, salt, last_seq, limit);
        if let Some(header) = header {
            let (records, whole) = records_of(bytes, at, header, salt);
            if whole {
                scan.groups.push(GroupRef { offset: at as u32, seq: header.seq, records });
                last_seq = Some(header.seq);
                at += header.padded_len();
                continue;
            }
        }
        if end.is_none() && !is_proven(bytes, at, salt, last_seq) {
            break;
        }
        // Damage. Keep what can be kept of a group whose header is well; go on at the next header.
        let next = match header {
            Some(header) => {
                let (records, _) = records_of(bytes, at, header, salt);
                if !records.is_empty() {
                    scan.groups.push(GroupRef { offset: at as u32, seq: header.seq, records });
                }
                last_seq = Some(header.seq);
                at + header.padded_len()
            }
            None => (at + PAGE..limit)
                .step_by(PAGE)
                .find(|&page| header_at(bytes, page, salt, last_seq, limit).is_some())
                .unwrap_or(limit),
        };
        scan.damage.push(at..next);
        at = next;
    }
    if let Some(end) = end {
        if (end as usize) > bytes.len() {
            scan.damage.push(bytes.len()..end as usize);
        }
        scan.end = end;
    } else {
        scan.end = u32::try_from(at).unwrap_or(u32::MAX);
    }
    scan
}

/// A header that may follow a group of seq `after`, of a group that ends before `limit`.
fn header_at(bytes: &[u8], at: usize, salt: u64, after: Option<u64>, limit: usize) -> Option<GroupHeader> {
    let header = GroupHeader::read(bytes, u32::try_from(at).ok()?, salt)?;
    let fits = at.checked_add(header.padded_len()).is_some_and(|end| end <= limit);
    (fits && after.is_none_or(|after| header.seq > after)).then_some(header)
}

/// Whether a group behind `at` was written when the file was already synced beyond `at`.
fn is_proven(bytes: &[u8], at: usize, salt: u64, after: Option<u64>) -> bool {
    (at + PAGE..bytes.len()).step_by(PAGE).any(|page| {
        header_at(bytes, page, salt, after, usize::MAX).is_some_and(|header| header.synced_end as usize > at)
    })
}

/// The valid records of a group, and whether they are all of it.
fn records_of(bytes: &[u8], at: usize, header: GroupHeader, salt: u64) -> (Vec<Range<usize>>, bool) {
    let end = at + header.len as usize;
    let mut valid: Vec<Range<usize>> = Vec::new();
    let (mut count, mut whole) = (0, true);
    let mut pos = at + GROUP_HEADER_LEN;
    while pos < end {
        let record = bytes.get(pos..end).unwrap_or(&[]);
        if let Some((_, _, len)) = format::open_record(record, salt, header.seq) {
            match valid.last_mut() {
                Some(last) if last.end == pos => last.end += len,
                _ => valid.push(pos..pos + len),
            }
            count += 1;
            pos += len;
        } else {
            // If only its contents are damaged, its length leads to the next record.
            whole = false;
            let len = format::u32_at(record, 0).unwrap_or(u32::MAX) as usize;
            pos = pos.saturating_add(len).saturating_add(format::RECORD_HEADER_LEN);
        }
    }
    (valid, whole && count == header.records)
}

/// The whole groups that stand back to back from `start` to `end`; stops at the first that is not whole.
pub(crate) fn scan_range(bytes: &[u8], salt: u64, start: usize, end: usize) -> Vec<(usize, GroupHeader)> {
    let mut groups = Vec::new();
    let (mut at, mut last_seq) = (start, None);
    while at < end
        && let Some(header) = header_at(bytes, at, salt, last_seq, end)
        && records_of(bytes, at, header, salt).1
    {
        groups.push((at, header));
        last_seq = Some(header.seq);
        at += header.padded_len();
    }
    groups
}
