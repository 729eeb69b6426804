//! Finds and decodes series in one run.

use std::ops::Range;
use std::sync::Arc;

use weir_index::SeriesIndex;
use weir_model::TimeRange;
use weir_model::read::{ReadContext, ReadError, RunSummary, Summary};
use weir_segment::{Directory, Segment, SegmentError, StripeCursor, append_rows};

use super::pieces::{Pieces, Place};
use super::rows::Rows;
use crate::tombstones::{RunFilter, take_out};
use crate::version::{Home, Run};

/// Bytes of one decoded block of one column.
const BLOCK_BYTES: u64 = 8 * weir_segment::BLOCK_POINTS_MAX as u64;

/// Reads one measurement of one run.
pub(super) struct RunReader {
    run: Arc<Run>,
    measurement: u32,
    stripes: Range<usize>,
    /// What is deleted of the run.
    filter: RunFilter,
    /// The times deleted of the series whose pieces were added last.
    deleted: Vec<TimeRange>,
    /// Ids of the asked fields in this group; 0, which is no id, where the group lacks it.
    fields: Vec<u32>,
    directory: Option<(usize, Arc<Directory>)>,
    /// Stripe and index of the series found last: series are mostly asked for in the order in which they stand.
    last: (usize, usize),
    cursor: Option<(usize, StripeCursor)>,
    /// Bytes counted against the query.
    pub(super) charged: u64,
}

/// A series being looked for.
pub(super) struct Wanted<'a> {
    index: &'a SeriesIndex,
    slot: u32,
    id: u64,
    key: Option<String>,
}

impl<'a> Wanted<'a> {
    /// `None` if there is no such series.
    pub(super) fn new(index: &'a SeriesIndex, slot: u32) -> Option<Self> {
        Some(Self { index, slot, id: index.durable_id(slot)?, key: None })
    }

    fn key(&mut self) -> &[u8] {
        let (index, slot) = (self.index, self.slot);
        let make = || {
            let mut key = String::new();
            index.write_canonical_key(slot, &mut key);
            key
        };
        self.key.get_or_insert_with(make).as_bytes()
    }
}

impl RunReader {
    /// `None` if the run has no point of the measurement.
    pub(super) fn new(run: &Arc<Run>, measurement: u32, fields: Vec<u32>, filter: RunFilter) -> Option<Self> {
        let stripes = run.segment.measurement(measurement)?.stripes.clone();
        Some(Self {
            run: Arc::clone(run),
            measurement,
            filter,
            deleted: Vec::new(),
            last: (stripes.start, usize::MAX),
            stripes,
            fields,
            directory: None,
            cursor: None,
            charged: 0,
        })
    }

    /// Adds the pieces of a series that may have a point in `range`.
    ///
    /// # Errors
    /// [`ReadError::Damaged`].
    pub(super) fn add_pieces(
        &mut self,
        wanted: &mut Wanted<'_>,
        range: TimeRange,
        source: usize,
        pieces: &mut Pieces,
    ) -> Result<(), ReadError> {
        if !self.filter.is_empty() {
            self.deleted.clear();
            self.deleted.extend_from_slice(self.filter.deleted(self.measurement, wanted.slot));
            let asked = range.intersect(self.run.span);
            if self.deleted.iter().any(|deleted| deleted.covers(asked)) {
                return Ok(());
            }
        }
        let Some((mut stripe, mut series)) = self.find(wanted)? else { return Ok(()) };
        loop {
            self.last = (stripe, series);
            let directory = self.directory(stripe)?;
            for mut piece in directory.pieces(series).filter(|piece| piece.span.overlaps(range)) {
                if self.deleted.iter().any(|deleted| deleted.covers(piece.span)) {
                    continue;
                }
                // The statistics are no longer those of the piece.
                piece.alone &= !self.deleted.iter().any(|deleted| deleted.overlaps(piece.span));
                pieces.add(source, piece.span, Place::Run(stripe, piece));
            }
            let is_last = series + 1 == directory.series().len();
            if !(is_last && self.goes_on_after(stripe)) {
                return Ok(());
            }
            (stripe, series) = (stripe + 1, 0);
        }
    }

    /// Decodes the rows of a piece that lie in `range`, ascending, into `out`, which is empty.
    ///
    /// # Errors
    /// [`ReadError::Damaged`], [`ReadError::Memory`].
    pub(super) fn decode(
        &mut self,
        stripe: usize,
        piece: &weir_segment::Piece,
        range: TimeRange,
        context: &ReadContext,
        out: &mut Rows,
    ) -> Result<(), ReadError> {
        self.move_to(stripe, context)?;
        let Some((_, cursor)) = &mut self.cursor else { return Ok(()) };
        let decoded = decode(cursor, &self.fields, piece, range, out);
        decoded.map_err(|error| damaged(&self.run, &error))?;
        take_out(&self.deleted, &mut out.times, &mut out.columns);
        Ok(())
    }

    /// Whether a piece has a point in `range`.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub(super) fn has_point(
        &mut self,
        stripe: usize,
        piece: &weir_segment::Piece,
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<bool, ReadError> {
        if piece.alone && (range.contains(piece.span.min) || range.contains(piece.span.max)) {
            return Ok(true);
        }
        self.move_to(stripe, context)?;
        let Some((_, cursor)) = &mut self.cursor else { return Ok(false) };
        let times = cursor.times(piece.block).map_err(|error| damaged(&self.run, &error))?;
        let times = times.get(piece.rows.clone()).unwrap_or_default();
        let from = times.partition_point(|&time| time < range.min);
        let inside = times.iter().skip(from).take_while(|&&time| time <= range.max);
        Ok(inside.into_iter().any(|&time| !self.deleted.iter().any(|deleted| deleted.contains(time))))
    }

    /// Statistics of a piece that is alone in its unit; `None` if no asked field has a value in it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub(super) fn summary(
        &mut self,
        stripe: usize,
        piece: &weir_segment::Piece,
        context: &ReadContext,
    ) -> Result<Option<RunSummary>, ReadError> {
        self.move_to(stripe, context)?;
        let Some((_, cursor)) = &mut self.cursor else { return Ok(None) };
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in 0..self.fields.len() {
            let statistics = cursor.statistics(field).map_err(|error| damaged(&self.run, &error))?;
            let unit = statistics.map(|statistics| statistics.unit(piece.unit)).unwrap_or_default();
            columns.push(Summary {
                count: unit.count.into(),
                min_max: unit.min_max,
                exact_sum: unit.exact_sum,
            });
        }
        let any = columns.iter().any(|column| column.count > 0);
        Ok(any.then_some(RunSummary { span: piece.span, columns }))
    }

    /// The first stripe that holds the series, and its index there.
    fn find(&mut self, wanted: &mut Wanted<'_>) -> Result<Option<(usize, usize)>, ReadError> {
        let (stripe, series) = self.last;
        if self.stripes.contains(&stripe) && self.directory.as_ref().is_some_and(|(open, _)| *open == stripe)
        {
            let directory = self.directory(stripe)?;
            let next = series.wrapping_add(1);
            // A series at the start of a stripe may have begun in the one before.
            if next > 0 && directory.series().get(next) == Some(&wanted.id) {
                return Ok(Some((stripe, next)));
            }
            if let Some(found) = directory.find(wanted.id)
                && found > 0
            {
                return Ok(Some((stripe, found)));
            }
        }
        let entries = self.run.segment.stripes().get(self.stripes.clone()).unwrap_or_default();
        let key = wanted.key();
        let at = entries.partition_point(|entry| &*entry.last_key < key);
        let Some(entry) = entries.get(at) else { return Ok(None) };
        if &*entry.first_key > key || !(entry.ids.0..=entry.ids.1).contains(&wanted.id) {
            return Ok(None);
        }
        let stripe = self.stripes.start + at;
        Ok(self.directory(stripe)?.find(wanted.id).map(|series| (stripe, series)))
    }

    /// Whether the last series of a stripe goes on in the next one.
    fn goes_on_after(&self, stripe: usize) -> bool {
        let stripes: &[_] = self.run.segment.stripes();
        match (stripes.get(stripe), stripes.get(stripe + 1)) {
            (Some(this), Some(next)) => {
                this.measurement == next.measurement && this.last_key == next.first_key
            }
            _ => false,
        }
    }

    fn directory(&mut self, stripe: usize) -> Result<Arc<Directory>, ReadError> {
        match &self.directory {
            Some((open, directory)) if *open == stripe => Ok(Arc::clone(directory)),
            _ => {
                let directory = self.run.segment.directory(stripe);
                let directory = directory.map_err(|error| damaged(&self.run, &error))?;
                self.directory = Some((stripe, Arc::clone(&directory)));
                Ok(directory)
            }
        }
    }

    fn move_to(&mut self, stripe: usize, context: &ReadContext) -> Result<(), ReadError> {
        let segment: &Arc<Segment> = &self.run.segment;
        let moved = match &mut self.cursor {
            Some((open, _)) if *open == stripe => Ok(()),
            Some((open, cursor)) => {
                let moved = cursor.move_to(Arc::clone(segment), stripe, &self.fields);
                *open = if moved.is_ok() { stripe } else { usize::MAX };
                moved
            }
            None => {
                let bytes = (self.fields.len() as u64 + 1) * BLOCK_BYTES;
                context.charge(bytes)?;
                self.charged += bytes;
                let made = StripeCursor::new(Arc::clone(segment), stripe, &self.fields);
                made.map(|cursor| self.cursor = Some((stripe, cursor)))
            }
        };
        moved.map_err(|error| damaged(&self.run, &error))
    }
}

fn decode(
    cursor: &mut StripeCursor,
    fields: &[u32],
    piece: &weir_segment::Piece,
    range: TimeRange,
    out: &mut Rows,
) -> Result<(), SegmentError> {
    let times = cursor.times(piece.block)?;
    let mut rows = piece.rows.start..piece.rows.end.min(times.len());
    let inside = times.get(rows.clone()).unwrap_or_default();
    if !range.covers(piece.span) {
        let start = rows.start;
        rows = start + inside.partition_point(|&time| time < range.min)
            ..start + inside.partition_point(|&time| time <= range.max);
    }
    out.times.extend_from_slice(times.get(rows.clone()).unwrap_or_default());
    if rows.is_empty() {
        return Ok(());
    }
    for (field, to) in out.columns.iter_mut().enumerate().take(fields.len()) {
        append_rows(cursor.column(field, piece.block)?, rows.clone(), to, 0);
    }
    Ok(())
}

/// The error of a damaged or unreadable run.
fn damaged(run: &Run, error: &SegmentError) -> ReadError {
    let place = match run.home {
        Home::Sealed => "in memory".to_owned(),
        Home::File(file) => format!("file {}", weir_catalog::segment_name(file)),
    };
    let mut text = format!("a segment ({place}) cannot be read: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(%text, "a read failed");
    ReadError::Damaged(text.into())
}
