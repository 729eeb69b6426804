//! No bytes in a log file or in a record make the reader panic, and what it accepts lies inside the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wal::{decode_record, forge_file, inspect_file};

fuzz_target!(|bytes: &[u8]| {
    let [how, kind, flags, points, rest @ ..] = bytes else { return };
    match how % 3 {
        0 => {
            let _ = decode_record(kind % 6, flags % 2, u32::from(*points), rest);
        }
        1 => {
            let _ = inspect_file(rest, None);
        }
        _ => {
            // Checksums are made right, so that everything behind them is reached.
            let file = forge_file(rest);
            let end = (flags % 2 == 1).then_some(u32::from(*points) << 10);
            if let Some(report) = inspect_file(&file, end) {
                assert!(end.is_some() || u64::from(report.end) <= (file.len() as u64).next_multiple_of(4096));
            }
        }
    }
});
