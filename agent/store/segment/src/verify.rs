//! Checks a whole segment: every checksum, every value, and what the parts say about each other.

use std::sync::Arc;

use weir_model::read::Values;

use crate::{Directory, Segment, SegmentError, StripeCursor, StripeValues, statistics};

impl Segment {
    /// Checks every checksum, decodes everything, and compares times, spans and statistics with the values.
    ///
    /// # Errors
    /// The first damage found, with its offset.
    pub fn verify(self: &Arc<Self>) -> Result<(), SegmentError> {
        for stripe in 0..self.stripes().len() {
            let directory = self.directory(stripe)?;
            let fields: Vec<u32> = directory.columns().iter().map(|c| c.field).collect();
            let mut cursor = StripeCursor::new(Arc::clone(self), stripe, &fields)?;
            verify_times(&mut cursor, &directory)?;
            for column in 0..fields.len() {
                verify_column(&mut cursor, &directory, column)?;
            }
        }
        Ok(())
    }
}

fn verify_times(cursor: &mut StripeCursor, directory: &Directory) -> Result<(), SegmentError> {
    let damaged = |what| SegmentError::Damaged { offset: directory.times.start, what };
    for series in 0..directory.series().len() {
        let mut last = None;
        for piece in directory.pieces(series) {
            let times = &cursor.times(piece.block)?[piece.rows.clone()];
            let ascend = times.is_sorted_by(|a, b| a < b) && times.first() > last.as_ref();
            if !ascend {
                return Err(damaged("times do not ascend"));
            }
            let (first, end) = (times.first().copied(), times.last().copied());
            let inside = first >= Some(piece.span.min) && end <= Some(piece.span.max);
            let exact = first == Some(piece.span.min) && end == Some(piece.span.max);
            if !inside || (piece.alone && !exact) {
                return Err(damaged("times lie outside the span of their unit"));
            }
            last = end;
        }
    }
    Ok(())
}

fn verify_column(
    cursor: &mut StripeCursor,
    directory: &Directory,
    column: usize,
) -> Result<(), SegmentError> {
    let start = directory.statistics.get(column).map_or(0, |s| s.start);
    let stored: Vec<_> = match cursor.statistics(column)? {
        Some(list) => (0..list.len()).map(|unit| list.unit(unit)).collect(),
        None => Vec::new(),
    };
    let mut block = 0;
    for (unit, rows) in directory.layout.units.windows(2).enumerate() {
        while directory.row_range(block).is_some_and(|r| r.end <= rows[0]) {
            block += 1;
        }
        let base = directory.row_range(block).map_or(0, |r| r.start);
        let decoded = cursor.column(column, block)?;
        let values = match &decoded.values {
            Values::Float(v) => StripeValues::Float(v),
            Values::Integer(v) => StripeValues::Integer(v),
            Values::Unsigned(v) => StripeValues::Unsigned(v),
            Values::Boolean(v) => StripeValues::Boolean(v),
            Values::String(v) => StripeValues::String(v),
            Values::Absent => StripeValues::Boolean(&[]),
        };
        let rows = (rows[0] - base) as usize..(rows[1] - base) as usize;
        let found = statistics::of_rows(&values, &decoded.valid, rows);
        if stored.get(unit) != Some(&found) {
            return Err(SegmentError::Damaged {
                offset: start,
                what: "statistics are not those of the values",
            });
        }
    }
    Ok(())
}
