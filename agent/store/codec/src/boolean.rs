//! Booleans: constant, bitmap, run lengths.

use crate::varint::{get_bytes, get_u8, get_varint, put_varint, varint_len};
use crate::{CodecError, VALUES_MAX, id};

/// Appends the encoding of booleans.
pub fn encode_bool(values: &[bool], out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let runs = || values.chunk_by(|a, b| a == b).map(|run| run.len() as u64);
    let bytes = runs().map(varint_len).sum::<usize>() + 1;
    if values.iter().all(|&v| v == first) {
        out.extend_from_slice(&[id::CONSTANT, u8::from(first)]);
    } else if bytes < values.len().div_ceil(8) {
        out.extend_from_slice(&[id::RUN_LENGTHS, u8::from(first)]);
        runs().for_each(|run| put_varint(run, out));
    } else {
        out.push(id::BITMAP);
        out.extend(
            values.chunks(8).map(|c| c.iter().enumerate().map(|(i, &v)| u8::from(v) << i).sum::<u8>()),
        );
    }
}

/// Appends `n` booleans to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_bool(bytes: &[u8], n: usize, out: &mut Vec<bool>) -> Result<usize, CodecError> {
    if n == 0 {
        return Ok(0);
    }
    if n > VALUES_MAX {
        return Err(CodecError::Count { n });
    }
    let start = out.len();
    let mut at = 0;
    match get_u8(bytes, &mut at)? {
        id::CONSTANT => {
            let value = flag(bytes, &mut at)?;
            out.resize(start + n, value);
        }
        id::BITMAP => {
            let map = get_bytes(bytes, &mut at, n.div_ceil(8))?;
            out.extend((0..n).map(|i| map[i / 8] >> (i % 8) & 1 == 1));
        }
        id::RUN_LENGTHS => {
            let mut value = flag(bytes, &mut at)?;
            let mut left = n;
            while left > 0 {
                let offset = at;
                let run = get_varint(bytes, &mut at);
                match run {
                    Ok(run) if run > 0 && run <= left as u64 => {
                        left -= run as usize;
                        out.resize(out.len() + run as usize, value);
                        value = !value;
                    }
                    other => {
                        out.truncate(start);
                        other?;
                        return Err(CodecError::Corrupt { offset, what: "run lengths do not add up" });
                    }
                }
            }
        }
        other => return Err(CodecError::UnknownCodec { id: other, offset: 0 }),
    }
    Ok(at)
}

fn flag(bytes: &[u8], at: &mut usize) -> Result<bool, CodecError> {
    let offset = *at;
    match get_u8(bytes, at)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CodecError::Corrupt { offset, what: "a boolean that is neither 0 nor 1" }),
    }
}
