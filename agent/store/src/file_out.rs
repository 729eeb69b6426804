//! Writes a new file front to back through a buffer.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use weir_fs::{File, Fs, FsResult, OpenMode};

/// Bytes gathered before they go to the file.
const BUFFER: usize = 256 << 10;

/// A file being written. It must not exist before.
#[derive(Debug)]
pub(crate) struct FileOut {
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
}

impl FileOut {
    /// Makes the file.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn create(fs: &dyn Fs, path: &Path) -> FsResult<Self> {
        let file = fs.open(path, OpenMode::CreateNew)?;
        Ok(Self { file, buffer: Vec::new(), written: 0 })
    }

    fn drain(&mut self) -> FsResult<()> {
        if !self.buffer.is_empty() {
            self.file.write_all_at(&self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes what is buffered and syncs; gives the file's length.
    ///
    /// # Errors
    /// Of the file system. The file is useless then.
    pub(crate) fn finish(mut self) -> FsResult<u64> {
        self.drain()?;
        self.file.sync_data()?;
        Ok(self.written)
    }
}

impl Write for FileOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain().map_err(io::Error::other)?;
        }
        if bytes.len() >= BUFFER {
            self.file.write_all_at(bytes, self.written).map_err(io::Error::other)?;
            self.written += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain().map_err(io::Error::other)
    }
}

/// Reads a segment from a file.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: Arc<dyn File>,
    len: u64,
}

impl FileSource {
    /// Opens the file.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn open(fs: &dyn Fs, path: &Path) -> FsResult<Self> {
        let file = fs.open(path, OpenMode::Read)?;
        let len = file.len()?;
        Ok(Self { file, len })
    }
}

impl weir_segment::ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| io::Error::new(e.kind(), e))
    }
}
