//! Every file operation of the store, on a real disk or a simulated one that tears, reorders, forgets and fails.
//!
//! The store opens no file in any other way. Two implementations of [`Fs`] exist: [`DiskFs`] for the operating system, and
//! [`SimFs`], a deterministic disk in memory that keeps "written" and "durable" apart, so that a test can cut the power at
//! any operation and look at what is left.
//!
//! What is durable when, in both: file contents after [`File::sync_data`]; names (created, renamed, linked, removed) after
//! [`Fs::sync_dir`] of the directory that holds them; directories made by [`Fs::create_dir_all`] when it returns.

mod disk;
mod sim;
mod util;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::DiskFs;
pub use sim::{Crash, Fault, FaultError, FaultPlan, LoggedOp, SimFs};
pub use util::{publish_file, read_file, remove_file_if_exists};

/// Result of a file operation.
pub type FsResult<T> = Result<T, FsError>;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// [`Fs::create_dir_all`], once per directory that did not exist.
    CreateDir,
    /// [`Fs::read_dir`].
    ReadDir,
    /// [`Fs::open`] of an existing file.
    Open,
    /// [`Fs::open`] with [`OpenMode::CreateNew`].
    Create,
    /// [`Fs::rename`].
    Rename,
    /// [`Fs::remove_file`].
    RemoveFile,
    /// [`Fs::remove_dir`] and [`Fs::remove_dir_all`].
    RemoveDir,
    /// [`Fs::sync_dir`].
    SyncDir,
    /// [`Fs::hard_link`].
    HardLink,
    /// [`Fs::lock_exclusive`].
    Lock,
    /// [`Fs::free_space`], [`Fs::len`], [`Fs::exists`], [`File::len`].
    Stat,
    /// [`File::read_at`], [`File::read_exact_at`].
    Read,
    /// [`File::write_all_at`].
    Write,
    /// [`File::set_len`].
    SetLen,
    /// [`File::sync_data`].
    SyncData,
}

impl Op {
    /// Whether the operation makes something durable.
    #[must_use]
    pub const fn is_sync(self) -> bool {
        matches!(self, Self::SyncData | Self::SyncDir)
    }

    /// Whether the operation changes what is on the disk.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::ReadDir | Self::Open | Self::Lock | Self::Stat | Self::Read)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateDir => "create directory",
            Self::ReadDir => "list directory",
            Self::Open => "open",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::RemoveFile => "remove",
            Self::RemoveDir => "remove directory",
            Self::SyncDir => "sync directory",
            Self::HardLink => "hard-link",
            Self::Lock => "lock",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLen => "set length of",
            Self::SyncData => "sync",
        })
    }
}

/// A file operation that failed: what, where, why.
#[derive(Debug, thiserror::Error)]
#[error("{op} {}: {source}", .path.display())]
pub struct FsError {
    /// What was tried.
    pub op: Op,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl FsError {
    /// An error of operation `op` on `path`.
    #[must_use]
    pub fn new(op: Op, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { op, path: path.into(), source }
    }

    /// The kind of the underlying error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether the file or directory does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }

    /// Whether the file exists already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the disk (or the quota) is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet (`O_EXCL`), for reading and writing.
    CreateNew,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Something else (a link, a socket): never ours.
    Other,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name alone. Names that are not UTF-8 are never ours and are left out of listings.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// A tree of files and directories. Shared as `Arc<dyn Fs>`.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Makes `path` and its missing parents. Each new name is durable on return (its parent was synced).
    ///
    /// # Errors
    /// [`FsError`] naming the directory that failed.
    fn create_dir_all(&self, path: &Path) -> FsResult<()>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// [`FsError`]; [`FsError::is_not_found`] when there is no such directory.
    fn read_dir(&self, path: &Path) -> FsResult<Vec<DirEntry>>;

    /// Opens a file. A created file's name is durable after [`sync_dir`](Self::sync_dir) of its directory.
    ///
    /// # Errors
    /// [`FsError`]; see [`OpenMode`].
    fn open(&self, path: &Path, mode: OpenMode) -> FsResult<Arc<dyn File>>;

    /// Renames a file, replacing `to` if it exists. Durable after a sync of the directory (of both, if they differ).
    ///
    /// # Errors
    /// [`FsError`] naming `from`.
    fn rename(&self, from: &Path, to: &Path) -> FsResult<()>;

    /// Removes the name of a file; open handles go on working.
    ///
    /// # Errors
    /// [`FsError`].
    fn remove_file(&self, path: &Path) -> FsResult<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`FsError`]; also when it is not empty.
    fn remove_dir(&self, path: &Path) -> FsResult<()>;

    /// Removes a directory and all it holds. Only for directories the store made itself; links are removed, not followed.
    ///
    /// # Errors
    /// [`FsError`].
    fn remove_dir_all(&self, path: &Path) -> FsResult<()>;

    /// Makes the names in directory `path` durable.
    ///
    /// # Errors
    /// [`FsError`]: then it is unknown which of them are durable.
    fn sync_dir(&self, path: &Path) -> FsResult<()>;

    /// Gives the file `from` a second name `to`, which must not exist.
    ///
    /// # Errors
    /// [`FsError`]; also when the two lie on different file systems.
    fn hard_link(&self, from: &Path, to: &Path) -> FsResult<()>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// [`FsError`].
    fn len(&self, path: &Path) -> FsResult<u64>;

    /// Whether a file or directory of this name exists.
    ///
    /// # Errors
    /// [`FsError`] when that cannot be told.
    fn exists(&self, path: &Path) -> FsResult<bool>;

    /// Bytes an unprivileged process may still write on the file system of `path`.
    ///
    /// # Errors
    /// [`FsError`].
    fn free_space(&self, path: &Path) -> FsResult<u64>;

    /// Takes the lock file `path` (made if missing) until the guard is dropped or the process ends. Does not wait.
    ///
    /// # Errors
    /// [`FsError`] of kind [`io::ErrorKind::WouldBlock`] when someone else holds it.
    fn lock_exclusive(&self, path: &Path) -> FsResult<LockGuard>;
}

/// An open file. Shared as `Arc<dyn File>`; every operation names its offset, there is no cursor.
pub trait File: Send + Sync + fmt::Debug {
    /// The path it was opened by.
    fn path(&self) -> &Path;

    /// Reads up to `buf.len()` bytes at `offset`; less only at the end of the file.
    ///
    /// # Errors
    /// [`FsError`].
    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize>;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// [`FsError`] of kind [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> FsResult<()> {
        let n = self.read_at(buf, offset)?;
        if n == buf.len() {
            return Ok(());
        }
        let message = format!("{} bytes wanted at offset {offset}, {n} there", buf.len());
        Err(FsError::new(Op::Read, self.path(), io::Error::new(io::ErrorKind::UnexpectedEof, message)))
    }

    /// Writes all of `buf` at `offset`, growing the file if needed. After an error any part of it may be written.
    ///
    /// # Errors
    /// [`FsError`].
    fn write_all_at(&self, buf: &[u8], offset: u64) -> FsResult<()>;

    /// Makes contents and length durable.
    ///
    /// # Errors
    /// [`FsError`]: then it is unknown what is durable, and a later success proves nothing about earlier writes. Do not sync
    /// this file again; write the data to another one.
    fn sync_data(&self) -> FsResult<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// [`FsError`].
    fn set_len(&self, len: u64) -> FsResult<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// [`FsError`].
    fn len(&self) -> FsResult<u64>;

    /// Whether the length is zero.
    ///
    /// # Errors
    /// [`FsError`].
    fn is_empty(&self) -> FsResult<bool> {
        Ok(self.len()? == 0)
    }
}

/// Holds a lock file; dropping it releases the lock.
pub struct LockGuard {
    /// Whatever releases the lock when dropped.
    _held: Box<dyn std::any::Any + Send + Sync>,
}

impl LockGuard {
    /// A guard that drops `held` to release the lock.
    #[must_use]
    pub fn new(held: impl std::any::Any + Send + Sync) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}

#[cfg(test)]
mod contract;
