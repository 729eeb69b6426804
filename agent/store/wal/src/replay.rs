//! What is left of the logs of all lanes after a crash, and how to read it.
//!
//! [`Log::scan`] looks at every lane directory, whatever the number of lanes is now, and changes nothing. It reads each file once to
//! find the valid groups; [`Log::definitions`] and [`Log::groups`] then read those again, group by group.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_fs::{EntryKind, File, Fs, FsError, Op, OpenMode, publish_file};

use crate::definitions::Definition;
use crate::error::WalError;
use crate::format::{self, FORMAT_VERSION, FileHeader, PAGE};
use crate::record::{Record, Records};
use crate::scan::{self, GroupRef};
use crate::slots::{self, LiveFile, SLOT_BYTES_MAX, Spare};
use crate::{Floor, Position, generation_of};

/// Bytes of a file that are looked at. No file is longer, unless someone else wrote to it.
const FILE_BYTES_MAX: u64 = SLOT_BYTES_MAX as u64 * 4;

/// What is wrong with a part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Bytes that were synced once are no longer what was written. Records around them were kept.
    Corrupt,
    /// A file is missing between two others, or the first one that is needed.
    Missing,
    /// A file of another store or another lane, or a second file of the same number. Left alone, neither read nor overwritten.
    Foreign,
}

/// A damaged part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Lane.
    pub lane: u16,
    /// File of the lane, as numbered in its header; the first missing one for [`DamageKind::Missing`].
    pub file_no: u64,
    /// Path of the file; of the lane's directory for [`DamageKind::Missing`].
    pub path: PathBuf,
    /// First damaged byte.
    pub offset: u64,
    /// Number of damaged bytes; 0 if the file is missing.
    pub len: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// Where the log of one lane goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStart {
    pub(crate) lane: u16,
    pub(crate) next_file_no: u64,
    pub(crate) prev_end: u32,
    pub(crate) live: Vec<LiveFile>,
    pub(crate) spares: Vec<Spare>,
    pub(crate) next_slot: u32,
}

impl LaneStart {
    /// A lane that has no log yet, or whose log before `floor` is no longer needed.
    #[must_use]
    pub const fn new(lane: u16, floor: Floor) -> Self {
        let next_file_no = floor.file_no;
        Self { lane, next_file_no, prev_end: 0, live: Vec::new(), spares: Vec::new(), next_slot: 0 }
    }
}

/// The logs of all lanes as a scan found them.
#[derive(Debug)]
pub struct Log {
    fs: Arc<dyn Fs>,
    lanes: Vec<LaneLogs>,
    damage: Vec<Damage>,
}

/// What a scan found of one lane.
#[derive(Debug)]
struct LaneLogs {
    floor: Floor,
    start: LaneStart,
    files: Vec<LogFile>,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file_no: u64,
    salt: u64,
    groups: Vec<GroupRef>,
}

impl Log {
    /// Looks at all logs in `wal_dir`; that there is no such directory is fine. A lane without a floor needs everything.
    ///
    /// # Errors
    /// [`WalError::Io`], also when a file is of a format that this version does not know. Damage is no error: see [`Log::damage`].
    pub fn scan(
        fs: Arc<dyn Fs>,
        wal_dir: &Path,
        store_id: [u8; 16],
        floors: &[Floor],
    ) -> Result<Self, WalError> {
        let mut log = Self { fs, lanes: Vec::new(), damage: Vec::new() };
        let entries = match log.fs.read_dir(wal_dir) {
            Err(e) if e.is_not_found() => return Ok(log),
            entries => entries?,
        };
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Dir) {
            let Ok(lane) = entry.name.parse::<u16>() else { continue };
            if lane.to_string() == entry.name {
                let none = Floor { lane, ..Floor::default() };
                let floor = floors.iter().copied().find(|floor| floor.lane == lane).unwrap_or(none);
                log.scan_lane(wal_dir, store_id, floor)?;
            }
        }
        log.lanes.sort_by_key(|lane| lane.start.lane);
        Ok(log)
    }

    /// The lanes that have a directory, ascending.
    pub fn lanes(&self) -> impl Iterator<Item = u16> {
        self.lanes.iter().map(|lane| lane.start.lane)
    }

    /// Where a lane goes on: pass it to [`LaneSlots::open`](crate::LaneSlots::open) and [`LaneLog::open`](crate::LaneLog::open).
    /// `floor` is used if the scan found nothing of the lane.
    #[must_use]
    pub fn start(&self, floor: Floor) -> LaneStart {
        let found = self.lanes.iter().find(|l| l.start.lane == floor.lane);
        found.map_or_else(|| LaneStart::new(floor.lane, floor), |l| l.start.clone())
    }

    /// The highest seq of any group, needed or not.
    #[must_use]
    pub fn seq_max(&self) -> Option<u64> {
        let files = self.lanes.iter().flat_map(|lane| &lane.files);
        files.filter_map(|file| file.groups.last()).map(|group| group.seq).max()
    }

    /// Number of groups that [`Log::groups`] will give.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.lanes.iter().map(|lane| lane.needed().count()).sum()
    }

    /// What is damaged. Ordinary traces of a crash (a torn last write) are not.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Copies the damaged parts to `dir`, one file each, so that they outlive the files. Returns the number of copies; what was copied
    /// before is not copied again.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn preserve_damage(&self, dir: &Path) -> Result<usize, WalError> {
        let mut copies = 0;
        for damage in self.damage.iter().filter(|damage| damage.kind == DamageKind::Corrupt) {
            let Ok(len) = usize::try_from(damage.len.min(FILE_BYTES_MAX)) else { continue };
            let mut bytes = vec![0; len];
            let n = self.fs.open(&damage.path, OpenMode::Read)?.read_at(&mut bytes, damage.offset)?;
            let name = format!("wal-{}-{}-{}.bin", damage.lane, damage.file_no, damage.offset);
            self.fs.create_dir_all(dir)?;
            let copy = dir.join(name);
            if !self.fs.exists(&copy)? {
                publish_file(self.fs.as_ref(), &copy, &bytes[..n])?;
                copies += 1;
            }
        }
        Ok(copies)
    }

    /// Calls `each` with (policy, definition) for all definitions of all lanes, also of files that are kept for readers of the log
    /// alone. Definitions may repeat.
    ///
    /// # Errors
    /// [`WalError`] of a file or record that cannot be read, or what `each` returns.
    pub fn definitions<E: From<WalError>>(
        &self,
        mut each: impl FnMut(u32, Definition<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for lane in &self.lanes {
            let mut reader = FileReader::default();
            for (file, group) in lane.all() {
                let group = reader.read(self.fs.as_ref(), lane.start.lane, file, group)?;
                for record in group.records().only_definitions() {
                    if let Record::Definitions { policy, list } = record? {
                        list.iter().try_for_each(|definition| each(policy, definition))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The groups at or above the floors of all lanes, in ascending order of seq.
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        self.groups_where(|_| true)
    }

    /// The groups of one lane at or above its floor, in ascending order of seq, for reading lanes in parallel.
    #[must_use]
    pub fn groups_of_lane(&self, lane: u16) -> Groups<'_> {
        self.groups_where(|l| l == lane)
    }

    fn groups_where(&self, wanted: impl Fn(u16) -> bool) -> Groups<'_> {
        let lanes = self.lanes.iter().filter(|lane| wanted(lane.start.lane));
        let lanes = lanes.map(|lane| LaneCursor {
            lane: lane.start.lane,
            groups: Box::new(lane.needed()) as Box<dyn Iterator<Item = _> + Send>,
            next: None,
            reader: FileReader::default(),
        });
        let mut groups = Groups { fs: self.fs.as_ref(), lanes: lanes.collect() };
        groups.lanes.iter_mut().for_each(LaneCursor::advance);
        groups
    }

    fn scan_lane(&mut self, wal_dir: &Path, store_id: [u8; 16], floor: Floor) -> Result<(), WalError> {
        let dir = slots::lane_dir(wal_dir, floor.lane);
        let mut start = LaneStart::new(floor.lane, floor);
        let mut found: BTreeMap<u64, (u32, FileHeader, u64)> = BTreeMap::new();
        // Slots that no header identifies: spares, unless it turns out that a file is missing.
        let mut unnamed = Vec::new();
        for entry in self.fs.read_dir(&dir)?.iter().filter(|entry| entry.kind == EntryKind::File) {
            let Some(slot) = slots::parse_slot_name(&entry.name) else { continue };
            start.next_slot = start.next_slot.max(slot.saturating_add(1));
            let path = dir.join(&entry.name);
            let file = self.fs.open(&path, OpenMode::Read)?;
            let len = file.len()?;
            let mut page = vec![0; PAGE];
            let n = file.read_at(&mut page, 0)?;
            page.truncate(n);
            let spare =
                Spare { slot, size: u32::try_from(len / PAGE as u64 * PAGE as u64).unwrap_or(u32::MAX) };
            let Some(header) = read_header(&path, &page)? else {
                if format::looks_like_ours(&page) {
                    unnamed.push(path);
                }
                start.spares.push(spare);
                continue;
            };
            let is_ours = header.store_id == store_id && header.lane == floor.lane;
            if is_ours {
                start.next_file_no = start.next_file_no.max(header.file_no.saturating_add(1));
            }
            if is_ours && header.file_no < floor.lowest_file() {
                start.spares.push(spare);
            } else if !is_ours || found.contains_key(&header.file_no) {
                self.damage.push(Damage {
                    lane: floor.lane,
                    file_no: header.file_no,
                    path,
                    offset: 0,
                    len,
                    kind: DamageKind::Foreign,
                });
            } else {
                found.insert(header.file_no, (slot, header, len));
            }
        }
        let damaged_before = self.damage.len();
        self.check_gaps(&dir, floor, &found);
        if self.damage.len() > damaged_before {
            self.keep_unnamed(&dir, unnamed, &mut start)?;
        }
        let files = self.scan_files(&dir, floor, &found, &mut start)?;
        self.lanes.push(LaneLogs { floor, start, files });
        Ok(())
    }

    fn scan_files(
        &mut self,
        dir: &Path,
        floor: Floor,
        found: &BTreeMap<u64, (u32, FileHeader, u64)>,
        start: &mut LaneStart,
    ) -> Result<Vec<LogFile>, WalError> {
        let mut files = Vec::new();
        let mut bytes = Vec::new();
        for (&file_no, &(slot, header, len)) in found {
            let path = dir.join(slots::slot_name(slot));
            let len = usize::try_from(len.min(FILE_BYTES_MAX)).unwrap_or(0);
            bytes.resize(len, 0);
            self.fs.open(&path, OpenMode::Read)?.read_exact_at(&mut bytes, 0)?;
            let successor = found.get(&(file_no + 1)).map(|(_, next, _)| next.prev_end);
            let scan = scan::scan_file(&bytes, header.salt, successor);
            self.damage.extend(scan.damage.iter().map(|range| Damage {
                lane: floor.lane,
                file_no,
                path: path.clone(),
                offset: range.start as u64,
                len: (range.end - range.start) as u64,
                kind: DamageKind::Corrupt,
            }));
            start.live.push(LiveFile {
                file_no,
                slot,
                size: u32::try_from(len / PAGE * PAGE).unwrap_or(u32::MAX),
                used: scan.end.saturating_sub(PAGE as u32),
                seq_max: scan.groups.last().map_or(0, |group| group.seq),
                held: file_no < floor.file_no,
                failed: false,
            });
            if file_no + 1 == start.next_file_no {
                start.prev_end = scan.end;
            }
            files.push(LogFile { path, file_no, salt: header.salt, groups: scan.groups });
        }
        Ok(files)
    }

    /// Reports numbers that are missing from the floor on. A file that was begun but never synced leaves a gap that means
    /// nothing: its successor says that it held no group.
    fn check_gaps(&mut self, dir: &Path, floor: Floor, found: &BTreeMap<u64, (u32, FileHeader, u64)>) {
        let mut expected = floor.file_no;
        for (&file_no, (_, header, _)) in found.range(floor.file_no..) {
            let only_one_empty = file_no - expected == 1 && header.prev_end as usize <= PAGE;
            if file_no > expected && !only_one_empty {
                self.damage.push(Damage {
                    lane: floor.lane,
                    file_no: expected,
                    path: dir.to_owned(),
                    offset: 0,
                    len: 0,
                    kind: DamageKind::Missing,
                });
            }
            expected = file_no + 1;
        }
    }

    /// A file is missing, and these slots have lost their headers: one of them may be it. They are reported, and not overwritten.
    fn keep_unnamed(
        &mut self,
        dir: &Path,
        unnamed: Vec<PathBuf>,
        start: &mut LaneStart,
    ) -> Result<(), WalError> {
        for path in unnamed {
            start.spares.retain(|spare| dir.join(slots::slot_name(spare.slot)) != path);
            let len = self.fs.len(&path)?;
            let lane = start.lane;
            self.damage.push(Damage {
                lane,
                file_no: u64::MAX,
                path,
                offset: 0,
                len,
                kind: DamageKind::Corrupt,
            });
        }
        Ok(())
    }
}

/// The header of a file; `None` for a spare.
fn read_header(path: &Path, page: &[u8]) -> Result<Option<FileHeader>, WalError> {
    if let Some(version) = format::unknown_version(page) {
        let message =
            format!("log format {version} is not known, only {FORMAT_VERSION}; use the newer program");
        return Err(FsError::new(Op::Read, path, io::Error::new(io::ErrorKind::Unsupported, message)).into());
    }
    Ok(FileHeader::from_page(page))
}

impl LaneLogs {
    fn all(&self) -> impl Iterator<Item = (&LogFile, &GroupRef)> {
        self.files.iter().flat_map(|file| file.groups.iter().map(move |group| (file, group)))
    }

    fn needed(&self) -> impl Iterator<Item = (&LogFile, &GroupRef)> {
        let floor = self.floor;
        self.all().filter(move |(file, group)| {
            file.file_no >= floor.file_no && generation_of(group.seq) >= floor.generation
        })
    }
}

/// A valid group, read from the log.
#[derive(Clone, Debug)]
pub struct LoggedGroup {
    /// Its lane.
    pub lane: u16,
    /// The seq of all its records.
    pub seq: u64,
    /// Where it stands.
    pub position: Position,
    salt: u64,
    records: Vec<u8>,
}

impl LoggedGroup {
    /// Its records, in the order written.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(&self.records, self.salt, self.seq)
    }
}

/// Groups of one or several lanes in ascending order of seq. Ends after an error.
pub struct Groups<'a> {
    fs: &'a dyn Fs,
    lanes: Vec<LaneCursor<'a>>,
}

impl std::fmt::Debug for Groups<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

struct LaneCursor<'a> {
    lane: u16,
    groups: Box<dyn Iterator<Item = (&'a LogFile, &'a GroupRef)> + Send + 'a>,
    next: Option<(&'a LogFile, &'a GroupRef)>,
    reader: FileReader,
}

impl LaneCursor<'_> {
    fn advance(&mut self) {
        self.next = self.groups.next();
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<LoggedGroup, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let waiting = self.lanes.iter_mut().filter(|lane| lane.next.is_some());
        let lane = waiting.min_by_key(|lane| lane.next.map(|(_, group)| group.seq))?;
        let (file, group) = lane.next?;
        lane.advance();
        let read = lane.reader.read(self.fs, lane.lane, file, group);
        if read.is_err() {
            self.lanes.clear();
        }
        Some(read)
    }
}

/// Keeps the file of the group before open.
#[derive(Default)]
struct FileReader {
    open: Option<(u64, Arc<dyn File>)>,
}

impl FileReader {
    fn read(
        &mut self,
        fs: &dyn Fs,
        lane: u16,
        file: &LogFile,
        group: &GroupRef,
    ) -> Result<LoggedGroup, WalError> {
        let handle = match &self.open {
            Some((file_no, handle)) if *file_no == file.file_no => Arc::clone(handle),
            _ => {
                let handle = fs.open(&file.path, OpenMode::Read)?;
                self.open = Some((file.file_no, Arc::clone(&handle)));
                handle
            }
        };
        let mut records = vec![0; group.records.iter().map(ExactSizeIterator::len).sum()];
        let mut done = 0;
        for range in &group.records {
            let part = &mut records[done..done + range.len()];
            handle.read_exact_at(part, range.start as u64)?;
            done += range.len();
        }
        let position = Position { file_no: file.file_no, offset: group.offset };
        Ok(LoggedGroup { lane, seq: group.seq, position, salt: file.salt, records })
    }
}
