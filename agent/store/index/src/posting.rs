//! The series that have one tag value.

use std::mem::size_of_val;

use roaring::RoaringBitmap;

use crate::series::SeriesSlot;

/// Most slots in a plain list. A bitmap has more than 100 bytes of overhead; a list of this length is still shorter.
const FEW_MAX: usize = 16;

/// A set of slots, small when it has few. Slots come in ascending order.
#[derive(Debug)]
pub(crate) enum Posting {
    One(SeriesSlot),
    Few(Vec<SeriesSlot>),
    Many(Box<RoaringBitmap>),
}

impl Posting {
    /// Adds a slot higher than all before.
    pub(crate) fn push(&mut self, slot: SeriesSlot) {
        match self {
            Self::One(first) => *self = Self::Few(vec![*first, slot]),
            Self::Few(list) if list.len() < FEW_MAX => list.push(slot),
            Self::Few(list) => {
                list.push(slot);
                *self = Self::Many(Box::new(list.iter().copied().collect()));
            }
            Self::Many(bitmap) => {
                bitmap.insert(slot);
            }
        }
    }

    /// Whether it has a slot in common with `other`.
    pub(crate) fn intersects(&self, other: &RoaringBitmap) -> bool {
        match self {
            Self::One(slot) => other.contains(*slot),
            Self::Few(list) => list.iter().any(|&slot| other.contains(slot)),
            Self::Many(bitmap) => !bitmap.is_disjoint(other),
        }
    }

    /// The slots in both.
    pub(crate) fn and(&self, other: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::One(slot) => Some(*slot).filter(|&s| other.contains(s)).into_iter().collect(),
            Self::Few(list) => list.iter().copied().filter(|&s| other.contains(s)).collect(),
            Self::Many(bitmap) => &**bitmap & other,
        }
    }

    /// Adds all slots to `union`; those of short lists only to `singles`, to be added sorted at the end.
    pub(crate) fn add_to(&self, union: &mut RoaringBitmap, singles: &mut Vec<SeriesSlot>) {
        match self {
            Self::One(slot) => singles.push(*slot),
            Self::Few(list) => singles.extend_from_slice(list),
            Self::Many(bitmap) => *union |= &**bitmap,
        }
    }

    /// Calls `each` with every slot.
    pub(crate) fn for_each(&self, mut each: impl FnMut(SeriesSlot)) {
        match self {
            Self::One(slot) => each(*slot),
            Self::Few(list) => list.iter().copied().for_each(each),
            Self::Many(bitmap) => bitmap.iter().for_each(each),
        }
    }

    /// Bytes beside the enum itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Few(list) => list.capacity() * size_of::<SeriesSlot>(),
            Self::Many(bitmap) => bitmap_bytes(bitmap) + size_of_val(&**bitmap),
        }
    }
}

/// Bytes a bitmap holds, roughly.
pub(crate) fn bitmap_bytes(bitmap: &RoaringBitmap) -> usize {
    let s = bitmap.statistics();
    s.n_containers as usize * 32
        + s.n_values_array_containers as usize * 2
        + s.n_bytes_bitset_containers as usize
        + s.n_bytes_run_containers as usize
}

/// The union of many postings.
pub(crate) fn union<'a>(postings: impl Iterator<Item = &'a Posting>) -> RoaringBitmap {
    let mut out = RoaringBitmap::new();
    let mut singles = Vec::new();
    for posting in postings {
        posting.add_to(&mut out, &mut singles);
    }
    singles.sort_unstable();
    singles.dedup();
    if let Ok(singles) = RoaringBitmap::from_sorted_iter(singles) {
        out |= singles;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posting_is_the_same_set_at_every_size() {
        let mut posting = Posting::One(3);
        let mut expected = RoaringBitmap::from([3]);
        let other: RoaringBitmap = (0..2_000).filter(|i| i % 5 == 0).collect();
        for slot in (10..1_500).step_by(7) {
            posting.push(slot);
            expected.insert(slot);
            assert_eq!(posting.and(&other), &expected & &other);
            assert_eq!(posting.intersects(&other), !expected.is_disjoint(&other));
            assert_eq!(
                union([&posting, &Posting::One(5_000)].into_iter()),
                &expected | &RoaringBitmap::from([5_000])
            );
            let mut listed = Vec::new();
            posting.for_each(|s| listed.push(s));
            assert_eq!(listed, expected.iter().collect::<Vec<_>>());
        }
        assert!(posting.heap_bytes() > 0);
    }
}
