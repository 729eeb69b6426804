//! Distinct strings and their numbers.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Gives each distinct string a number, dense from 0.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    values: Vec<Arc<str>>,
    table: HashTable<u32>,
    hasher: RandomState,
    text_bytes: usize,
}

impl Interner {
    /// The number of `text`, if it has one.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |&n| self.is(n, text)).copied()
    }

    /// Appends `text`, which must not be there, and gives its number.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        let number = self.values.len() as u32;
        self.values.push(text.into());
        self.text_bytes += text.len();
        let (values, hasher) = (&self.values, &self.hasher);
        self.table.insert_unique(hasher.hash_one(text), number, |&n| {
            values.get(n as usize).map_or(0, |v| hasher.hash_one(&**v))
        });
        number
    }

    /// All strings by number.
    pub(crate) fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    /// Bytes it holds.
    pub(crate) fn heap_bytes(&self) -> usize {
        // An `Arc<str>` has two counters before its text; a table slot has one control byte.
        self.values.capacity() * size_of::<Arc<str>>()
            + self.values.len() * 2 * size_of::<usize>()
            + self.text_bytes
            + self.table.capacity() * 8 / 7 * (size_of::<u32>() + 1)
    }

    fn is(&self, number: u32, text: &str) -> bool {
        self.values.get(number as usize).is_some_and(|v| **v == *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stable() {
        let mut interner = Interner::default();
        for i in 0..1_000 {
            assert_eq!(interner.find(&format!("v{i}")), None);
            assert_eq!(interner.add(&format!("v{i}")), i);
        }
        for i in 0..1_000 {
            assert_eq!(interner.find(&format!("v{i}")), Some(i));
            assert_eq!(*interner.values()[i as usize], *format!("v{i}"));
        }
    }
}
