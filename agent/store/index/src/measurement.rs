//! Tags and postings of one measurement.
#![allow(clippy::todo, reason = "signatures first")]

use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_model::read::{ReadContext, ReadError, TagColumn, TagFilter};

use crate::series::SeriesSlot;

/// One measurement instance of a [`SeriesIndex`](crate::SeriesIndex): its series by tag. Series only ever come; `visible` in the methods below
/// names those that the caller may see, `None` means all.
#[derive(Debug)]
pub struct Measurement {}

impl Measurement {
    /// Number of the instance, as given by the caller of `define`.
    #[must_use]
    pub fn id(&self) -> u32 {
        todo!()
    }
    /// Its name, unescaped.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        todo!()
    }
    /// All its slots.
    #[must_use]
    pub fn slots(&self) -> RoaringBitmap {
        todo!()
    }
    /// Whether at least one of its series is visible.
    #[must_use]
    pub fn any_visible(&self, visible: &RoaringBitmap) -> bool {
        todo!("{visible:?}")
    }
    /// Tag keys that at least one visible series has, sorted.
    #[must_use]
    pub fn tag_keys(&self, visible: Option<&RoaringBitmap>) -> Vec<Arc<str>> {
        todo!("{visible:?}")
    }
    /// Distinct values of a tag among the visible series, sorted, without the empty one.
    #[must_use]
    pub fn tag_values(&self, key: &str, visible: Option<&RoaringBitmap>) -> Vec<Arc<str>> {
        todo!("{key}{visible:?}")
    }
    /// The visible series that match; a missing tag has the empty value.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`].
    pub fn select(
        &self,
        filter: &TagFilter,
        visible: Option<&RoaringBitmap>,
        context: &ReadContext,
    ) -> Result<RoaringBitmap, ReadError> {
        let _ = (filter, visible, context);
        todo!()
    }
    /// `slots` (of this measurement) by canonical key. The order of all series is kept between calls.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`].
    pub fn sorted(&self, slots: &RoaringBitmap, context: &ReadContext) -> Result<Vec<SeriesSlot>, ReadError> {
        let _ = (slots, context);
        todo!()
    }
    /// Values of one tag for `series` (of this measurement), in that order.
    #[must_use]
    pub fn tag_column(&self, key: &str, series: &[SeriesSlot]) -> TagColumn {
        todo!("{key}{series:?}")
    }
}
