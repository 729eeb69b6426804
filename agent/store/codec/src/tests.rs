//! Claims that hold for all codecs: what comes back, how large it is, and that damage is noticed or harmless.

use proptest::prelude::*;
use weir_model::read::Strings;

use super::*;

/// Cuts `n` values into runs of the given lengths, the last one taking the rest.
fn runs_for(n: usize, lens: &[u32]) -> Vec<u32> {
    let mut left = n as u32;
    let mut runs: Vec<u32> = Vec::new();
    for &len in lens {
        let len = len.min(left);
        runs.push(len);
        left -= len;
    }
    if left > 0 {
        runs.push(left);
    }
    runs
}

fn int_round(values: &[i64], runs: &[u32]) -> usize {
    let mut out = vec![1, 2, 3];
    encode_i64(values, runs, &mut out);
    let len = out.len() - 3;
    out.extend_from_slice(&[9; 5]);
    let mut back = vec![42];
    assert_eq!(decode_i64(&out[3..], values.len(), runs, &mut back).unwrap(), len);
    assert_eq!(back[1..], *values);

    let unsigned: Vec<u64> = values.iter().map(|&v| v as u64).collect();
    let (mut out, mut back) = (Vec::new(), Vec::new());
    encode_u64(&unsigned, runs, &mut out);
    assert_eq!(decode_u64(&out, values.len(), runs, &mut back).unwrap(), out.len());
    assert_eq!(back, unsigned);

    let (mut out, mut back) = (Vec::new(), Vec::new());
    encode_time(values, runs, &mut out);
    assert_eq!(decode_time(&out, values.len(), runs, &mut back).unwrap(), out.len());
    assert_eq!(back, values);
    len
}

fn float_round(values: &[f64], runs: &[u32], hint: &mut FloatHint) -> (usize, u8) {
    let mut out = Vec::new();
    encode_f64(values, runs, hint, &mut out);
    let mut back = Vec::new();
    assert_eq!(decode_f64(&out, values.len(), runs, &mut back).unwrap(), out.len());
    let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(values));
    (out.len(), out.first().copied().unwrap_or(255))
}

/// A small generator, so that sizes do not depend on a library's version.
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
    /// TSBS: a normal step, kept between 0 and 100.
    fn walk(&mut self, n: usize) -> Vec<f64> {
        let mut x = self.unit() * 100.0;
        (0..n)
            .map(|_| {
                x = (x + self.normal()).clamp(0.0, 100.0);
                x
            })
            .collect()
    }
}

fn any_ints() -> impl Strategy<Value = Vec<i64>> {
    let element = prop_oneof![
        any::<i64>(),
        -5i64..5,
        (any::<i64>(), 0u32..64).prop_map(|(v, s)| v >> s),
        Just(i64::MIN),
        Just(i64::MAX),
    ];
    prop_oneof![
        proptest::collection::vec(element, 0..200),
        proptest::collection::vec(-3i64..4, 0..300),
        (any::<i64>(), -1000i64..1000, 0usize..300)
            .prop_map(|(s, d, n)| (0..n as i64).map(|i| s.wrapping_add(i.wrapping_mul(d))).collect()),
        // Mostly small, a few outliers.
        proptest::collection::vec(
            prop_oneof![40 => 0i64..16, 1 => any::<i64>(), 1 => -5000i64..5000],
            0..400
        ),
        // Slowly changing slope.
        proptest::collection::vec(-2i64..3, 0..300).prop_map(|v| {
            let (mut d, mut x) = (1000i64, 0i64);
            v.iter()
                .map(|s| {
                    d += s;
                    x += d;
                    x
                })
                .collect()
        }),
        (proptest::collection::vec(any::<i64>(), 1..8), proptest::collection::vec(any::<usize>(), 0..300))
            .prop_map(|(set, picks)| picks.iter().map(|i| set[i % set.len()]).collect()),
        proptest::collection::vec(0i64..1_000_000, 0..100)
            .prop_map(|v| v.iter().map(|x| x * 1_000_000).collect()),
    ]
}

fn any_floats() -> impl Strategy<Value = Vec<f64>> {
    let element = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (any::<i32>(), 0i32..12).prop_map(|(m, s)| f64::from(m) / 10f64.powi(s)),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NAN),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
    ];
    prop_oneof![
        proptest::collection::vec(element, 0..200),
        proptest::collection::vec((0i32..10_000).prop_map(|m| f64::from(m) / 100.0), 0..300),
        proptest::collection::vec(
            prop_oneof![60 => (0i32..10_000).prop_map(|m| f64::from(m) / 10.0), 1 => any::<u64>().prop_map(f64::from_bits)],
            0..300
        ),
        proptest::collection::vec(
            (0u64..1 << 52).prop_map(|m| f64::from_bits(0x4050_0000_0000_0000 + m)),
            0..300
        ),
        proptest::collection::vec((0u8..9).prop_map(|m| f64::from(m) / 7.0), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn integers_and_times_come_back(values in any_ints(), lens in proptest::collection::vec(0u32..20, 0..20)) {
        int_round(&values, &[]);
        int_round(&values, &runs_for(values.len(), &lens));
    }

    #[test]
    fn repeated_lists_of_times_come_back(list in any_ints(), lens in proptest::collection::vec(0usize..400, 0..10)) {
        let (mut values, mut runs) = (Vec::new(), Vec::new());
        for len in lens {
            let len = len.min(list.len());
            values.extend_from_slice(&list[..len]);
            runs.push(len as u32);
        }
        int_round(&values, &runs);
    }

    #[test]
    fn floats_come_back_bit_by_bit(a in any_floats(), b in any_floats(), lens in proptest::collection::vec(0u32..20, 0..20)) {
        let mut hint = FloatHint::default();
        for values in [&a, &b, &a] {
            float_round(values, &runs_for(values.len(), &lens), &mut hint);
        }
    }

    #[test]
    fn booleans_come_back(values in proptest::collection::vec(any::<bool>(), 0..300), stretch in 1usize..40) {
        for values in [values.clone(), values.iter().flat_map(|&v| std::iter::repeat_n(v, stretch)).collect()] {
            let (mut out, mut back) = (Vec::new(), Vec::new());
            encode_bool(&values, &mut out);
            prop_assert_eq!(decode_bool(&out, values.len(), &mut back), Ok(out.len()));
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn strings_come_back(values in proptest::collection::vec("[a-cü€]{0,9}", 0..80), stretch in 1usize..5, tail in ".{0,90}") {
        let mut list: Vec<&str> = values.iter().flat_map(|v| std::iter::repeat_n(v.as_str(), stretch)).collect();
        list.push(&tail);
        let (mut out, mut back) = (Vec::new(), Strings::new());
        encode_strings(&list, &mut out);
        prop_assert_eq!(decode_strings(&out, list.len(), &mut back), Ok(out.len()));
        prop_assert_eq!(back.iter().collect::<Vec<_>>(), list);
    }

    #[test]
    fn decoders_never_panic(
        codec in 0u8..20, inner in 0u8..20, bytes in proptest::collection::vec(any::<u8>(), 0..120),
        n in 0usize..200, lens in proptest::collection::vec(0u32..20, 0..20),
    ) {
        let runs = runs_for(n, &lens);
        let mut whole = vec![codec, inner];
        whole.extend_from_slice(&bytes);
        for whole in [&whole[..], &bytes[..]] {
            let mut ints = vec![5];
            if decode_i64(whole, n, &runs, &mut ints).is_err() { prop_assert_eq!(ints.len(), 1) } else { prop_assert_eq!(ints.len(), n + 1) }
            let mut ints = vec![5];
            if decode_time(whole, n, &runs, &mut ints).is_err() { prop_assert_eq!(ints.len(), 1) } else { prop_assert_eq!(ints.len(), n + 1) }
            let mut floats = vec![5.0];
            if decode_f64(whole, n, &runs, &mut floats).is_err() { prop_assert_eq!(floats.len(), 1) } else { prop_assert_eq!(floats.len(), n + 1) }
            let mut bools = vec![true];
            if decode_bool(whole, n, &mut bools).is_err() { prop_assert_eq!(bools.len(), 1) } else { prop_assert_eq!(bools.len(), n + 1) }
            let mut strings = Strings::new();
            if decode_strings(whole, n, &mut strings).is_err() { prop_assert_eq!(strings.len(), 0) } else { prop_assert_eq!(strings.len(), n) }
        }
    }

    #[test]
    fn cut_or_changed_encodings_do_not_panic(values in any_ints(), floats in any_floats(), at in any::<usize>(), to in any::<u8>()) {
        let mut out = Vec::new();
        encode_time(&values, &[], &mut out);
        let mut back = Vec::new();
        for cut in 0..out.len() {
            prop_assert!(decode_time(&out[..cut], values.len(), &[], &mut back).is_err());
        }
        if !out.is_empty() {
            let at = at % out.len();
            out[at] = to;
            let _ = decode_time(&out, values.len(), &[], &mut back);
        }
        let (mut out, mut back) = (Vec::new(), Vec::new());
        encode_f64(&floats, &[], &mut FloatHint::default(), &mut out);
        for cut in 0..out.len() {
            prop_assert!(decode_f64(&out[..cut], floats.len(), &[], &mut back).is_err());
        }
        if !out.is_empty() {
            let at = at % out.len();
            out[at] = to;
            let _ = decode_f64(&out, floats.len(), &[], &mut back);
        }
    }
}

/// Bits per value over 64 blocks.
fn bits_per_value(mut block: impl FnMut(&mut Rng) -> (usize, usize)) -> f64 {
    let mut rng = Rng(88_172_645_463_325_252);
    let (mut bytes, mut values) = (0, 0);
    for _ in 0..64 {
        let (b, v) = block(&mut rng);
        bytes += b;
        values += v;
    }
    8.0 * bytes as f64 / values as f64
}

#[test]
fn walk_of_integers_takes_about_three_bits() {
    let long = bits_per_value(|rng| {
        let v: Vec<i64> = rng.walk(1024).iter().map(|&x| x as i64).collect();
        (int_round(&v, &[]), 1024)
    });
    assert!((2.8..3.3).contains(&long), "{long}");
    let short = bits_per_value(|rng| {
        let v: Vec<i64> = (0..102).flat_map(|_| rng.walk(10)).map(|x| x as i64).collect();
        (int_round(&v, &[10; 102]), 1020)
    });
    assert!((3.2..3.8).contains(&short), "{short}");
}

#[test]
fn two_decimals_take_about_ten_bits() {
    let mut hint = FloatHint::default();
    let bits = bits_per_value(|rng| {
        let v: Vec<f64> = rng.walk(1024).iter().map(|&x| (x * 100.0).round() / 100.0).collect();
        let (len, codec) = float_round(&v, &[], &mut hint);
        assert_eq!(codec, id::DECIMAL);
        (len, 1024)
    });
    assert!((8.9..10.2).contains(&bits), "{bits}");
}

#[test]
fn full_mantissas_take_less_than_raw_and_few_distinct_ones_far_less() {
    let mut hint = FloatHint::default();
    let full = bits_per_value(|rng| (float_round(&rng.walk(1024), &[], &mut hint).0, 1024));
    assert!((50.0..57.0).contains(&full), "{full}");
    let ratios = bits_per_value(|rng| {
        let v: Vec<f64> = (0..1024).map(|_| 100.0 * (rng.next() % 60) as f64 / 997.0).collect();
        (float_round(&v, &[], &mut FloatHint::default()).0, 1024)
    });
    assert!(ratios < 11.0, "{ratios}");
}

#[test]
fn jittered_milliseconds_are_scaled_and_gaps_are_patched() {
    let times = |jitter: u64, gaps: bool| {
        bits_per_value(move |rng| {
            let mut t = 1_700_000_000_000_000_000i64;
            let v: Vec<i64> = (0..1024)
                .map(|_| {
                    t += 10_000_000_000;
                    if gaps && rng.next() % 500 == 0 {
                        t += 3_600_000_000_000;
                    }
                    t + (rng.next() % 5) as i64 * jitter as i64
                })
                .collect();
            let mut out = Vec::new();
            encode_time(&v, &[], &mut out);
            (out.len(), 1024)
        })
    };
    let (ms, gaps, regular) = (times(1_000_000, false), times(0, true), times(0, false));
    assert!(ms < 5.0, "{ms}");
    assert!(gaps < 0.4, "{gaps}");
    assert!(regular < 0.15, "{regular}");
}

#[test]
fn equal_times_of_many_series_are_stored_once() {
    let list: Vec<i64> = (0..10).map(|i| 1_700_000_000_000_000_000 + i * i * 1_234_567).collect();
    let values: Vec<i64> = (0..100).flat_map(|_| list.iter().copied()).collect();
    let (mut once, mut all) = (Vec::new(), Vec::new());
    encode_time(&list, &[], &mut once);
    encode_time(&values, &[10; 100], &mut all);
    assert_eq!(all.len(), once.len() + 2);
}

#[test]
fn the_reserved_codec_is_unknown() {
    assert_eq!(
        decode_i64(&[15, 0, 0], 1, &[], &mut Vec::new()),
        Err(CodecError::UnknownCodec { id: 15, offset: 0 })
    );
    assert_eq!(
        decode_f64(&[15, 0, 0], 1, &[], &mut Vec::new()),
        Err(CodecError::UnknownCodec { id: 15, offset: 0 })
    );
}

#[test]
fn known_encodings_do_not_change() {
    let check = |bytes: &[u8], write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(out, bytes);
    };
    check(&[0, 14], &|o| encode_i64(&[7, 7, 7], &[], o));
    check(&[1, 10, 4], &|o| encode_i64(&[5, 7, 9], &[], o));
    check(&[2, 0, 3, 0b1010_1000, 0b1110], &|o| encode_i64(&[0, 5, 2, 7], &[], o));
    check(&[17, 9, 1, 2, 2], &|o| encode_time(&[1_000_000_000, 2_000_000_000, 3_000_000_000], &[], o));
    check(&[16, 0, 1, 2, 2], &|o| encode_time(&[1, 2, 1, 2], &[2, 2], o));
    check(&[6, 1, 0, 1, 30, 2], &|o| encode_f64(&[1.5, 1.6, 1.7], &[], &mut FloatHint::default(), o));
    check(&[0, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F], &|o| encode_f64(&[1.0], &[], &mut FloatHint::default(), o));
    check(&[10, 0b101], &|o| encode_bool(&[true, false, true], o));
    check(&[12, 2, b'o', b'k'], &|o| encode_strings(&["ok", "ok"], o));
}

/// Light encodings of some blocks, as a segment has them, and their dense form if there is one.
struct Dense {
    runs: Vec<Vec<u32>>,
    light: Vec<Vec<u8>>,
    column: Option<DenseColumn>,
}

fn dense_round_ints(blocks: &[Vec<i64>], runs: Vec<Vec<u32>>, times: bool) -> Dense {
    let light: Vec<Vec<u8>> = blocks
        .iter()
        .zip(&runs)
        .map(|(b, r)| {
            let mut out = Vec::new();
            if times {
                encode_time(b, r, &mut out)
            } else {
                encode_i64(b, r, &mut out)
            }
            out
        })
        .collect();
    let inputs: Vec<DenseBlock<'_>> = (0..blocks.len())
        .map(|i| DenseBlock {
            numbers: if times {
                DenseNumbers::Times(&blocks[i])
            } else {
                DenseNumbers::Integers((&blocks[i][..]).into())
            },
            runs: &runs[i],
            light: &light[i],
        })
        .collect();
    let column = DenseColumn::encode(&inputs);
    if let Some(column) = &column {
        let mut reader = DenseReader::new(&column.head).unwrap();
        // Any order will do.
        for i in (0..blocks.len()).rev().chain(0..blocks.len()) {
            let Some(place) = column.blocks[i].clone() else { continue };
            let mut bytes = column.bytes[place].to_vec();
            assert!(is_dense(&bytes) && bytes.len() < light[i].len());
            let len = bytes.len();
            bytes.extend_from_slice(&[7; 3]);
            let mut back = vec![1];
            let used = if times {
                reader.times(&bytes, blocks[i].len(), &runs[i], &mut back)
            } else {
                let mut unsigned = Vec::new();
                let used = reader.unsigned(&bytes, blocks[i].len(), &runs[i], &mut unsigned);
                assert!(unsigned.iter().map(|&v| v as i64).eq(blocks[i].iter().copied()));
                assert_eq!(reader.integers(&bytes, blocks[i].len(), &runs[i], &mut back), used);
                used
            };
            assert_eq!(used, Ok(len));
            assert_eq!(back[1..], blocks[i]);
        }
    }
    Dense { runs, light, column }
}

fn dense_round_floats(blocks: &[Vec<f64>], runs: Vec<Vec<u32>>) -> Dense {
    let mut hint = FloatHint::default();
    let light: Vec<Vec<u8>> = blocks
        .iter()
        .zip(&runs)
        .map(|(b, r)| {
            let mut out = Vec::new();
            encode_f64(b, r, &mut hint, &mut out);
            out
        })
        .collect();
    let inputs: Vec<DenseBlock<'_>> = (0..blocks.len())
        .map(|i| DenseBlock {
            numbers: DenseNumbers::Floats((&blocks[i][..]).into()),
            runs: &runs[i],
            light: &light[i],
        })
        .collect();
    let column = DenseColumn::encode(&inputs);
    if let Some(column) = &column {
        let mut reader = DenseReader::new(&column.head).unwrap();
        for i in 0..blocks.len() {
            let Some(place) = column.blocks[i].clone() else { continue };
            let bytes = &column.bytes[place];
            let mut back = Vec::new();
            assert_eq!(reader.floats(bytes, blocks[i].len(), &runs[i], &mut back), Ok(bytes.len()));
            assert!(back.iter().map(|v| v.to_bits()).eq(blocks[i].iter().map(|v| v.to_bits())));
        }
    }
    Dense { runs, light, column }
}

impl Dense {
    fn bits(&self) -> (f64, f64) {
        let column = self.column.as_ref().expect("smaller");
        let n: u32 = self.runs.iter().flatten().sum();
        let light: usize = self.light.iter().map(Vec::len).sum();
        let kept = self.light.iter().zip(&column.blocks).filter(|b| b.1.is_none()).map(|b| b.0.len());
        let dense = kept.sum::<usize>() + column.bytes.len() + column.head.len();
        (8.0 * dense as f64 / f64::from(n), 8.0 * light as f64 / f64::from(n))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn dense_integers_and_times_come_back(
        blocks in proptest::collection::vec((any_ints(), proptest::collection::vec(0u32..20, 0..20)), 1..6),
        times in any::<bool>(),
    ) {
        let runs = blocks.iter().map(|(b, lens)| runs_for(b.len(), lens)).collect();
        let blocks: Vec<Vec<i64>> = blocks.into_iter().map(|b| b.0).collect();
        dense_round_ints(&blocks, runs, times);
    }

    #[test]
    fn dense_floats_come_back(
        blocks in proptest::collection::vec((any_floats(), proptest::collection::vec(0u32..20, 0..20)), 1..6),
    ) {
        let runs = blocks.iter().map(|(b, lens)| runs_for(b.len(), lens)).collect();
        let blocks: Vec<Vec<f64>> = blocks.into_iter().map(|b| b.0).collect();
        dense_round_floats(&blocks, runs);
    }

    #[test]
    fn dense_readers_never_panic(
        seed in 1u64..1_000_000, flips in proptest::collection::vec((any::<u16>(), 1u8..), 1..6),
        head_only in any::<bool>(), junk in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..40,
    ) {
        let mut rng = Rng(seed);
        let blocks: Vec<Vec<i64>> = (0..3).map(|_| rng.walk(300).iter().map(|x| *x as i64).collect()).collect();
        let round = dense_round_ints(&blocks, vec![vec![300]; 3], false);
        let _ = DenseReader::new(&junk);
        if let Some(column) = round.column {
            let (mut head, mut bytes) = (column.head.clone(), column.bytes.clone());
            for (at, mask) in flips {
                let part = if head_only { &mut head } else { &mut bytes };
                let at = usize::from(at) % part.len();
                part[at] ^= mask;
            }
            if let Ok(mut reader) = DenseReader::new(&head) {
                for place in column.blocks.iter().flatten() {
                    let bytes = &bytes[place.clone()];
                    let bytes = &bytes[..bytes.len().saturating_sub(cut)];
                    let mut ints = vec![5];
                    if reader.integers(bytes, 300, &[300], &mut ints).is_err() {
                        prop_assert_eq!(&ints, &[5]);
                    }
                    let mut floats = vec![5.0];
                    if reader.floats(bytes, 300, &[300], &mut floats).is_err() {
                        prop_assert_eq!(&floats, &[5.0]);
                    }
                    let _ = reader.times(bytes, 17, &[10, 7], &mut ints);
                    let mut whole = vec![15];
                    whole.extend_from_slice(&junk);
                    let _ = reader.integers(&whole, junk.len(), &[], &mut ints);
                }
            }
        }
    }
}

#[test]
fn dense_sizes_are_those_the_format_is_chosen_for() {
    let mut rng = Rng(99);
    let walks: Vec<Vec<f64>> = (0..100).map(|_| rng.walk(1_024)).collect();
    let runs = vec![vec![1_024]; 100];
    let ints: Vec<Vec<i64>> = walks.iter().map(|w| w.iter().map(|x| *x as i64).collect()).collect();
    let (dense, light) = dense_round_ints(&ints, runs.clone(), false).bits();
    assert!(dense < 2.5 && light > 2.9, "integers: {dense} {light}");
    let decimals: Vec<Vec<f64>> =
        walks.iter().map(|w| w.iter().map(|x| (x * 100.0).round() / 100.0).collect()).collect();
    let (dense, light) = dense_round_floats(&decimals, runs.clone()).bits();
    assert!(dense < 9.2 && light > 9.5, "two decimals: {dense} {light}");
    let times: Vec<Vec<i64>> = (0..100)
        .map(|_| {
            (0..1_024)
                .map(|i| (1_700_000_000_000 + i * 10_000 + (rng.normal() * 20.0) as i64) * 1_000_000)
                .collect()
        })
        .collect();
    let (dense, light) = dense_round_ints(&times, runs, true).bits();
    assert!(dense < 7.5 && light > dense * 1.09, "jittered times: {dense} {light}");
    // Noise of full mantissas stays as it is.
    let noise: Vec<Vec<f64>> = (0..20).map(|_| (0..1_024).map(|_| rng.unit()).collect()).collect();
    assert!(dense_round_floats(&noise, vec![vec![1_024]; 20]).column.is_none());
}
