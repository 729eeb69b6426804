//! Durable ids to slots.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;

use crate::series::SeriesSlot;
use crate::store::SeriesStore;

/// All durable ids of one index. The first id of a slot stands in its record; here are only the slots, found by it.
#[derive(Debug, Default)]
pub(crate) struct DurableIds {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashTable<SeriesSlot>,
    /// Further ids of a slot.
    aliases: HashMap<u64, SeriesSlot>,
}

/// The id belongs to this slot already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdTaken(pub(crate) SeriesSlot);

impl DurableIds {
    /// The slot of an id.
    pub(crate) fn slot(&self, id: u64, store: &SeriesStore) -> Option<SeriesSlot> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).slot(id, store)
    }

    /// Enters a slot whose record has `id`.
    pub(crate) fn add(&self, id: u64, slot: SeriesSlot, store: &SeriesStore) -> Result<(), IdTaken> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match inner.slot(id, store) {
            Some(known) if known != slot => Err(IdTaken(known)),
            Some(_) => Ok(()),
            None => {
                inner.slots.insert_unique(place(id), slot, |&s| place(store.durable_id(s).unwrap_or(0)));
                Ok(())
            }
        }
    }

    /// Makes `id` lead to `slot` beside the id that it has.
    pub(crate) fn add_alias(&self, id: u64, slot: SeriesSlot, store: &SeriesStore) -> Result<(), IdTaken> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match inner.slot(id, store) {
            Some(known) if known != slot => Err(IdTaken(known)),
            Some(_) => Ok(()),
            None => {
                inner.aliases.insert(id, slot);
                Ok(())
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.slots.capacity() * 8 / 7 * (size_of::<SeriesSlot>() + 1) + inner.aliases.capacity() * 18
    }
}

impl Inner {
    fn slot(&self, id: u64, store: &SeriesStore) -> Option<SeriesSlot> {
        let slot = self.slots.find(place(id), |&s| store.durable_id(s) == Some(id)).copied();
        slot.or_else(|| self.aliases.get(&id).copied())
    }
}

/// Ids are consecutive, so any spreading will do.
fn place(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
