//! Reads a whole segment in order: what compaction and verification want.

use std::sync::Arc;

use weir_model::read::Column;

use crate::{Segment, SegmentError};

/// One series (or the part of it that one stripe holds).
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
pub struct SeriesScan {
    segment: Arc<Segment>,
}

impl SeriesScan {
    /// Starts at the first series.
    #[must_use]
    pub fn new(segment: Arc<Segment>) -> Self {
        Self { segment }
    }
    /// Fills `points` with the next series; `false` at the end.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn next(&mut self, points: &mut SeriesPoints) -> Result<bool, SegmentError> {
        let _ = (points, &self.segment);
        todo!()
    }
}
