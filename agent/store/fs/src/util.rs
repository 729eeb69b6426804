//! Small sequences of file operations that several parts of the store need.

use std::io;
use std::path::Path;

use crate::{Fs, FsError, FsResult, Op, OpenMode};

/// Reads a whole file of at most `max` bytes.
///
/// # Errors
/// [`FsError`]; of kind [`io::ErrorKind::FileTooLarge`] when it is longer than `max`.
pub fn read_file(fs: &dyn Fs, path: &Path, max: u64) -> FsResult<Vec<u8>> {
    let file = fs.open(path, OpenMode::Read)?;
    let len = file.len()?;
    let len = usize::try_from(len).ok().filter(|_| len <= max).ok_or_else(|| {
        let message = format!("{len} bytes, at most {max} expected");
        FsError::new(Op::Read, path, io::Error::new(io::ErrorKind::FileTooLarge, message))
    })?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts `bytes` at `path` so that after a crash the old or the new contents are there, never a mixture: writes
/// `<path>.tmp`, syncs it, renames it over `path`, syncs the directory.
///
/// # Errors
/// [`FsError`]. If it comes from the rename or the directory sync, either contents may be there after a crash.
pub fn publish_file(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> FsResult<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let tmp = Path::new(&name);
    remove_file_if_exists(fs, tmp)?;
    let file = fs.open(tmp, OpenMode::CreateNew)?;
    let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_data());
    if let Err(e) = written {
        // The write failed already; that the leftover cannot be removed either adds nothing.
        let _ = fs.remove_file(tmp);
        return Err(e);
    }
    fs.rename(tmp, path)?;
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => fs.sync_dir(dir),
        _ => fs.sync_dir(Path::new(".")),
    }
}

/// Removes a file; that there is none is fine.
///
/// # Errors
/// [`FsError`] for any other reason.
pub fn remove_file_if_exists(fs: &dyn Fs, path: &Path) -> FsResult<()> {
    match fs.remove_file(path) {
        Err(e) if !e.is_not_found() => Err(e),
        _ => Ok(()),
    }
}
