//! Writes a segment, stripe after stripe.

use std::io::Write;

use crate::{SegmentError, SegmentFacts, StripeInput};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Points.
    pub points: u64,
    /// Series (a series cut between two stripes counts once).
    pub series: u64,
    /// First time of all points.
    pub t_min: i64,
    /// Last time of all points.
    pub t_max: i64,
}

/// Writes one segment into `W`: a `Vec<u8>` for a sealed memtable, a file for a flush. Holds one encoded stripe at a time.
#[derive(Debug)]
pub struct SegmentWriter<W> {
    out: W,
    facts: SegmentFacts,
}

impl<W: Write> SegmentWriter<W> {
    /// Starts a segment: writes its header.
    ///
    /// # Errors
    /// Of `out`.
    pub fn new(out: W, facts: SegmentFacts) -> Result<Self, SegmentError> {
        Ok(Self { out, facts })
    }

    /// Encodes and writes one stripe.
    ///
    /// # Errors
    /// [`SegmentError::Input`] when the stripe breaks a rule stated at [`StripeInput`] (nothing is written then), or of the sink.
    pub fn push(&mut self, stripe: &StripeInput<'_>) -> Result<(), SegmentError> {
        let _ = (stripe, &self.facts);
        todo!()
    }

    /// Writes schema, index and footer; returns the sink.
    ///
    /// # Errors
    /// Of the sink.
    pub fn finish(self) -> Result<(W, Written), SegmentError> {
        let _ = self.out;
        todo!()
    }
}
