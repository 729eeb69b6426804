//! Which series have points in a shard group.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;

use crate::chunks::Chunks;
use crate::posting::bitmap_bytes;
use crate::series::SeriesSlot;

/// Words of a chunk: 512 bytes for 4,096 slots, so that a group with few series of a large index stays small.
const CHUNK: usize = 64;

/// A set of slots that many threads add to while others read: the series that have a point in one shard group. Adding one that is
/// there costs one load.
#[derive(Debug, Default)]
pub struct Presence {
    bits: Chunks<AtomicU64, CHUNK>,
    /// Counts changes; the cached bitmap is of the state at its number.
    changes: AtomicU64,
    cached: Mutex<Option<(u64, Arc<RoaringBitmap>)>>,
}

impl<const N: usize> Default for Chunks<AtomicU64, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl Presence {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slot; true if it was not there.
    #[inline]
    pub fn add(&self, slot: SeriesSlot) -> bool {
        let bit = 1 << (slot % 64);
        match self.bits.get(u64::from(slot / 64)) {
            Some(word) if word.load(Ordering::Relaxed) & bit != 0 => false,
            _ => self.change(slot, |word| word.fetch_or(bit, Ordering::AcqRel) & bit == 0),
        }
    }

    /// Adds many.
    pub fn add_all(&self, slots: &RoaringBitmap) {
        for slot in slots {
            self.add(slot);
        }
    }

    /// Takes a slot out; true if it was there.
    pub fn remove(&self, slot: SeriesSlot) -> bool {
        let bit = 1 << (slot % 64);
        self.contains(slot) && self.change(slot, |word| word.fetch_and(!bit, Ordering::AcqRel) & bit != 0)
    }

    /// Whether a slot is there.
    #[must_use]
    pub fn contains(&self, slot: SeriesSlot) -> bool {
        self.bits
            .get(u64::from(slot / 64))
            .is_some_and(|word| word.load(Ordering::Acquire) >> (slot % 64) & 1 == 1)
    }

    /// The set as it is now: at least all slots whose `add` returned before this call. Shared between callers until it changes.
    #[must_use]
    pub fn bitmap(&self) -> Arc<RoaringBitmap> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        // The number is read before the bits: a change in between is seen twice rather than never.
        let now = self.changes.load(Ordering::SeqCst);
        match &*cached {
            Some((number, bitmap)) if *number == now => Arc::clone(bitmap),
            _ => {
                let bitmap = Arc::new(self.collect());
                *cached = Some((now, Arc::clone(&bitmap)));
                bitmap
            }
        }
    }

    /// Bytes it holds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        self.bits.heap_bytes() + cached.as_ref().map_or(0, |(_, b)| bitmap_bytes(b))
    }

    #[cold]
    fn change(&self, slot: SeriesSlot, apply: impl FnOnce(&AtomicU64) -> bool) -> bool {
        let changed = self.bits.get_or_make(u64::from(slot / 64)).is_some_and(apply);
        if changed {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        changed
    }

    fn collect(&self) -> RoaringBitmap {
        let mut bytes = [0u8; CHUNK * 8];
        let mut out = RoaringBitmap::new();
        for (first_word, chunk) in self.bits.each_chunk() {
            for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(chunk) {
                *to = word.load(Ordering::Acquire).to_le_bytes();
            }
            if let Ok(first) = u32::try_from(first_word * 64) {
                out |= RoaringBitmap::from_lsb0_bytes(first, &bytes);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitmap_follows_adds_and_removes() {
        let presence = Presence::new();
        assert!(presence.bitmap().is_empty());
        let slots: RoaringBitmap = (0..10_000).step_by(3).chain([70_000, 1_000_000]).collect();
        presence.add_all(&slots);
        assert_eq!(*presence.bitmap(), slots);
        assert!(!presence.add(3) && presence.add(4) && presence.contains(4));
        assert!(presence.bitmap().contains(4));
        assert!(presence.remove(4) && !presence.remove(4) && !presence.remove(5_000_000));
        assert_eq!(*presence.bitmap(), slots);
        assert!(Arc::ptr_eq(&presence.bitmap(), &presence.bitmap()));
        assert!(presence.heap_bytes() < 100_000);
    }

    #[test]
    fn adds_of_many_threads_all_show() {
        let presence = Presence::new();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let presence = &presence;
                scope.spawn(move || {
                    for slot in (t..40_000).step_by(4) {
                        assert!(presence.add(slot));
                        if slot % 10_000 == 0 {
                            assert!(presence.bitmap().contains(slot));
                        }
                    }
                });
            }
        });
        assert_eq!(presence.bitmap().len(), 40_000);
    }
}
