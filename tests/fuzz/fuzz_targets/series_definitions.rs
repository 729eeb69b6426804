//! Any bytes decode to definitions or fail; what is decoded encodes and decodes to itself, and an index takes it or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_index::{Definition, DefinitionsWriter, IndexLimits, SeriesIndex, decode_definitions};

fuzz_target!(|bytes: &[u8]| {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let mut writer = DefinitionsWriter::new();
    let index = SeriesIndex::new(IndexLimits::default());
    let _ = decode_definitions(bytes, |d| {
        first.push((d.id, d.measurement, d.key.to_owned()));
        writer.push(Definition { ..d });
        if let Ok(slot) = index.define_with_id(d.key, d.measurement, d.id) {
            assert_eq!(index.slot_of_id(d.id), Some(slot));
            assert!(index.canonical_key(slot).is_some_and(|key| key.as_str() == d.key));
        }
    });
    let result = decode_definitions(writer.bytes(), |d| again.push((d.id, d.measurement, d.key.to_owned())));
    assert!(result.is_ok());
    assert_eq!(first, again);
});
