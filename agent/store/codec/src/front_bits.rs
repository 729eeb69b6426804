//! Floats with full mantissas: their front bits (sign, exponent, a few digits) come from a dictionary of at most eight, the rest is packed.
//!
//! Source of the idea: ALP-RD (Afroozeh, Kuffó, Boncz: "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2023).

use crate::CodecError;
use crate::bits::{bits_of, pack, unpack};
use crate::float::FloatHint;
use crate::varint::{get_bytes, get_u8, get_varint, put_varint};

const ENTRIES_MAX: usize = 8;
const FRONT_MAX: u32 = 16;
const SAMPLE: usize = 64;
/// Estimated bits of one exception: gap and front.
const EXCEPTION: usize = 24;
/// Blocks for which a cut is kept before it is searched again.
const KEEP: u8 = 15;

/// Where to cut, and the front parts in the dictionary.
pub(crate) struct Plan {
    front: u32,
    entries: Vec<u16>,
    /// Estimated size.
    pub(crate) bits: usize,
}

impl Plan {
    /// Looks at a sample of `bits` (not empty).
    pub(crate) fn new(bits: &[u64], hint: &mut FloatHint) -> Option<Self> {
        let mut sample: Vec<u64> =
            bits.iter().step_by(bits.len().div_ceil(SAMPLE)).copied().take(SAMPLE).collect();
        sample.sort_unstable();
        let fronts = match hint.cut {
            Some((front, left)) if left > 0 => {
                hint.cut = Some((front, left - 1));
                u32::from(front)..=u32::from(front)
            }
            _ => 4..=FRONT_MAX,
        };
        let searched = fronts.start() != fronts.end();
        let best = fronts.map(|front| Self::at(&sample, bits.len(), front)).min_by_key(|p| p.bits)?;
        if searched {
            hint.cut = Some((best.front as u8, KEEP));
        }
        Some(best)
    }

    fn at(sorted: &[u64], n: usize, front: u32) -> Self {
        let mut groups: Vec<(usize, u16)> = sorted
            .chunk_by(|a, b| (a ^ b) >> (64 - front) == 0)
            .map(|g| (g.len(), (g[0] >> (64 - front)) as u16))
            .collect();
        groups.sort_unstable_by_key(|g| std::cmp::Reverse(g.0));
        let outside: usize = groups.iter().skip(ENTRIES_MAX).map(|g| g.0).sum();
        groups.truncate(ENTRIES_MAX);
        let code = bits_of(groups.len() as u64 - 1) as usize;
        let bits = n * (64 - front as usize + code)
            + n * outside * EXCEPTION / sorted.len()
            + 16 * groups.len()
            + 40;
        Self { front, entries: groups.iter().map(|g| g.1).collect(), bits }
    }

    /// Writes `bits` behind the codec id.
    pub(crate) fn write(&self, bits: &[u64], out: &mut Vec<u8>) {
        let back = 64 - self.front;
        let mut exceptions = Vec::new();
        let mut codes = Vec::with_capacity(bits.len());
        for (i, &v) in bits.iter().enumerate() {
            let front = (v >> back) as u16;
            let code = self.entries.iter().position(|&e| e == front);
            if code.is_none() {
                exceptions.push((i, front));
            }
            codes.push(code.unwrap_or(0) as u8);
        }
        out.push(self.front as u8);
        out.push(self.entries.len() as u8);
        self.entries.iter().for_each(|e| out.extend_from_slice(&e.to_le_bytes()));
        put_varint(exceptions.len() as u64, out);
        let mut next = 0;
        for (i, front) in exceptions {
            put_varint((i - next) as u64, out);
            out.extend_from_slice(&front.to_le_bytes());
            next = i + 1;
        }
        pack(&codes, bits_of(self.entries.len() as u64 - 1), out, u64::from);
        let low = u64::MAX >> self.front;
        pack(bits, back, out, |v| v & low);
    }
}

/// Decodes `n` values behind the codec id.
pub(crate) fn decode(bytes: &[u8], at: &mut usize, n: usize, out: &mut Vec<f64>) -> Result<(), CodecError> {
    let offset = *at;
    let front = u32::from(get_u8(bytes, at)?);
    let entries = get_u8(bytes, at)? as usize;
    if !(1..=FRONT_MAX).contains(&front) || !(1..=ENTRIES_MAX).contains(&entries) {
        return Err(CodecError::Corrupt { offset, what: "cut or dictionary of front bits out of range" });
    }
    let back = 64 - front;
    let mut table = [0u64; ENTRIES_MAX];
    for (slot, raw) in table.iter_mut().zip(get_bytes(bytes, at, 2 * entries)?.as_chunks::<2>().0) {
        *slot = u64::from(u16::from_le_bytes(*raw)) << back;
    }
    let exceptions = get_varint(bytes, at)?;
    let list = *at;
    for _ in 0..exceptions {
        get_varint(bytes, at)?;
        get_bytes(bytes, at, 2)?;
    }
    let mut fronts = Vec::with_capacity(n);
    unpack(bytes, at, n, bits_of(entries as u64 - 1), &mut fronts, |code| {
        table[code as usize % ENTRIES_MAX]
    })?;
    let mut next = 0usize;
    let mut list_at = list;
    for _ in 0..exceptions {
        let offset = list_at;
        let gap = usize::try_from(get_varint(bytes, &mut list_at)?).unwrap_or(usize::MAX);
        let raw = get_bytes(bytes, &mut list_at, 2)?;
        let i = next.saturating_add(gap);
        let slot = fronts
            .get_mut(i)
            .ok_or(CodecError::Corrupt { offset, what: "exception behind the last value" })?;
        *slot = u64::from(u16::from_le_bytes([raw[0], raw[1]])) << back;
        next = i + 1;
    }
    let mut fronts = fronts.iter();
    unpack(bytes, at, n, back, out, |low| f64::from_bits(low | fronts.next().copied().unwrap_or_default()))
}
