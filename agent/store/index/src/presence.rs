//! Which series have points in a shard group.
#![allow(clippy::todo, reason = "signatures first")]

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::series::SeriesSlot;

/// A set of slots that many threads add to while others read: the series that have a point in one shard group. Adding one that is
/// there costs one load.
#[derive(Debug, Default)]
pub struct Presence {}

impl Presence {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }
    /// Adds a slot; true if it was not there.
    pub fn add(&self, slot: SeriesSlot) -> bool {
        todo!("{slot}")
    }
    /// Adds many.
    pub fn add_all(&self, slots: &RoaringBitmap) {
        todo!("{slots:?}")
    }
    /// Takes a slot out; true if it was there.
    pub fn remove(&self, slot: SeriesSlot) -> bool {
        todo!("{slot}")
    }
    /// Whether a slot is there.
    #[must_use]
    pub fn contains(&self, slot: SeriesSlot) -> bool {
        todo!("{slot}")
    }
    /// The set as it is now. Shared between callers until it changes.
    #[must_use]
    pub fn bitmap(&self) -> Arc<RoaringBitmap> {
        todo!()
    }
    /// Bytes it holds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        todo!()
    }
}
