//! The operating system's files. Unix: `pread`, `pwrite`, `fdatasync`, `fsync` of directories.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{DirEntry, EntryKind, File, Fs, FsError, FsResult, LockGuard, Op, OpenMode};

/// Files of the operating system. Holds no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFs;

impl DiskFs {
    /// The one there is.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

fn at<T>(op: Op, path: &Path, result: io::Result<T>) -> FsResult<T> {
    result.map_err(|source| FsError::new(op, path, source))
}

/// The directory that holds `path`; the current one for a bare name.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Fs for DiskFs {
    fn create_dir_all(&self, path: &Path) -> FsResult<()> {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound && path.parent().is_some() => {
                self.create_dir_all(parent_of(path))?;
                match fs::create_dir(path) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                    made => at(Op::CreateDir, path, made)?,
                }
            }
            Err(e) => return Err(FsError::new(Op::CreateDir, path, e)),
        }
        self.sync_dir(parent_of(path))
    }

    fn read_dir(&self, path: &Path) -> FsResult<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in at(Op::ReadDir, path, fs::read_dir(path))? {
            let entry = at(Op::ReadDir, path, entry)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match at(Op::ReadDir, path, entry.file_type())? {
                t if t.is_file() => EntryKind::File,
                t if t.is_dir() => EntryKind::Dir,
                _ => EntryKind::Other,
            };
            entries.push(DirEntry { name, kind });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> FsResult<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        let op = match mode {
            OpenMode::Read => Op::Open,
            OpenMode::ReadWrite => {
                options.write(true);
                Op::Open
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
                Op::Create
            }
        };
        let file = at(op, path, options.open(path))?;
        Ok(Arc::new(DiskFile { path: path.to_owned(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> FsResult<()> {
        at(Op::Rename, from, fs::rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> FsResult<()> {
        at(Op::RemoveFile, path, fs::remove_file(path))
    }

    fn remove_dir(&self, path: &Path) -> FsResult<()> {
        at(Op::RemoveDir, path, fs::remove_dir(path))
    }

    fn remove_dir_all(&self, path: &Path) -> FsResult<()> {
        at(Op::RemoveDir, path, fs::remove_dir_all(path))
    }

    fn sync_dir(&self, path: &Path) -> FsResult<()> {
        let dir = at(Op::SyncDir, path, fs::File::open(path))?;
        at(Op::SyncDir, path, dir.sync_all())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> FsResult<()> {
        at(Op::HardLink, to, fs::hard_link(from, to))
    }

    fn len(&self, path: &Path) -> FsResult<u64> {
        Ok(at(Op::Stat, path, fs::metadata(path))?.len())
    }

    fn exists(&self, path: &Path) -> FsResult<bool> {
        at(Op::Stat, path, path.try_exists())
    }

    fn free_space(&self, path: &Path) -> FsResult<u64> {
        let stat = at(Op::Stat, path, rustix::fs::statvfs(path).map_err(io::Error::from))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock_exclusive(&self, path: &Path) -> FsResult<LockGuard> {
        let open = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = at(Op::Lock, path, open)?;
        at(Op::Lock, path, file.try_lock().map_err(io::Error::from))?;
        Ok(LockGuard::new(file))
    }
}

#[derive(Debug)]
struct DiskFile {
    path: PathBuf,
    file: fs::File,
}

impl File for DiskFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(FsError::new(Op::Read, &self.path, e)),
            }
        }
        Ok(done)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> FsResult<()> {
        at(Op::Write, &self.path, self.file.write_all_at(buf, offset))
    }

    fn sync_data(&self) -> FsResult<()> {
        at(Op::SyncData, &self.path, self.file.sync_data())
    }

    fn set_len(&self, len: u64) -> FsResult<()> {
        at(Op::SetLen, &self.path, self.file.set_len(len))
    }

    fn len(&self) -> FsResult<u64> {
        Ok(at(Op::Stat, &self.path, self.file.metadata())?.len())
    }
}
