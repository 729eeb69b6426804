//! kill -9 at any moment: every acknowledged point is there afterwards, exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::{Options, Weir};

const ARGUMENTS: [&str; 4] = ["--dialect", "oss", "--no-auth", "--no-inputs"];
const WRITERS: usize = 4;
const LINES: u64 = 50;

#[test]
fn acknowledged_points_survive_kill_9_exactly_once() {
    let mut weir = Weir::start(&Options { arguments: &ARGUMENTS, ..Options::default() });
    weir.query("", "CREATE DATABASE d");
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..WRITERS).map(|_| AtomicU64::new(0)).collect());
    for round in 0..4_u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|w| {
                let (stop, acknowledged, address) =
                    (stop.clone(), acknowledged.clone(), weir.address.clone());
                std::thread::spawn(move || write_until_it_dies(w, &stop, &acknowledged[w], &address))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300 + 170 * round));
        stop.store(true, Ordering::SeqCst);
        weir = weir.crash_and_restart(&ARGUMENTS);
        writers.into_iter().for_each(|w| w.join().unwrap());
        for w in 0..WRITERS {
            check(&weir, w, acknowledged[w].load(Ordering::SeqCst));
        }
    }
}

/// Sends batches of consecutive numbers, each number its own time and value, and counts what was acknowledged.
fn write_until_it_dies(writer: usize, stop: &AtomicBool, acknowledged: &AtomicU64, address: &str) {
    let mut next = acknowledged.load(Ordering::SeqCst);
    while !stop.load(Ordering::SeqCst) {
        let body: String = (next..next + LINES).map(|n| format!("m,w={writer} v={n}i {n}\n")).collect();
        let sent = std::panic::catch_unwind(|| {
            crate::harness::send(address, "POST", "/write?db=d", &[], body.as_bytes())
        });
        match sent {
            Ok(reply) if reply.status == 204 => {
                next += LINES;
                acknowledged.store(next, Ordering::SeqCst);
            }
            // Killed meanwhile: the batch may or may not be there, and is sent again in the next round.
            _ => return,
        }
    }
}

fn check(weir: &Weir, writer: usize, acknowledged: u64) {
    let rows = weir.rows("db=d&epoch=ns", &format!("SELECT v FROM m WHERE w = '{writer}'"));
    let rows = rows.as_array().cloned().unwrap_or_default();
    assert!(
        rows.len() as u64 >= acknowledged,
        "writer {writer}: {} of {acknowledged} acknowledged",
        rows.len()
    );
    assert!(rows.len() as u64 <= acknowledged + LINES, "writer {writer}: more than was ever sent");
    for (n, row) in rows.iter().enumerate() {
        assert_eq!((row[0].as_u64(), row[1].as_u64()), (Some(n as u64), Some(n as u64)), "writer {writer}");
    }
}

#[test]
fn garbage_at_the_end_of_the_log_is_dropped() {
    let mut weir = Weir::start(&Options { arguments: &ARGUMENTS, ..Options::default() });
    weir.query("", "CREATE DATABASE d");
    let mut expected = 0;
    for round in 0..6_u64 {
        let lines: String = (0..20).map(|i| format!("m v={i} {}\n", round * 20 + i)).collect();
        weir.write_ok("db=d", &lines);
        expected += 20;
        tear(&weir, round);
        weir = weir.crash_and_restart(&ARGUMENTS);
        assert_eq!(weir.rows("db=d", "SELECT count(v) FROM m")[0][1], expected, "round {round}");
    }
}

/// Puts noise, zeros, or a piece of the file itself where the next group would go.
fn tear(weir: &Weir, round: u64) {
    let mut newest: Option<(std::time::SystemTime, std::path::PathBuf)> = None;
    for lane in std::fs::read_dir(weir.data.join("wal")).unwrap().flatten() {
        for file in std::fs::read_dir(lane.path()).unwrap().flatten() {
            let modified = file.metadata().unwrap().modified().unwrap();
            if newest.as_ref().is_none_or(|(t, _)| modified > *t) {
                newest = Some((modified, file.path()));
            }
        }
    }
    let path = newest.unwrap().1;
    let mut bytes = std::fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
    let at = if round.is_multiple_of(2) { used.next_multiple_of(4096) } else { used };
    let junk: Vec<u8> = match round % 3 {
        0 => (0..5_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
        1 => bytes[used.saturating_sub(3_000)..used].to_vec(),
        _ => vec![0; 700],
    };
    if bytes.len() < at + junk.len() {
        bytes.resize(at + junk.len(), 0);
    }
    bytes[at..at + junk.len()].copy_from_slice(&junk);
    std::fs::write(&path, bytes).unwrap();
}
