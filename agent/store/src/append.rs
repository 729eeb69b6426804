//! A list that one thread appends to while others read, without locks and without moving what is in it.
//!
//! Element `i` lives in chunk `log2(i / FIRST + 1)`; chunk `k` holds `FIRST << k` elements, so 2^32 elements need 27 chunks and no
//! chunk is ever copied. Chunks come into being when first used.

use std::sync::OnceLock;

/// Elements in the first chunk.
const FIRST: usize = 64;
/// Chunks needed for `u32::MAX` elements.
const CHUNKS: usize = 27;

/// See the module.
#[derive(Debug)]
pub(crate) struct AppendList<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T> Default for AppendList<T> {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }
}

/// Chunk and offset of element `i`.
const fn place(i: u32) -> (usize, usize) {
    let i = i as usize;
    let k = (i / FIRST + 1).ilog2() as usize;
    (k, i - FIRST * ((1 << k) - 1))
}

impl<T: Default> AppendList<T> {
    /// Element `i`; `None` if no element near it was ever made.
    pub(crate) fn get(&self, i: u32) -> Option<&T> {
        let (chunk, offset) = place(i);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// Element `i`, made (with its whole chunk) if it is not there yet. `None` only beyond the largest index.
    pub(crate) fn get_or_make(&self, i: u32) -> Option<&T> {
        let (chunk, offset) = place(i);
        let made =
            self.chunks.get(chunk)?.get_or_init(|| (0..FIRST << chunk).map(|_| T::default()).collect());
        made.get(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn each_index_has_a_place_of_its_own() {
        let list = AppendList::<AtomicU32>::default();
        for i in 0..5_000 {
            list.get_or_make(i).unwrap().store(i, Ordering::Relaxed);
        }
        for i in 0..5_000 {
            assert_eq!(list.get(i).unwrap().load(Ordering::Relaxed), i);
        }
        assert!(list.get(1 << 20).is_none());
        assert_eq!(place(u32::MAX).0, CHUNKS - 1);
    }
}
