//! A source that answers with statistics wherever it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::key::SeriesKey;
use weir_model::read::*;
use weir_model::{FieldValue, TimeRange};

/// Wraps a source; chunks that lie in one bucket become statistics.
pub struct Summarising {
    pub inner: Arc<dyn Source>,
    /// How many statistics were given.
    pub used: Arc<AtomicU64>,
}

impl Source for Summarising {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(Arc::new(View { inner: self.inner.snapshot()?, used: Arc::clone(&self.used) }))
    }
}

struct View {
    inner: Arc<dyn Snapshot>,
    used: Arc<AtomicU64>,
}

impl Snapshot for View {
    fn databases(&self) -> Vec<Arc<str>> {
        self.inner.databases()
    }
    fn policies(&self, database: &str) -> Option<Vec<PolicyInfo>> {
        self.inner.policies(database)
    }
    fn shard_groups(&self, database: &str, policy: &str) -> Vec<ShardGroupInfo> {
        self.inner.shard_groups(database, policy)
    }
    fn measurements(&self, database: &str, policy: &str) -> Vec<Arc<str>> {
        self.inner.measurements(database, policy)
    }
    fn table(&self, database: &str, policy: &str, measurement: &str) -> Option<Arc<dyn Table>> {
        let inner = self.inner.table(database, policy, measurement)?;
        Some(Arc::new(OneTable { inner, used: Arc::clone(&self.used) }))
    }
}

struct OneTable {
    inner: Arc<dyn Table>,
    used: Arc<AtomicU64>,
}

impl Table for OneTable {
    fn fields(&self, range: TimeRange) -> Vec<FieldInfo> {
        self.inner.fields(range)
    }
    fn tag_keys(&self) -> Vec<Arc<str>> {
        self.inner.tag_keys()
    }
    fn tag_values(&self, key: &str) -> Vec<Arc<str>> {
        self.inner.tag_values(key)
    }
    fn select_series(
        &self,
        f: &TagFilter,
        r: TimeRange,
        c: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        self.inner.select_series(f, r, c)
    }
    fn with_points_in(
        &self,
        s: &[SeriesNo],
        r: TimeRange,
        c: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        self.inner.with_points_in(s, r, c)
    }
    fn tag_column(&self, key: &str, series: &[SeriesNo]) -> TagColumn {
        self.inner.tag_column(key, series)
    }
    fn series_key(&self, series: SeriesNo) -> SeriesKey {
        self.inner.series_key(series)
    }
    fn scan(&self, request: ScanRequest) -> Result<Box<dyn Scan>, ReadError> {
        let buckets = request.summaries;
        Ok(Box::new(OneScan { inner: self.inner.scan(request)?, buckets, used: Arc::clone(&self.used) }))
    }
}

struct OneScan {
    inner: Box<dyn Scan>,
    buckets: Option<Buckets>,
    used: Arc<AtomicU64>,
}

impl Scan for OneScan {
    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, ReadError> {
        let more = self.inner.next(chunk)?;
        let (Some(buckets), true) = (self.buckets, more) else { return Ok(more) };
        let number = |t: i64| {
            if buckets.every == i64::MAX { 0 } else { (t - buckets.offset).div_euclid(buckets.every) }
        };
        let (Some(&min), Some(&max)) = (chunk.times.first(), chunk.times.last()) else { return Ok(more) };
        if number(min) == number(max) {
            let rows = chunk.times.len();
            let columns = chunk.columns.iter().map(|c| summarise(c, rows)).collect();
            chunk.summary = Some(RunSummary { span: TimeRange::new(min, max), columns });
            chunk.times.clear();
            chunk.columns.clear();
            self.used.fetch_add(1, Ordering::Relaxed);
        }
        Ok(more)
    }
}

fn summarise(column: &Column, rows: usize) -> Summary {
    let mut out = Summary::default();
    let (mut sum_f, mut sum_i, mut magnitude, mut exact) = (0.0, 0_i64, 0.0, true);
    for value in (0..rows).filter_map(|row| column.get(row)) {
        out.count += 1;
        let (number, float) = match value {
            FieldValue::Float(x) => (Number::Float(x), x),
            FieldValue::Integer(x) => (Number::Integer(x), x as f64),
            _ => return out,
        };
        sum_f += float;
        magnitude += float.abs();
        if let FieldValue::Integer(x) = value {
            sum_i = sum_i.wrapping_add(x);
        }
        exact &= float.fract() == 0.0;
        let size = |n: &Number| match n {
            Number::Float(x) => *x,
            Number::Integer(x) => *x as f64,
            Number::Unsigned(x) => *x as f64,
        };
        out.min_max = Some(match out.min_max {
            None => (number, number),
            Some((a, b)) => {
                (if float < size(&a) { number } else { a }, if float > size(&b) { number } else { b })
            }
        });
    }
    let sum = if matches!(column.values, Values::Integer(_)) {
        Number::Integer(sum_i)
    } else {
        Number::Float(sum_f)
    };
    out.exact_sum = exact.then_some((sum, magnitude));
    out
}
