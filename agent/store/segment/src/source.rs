//! Where a reader gets its bytes from.

use std::io;
use std::sync::Arc;

/// Bytes that can be read at any offset: a file, or a sealed memtable in RAM. They never change while a reader holds them.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// Of the disk, or [`io::ErrorKind::UnexpectedEof`] when there are not so many.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// All bytes when they are in RAM anyway; spares copies.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }
}

fn copy_from(bytes: &[u8], offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let start = usize::try_from(offset).map_err(|_| eof())?;
    let end = start.checked_add(buf.len()).ok_or_else(eof)?;
    buf.copy_from_slice(bytes.get(start..end).ok_or_else(eof)?);
    Ok(())
}

macro_rules! in_memory {
    ($($t:ty),*) => {$(
        impl ReadAt for $t {
            fn len(&self) -> u64 {
                self[..].len() as u64
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                copy_from(self, offset, buf)
            }
            fn as_slice(&self) -> Option<&[u8]> {
                Some(self)
            }
        }
    )*};
}
in_memory!(Vec<u8>, Box<[u8]>, Arc<[u8]>);
