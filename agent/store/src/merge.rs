//! Joins several sorted runs of one shard group into one: what a flush does with the sealed memtables.
//!
//! Runs come earliest first. A series that several of them have is read from each; where their times do not overlap they are put one
//! behind the other, else row by row: of equal times the later run's value wins, per field, unless it is null.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_model::read::{Column, ReadContext, Values};
use weir_segment::{Segment, SegmentError, SegmentWriter, SeriesPoints, SeriesScan, append_rows};

use crate::stripe::{Stripe, points_max};
use crate::tombstones::RunFilter;
use crate::version::PolicySeries;

/// A run being read: the series it stands at.
struct Input {
    scan: SeriesScan,
    filter: RunFilter,
    points: SeriesPoints,
    /// Slot and rank of the series; `None` at the end of the run.
    at: Option<(u32, u32)>,
}

/// Writes all points of `runs` (earliest first, each with what is deleted of it) to `writer`.
///
/// # Errors
/// Of readers and writer.
pub(crate) fn merge<W: Write>(
    runs: Vec<(Arc<Segment>, RunFilter)>,
    series: &PolicySeries,
    writer: &mut SegmentWriter<W>,
) -> Result<(), SegmentError> {
    let (runs, filters): (Vec<Arc<Segment>>, Vec<RunFilter>) = runs.into_iter().unzip();
    let runs = &runs[..];
    let mut inputs: Vec<Input> = runs
        .iter()
        .zip(filters)
        .map(|(run, filter)| Input {
            scan: SeriesScan::new(Arc::clone(run)),
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
        merge_measurement(&mut inputs, runs, measurement, series, &ranks, writer)?;
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

fn merge_measurement<W: Write>(
    inputs: &mut [Input],
    runs: &[Arc<Segment>],
    measurement: u32,
    series: &PolicySeries,
    ranks: &Ranks,
    writer: &mut SegmentWriter<W>,
) -> Result<(), SegmentError> {
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
            // No key is known for what is left: it was dropped.
            for input in inputs.iter_mut() {
                while input.at.is_some() {
                    input.step(series, ranks)?;
                }
            }
            break;
        }
        // A series cut between stripes comes in several parts; gather them all, each run's in order.
        out.start(slot);
        for (order, input) in inputs.iter_mut().enumerate() {
            while input.at == Some((slot, rank)) {
                out.take(order, &input.points);
                input.step(series, ranks)?;
            }
        }
        out.join(series, writer)?;
    }
    out.stripe.write(writer)
}

/// Points of the series at hand, and the stripe that fills up.
struct Output {
    stripe: Stripe,
    slot: u32,
    /// Points gathered, run after run.
    times: Vec<i64>,
    columns: Vec<Column>,
    /// For each point the number of its run.
    order: Vec<u32>,
    scratch: Vec<u32>,
    limit: usize,
}

impl Output {
    fn new(measurement: u32, fields: Vec<u32>) -> Self {
        let columns = vec![Column::default(); fields.len()];
        let limit = points_max(fields.len());
        let stripe = Stripe { measurement, columns: columns.clone(), fields, ..Stripe::default() };
        Self { stripe, slot: 0, times: Vec::new(), columns, order: Vec::new(), scratch: Vec::new(), limit }
    }

    fn start(&mut self, slot: u32) {
        self.slot = slot;
        self.times.clear();
        self.order.clear();
        self.columns.iter_mut().for_each(|c| *c = Column::default());
    }

    /// Appends the points of one run.
    fn take(&mut self, order: usize, points: &SeriesPoints) {
        let before = self.times.len();
        let rows = points.times.len();
        let mut from = points.fields.iter().zip(&points.columns).peekable();
        let null = Column::default();
        for (field, to) in self.stripe.fields.iter().zip(&mut self.columns) {
            while from.peek().is_some_and(|(f, _)| *f < field) {
                from.next();
            }
            match from.peek() {
                Some((f, column)) if *f == field => append_rows(column, 0..rows, to, before),
                _ => append_rows(&null, 0..rows, to, before),
            }
        }
        self.times.extend_from_slice(&points.times);
        self.order.resize(before + rows, order as u32);
    }

    /// Moves the gathered points into the stripe, joined.
    fn join<W: Write>(
        &mut self,
        series: &PolicySeries,
        writer: &mut SegmentWriter<W>,
    ) -> Result<(), SegmentError> {
        let Some(id) = series.index.durable_id(self.slot) else { return Ok(()) };
        if !self.times.windows(2).all(|w| w[0] < w[1]) {
            self.sort();
        }
        let mut from = 0;
        while from < self.times.len() {
            let room = self.limit.saturating_sub(self.stripe.times.len());
            if room == 0 {
                self.write(writer)?;
                continue;
            }
            let to = self.times.len().min(from + room);
            let before = self.stripe.times.len();
            for (column, into) in self.columns.iter().zip(&mut self.stripe.columns) {
                append_rows(column, from..to, into, before);
            }
            self.stripe.times.extend_from_slice(&self.times[from..to]);
            self.stripe.series.push((id, (to - from) as u32));
            if self.stripe.first_key.is_empty() {
                series.index.write_canonical_key(self.slot, &mut self.stripe.first_key);
            }
            self.stripe.last_key.clear();
            series.index.write_canonical_key(self.slot, &mut self.stripe.last_key);
            from = to;
        }
        Ok(())
    }

    fn write<W: Write>(&mut self, writer: &mut SegmentWriter<W>) -> Result<(), SegmentError> {
        self.stripe.write(writer)?;
        self.stripe.clear();
        self.stripe.columns.iter_mut().for_each(|c| *c = Column::default());
        Ok(())
    }

    /// Sorts the gathered points by time and joins equal times, later runs first.
    fn sort(&mut self) {
        let n = self.times.len();
        self.scratch.clear();
        self.scratch.extend(0..n as u32);
        let (times, order) = (&self.times, &self.order);
        self.scratch.sort_by_key(|&i| (times[i as usize], std::cmp::Reverse(order[i as usize])));
        let mut joined: Vec<i64> = Vec::with_capacity(n);
        // For each joined point the range of `scratch` with its sources, newest first.
        let mut starts: Vec<usize> = Vec::with_capacity(n + 1);
        for (at, &i) in self.scratch.iter().enumerate() {
            let time = self.times[i as usize];
            if joined.last() != Some(&time) {
                joined.push(time);
                starts.push(at);
            }
        }
        starts.push(n);
        let null = Column::default();
        for column in &mut self.columns {
            let from = std::mem::take(column);
            if matches!(from.values, Values::Absent) {
                append_rows(&null, 0..joined.len(), column, 0);
                continue;
            }
            for (row, bounds) in starts.windows(2).enumerate() {
                let sources = &self.scratch[bounds[0]..bounds[1]];
                let source = sources.iter().find(|&&i| from.valid.is_valid(i as usize)).or(sources.first());
                let i = source.map_or(0, |&i| i as usize);
                append_rows(&from, i..i + 1, column, row);
            }
        }
        self.times = joined;
    }
}
