//! A stripe being put together, and how it goes to the segment writer.

use std::io::Write;

use weir_model::read::{Column, Validity, Values};
use weir_segment::{STRIPE_POINTS_MAX, SegmentError, SegmentWriter, StripeColumn, StripeInput, StripeValues};

/// Bytes of decoded values a stripe may hold while it is built; measurements with very many fields get shorter stripes.
const STRIPE_BYTES_MAX: usize = 32 << 20;

/// Points of some series of one measurement, sorted.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    pub(crate) measurement: u32,
    /// (durable id, points), in the order of canonical keys.
    pub(crate) series: Vec<(u64, u32)>,
    pub(crate) times: Vec<i64>,
    /// Field ids, ascending.
    pub(crate) fields: Vec<u32>,
    /// As many as fields, each as long as `times`.
    pub(crate) columns: Vec<Column>,
    pub(crate) first_key: String,
    pub(crate) last_key: String,
}

/// Most points of a stripe with this many fields.
pub(crate) fn points_max(fields: usize) -> usize {
    (STRIPE_BYTES_MAX / (8 * (fields + 1))).clamp(1_024, STRIPE_POINTS_MAX)
}

impl Stripe {
    /// Forgets the points, keeps fields and memory.
    pub(crate) fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.first_key.clear();
        self.last_key.clear();
        for column in &mut self.columns {
            column.valid = Validity::All;
            match &mut column.values {
                Values::Absent => {}
                Values::Float(v) => v.clear(),
                Values::Integer(v) => v.clear(),
                Values::Unsigned(v) => v.clear(),
                Values::Boolean(v) => v.clear(),
                Values::String(v) => v.clear(),
            }
        }
    }

    /// Hands the stripe to the writer; an empty one is left out.
    ///
    /// # Errors
    /// Of the writer.
    pub(crate) fn write<W: Write>(&self, writer: &mut SegmentWriter<W>) -> Result<(), SegmentError> {
        if self.times.is_empty() {
            return Ok(());
        }
        let columns: Vec<StripeColumn<'_>> = self
            .fields
            .iter()
            .zip(&self.columns)
            .filter_map(|(&field, column)| {
                let values = match &column.values {
                    Values::Absent => return None,
                    Values::Float(v) => StripeValues::Float(v),
                    Values::Integer(v) => StripeValues::Integer(v),
                    Values::Unsigned(v) => StripeValues::Unsigned(v),
                    Values::Boolean(v) => StripeValues::Boolean(v),
                    Values::String(v) => StripeValues::String(v),
                };
                Some(StripeColumn { field, values, valid: &column.valid })
            })
            .collect();
        writer.push(&StripeInput {
            measurement: self.measurement,
            series: &self.series,
            times: &self.times,
            columns: &columns,
            first_key: self.first_key.as_bytes(),
            last_key: self.last_key.as_bytes(),
        })
    }
}
