//! Strings: constant, dictionary, lengths and text.

use std::cell::RefCell;

use weir_model::read::Strings;
use zstd::bulk::{Compressor, Decompressor};

use crate::dictionary::{self, Distinct};
use crate::varint::{get_bytes, get_u8, get_varint, put_varint, varint_len};
use crate::{CodecError, VALUES_MAX, id, int};

/// Most bytes of text in one encoding that a decoder accepts: what keeps a damaged length from taking all memory.
pub const TEXT_BYTES_MAX: usize = 256 << 20;
/// Shorter text is not worth compressing.
const COMPRESS_FROM: usize = 64;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const CODES_PACKED: u8 = 0;
const CODES_RUNS: u8 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends the encoding of strings, together at most [`TEXT_BYTES_MAX`] bytes.
pub fn encode_strings(values: &[&str], out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let n = values.len();
    if values.iter().all(|&v| v == first) {
        out.push(id::TEXT_CONSTANT);
        put_varint(first.len() as u64, out);
        out.extend_from_slice(first.as_bytes());
        return;
    }
    if let Some(distinct) = Distinct::find(values, (n / 2).max(1), |v| hash(v.as_bytes())) {
        out.push(id::TEXT_DICTIONARY);
        distinct.write_len(out);
        write_text(&distinct.values, out);
        let runs = || distinct.codes.chunk_by(|a, b| a == b);
        let count = runs().count();
        let run_bytes: usize =
            runs().map(|r| varint_len(u64::from(r[0])) + varint_len(r.len() as u64)).sum::<usize>()
                + varint_len(count as u64);
        if 8 * run_bytes < distinct.code_bits(n) {
            out.push(CODES_RUNS);
            put_varint(count as u64, out);
            for run in runs() {
                put_varint(u64::from(run[0]), out);
                put_varint(run.len() as u64, out);
            }
        } else {
            out.push(CODES_PACKED);
            distinct.write_codes(out);
        }
        return;
    }
    out.push(id::TEXT);
    write_text(values, out);
}

/// Lengths, then the text, compressed if that is shorter.
fn write_text(values: &[&str], out: &mut Vec<u8>) {
    let lens: Vec<i64> = values.iter().map(|v| v.len() as i64).collect();
    int::encode(&lens, &[], true, out);
    let text = values.concat();
    if text.len() >= COMPRESS_FROM
        && let Some(small) = compress(text.as_bytes()).filter(|s| s.len() + s.len() / 20 < text.len())
    {
        out.push(ZSTD);
        put_varint(small.len() as u64, out);
        out.extend_from_slice(&small);
    } else {
        out.push(PLAIN);
        out.extend_from_slice(text.as_bytes());
    }
}

fn compress(text: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Compressor::new(1).ok();
        }
        slot.as_mut()?.compress(text).ok()
    })
}

fn decompress(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        slot.as_mut()?.decompress(bytes, len).ok()
    })
}

fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut h = bytes.len() as u64;
    for word in words {
        h = (h ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        h ^= h >> 29;
    }
    for &byte in rest {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    h
}

/// Appends `n` strings to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`]; `out` is unchanged then.
pub fn decode_strings(bytes: &[u8], n: usize, out: &mut Strings) -> Result<usize, CodecError> {
    if n == 0 {
        return Ok(0);
    }
    if n > VALUES_MAX {
        return Err(CodecError::Count { n });
    }
    let mut at = 0;
    match get_u8(bytes, &mut at)? {
        id::TEXT_CONSTANT => {
            let offset = at;
            let len = usize::try_from(get_varint(bytes, &mut at)?).unwrap_or(usize::MAX);
            let text = utf8(get_bytes(bytes, &mut at, len)?, offset)?;
            if text.len().saturating_mul(n) > TEXT_BYTES_MAX {
                return Err(CodecError::Corrupt { offset, what: "too much text" });
            }
            (0..n).for_each(|_| out.push(text));
        }
        id::TEXT_DICTIONARY => {
            let len = dictionary::read_len(bytes, &mut at, n)?;
            let offset = at;
            let mut lens = Vec::new();
            let text = read_text(bytes, &mut at, len, &mut lens)?;
            let values = split(&text, &lens, offset)?;
            let offset = at;
            let codes = match get_u8(bytes, &mut at)? {
                CODES_PACKED => {
                    let list: Vec<u32> = (0..len as u32).collect();
                    let mut codes = Vec::with_capacity(n);
                    dictionary::read_codes(bytes, &mut at, n, &list, &mut codes)?;
                    codes
                }
                CODES_RUNS => read_code_runs(bytes, &mut at, n, len)?,
                _ => return Err(CodecError::Corrupt { offset, what: "unknown form of codes" }),
            };
            let total: usize =
                codes.iter().fold(0, |sum: usize, &c| sum.saturating_add(values[c as usize].len()));
            if total > TEXT_BYTES_MAX {
                return Err(CodecError::Corrupt { offset, what: "too much text" });
            }
            codes.iter().for_each(|&c| out.push(values[c as usize]));
        }
        id::TEXT => {
            let offset = at;
            let mut lens = Vec::new();
            let text = read_text(bytes, &mut at, n, &mut lens)?;
            split(&text, &lens, offset)?.into_iter().for_each(|v| out.push(v));
        }
        other => return Err(CodecError::UnknownCodec { id: other, offset: 0 }),
    }
    Ok(at)
}

/// Codes below `len`, each with the number of its repetitions; `n` in all.
fn read_code_runs(bytes: &[u8], at: &mut usize, n: usize, len: usize) -> Result<Vec<u32>, CodecError> {
    let mut codes = Vec::with_capacity(n);
    for _ in 0..get_varint(bytes, at)? {
        let offset = *at;
        let code = get_varint(bytes, at)?;
        let run = get_varint(bytes, at)?;
        if code >= len as u64 || run > (n - codes.len()) as u64 {
            return Err(CodecError::Corrupt { offset, what: "codes of strings out of range" });
        }
        codes.resize(codes.len() + run as usize, code as u32);
    }
    if codes.len() == n { Ok(codes) } else { Err(CodecError::Corrupt { offset: *at, what: "too few codes" }) }
}

/// Lengths of `n` strings, and their text in one.
fn read_text(bytes: &[u8], at: &mut usize, n: usize, lens: &mut Vec<i64>) -> Result<String, CodecError> {
    let offset = *at;
    int::decode(bytes, at, n, &[], lens)?;
    let total = lens.iter().try_fold(0usize, |sum, &len| sum.checked_add(usize::try_from(len).ok()?));
    let total = total
        .filter(|&t| t <= TEXT_BYTES_MAX)
        .ok_or(CodecError::Corrupt { offset, what: "lengths of strings out of range" })?;
    let offset = *at;
    let text = match get_u8(bytes, at)? {
        PLAIN => get_bytes(bytes, at, total)?.to_vec(),
        ZSTD => {
            let len = usize::try_from(get_varint(bytes, at)?).unwrap_or(usize::MAX);
            let small = get_bytes(bytes, at, len)?;
            // zstd never shrinks text by more than this; a larger claim must not take memory.
            let possible = total / 65_536 <= small.len();
            possible
                .then(|| decompress(small, total))
                .flatten()
                .filter(|text| text.len() == total)
                .ok_or(CodecError::Corrupt { offset, what: "compressed text does not decompress" })?
        }
        _ => return Err(CodecError::Corrupt { offset, what: "unknown form of text" }),
    };
    String::from_utf8(text).map_err(|_| CodecError::Corrupt { offset, what: "text is not UTF-8" })
}

fn split<'a>(text: &'a str, lens: &[i64], offset: usize) -> Result<Vec<&'a str>, CodecError> {
    let mut rest = text;
    let mut values = Vec::with_capacity(lens.len());
    for &len in lens {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let (value, behind) = rest
            .split_at_checked(len)
            .ok_or(CodecError::Corrupt { offset, what: "a string ends inside a character" })?;
        values.push(value);
        rest = behind;
    }
    Ok(values)
}

fn utf8(bytes: &[u8], offset: usize) -> Result<&str, CodecError> {
    std::str::from_utf8(bytes).map_err(|_| CodecError::Corrupt { offset, what: "text is not UTF-8" })
}
