//! No bytes make the reader of segments panic, whatever stands behind right checksums.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use weir_model::read::Validity;
use weir_segment::{
    Segment, SegmentFacts, SegmentWriter, SeriesPoints, SeriesScan, StripeColumn, StripeInput, StripeValues,
    forge_checksums,
};

/// Small segments with long and short series, nulls, floats, integers and booleans: light, and longer and dense.
static SAMPLES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [sample(100, false), sample(900, true)]);

fn sample(long: u32, dense: bool) -> Vec<u8> {
    let times: Vec<i64> =
        (0..i64::from(long)).map(|i| i * 1_000 + i * i % 7).chain(0..5).chain(3..20).collect();
    let n = times.len();
    let floats: Vec<f64> = (0..n).map(|i| (i * i % 1_000) as f64 / 10.0).collect();
    let integers: Vec<i64> = (0..n as i64).map(|i| i * 7 % 13).collect();
    let flags: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
    let some = Validity::Bits([0x00FF_00FF_F0F0_1234, 0xFFFF_FFFF].repeat(n.div_ceil(128)));
    let columns = [
        StripeColumn { field: 1, values: StripeValues::Float(&floats), valid: &Validity::All },
        StripeColumn { field: 2, values: StripeValues::Integer(&integers), valid: &some },
        StripeColumn { field: 9, values: StripeValues::Boolean(&flags), valid: &some },
    ];
    let stripe = StripeInput {
        measurement: 1,
        series: &[(10, long), (5, 5), (77, 17)],
        times: &times,
        columns: &columns,
        first_key: b"m,h=1",
        last_key: b"m,h=3",
    };
    let written = SegmentWriter::new(Vec::new(), SegmentFacts::default())
        .map(|writer| writer.dense(dense))
        .and_then(|mut writer| writer.push(&stripe).and_then(|()| writer.finish()));
    written.map(|w| w.0).unwrap_or_default()
}

fuzz_target!(|input: (u8, Vec<(u16, u8)>, &[u8])| {
    let (choice, changes, raw) = input;
    let mut bytes = SAMPLES.get(usize::from(choice % 3)).cloned().unwrap_or_else(|| raw.to_vec());
    for (at, byte) in changes {
        if let Some(slot) = bytes.get_mut(at as usize) {
            *slot = byte;
        }
    }
    forge_checksums(&mut bytes);
    let Ok(segment) = Segment::open(Arc::new(bytes)) else { return };
    let segment = Arc::new(segment);
    let _ = segment.verify();
    let mut scan = SeriesScan::new(segment);
    let mut points = SeriesPoints::default();
    while scan.next(&mut points).unwrap_or(false) {}
});
