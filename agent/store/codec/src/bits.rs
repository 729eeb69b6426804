//! Packs numbers into bits and back.
//!
//! Plain version: value i of width w stands in bits i*w to (i+1)*w of a stream, lowest bit of the lowest byte first. The stream is as many bytes as
//! needed. Whole groups of 64 values are w words of 64 bits, so for each width there is one straight line of shifts without a branch; the
//! rest goes value by value.

use crate::CodecError;

/// Bits needed for `value`; 0 for 0.
#[inline]
pub(crate) const fn bits_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// The lowest `width` bits.
#[inline]
pub(crate) const fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

macro_rules! each64 {
    ($m:ident) => {
        $m!(0);
        $m!(1);
        $m!(2);
        $m!(3);
        $m!(4);
        $m!(5);
        $m!(6);
        $m!(7);
        $m!(8);
        $m!(9);
        $m!(10);
        $m!(11);
        $m!(12);
        $m!(13);
        $m!(14);
        $m!(15);
        $m!(16);
        $m!(17);
        $m!(18);
        $m!(19);
        $m!(20);
        $m!(21);
        $m!(22);
        $m!(23);
        $m!(24);
        $m!(25);
        $m!(26);
        $m!(27);
        $m!(28);
        $m!(29);
        $m!(30);
        $m!(31);
        $m!(32);
        $m!(33);
        $m!(34);
        $m!(35);
        $m!(36);
        $m!(37);
        $m!(38);
        $m!(39);
        $m!(40);
        $m!(41);
        $m!(42);
        $m!(43);
        $m!(44);
        $m!(45);
        $m!(46);
        $m!(47);
        $m!(48);
        $m!(49);
        $m!(50);
        $m!(51);
        $m!(52);
        $m!(53);
        $m!(54);
        $m!(55);
        $m!(56);
        $m!(57);
        $m!(58);
        $m!(59);
        $m!(60);
        $m!(61);
        $m!(62);
        $m!(63);
    };
}

macro_rules! for_width {
    ($width:expr, $f:ident($($a:expr),*)) => {
        match $width {
            1 => $f::<1>($($a),*),
            2 => $f::<2>($($a),*),
            3 => $f::<3>($($a),*),
            4 => $f::<4>($($a),*),
            5 => $f::<5>($($a),*),
            6 => $f::<6>($($a),*),
            7 => $f::<7>($($a),*),
            8 => $f::<8>($($a),*),
            9 => $f::<9>($($a),*),
            10 => $f::<10>($($a),*),
            11 => $f::<11>($($a),*),
            12 => $f::<12>($($a),*),
            13 => $f::<13>($($a),*),
            14 => $f::<14>($($a),*),
            15 => $f::<15>($($a),*),
            16 => $f::<16>($($a),*),
            17 => $f::<17>($($a),*),
            18 => $f::<18>($($a),*),
            19 => $f::<19>($($a),*),
            20 => $f::<20>($($a),*),
            21 => $f::<21>($($a),*),
            22 => $f::<22>($($a),*),
            23 => $f::<23>($($a),*),
            24 => $f::<24>($($a),*),
            25 => $f::<25>($($a),*),
            26 => $f::<26>($($a),*),
            27 => $f::<27>($($a),*),
            28 => $f::<28>($($a),*),
            29 => $f::<29>($($a),*),
            30 => $f::<30>($($a),*),
            31 => $f::<31>($($a),*),
            32 => $f::<32>($($a),*),
            33 => $f::<33>($($a),*),
            34 => $f::<34>($($a),*),
            35 => $f::<35>($($a),*),
            36 => $f::<36>($($a),*),
            37 => $f::<37>($($a),*),
            38 => $f::<38>($($a),*),
            39 => $f::<39>($($a),*),
            40 => $f::<40>($($a),*),
            41 => $f::<41>($($a),*),
            42 => $f::<42>($($a),*),
            43 => $f::<43>($($a),*),
            44 => $f::<44>($($a),*),
            45 => $f::<45>($($a),*),
            46 => $f::<46>($($a),*),
            47 => $f::<47>($($a),*),
            48 => $f::<48>($($a),*),
            49 => $f::<49>($($a),*),
            50 => $f::<50>($($a),*),
            51 => $f::<51>($($a),*),
            52 => $f::<52>($($a),*),
            53 => $f::<53>($($a),*),
            54 => $f::<54>($($a),*),
            55 => $f::<55>($($a),*),
            56 => $f::<56>($($a),*),
            57 => $f::<57>($($a),*),
            58 => $f::<58>($($a),*),
            59 => $f::<59>($($a),*),
            60 => $f::<60>($($a),*),
            61 => $f::<61>($($a),*),
            62 => $f::<62>($($a),*),
            63 => $f::<63>($($a),*),
            64 => $f::<64>($($a),*),
            _ => {}
        }
    };
}

#[inline(never)]
fn pack64<const W: usize>(values: &[u64; 64], out: &mut Vec<u8>) {
    let mut words = [0u64; W];
    macro_rules! step {
        ($j:expr) => {
            let (word, shift) = ($j * W / 64, $j * W % 64);
            words[word] |= values[$j] << shift;
            if shift + W > 64 {
                words[word + 1] |= values[$j] >> (64 - shift);
            }
        };
    }
    each64!(step);
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

#[inline(never)]
fn unpack64<const W: usize>(bytes: &[u8], out: &mut [u64; 64]) {
    let mut words = [0u64; W];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    macro_rules! step {
        ($j:expr) => {
            let (word, shift) = ($j * W / 64, $j * W % 64);
            let mut value = words[word] >> shift;
            if shift + W > 64 {
                value |= words[word + 1] << (64 - shift);
            }
            out[$j] = value & mask(W as u32);
        };
    }
    each64!(step);
}

/// Appends `f(v)` for all `values`, `width` bits each (0 to 64). Higher bits of `f(v)` must be zero.
#[inline]
pub(crate) fn pack<T: Copy>(values: &[T], width: u32, out: &mut Vec<u8>, f: impl Fn(T) -> u64) {
    if width == 0 {
        return;
    }
    out.reserve(packed_len(values.len(), width));
    let (groups, rest) = values.as_chunks::<64>();
    for group in groups {
        let buffer: [u64; 64] = std::array::from_fn(|i| f(group[i]));
        for_width!(width, pack64(&buffer, out));
    }
    let mut acc = 0u128;
    let mut used = 0;
    for &value in rest {
        acc |= u128::from(f(value)) << used;
        used += width;
        if used >= 64 {
            out.extend_from_slice(&(acc as u64).to_le_bytes());
            acc >>= 64;
            used -= 64;
        }
    }
    out.extend_from_slice(&(acc as u64).to_le_bytes()[..used.div_ceil(8) as usize]);
}

/// Bytes of `n` packed values.
#[inline]
pub(crate) const fn packed_len(n: usize, width: u32) -> usize {
    n.saturating_mul(width as usize).div_ceil(8)
}

/// Appends `f(v)` for `n` values packed at `bytes[*at..]`; moves `*at` behind them.
#[inline]
pub(crate) fn unpack<T>(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    width: u32,
    out: &mut Vec<T>,
    mut f: impl FnMut(u64) -> T,
) -> Result<(), CodecError> {
    if width > 64 {
        return Err(CodecError::Corrupt { offset: *at, what: "width above 64 bits" });
    }
    out.reserve(n);
    if width == 0 {
        out.extend((0..n).map(|_| f(0)));
        return Ok(());
    }
    let end = at.saturating_add(packed_len(n, width));
    let packed = bytes.get(*at..end).ok_or(CodecError::Truncated { offset: bytes.len() })?;
    *at = end;
    let (groups, tail) = packed.split_at(packed_len(n - n % 64, width));
    let mut buffer = [0u64; 64];
    for group in groups.chunks_exact(8 * width as usize) {
        for_width!(width, unpack64(group, &mut buffer));
        out.extend(buffer.iter().map(|&v| f(v)));
    }
    let rest = n % 64;
    if rest > 0 {
        // 63 values of 64 bits, and room for a whole word behind the last one.
        let mut padded = [0u8; 63 * 8 + 16];
        padded[..tail.len()].copy_from_slice(tail);
        out.extend((0..rest).map(|i| f(bits_at(&padded, i * width as usize, width))));
    }
    Ok(())
}

#[inline]
fn bits_at(bytes: &[u8; 63 * 8 + 16], bit: usize, width: u32) -> u64 {
    let (byte, shift) = (bit / 8, (bit % 8) as u32);
    let mut word = [0u8; 8];
    word.copy_from_slice(&bytes[byte..byte + 8]);
    let mut value = u64::from_le_bytes(word) >> shift;
    if shift + width > 64 {
        value |= u64::from(bytes[byte + 8]) << (64 - shift);
    }
    value & mask(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain version, bit by bit.
    fn naive(values: &[u64], width: u32) -> Vec<u8> {
        let mut out = vec![0u8; packed_len(values.len(), width)];
        for (i, value) in values.iter().enumerate() {
            for b in 0..width as usize {
                let at = i * width as usize + b;
                out[at / 8] |= ((value >> b & 1) as u8) << (at % 8);
            }
        }
        out
    }

    #[test]
    fn every_width_packs_as_the_plain_version_and_back() {
        let mut x = 1u64;
        for width in 0..=64 {
            for n in [0, 1, 7, 63, 64, 65, 130, 200] {
                let values: Vec<u64> = (0..n)
                    .map(|_| {
                        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                        (x ^ x >> 29) & if width == 0 { 0 } else { mask(width) }
                    })
                    .collect();
                let mut out = vec![7];
                pack(&values, width, &mut out, |v| v);
                assert_eq!(out[1..], naive(&values, width), "width {width} n {n}");
                let (mut back, mut at) = (Vec::new(), 1);
                unpack(&out, &mut at, n, width, &mut back, |v| v).unwrap();
                assert_eq!((back, at), (values, out.len()), "width {width} n {n}");
            }
        }
    }

    proptest! {
        #[test]
        fn unpack_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), n in 0usize..300, width in 0u32..70) {
            let (mut out, mut at) = (Vec::new(), 0);
            if unpack(&bytes, &mut at, n, width, &mut out, |v| v).is_ok() {
                prop_assert_eq!(out.len(), n);
            }
        }
    }
}
