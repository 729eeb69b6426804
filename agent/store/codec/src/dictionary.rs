//! Few distinct values: a list of them and a packed code per value.

use crate::CodecError;
use crate::bits::{bits_of, pack, packed_len, unpack};
use crate::varint::{get_varint, put_varint, varint_len};

/// Distinct values in the order of their first appearance, and which of them each value is.
pub(crate) struct Distinct<T> {
    pub(crate) values: Vec<T>,
    pub(crate) codes: Vec<u32>,
}

impl<T: Copy + PartialEq> Distinct<T> {
    /// Lists the distinct values; `None` when there are more than `most`.
    pub(crate) fn find(values: &[T], most: usize, hash: impl Fn(&T) -> u64) -> Option<Self> {
        if most == 0 {
            return None;
        }
        // Open addressing, at most half full; an entry is the code plus one.
        let slots = (2 * most + 2).next_power_of_two();
        let mut table = vec![0u32; slots];
        let mut distinct = Vec::new();
        let mut codes = Vec::with_capacity(values.len());
        for value in values {
            let h = hash(value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut i = (h ^ h >> 32) as usize & (slots - 1);
            let code = loop {
                match table[i] {
                    0 => {
                        if distinct.len() == most {
                            return None;
                        }
                        distinct.push(*value);
                        table[i] = distinct.len() as u32;
                        break table[i] - 1;
                    }
                    entry if distinct[entry as usize - 1] == *value => break entry - 1,
                    _ => i = (i + 1) & (slots - 1),
                }
            };
            codes.push(code);
        }
        Some(Self { values: distinct, codes })
    }

    fn width(&self) -> u32 {
        bits_of(self.values.len() as u64 - 1)
    }

    /// Bits of length and codes; the list itself comes on top.
    pub(crate) fn code_bits(&self, n: usize) -> usize {
        8 * (varint_len(self.values.len() as u64) + packed_len(n, self.width()))
    }

    pub(crate) fn write_len(&self, out: &mut Vec<u8>) {
        put_varint(self.values.len() as u64, out);
    }

    pub(crate) fn write_codes(&self, out: &mut Vec<u8>) {
        pack(&self.codes, self.width(), out, u64::from);
    }
}

/// Length of the list: 1 to `n`.
pub(crate) fn read_len(bytes: &[u8], at: &mut usize, n: usize) -> Result<usize, CodecError> {
    let offset = *at;
    let len = usize::try_from(get_varint(bytes, at)?).unwrap_or(usize::MAX);
    if len == 0 || len > n {
        return Err(CodecError::Corrupt { offset, what: "dictionary larger than the values" });
    }
    Ok(len)
}

/// Appends the values that `n` codes stand for.
pub(crate) fn read_codes<T: Copy>(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    values: &[T],
    out: &mut Vec<T>,
) -> Result<(), CodecError> {
    let Some(&first) = values.first() else {
        return Err(CodecError::Corrupt { offset: *at, what: "dictionary without values" });
    };
    let offset = *at;
    let mut all_known = true;
    unpack(bytes, at, n, bits_of(values.len() as u64 - 1), out, |code| {
        let value = values.get(code as usize);
        all_known &= value.is_some();
        value.copied().unwrap_or(first)
    })?;
    if all_known { Ok(()) } else { Err(CodecError::Corrupt { offset, what: "code behind the dictionary" }) }
}
