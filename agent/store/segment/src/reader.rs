//! Opens a segment and finds things in it.

use std::ops::Range;
use std::sync::Arc;

use weir_model::{FieldType, TimeRange};

use crate::{Directory, ReadAt, SegmentError, SegmentFacts};

/// A field of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentField {
    /// Field id.
    pub id: u32,
    /// Its type.
    pub field_type: FieldType,
}

/// A measurement in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeasurement {
    /// Measurement id.
    pub id: u32,
    /// Fields that have a value somewhere, ascending by id.
    pub fields: Vec<SegmentField>,
    /// Its stripes, indices into [`Segment::stripes`].
    pub stripes: Range<usize>,
}

/// What the index says about a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeEntry {
    /// Measurement id.
    pub measurement: u32,
    /// Points.
    pub points: u32,
    /// Series.
    pub series: u32,
    /// Lowest and highest durable id inside.
    pub ids: (u64, u64),
    /// First and last time of its points.
    pub span: TimeRange,
    /// Canonical key of its first series.
    pub first_key: Box<[u8]>,
    /// Canonical key of its last series.
    pub last_key: Box<[u8]>,
}

/// An open segment. Cheap to share (`Arc`); directories are read when first asked for and kept until
/// [`release_caches`](Self::release_caches).
pub struct Segment {
    source: Arc<dyn ReadAt>,
}

impl Segment {
    /// Opens a segment: reads header, footer, schema and index.
    ///
    /// # Errors
    /// [`SegmentError`] when one of them is damaged or of a later format.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self, SegmentError> {
        Ok(Self { source })
    }
    /// Facts of the header.
    #[must_use]
    pub fn facts(&self) -> &SegmentFacts {
        todo!()
    }
    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.source.len()
    }
    /// Measurements, ascending by id.
    #[must_use]
    pub fn measurements(&self) -> &[SegmentMeasurement] {
        todo!()
    }
    /// One measurement.
    #[must_use]
    pub fn measurement(&self, id: u32) -> Option<&SegmentMeasurement> {
        let _ = id;
        todo!()
    }
    /// All stripes in order.
    #[must_use]
    pub fn stripes(&self) -> &[StripeEntry] {
        todo!()
    }
    /// First and last time of all points; `None` when there is none.
    #[must_use]
    pub fn span(&self) -> Option<TimeRange> {
        todo!()
    }
    /// The directory of a stripe, read and checked at the first call.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn directory(&self, stripe: usize) -> Result<Arc<Directory>, SegmentError> {
        let _ = stripe;
        todo!()
    }
    /// Bytes held by cached directories.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        todo!()
    }
    /// Forgets cached directories (those in use live on in their `Arc`).
    pub fn release_caches(&self) {
        todo!()
    }
    /// Checks every checksum and decodes everything.
    ///
    /// # Errors
    /// The first damage found, with its offset.
    pub fn verify(&self) -> Result<(), SegmentError> {
        todo!()
    }
}
