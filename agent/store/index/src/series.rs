//! The index: spellings to slots, slots to keys and ids.
#![allow(clippy::todo, reason = "signatures first")]

use std::sync::Arc;

use weir_model::{Refusal, SeriesKey};

use crate::measurement::Measurement;
use crate::predictor::Predictor;

/// A series within one [`SeriesIndex`]: dense from 0, in RAM only. Also the `SeriesNo` of tables read from this index.
pub type SeriesSlot = u32;

/// How much an index takes; 0 = no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexLimits {
    /// Most series.
    pub series_max: u64,
    /// Most values of one tag of one measurement.
    pub tag_values_max: u64,
}

/// All series of one instance of a retention policy. Shared by all writers and readers.
#[derive(Debug)]
pub struct SeriesIndex {}

impl SeriesIndex {
    /// An empty index.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        todo!("{limits:?}")
    }
    /// Changes the limits for series defined from now on.
    pub fn set_limits(&self, limits: IndexLimits) {
        todo!("{limits:?}")
    }
    /// The series whose key is spelled `raw` on the wire (`m,b=1,a=2`); `None` if that spelling was never defined. About 10 ns when the
    /// predictor is right.
    pub fn lookup(&self, predictor: &mut Predictor, raw: &[u8]) -> Option<SeriesSlot> {
        let _ = (predictor, raw);
        todo!()
    }
    /// Finds or makes the series of unescaped parts, and remembers `raw` as a spelling of it unless empty. `tags` in any order, no
    /// duplicate keys; empty values are left out. `next_id` gives the durable id if the series is new; it runs under a lock of this index
    /// and must not call back into it. All spellings in all threads end at one slot and one id.
    ///
    /// # Errors
    /// [`Refusal::SeriesLimit`], [`Refusal::TagValueLimit`], [`Refusal::KeyTooLong`], or [`Refusal::TargetDropped`] when this measurement instance
    /// is dropped.
    pub fn define(
        &self,
        predictor: &mut Predictor,
        raw: &[u8],
        measurement_id: u32,
        measurement: &str,
        tags: &[(&str, &str)],
        next_id: impl FnOnce() -> u64,
    ) -> Result<SeriesSlot, Refusal> {
        let _ = (predictor, raw, measurement_id, measurement, tags);
        next_id();
        todo!()
    }
    /// Takes over a series from a log or a file; limits do not count. A key that is known under another id gets this
    /// one as an alias: both lead to its slot.
    ///
    /// # Errors
    /// [`DefineError`] when the id or the key belongs to something else: damaged data.
    pub fn define_with_id(
        &self,
        key: &str,
        measurement_id: u32,
        durable_id: u64,
    ) -> Result<SeriesSlot, DefineError> {
        todo!("{key} {measurement_id} {durable_id}")
    }
    /// Slots given out; every slot is below.
    #[must_use]
    pub fn slots_len(&self) -> u32 {
        todo!()
    }
    /// Durable id of a slot; the first one if it has aliases.
    #[must_use]
    pub fn durable_id(&self, slot: SeriesSlot) -> Option<u64> {
        todo!("{slot}")
    }
    /// Slot of a durable id.
    #[must_use]
    pub fn slot_of_id(&self, durable_id: u64) -> Option<SeriesSlot> {
        todo!("{durable_id}")
    }
    /// Canonical key of a slot.
    #[must_use]
    pub fn canonical_key(&self, slot: SeriesSlot) -> Option<SeriesKey> {
        todo!("{slot}")
    }
    /// Appends the canonical key to `out`; false if there is no such slot.
    pub fn write_canonical_key(&self, slot: SeriesSlot, out: &mut String) -> bool {
        todo!("{slot}{out}")
    }
    /// Number of the measurement instance of a slot.
    #[must_use]
    pub fn measurement_id(&self, slot: SeriesSlot) -> Option<u32> {
        todo!("{slot}")
    }
    /// The measurement of this name.
    #[must_use]
    pub fn measurement(&self, name: &str) -> Option<Arc<Measurement>> {
        todo!("{name}")
    }
    /// The measurement instance of this number.
    #[must_use]
    pub fn measurement_by_id(&self, id: u32) -> Option<Arc<Measurement>> {
        todo!("{id}")
    }
    /// All measurements by name.
    #[must_use]
    pub fn measurements(&self) -> Vec<Arc<Measurement>> {
        todo!()
    }
    /// Ends a measurement instance: its spellings are forgotten, its slots never come back, `define` for its number is refused.
    pub fn drop_measurement(&self, id: u32) {
        todo!("{id}")
    }
    /// A number that the caller keeps with each slot, 0 at first: e.g. where the definition is durable.
    #[must_use]
    pub fn note(&self, slot: SeriesSlot) -> u64 {
        todo!("{slot}")
    }
    /// Sets the caller's number of a slot.
    pub fn set_note(&self, slot: SeriesSlot, note: u64) {
        todo!("{slot}{note}")
    }
    /// Bytes it holds, near enough for budgets.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        todo!()
    }
}

/// A definition from a log or a file contradicts what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefineError {
    /// One id, two keys.
    #[error("series id {id} belongs to \"{known}\" and to \"{given}\"")]
    IdConflict {
        /// The id.
        id: u64,
        /// Key it has.
        known: String,
        /// Key it should get.
        given: String,
    },
    /// One key, two living measurement instances.
    #[error("series \"{key}\" belongs to measurement {known} and to measurement {given}")]
    MeasurementConflict {
        /// The key.
        key: String,
        /// Instance it has.
        known: u32,
        /// Instance it should get.
        given: u32,
    },
    /// More than 2^32 - 1 slots, or a key too long.
    #[error("the series index is full, or the key of {len} bytes is longer than {max}")]
    Full {
        /// Bytes of the key.
        len: usize,
        /// Most bytes of a key.
        max: usize,
    },
    /// The measurement instance is dropped.
    #[error("measurement {0} is dropped")]
    Dropped(u32),
}
