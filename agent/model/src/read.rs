//! What the store shows a reader: a snapshot of databases, measurements and series, and scans that give columns.
//!
//! The query engine is written against these traits, the store implements them; a plain in-memory implementation serves as
//! the oracle in tests. All names are unescaped UTF-8. All lists are sorted by bytes unless a function says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use regex::Regex;

use crate::key::SeriesKey;
use crate::time::TimeRange;
use crate::value::{FieldType, FieldValue};

/// Gives snapshots.
pub trait Source: Send + Sync {
    /// One consistent state: every write acknowledged before this call is in it.
    ///
    /// # Errors
    /// [`ReadError::NotReady`] while the log is being replayed.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError>;
}

/// A retention policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
    /// Its name.
    pub name: Arc<str>,
    /// How long points live, nanoseconds; 0 = for ever.
    pub duration_ns: i64,
    /// Length of a shard group, nanoseconds.
    pub shard_group_duration_ns: i64,
    /// Stored and shown, of no other effect on one node.
    pub replica_n: u32,
    /// Whether it is the database's default.
    pub is_default: bool,
}

/// A shard group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardGroupInfo {
    /// Its number, never reused.
    pub id: u32,
    /// Times it holds.
    pub window: TimeRange,
}

/// One consistent state of the store.
pub trait Snapshot: Send + Sync {
    /// Names of all databases, in order of creation.
    fn databases(&self) -> Vec<Arc<str>>;
    /// The policies of a database in order of creation; `None` if there is no such database.
    fn policies(&self, database: &str) -> Option<Vec<PolicyInfo>>;
    /// The shard groups of a policy by time; empty if there is no such policy.
    fn shard_groups(&self, database: &str, policy: &str) -> Vec<ShardGroupInfo>;
    /// Measurements of a policy that have at least one series with a visible point.
    fn measurements(&self, database: &str, policy: &str) -> Vec<Arc<str>>;
    /// One measurement of one policy.
    fn table(&self, database: &str, policy: &str, measurement: &str) -> Option<Arc<dyn Table>>;
}

/// A field as it is in some shard group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its type there.
    pub field_type: FieldType,
}

/// A series within one [`Table`]; meaningless in another snapshot.
pub type SeriesNo = u32;

/// The values of one tag key for a list of series.
#[derive(Clone, Debug, Default)]
pub struct TagColumn {
    /// For each series the index of its value in `values`; the empty value where it lacks the tag.
    pub ids: Vec<u32>,
    /// Distinct values in no particular order; holds `""` if a series lacks the tag.
    pub values: Vec<Arc<str>>,
}

/// One measurement of one policy, in one snapshot.
pub trait Table: Send + Sync {
    /// Fields with their types in the shard groups that overlap `range`. A name whose type differs between groups
    /// stands once for each type.
    fn fields(&self, range: TimeRange) -> Vec<FieldInfo>;
    /// Tag keys of the visible series.
    fn tag_keys(&self) -> Vec<Arc<str>>;
    /// Distinct values of a tag among the visible series, without the empty one.
    fn tag_values(&self, key: &str) -> Vec<Arc<str>>;
    /// Series that match `filter` and may have a point in a shard group that overlaps `range`, by canonical key.
    ///
    /// # Errors
    /// [`ReadError`] when the budget is exhausted or the query cancelled.
    fn select_series(
        &self,
        filter: &TagFilter,
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError>;
    /// The series among `series` that certainly have a point inside `range` (exact, unlike `select_series`).
    ///
    /// # Errors
    /// As [`Scan::next`].
    fn with_points_in(
        &self,
        series: &[SeriesNo],
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError>;
    /// Values of one tag for `series`, in that order.
    fn tag_column(&self, key: &str, series: &[SeriesNo]) -> TagColumn;
    /// Canonical key of a series.
    fn series_key(&self, series: SeriesNo) -> SeriesKey;
    /// Starts reading.
    ///
    /// # Errors
    /// As [`Scan::next`].
    fn scan(&self, request: ScanRequest) -> Result<Box<dyn Scan>, ReadError>;
}

/// Which series. A series that lacks a tag has the empty value for it.
#[derive(Clone, Debug)]
pub enum TagFilter {
    /// Every series.
    All,
    /// No series.
    Nothing,
    /// The tag has this value.
    Equal(Arc<str>, Arc<str>),
    /// The tag has another value.
    NotEqual(Arc<str>, Arc<str>),
    /// The tag's value matches.
    Match(Arc<str>, Regex),
    /// The tag's value does not match.
    NotMatch(Arc<str>, Regex),
    /// All of these.
    And(Vec<TagFilter>),
    /// One of these.
    Or(Vec<TagFilter>),
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// Series, in the order in which they shall come.
    pub series: Arc<[SeriesNo]>,
    /// Fields by name; the columns of a chunk stand in this order.
    pub fields: Vec<Arc<str>>,
    /// Times.
    pub range: TimeRange,
    /// Newest first.
    pub descending: bool,
    /// If given, a run of points may be answered by a [`Summary`] instead, provided that it lies wholly inside `range` and
    /// inside one bucket, and that no other data overlaps it.
    pub summaries: Option<Buckets>,
    /// Budget and cancellation.
    pub context: Arc<ReadContext>,
}

/// Time buckets: bucket n holds `offset + n*every ..= offset + (n+1)*every - 1`. `every` = `i64::MAX` means one bucket
/// for all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Length, nanoseconds, positive.
    pub every: i64,
    /// Start of a bucket.
    pub offset: i64,
}

/// Reads chunk after chunk.
pub trait Scan: Send {
    /// Fills `chunk` with the next run of points of one series. All chunks of a series follow each other in time order
    /// and never overlap; series come in the order asked, those without points are left out. A chunk holds 1 to
    /// 1,024 points unless it is a summary. Overwritten and deleted points are gone already. Rows in which every asked field is null are
    /// left out.
    ///
    /// # Errors
    /// [`ReadError`]; the scan is over then.
    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, ReadError>;
}

/// A run of points of one series.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Which, as an index into [`ScanRequest::series`].
    pub series: usize,
    /// Times, nanoseconds, strictly ascending (descending if so asked). Empty in a summary.
    pub times: Vec<i64>,
    /// One column for each asked field, as long as `times`. Empty in a summary.
    pub columns: Vec<Column>,
    /// Set when the run is answered by statistics: one for each asked field.
    pub summary: Option<RunSummary>,
}

/// Statistics instead of points.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// First and last time of the run (of all its points, whatever their fields).
    pub span: TimeRange,
    /// For each asked field.
    pub columns: Vec<Summary>,
}

/// Statistics of the non-null values of one field in a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Smallest and largest, for numbers; `None` when not known or `count` is 0.
    pub min_max: Option<(Number, Number)>,
    /// Sum and sum of magnitudes, when adding in any order gives the same bits; sums of parts may be used while the magnitudes add up to less than 2^53.
    pub exact_sum: Option<(Number, f64)>,
}

/// A number of one of the numeric field types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Of a float field.
    Float(f64),
    /// Of an integer field.
    Integer(i64),
    /// Of an unsigned field.
    Unsigned(u64),
}

/// Values of one field, with nulls.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// One value per point; where `valid` says null, a meaningless one.
    pub values: Values,
    /// Which points have a value.
    pub valid: Validity,
}

/// Typed values. The type may change from chunk to chunk when it differs between shard groups.
#[derive(Clone, Debug, Default)]
pub enum Values {
    /// All null; the validity is [`Validity::None`].
    #[default]
    Absent,
    /// Floats.
    Float(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
    /// Unsigned integers.
    Unsigned(Vec<u64>),
    /// Booleans.
    Boolean(Vec<bool>),
    /// Strings.
    String(Strings),
}

impl Values {
    /// Type of the values; `None` if absent.
    #[must_use]
    pub const fn field_type(&self) -> Option<FieldType> {
        match self {
            Self::Absent => None,
            Self::Float(_) => Some(FieldType::Float),
            Self::Integer(_) => Some(FieldType::Integer),
            Self::Unsigned(_) => Some(FieldType::Unsigned),
            Self::Boolean(_) => Some(FieldType::Boolean),
            Self::String(_) => Some(FieldType::String),
        }
    }
}

impl Column {
    /// The value at row `i`, `None` if null or out of bounds.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<FieldValue<'_>> {
        if !self.valid.is_valid(i) {
            return None;
        }
        match &self.values {
            Values::Absent => None,
            Values::Float(v) => v.get(i).map(|&x| FieldValue::Float(x)),
            Values::Integer(v) => v.get(i).map(|&x| FieldValue::Integer(x)),
            Values::Unsigned(v) => v.get(i).map(|&x| FieldValue::Unsigned(x)),
            Values::Boolean(v) => v.get(i).map(|&x| FieldValue::Boolean(x)),
            Values::String(v) => v.get(i).map(FieldValue::String),
        }
    }
}

/// A list of strings in one heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    heap: String,
    ends: Vec<u32>,
}

impl Strings {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one.
    pub fn push(&mut self, text: &str) {
        self.heap.push_str(text);
        self.ends.push(u32::try_from(self.heap.len()).unwrap_or(u32::MAX));
    }

    /// The one at `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)? as usize;
        let start = if i == 0 { 0 } else { *self.ends.get(i - 1)? as usize };
        self.heap.get(start..end)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all of them together.
    #[must_use]
    pub fn heap_len(&self) -> usize {
        self.heap.len()
    }

    /// Forgets all, keeping the memory.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.ends.clear();
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}

impl<'a> FromIterator<&'a str> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a str>>(iter: I) -> Self {
        let mut out = Self::new();
        iter.into_iter().for_each(|s| out.push(s));
        out
    }
}

/// Which rows of a column have a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// Every row.
    All,
    /// No row.
    #[default]
    None,
    /// Row i has one when bit `i % 64` of word `i / 64` is set.
    Bits(Vec<u64>),
}

impl Validity {
    /// Whether row `i` has a value.
    #[must_use]
    pub fn is_valid(&self, i: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Bits(words) => words.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1),
        }
    }

    /// How many of the first `rows` rows have a value.
    #[must_use]
    pub fn count(&self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::None => 0,
            Self::Bits(words) => words.iter().map(|w| w.count_ones() as usize).sum(),
        }
    }
}

/// Budget and cancellation of one query, shared by everything that works for it.
#[derive(Debug)]
pub struct ReadContext {
    cancelled: AtomicBool,
    bytes_used: AtomicU64,
    bytes_max: u64,
}

impl ReadContext {
    /// A context that may hold `bytes_max` bytes of memory.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { cancelled: AtomicBool::new(false), bytes_used: AtomicU64::new(0), bytes_max }
    }

    /// Without limit, for tests and offline tools.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Asks everything that works for this query to stop soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Called at least every 100 µs of work.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`].
    pub fn check(&self) -> Result<(), ReadError> {
        if self.is_cancelled() { Err(ReadError::Cancelled) } else { Ok(()) }
    }

    /// Counts memory that the query holds from now on.
    ///
    /// # Errors
    /// [`ReadError::Memory`] if that is more than it may; nothing is counted then.
    pub fn charge(&self, bytes: u64) -> Result<(), ReadError> {
        let before = self.bytes_used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            self.bytes_used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(ReadError::Memory { limit: self.bytes_max });
        }
        Ok(())
    }

    /// Bytes counted now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.bytes_used.load(Ordering::Relaxed)
    }

    /// Gives memory back.
    pub fn release(&self, bytes: u64) {
        self.bytes_used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Why reading stops.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log is being replayed.
    #[error("the store is still replaying its log; try again later")]
    NotReady,
    /// Killed, timed out, or the client has gone.
    #[error("query interrupted")]
    Cancelled,
    /// More memory than the query may have.
    #[error(
        "the query needs more than its {limit} bytes of memory; narrow its time range or its series, or raise the limit"
    )]
    Memory {
        /// The limit, bytes.
        limit: u64,
    },
    /// Damaged or unreadable data.
    #[error("{0}")]
    Damaged(Arc<str>),
}
