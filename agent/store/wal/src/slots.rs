//! The files of one lane: which are in use, which are spare, who makes new ones.
//!
//! Shared between the lane, which takes spares and reports what it wrote, and the background, which makes spares ahead of need and
//! gives files back once their contents are in segments. Nothing here holds the lock during a file operation.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_fs::{File, Fs, FsResult, OpenMode};

use crate::error::WalError;
use crate::format::PAGE;
use crate::replay::LaneStart;
use crate::{Floor, generation_of};

/// Size of a lane's first file.
pub const SLOT_BYTES_MIN: u32 = 256 << 10;
/// Size that files double up to. A group must fit one file.
pub const SLOT_BYTES_MAX: u32 = 16 << 20;
/// Spares kept per lane; what is given back beyond is removed.
const SPARES_MAX: usize = 2;
const FILL_CHUNK: usize = 256 << 10;

/// The files of one lane.
#[derive(Debug)]
pub struct LaneSlots {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    lane: u16,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Ascending by number; the last one is being written.
    live: VecDeque<LiveFile>,
    spares: Vec<Spare>,
    next_slot: u32,
    next_file_no: u64,
    /// Whether the last live file is being written. Not so before the first group after a start.
    writing: bool,
    /// Size of the next new file.
    wanted: u32,
}

/// A file that holds a part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveFile {
    pub(crate) file_no: u64,
    pub(crate) slot: u32,
    pub(crate) size: u32,
    /// Bytes of groups in it.
    pub(crate) used: u32,
    pub(crate) seq_max: u64,
    /// Kept for readers of the log; recovery no longer needs it.
    pub(crate) held: bool,
    /// A write or sync failed here: not to be used again.
    pub(crate) failed: bool,
}

/// A file that may be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spare {
    pub(crate) slot: u32,
    pub(crate) size: u32,
}

/// `<wal>/<lane>`.
pub(crate) fn lane_dir(wal_dir: &Path, lane: u16) -> PathBuf {
    wal_dir.join(lane.to_string())
}

/// `<slot>.wal`.
pub(crate) fn slot_name(slot: u32) -> String {
    format!("{slot:04}.wal")
}

/// The slot of a file name, if it is one of ours.
pub(crate) fn parse_slot_name(name: &str) -> Option<u32> {
    let slot = name.strip_suffix(".wal")?.parse().ok()?;
    (slot_name(slot) == name).then_some(slot)
}

impl LaneSlots {
    /// Takes over what [`Log::scan`](crate::Log::scan) found of a lane, or begins a new one. Makes the directory; removes surplus spares.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn open(fs: Arc<dyn Fs>, wal_dir: &Path, start: &LaneStart) -> Result<Arc<Self>, WalError> {
        let dir = lane_dir(wal_dir, start.lane);
        fs.create_dir_all(&dir)?;
        let mut spares = start.spares.clone();
        // Large ones are worth keeping; what a crash left half made is not a spare.
        spares.sort_unstable_by_key(|spare| std::cmp::Reverse(spare.size));
        let keep = spares.iter().take(SPARES_MAX).take_while(|spare| spare.size >= SLOT_BYTES_MIN).count();
        let surplus = spares.split_off(keep);
        let largest = start.live.iter().map(|file| file.size).max().unwrap_or(0);
        let state = State {
            live: start.live.iter().copied().collect(),
            spares,
            next_slot: start.next_slot,
            next_file_no: start.next_file_no,
            writing: false,
            wanted: largest.clamp(SLOT_BYTES_MIN, SLOT_BYTES_MAX),
        };
        let slots = Arc::new(Self { fs, dir, lane: start.lane, state: Mutex::new(state) });
        slots.remove(&surplus)?;
        Ok(slots)
    }

    /// The lane.
    #[must_use]
    pub const fn lane(&self) -> u16 {
        self.lane
    }

    /// Bytes of log that a flush would free; files kept for readers alone do not count.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.state().live.iter().filter(|file| !file.held).map(|file| u64::from(file.used)).sum()
    }

    /// Bytes of log in files that are kept for readers alone.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.state().live.iter().filter(|file| file.held).map(|file| u64::from(file.used)).sum()
    }

    /// The lowest number of a file with points of `generation` or later: the `file_no` of a [`Floor`] for that generation.
    #[must_use]
    pub fn floor_file(&self, generation: u64) -> u64 {
        let state = self.state();
        let needed = state.live.iter().find(|file| generation_of(file.seq_max) >= generation);
        let written = state.live.back().filter(|_| state.writing);
        needed.or(written).map_or(state.next_file_no, |file| file.file_no)
    }

    /// Gives back the files that nothing needs any more. Call it when the floor is durable, not before.
    ///
    /// # Errors
    /// [`WalError::Io`] when a surplus file cannot be removed; the files are given back all the same.
    pub fn release(&self, floor: Floor) -> Result<(), WalError> {
        let mut surplus = Vec::new();
        {
            let mut state = self.state();
            let wanted = state.wanted;
            while state.live.len() > usize::from(state.writing)
                && let Some(file) = state.live.front().copied()
                && file.file_no < floor.lowest_file()
            {
                state.live.pop_front();
                let spare = Spare { slot: file.slot, size: file.size };
                if file.failed || file.size < wanted || state.spares.len() >= SPARES_MAX {
                    surplus.push(spare);
                } else {
                    state.spares.push(spare);
                }
            }
            for file in state.live.iter_mut().filter(|file| file.file_no < floor.file_no) {
                file.held = true;
            }
        }
        self.remove(&surplus)
    }

    /// Whether the lane would have to make its next file itself, on the commit path.
    #[must_use]
    pub fn needs_spare(&self) -> bool {
        let state = self.state();
        !state.spares.iter().any(|spare| spare.size >= state.wanted)
    }

    /// Makes one spare: filled with zeros, synced, its name synced. For a background thread.
    ///
    /// # Errors
    /// [`WalError::NoSlot`].
    pub fn prepare_spare(&self) -> Result<(), WalError> {
        let wanted = self.state().wanted;
        let spare = self.make(wanted).map_err(|source| WalError::NoSlot { lane: self.lane, source })?;
        self.state().spares.push(spare);
        Ok(())
    }

    /// Removes all spares, after a time without writes.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn drop_spares(&self) -> Result<(), WalError> {
        let spares = std::mem::take(&mut self.state().spares);
        self.remove(&spares)
    }

    /// For a lane that is written no more: removes its files and its directory if `floor` is past everything in it.
    /// Returns whether the lane is gone, for good: then its floor may be forgotten, and not before.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn retire(&self, floor: Floor) -> Result<bool, WalError> {
        let files: Vec<Spare> = {
            let mut state = self.state();
            if state.live.iter().any(|file| file.file_no >= floor.lowest_file()) {
                return Ok(false);
            }
            let live = std::mem::take(&mut state.live);
            let spares = std::mem::take(&mut state.spares);
            live.iter().map(|f| Spare { slot: f.slot, size: f.size }).chain(spares).collect()
        };
        self.remove(&files)?;
        // A name that came back after the floor was forgotten would be replayed.
        self.fs.sync_dir(&self.dir)?;
        if self.fs.remove_dir(&self.dir).is_err() {
            // A file of someone else keeps the directory; that is none of our business.
            return Ok(true);
        }
        if let Some(wal_dir) = self.dir.parent() {
            self.fs.sync_dir(wal_dir)?;
        }
        Ok(true)
    }

    /// A file of at least `bytes_min` bytes to write to, made on the spot if there is no spare.
    pub(crate) fn take(&self, bytes_min: u32) -> FsResult<(Spare, Arc<dyn File>)> {
        let (spare, wanted) = {
            let mut state = self.state();
            let wanted = state.wanted.max(bytes_min.next_power_of_two()).min(SLOT_BYTES_MAX);
            let fitting = state.spares.iter().enumerate().filter(|(_, spare)| spare.size >= bytes_min);
            let best = fitting.max_by_key(|(_, spare)| spare.size).map(|(i, _)| i);
            (best.map(|i| state.spares.swap_remove(i)), wanted)
        };
        let spare = match spare {
            Some(spare) => spare,
            None => self.make(wanted)?,
        };
        match self.fs.open(&self.path(spare.slot), OpenMode::ReadWrite) {
            Ok(file) => Ok((spare, file)),
            Err(e) => {
                self.state().spares.push(spare);
                Err(e)
            }
        }
    }

    /// The taken slot now holds this file.
    pub(crate) fn begin(&self, spare: Spare, file_no: u64) {
        let mut state = self.state();
        let Spare { slot, size } = spare;
        state.live.push_back(LiveFile {
            file_no,
            slot,
            size,
            used: 0,
            seq_max: 0,
            held: false,
            failed: false,
        });
        state.next_file_no = file_no + 1;
        state.writing = true;
        state.wanted = size.saturating_mul(2).clamp(SLOT_BYTES_MIN, SLOT_BYTES_MAX);
    }

    /// The file being written now ends at `end`, and holds points up to `seq`.
    pub(crate) fn wrote(&self, end: u32, seq: u64) {
        if let Some(file) = self.state().live.back_mut() {
            file.used = end.saturating_sub(PAGE as u32);
            file.seq_max = file.seq_max.max(seq);
        }
    }

    /// A write or sync of the file being written failed; what it holds beyond `end` does not count.
    pub(crate) fn failed(&self, end: u32) {
        if let Some(file) = self.state().live.back_mut() {
            file.failed = true;
            file.used = end.saturating_sub(PAGE as u32);
        }
    }

    fn make(&self, size: u32) -> FsResult<Spare> {
        let slot = {
            let mut state = self.state();
            let slot = state.next_slot;
            state.next_slot += 1;
            slot
        };
        let path = self.path(slot);
        let file = self.fs.open(&path, OpenMode::CreateNew)?;
        let filled = fill(file.as_ref(), size)
            .and_then(|()| file.sync_data())
            .and_then(|()| self.fs.sync_dir(&self.dir));
        if let Err(e) = filled {
            // It failed already; a leftover without header is a spare too short to be used, and removed at the next start.
            let _ = self.fs.remove_file(&path);
            return Err(e);
        }
        Ok(Spare { slot, size })
    }

    fn remove(&self, spares: &[Spare]) -> Result<(), WalError> {
        // The directory is not synced: a name that comes back belongs to a spare.
        spares
            .iter()
            .try_for_each(|spare| weir_fs::remove_file_if_exists(self.fs.as_ref(), &self.path(spare.slot)))?;
        Ok(())
    }

    fn path(&self, slot: u32) -> PathBuf {
        self.dir.join(slot_name(slot))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zeros, really written: `fallocate` alone leaves work for the first sync of each block.
fn fill(file: &dyn File, size: u32) -> FsResult<()> {
    let zeros = vec![0; FILL_CHUNK.min(size as usize)];
    let mut at = 0u64;
    while at < u64::from(size) {
        let n = zeros.len().min(usize::try_from(u64::from(size) - at).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..n], at)?;
        at += n as u64;
    }
    Ok(())
}
