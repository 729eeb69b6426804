//! Numbers of variable length (LEB128), and the zigzag that makes small negative ones short.

use crate::CodecError;

/// Appends `value` in 1 to 10 bytes, 7 bits each, lowest first (LEB128).
#[inline]
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a varint at `*at` and moves `*at` behind it.
///
/// # Errors
/// [`CodecError`] when the bytes end or the varint does not fit 64 bits.
#[inline]
pub fn get_varint(bytes: &[u8], at: &mut usize) -> Result<u64, CodecError> {
    let mut value = 0u64;
    let mut shift = 0;
    loop {
        let &byte = bytes.get(*at).ok_or(CodecError::Truncated { offset: bytes.len() })?;
        if shift == 63 && byte > 1 {
            return Err(CodecError::Corrupt { offset: *at, what: "number of more than 64 bits" });
        }
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
        shift += 7;
    }
}

/// Bytes of a varint.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    (crate::bits::bits_of(value | 1) as usize).div_ceil(7)
}

/// 0, -1, 1, -2, … to 0, 1, 2, 3, …
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[inline]
pub(crate) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put_varint(zigzag(value), out);
}

#[inline]
pub(crate) fn get_signed(bytes: &[u8], at: &mut usize) -> Result<i64, CodecError> {
    get_varint(bytes, at).map(unzigzag)
}

/// The byte at `*at`; moves `*at` behind it.
#[inline]
pub(crate) fn get_u8(bytes: &[u8], at: &mut usize) -> Result<u8, CodecError> {
    let &byte = bytes.get(*at).ok_or(CodecError::Truncated { offset: bytes.len() })?;
    *at += 1;
    Ok(byte)
}

/// `len` bytes at `*at`; moves `*at` behind them.
#[inline]
pub(crate) fn get_bytes<'a>(bytes: &'a [u8], at: &mut usize, len: usize) -> Result<&'a [u8], CodecError> {
    let end = at.saturating_add(len);
    let slice = bytes.get(*at..end).ok_or(CodecError::Truncated { offset: bytes.len() })?;
    *at = end;
    Ok(slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<i64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_signed(value, &mut out);
            prop_assert_eq!(out.len(), varint_len(zigzag(value)));
            let mut at = 0;
            prop_assert_eq!(get_signed(&out, &mut at), Ok(value));
            prop_assert_eq!(at, out.len());
            prop_assert!(get_signed(&out[..out.len() - 1], &mut 0).is_err());
        }
    }

    #[test]
    fn a_number_of_65_bits_is_refused() {
        assert!(get_varint(&[0xFF; 11], &mut 0).is_err());
        assert!(get_varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], &mut 0).is_err());
    }
}
