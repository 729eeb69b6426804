//! Reads the blocks of one stripe, each decoded once.

use std::sync::Arc;

use weir_model::read::Column;

use crate::{ColumnStatistics, Directory, Segment, SegmentError};

/// Reads one stripe. Keeps the last decoded block of the time column and of each field asked for, so that walking through short series decodes
/// each block once. Buffers are reused from block to block.
pub struct StripeCursor {
    segment: Arc<Segment>,
    directory: Arc<Directory>,
}

impl StripeCursor {
    /// A cursor over `stripe` for `fields` (ids; those that the stripe lacks read as null).
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn new(segment: Arc<Segment>, stripe: usize, fields: &[u32]) -> Result<Self, SegmentError> {
        let _ = fields;
        let directory = segment.directory(stripe)?;
        Ok(Self { segment, directory })
    }
    /// Goes on with another stripe of the same or another segment, keeping the buffers.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn move_to(
        &mut self,
        segment: Arc<Segment>,
        stripe: usize,
        fields: &[u32],
    ) -> Result<(), SegmentError> {
        let _ = (segment, stripe, fields, &self.segment);
        todo!()
    }
    /// The stripe's directory.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }
    /// Times of all rows of a block.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn times(&mut self, block: usize) -> Result<&[i64], SegmentError> {
        let _ = block;
        todo!()
    }
    /// Values of all rows of a block, for the field at index `field` of the list given to [`new`](Self::new). `Values::Absent` where all are null.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn column(&mut self, field: usize, block: usize) -> Result<&Column, SegmentError> {
        let _ = (field, block);
        todo!()
    }
    /// Statistics of the field at index `field`, per unit; `None` if the stripe lacks it.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn statistics(&mut self, field: usize) -> Result<Option<&ColumnStatistics>, SegmentError> {
        let _ = field;
        todo!()
    }
}

/// Appends rows of `from` to `to` (which holds `to_rows` rows). Types may differ only if one side is absent.
pub fn append_rows(from: &Column, rows: std::ops::Range<usize>, to: &mut Column, to_rows: usize) {
    let _ = (from, rows, to, to_rows);
    todo!()
}
