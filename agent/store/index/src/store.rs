//! What is kept for each slot: its key, its ids, its measurement.
//!
//! A series keeps one spelling, the first that was seen. Its canonical key has the same sections in another order, which
//! few orders describe for all series of a sender; so the canonical key is not kept but put together when asked for.
//! A spelling that is more than a reordering (other escapes) is kept as an alias beside the canonical key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::chunks::Chunks;
use crate::keys::{KeyAt, KeyBytes};
use crate::order::KeySource;
use crate::series::SeriesSlot;

/// Marks the number of a spelling as that of an alias.
pub(crate) const ALIAS: u32 = 1 << 31;
/// Slots stay below.
const SLOTS_MAX: u32 = ALIAS - 1;
/// Slots of a chunk: 32 KiB of records.
const CHUNK: usize = 1_024;
/// Most orders of sections that are told apart. Senders have a handful; a client that shuffles its tags gets
/// its spellings kept in full.
const ORDERS_MAX: usize = 4_096;
/// Most tags of an order: longer ones would let a client fill memory with them.
const ORDER_LEN_MAX: usize = 256;

/// A slot, half a cache line. Written before the slot is published, except `key` (when its measurement goes) and `note`.
#[derive(Debug, Default)]
struct Record {
    key: AtomicU64,
    /// Measurement instance << 32 | order of sections.
    kind: AtomicU64,
    durable_id: AtomicU64,
    note: AtomicU64,
}

/// Another spelling.
#[derive(Debug, Default)]
struct Alias {
    key: AtomicU64,
    slot: AtomicU64,
}

/// The number of an order of sections; 0 is the spelling as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionOrder(u32);

impl SectionOrder {
    pub(crate) const SAME: Self = Self(0);
}

#[derive(Debug, Default)]
struct Orders {
    /// Order n+1: for each place of the canonical key the section of the spelling, the first tag being 0.
    list: Vec<Box<[u16]>>,
    numbers: HashMap<Box<[u16]>, u32>,
}

/// All slots and spellings of one index.
#[derive(Debug)]
pub(crate) struct SeriesStore {
    bytes: KeyBytes,
    records: Chunks<Record, CHUNK>,
    aliases: Chunks<Alias, CHUNK>,
    slots_len: AtomicU32,
    aliases_len: AtomicU32,
    orders: RwLock<Orders>,
}

impl SeriesStore {
    pub(crate) fn new() -> Self {
        Self {
            bytes: KeyBytes::new(),
            records: Chunks::new(),
            aliases: Chunks::new(),
            slots_len: AtomicU32::new(0),
            aliases_len: AtomicU32::new(0),
            orders: RwLock::default(),
        }
    }

    /// Makes a slot. `spelling` in `order` is the canonical key. `None` when there is no room.
    pub(crate) fn add(
        &self,
        spelling: &[u8],
        order: SectionOrder,
        measurement: u32,
        durable_id: u64,
    ) -> Option<SeriesSlot> {
        let key = self.bytes.push(spelling)?;
        let slot = self
            .slots_len
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < SLOTS_MAX).then_some(n + 1))
            .ok()?;
        let record = self.records.get_or_make(u64::from(slot))?;
        record.kind.store(u64::from(measurement) << 32 | u64::from(order.0), Ordering::Relaxed);
        record.durable_id.store(durable_id, Ordering::Relaxed);
        record.note.store(0, Ordering::Relaxed);
        record.key.store(key.raw(), Ordering::Release);
        Some(slot)
    }

    /// Makes an alias of a slot and gives the number of that spelling. `None` when there are too many: an index keeps at most two for
    /// each series and a few thousand.
    pub(crate) fn add_alias(&self, spelling: &[u8], slot: SeriesSlot) -> Option<u32> {
        let max = (u64::from(self.slots_len()) * 2 + 4_096).min(u64::from(ALIAS - 2));
        let number = self
            .aliases_len
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (u64::from(n) < max).then_some(n + 1))
            .ok()?;
        let alias = self.aliases.get_or_make(u64::from(number))?;
        alias.slot.store(u64::from(slot), Ordering::Relaxed);
        alias.key.store(self.bytes.push(spelling)?.raw(), Ordering::Release);
        Some(number | ALIAS)
    }

    /// Whether a spelling reads `raw`; its slot if so. For a slot that is the spelling it was first seen with.
    #[inline]
    pub(crate) fn matches(&self, spelling: u32, raw: &[u8]) -> Option<SeriesSlot> {
        if spelling & ALIAS == 0 {
            let record = self.records.get(u64::from(spelling))?;
            let key = KeyAt::from_raw(record.key.load(Ordering::Acquire));
            return self.bytes.equals(key, raw).then_some(spelling);
        }
        let alias = self.aliases.get(u64::from(spelling & !ALIAS))?;
        let key = KeyAt::from_raw(alias.key.load(Ordering::Acquire));
        let slot = alias.slot.load(Ordering::Relaxed) as u32;
        // An alias may be made while its slot is retired, so the slot decides.
        (self.bytes.equals(key, raw) && !self.is_retired(slot)).then_some(slot)
    }

    /// The slot of a spelling.
    pub(crate) fn slot_of(&self, spelling: u32) -> SeriesSlot {
        if spelling & ALIAS == 0 {
            return spelling;
        }
        let alias = self.aliases.get(u64::from(spelling & !ALIAS));
        alias.map_or(u32::MAX, |a| a.slot.load(Ordering::Relaxed) as u32)
    }

    /// Whether `key` is the canonical key of a slot that keeps another spelling.
    pub(crate) fn is_composed(&self, slot: SeriesSlot, key: &[u8]) -> bool {
        if self.kind(slot).is_none_or(|(_, order)| order == SectionOrder::SAME) || self.is_retired(slot) {
            return false;
        }
        let mut composed = Vec::with_capacity(2 * key.len());
        self.write_key(slot, &mut composed);
        composed == key
    }

    /// The order that makes `canonical` of `spelling`: tag i of the canonical key is tag `from[i]` of the spelling. `None` if no order does, or
    /// if there are too many.
    pub(crate) fn order(&self, spelling: &[u8], canonical: &[u8], from: &[u16]) -> Option<SectionOrder> {
        if spelling == canonical {
            return Some(SectionOrder::SAME);
        }
        let mut composed = Vec::with_capacity(canonical.len());
        if from.len() > ORDER_LEN_MAX
            || spelling.len() != canonical.len()
            || !reorder(spelling, from, &mut composed)
            || composed != canonical
        {
            return None;
        }
        if let Some(&number) = self.orders.read().unwrap_or_else(PoisonError::into_inner).numbers.get(from) {
            return Some(SectionOrder(number));
        }
        let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = orders.numbers.get(from) {
            return Some(SectionOrder(number));
        }
        if orders.list.len() >= ORDERS_MAX {
            return None;
        }
        orders.list.push(from.into());
        let number = orders.list.len() as u32;
        orders.numbers.insert(from.into(), number);
        Some(SectionOrder(number))
    }

    fn is_retired(&self, slot: SeriesSlot) -> bool {
        let record = self.records.get(u64::from(slot));
        record.is_none_or(|r| r.key.load(Ordering::Acquire) & KeyAt::RETIRED != 0)
    }

    /// Takes a slot's spelling away from [`matches`](Self::matches); the key itself can still be read.
    pub(crate) fn retire(&self, slot: SeriesSlot) {
        if let Some(record) = self.records.get(u64::from(slot)) {
            record.key.fetch_or(KeyAt::RETIRED, Ordering::AcqRel);
        }
    }

    /// Aliases with their slots.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (u32, SeriesSlot)> {
        (0..self.aliases_len.load(Ordering::Acquire)).filter_map(|n| {
            let alias = self.aliases.get(u64::from(n))?;
            Some((n | ALIAS, alias.slot.load(Ordering::Relaxed) as u32))
        })
    }

    /// Appends the bytes of an alias.
    pub(crate) fn write_alias(&self, spelling: u32, out: &mut Vec<u8>) {
        if let Some(alias) = self.aliases.get(u64::from(spelling & !ALIAS)) {
            self.bytes.copy(KeyAt::from_raw(alias.key.load(Ordering::Acquire)), out);
        }
    }

    /// Appends the spelling that a slot keeps.
    pub(crate) fn write_spelling(&self, slot: SeriesSlot, out: &mut Vec<u8>) {
        if let Some(record) = self.records.get(u64::from(slot)) {
            self.bytes.copy(KeyAt::from_raw(record.key.load(Ordering::Acquire)), out);
        }
    }

    /// Slots made so far.
    pub(crate) fn slots_len(&self) -> u32 {
        self.slots_len.load(Ordering::Acquire)
    }

    /// Whether a slot was made.
    pub(crate) fn has(&self, slot: SeriesSlot) -> bool {
        slot < self.slots_len()
    }

    /// Measurement instance and order of a slot.
    pub(crate) fn kind(&self, slot: SeriesSlot) -> Option<(u32, SectionOrder)> {
        if !self.has(slot) {
            return None;
        }
        let kind = self.records.get(u64::from(slot))?.kind.load(Ordering::Relaxed);
        Some(((kind >> 32) as u32, SectionOrder(kind as u32)))
    }

    pub(crate) fn durable_id(&self, slot: SeriesSlot) -> Option<u64> {
        if !self.has(slot) {
            return None;
        }
        Some(self.records.get(u64::from(slot))?.durable_id.load(Ordering::Relaxed))
    }

    pub(crate) fn note(&self, slot: SeriesSlot) -> u64 {
        self.records.get(u64::from(slot)).map_or(0, |r| r.note.load(Ordering::Acquire))
    }

    pub(crate) fn set_note(&self, slot: SeriesSlot, note: u64) {
        if let Some(record) = self.records.get(u64::from(slot)) {
            record.note.store(note, Ordering::Release);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let orders = self.orders.read().unwrap_or_else(PoisonError::into_inner);
        let order_bytes: usize = orders.list.iter().map(|o| 2 * size_of_val(&**o) + 64).sum();
        self.bytes.heap_bytes() + self.records.heap_bytes() + self.aliases.heap_bytes() + order_bytes
    }
}

impl KeySource for SeriesStore {
    /// Appends the canonical key; nothing if there is no such slot.
    fn write_key(&self, slot: SeriesSlot, out: &mut Vec<u8>) {
        let Some((_, order)) = self.kind(slot) else { return };
        let start = out.len();
        self.write_spelling(slot, out);
        if order == SectionOrder::SAME {
            return;
        }
        let spelling = out.split_off(start);
        let orders = self.orders.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = orders.list.get(order.0 as usize - 1) {
            reorder(&spelling, from, out);
        }
    }
}

/// Appends `spelling` with its tags in the order `from`; false if it has another number of them.
fn reorder(spelling: &[u8], from: &[u16], out: &mut Vec<u8>) -> bool {
    let mut starts = Vec::with_capacity(from.len() + 1);
    let mut i = 0;
    while i < spelling.len() {
        match spelling[i] {
            b'\\' => i += 1,
            b',' => starts.push(i),
            _ => {}
        }
        i += 1;
    }
    if starts.len() != from.len() {
        return false;
    }
    starts.push(spelling.len());
    out.extend_from_slice(&spelling[..starts[0]]);
    for &tag in from {
        let tag = usize::from(tag);
        if let (Some(&start), Some(&end)) = (starts.get(tag), starts.get(tag + 1)) {
            out.extend_from_slice(&spelling[start..end]);
        }
    }
    true
}
