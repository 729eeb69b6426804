//! CPU per value from parsed field to durable and sealed: `cargo bench -p weir-store --bench ingest`.
//!
//! Drives the sink as a parser would (keys and values prepared beforehand) on the real disk, in a temporary directory. Prints ns of
//! CPU per value of the whole process: first the writing thread alone up to the finished batch, then everything including log,
//! publication, seal and flush. At last everything is compacted, and that is measured by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measuring tool")]

use std::sync::Arc;
use std::time::Instant;

use weir_fs::DiskFs;
use weir_model::sink::Slot;
use weir_model::{Decimal, PointSink, SeriesKey, SystemClock};
use weir_store::{Store, StoreOptions, Target, block_on};

const LINES: usize = 5_000;

struct Scenario {
    name: &'static str,
    series: usize,
    fields: usize,
    decimals: bool,
    values: usize,
}

/// CPU of the process (all threads) and of this thread, ns.
fn cpu() -> (u64, u64) {
    let schedstat = |path: &str| -> u64 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let all = tasks.map(|t| schedstat(&format!("{}/schedstat", t.unwrap().path().display()))).sum();
    (all, schedstat("/proc/thread-self/schedstat"))
}

/// CPU of each thread by name, ns.
fn threads() -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut found: Vec<(String, u64)> = tasks
        .map(|task| {
            let path = task.unwrap().path();
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default().trim().to_owned();
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            (name, text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
        })
        .collect();
    found.sort();
    found
}

fn main() {
    let only = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    for scenario in [
        Scenario {
            name: "4,000 series x 10 ints",
            series: 4_000,
            fields: 10,
            decimals: false,
            values: 40_000_000,
        },
        Scenario {
            name: "4,000 series x 10 decimals",
            series: 4_000,
            fields: 10,
            decimals: true,
            values: 40_000_000,
        },
        Scenario {
            name: "100 series x 10 ints",
            series: 100,
            fields: 10,
            decimals: false,
            values: 40_000_000,
        },
        Scenario {
            name: "100,000 series x 1 int",
            series: 100_000,
            fields: 1,
            decimals: false,
            values: 4_000_000,
        },
    ] {
        if only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str())) {
            run(&scenario);
        }
    }
}

fn run(scenario: &Scenario) {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path().join("data"));
    let store = Store::open(options, Arc::new(DiskFs::new()), Arc::new(SystemClock::new())).unwrap();
    let target = Target { database: "bench".into(), policy: None, create_database: true, source: 0 };
    let tags =
        ",arch=x86,datacenter=eu-central-1a,os=Ubuntu16.10,rack=7,region=eu-central-1,service=9,team=SF";
    let keys: Vec<String> = (0..scenario.series).map(|i| format!("cpu{tags},zhost=host_{i}")).collect();
    let names: Vec<String> = (0..scenario.fields).map(|i| format!("usage_field_{i}")).collect();
    let mut writer = store.writer();
    let rows = scenario.values / scenario.fields;
    let mut state = 1u64;
    let mut slots: Vec<Slot> = Vec::new();
    let mut values: Vec<i64> = vec![50; scenario.series * scenario.fields];
    let start = Instant::now();
    let (all_before, _) = cpu();
    let mut build = 0;
    let mut commit = 0;
    let mut generate = 0;
    let mut batch = vec![0i64; LINES * scenario.fields];
    let mut row = 0;
    while row < rows {
        let before = cpu().1;
        for (i, slot) in batch.iter_mut().enumerate() {
            let series = (row + i / scenario.fields) % scenario.series;
            let value = &mut values[series * scenario.fields + i % scenario.fields];
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *value = (*value + (state >> 40) as i64 % 3 - 1).clamp(0, 10_000);
            *slot = *value;
        }
        let mut mark = cpu().1;
        generate += mark - before;
        block_on(writer.begin(&target)).unwrap();
        for (i, fields) in batch.chunks_exact(scenario.fields).enumerate() {
            let at = row + i;
            let key = &keys[at % scenario.series];
            let sink = writer.sink();
            if sink.key(key.as_bytes()).is_none() {
                let (measurement, tags) = SeriesKey::from_canonical(key.as_str()).parts();
                let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                sink.define(key.as_bytes(), &measurement, &tags).unwrap();
            }
            if slots.is_empty() {
                slots = names.iter().map(|name| sink.slot(name)).collect();
            }
            for (&slot, &value) in slots.iter().zip(fields) {
                if scenario.decimals {
                    sink.float(slot, value as f64 / 100.0, Some(Decimal { mantissa: value, scale: 2 }));
                } else {
                    sink.integer(slot, value);
                }
            }
            let time = 1_700_000_000_000_000_000 + (at / scenario.series) as i64 * 10_000_000_000;
            sink.end(time).unwrap();
            if writer.wants_commit() {
                let built = cpu().1;
                block_on(writer.commit()).unwrap();
                block_on(writer.begin(&target)).unwrap();
                let committed = cpu().1;
                build += built - mark;
                commit += committed - built;
                mark = committed;
            }
        }
        let built = cpu().1;
        block_on(writer.commit()).unwrap();
        build += built - mark;
        commit += cpu().1 - built;
        row += LINES;
    }
    let n = (row * scenario.fields) as f64;
    let durable = cpu().0 - all_before - generate;
    let wall = start.elapsed();
    store.flush().unwrap();
    let flushed = cpu().0 - all_before - generate;
    let stats = store.stats();
    let started = Instant::now();
    store.compact(std::time::Duration::from_secs(600)).unwrap();
    let compacted = cpu().0 - all_before - generate - flushed;
    let (took, dense) = (started.elapsed(), store.stats());
    println!(
        "{:28} build {:5.1}  encode and wait {:5.1}  durable (sealing beside) {:5.1}  flushed {:5.1} ns/value; {:.1} M values/s; {:.3} B/value",
        scenario.name,
        build as f64 / n,
        commit as f64 / n,
        durable as f64 / n,
        flushed as f64 / n,
        n / wall.as_secs_f64() / 1e6,
        stats.segment_bytes as f64 / n,
    );
    println!(
        "    compaction {:5.1} ns/value, {:.1} M values/s; {:.3} B/value in {} files, {} before",
        compacted as f64 / n,
        n / took.as_secs_f64() / 1e6,
        dense.segment_bytes as f64 / n,
        dense.segments,
        stats.segments,
    );
    for (name, ns) in threads() {
        println!("    {name:12} {:6.1} ns/value", ns as f64 / n);
    }
    store.shutdown(std::time::Duration::from_secs(30));
}
