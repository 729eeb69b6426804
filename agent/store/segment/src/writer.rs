//! Writes a segment, stripe after stripe.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use weir_codec::{
    FloatHint, encode_bool, encode_f64, encode_i64, encode_strings, encode_time, encode_u64, put_varint,
};
use weir_model::FieldType;
use weir_model::read::Validity;

use crate::dense::Blocks;
use crate::format::{
    CRC_LEN, FOOTER_LEN, Footer, HEADER_LEN, NULLS_ALL, NULLS_LISTED, NULLS_NONE, crc, write_header,
};
use crate::layout::Layout;
use crate::statistics::{self, count_valid};
use crate::{STRIPE_POINTS_MAX, SegmentError, SegmentFacts, StripeColumn, StripeInput, StripeValues};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Points.
    pub points: u64,
    /// Series (a series cut between two stripes counts once).
    pub series: u64,
    /// First time of all points; `i64::MAX` when there is none.
    pub t_min: i64,
    /// Last time of all points; `i64::MIN` when there is none.
    pub t_max: i64,
}

/// Writes one segment into `W`: a `Vec<u8>` for a sealed memtable, a file for a flush. Holds one encoded stripe at a time.
#[derive(Debug)]
pub struct SegmentWriter<W> {
    out: W,
    written: Written,
    stripes: u64,
    index: Vec<u8>,
    schema: BTreeMap<u32, BTreeMap<u32, FieldType>>,
    /// Measurement, last key and last series of the stripe before.
    last: Option<(u32, Box<[u8]>, u64)>,
    hints: BTreeMap<u32, FloatHint>,
    buffer: Vec<u8>,
    dense: bool,
}

impl<W: Write> SegmentWriter<W> {
    /// Starts a segment: writes its header.
    ///
    /// # Errors
    /// Of `out`.
    pub fn new(out: W, facts: SegmentFacts) -> Result<Self, SegmentError> {
        let mut this = Self {
            out,
            written: Written { bytes: 0, points: 0, series: 0, t_min: i64::MAX, t_max: i64::MIN },
            stripes: 0,
            index: Vec::new(),
            schema: BTreeMap::new(),
            last: None,
            hints: BTreeMap::new(),
            buffer: Vec::new(),
            dense: false,
        };
        this.put(&write_header(&facts))?;
        Ok(this)
    }

    /// Whether columns of numbers are to be entropy-coded where that makes them at least a twelfth smaller: three to five times the work of writing
    /// and twice that of reading. For what will stay; off at first.
    #[must_use]
    pub const fn dense(mut self, dense: bool) -> Self {
        self.dense = dense;
        self
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.written.bytes
    }

    /// Encodes and writes one stripe.
    ///
    /// # Errors
    /// [`SegmentError::Input`] when the stripe breaks a rule stated at [`StripeInput`] (nothing is written then), or of the sink.
    pub fn push(&mut self, stripe: &StripeInput<'_>) -> Result<(), SegmentError> {
        self.check(stripe)?;
        let layout = Layout::new(stripe.series.iter().map(|s| s.1));
        if self.last.as_ref().is_none_or(|last| last.0 != stripe.measurement) {
            self.hints.clear();
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let directory_len = encode_stripe(stripe, &layout, self.dense, &mut self.hints, &mut buffer);
        self.put(&buffer)?;
        self.note(stripe, buffer.len(), directory_len);
        self.buffer = buffer;
        Ok(())
    }

    /// Writes schema, index and footer; returns the sink.
    ///
    /// # Errors
    /// Of the sink.
    pub fn finish(mut self) -> Result<(W, Written), SegmentError> {
        let mut schema = Vec::new();
        put_varint(self.schema.len() as u64, &mut schema);
        for (id, fields) in &self.schema {
            put_varint(u64::from(*id), &mut schema);
            put_varint(fields.len() as u64, &mut schema);
            for (field, field_type) in fields {
                put_varint(u64::from(*field), &mut schema);
                schema.push(*field_type as u8);
            }
        }
        seal(&mut schema, 0);
        let mut index = Vec::new();
        put_varint(self.stripes, &mut index);
        index.append(&mut self.index);
        seal(&mut index, 0);
        let schema_at = (self.written.bytes, schema.len() as u64);
        let index_at = (schema_at.0 + schema_at.1, index.len() as u64);
        let footer = Footer {
            schema: schema_at,
            index: index_at,
            points: self.written.points,
            file_len: index_at.0 + index_at.1 + FOOTER_LEN as u64,
        };
        self.put(&schema)?;
        self.put(&index)?;
        self.put(&footer.write())?;
        Ok((self.out, self.written))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        let offset = self.written.bytes;
        self.out.write_all(bytes).map_err(|source| SegmentError::Io { op: "write", offset, source })?;
        self.written.bytes += bytes.len() as u64;
        Ok(())
    }

    fn check(&self, stripe: &StripeInput<'_>) -> Result<(), SegmentError> {
        let rule = |holds: bool, what| if holds { Ok(()) } else { Err(SegmentError::Input { what }) };
        let n = stripe.times.len();
        rule(n > 0 && n <= STRIPE_POINTS_MAX, "a stripe holds 1 to 131,072 points")?;
        let sum: u64 = stripe.series.iter().map(|s| u64::from(s.1)).sum();
        rule(sum == n as u64, "points per series add up to the number of times")?;
        rule(stripe.series.iter().all(|s| s.1 > 0), "each series has a point")?;
        let mut rest = stripe.times;
        for &(_, points) in stripe.series {
            let (times, behind) = rest.split_at(points as usize);
            rule(times.is_sorted_by(|a, b| a < b), "times ascend strictly within a series")?;
            rest = behind;
        }
        rule(stripe.columns.iter().all(|c| c.values.len() == n), "columns are as long as times")?;
        rule(stripe.columns.iter().all(|c| bits_suffice(c.valid, n)), "validity covers all points")?;
        rule(stripe.columns.is_sorted_by(|a, b| a.field < b.field), "fields ascend by id")?;
        if let Some(fields) = self.schema.get(&stripe.measurement) {
            let same =
                |c: &StripeColumn<'_>| fields.get(&c.field).is_none_or(|&t| t == c.values.field_type());
            rule(stripe.columns.iter().all(same), "a field has one type")?;
        }
        rule(stripe.first_key <= stripe.last_key, "keys ascend")?;
        if let Some((measurement, key, _)) = &self.last {
            let ascend = (*measurement, &key[..]) <= (stripe.measurement, stripe.first_key);
            rule(ascend, "stripes come in the order of measurement and key")?;
        }
        Ok(())
    }

    /// Remembers a written stripe for index and schema.
    fn note(&mut self, stripe: &StripeInput<'_>, len: usize, directory_len: usize) {
        let ids = || stripe.series.iter().map(|s| s.0);
        let (low, high) = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        let (t_min, t_max) =
            stripe.times.iter().fold((i64::MAX, i64::MIN), |(lo, hi), &t| (lo.min(t), hi.max(t)));
        let index = &mut self.index;
        put_varint(u64::from(stripe.measurement), index);
        for n in [len as u64, directory_len as u64, stripe.series.len() as u64, stripe.times.len() as u64] {
            put_varint(n, index);
        }
        put_varint(low, index);
        put_varint(high - low, index);
        index.extend_from_slice(&t_min.to_le_bytes());
        index.extend_from_slice(&t_max.to_le_bytes());
        for key in [stripe.first_key, stripe.last_key] {
            put_varint(key.len() as u64, index);
            index.extend_from_slice(key);
        }
        let fields = self.schema.entry(stripe.measurement).or_default();
        fields.extend(present(stripe).map(|c| (c.field, c.values.field_type())));

        let first = stripe.series.first().map(|s| s.0);
        let goes_on = self.last.as_ref().is_some_and(|l| l.0 == stripe.measurement && Some(l.2) == first);
        self.written.series += stripe.series.len() as u64 - u64::from(goes_on);
        self.written.points += stripe.times.len() as u64;
        self.written.t_min = self.written.t_min.min(t_min);
        self.written.t_max = self.written.t_max.max(t_max);
        self.stripes += 1;
        let last = stripe.series.last().map_or(0, |s| s.0);
        self.last = Some((stripe.measurement, stripe.last_key.into(), last));
    }
}

const _: () = assert!(HEADER_LEN == 64);

fn bits_suffice(valid: &Validity, n: usize) -> bool {
    match valid {
        Validity::Bits(words) => words.len() * 64 >= n,
        _ => true,
    }
}

/// Columns with a value.
fn present<'a>(stripe: &StripeInput<'a>) -> impl Iterator<Item = &'a StripeColumn<'a>> {
    let n = stripe.times.len();
    stripe.columns.iter().filter(move |c| match c.valid {
        Validity::All => true,
        Validity::None => false,
        valid => (0..n).any(|i| valid.is_valid(i)),
    })
}

/// Appends the checksum of `out[start..]`.
fn seal(out: &mut Vec<u8>, start: usize) {
    let sum = crc(&out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// Appends columns, statistics and directory; gives the length of the latter, checksum included.
fn encode_stripe(
    stripe: &StripeInput<'_>,
    layout: &Layout,
    dense: bool,
    hints: &mut BTreeMap<u32, FloatHint>,
    out: &mut Vec<u8>,
) -> usize {
    let mut directory = vec![if dense { DERIVED_WITH_HEADS } else { DERIVED }];
    let ids: Vec<u64> = stripe.series.iter().map(|s| s.0).collect();
    let points: Vec<u64> = stripe.series.iter().map(|s| u64::from(s.1)).collect();
    put_varint(ids.len() as u64, &mut directory);
    encode_u64(&ids, &[], &mut directory);
    encode_u64(&points, &[], &mut directory);
    write_spans(stripe.times, layout, &mut directory);

    let mut runs = Vec::new();
    let mut lens = Vec::new();
    let mut blocks = Blocks::default();
    let start = out.len();
    for block in layout.blocks.windows(2) {
        layout.runs(block[0], block[1], &mut runs);
        let before = out.len();
        encode_time(&stripe.times[rows(block)], &runs, out);
        lens.push((out.len() - before) as u64);
        if dense {
            blocks.times(&stripe.times[rows(block)], &runs);
        }
    }
    let head = if dense { blocks.rewrite(&mut lens, start, out) } else { 0 };
    seal(out, start);
    encode_u64(&lens, &[], &mut directory);
    if dense {
        put_varint(head as u64, &mut directory);
    }

    let sizes: Vec<u32> = layout.units.windows(2).map(|u| u[1] - u[0]).collect();
    let mut all_statistics = Vec::new();
    let columns: Vec<&StripeColumn<'_>> = present(stripe).collect();
    put_varint(columns.len() as u64, &mut directory);
    for column in columns {
        let hint = hints.entry(column.field).or_default();
        let Encoded { head, modes, lens } = encode_column(column, layout, dense, hint, out);
        let units: Vec<_> = layout
            .units
            .windows(2)
            .map(|u| statistics::of_rows(&column.values, column.valid, rows(u)))
            .collect();
        let before = all_statistics.len();
        statistics::write(&units, column.values.field_type(), &sizes, &mut all_statistics);
        seal(&mut all_statistics, before);

        put_varint(u64::from(column.field), &mut directory);
        directory.push(column.values.field_type() as u8);
        encode_u64(&modes, &[], &mut directory);
        encode_u64(&lens, &[], &mut directory);
        if dense {
            put_varint(head as u64, &mut directory);
        }
        put_varint((all_statistics.len() - before) as u64, &mut directory);
    }
    out.extend_from_slice(&all_statistics);
    seal(&mut directory, 0);
    out.extend_from_slice(&directory);
    debug_assert!(directory.len() > CRC_LEN);
    directory.len()
}

/// Blocks and units follow from the points per series.
pub(crate) const DERIVED: u8 = 0;
/// The same, and columns may begin with a head, whose length is given.
pub(crate) const DERIVED_WITH_HEADS: u8 = 1;

fn rows(pair: &[u32]) -> Range<usize> {
    pair[0] as usize..pair[1] as usize
}

/// First time of each unit, and how much later its last is.
fn write_spans(times: &[i64], layout: &Layout, out: &mut Vec<u8>) {
    let span = |unit: &[u32]| {
        let times = &times[rows(unit)];
        times.iter().fold((i64::MAX, i64::MIN), |(lo, hi), &t| (lo.min(t), hi.max(t)))
    };
    let spans: Vec<(i64, i64)> = layout.units.windows(2).map(span).collect();
    let list = |f: fn(&(i64, i64)) -> i64| spans.iter().map(f).collect::<Vec<i64>>();
    encode_time(&list(|s| s.0), &[], out);
    encode_time(&list(|s| s.1.wrapping_sub(s.0)), &[], out);
}

/// What the directory says about a column.
struct Encoded {
    /// Length of the head.
    head: usize,
    /// How nulls stand in each block.
    modes: Vec<u64>,
    /// Length of each block.
    lens: Vec<u64>,
}

/// Appends the blocks of a column and their checksum.
fn encode_column(
    column: &StripeColumn<'_>,
    layout: &Layout,
    dense: bool,
    hint: &mut FloatHint,
    out: &mut Vec<u8>,
) -> Encoded {
    let start = out.len();
    let (mut modes, mut lens) = (Vec::new(), Vec::new());
    let mut runs = Vec::new();
    let dense = dense && !matches!(column.values, StripeValues::Boolean(_) | StripeValues::String(_));
    let mut blocks = Blocks::default();
    for block in layout.blocks.windows(2) {
        let before = out.len();
        layout.runs(block[0], block[1], &mut runs);
        let rows = rows(block);
        let count = count_valid(column.valid, &rows);
        let mode = if count == rows.len() {
            let rows = Rows::All(rows);
            encode_values(&column.values, &rows, &runs, hint, out);
            if dense {
                blocks.values(&column.values, &rows, &runs, 0);
            }
            NULLS_NONE
        } else if count == 0 {
            if dense {
                blocks.other();
            }
            NULLS_ALL
        } else {
            let valid: Vec<bool> = rows.clone().map(|i| column.valid.is_valid(i)).collect();
            encode_bool(&valid, out);
            let prefix = out.len() - before;
            dense_runs(&valid, &mut runs);
            let list: Vec<usize> = rows.filter(|&i| column.valid.is_valid(i)).collect();
            let rows = Rows::Some(&list);
            encode_values(&column.values, &rows, &runs, hint, out);
            if dense {
                blocks.values(&column.values, &rows, &runs, prefix);
            }
            NULLS_LISTED
        };
        modes.push(u64::from(mode));
        lens.push((out.len() - before) as u64);
    }
    let head = if dense { blocks.rewrite(&mut lens, start, out) } else { 0 };
    seal(out, start);
    Encoded { head, modes, lens }
}

/// Turns lengths of runs of rows into lengths of runs of valid values.
pub(crate) fn dense_runs(valid: &[bool], runs: &mut [u32]) {
    let mut rest = valid;
    for run in runs {
        let (these, behind) = rest.split_at((*run as usize).min(rest.len()));
        *run = these.iter().map(|&v| u32::from(v)).sum();
        rest = behind;
    }
}

/// Rows of a stripe.
pub(crate) enum Rows<'r> {
    All(Range<usize>),
    Some(&'r [usize]),
}

impl Rows<'_> {
    /// The values of these rows, copied only when they are not together.
    pub(crate) fn pick<'a, T: Copy>(&self, values: &'a [T]) -> Cow<'a, [T]> {
        match self {
            Self::All(rows) => Cow::Borrowed(&values[rows.clone()]),
            Self::Some(list) => list.iter().map(|&i| values[i]).collect(),
        }
    }
}

fn encode_values(
    values: &StripeValues<'_>,
    rows: &Rows<'_>,
    runs: &[u32],
    hint: &mut FloatHint,
    out: &mut Vec<u8>,
) {
    match values {
        StripeValues::Float(v) => encode_f64(&rows.pick(v), runs, hint, out),
        StripeValues::Integer(v) => encode_i64(&rows.pick(v), runs, out),
        StripeValues::Unsigned(v) => encode_u64(&rows.pick(v), runs, out),
        StripeValues::Boolean(v) => encode_bool(&rows.pick(v), out),
        StripeValues::String(v) => {
            let text = |i: usize| v.get(i).unwrap_or_default();
            let list: Vec<&str> = match rows {
                Rows::All(rows) => rows.clone().map(text).collect(),
                Rows::Some(list) => list.iter().map(|&i| text(i)).collect(),
            };
            encode_strings(&list, out);
        }
    }
}
