//! Series definitions: durable id, measurement instance, canonical key.
//!
//! Keys of one batch resemble each other, so each stands as what differs from the key before it; a long list is
//! compressed as a whole (zstd, level 1).

use weir_codec::{get_varint, put_varint};

use crate::error::WalError;
use crate::format::KIND_DEFINITIONS;

/// From this size on lists are compressed.
const COMPRESS_FROM: usize = 4096;
const LEVEL: i32 = 1;
/// Flag of a record whose payload is compressed.
pub(crate) const FLAG_ZSTD: u8 = 1;
/// A list is finished when it reaches this size, before compression.
const LIST_CUT: usize = 1 << 20;
/// A list is finished when its keys, shared parts written out, reach this size.
const KEYS_CUT: usize = 16 << 20;
/// Most bytes of a list before compression, and of its keys, that a reader accepts: one key more than the cuts, by far.
const LIST_BYTES_MAX: usize = 4 * LIST_CUT;
const KEYS_BYTES_MAX: usize = 4 * KEYS_CUT;

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Durable id.
    pub series: u64,
    /// Measurement instance.
    pub measurement: u32,
    /// Canonical key.
    pub key: &'a str,
}

/// Builds one list, key by key.
#[derive(Debug, Default)]
pub(crate) struct ListBuilder {
    bytes: Vec<u8>,
    count: u32,
    last_series: u64,
    last_key: Vec<u8>,
    key_bytes: usize,
}

impl ListBuilder {
    pub(crate) fn push(&mut self, definition: Definition<'_>) {
        let key = definition.key.as_bytes();
        let shared = key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count();
        let step = definition.series.wrapping_sub(self.last_series).cast_signed();
        put_varint(((step << 1) ^ (step >> 63)).cast_unsigned(), &mut self.bytes);
        put_varint(u64::from(definition.measurement), &mut self.bytes);
        put_varint(shared as u64, &mut self.bytes);
        put_varint((key.len() - shared) as u64, &mut self.bytes);
        self.bytes.extend_from_slice(&key[shared..]);
        self.last_series = definition.series;
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.key_bytes += key.len();
        self.count += 1;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the list should be finished and another begun.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= LIST_CUT || self.key_bytes >= KEYS_CUT
    }

    /// Appends the list to `out` and empties the builder. Returns (flags, number of definitions).
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> (u8, u32) {
        let mut flags = 0;
        let packed = if self.bytes.len() < COMPRESS_FROM {
            None
        } else {
            zstd::bulk::compress(&self.bytes, LEVEL).ok()
        };
        match packed {
            Some(packed) if packed.len() < self.bytes.len() => {
                flags = FLAG_ZSTD;
                put_varint(self.bytes.len() as u64, out);
                out.extend_from_slice(&packed);
            }
            _ => out.extend_from_slice(&self.bytes),
        }
        let count = self.count;
        self.bytes.clear();
        self.last_key.clear();
        (self.count, self.last_series, self.key_bytes) = (0, 0, 0);
        (flags, count)
    }
}

/// A list read back, in the order written.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    keys: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    series: u64,
    measurement: u32,
    key_end: usize,
}

impl Definitions {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = Definition<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let key = self.keys.get(start..entry.key_end).unwrap_or("");
            start = entry.key_end;
            Definition { series: entry.series, measurement: entry.measurement, key }
        })
    }

    pub(crate) fn decode(payload: &[u8], flags: u8, count: u32) -> Result<Self, WalError> {
        let bad = |offset, what| WalError::Record { kind: KIND_DEFINITIONS, offset, what };
        let unpacked;
        let mut bytes = payload;
        match flags {
            0 => {}
            FLAG_ZSTD => {
                let mut at = 0;
                let len = get_varint(payload, &mut at).map_err(|_| bad(0, "the bytes end early"))?;
                let len = usize::try_from(len).ok().filter(|&len| len <= LIST_BYTES_MAX);
                let len = len.ok_or_else(|| bad(0, "the list is too long"))?;
                let packed = payload.get(at..).unwrap_or(&[]);
                unpacked = zstd::bulk::decompress(packed, len)
                    .map_err(|_| bad(at, "the list does not decompress"))?;
                bytes = &unpacked;
            }
            _ => return Err(bad(0, "unknown flags")),
        }
        let mut list = Self::default();
        let mut last = Definition { series: 0, measurement: 0, key: "" };
        let mut last_key = Vec::new();
        let mut at = 0;
        for _ in 0..count {
            let start = at;
            let mut next = || get_varint(bytes, &mut at).map_err(|_| bad(start, "the bytes end early"));
            let (step, measurement, shared, more) = (next()?, next()?, next()?, next()?);
            let step = (step >> 1).cast_signed() ^ -((step & 1).cast_signed());
            last.series = last.series.wrapping_add(step.cast_unsigned());
            last.measurement = u32::try_from(measurement).map_err(|_| bad(start, "an id is too large"))?;
            let shared = usize::try_from(shared).ok().filter(|&n| n <= last_key.len());
            last_key.truncate(shared.ok_or_else(|| bad(start, "a key shares more than there is"))?);
            let end = usize::try_from(more).ok().and_then(|n| at.checked_add(n));
            let suffix = end.and_then(|end| bytes.get(at..end));
            let suffix = suffix.ok_or_else(|| bad(start, "a key is cut off"))?;
            at += suffix.len();
            last_key.extend_from_slice(suffix);
            if list.keys.len() + last_key.len() > KEYS_BYTES_MAX {
                return Err(bad(start, "the keys are too long together"));
            }
            let key = std::str::from_utf8(&last_key).map_err(|_| bad(start, "a key is not UTF-8"))?;
            list.keys.push_str(key);
            list.entries.push(Entry {
                series: last.series,
                measurement: last.measurement,
                key_end: list.keys.len(),
            });
        }
        if at == bytes.len() { Ok(list) } else { Err(bad(at, "bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(definitions: &[(u64, u32, String)]) -> (Vec<u8>, u8, u32) {
        let mut builder = ListBuilder::default();
        for (series, measurement, key) in definitions {
            builder.push(Definition { series: *series, measurement: *measurement, key });
        }
        let mut out = Vec::new();
        let (flags, count) = builder.finish(&mut out);
        (out, flags, count)
    }

    fn decode(bytes: &[u8], flags: u8, count: u32) -> Vec<(u64, u32, String)> {
        let list = Definitions::decode(bytes, flags, count).unwrap();
        list.iter().map(|d| (d.series, d.measurement, d.key.to_owned())).collect()
    }

    #[test]
    fn a_long_list_of_similar_keys_is_small() {
        let list: Vec<_> = (0..1000)
            .map(|i| (7_000_000 + i, 3, format!("cpu,host=host_{i},region=eu-west-1,rack=7")))
            .collect();
        let (bytes, flags, count) = encode(&list);
        assert_eq!((flags, count), (FLAG_ZSTD, 1000));
        assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
        assert_eq!(decode(&bytes, flags, count), list);
    }

    proptest! {
        #[test]
        fn definitions_come_back(list in prop::collection::vec((any::<u64>(), any::<u32>(), "[a-zé,=\\\\ ]{0,20}"), 0..400)) {
            let (bytes, flags, count) = encode(&list);
            prop_assert_eq!(decode(&bytes, flags, count), list);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), flags in 0u8..3, count in 0u32..9) {
            let _ = Definitions::decode(&bytes, flags, count);
        }
    }
}
