//! Points of one measurement and shard group: what goes into a record and what comes out, and the bytes between.
//!
//! Rows stand in order of arrival and values column by column, exactly as the memtable keeps them, so that neither writing nor
//! replay moves a value twice. From [`PACKED_ROWS_MIN`] rows on columns go through the light codecs (about 1 byte per value); below
//! that plain varints are used.

use weir_codec::{FloatHint, get_varint, put_varint};
use weir_model::FieldType;
use weir_model::read::{Column, Validity, Values};

use crate::error::WalError;
use crate::format::KIND_POINTS;
use crate::points::columns::Scratch;

mod columns;

/// Most rows encoded together: the decoded columns of a block stay in the first-level cache.
pub(crate) const BLOCK_ROWS_MAX: usize = 1_024;
/// Fewest rows for which the light codecs are used. They are a little smaller from 8 rows on, but choosing one takes 5 to 10 times as
/// long as writing varints (10 rows: 20 ns a value for two decimals against 6), and a small batch does not fill its page.
const PACKED_ROWS_MIN: usize = 16;
/// Most fields of a measurement in one record; bounds what damaged bytes can make a reader allocate.
const COLUMNS_MAX: usize = 1 << 16;
/// Most values (rows × fields, nulls included) in one record; a record with more is refused, and never written.
pub(crate) const RECORD_VALUES_MAX: usize = 1 << 24;

/// Points to write, borrowed from where they are. `series`, `times` and all columns have equal lengths.
#[derive(Clone, Copy, Debug)]
pub struct PointsView<'a> {
    /// Shard group.
    pub group: u32,
    /// Measurement instance.
    pub measurement: u32,
    /// For each row its series' durable id.
    pub series: &'a [u64],
    /// For each row its time, nanoseconds.
    pub times: &'a [i64],
    /// The fields.
    pub columns: &'a [ColumnView<'a>],
}

/// One field of [`PointsView`].
#[derive(Clone, Copy, Debug)]
pub struct ColumnView<'a> {
    /// Field id.
    pub field: u32,
    /// One value per row; a meaningless one where `valid` says null. An absent column must not be passed.
    pub values: &'a Values,
    /// Which rows have a value.
    pub valid: &'a Validity,
    /// Most digits after the point, if all floats were spelled as exact decimals. A hint: it changes the size, not the result.
    pub scale: Option<u8>,
}

/// Points read back. All parts have equal lengths.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// Shard group.
    pub group: u32,
    /// Measurement instance.
    pub measurement: u32,
    /// For each row its series' durable id.
    pub series: Vec<u64>,
    /// For each row its time, nanoseconds.
    pub times: Vec<i64>,
    /// The fields.
    pub columns: Vec<PointColumn>,
}

/// One field of [`Points`].
#[derive(Clone, Debug, Default)]
pub struct PointColumn {
    /// Field id.
    pub field: u32,
    /// One value per row, zero or empty where null.
    pub column: Column,
}

impl PointsView<'_> {
    /// How many rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether all parts have equal lengths and every column is of a known type.
    fn is_consistent(&self) -> bool {
        let rows = self.len();
        self.series.len() == rows
            && self.columns.len() <= COLUMNS_MAX
            && self
                .columns
                .iter()
                .all(|c| columns::len(c.values) == Some(rows) && columns::fits(c.valid, rows))
    }
}

/// Columns whose hints are remembered; a column with the same remainder displaces another, which costs it a search.
const HINTS: usize = 1 << 10;

/// Reusable memory of the encoder.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    scratch: Scratch,
    /// By field id modulo [`HINTS`], from batch to batch: in small batches the search would cost more than the encoding.
    hints: Vec<FloatHint>,
}

impl Encoder {
    /// Appends `points` from row `from` to row `to`; there is at least one. Panics if the parts differ in length: they are
    /// built by this program.
    pub(crate) fn encode(&mut self, points: &PointsView<'_>, from: usize, to: usize, out: &mut Vec<u8>) {
        assert!(points.is_consistent(), "columns of one batch differ in length");
        put_varint(u64::from(points.group), out);
        put_varint(u64::from(points.measurement), out);
        let packed = to - from >= PACKED_ROWS_MIN;
        put_varint(((to - from) as u64) << 1 | u64::from(packed), out);
        put_varint(points.columns.len() as u64, out);
        for column in points.columns {
            put_varint(u64::from(column.field), out);
            out.push(column.values.field_type().map_or(0, |t| t as u8));
        }
        if self.hints.is_empty() && points.columns.iter().any(|c| matches!(c.values, Values::Float(_))) {
            self.hints.resize(HINTS, FloatHint::default());
        }
        let mut start = from;
        while start < to {
            let end = to.min(start + BLOCK_ROWS_MAX);
            self.scratch.series(&points.series[start..end], packed, out);
            self.scratch.times(&points.times[start..end], packed, out);
            for column in points.columns {
                let mut unused = FloatHint::default();
                let hint = self.hints.get_mut(column.field as usize % HINTS).unwrap_or(&mut unused);
                self.scratch.column(column, start..end, packed, hint, out);
            }
            start = end;
        }
    }
}

/// Reads points at `*at` and moves `*at` behind them. `values_left` bounds what may be decoded and is lowered.
pub(crate) fn decode(bytes: &[u8], at: &mut usize, values_left: &mut usize) -> Result<Points, WalError> {
    let bad = |offset, what| WalError::Record { kind: KIND_POINTS, offset, what };
    let id = |at: &mut usize| {
        let start = *at;
        let n = get_varint(bytes, at).map_err(|_| bad(start, "the bytes end early"))?;
        u32::try_from(n).map_err(|_| bad(start, "an id is too large"))
    };
    let (group, measurement) = (id(at)?, id(at)?);
    let (rows, n_columns) = (id(at)? as usize, id(at)? as usize);
    let (rows, packed) = (rows >> 1, rows & 1 == 1);
    let cells = rows.checked_mul(n_columns + 2).filter(|&n| n <= *values_left && n_columns <= COLUMNS_MAX);
    *values_left -= cells.ok_or_else(|| bad(*at, "more values than a record holds"))?;
    let mut columns = Vec::with_capacity(n_columns.min(bytes.len()));
    for _ in 0..n_columns {
        let field = id(at)?;
        let field_type = bytes.get(*at).copied().and_then(FieldType::from_u8);
        let values = columns::empty(field_type.ok_or_else(|| bad(*at, "unknown field type"))?);
        *at += 1;
        columns.push(PointColumn { field, column: Column { values, valid: Validity::All } });
    }
    let mut points = Points { group, measurement, columns, ..Points::default() };
    let mut done = 0;
    while done < rows {
        let n = BLOCK_ROWS_MAX.min(rows - done);
        columns::read_series(bytes, at, n, packed, &mut points.series)
            .and_then(|()| columns::read_times(bytes, at, n, packed, &mut points.times))
            .map_err(|what| bad(*at, what))?;
        for column in &mut points.columns {
            columns::read_column(bytes, at, done, n, packed, &mut column.column)
                .map_err(|what| bad(*at, what))?;
        }
        done += n;
    }
    Ok(points)
}
