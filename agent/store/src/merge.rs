//! Joins several sorted runs of one shard group into one: what a flush does with the sealed memtables, and a compaction with files.
//!
//! Runs come earliest first. A series that several of them have is read from each, part by part in the order of time; a part that no other
//! overlaps goes straight to the output, else rows are sorted: of equal times the later run's value wins, per field, unless it is null.
//! Memory is bounded by a part per run and what overlaps, however long a series is.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_model::read::{Column, ReadContext, Strings, Validity, Values};
use weir_segment::{Segment, SegmentError, SegmentWriter, SeriesPoints, SeriesScan, append_rows};

use crate::stripe::{Stripe, points_max};
use crate::tombstones::RunFilter;
use crate::version::PolicySeries;

/// Takes what a merge makes.
pub(crate) trait Sink {
    /// What may go wrong.
    type Error: From<SegmentError>;

    /// Takes the next stripe. It is not empty.
    fn push(&mut self, stripe: &Stripe) -> Result<(), Self::Error>;

    /// Hears of a series that the index does not know: its points are left out.
    fn unknown(&mut self, _measurement: u32, _series: u64) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<W: Write> Sink for SegmentWriter<W> {
    type Error = SegmentError;

    fn push(&mut self, stripe: &Stripe) -> Result<(), SegmentError> {
        stripe.write(self)
    }
}

/// Rows of a series that are read at once from each run, so that many long series side by side need little memory.
const PART_ROWS: usize = 8_192;

/// A run being read: the series it stands at.
struct Input {
    scan: SeriesScan,
    filter: RunFilter,
    points: SeriesPoints,
    /// Slot and rank of the series; `None` at the end of the run.
    at: Option<(u32, u32)>,
}

/// Gives all points of `runs` (earliest first, each with what is deleted of it) to `sink`.
///
/// # Errors
/// Of readers and sink.
pub(crate) fn merge<S: Sink>(
    runs: Vec<(Arc<Segment>, RunFilter)>,
    series: &PolicySeries,
    sink: &mut S,
) -> Result<(), S::Error> {
    let (runs, filters): (Vec<Arc<Segment>>, Vec<RunFilter>) = runs.into_iter().unzip();
    let runs = &runs[..];
    let mut inputs: Vec<Input> = runs
        .iter()
        .zip(filters)
        .map(|(run, filter)| Input {
            scan: SeriesScan::new(Arc::clone(run)).in_parts_of(PART_ROWS),
            filter,
            points: SeriesPoints::default(),
            at: None,
        })
        .collect();
    let measurements: BTreeSet<u32> =
        runs.iter().flat_map(|r| r.measurements().iter().map(|m| m.id)).collect();
    let mut started = vec![false; inputs.len()];
    for measurement in measurements {
        let ranks = Ranks::of(runs, measurement, series)?;
        for (input, started) in inputs.iter_mut().zip(&mut started) {
            if !std::mem::replace(started, true) {
                input.step(series, &ranks)?;
            } else {
                input.rank(series, &ranks);
            }
        }
        merge_measurement(&mut inputs, runs, measurement, series, &ranks, sink)?;
    }
    Ok(())
}

/// The place of each series of a measurement in the order of canonical keys.
struct Ranks {
    measurement: u32,
    by_slot: Vec<u32>,
}

impl Ranks {
    fn of(runs: &[Arc<Segment>], measurement: u32, series: &PolicySeries) -> Result<Self, SegmentError> {
        let mut slots = RoaringBitmap::new();
        for run in runs {
            let Some(found) = run.measurement(measurement) else { continue };
            for stripe in found.stripes.clone() {
                let directory = run.directory(stripe)?;
                slots.extend(directory.series().iter().filter_map(|&id| series.index.slot_of_id(id)));
            }
        }
        let mut by_slot = vec![u32::MAX; slots.max().map_or(0, |max| max as usize + 1)];
        let index = series.index.measurement_by_id(measurement);
        // Nobody cancels an unlimited context.
        let order = index.and_then(|m| m.sorted(&slots, &ReadContext::unlimited()).ok()).unwrap_or_default();
        for (rank, slot) in order.into_iter().enumerate() {
            by_slot[slot as usize] = rank as u32;
        }
        Ok(Self { measurement, by_slot })
    }

    fn of_slot(&self, slot: u32) -> u32 {
        self.by_slot.get(slot as usize).copied().unwrap_or(u32::MAX)
    }
}

impl Input {
    /// Goes on to the next series.
    fn step(&mut self, series: &PolicySeries, ranks: &Ranks) -> Result<(), SegmentError> {
        if self.scan.next(&mut self.points)? {
            self.rank(series, ranks);
        } else {
            self.points.times.clear();
            self.points.measurement = u32::MAX;
            self.at = None;
        }
        Ok(())
    }

    /// Finds the place of the series it stands at. A series that the index lacks comes last, and is left out.
    fn rank(&mut self, series: &PolicySeries, ranks: &Ranks) {
        if self.points.measurement != ranks.measurement {
            self.at = None;
            return;
        }
        let slot = series.index.slot_of_id(self.points.series);
        if let Some(slot) = slot {
            self.filter.apply(slot, &mut self.points);
        }
        self.at = Some(slot.map_or((u32::MAX, u32::MAX), |slot| (slot, ranks.of_slot(slot))));
    }
}

fn merge_measurement<S: Sink>(
    inputs: &mut [Input],
    runs: &[Arc<Segment>],
    measurement: u32,
    series: &PolicySeries,
    ranks: &Ranks,
    sink: &mut S,
) -> Result<(), S::Error> {
    let fields: BTreeSet<u32> = runs
        .iter()
        .filter_map(|r| r.measurement(measurement))
        .flat_map(|m| m.fields.iter().map(|f| f.id))
        .collect();
    let fields: Vec<u32> = fields.into_iter().collect();
    let mut out = Output::new(measurement, fields);
    loop {
        let least = inputs.iter().filter_map(|i| i.at).map(|(slot, rank)| (rank, slot)).min();
        let Some((rank, slot)) = least else { break };
        if rank == u32::MAX {
            // No key is known for what is left.
            for input in inputs.iter_mut() {
                while input.at.is_some() {
                    sink.unknown(measurement, input.points.series)?;
                    input.step(series, ranks)?;
                }
            }
            break;
        }
        out.start(slot, series);
        // A series cut between stripes comes in several parts, each run's in order of time.
        loop {
            let waiting = |i: &(usize, &Input)| i.1.at == Some((slot, rank));
            let first = |i: &(usize, &Input)| i.1.points.times.first().copied().unwrap_or(i64::MIN);
            let Some((order, _)) = inputs.iter().enumerate().filter(waiting).min_by_key(first) else { break };
            // Rows before the first of what others still have can be joined now.
            let others = inputs.iter().enumerate().filter(waiting).filter(|(i, _)| *i != order);
            let limit = others.map(|i| first(&i)).min();
            out.take(order, &inputs[order].points, limit, sink)?;
            inputs[order].step(series, ranks)?;
        }
        out.join(None, sink)?;
    }
    out.write(sink)
}

/// Points of the series at hand, and the stripe that fills up.
struct Output {
    stripe: Stripe,
    /// Durable id and key of the series at hand.
    id: Option<u64>,
    key: String,
    gathered: Gathered,
    limit: usize,
}

/// Rows of several runs.
#[derive(Default)]
struct Gathered {
    times: Vec<i64>,
    columns: Vec<Column>,
    /// For each row the number of its run.
    order: Vec<u32>,
}

impl Output {
    fn new(measurement: u32, fields: Vec<u32>) -> Self {
        let columns = vec![Column::default(); fields.len()];
        let limit = points_max(fields.len());
        let gathered = Gathered { columns: columns.clone(), ..Gathered::default() };
        let stripe = Stripe { measurement, columns, fields, ..Stripe::default() };
        Self { stripe, id: None, key: String::new(), gathered, limit }
    }

    fn start(&mut self, slot: u32, series: &PolicySeries) {
        self.id = series.index.durable_id(slot);
        self.key.clear();
        series.index.write_canonical_key(slot, &mut self.key);
        self.gathered.times.clear();
        self.gathered.order.clear();
    }

    /// Takes the next part of the series from one run; the other runs have nothing before `limit`.
    fn take<S: Sink>(
        &mut self,
        order: usize,
        points: &SeriesPoints,
        limit: Option<i64>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let Some((&first, &last)) = points.times.first().zip(points.times.last()) else { return Ok(()) };
        if self.gathered.times.len() >= self.limit {
            self.join(Some(first), sink)?;
        }
        let is_last = limit.is_none_or(|limit| last < limit);
        if is_last && self.gathered.times.iter().all(|&t| t < first) {
            self.join(None, sink)?;
            return self.append(points, sink);
        }
        let before = self.gathered.times.len();
        let rows = points.times.len();
        let null = Column::default();
        for (i, to) in self.gathered.columns.iter_mut().enumerate() {
            append_rows(column_of(points, self.stripe.fields[i]).unwrap_or(&null), 0..rows, to, before);
        }
        self.gathered.times.extend_from_slice(&points.times);
        self.gathered.order.resize(before + rows, order as u32);
        Ok(())
    }

    /// Moves gathered rows before `limit` into the stripe, joined. Those behind it stay as they are: more of their times may come.
    fn join<S: Sink>(&mut self, limit: Option<i64>, sink: &mut S) -> Result<(), S::Error> {
        let mut gathered = std::mem::take(&mut self.gathered);
        if let Some(limit) = limit {
            self.gathered = gathered.split_off(limit);
        }
        gathered.sort();
        let result = self.push_rows(&gathered.times, gathered.times.len(), |i| gathered.columns.get(i), sink);
        if limit.is_none() {
            gathered.times.clear();
            gathered.order.clear();
            self.gathered = gathered;
        }
        result
    }

    /// Moves a part into the stripe as it is.
    fn append<S: Sink>(&mut self, points: &SeriesPoints, sink: &mut S) -> Result<(), S::Error> {
        let fields = std::mem::take(&mut self.stripe.fields);
        let columns: Vec<Option<&Column>> = fields.iter().map(|&f| column_of(points, f)).collect();
        self.stripe.fields = fields;
        self.push_rows(&points.times, points.times.len(), |i| columns.get(i).copied().flatten(), sink)
    }

    /// Appends the first rows of the series at hand to the stripe.
    fn push_rows<'a, S: Sink>(
        &mut self,
        times: &[i64],
        rows: usize,
        column: impl Fn(usize) -> Option<&'a Column>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let Some(id) = self.id else { return Ok(()) };
        let null = Column::default();
        let mut from = 0;
        while from < rows {
            let room = self.limit.saturating_sub(self.stripe.times.len());
            if room == 0 {
                self.write(sink)?;
                continue;
            }
            let to = rows.min(from + room);
            let before = self.stripe.times.len();
            for (i, into) in self.stripe.columns.iter_mut().enumerate() {
                append_rows(column(i).unwrap_or(&null), from..to, into, before);
            }
            self.stripe.times.extend_from_slice(&times[from..to]);
            match self.stripe.series.last_mut() {
                Some((last, n)) if *last == id => *n += (to - from) as u32,
                _ => self.stripe.series.push((id, (to - from) as u32)),
            }
            if before == 0 {
                self.stripe.first_key.clone_from(&self.key);
            }
            self.stripe.last_key.clone_from(&self.key);
            from = to;
        }
        Ok(())
    }

    fn write<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.stripe.times.is_empty() {
            return Ok(());
        }
        sink.push(&self.stripe)?;
        self.stripe.clear();
        self.stripe.columns.iter_mut().for_each(|c| *c = Column::default());
        Ok(())
    }
}

/// The column of a field among those of a part.
fn column_of(points: &SeriesPoints, field: u32) -> Option<&Column> {
    let at = points.fields.binary_search(&field).ok()?;
    points.columns.get(at)
}

impl Gathered {
    /// Sorts the rows by time and joins equal times, later runs first.
    fn sort(&mut self) {
        if self.times.is_sorted_by(|a, b| a < b) {
            return;
        }
        let n = self.times.len();
        let mut sorted: Vec<u32> = (0..n as u32).collect();
        let (times, order) = (&self.times, &self.order);
        // Stable, and quick on what consists of a few sorted stretches.
        sorted.sort_by_key(|&i| (times[i as usize], std::cmp::Reverse(order[i as usize])));
        let mut joined: Vec<i64> = Vec::with_capacity(n);
        // For each joined row the start of its sources in `sorted`, newest first.
        let mut starts: Vec<usize> = Vec::with_capacity(n + 1);
        for (at, &i) in sorted.iter().enumerate() {
            let time = times[i as usize];
            if joined.last() != Some(&time) {
                joined.push(time);
                starts.push(at);
            }
        }
        let newest: Vec<u32> = starts.iter().map(|&at| sorted[at]).collect();
        starts.push(n);
        let unique = joined.len() == n;
        for column in &mut self.columns {
            let from = std::mem::take(column);
            if unique || matches!(from.valid, Validity::All | Validity::None) {
                *column = gather(&from, &newest);
                continue;
            }
            let pick = |bounds: &[usize]| {
                let sources = &sorted[bounds[0]..bounds[1]];
                let valid = sources.iter().find(|&&i| from.valid.is_valid(i as usize));
                valid.or(sources.first()).copied().unwrap_or(0)
            };
            let picks: Vec<u32> = starts.windows(2).map(pick).collect();
            *column = gather(&from, &picks);
        }
        self.times = joined;
    }

    /// Takes out the rows from `limit` on.
    fn split_off(&mut self, limit: i64) -> Self {
        let rows = 0..self.times.len() as u32;
        let (late, early): (Vec<u32>, Vec<u32>) = rows.partition(|&i| self.times[i as usize] >= limit);
        let part = |picks: &[u32]| Self {
            times: picks.iter().map(|&i| self.times[i as usize]).collect(),
            columns: self.columns.iter().map(|c| gather(c, picks)).collect(),
            order: picks.iter().map(|&i| self.order[i as usize]).collect(),
        };
        let (early, late) = (part(&early), part(&late));
        *self = early;
        late
    }
}

/// The rows `picks` of a column.
fn gather(from: &Column, picks: &[u32]) -> Column {
    fn values<T: Copy + Default>(from: &[T], picks: &[u32]) -> Vec<T> {
        picks.iter().map(|&i| from.get(i as usize).copied().unwrap_or_default()).collect()
    }
    let valid = match &from.valid {
        Validity::Bits(_) => {
            let mut words = vec![0u64; picks.len().div_ceil(64)];
            for (row, &i) in picks.iter().enumerate() {
                words[row / 64] |= u64::from(from.valid.is_valid(i as usize)) << (row % 64);
            }
            Validity::Bits(words)
        }
        all_or_none => all_or_none.clone(),
    };
    let values = match &from.values {
        Values::Absent => Values::Absent,
        Values::Float(v) => Values::Float(values(v, picks)),
        Values::Integer(v) => Values::Integer(values(v, picks)),
        Values::Unsigned(v) => Values::Unsigned(values(v, picks)),
        Values::Boolean(v) => Values::Boolean(values(v, picks)),
        Values::String(v) => {
            let mut out = Strings::new();
            picks.iter().for_each(|&i| out.push(v.get(i as usize).unwrap_or_default()));
            Values::String(out)
        }
    };
    Column { values, valid }
}
