//! Reads a whole segment in order: what compaction and verification want.

use std::sync::Arc;

use weir_model::read::Column;

use crate::{Segment, SegmentError, StripeCursor, append_rows};

/// One series, or a part of it: what one stripe holds, or fewer rows of that if the scan was told so.
#[derive(Debug, Default)]
pub struct SeriesPoints {
    /// Measurement id.
    pub measurement: u32,
    /// Durable id.
    pub series: u64,
    /// Stripe and index of the series in it.
    pub at: (usize, usize),
    /// Times, strictly ascending.
    pub times: Vec<i64>,
    /// Field ids of `columns`: those of the stripe, ascending.
    pub fields: Vec<u32>,
    /// Values, as many as times.
    pub columns: Vec<Column>,
}

/// Walks through all series of a segment in the order of (measurement, canonical key).
#[derive(Debug)]
pub struct SeriesScan {
    segment: Arc<Segment>,
    cursor: Option<StripeCursor>,
    stripe: usize,
    series: usize,
    /// Pieces of the series that were given already.
    pieces: usize,
    rows_max: usize,
}

impl SeriesScan {
    /// Starts at the first series.
    #[must_use]
    pub const fn new(segment: Arc<Segment>) -> Self {
        Self { segment, cursor: None, stripe: 0, series: 0, pieces: 0, rows_max: usize::MAX }
    }

    /// Gives longer series in parts: no further block is added to one that has `rows` rows.
    #[must_use]
    pub const fn in_parts_of(mut self, rows: usize) -> Self {
        self.rows_max = rows;
        self
    }

    /// Fills `points` with the next series; `false` at the end.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn next(&mut self, points: &mut SeriesPoints) -> Result<bool, SegmentError> {
        loop {
            let Some(entry) = self.segment.stripes().get(self.stripe) else { return Ok(false) };
            if self.series == 0 && self.pieces == 0 {
                let directory = self.segment.directory(self.stripe)?;
                points.fields.clear();
                points.fields.extend(directory.columns().iter().map(|c| c.field));
                match &mut self.cursor {
                    Some(cursor) => cursor.move_to(Arc::clone(&self.segment), self.stripe, &points.fields)?,
                    none => {
                        *none =
                            Some(StripeCursor::new(Arc::clone(&self.segment), self.stripe, &points.fields)?);
                    }
                }
            }
            let Some(cursor) = &mut self.cursor else { return Ok(false) };
            let directory = Arc::clone(cursor.directory());
            let Some(&id) = directory.series().get(self.series) else {
                self.stripe += 1;
                self.series = 0;
                continue;
            };
            points.measurement = entry.measurement;
            points.series = id;
            points.at = (self.stripe, self.series);
            if read_series(cursor, self.series, &mut self.pieces, self.rows_max, points)? {
                self.series += 1;
                self.pieces = 0;
            }
            return Ok(true);
        }
    }
}

/// Reads pieces of a series from number `done` on, which moves on; whether that was all.
fn read_series(
    cursor: &mut StripeCursor,
    series: usize,
    done: &mut usize,
    rows_max: usize,
    points: &mut SeriesPoints,
) -> Result<bool, SegmentError> {
    let directory = Arc::clone(cursor.directory());
    if points.fields.len() != directory.columns().len() {
        points.fields.clear();
        points.fields.extend(directory.columns().iter().map(|c| c.field));
    }
    points.columns.resize_with(points.fields.len(), Column::default);
    points.times.clear();
    for piece in directory.pieces(series).skip(*done) {
        let rows = points.times.len();
        if rows >= rows_max {
            return Ok(false);
        }
        *done += 1;
        points.times.extend_from_slice(&cursor.times(piece.block)?[piece.rows.clone()]);
        for (i, column) in points.columns.iter_mut().enumerate() {
            append_rows(cursor.column(i, piece.block)?, piece.rows.clone(), column, rows);
        }
    }
    Ok(true)
}
