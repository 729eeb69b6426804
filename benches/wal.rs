//! The log: bytes and nanoseconds per value to encode and to decode batches, then append + sync on the disk below `target/` (or
//! `$WEIR_BENCH_DIR`), by group size.
//!
//! `cargo bench --bench wal`. CPU figures are thread time, median of 5 passes; sync figures are wall time of a disk that others may use
//! too, so look at p50. The data: 10 integer fields (a walk from 0 to 100) or two-decimal floats of 100 hosts every 10 s.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_fs::{DiskFs, Fs};
use weir_model::SystemClock;
use weir_model::read::{Validity, Values};
use weir_wal::{
    ColumnView, Floor, Group, LaneLog, LaneSlots, LaneStart, Log, PointsView, Record, SyncMode, WalOptions,
};

const HOSTS: usize = 100;
const FIELDS: usize = 10;
const STORE: [u8; 16] = [7; 16];

/// CPU time of this thread: other work on the machine does not count.
fn thread_time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

struct Batch {
    series: Vec<u64>,
    times: Vec<i64>,
    columns: Vec<Values>,
}

impl Batch {
    fn new(rows: usize, decimals: Option<f64>) -> Self {
        let mut seed = 88_172_645_463_325_252u64;
        let mut step = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as f64 / (1u64 << 53) as f64 * 4.0 - 2.0
        };
        let mut column = || {
            let mut state = vec![50.0f64; HOSTS];
            let walk: Vec<f64> = (0..rows)
                .map(|row| {
                    let x = &mut state[row % HOSTS];
                    *x = (*x + step()).clamp(0.0, 100.0);
                    *x
                })
                .collect();
            match decimals {
                None => Values::Integer(walk.iter().map(|&x| x as i64).collect()),
                Some(power) => Values::Float(walk.iter().map(|x| (x * power).round() / power).collect()),
            }
        };
        let columns = (0..FIELDS).map(|_| column()).collect();
        let series = (0..rows as u64).map(|row| 5_000_000 + row % HOSTS as u64).collect();
        let times =
            (0..rows).map(|row| 1_700_000_000_000_000_000 + (row / HOSTS) as i64 * 10_000_000_000).collect();
        Self { series, times, columns }
    }

    fn encode(&self, scale: Option<u8>, group: &mut Group) {
        let view = |(field, values)| ColumnView { field, values, valid: &Validity::All, scale };
        let columns: Vec<ColumnView<'_>> = (1..).zip(&self.columns).map(view).collect();
        group.clear();
        let points = PointsView {
            group: 1,
            measurement: 1,
            series: &self.series,
            times: &self.times,
            columns: &columns,
        };
        group.push_points(1, 0, &[points]);
    }
}

fn open(fs: &Arc<dyn Fs>, dir: &Path, sync: SyncMode) -> Result<LaneLog, Box<dyn Error>> {
    if fs.exists(dir)? {
        fs.remove_dir_all(dir)?;
    }
    let start = LaneStart::new(0, Floor::default());
    let slots = LaneSlots::open(Arc::clone(fs), dir, &start)?;
    let options = WalOptions { store_id: STORE, sync, salt_seed: 1 };
    Ok(LaneLog::open(slots, &start, Arc::new(SystemClock::new()), options))
}

fn coding(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), Box<dyn Error>> {
    for (name, decimals, scale) in [
        ("integers", None, None),
        ("two decimals", Some(100.0), Some(2)),
        ("full mantissas", Some(1e15), None),
    ] {
        for rows in [1usize, 10, 100, 5_000] {
            let batch = Batch::new(rows, decimals);
            let batches = (200_000 / FIELDS / rows).clamp(1, 4_000);
            let values = (batches * rows * FIELDS) as f64;
            let mut group = Group::new();
            let encode = median(|| {
                for _ in 0..batches {
                    batch.encode(scale, &mut group);
                    black_box(&group);
                }
                Ok(())
            })?;
            let mut log = open(fs, dir, SyncMode::None)?;
            for seq in 0..batches as u64 {
                log.append(seq, &mut group)?;
            }
            let found = Log::scan(Arc::clone(fs), dir, STORE, &[])?;
            let groups = found.groups().collect::<Result<Vec<_>, _>>()?;
            let decode = median(|| {
                for group in &groups {
                    for record in group.records() {
                        let Record::Points { points, .. } = record? else { continue };
                        black_box(points);
                    }
                }
                Ok(())
            })?;
            println!(
                "{name:<15} {rows:>5} rows  {:>6.2} B/value  encode {:>6.2} ns  decode {:>6.2} ns",
                group.len() as f64 / (rows * FIELDS) as f64,
                encode / values,
                decode / values
            );
        }
    }
    Ok(())
}

/// Thread time of one pass in nanoseconds, median of 5.
fn median(mut pass: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = thread_time();
        pass()?;
        times.push((thread_time() - start).as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[2])
}

fn syncing(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), Box<dyn Error>> {
    for kib in [4usize, 16, 64, 256, 1_024, 4_096] {
        let mut log = open(fs, dir, SyncMode::Commit)?;
        let mut group = Group::new();
        // 8 incompressible bytes a value, 10 values and two small columns a row.
        let rows = (kib * 1_024).saturating_sub(600) / 84;
        Batch::new(rows.max(8), Some(1e15)).encode(None, &mut group);
        let (mut walls, mut seq) = (Vec::new(), 0);
        let cpu = thread_time();
        for _ in 0..(16_384 / kib).clamp(20, 200) {
            if log.slots().needs_spare() {
                log.slots().prepare_spare()?;
            }
            seq += 1;
            let start = Instant::now();
            log.append(seq << 32, &mut group)?;
            walls.push(start.elapsed());
            // As after a flush: files go round.
            let file_no = log.slots().floor_file(seq);
            log.slots().release(Floor { generation: seq, file_no, ..Floor::default() })?;
        }
        let cpu = thread_time() - cpu;
        walls.sort_unstable();
        let n = walls.len();
        println!(
            "append + sync {:>5} KiB  p50 {:>8.1?}  p99 {:>8.1?}  {:>6.1} µs of CPU each, making files included",
            group.len() / 1_024,
            walls[n / 2],
            walls[n * 99 / 100],
            cpu.as_secs_f64() * 1e6 / n as f64
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::var_os("WEIR_BENCH_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let dir = root.join("wal-bench");
    let fs: Arc<dyn Fs> = Arc::new(DiskFs::new());
    coding(&fs, &dir)?;
    syncing(&fs, &dir)?;
    fs.remove_dir_all(&dir)?;
    Ok(())
}
