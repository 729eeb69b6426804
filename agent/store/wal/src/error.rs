//! What can go wrong with the log.

use weir_fs::FsError;

/// Why the log cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// No room for the next file: the group was not written, the log is unharmed. Free space, then try again.
    #[error("lane {lane}: no file to write the log to; free disk space or repair the directory")]
    NoSlot {
        /// The lane.
        lane: u16,
        /// What failed.
        source: FsError,
    },
    /// Writing or syncing failed twice. It is unknown whether the group is on disk. The log takes nothing more until the store is opened again.
    #[error(
        "lane {lane}: the log failed twice and is closed for writing; check the disk, then restart. Writes of the last moment may or may not have been kept"
    )]
    Failed {
        /// The lane.
        lane: u16,
        /// What failed the second time.
        source: FsError,
    },
    /// An earlier [`WalError::Failed`] closed this log.
    #[error("lane {lane}: the log was closed by an earlier failure; check the disk, then restart")]
    Closed {
        /// The lane.
        lane: u16,
    },
    /// A group larger than the largest file. Cut the batch.
    #[error("a group of {bytes} bytes does not fit a log file; the most is {max}")]
    GroupTooLarge {
        /// Its bytes.
        bytes: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// A record whose checksum is right but whose contents no version of this program writes.
    #[error("record of kind {kind} is not understood at byte {offset} of its contents: {what}")]
    Record {
        /// Kind of the record.
        kind: u8,
        /// Byte in the payload.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A file operation failed while reading the log or looking after its files.
    #[error("the log cannot be read or maintained")]
    Io(#[from] FsError),
}
