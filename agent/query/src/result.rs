//! What a query answers: typed pieces, in the order in which they are to be written.
//!
//! One statement gives [`Piece::Statement`], then any number of messages and series, then at most one error, then
//! [`Piece::End`]. A series is one [`Piece::Series`] and any number of [`Piece::Rows`] (none if it has no values).

use std::sync::Arc;

use weir_model::read::{Strings, Validity};

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A statement's result begins. The number is its place in the request, from 0.
    Statement {
        /// Place of the statement.
        id: usize,
    },
    /// A remark about the statement; belongs behind its series when written as JSON.
    Message(Message),
    /// A series begins (and the one before is complete).
    Series(SeriesHead),
    /// Rows of the series that began last.
    Rows(Rows),
    /// The statement failed with this text. Series sent before stay valid.
    Error(Arc<str>),
    /// The statement's result is complete.
    End,
}

/// A remark that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How grave.
    pub level: Level,
    /// The text.
    pub text: Arc<str>,
}

/// Gravity of a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Prints as `info`.
    Info,
    /// Prints as `warning`.
    Warning,
}

impl Level {
    /// As 1.x prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// Name, tags and columns of one series of the answer.
#[derive(Clone, Debug, Default)]
pub struct SeriesHead {
    /// Name; left out of the answer if `None`.
    pub name: Option<Arc<str>>,
    /// Grouped tags, sorted by key; left out if empty. A missing tag has the empty value.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// Names of the columns; the rows have as many cells.
    pub columns: Arc<[Arc<str>]>,
    /// Zone for times printed as text; `None` is UTC.
    pub zone: Option<Zone>,
}

/// Some rows, by column.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// How many rows; at least 1.
    pub len: usize,
    /// One for each column of the head.
    pub columns: Vec<Cells>,
}

impl Rows {
    /// The cell at `row` of column `column`; null when out of bounds.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> Cell<'_> {
        self.columns.get(column).map_or(Cell::Null, |c| c.get(row))
    }

    /// About how many bytes these rows hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|c| c.bytes(self.len)).sum::<usize>() + 64
    }
}

/// The cells of one column of some rows.
#[derive(Clone, Debug, Default)]
pub enum Cells {
    /// All null.
    #[default]
    Null,
    /// Times, nanoseconds.
    Time(Vec<i64>),
    /// Floats; null where not valid.
    Float(Vec<f64>, Validity),
    /// Integers.
    Integer(Vec<i64>, Validity),
    /// Unsigned integers.
    Unsigned(Vec<u64>, Validity),
    /// Booleans.
    Boolean(Vec<bool>, Validity),
    /// Strings.
    String(Strings, Validity),
    /// The same text in every row (a tag).
    Same(Arc<str>),
    /// Types differ from row to row.
    Mixed(Vec<Value>),
}

impl Cells {
    /// The cell at `row`; null when out of bounds.
    #[must_use]
    pub fn get(&self, row: usize) -> Cell<'_> {
        let valid = |v: &Validity| v.is_valid(row);
        match self {
            Self::Null => Cell::Null,
            Self::Time(v) => v.get(row).map_or(Cell::Null, |&x| Cell::Time(x)),
            Self::Float(v, ok) if valid(ok) => v.get(row).map_or(Cell::Null, |&x| Cell::Float(x)),
            Self::Integer(v, ok) if valid(ok) => v.get(row).map_or(Cell::Null, |&x| Cell::Integer(x)),
            Self::Unsigned(v, ok) if valid(ok) => v.get(row).map_or(Cell::Null, |&x| Cell::Unsigned(x)),
            Self::Boolean(v, ok) if valid(ok) => v.get(row).map_or(Cell::Null, |&x| Cell::Boolean(x)),
            Self::String(v, ok) if valid(ok) => v.get(row).map_or(Cell::Null, Cell::Str),
            Self::Same(text) => Cell::Str(text),
            Self::Mixed(v) => v.get(row).map_or(Cell::Null, Value::cell),
            _ => Cell::Null,
        }
    }

    fn bytes(&self, rows: usize) -> usize {
        match self {
            Self::Null | Self::Same(_) => 16,
            Self::Boolean(..) => rows,
            Self::String(v, _) => v.heap_len() + rows * 4,
            Self::Mixed(v) => v.iter().map(Value::bytes).sum(),
            _ => rows * 8,
        }
    }
}

/// One value of an answer, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Nanoseconds since the Unix epoch, UTC.
    Time(i64),
    /// A float; may be NaN or infinite, which prints as null.
    Float(f64),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// True or false.
    Boolean(bool),
    /// Text.
    Str(&'a str),
}

/// One value of an answer, owned.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// Nanoseconds since the Unix epoch, UTC.
    Time(i64),
    /// A float.
    Float(f64),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// True or false.
    Boolean(bool),
    /// Text.
    Str(Arc<str>),
}

impl Value {
    /// Borrows it.
    #[must_use]
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Time(x) => Cell::Time(*x),
            Self::Float(x) => Cell::Float(*x),
            Self::Integer(x) => Cell::Integer(*x),
            Self::Unsigned(x) => Cell::Unsigned(*x),
            Self::Boolean(x) => Cell::Boolean(*x),
            Self::Str(x) => Cell::Str(x),
        }
    }

    /// Whether it is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// About how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + if let Self::Str(s) = self { s.len() } else { 0 }
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Time(x) => Self::Time(x),
            Cell::Float(x) => Self::Float(x),
            Cell::Integer(x) => Self::Integer(x),
            Cell::Unsigned(x) => Self::Unsigned(x),
            Cell::Boolean(x) => Self::Boolean(x),
            Cell::Str(x) => Self::Str(x.into()),
        }
    }
}

/// A time zone of the bundled database.
#[derive(Clone, Debug)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// The zone called `name` (`Europe/Berlin`), `UTC` for the empty name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self(jiff::tz::TimeZone::UTC)),
            "Local" => Some(Self(jiff::tz::TimeZone::system())),
            _ => jiff::tz::TimeZone::get(name).ok().map(Self),
        }
    }

    /// Seconds to add to UTC at the time `ns`.
    #[must_use]
    pub fn offset_seconds(&self, ns: i64) -> i32 {
        jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or(0, |t| self.0.to_offset(t).seconds())
    }

    /// Nanoseconds to add to UTC at the time `ns`.
    #[must_use]
    pub fn offset_ns(&self, ns: i64) -> i64 {
        i64::from(self.offset_seconds(ns)) * 1_000_000_000
    }
}
