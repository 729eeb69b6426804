//! The directory of a stripe: which series, how many points, which blocks, which columns.

use std::ops::Range;

use weir_model::{FieldType, TimeRange};

/// The directory of one stripe.
#[derive(Debug)]
pub struct Directory {
    ids: Vec<u64>,
}

/// The points of one series inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Block of the stripe.
    pub block: usize,
    /// Rows of the block.
    pub rows: Range<usize>,
    /// Unit whose time span and statistics cover the piece.
    pub unit: usize,
    /// Times of that unit: exact first and last time of the piece if `alone`, else merely bounds.
    pub span: TimeRange,
    /// Whether the unit consists of this piece only, so that its statistics are those of the piece.
    pub alone: bool,
}

/// A column of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Field id.
    pub field: u32,
    /// Its type.
    pub field_type: FieldType,
}

impl Directory {
    /// Durable ids of the series, in the order of canonical keys.
    #[must_use]
    pub fn series(&self) -> &[u64] {
        &self.ids
    }
    /// Number of points of each series.
    #[must_use]
    pub fn points(&self) -> &[u32] {
        todo!()
    }
    /// Index of a series.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<usize> {
        let _ = id;
        todo!()
    }
    /// The pieces of a series in time order; none if `series` is out of bounds.
    pub fn pieces(&self, series: usize) -> impl Iterator<Item = Piece> {
        let _ = series;
        std::iter::empty()
    }
    /// Times of a series: exact when it has 64 points or more, else bounds.
    #[must_use]
    pub fn span(&self, series: usize) -> Option<TimeRange> {
        let _ = series;
        todo!()
    }
    /// Number of blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        todo!()
    }
    /// Columns, ascending by field id; the time column is not among them.
    #[must_use]
    pub fn columns(&self) -> &[ColumnInfo] {
        todo!()
    }
    /// Index of the column of a field; `None` if the field is null in the whole stripe.
    #[must_use]
    pub fn column(&self, field: u32) -> Option<usize> {
        let _ = field;
        todo!()
    }
}
