//! Series definitions as bytes: the payload of log records and series files.
//!
//! One definition is: durable id (zigzag difference to the one before, varint) | measurement (zigzag difference, varint) |
//! bytes shared with the key before (varint) | bytes that follow (varint) | those bytes. The first one differs from
//! id 0, measurement 0 and the empty key. Varints are LEB128. There is no header and no checksum: whoever stores the bytes adds
//! both, and compresses if it pays.

/// Longest key that is believed; line protocol stops at 65,535.
const KEY_LEN_MAX: usize = 1 << 17;

/// One series as logs and files define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Durable id.
    pub id: u64,
    /// Measurement instance.
    pub measurement: u32,
    /// Canonical key.
    pub key: &'a str,
}

/// Collects definitions into bytes. Keys are front-coded against the one before, so sorted ones take least space.
#[derive(Clone, Debug, Default)]
pub struct DefinitionsWriter {
    bytes: Vec<u8>,
    count: usize,
    id: u64,
    measurement: u32,
    key: Vec<u8>,
}

impl DefinitionsWriter {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one.
    pub fn push(&mut self, definition: Definition<'_>) {
        let key = definition.key.as_bytes();
        let shared = self.key.iter().zip(key).take_while(|(a, b)| a == b).count();
        put_varint(&mut self.bytes, zigzag(definition.id.wrapping_sub(self.id) as i64));
        put_varint(&mut self.bytes, zigzag(i64::from(definition.measurement) - i64::from(self.measurement)));
        put_varint(&mut self.bytes, shared as u64);
        put_varint(&mut self.bytes, (key.len() - shared) as u64);
        self.bytes.extend_from_slice(&key[shared..]);
        self.id = definition.id;
        self.measurement = definition.measurement;
        self.key.truncate(shared);
        self.key.extend_from_slice(&key[shared..]);
        self.count += 1;
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes so far; nothing has to be finished. Empty for an empty list.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets all, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.key.clear();
        self.count = 0;
        self.id = 0;
        self.measurement = 0;
    }
}

/// Calls `each` for every definition in `bytes` (what [`DefinitionsWriter::bytes`] gave), in order.
///
/// # Errors
/// [`DefinitionsError`] at the first one that cannot be read; those before it were given to `each`.
pub fn decode_definitions(
    bytes: &[u8],
    mut each: impl FnMut(Definition<'_>),
) -> Result<(), DefinitionsError> {
    let (mut id, mut measurement, mut key) = (0u64, 0u32, String::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let error = DefinitionsError { offset: bytes.len() - rest.len() };
        let mut next = || take_varint(&mut rest).ok_or(error);
        id = id.wrapping_add(unzigzag(next()?) as u64);
        let m = i64::from(measurement).checked_add(unzigzag(next()?)).and_then(|m| u32::try_from(m).ok());
        measurement = m.ok_or(error)?;
        let shared = usize::try_from(next()?).map_err(|_| error)?;
        let len = usize::try_from(next()?).map_err(|_| error)?;
        let tail = rest.split_off(..len).ok_or(error)?;
        if shared > key.len() || len > KEY_LEN_MAX - shared.min(KEY_LEN_MAX) {
            return Err(error);
        }
        // The cut may lie inside a character, so the text is checked as a whole.
        let mut text = std::mem::take(&mut key).into_bytes();
        text.truncate(shared);
        text.extend_from_slice(tail);
        key = String::from_utf8(text).map_err(|_| error)?;
        each(Definition { id, measurement, key: &key });
    }
    Ok(())
}

/// The bytes are no list of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("series definitions are damaged at byte {offset}")]
pub struct DefinitionsError {
    /// Where the unreadable definition starts.
    pub offset: usize,
}

const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        n |= bits << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> (Vec<(u64, u32, String)>, Result<(), DefinitionsError>) {
        let mut out = Vec::new();
        let result = decode_definitions(bytes, |d| out.push((d.id, d.measurement, d.key.to_owned())));
        (out, result)
    }

    #[test]
    fn neighbours_share_what_their_keys_begin_with() {
        let mut writer = DefinitionsWriter::new();
        writer.push(Definition { id: 7, measurement: 3, key: "cpu,host=a" });
        writer.push(Definition { id: 8, measurement: 3, key: "cpu,host=b" });
        assert_eq!(writer.bytes(), b"\x0e\x06\x00\x0acpu,host=a\x02\x00\x09\x01b");
        writer.clear();
        assert!(writer.is_empty() && writer.bytes().is_empty());
    }

    #[test]
    fn every_cut_is_an_error_or_a_shorter_list() {
        let mut writer = DefinitionsWriter::new();
        for (id, key) in ["m,a=ü", "m,a=û", "x"].iter().enumerate() {
            writer.push(Definition { id: id as u64, measurement: 9, key });
        }
        let all = decoded(writer.bytes()).0;
        for len in 0..writer.bytes().len() {
            let (list, result) = decoded(&writer.bytes()[..len]);
            assert_eq!(list, all[..list.len()]);
            assert!(
                list.len() < all.len()
                    && (result.is_err() || decoded(&writer.bytes()[..len]).0.len() == list.len())
            );
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_what_was_encoded(list in proptest::collection::vec((any::<u64>(), any::<u32>(), "[aü,=]{0,8}"), 0..20)) {
            let mut writer = DefinitionsWriter::new();
            for (id, measurement, key) in &list {
                writer.push(Definition { id: *id, measurement: *measurement, key });
            }
            prop_assert_eq!(writer.len(), list.len());
            let (out, result) = decoded(writer.bytes());
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(out, list);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decoded(&bytes);
        }

        #[test]
        fn decoding_flipped_bytes_never_panics(list in proptest::collection::vec((any::<u64>(), any::<u32>(), "[a-c]{0,8}"), 1..9), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut writer = DefinitionsWriter::new();
            for (id, measurement, key) in &list {
                writer.push(Definition { id: *id, measurement: *measurement, key });
            }
            let mut bytes = writer.bytes().to_vec();
            let i = at.index(bytes.len());
            bytes[i] ^= 1u8 << bit;
            let _ = decoded(&bytes);
        }
    }
}
