//! Bytes of keys: append-only, compared in place, shared without locks.
//!
//! A key is kept as little-endian 8-byte words in atomics (the last one filled up with zeros), because other threads append while
//! one reads. That makes safe code out of it and costs nothing: words are compared as they are.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::chunks::Chunks;

/// Words of a chunk: 32 KiB.
const CHUNK: usize = 4_096;

/// Where a key lies: word offset << 24 | bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyAt(u64);

impl KeyAt {
    const LEN_BITS: u32 = 24;
    /// A bit of the length, which no length has: set, the key equals nothing but can still be copied.
    pub(crate) const RETIRED: u64 = 1 << 23;

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    #[inline]
    const fn len_and_mark(self) -> usize {
        (self.0 & ((1 << Self::LEN_BITS) - 1)) as usize
    }

    #[inline]
    const fn offset(self) -> u64 {
        self.0 >> Self::LEN_BITS
    }
}

/// All key bytes of one index.
#[derive(Debug)]
pub(crate) struct KeyBytes {
    words: Chunks<AtomicU64, CHUNK>,
    end: AtomicU64,
}

impl KeyBytes {
    pub(crate) const fn new() -> Self {
        Self { words: Chunks::new(), end: AtomicU64::new(0) }
    }

    /// Appends a key, of less than 8 MiB by the callers' checks. Whoever learns the place over a lock or an acquire load sees the bytes. `None`
    /// when the array is full.
    pub(crate) fn push(&self, key: &[u8]) -> Option<KeyAt> {
        let words = key.len().div_ceil(8) as u64;
        let offset = self.end.fetch_add(words, Ordering::Relaxed);
        for (i, piece) in key.chunks(8).enumerate() {
            self.words.get_or_make(offset + i as u64)?.store(word(piece), Ordering::Relaxed);
        }
        Some(KeyAt(offset << KeyAt::LEN_BITS | key.len() as u64))
    }

    /// Whether the key at `at` is `key`.
    #[inline]
    pub(crate) fn equals(&self, at: KeyAt, key: &[u8]) -> bool {
        if at.len_and_mark() != key.len() {
            return false;
        }
        let words = key.len().div_ceil(8);
        let stored = self.words.tail(at.offset());
        match stored.get(..words) {
            Some(stored) => equal_words(stored, key),
            None => self.equals_across(at, key),
        }
    }

    /// The same for a key that goes on in the next chunk.
    #[cold]
    fn equals_across(&self, at: KeyAt, key: &[u8]) -> bool {
        let mut offset = at.offset();
        let mut rest = key;
        while !rest.is_empty() {
            let stored = self.words.tail(offset);
            if stored.is_empty() {
                return false;
            }
            let (now, later) = rest.split_at((stored.len() * 8).min(rest.len()));
            if !equal_words(&stored[..now.len().div_ceil(8)], now) {
                return false;
            }
            offset += stored.len() as u64;
            rest = later;
        }
        true
    }

    /// Appends the key at `at` to `out`.
    pub(crate) fn copy(&self, at: KeyAt, out: &mut Vec<u8>) {
        let len = at.len_and_mark() & !(KeyAt::RETIRED as usize);
        let mut offset = at.offset();
        let end = out.len() + len;
        out.reserve(len + 8);
        while out.len() < end {
            let stored = self.words.tail(offset);
            if stored.is_empty() {
                break;
            }
            let wanted = (end - out.len()).div_ceil(8).min(stored.len());
            for w in &stored[..wanted] {
                out.extend_from_slice(&w.load(Ordering::Relaxed).to_le_bytes());
            }
            offset += wanted as u64;
        }
        out.truncate(end);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.words.heap_bytes()
    }
}

/// Up to 8 bytes as a word.
#[inline]
fn word(piece: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..piece.len()].copy_from_slice(piece);
    u64::from_le_bytes(bytes)
}

/// Compares four words at a time, so that the loads of a group run side by side.
#[inline]
fn equal_words(stored: &[AtomicU64], key: &[u8]) -> bool {
    let load = |w: &AtomicU64| w.load(Ordering::Relaxed);
    let at = |bytes: &[u8; 32], i: usize| {
        u64::from_le_bytes([
            bytes[i],
            bytes[i + 1],
            bytes[i + 2],
            bytes[i + 3],
            bytes[i + 4],
            bytes[i + 5],
            bytes[i + 6],
            bytes[i + 7],
        ])
    };
    let (blocks, rest) = key.as_chunks::<32>();
    let (stored_blocks, stored_rest) = stored.as_chunks::<4>();
    for (s, k) in stored_blocks.iter().zip(blocks) {
        let differs = (load(&s[0]) ^ at(k, 0))
            | (load(&s[1]) ^ at(k, 8))
            | (load(&s[2]) ^ at(k, 16))
            | (load(&s[3]) ^ at(k, 24));
        if differs != 0 {
            return false;
        }
    }
    // A last block of 25 to 31 bytes has four words stored, but is no block of the key.
    let stored_rest = if stored_blocks.len() > blocks.len() {
        stored_blocks.last().map_or(stored_rest, |b| b.as_slice())
    } else {
        stored_rest
    };
    let (words, tail) = rest.as_chunks::<8>();
    let mut differs = 0;
    for (s, k) in stored_rest.iter().zip(words) {
        differs |= load(s) ^ u64::from_le_bytes(*k);
    }
    if let Some(s) = stored_rest.get(words.len()) {
        differs |= load(s) ^ last_word(key, tail);
    }
    differs == 0
}

/// The last, incomplete word of a key, in one load where there are 8 bytes to load.
#[inline]
fn last_word(key: &[u8], tail: &[u8]) -> u64 {
    match key.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - tail.len())),
        None => word(tail),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copied(keys: &KeyBytes, at: KeyAt) -> Vec<u8> {
        let mut out = b"x".to_vec();
        keys.copy(at, &mut out);
        assert_eq!(out.remove(0), b'x');
        out
    }

    #[test]
    fn keys_of_every_length_come_back_and_differ_in_every_byte() {
        let keys = KeyBytes::new();
        for len in 0..200 {
            let key: Vec<u8> = (0..len).map(|i| i as u8 + 1).collect();
            let at = keys.push(&key).unwrap();
            assert!(keys.equals(at, &key), "{len}");
            assert_eq!(copied(&keys, at), key);
            for i in 0..len {
                let mut other = key.clone();
                other[i] ^= 0x80;
                assert!(!keys.equals(at, &other), "{len} {i}");
            }
            assert!(!keys.equals(at, &[key, vec![0]].concat()));
        }
    }

    #[test]
    fn a_key_may_go_on_in_the_next_chunks() {
        let keys = KeyBytes::new();
        keys.push(&vec![7; CHUNK * 8 - 24]).unwrap();
        let long: Vec<u8> = (0..65_535u32).map(|i| (i % 251) as u8).collect();
        let at = keys.push(&long).unwrap();
        assert!(keys.equals(at, &long));
        assert_eq!(copied(&keys, at), long);
        for i in [0, 23, 24, CHUNK * 8, 65_534] {
            let mut other = long.clone();
            other[i] ^= 1;
            assert!(!keys.equals(at, &other), "{i}");
        }
        let retired = KeyAt::from_raw(at.raw() | KeyAt::RETIRED);
        assert!(!keys.equals(retired, &long));
        assert_eq!(copied(&keys, retired), long);
    }

    proptest! {
        #[test]
        fn equals_is_equality_of_bytes(a in proptest::collection::vec(0u8..3, 0..80), b in proptest::collection::vec(0u8..3, 0..80)) {
            let keys = KeyBytes::new();
            keys.push(b"before").unwrap();
            let at = keys.push(&a).unwrap();
            keys.push(b"behind").unwrap();
            prop_assert!(keys.equals(at, &a));
            prop_assert_eq!(keys.equals(at, &b), a == b);
        }
    }
}
