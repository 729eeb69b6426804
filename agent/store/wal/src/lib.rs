//! The write-ahead log: slots, groups, records, replay.
//!
//! Each lane has its own log in `wal/<lane>/`. A log is a row of files with consecutive numbers, kept in *slots* (`<slot>.wal`): preallocated
//! files that are written over and over, because overwriting needs half the time of appending and no room on a full
//! disk. Which file a slot holds stands in its header alone; slots are never renamed.
//!
//! What one `pwrite` writes is a *group* of records. It starts on a page boundary, so that a torn write cannot hurt what was
//! synced before, and carries the *seq* of all its points. A group is acknowledged when a sync covered it.
//!
//! - Writing: fill a [`Group`], give it to [`LaneLog::append`]. [`LaneSlots`], shared with the background, makes and recycles slots.
//! - After a crash: [`Log::scan`] finds what is valid, [`Log::definitions`] gives the series definitions of all lanes, [`Log::groups`] the
//!   rest in order of seq. Then [`LaneLog::open`] goes on in a new file.
//!
//! The bytes are described in `agent/store/FORMAT.md`, "WAL". No names of databases or measurements stand here, only ids.

mod definitions;
mod error;
mod format;
mod group;
mod inspect;
mod lane;
mod points;
mod record;
mod replay;
mod scan;
mod slots;

pub use definitions::{Definition, Definitions};
pub use error::WalError;
pub use format::{FORMAT_VERSION, PAGE};
pub use group::Group;
#[doc(hidden)]
pub use inspect::forge_file;
pub use inspect::{FileReport, decode_record, inspect_file};
pub use lane::{Appended, LaneLog, SyncMode, WalOptions};
pub use points::{ColumnView, PointColumn, Points, PointsView};
pub use record::{Record, Records};
pub use replay::{Damage, DamageKind, Groups, LaneStart, Log, LoggedGroup};
pub use slots::{LaneSlots, SLOT_BYTES_MAX, SLOT_BYTES_MIN};

/// A place in the log of one lane. Ordered as the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Number of the file; consecutive in a lane.
    pub file_no: u64,
    /// Byte in the file; always the start of a page.
    pub offset: u32,
}

/// What is still needed of the log of one lane. By default everything, of lane 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Floor {
    /// The lane.
    pub lane: u16,
    /// Points of generations below this one are in segments already. The generation of a group is `seq >> 32`.
    pub generation: u64,
    /// Files with lower numbers are not needed for recovery.
    pub file_no: u64,
    /// Files from this number on are kept for readers of the log, although recovery does not need those below `file_no`.
    /// `None`: there is no such reader.
    pub keep_from: Option<u64>,
}

impl Floor {
    /// The lowest number of a file that must not be overwritten.
    #[must_use]
    pub fn lowest_file(self) -> u64 {
        self.keep_from.map_or(self.file_no, |keep| keep.min(self.file_no))
    }
}

/// The generation of a group or point.
#[must_use]
pub const fn generation_of(seq: u64) -> u64 {
    seq >> 32
}

#[cfg(test)]
mod tests;
