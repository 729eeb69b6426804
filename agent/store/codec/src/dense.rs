//! Dense: entropy coding of numbers (pco), for data that will stay. A column of a stripe shares one *head*, which holds what was learnt about
//! the numbers; each block is a page that can be read alone with it.
//!
//! What is coded are deltas inside runs, deltas of deltas or the numbers themselves: of integers, of times over a power of ten, of the mantissas
//! of decimal floats. The choice is made once per column from a sample. Everything else stays with the light codecs, block by block, and so does the
//! whole column when that saves less than a twelfth.

use std::borrow::Cow;
use std::ops::Range;

use pco::wrapped::{ChunkDecompressor, FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, DeltaSpec, ModeSpec, PagingSpec};

use crate::decimal;
use crate::group;
use crate::int::{add_up, add_up_twice, count_runs, count_runs_of, each_run, runs_fit};
use crate::time::power_of_ten;
use crate::varint::get_u8;
use crate::{CodecError, VALUES_MAX, id};

/// Blocks of fewer numbers than this in a column are not worth a head.
const NUMBERS_MIN: usize = 256;
/// Effort of the entropy coder; more costs time and saves next to nothing here.
const LEVEL: usize = 8;
/// Numbers looked at when the order of deltas is chosen.
const SAMPLE: usize = 4_096;
/// Highest order of deltas.
const ORDER_MAX: u8 = 2;

/// The numbers of a block.
#[derive(Clone, Debug)]
pub enum DenseNumbers<'a> {
    /// Integers; unsigned ones as the same 64 bits.
    Integers(Cow<'a, [i64]>),
    /// Times.
    Times(&'a [i64]),
    /// Floats.
    Floats(Cow<'a, [f64]>),
}

/// A block that may become dense.
#[derive(Clone, Debug)]
pub struct DenseBlock<'a> {
    /// Its numbers, without nulls.
    pub numbers: DenseNumbers<'a>,
    /// Lengths of its runs, as for the light encoding.
    pub runs: &'a [u32],
    /// Its light encoding.
    pub light: &'a [u8],
}

/// A column in dense form.
#[derive(Debug)]
pub struct DenseColumn {
    /// What every block needs to be read.
    pub head: Vec<u8>,
    /// The blocks that became dense, back to back.
    pub bytes: Vec<u8>,
    /// For each block its place in `bytes`; `None` = its light encoding is to be kept.
    pub blocks: Vec<Option<Range<usize>>>,
}

/// A block on its way.
struct Part {
    block: usize,
    /// Codec id and what precedes the coded numbers.
    start: Vec<u8>,
    integers: Vec<i64>,
}

impl DenseColumn {
    /// Encodes the blocks of a column; `None` if the result would not be at least a twelfth smaller than the light encodings.
    #[must_use]
    pub fn encode(blocks: &[DenseBlock<'_>]) -> Option<Self> {
        let scale = usual_scale(blocks);
        let mut parts = Vec::new();
        let mut total = 0;
        for (block, input) in blocks.iter().enumerate() {
            if let Some((start, integers)) = input.integers(scale) {
                total += integers.len();
                parts.push(Part { block, start, integers });
            }
        }
        if total < NUMBERS_MIN {
            return None;
        }
        let order = choose_order(&parts, blocks, total);
        let (mut coded, mut pages) = (Vec::with_capacity(total), Vec::with_capacity(parts.len()));
        parts.retain_mut(|part| {
            let before = coded.len();
            let heads = deltas(&part.integers, blocks[part.block].runs, order, &mut coded);
            for list in heads.iter().take(usize::from(order)) {
                group::write(list, group::plan_plain(list), &mut part.start);
            }
            part.integers = Vec::new();
            let len = coded.len() - before;
            if len > 0 {
                pages.push(len);
            }
            len > 0
        });
        if coded.len() < NUMBERS_MIN {
            return None;
        }
        write(&parts, &coded, pages, order, blocks)
    }
}

/// Codes the numbers and keeps what has become smaller.
fn write(
    parts: &[Part],
    coded: &[i64],
    pages: Vec<usize>,
    order: u8,
    blocks: &[DenseBlock<'_>],
) -> Option<DenseColumn> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::NoOp)
        .with_paging_spec(PagingSpec::Exact(pages));
    let file = FileCompressor::default();
    let mut chunk = file.chunk_compressor::<i64>(coded, &config).ok()?;
    let mut head = file.write_header(vec![order]).ok()?;
    head = chunk.write_meta(head).ok()?;
    let mut bytes = Vec::new();
    let mut places = vec![None; blocks.len()];
    let (mut dense, mut light) = (head.len(), 0);
    for (page, part) in parts.iter().enumerate() {
        let before = bytes.len();
        bytes.extend_from_slice(&part.start);
        bytes = chunk.write_page(page, bytes).ok()?;
        let old = blocks[part.block].light.len();
        light += old;
        if bytes.len() - before < old {
            dense += bytes.len() - before;
            places[part.block] = Some(before..bytes.len());
        } else {
            dense += old;
            bytes.truncate(before);
        }
    }
    (dense * 12 <= light * 11).then_some(DenseColumn { head, bytes, blocks: places })
}

/// The scale that most blocks of short decimals have.
fn usual_scale(blocks: &[DenseBlock<'_>]) -> u8 {
    let mut counts = [0u32; 256];
    for block in blocks {
        if let [id::DECIMAL, scale, ..] = block.light {
            counts[usize::from(*scale)] += 1;
        }
    }
    let (scale, _) = counts.iter().enumerate().max_by_key(|(_, n)| **n).unwrap_or((0, &0));
    scale as u8
}

impl DenseBlock<'_> {
    /// The integers to be coded and what stands before them; `None` where the light encoding is hard to beat.
    fn integers(&self, scale: u8) -> Option<(Vec<u8>, Vec<i64>)> {
        let n = match &self.numbers {
            DenseNumbers::Integers(v) => v.len(),
            DenseNumbers::Times(v) => v.len(),
            DenseNumbers::Floats(v) => v.len(),
        };
        if n > VALUES_MAX || !runs_fit(self.runs, n) || self.light.len() <= n / 16 + 16 {
            return None;
        }
        let mut start = vec![id::DENSE];
        let integers = match &self.numbers {
            DenseNumbers::Integers(values) => values.to_vec(),
            DenseNumbers::Times(values) => {
                if self.light.first() == Some(&id::REPEATED) {
                    return None;
                }
                let exponent = power_of_ten(values);
                start.push(exponent);
                let factor = 10i64.pow(u32::from(exponent));
                values.iter().map(|v| v / factor).collect()
            }
            DenseNumbers::Floats(values) => {
                let [id::DECIMAL, own, ..] = self.light else { return None };
                let mut integers = Vec::new();
                let known = [scale, *own]
                    .into_iter()
                    .find_map(|s| decimal::convert(values, s, &mut integers).map(|e| (s, e)))?;
                decimal::write_exceptions(values, known, &mut integers, &mut start);
                integers
            }
        };
        Some((start, integers))
    }
}

/// Appends deltas of the given order inside the runs to `out`; the first value and first delta of each run come apart.
fn deltas(values: &[i64], runs: &[u32], order: u8, out: &mut Vec<i64>) -> [Vec<i64>; 2] {
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    for run in each_run(values, runs) {
        if order > 0 {
            firsts.push(run[0]);
        }
        match order {
            0 => out.extend_from_slice(run),
            1 => out.extend(run.windows(2).map(|w| w[1].wrapping_sub(w[0]))),
            _ => {
                if let [a, b, ..] = run {
                    seconds.push(b.wrapping_sub(*a));
                }
                let step = |w: &[i64]| w[2].wrapping_sub(w[1]).wrapping_sub(w[1].wrapping_sub(w[0]));
                out.extend(run.windows(3).map(step));
            }
        }
    }
    [firsts, seconds]
}

/// The order whose numbers lie closest together, in bits, over a sample of blocks.
fn choose_order(parts: &[Part], blocks: &[DenseBlock<'_>], total: usize) -> u8 {
    let every = total.div_ceil(SAMPLE).min(parts.len()).max(1);
    let mut best = (u64::MAX, 0);
    for order in 0..=ORDER_MAX {
        let (mut list, mut apart) = (Vec::new(), 0);
        for part in parts.iter().step_by(every) {
            let firsts = deltas(&part.integers, blocks[part.block].runs, order, &mut list);
            let lists = firsts.iter().take(usize::from(order));
            apart += lists.map(|l| group::plan_plain(l).bits as u64).sum::<u64>();
        }
        let bits = apart + spread_bits(&mut list);
        if bits < best.0 {
            best = (bits, order);
        }
    }
    best.1
}

/// Bits of the distances from the median, plus one each.
fn spread_bits(list: &mut [i64]) -> u64 {
    let middle = list.len() / 2;
    if list.is_empty() {
        return 0;
    }
    let (_, &mut median, _) = list.select_nth_unstable(middle);
    // Sixteenths of bits: whole ones would call many lists equal.
    let bits = |v: &i64| ((v.abs_diff(median) as f64 + 1.0).log2() * 16.0) as u64;
    list.iter().map(bits).sum::<u64>() / 16 + list.len() as u64
}

/// Whether an encoding is dense, so that it can be read only by the [`DenseReader`] of its column.
#[must_use]
pub fn is_dense(bytes: &[u8]) -> bool {
    bytes.first() == Some(&id::DENSE)
}

/// Reads the dense blocks of one column.
pub struct DenseReader {
    order: u8,
    chunk: ChunkDecompressor<i64>,
    scratch: DecompressorScratch,
    /// First values, first deltas, coded numbers of the block at hand.
    buffer: Vec<i64>,
    integers: Vec<i64>,
}

impl std::fmt::Debug for DenseReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DenseReader").field("order", &self.order).finish_non_exhaustive()
    }
}

impl DenseReader {
    /// Reads the head of a column.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn new(head: &[u8]) -> Result<Self, CodecError> {
        let bad = |what| CodecError::Corrupt { offset: 0, what };
        let (&order, rest) = head.split_first().ok_or(CodecError::Truncated { offset: 0 })?;
        if order > ORDER_MAX {
            return Err(bad("unknown order of deltas"));
        }
        let (file, rest) =
            FileDecompressor::new(rest).map_err(|_| bad("head of a dense column is damaged"))?;
        let (chunk, rest) =
            file.chunk_decompressor::<i64, _>(rest).map_err(|_| bad("head of a dense column is damaged"))?;
        if !rest.is_empty() {
            return Err(bad("bytes behind the head of a dense column"));
        }
        let (scratch, buffer, integers) = (DecompressorScratch::default(), Vec::new(), Vec::new());
        Ok(Self { order, chunk, scratch, buffer, integers })
    }

    /// Appends the `n` integers of a dense block; returns the bytes used.
    ///
    /// # Errors
    /// [`CodecError`]; `out` is as it was then.
    pub fn integers(
        &mut self,
        bytes: &[u8],
        n: usize,
        runs: &[u32],
        out: &mut Vec<i64>,
    ) -> Result<usize, CodecError> {
        let mut at = begin(bytes, n, runs)?;
        self.read(bytes, &mut at, n, runs, out)?;
        Ok(at)
    }

    /// As [`integers`](Self::integers), for unsigned ones.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn unsigned(
        &mut self,
        bytes: &[u8],
        n: usize,
        runs: &[u32],
        out: &mut Vec<u64>,
    ) -> Result<usize, CodecError> {
        let mut integers = std::mem::take(&mut self.integers);
        integers.clear();
        let used = self.integers(bytes, n, runs, &mut integers);
        if used.is_ok() {
            out.extend(integers.iter().map(|&v| v as u64));
        }
        self.integers = integers;
        used
    }

    /// As [`integers`](Self::integers), for times.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn times(
        &mut self,
        bytes: &[u8],
        n: usize,
        runs: &[u32],
        out: &mut Vec<i64>,
    ) -> Result<usize, CodecError> {
        let mut at = begin(bytes, n, runs)?;
        let offset = at;
        let factor = 10i64
            .checked_pow(u32::from(get_u8(bytes, &mut at)?))
            .ok_or(CodecError::Corrupt { offset, what: "power of ten above 18" })?;
        let start = out.len();
        self.read(bytes, &mut at, n, runs, out)?;
        if factor != 1 {
            out[start..].iter_mut().for_each(|v| *v = v.wrapping_mul(factor));
        }
        Ok(at)
    }

    /// As [`integers`](Self::integers), for floats.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn floats(
        &mut self,
        bytes: &[u8],
        n: usize,
        runs: &[u32],
        out: &mut Vec<f64>,
    ) -> Result<usize, CodecError> {
        let mut at = begin(bytes, n, runs)?;
        let head = decimal::read_head(bytes, &mut at)?;
        let mut integers = std::mem::take(&mut self.integers);
        integers.clear();
        let start = out.len();
        let read = self
            .read(bytes, &mut at, n, runs, &mut integers)
            .and_then(|()| decimal::finish(bytes, head, &integers, out));
        self.integers = integers;
        match read {
            Ok(()) => Ok(at),
            Err(e) => {
                out.truncate(start);
                Err(e)
            }
        }
    }

    fn read(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        n: usize,
        runs: &[u32],
        out: &mut Vec<i64>,
    ) -> Result<(), CodecError> {
        let firsts = if self.order > 0 { count_runs(runs, 1) } else { 0 };
        let seconds = if self.order > 1 { count_runs_of(runs, n, 2) } else { 0 };
        self.buffer.clear();
        if self.order > 0 {
            group::read_plain(bytes, at, firsts, &mut self.buffer)?;
        }
        if self.order > 1 {
            group::read_plain(bytes, at, seconds, &mut self.buffer)?;
        }
        let apart = firsts + seconds;
        if n <= apart {
            // No encoder writes a page of nothing.
            return Err(CodecError::Corrupt { offset: *at, what: "dense block without numbers" });
        }
        self.buffer.resize(n, 0);
        let page = bytes.get(*at..).ok_or(CodecError::Truncated { offset: bytes.len() })?;
        let bad = CodecError::Corrupt { offset: *at, what: "page of a dense column is damaged" };
        let mut reader =
            self.chunk.page_decompressor_with_scratch(page, n - apart, &mut self.scratch).map_err(|_| bad)?;
        let done = reader.read(&mut self.buffer[apart..]).map_err(|_| bad)?;
        if !done.finished {
            return Err(bad);
        }
        *at = bytes.len() - reader.into_src().len();
        match self.order {
            0 => out.extend_from_slice(&self.buffer),
            1 => add_up(&self.buffer, firsts, n, runs, out),
            _ => add_up_twice(&self.buffer, firsts, seconds, n, runs, out),
        }
        Ok(())
    }
}

/// Checks what every block begins with; gives where it goes on.
fn begin(bytes: &[u8], n: usize, runs: &[u32]) -> Result<usize, CodecError> {
    if n == 0 || n > VALUES_MAX || !runs_fit(runs, n) {
        return Err(CodecError::Count { n });
    }
    let mut at = 0;
    match get_u8(bytes, &mut at)? {
        id::DENSE => Ok(at),
        id => Err(CodecError::UnknownCodec { id, offset: 0 }),
    }
}
