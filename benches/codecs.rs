//! Size and speed of the column codecs on generated columns: bits per value, and nanoseconds of thread time per value for
//! encoding and decoding blocks of 1,024 (median of 5 passes).
//!
//! `cargo bench --bench codecs`. The data: a TSBS-like walk (normal steps, kept between 0 and 100) as integers, two
//! decimals and full mantissas, a counter, jittered times.

#![allow(clippy::expect_used, missing_docs, reason = "a bench: a failure may end it")]

use std::hint::black_box;
use std::time::Duration;

use weir_codec::{
    DenseBlock, DenseColumn, DenseNumbers, DenseReader, FloatHint, decode_f64, decode_i64, decode_time,
    encode_f64, encode_i64, encode_time,
};

const BLOCK: usize = 1_020;
const BLOCKS: usize = 400;

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

    fn walk(&mut self, n: usize, run: usize) -> Vec<f64> {
        let mut x = 0.0f64;
        (0..n)
            .map(|i| {
                if i % run == 0 {
                    x = self.unit() * 100.0;
                }
                let step = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
                x = (x + step).clamp(0.0, 100.0);
                x
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

fn measure<T: Copy>(
    name: &str,
    column: &[T],
    run: usize,
    encode: impl Fn(&[T], &[u32], &mut FloatHint, &mut Vec<u8>),
    decode: impl Fn(&[u8], usize, &[u32], &mut Vec<T>),
) {
    let runs = vec![run as u32; BLOCK / run];
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    let encode_ns = median_ns(column.len(), || {
        let mut hint = FloatHint::default();
        bytes.clear();
        starts.clear();
        for block in column.chunks(BLOCK) {
            starts.push(bytes.len());
            encode(black_box(block), &runs, &mut hint, &mut bytes);
        }
    });
    let mut back = Vec::new();
    let decode_ns = median_ns(column.len(), || {
        for &start in &starts {
            back.clear();
            decode(black_box(&bytes[start..]), BLOCK, &runs, &mut back);
            black_box(&back);
        }
    });
    let bits = 8.0 * bytes.len() as f64 / column.len() as f64;
    println!("{name:<34} {bits:>7.3} bits  encode {encode_ns:>6.2} ns  decode {decode_ns:>6.2} ns");
}

fn ints(name: &str, column: &[i64], run: usize) {
    measure(
        name,
        column,
        run,
        |v, r, _, o| encode_i64(v, r, o),
        |b, n, r, o| {
            black_box(decode_i64(b, n, r, o).is_ok());
        },
    );
}

fn times(name: &str, column: &[i64], run: usize) {
    measure(
        name,
        column,
        run,
        |v, r, _, o| encode_time(v, r, o),
        |b, n, r, o| {
            black_box(decode_time(b, n, r, o).is_ok());
        },
    );
}

fn floats(name: &str, column: &[f64], run: usize) {
    measure(name, column, run, encode_f64, |b, n, r, o| {
        black_box(decode_f64(b, n, r, o).is_ok());
    });
}

/// Dense form of a column of at most 131,072 numbers, as compaction writes it; encoding includes the light one it is compared with.
fn dense(name: &str, column: &[i64], decimals: bool) {
    let column = &column[..column.len().min(128 * BLOCK)];
    let floats: Vec<f64> = column.iter().map(|&v| v as f64 / 100.0).collect();
    let runs = [BLOCK as u32];
    let mut made = None;
    let encode_ns = median_ns(column.len(), || {
        let mut hint = FloatHint::default();
        let light: Vec<Vec<u8>> = column
            .chunks(BLOCK)
            .zip(floats.chunks(BLOCK))
            .map(|(ints, floats)| {
                let mut out = Vec::new();
                if decimals {
                    encode_f64(floats, &runs, &mut hint, &mut out);
                } else {
                    encode_i64(ints, &runs, &mut out);
                }
                out
            })
            .collect();
        let blocks: Vec<DenseBlock<'_>> = (0..light.len())
            .map(|i| DenseBlock {
                numbers: if decimals {
                    DenseNumbers::Floats((&floats[i * BLOCK..(i + 1) * BLOCK]).into())
                } else {
                    DenseNumbers::Integers((&column[i * BLOCK..(i + 1) * BLOCK]).into())
                },
                runs: &runs,
                light: &light[i],
            })
            .collect();
        made = DenseColumn::encode(black_box(&blocks));
    });
    let made = made.expect("smaller");
    let (mut ints_back, mut floats_back) = (Vec::new(), Vec::new());
    let decode_ns = median_ns(column.len(), || {
        let mut reader = DenseReader::new(&made.head).expect("just written");
        for place in made.blocks.iter().flatten() {
            let bytes = black_box(&made.bytes[place.clone()]);
            ints_back.clear();
            floats_back.clear();
            let read = if decimals {
                reader.floats(bytes, BLOCK, &runs, &mut floats_back)
            } else {
                reader.integers(bytes, BLOCK, &runs, &mut ints_back)
            };
            black_box(read.is_ok());
        }
    });
    let bits = 8.0 * (made.head.len() + made.bytes.len()) as f64 / column.len() as f64;
    println!("{name:<34} {bits:>7.3} bits  encode {encode_ns:>6.2} ns  decode {decode_ns:>6.2} ns");
}

fn main() {
    let mut rng = Rng(88_172_645_463_325_252);
    let n = BLOCK * BLOCKS;
    for run in [BLOCK, 102, 10, 5, 2] {
        let walk: Vec<i64> = rng.walk(n, run).iter().map(|&x| x as i64).collect();
        ints(&format!("walk of integers, runs of {run}"), &walk, run);
    }
    for run in [BLOCK, 10] {
        let walk: Vec<f64> = rng.walk(n, run).iter().map(|&x| (x * 100.0).round() / 100.0).collect();
        floats(&format!("walk of two decimals, runs of {run}"), &walk, run);
    }
    let walk = rng.walk(n, BLOCK);
    dense("dense: walk of integers", &walk.iter().map(|&x| x as i64).collect::<Vec<_>>(), false);
    dense(
        "dense: walk of two decimals",
        &walk.iter().map(|&x| (x * 100.0).round() as i64).collect::<Vec<_>>(),
        true,
    );
    let whole: Vec<f64> = rng.walk(n, BLOCK).iter().map(|&x| x.trunc()).collect();
    floats("walk of whole floats", &whole, BLOCK);
    floats("walk of full mantissas", &rng.walk(n, BLOCK), BLOCK);
    let ratios: Vec<f64> = (0..n).map(|_| 100.0 * (rng.next() % 90) as f64 / 997.0).collect();
    floats("ratios of few integers", &ratios, BLOCK);
    let mut total = 0;
    let counter: Vec<i64> = (0..n)
        .map(|_| {
            total += if rng.unit() < 0.1 { 0 } else { 1_100 + (rng.next() % 800) as i64 };
            total
        })
        .collect();
    ints("counter", &counter, BLOCK);
    for (name, jitter, unit) in [
        ("times, regular", 1, 1),
        ("times, jitter of 2 ms in ns", 4_000_000, 1),
        ("times, jitter in whole ms", 5, 1_000_000),
    ] {
        let column: Vec<i64> = (0..n as i64)
            .map(|i| 1_700_000_000_000_000_000 + i * 10_000_000_000 + (rng.next() % jitter * unit) as i64)
            .collect();
        times(name, &column, BLOCK);
    }
    let list: Vec<i64> =
        (0..10).map(|i| 1_700_000_000_000_000_000 + i * 10_000_000_000 + i * i % 7).collect();
    times("times, equal in runs of 10", &list.repeat(n / 10), 10);
}
