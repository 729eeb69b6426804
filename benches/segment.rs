//! Size and speed of whole segments: bytes per value, and nanoseconds of thread time per value for writing, for reading
//! everything in order, and for one column of all series; time per look-up for one short read.
//!
//! `cargo bench --bench segment`. The data: a TSBS-like walk in ten fields per series at regular times, in memory.

#![allow(clippy::expect_used, missing_docs, reason = "a bench: a failure may end it")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use weir_model::read::Validity;
use weir_segment::{
    STRIPE_POINTS_MAX, Segment, SegmentFacts, SegmentWriter, SeriesPoints, SeriesScan, StripeColumn,
    StripeCursor, StripeInput, StripeValues,
};

const FIELDS: usize = 10;

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

    fn walk(&mut self, n: usize, run: usize, scale: f64) -> Vec<f64> {
        let mut x = 0.0f64;
        (0..n)
            .map(|i| {
                if i % run == 0 {
                    x = self.unit() * 100.0;
                }
                let step = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
                x = (x + step).clamp(0.0, 100.0);
                (x * scale).trunc() / scale
            })
            .collect()
    }
}

/// CPU time of this thread: other work on the machine does not count.
fn thread_time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn median_ns(values: usize, mut pass: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = thread_time();
            pass();
            (thread_time() - start).as_nanos() as f64 / values as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn measure(name: &str, series: usize, points: usize, scale: f64) {
    let mut rng = Rng(88_172_645_463_325_252);
    let per_stripe = STRIPE_POINTS_MAX / points;
    let stripes = series.div_ceil(per_stripe);
    let n = per_stripe * points;
    let list: Vec<(u64, u32)> = (0..per_stripe as u64).map(|i| (i, points as u32)).collect();
    let times: Vec<i64> =
        (0..n).map(|i| 1_700_000_000_000_000_000 + (i % points) as i64 * 10_000_000_000).collect();
    let columns: Vec<Vec<f64>> = (0..FIELDS).map(|_| rng.walk(n, points, scale)).collect();
    let columns: Vec<StripeColumn<'_>> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| StripeColumn { field: i as u32, values: StripeValues::Float(c), valid: &Validity::All })
        .collect();
    let stripe = StripeInput {
        measurement: 1,
        series: &list,
        times: &times,
        columns: &columns,
        first_key: b"cpu,host=host_0",
        last_key: b"cpu,host=host_0",
    };
    let values = stripes * n * FIELDS;
    let mut bytes = Vec::new();
    let write = median_ns(values, || {
        let mut writer = SegmentWriter::new(Vec::new(), SegmentFacts::default()).expect("in memory");
        for _ in 0..stripes {
            writer.push(black_box(&stripe)).expect("in memory");
        }
        bytes = writer.finish().expect("in memory").0;
    });
    let size = bytes.len() as f64 / values as f64;
    let segment = Arc::new(Segment::open(Arc::new(bytes)).expect("just written"));
    let all = median_ns(values, || {
        let mut scan = SeriesScan::new(Arc::clone(&segment));
        let mut points = SeriesPoints::default();
        while scan.next(&mut points).expect("just written") {
            black_box(&points);
        }
    });
    let column = median_ns(values / FIELDS, || {
        for stripe in 0..stripes {
            let mut cursor = StripeCursor::new(Arc::clone(&segment), stripe, &[3]).expect("just written");
            for block in 0..cursor.directory().blocks() {
                black_box(cursor.times(block).expect("just written"));
                black_box(cursor.column(0, block).expect("just written"));
            }
        }
    });
    let one = median_ns(100, || {
        for i in 0..100 {
            let mut cursor = StripeCursor::new(Arc::clone(&segment), 0, &[3]).expect("just written");
            let series = cursor.directory().find(i * 7 % per_stripe as u64).expect("just written");
            let directory = Arc::clone(cursor.directory());
            let piece = directory.pieces(series).next().expect("just written");
            black_box(cursor.times(piece.block).expect("just written"));
            black_box(cursor.column(0, piece.block).expect("just written"));
        }
    });
    println!(
        "{name:<40} {size:>6.3} B  write {write:>5.2} ns  read all {all:>5.2} ns  one column {column:>5.2} ns  one block {one:>6.0} ns"
    );
}

fn main() {
    measure("whole numbers, 1,000 series x 1,000", 1_000, 1_000, 1.0);
    measure("whole numbers, 4,000 series x 180", 4_000, 180, 1.0);
    measure("whole numbers, 100,000 series x 10", 100_000, 10, 1.0);
    measure("two decimals, 4,000 series x 180", 4_000, 180, 100.0);
    measure("full mantissas, 4,000 series x 180", 4_000, 180, 1e13);
}
