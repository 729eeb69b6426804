//! Any bytes decode to exactly the asked number of values or fail; what is decoded encodes and decodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_codec::{
    DenseReader, FloatHint, decode_bool, decode_f64, decode_i64, decode_strings, decode_time, encode_bool,
    encode_f64, encode_i64, encode_strings, encode_time,
};
use weir_model::read::Strings;

fuzz_target!(|input: (u8, Vec<u8>, &[u8])| {
    let (kind, lens, bytes) = input;
    let runs: Vec<u32> = lens.iter().map(|&l| u32::from(l)).collect();
    let n: usize = lens.iter().map(|&l| usize::from(l)).sum();
    let mut out = Vec::new();
    match kind % 6 {
        0 => {
            let (mut values, mut again) = (Vec::new(), Vec::new());
            if decode_i64(bytes, n, &runs, &mut values).is_ok() {
                assert_eq!(values.len(), n);
                encode_i64(&values, &runs, &mut out);
                assert_eq!(decode_i64(&out, n, &runs, &mut again), Ok(out.len()));
                assert_eq!(values, again);
            }
        }
        1 => {
            let (mut values, mut again) = (Vec::new(), Vec::new());
            if decode_time(bytes, n, &runs, &mut values).is_ok() {
                assert_eq!(values.len(), n);
                encode_time(&values, &runs, &mut out);
                assert_eq!(decode_time(&out, n, &runs, &mut again), Ok(out.len()));
                assert_eq!(values, again);
            }
        }
        2 => {
            let (mut values, mut again) = (Vec::new(), Vec::new());
            if decode_f64(bytes, n, &runs, &mut values).is_ok() {
                assert_eq!(values.len(), n);
                encode_f64(&values, &runs, &mut FloatHint::default(), &mut out);
                assert_eq!(decode_f64(&out, n, &runs, &mut again), Ok(out.len()));
                assert!(values.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
        4 => {
            // A head, then a block of the column.
            let (head, block) = bytes.split_at(bytes.len().min(usize::from(kind)));
            if let Ok(mut reader) = DenseReader::new(head) {
                let (mut integers, mut floats) = (Vec::new(), Vec::new());
                if reader.integers(block, n, &runs, &mut integers).is_ok() {
                    assert_eq!(integers.len(), n);
                }
                integers.clear();
                if reader.times(block, n, &runs, &mut integers).is_ok() {
                    assert_eq!(integers.len(), n);
                }
                if reader.floats(block, n, &runs, &mut floats).is_ok() {
                    assert_eq!(floats.len(), n);
                }
            }
        }
        3 => {
            let (mut values, mut again) = (Vec::new(), Vec::new());
            if decode_bool(bytes, n, &mut values).is_ok() {
                assert_eq!(values.len(), n);
                encode_bool(&values, &mut out);
                assert_eq!(decode_bool(&out, n, &mut again), Ok(out.len()));
                assert_eq!(values, again);
            }
        }
        _ => {
            let (mut values, mut again) = (Strings::new(), Strings::new());
            if decode_strings(bytes, n, &mut values).is_ok() {
                assert_eq!(values.len(), n);
                encode_strings(&values.iter().collect::<Vec<_>>(), &mut out);
                assert_eq!(decode_strings(&out, n, &mut again), Ok(out.len()));
                assert_eq!(values, again);
            }
        }
    }
});
