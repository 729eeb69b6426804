//! Rows between the steps of a query: times and columns of one series.

use std::sync::Arc;

use weir_influxql::ast::DataType;
use weir_model::read::{Column, Strings, Validity, Values};

use crate::plan::types::Type;
use crate::result::{Cell, Cells, Value};

/// Name and tags of a series of rows; tags sorted by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct SeriesId {
    /// The measurement.
    pub(crate) name: Arc<str>,
    /// Grouped tags; an absent one has the empty value.
    pub(crate) tags: Vec<(Arc<str>, Arc<str>)>,
}

impl SeriesId {
    /// Value of a tag, if it is one of the grouped ones.
    pub(crate) fn tag(&self, key: &str) -> Option<&Arc<str>> {
        self.tags.iter().find(|(k, _)| &**k == key).map(|(_, v)| v)
    }
}

/// Rows of one series.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Which.
    pub(crate) id: Arc<SeriesId>,
    /// Times of the rows.
    pub(crate) times: Vec<i64>,
    /// Cells by column, as long as `times`.
    pub(crate) columns: Vec<Cells>,
}

/// A column to read, with the type it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref {
    /// Name of the field or tag.
    pub(crate) name: Arc<str>,
    /// Its type; unknown and `AnyField` read as null.
    pub(crate) kind: Type,
}

impl Ref {
    /// Whether rows exist because of it: a field, not a tag.
    pub(crate) const fn drives(&self) -> bool {
        !matches!(self.kind, None | Some(DataType::Tag | DataType::AnyField))
    }
}

/// A column of a [`Block`].
#[derive(Clone, Debug, Default)]
pub(crate) enum Col {
    /// All null.
    #[default]
    Null,
    /// The same text in each row.
    Same(Arc<str>),
    /// Values.
    Data(Column),
}

impl Col {
    /// The cell at `row`.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        use weir_model::FieldValue as F;
        match self {
            Self::Null => Cell::Null,
            Self::Same(text) => Cell::Str(text),
            Self::Data(column) => match column.get(row) {
                None => Cell::Null,
                Some(F::Float(x)) => Cell::Float(x),
                Some(F::Integer(x)) => Cell::Integer(x),
                Some(F::Unsigned(x)) => Cell::Unsigned(x),
                Some(F::Boolean(x)) => Cell::Boolean(x),
                Some(F::String(x)) => Cell::Str(x),
            },
        }
    }

    /// The value at `row`, sharing the text of a tag.
    pub(crate) fn value(&self, row: usize) -> Value {
        match self {
            Self::Same(text) => Value::Str(Arc::clone(text)),
            other => other.cell(row).into(),
        }
    }

    /// As cells of a result.
    pub(crate) fn into_cells(self) -> Cells {
        match self {
            Self::Null => Cells::Null,
            Self::Same(text) => Cells::Same(text),
            Self::Data(Column { values, valid }) => match values {
                Values::Absent => Cells::Null,
                Values::Float(v) => Cells::Float(v, valid),
                Values::Integer(v) => Cells::Integer(v, valid),
                Values::Unsigned(v) => Cells::Unsigned(v, valid),
                Values::Boolean(v) => Cells::Boolean(v, valid),
                Values::String(v) => Cells::String(v, valid),
            },
        }
    }
}

/// Rows of one stored series, or of one series of a subquery.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// Times of the rows.
    pub(crate) times: Vec<i64>,
    /// One for each column asked for.
    pub(crate) columns: Vec<Col>,
}

/// Gathers cells of one type into a column.
#[derive(Debug)]
pub(crate) struct Builder {
    values: Values,
    bits: Vec<u64>,
    len: usize,
    nulls: usize,
}

impl Builder {
    /// For a column of type `kind`.
    pub(crate) fn new(kind: Type) -> Self {
        let values = match kind {
            Some(DataType::Float) => Values::Float(Vec::new()),
            Some(DataType::Integer) => Values::Integer(Vec::new()),
            Some(DataType::Unsigned) => Values::Unsigned(Vec::new()),
            Some(DataType::Boolean) => Values::Boolean(Vec::new()),
            Some(DataType::String | DataType::Tag) => Values::String(Strings::new()),
            None | Some(DataType::AnyField) => Values::Absent,
        };
        Self { values, bits: Vec::new(), len: 0, nulls: 0 }
    }

    /// Appends a cell; one of another type counts as null.
    pub(crate) fn push(&mut self, cell: Cell<'_>) {
        let valid = match (&mut self.values, cell) {
            (Values::Float(v), Cell::Float(x)) => {
                v.push(x);
                true
            }
            (Values::Integer(v), Cell::Integer(x)) => {
                v.push(x);
                true
            }
            (Values::Unsigned(v), Cell::Unsigned(x)) => {
                v.push(x);
                true
            }
            (Values::Boolean(v), Cell::Boolean(x)) => {
                v.push(x);
                true
            }
            (Values::String(v), Cell::Str(x)) => {
                v.push(x);
                true
            }
            (values, _) => {
                match values {
                    Values::Absent => {}
                    Values::Float(v) => v.push(0.0),
                    Values::Integer(v) => v.push(0),
                    Values::Unsigned(v) => v.push(0),
                    Values::Boolean(v) => v.push(false),
                    Values::String(v) => v.push(""),
                }
                false
            }
        };
        if self.len.is_multiple_of(64) {
            self.bits.push(0);
        }
        if let (true, Some(word)) = (valid, self.bits.last_mut()) {
            *word |= 1 << (self.len % 64);
        }
        self.nulls += usize::from(!valid);
        self.len += 1;
    }

    /// The column.
    pub(crate) fn finish(self) -> Column {
        if self.nulls == self.len {
            return Column::default();
        }
        let valid = if self.nulls == 0 { Validity::All } else { Validity::Bits(self.bits) };
        Column { values: self.values, valid }
    }
}

/// The rows of `column` for which `keep` is set, in order.
pub(crate) fn compact(column: Col, keep: &[bool]) -> Col {
    fn kept<T: Copy>(values: &[T], keep: &[bool]) -> Vec<T> {
        values.iter().zip(keep).filter(|(_, k)| **k).map(|(v, _)| *v).collect()
    }
    let Col::Data(Column { values, valid }) = column else { return column };
    let values = match values {
        Values::Absent => return Col::Data(Column::default()),
        Values::Float(v) => Values::Float(kept(&v, keep)),
        Values::Integer(v) => Values::Integer(kept(&v, keep)),
        Values::Unsigned(v) => Values::Unsigned(kept(&v, keep)),
        Values::Boolean(v) => Values::Boolean(kept(&v, keep)),
        Values::String(v) => {
            Values::String(v.iter().zip(keep).filter(|(_, k)| **k).map(|(s, _)| s).collect())
        }
    };
    let valid = match valid {
        Validity::Bits(_) => {
            let rows: Vec<usize> = keep.iter().enumerate().filter(|(_, k)| **k).map(|(row, _)| row).collect();
            let mut bits = vec![0_u64; rows.len().div_ceil(64)];
            for (to, from) in rows.iter().enumerate() {
                bits[to / 64] |= u64::from(valid.is_valid(*from)) << (to % 64);
            }
            Validity::Bits(bits)
        }
        other => other,
    };
    Col::Data(Column { values, valid })
}

/// The column with the type `kind`: numbers become other numbers, all else becomes null.
pub(crate) fn cast(column: Column, kind: Type) -> Column {
    let Column { values, valid } = column;
    let values = match (values, kind) {
        (v @ Values::Float(_), Some(DataType::Float))
        | (v @ Values::Integer(_), Some(DataType::Integer))
        | (v @ Values::Unsigned(_), Some(DataType::Unsigned))
        | (v @ Values::Boolean(_), Some(DataType::Boolean))
        | (v @ Values::String(_), Some(DataType::String)) => v,
        (Values::Integer(v), Some(DataType::Float)) => {
            Values::Float(v.into_iter().map(|x| x as f64).collect())
        }
        (Values::Unsigned(v), Some(DataType::Float)) => {
            Values::Float(v.into_iter().map(|x| x as f64).collect())
        }
        (Values::Float(v), Some(DataType::Integer)) => {
            Values::Integer(v.into_iter().map(float_to_integer).collect())
        }
        (Values::Unsigned(v), Some(DataType::Integer)) => {
            Values::Integer(v.into_iter().map(|x| x as i64).collect())
        }
        (Values::Float(v), Some(DataType::Unsigned)) => {
            Values::Unsigned(v.into_iter().map(float_to_unsigned).collect())
        }
        (Values::Integer(v), Some(DataType::Unsigned)) => {
            Values::Unsigned(v.into_iter().map(|x| x as u64).collect())
        }
        _ => return Column::default(),
    };
    Column { values, valid }
}

/// As the amd64 conversion does: what does not fit becomes the least integer.
pub(crate) fn float_to_integer(x: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) { x as i64 } else { i64::MIN }
}

/// Negative numbers wrap, as they do in 1.x.
pub(crate) fn float_to_unsigned(x: f64) -> u64 {
    if x < 9_223_372_036_854_775_808.0 { float_to_integer(x) as u64 } else { x as u64 }
}

/// One value with the type `kind`, as [`cast`] does it.
pub(crate) fn cast_value(value: Value, kind: Type) -> Value {
    match (value, kind) {
        (v @ Value::Float(_), Some(DataType::Float))
        | (v @ Value::Integer(_), Some(DataType::Integer))
        | (v @ Value::Unsigned(_), Some(DataType::Unsigned))
        | (v @ Value::Boolean(_), Some(DataType::Boolean))
        | (v @ Value::Str(_), Some(DataType::String | DataType::Tag)) => v,
        (Value::Integer(x), Some(DataType::Float)) => Value::Float(x as f64),
        (Value::Unsigned(x), Some(DataType::Float)) => Value::Float(x as f64),
        (Value::Float(x), Some(DataType::Integer)) => Value::Integer(float_to_integer(x)),
        (Value::Unsigned(x), Some(DataType::Integer)) => Value::Integer(x as i64),
        (Value::Float(x), Some(DataType::Unsigned)) => Value::Unsigned(float_to_unsigned(x)),
        (Value::Integer(x), Some(DataType::Unsigned)) => Value::Unsigned(x as u64),
        _ => Value::Null,
    }
}
