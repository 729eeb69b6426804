//! What the writer takes: one stripe at a time.

use weir_model::FieldType;
use weir_model::read::{Strings, Validity};

/// Facts that stand in the header. The manifest's word counts where it says something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The store that wrote the file.
    pub store_id: [u8; 16],
    /// Start of the shard group, nanoseconds.
    pub group_start: i64,
    /// Lowest generation inside.
    pub gen_lo: u64,
    /// Highest generation inside.
    pub gen_hi: u64,
    /// 0 = flushed or sealed; each compaction adds one.
    pub level: u8,
}

/// Points of some series of one measurement, at most [`STRIPE_POINTS_MAX`](crate::STRIPE_POINTS_MAX). Stripes come in the order of
/// (measurement, canonical series key, time). A series that does not fit goes on as the first series of the next stripe.
#[derive(Clone, Copy, Debug)]
pub struct StripeInput<'a> {
    /// Measurement id; never lower than that of the stripe before.
    pub measurement: u32,
    /// (durable id, number of points > 0) in the order of canonical keys.
    pub series: &'a [(u64, u32)],
    /// Times of all points, series after series; strictly ascending within a series.
    pub times: &'a [i64],
    /// The fields, ascending by id. A field that is null everywhere may be left out.
    pub columns: &'a [StripeColumn<'a>],
    /// Canonical key of the first series.
    pub first_key: &'a [u8],
    /// Canonical key of the last series.
    pub last_key: &'a [u8],
}

/// One field of a stripe.
#[derive(Clone, Copy, Debug)]
pub struct StripeColumn<'a> {
    /// Field id.
    pub field: u32,
    /// As many values as points; where `valid` says null, any value.
    pub values: StripeValues<'a>,
    /// Which points have a value.
    pub valid: &'a Validity,
}

/// Typed values of a [`StripeColumn`].
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants are the field types")]
pub enum StripeValues<'a> {
    Float(&'a [f64]),
    Integer(&'a [i64]),
    Unsigned(&'a [u64]),
    Boolean(&'a [bool]),
    String(&'a Strings),
}

impl StripeValues<'_> {
    /// Their type.
    #[must_use]
    pub const fn field_type(&self) -> FieldType {
        match self {
            Self::Float(_) => FieldType::Float,
            Self::Integer(_) => FieldType::Integer,
            Self::Unsigned(_) => FieldType::Unsigned,
            Self::Boolean(_) => FieldType::Boolean,
            Self::String(_) => FieldType::String,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Float(v) => v.len(),
            Self::Integer(v) => v.len(),
            Self::Unsigned(v) => v.len(),
            Self::Boolean(v) => v.len(),
            Self::String(v) => v.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
