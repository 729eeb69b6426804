//! Statistics of runs of values.

use weir_model::read::Number;

/// Statistics of one column of a stripe, one entry per unit (see [`Piece::unit`](crate::Piece::unit)).
#[derive(Debug, Default)]
pub struct ColumnStatistics {
    counts: Vec<u32>,
}

/// Statistics of one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitStatistics {
    /// Values that are not null.
    pub count: u32,
    /// Smallest and largest; of equal ones the earliest. `None` without values, for strings and booleans, and when there is a NaN.
    pub min_max: Option<(Number, Number)>,
    /// First and last value that is not null; as `min_max`, but NaN is known.
    pub first_last: Option<(Number, Number)>,
    /// Sum and sum of magnitudes, when all values are integral and the latter is below 2^53.
    pub exact_sum: Option<(Number, f64)>,
}

impl ColumnStatistics {
    /// Statistics of a unit; all zero when out of bounds.
    #[must_use]
    pub fn unit(&self, unit: usize) -> UnitStatistics {
        let _ = (unit, &self.counts);
        todo!()
    }
}
