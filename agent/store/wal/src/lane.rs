//! The writer of one lane's log. Owned by the lane's thread.

use std::sync::Arc;
use std::time::Duration;

use weir_fs::{File, FsError, FsResult};
use weir_model::Clock;

use crate::error::WalError;
use crate::format::{FileHeader, PAGE};
use crate::group::Group;
use crate::replay::LaneStart;
use crate::slots::{LaneSlots, SLOT_BYTES_MAX};
use crate::{Position, scan};

/// Most bytes of a group in a file.
const GROUP_BYTES_MAX: usize = SLOT_BYTES_MAX as usize - PAGE;

/// When the log is synced, and so what an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Each group before [`LaneLog::append`] returns: acknowledged points survive a power cut.
    Commit,
    /// At the latest so long after a group was written: a power cut may take the groups of that time.
    Interval(Duration),
    /// When a file is full: acknowledged points survive the end of the process, not a power cut.
    None,
}

/// What a lane's log needs to know.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// The store's id, which stands in each file.
    pub store_id: [u8; 16],
    /// When to sync.
    pub sync: SyncMode,
    /// Makes the salts of this run differ from those of all others. Random.
    pub salt_seed: u64,
}

/// Where a group went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Start of the group.
    pub position: Position,
    /// Its bytes in the file, last page included.
    pub bytes: u32,
    /// Whether it is durable.
    pub synced: bool,
}

/// The writer of one lane's log.
#[derive(Debug)]
pub struct LaneLog {
    slots: Arc<LaneSlots>,
    clock: Arc<dyn Clock>,
    options: WalOptions,
    current: Option<Current>,
    next_file_no: u64,
    /// Where the log in file `next_file_no - 1` ends.
    prev_end: u32,
    closed: bool,
    /// Monotonic time of the oldest write that is not synced.
    unsynced_since: Option<u64>,
    meters: Meters,
}

/// The file being written.
#[derive(Debug)]
struct Current {
    file: Arc<dyn File>,
    file_no: u64,
    salt: u64,
    size: u32,
    /// The next group goes here.
    offset: u32,
    synced_end: u32,
}

struct Meters {
    append: metrics::Histogram,
    fsync: metrics::Histogram,
    bytes: metrics::Gauge,
    failures: metrics::Counter,
    lost: metrics::Counter,
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

/// Why a single attempt failed.
enum Trouble {
    /// There is no file to write to, and nothing was written.
    NoSlot(FsError),
    /// A write or sync failed: its outcome is unknown.
    Io(FsError),
}

impl From<Trouble> for FsError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NoSlot(e) | Trouble::Io(e) => e,
        }
    }
}

impl LaneLog {
    /// Goes on behind what a scan found: always in a new file, which is begun with the first group.
    #[must_use]
    pub fn open(
        slots: Arc<LaneSlots>,
        start: &LaneStart,
        clock: Arc<dyn Clock>,
        options: WalOptions,
    ) -> Self {
        let lane = slots.lane().to_string();
        let meters = Meters {
            append: metrics::histogram!("weir_wal_append_duration_seconds", "lane" => lane.clone()),
            fsync: metrics::histogram!("weir_wal_fsync_duration_seconds", "lane" => lane.clone()),
            bytes: metrics::gauge!("weir_wal_bytes", "lane" => lane.clone()),
            failures: metrics::counter!("weir_wal_failures_total", "lane" => lane.clone()),
            lost: metrics::counter!("weir_wal_unsynced_groups_lost_total", "lane" => lane),
        };
        Self {
            slots,
            clock,
            options,
            current: None,
            next_file_no: start.next_file_no,
            prev_end: start.prev_end,
            closed: false,
            unsynced_since: None,
            meters,
        }
    }

    /// Writes a group and, as the [`SyncMode`] says, syncs it. `seq` is higher than that of any group before.
    ///
    /// A first failure of a write or sync is mended here: the log goes on in a new file and the group is written again.
    ///
    /// # Errors
    /// [`WalError::NoSlot`] and [`WalError::GroupTooLarge`]: nothing was written, the log is unharmed. [`WalError::Failed`]: the outcome is
    /// unknown, and the log is closed. [`WalError::Closed`] ever after.
    pub fn append(&mut self, seq: u64, group: &mut Group) -> Result<Appended, WalError> {
        if self.closed {
            return Err(WalError::Closed { lane: self.slots.lane() });
        }
        if group.padded_len() > GROUP_BYTES_MAX {
            return Err(WalError::GroupTooLarge { bytes: group.len(), max: GROUP_BYTES_MAX });
        }
        let started = self.clock.monotonic_ns();
        let appended = match self.attempt(seq, group) {
            Ok(appended) => appended,
            Err(Trouble::NoSlot(source)) => {
                return Err(WalError::NoSlot { lane: self.slots.lane(), source });
            }
            Err(Trouble::Io(_)) => self.start_over(Some((seq, group)))?,
        };
        self.meters.append.record(seconds(self.clock.monotonic_ns().saturating_sub(started)));
        self.meters.bytes.set(self.slots.live_bytes() as f64);
        Ok(appended)
    }

    /// Syncs what was written and not synced yet.
    ///
    /// # Errors
    /// [`WalError::Failed`] if even a new file did not help, [`WalError::Closed`] after that.
    pub fn sync(&mut self) -> Result<(), WalError> {
        if self.closed {
            return Err(WalError::Closed { lane: self.slots.lane() });
        }
        match self.sync_current() {
            Ok(()) => Ok(()),
            Err(_) => self.start_over(None).map(|_| ()),
        }
    }

    /// Monotonic time of the clock at which [`LaneLog::sync`] should be called next; `None` if nothing waits for it.
    #[must_use]
    pub fn sync_due_ns(&self) -> Option<u64> {
        let SyncMode::Interval(interval) = self.options.sync else { return None };
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        self.unsynced_since.map(|since| since.saturating_add(interval))
    }

    /// The files of this lane.
    #[must_use]
    pub const fn slots(&self) -> &Arc<LaneSlots> {
        &self.slots
    }

    /// Whether a failure has closed the log.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    fn attempt(&mut self, seq: u64, group: &mut Group) -> Result<Appended, Trouble> {
        self.make_room(group.padded_len())?;
        let mut appended = self.put(seq, group).map_err(Trouble::Io)?;
        if self.options.sync == SyncMode::Commit {
            self.sync_current().map_err(Trouble::Io)?;
            appended.synced = true;
        }
        Ok(appended)
    }

    /// Makes sure that the current file has room for `bytes` more, if necessary by going on to a new one.
    fn make_room(&mut self, bytes: usize) -> Result<(), Trouble> {
        if let Some(current) = &self.current
            && current.offset as usize + bytes <= current.size as usize
        {
            return Ok(());
        }
        // The new file's header will say that all of this one is valid.
        self.sync_current().map_err(Trouble::Io)?;
        self.next_file(bytes)
    }

    fn next_file(&mut self, bytes: usize) -> Result<(), Trouble> {
        let size_min = u32::try_from(bytes + PAGE).unwrap_or(u32::MAX);
        let (spare, file) = self.slots.take(size_min).map_err(Trouble::NoSlot)?;
        if let Some(full) = self.current.take() {
            self.prev_end = full.offset;
        }
        let file_no = self.next_file_no;
        let salt = salt(self.options.salt_seed, self.slots.lane(), file_no);
        let header = FileHeader {
            lane: self.slots.lane(),
            file_no,
            salt,
            store_id: self.options.store_id,
            created: self.clock.now().0,
            prev_end: self.prev_end,
        };
        self.slots.begin(spare, file_no);
        self.next_file_no += 1;
        let page = PAGE as u32;
        self.current = Some(Current {
            file: Arc::clone(&file),
            file_no,
            salt,
            size: spare.size,
            offset: page,
            synced_end: page,
        });
        file.write_all_at(&header.to_page(), 0).map_err(Trouble::Io)
    }

    /// Writes a group to the current file, where there is room for it.
    fn put(&mut self, seq: u64, group: &mut Group) -> FsResult<Appended> {
        let len = group.len();
        let Some(current) = &mut self.current else { return Ok(Appended::nowhere()) };
        let Ok(bytes) = group.seal(seq, current.salt, current.offset, current.synced_end, GROUP_BYTES_MAX)
        else {
            // `append` has checked the size.
            return Ok(Appended::nowhere());
        };
        let written = bytes.len() as u32;
        let result = current.file.write_all_at(bytes, u64::from(current.offset));
        group.unseal(len);
        result?;
        let position = Position { file_no: current.file_no, offset: current.offset };
        current.offset += written;
        self.slots.wrote(current.offset, seq);
        self.unsynced_since.get_or_insert_with(|| self.clock.monotonic_ns());
        Ok(Appended { position, bytes: written, synced: false })
    }

    fn sync_current(&mut self) -> FsResult<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.synced_end < current.offset {
            let started = self.clock.monotonic_ns();
            current.file.sync_data()?;
            self.meters.fsync.record(seconds(self.clock.monotonic_ns().saturating_sub(started)));
            current.synced_end = current.offset;
        }
        self.unsynced_since = None;
        Ok(())
    }

    /// After a failed write or sync: what the current file holds beyond its last good sync does not count, and the file is never
    /// written or synced again. Everything unsynced goes to a new file, under its old seq, and is synced.
    fn start_over(&mut self, group: Option<(u64, &mut Group)>) -> Result<Appended, WalError> {
        self.meters.failures.increment(1);
        let result = self.write_again(group);
        result.map_err(|trouble| {
            self.closed = true;
            self.current = None;
            WalError::Failed { lane: self.slots.lane(), source: trouble.into() }
        })
    }

    fn write_again(&mut self, group: Option<(u64, &mut Group)>) -> Result<Appended, Trouble> {
        let mut unsynced = Vec::new();
        if let Some(failed) = self.current.take() {
            self.prev_end = failed.synced_end;
            self.slots.failed(failed.synced_end);
            unsynced = self.read_back(&failed, group.as_ref().map(|(seq, _)| *seq));
        }
        let mut appended = Appended::nowhere();
        for (seq, group) in unsynced.iter_mut().map(|(seq, group)| (*seq, group)).chain(group) {
            self.make_room(group.padded_len())?;
            appended = self.put(seq, group).map_err(Trouble::Io)?;
        }
        self.sync_current().map_err(Trouble::Io)?;
        appended.synced = true;
        Ok(appended)
    }

    /// Groups that were written but not synced, from the file that failed: in memory the kernel usually still has them. The
    /// group at hand, `seq`, is left out. Empty with [`SyncMode::Commit`].
    fn read_back(&self, failed: &Current, seq: Option<u64>) -> Vec<(u64, Group)> {
        let mut groups = Vec::new();
        let mut bytes = vec![0; failed.offset as usize];
        let (start, end) = (failed.synced_end as usize, failed.offset as usize);
        if start >= end {
            return groups;
        }
        let read = failed.file.read_exact_at(&mut bytes[start..], start as u64);
        let found = scan::scan_range(&bytes, failed.salt, start, end);
        for (offset, header) in found.iter().filter(|_| read.is_ok()) {
            if Some(header.seq) != seq {
                let sealed = &bytes[*offset..*offset + header.len as usize];
                groups.push((header.seq, Group::from_sealed(sealed, header.records)));
            }
        }
        if read.is_err() || found.last().map_or(start, |(at, h)| at + h.padded_len()) < end {
            self.meters.lost.increment(1);
        }
        groups
    }
}

impl Appended {
    const fn nowhere() -> Self {
        Self { position: Position { file_no: 0, offset: 0 }, bytes: 0, synced: false }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A number that no other file of this or another run has (SplitMix64 over seed, lane and number).
fn salt(seed: u64, lane: u16, file_no: u64) -> u64 {
    let mut z = seed ^ file_no.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(lane).rotate_right(16);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
