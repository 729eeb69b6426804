//! Spellings to numbers, by hash: 64 tables, each under its own lock.
//!
//! An entry is 32 bits of the seeded hash and the number of a spelling. The bits find the place and weed out nearly all
//! others; the bytes themselves are compared by the caller, so a collision costs time, never truth.

use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Number of locks.
const SHARDS: usize = 64;

/// Hash of a spelling: the upper 6 bits choose the lock, all 32 the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    #[inline]
    fn place(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: Tag,
    spelling: u32,
}

/// One of the 64 tables.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    table: HashTable<Entry>,
}

impl Shard {
    /// The spelling with this tag for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, tag: Tag, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        self.table.find(tag.place(), |e| e.tag == tag && is(e.spelling)).map(|e| e.spelling)
    }

    /// Adds a spelling that is not there.
    pub(crate) fn insert(&mut self, tag: Tag, spelling: u32) {
        self.table.insert_unique(tag.place(), Entry { tag, spelling }, |e| e.tag.place());
    }

    /// Puts `new` in the place of `old`.
    pub(crate) fn replace(&mut self, tag: Tag, old: u32, new: u32) {
        if let Some(entry) = self.table.find_mut(tag.place(), |e| e.tag == tag && e.spelling == old) {
            entry.spelling = new;
        }
    }

    /// Takes a spelling out.
    pub(crate) fn remove(&mut self, tag: Tag, spelling: u32) {
        if let Ok(entry) = self.table.find_entry(tag.place(), |e| e.tag == tag && e.spelling == spelling) {
            entry.remove();
        }
    }
}

/// All tables and the hash.
#[derive(Debug)]
pub(crate) struct KeyTable {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), hasher: RandomState::default() }
    }

    #[inline]
    pub(crate) fn tag(&self, spelling: &[u8]) -> Tag {
        Tag(self.hasher.hash_one(spelling) as u32)
    }

    /// The table for `tag`, to look in.
    #[inline]
    pub(crate) fn read(&self, tag: Tag) -> RwLockReadGuard<'_, Shard> {
        self.shards[tag.0 as usize >> 26].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table for `tag`, to change.
    pub(crate) fn write(&self, tag: Tag) -> RwLockWriteGuard<'_, Shard> {
        self.shards[tag.0 as usize >> 26].write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let capacity = |s: &RwLock<Shard>| s.read().unwrap_or_else(PoisonError::into_inner).table.capacity();
        // A seventh of the places stays free; each has a control byte.
        self.shards.iter().map(|s| capacity(s) * 8 / 7 * (size_of::<Entry>() + 1)).sum::<usize>()
            + SHARDS * size_of::<RwLock<Shard>>()
    }
}
