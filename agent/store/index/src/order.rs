//! The series of a measurement by canonical key, kept between queries.
//!
//! Sorting a million keys takes most of a second, so it is done once; series that came since are sorted alone and
//! put into place.

use std::cmp::Ordering;

use roaring::RoaringBitmap;
use weir_model::read::{ReadContext, ReadError};

use crate::series::SeriesSlot;

/// Gives keys: appends the canonical key of a slot to a buffer.
pub(crate) trait KeySource {
    fn write_key(&self, slot: SeriesSlot, out: &mut Vec<u8>);
}

/// Up to this many slots are sorted alone rather than looked up in the order of all.
const ALONE_MAX: u64 = 256;
/// How many comparisons between two looks at the query's cancel flag.
const CHECK_EVERY: usize = 256;

/// Slots by canonical key: all of a measurement up to some moment.
#[derive(Debug, Default)]
pub(crate) struct Order {
    sorted: Vec<SeriesSlot>,
    /// Every slot of the measurement below is in `sorted`: slots come in ascending order.
    covered: u64,
}

impl Order {
    /// `wanted`, a part of `all`, by canonical key.
    pub(crate) fn sort(
        order: &std::sync::Mutex<Self>,
        wanted: &RoaringBitmap,
        all: &RoaringBitmap,
        keys: &impl KeySource,
        context: &ReadContext,
    ) -> Result<Vec<SeriesSlot>, ReadError> {
        // Looking up passes over all slots, at a thousandth of the price of sorting one.
        if wanted.len() <= ALONE_MAX.max(all.len() / 1_024) {
            return sort_alone(wanted, keys, context);
        }
        let mut order = order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        order.cover(all, keys, context)?;
        if wanted.len() == order.sorted.len() as u64 {
            return Ok(order.sorted.clone());
        }
        let bits = Bits::new(wanted);
        let mut out = Vec::with_capacity(wanted.len() as usize);
        for (i, &slot) in order.sorted.iter().enumerate() {
            if i % (CHECK_EVERY * 64) == 0 {
                context.check()?;
            }
            if bits.contains(slot) {
                out.push(slot);
            }
        }
        Ok(out)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<SeriesSlot>()
    }

    /// Takes in the slots of `all` that came since last time.
    fn cover(
        &mut self,
        all: &RoaringBitmap,
        keys: &impl KeySource,
        context: &ReadContext,
    ) -> Result<(), ReadError> {
        let Some(max) = all.max().filter(|&max| u64::from(max) >= self.covered) else { return Ok(()) };
        let first = u32::try_from(self.covered).unwrap_or(u32::MAX);
        let new: RoaringBitmap = all.range(first..=max).collect();
        let new = sort_alone(&new, keys, context)?;
        self.sorted = if self.sorted.is_empty() { new } else { self.merged(&new, keys, context)? };
        self.covered = u64::from(max) + 1;
        Ok(())
    }

    /// The old order and `new`, both sorted: each new one is searched, galloping from the place of the one before.
    fn merged(
        &self,
        new: &[SeriesSlot],
        keys: &impl KeySource,
        context: &ReadContext,
    ) -> Result<Vec<SeriesSlot>, ReadError> {
        let mut out = Vec::with_capacity(self.sorted.len() + new.len());
        let mut old = self.sorted.as_slice();
        let (mut key, mut other) = (Vec::new(), Vec::new());
        for (i, &slot) in new.iter().enumerate() {
            if i % CHECK_EVERY == 0 {
                context.check()?;
            }
            key.clear();
            keys.write_key(slot, &mut key);
            let mut is_before = |slot: SeriesSlot| {
                other.clear();
                keys.write_key(slot, &mut other);
                other.as_slice().cmp(&key) == Ordering::Less
            };
            let mut reach = 1;
            while reach < old.len() && is_before(old[reach]) {
                reach *= 2;
            }
            let window = &old[..(reach + 1).min(old.len())];
            let place = window.partition_point(|&slot| is_before(slot));
            let (before, behind) = old.split_at(place);
            out.extend_from_slice(before);
            out.push(slot);
            old = behind;
        }
        out.extend_from_slice(old);
        Ok(out)
    }
}

/// Sorts by writing all keys side by side.
fn sort_alone(
    slots: &RoaringBitmap,
    keys: &impl KeySource,
    context: &ReadContext,
) -> Result<Vec<SeriesSlot>, ReadError> {
    let mut heap = Vec::new();
    let mut list: Vec<(usize, usize, SeriesSlot)> = Vec::with_capacity(slots.len() as usize);
    for (i, slot) in slots.iter().enumerate() {
        if i % CHECK_EVERY == 0 {
            context.check()?;
        }
        let start = heap.len();
        keys.write_key(slot, &mut heap);
        list.push((start, heap.len(), slot));
    }
    list.sort_unstable_by(|a, b| heap.get(a.0..a.1).cmp(&heap.get(b.0..b.1)));
    context.check()?;
    Ok(list.into_iter().map(|(_, _, slot)| slot).collect())
}

/// A bitmap for many look-ups.
struct Bits {
    first: u32,
    words: Vec<u64>,
}

impl Bits {
    fn new(slots: &RoaringBitmap) -> Self {
        let (Some(min), Some(max)) = (slots.min(), slots.max()) else {
            return Self { first: 0, words: Vec::new() };
        };
        let first = min & !63;
        let mut words = vec![0u64; (max - first) as usize / 64 + 1];
        for slot in slots {
            let bit = slot - first;
            if let Some(word) = words.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        Self { first, words }
    }

    #[inline]
    fn contains(&self, slot: u32) -> bool {
        slot.checked_sub(self.first)
            .and_then(|bit| Some(self.words.get(bit as usize / 64)? >> (bit % 64) & 1 == 1))
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Keys(Vec<String>);

    impl KeySource for Keys {
        fn write_key(&self, slot: SeriesSlot, out: &mut Vec<u8>) {
            out.extend_from_slice(self.0[slot as usize].as_bytes());
        }
    }

    #[test]
    fn the_kept_order_takes_in_new_series() {
        let keys =
            Keys((0u64..6_000).map(|i| format!("m,h={}", i.wrapping_mul(0x9e37_79b9) % 10_007)).collect());
        let order = Mutex::new(Order::default());
        let mut all = RoaringBitmap::new();
        for count in [10, 1_000, 1_001, 1_400, 6_000] {
            all.insert_range(0..count);
            for step in [1, 2, 3, 500] {
                let wanted: RoaringBitmap = (0..count).step_by(step).collect();
                let mut expected: Vec<u32> = wanted.iter().collect();
                expected.sort_by(|&a, &b| keys.0[a as usize].cmp(&keys.0[b as usize]));
                let found = Order::sort(&order, &wanted, &all, &keys, &ReadContext::unlimited()).unwrap();
                assert_eq!(found, expected, "{count} {step}");
            }
        }
        assert!(order.lock().unwrap().heap_bytes() >= 24_000);
    }

    #[test]
    fn a_cancelled_query_stops_sorting() {
        let keys = Keys((0..3_000).map(|i| i.to_string()).collect());
        let all: RoaringBitmap = (0..3_000).collect();
        let context = ReadContext::unlimited();
        context.cancel();
        assert!(Order::sort(&Mutex::default(), &all, &all, &keys, &context).is_err());
    }
}
