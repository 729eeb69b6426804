//! An array that many threads read while others make it longer: elements never move, nothing is ever copied.
//!
//! Elements live in chunks of `N`, made on first use and found over a directory whose parts double in size, so that
//! a small array stays small and a large one costs two dependent loads per access. Elements are atomics (or hold
//! them): the array hands out shared references only.

use std::sync::OnceLock;

/// Parts of the directory: the last one ends beyond `u32::MAX` chunks.
const PARTS: usize = 29;
/// Chunks of the first part.
const FIRST: usize = 16;

type Chunk<T> = Box<[T]>;

/// A growing array of `T` in chunks of `N` (a power of two).
#[derive(Debug)]
pub(crate) struct Chunks<T, const N: usize> {
    parts: [OnceLock<Box<[OnceLock<Chunk<T>>]>>; PARTS],
}

impl<T: Default, const N: usize> Chunks<T, N> {
    const SHIFT: u32 = {
        assert!(N.is_power_of_two());
        N.trailing_zeros()
    };

    pub(crate) const fn new() -> Self {
        Self { parts: [const { OnceLock::new() }; PARTS] }
    }

    /// The element at `index`; `None` if its chunk was never made.
    #[inline]
    pub(crate) fn get(&self, index: u64) -> Option<&T> {
        self.chunk(index >> Self::SHIFT)?.get(index as usize & (N - 1))
    }

    /// The element at `index`, made with its neighbours if need be. `None` beyond the largest size (2^33 chunks).
    pub(crate) fn get_or_make(&self, index: u64) -> Option<&T> {
        let (part, place, len) = locate(index >> Self::SHIFT);
        let part = self.parts.get(part)?.get_or_init(|| (0..len).map(|_| OnceLock::new()).collect());
        let chunk = part.get(place)?.get_or_init(|| (0..N).map(|_| T::default()).collect());
        chunk.get(index as usize & (N - 1))
    }

    /// The chunk with this number, `None` if it was never made.
    #[inline]
    pub(crate) fn chunk(&self, chunk: u64) -> Option<&[T]> {
        let (part, place, _) = locate(chunk);
        Some(self.parts.get(part)?.get()?.get(place)?.get()?)
    }

    /// The elements from `index` to the end of its chunk; empty if it was never made.
    #[inline]
    pub(crate) fn tail(&self, index: u64) -> &[T] {
        self.chunk(index >> Self::SHIFT).and_then(|c| c.get(index as usize & (N - 1)..)).unwrap_or_default()
    }

    /// All chunks that exist, each with the index of its first element.
    pub(crate) fn each_chunk(&self) -> impl Iterator<Item = (u64, &[T])> {
        self.parts.iter().enumerate().filter_map(|(p, part)| Some((p, part.get()?))).flat_map(|(p, part)| {
            let first = if p == 0 { 0 } else { FIRST << (p - 1) };
            part.iter().enumerate().filter_map(move |(place, chunk)| {
                Some((((first + place) as u64) << Self::SHIFT, &**chunk.get()?))
            })
        })
    }

    /// Bytes of all chunks and of the directory.
    pub(crate) fn heap_bytes(&self) -> usize {
        let directory: usize = self
            .parts
            .iter()
            .filter_map(|p| p.get())
            .map(|part| part.len() * size_of::<OnceLock<Chunk<T>>>())
            .sum();
        directory + self.each_chunk().count() * N * size_of::<T>()
    }
}

/// Part of the directory, place in it, and the part's length.
#[inline]
fn locate(chunk: u64) -> (usize, usize, usize) {
    let chunk = chunk as usize;
    if chunk < FIRST {
        return (0, chunk, FIRST);
    }
    let part = (chunk / FIRST).ilog2() as usize;
    let len = FIRST << part;
    (part + 1, chunk - len, len)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_index_has_its_own_element() {
        let chunks = Chunks::<AtomicU64, 4>::new();
        assert!(chunks.get(0).is_none());
        for i in 0..5_000 {
            chunks.get_or_make(i).unwrap().store(i + 1, Ordering::Relaxed);
        }
        for i in 0..5_000 {
            assert_eq!(chunks.get(i).unwrap().load(Ordering::Relaxed), i + 1);
        }
        let mut next = 0;
        for (first, chunk) in chunks.each_chunk() {
            assert_eq!(first, next);
            next += chunk.len() as u64;
        }
        assert_eq!(next, 5_000);
        assert_eq!(chunks.tail(4_998).len(), 2);
        assert!(chunks.get(1 << 40).is_none() && chunks.get(u64::MAX).is_none());
        assert!(chunks.heap_bytes() >= 5_000 * 8);
    }

    #[test]
    fn parts_of_the_directory_follow_each_other() {
        let mut expected = (0, 0);
        for chunk in 0..10_000 {
            let (part, place, len) = locate(chunk);
            if (part, place) != expected {
                assert_eq!((part, place), (expected.0 + 1, 0));
            }
            assert!(place < len);
            expected = (part, place + 1);
        }
    }
}
