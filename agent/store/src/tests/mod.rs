//! The store on a simulated disk, against a plain map.

mod compaction;
mod crash;
mod delete;
mod model;
mod retention;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use weir_fs::SimFs;
use weir_model::read::{Column, Values};
use weir_model::{Clock, FieldValue, PointSink, Refusal, SeriesKey, TimestampNs};
use weir_segment::{SeriesPoints, SeriesScan};

use crate::version::View;
use crate::{OpenError, Store, StoreOptions, Target, WriteError, Writer, block_on};

/// Noon of 2023-11-14.
pub(crate) const NOW: i64 = 1_699_963_200_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000_000;

/// A clock that stands still until told otherwise.
#[derive(Debug)]
pub(crate) struct TestClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { wall: AtomicI64::new(NOW), monotonic: AtomicU64::new(1_000_000_000) })
    }

    pub(crate) fn advance(&self, ns: u64) {
        self.wall.fetch_add(i64::try_from(ns).unwrap(), Ordering::SeqCst);
        self.monotonic.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> TimestampNs {
        TimestampNs(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
}

pub(crate) fn options() -> StoreOptions {
    let mut options = StoreOptions::new("/d");
    options.lanes = 2;
    options.memory_limit = 64 << 20;
    options.disk_reserve = 0;
    options
}

pub(crate) fn open(fs: &SimFs) -> Store {
    try_open(fs, options()).unwrap()
}

pub(crate) fn try_open(fs: &SimFs, options: StoreOptions) -> Result<Store, OpenError> {
    Store::open(options, Arc::new(fs.clone()), TestClock::new())
}

pub(crate) fn target(database: &str) -> Target {
    Target { database: database.into(), policy: None, create_database: true, source: 0 }
}

/// A value that owns its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    F(f64),
    I(i64),
    U(u64),
    B(bool),
    S(String),
}

impl From<FieldValue<'_>> for Value {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Float(x) => Self::F(x),
            FieldValue::Integer(x) => Self::I(x),
            FieldValue::Unsigned(x) => Self::U(x),
            FieldValue::Boolean(x) => Self::B(x),
            FieldValue::String(x) => Self::S(x.to_owned()),
        }
    }
}

/// A point: canonical key, time, fields.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) key: String,
    pub(crate) time: i64,
    pub(crate) fields: Vec<(String, Value)>,
}

pub(crate) fn point(key: &str, time: i64, fields: &[(&str, Value)]) -> Point {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Point { key: key.to_owned(), time, fields }
}

/// Puts a point into a sink as a parser would.
pub(crate) fn put(sink: &mut impl PointSink, point: &Point) -> Result<(), Refusal> {
    if sink.key(point.key.as_bytes()).is_none() {
        let (measurement, tags) = SeriesKey::from_canonical(point.key.as_str()).parts();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        sink.define(point.key.as_bytes(), &measurement, &tags)?;
    }
    for (name, value) in &point.fields {
        let slot = sink.slot(name);
        match value {
            Value::F(x) => sink.float(slot, *x, None),
            Value::I(x) => sink.integer(slot, *x),
            Value::U(x) => sink.unsigned(slot, *x),
            Value::B(x) => sink.boolean(slot, *x),
            Value::S(x) => sink.string(slot, x),
        }
    }
    sink.end(point.time)
}

/// Writes a batch; gives what became of each point.
pub(crate) fn write(
    writer: &mut Writer,
    target: &Target,
    points: &[Point],
) -> Result<Vec<Result<(), Refusal>>, WriteError> {
    block_on(writer.begin(target))?;
    let outcomes = points.iter().map(|p| put(writer.sink(), p)).collect();
    block_on(writer.commit())?;
    Ok(outcomes)
}

/// Everything visible in a database: (policy, key, time, field) to value.
pub(crate) type Contents = BTreeMap<(String, i64, String), Value>;

/// What is visible in a database's default policy. Checks on the way that runs are sorted and hold each time once.
pub(crate) fn contents(store: &Store, database: &str) -> Contents {
    let view = store.view().unwrap();
    let mut out = Contents::new();
    let Some(found) = view.catalog.database(database) else { return out };
    let Some(policy) = view.catalog.policy_by_name(found, None) else { return out };
    let Some(series) = view.version.policy(policy.id) else { return out };
    let name_of = |field: u32| {
        let field = view.catalog.field(weir_catalog::FieldId(field))?;
        view.catalog.measurement_by_id(field.measurement)?;
        Some(field.name.to_string())
    };
    for (_, group) in &policy.groups {
        for run in view.version.runs(*group) {
            let mut scan = SeriesScan::new(Arc::clone(&run.segment));
            let mut points = SeriesPoints::default();
            let mut last: Option<(u32, String, i64)> = None;
            while scan.next(&mut points).unwrap() {
                let slot = series.index.slot_of_id(points.series).expect("a series of a run is known");
                let key = series.index.canonical_key(slot).unwrap().as_str().to_owned();
                for (row, &time) in points.times.iter().enumerate() {
                    let place = (points.measurement, key.clone(), time);
                    assert!(last.as_ref().is_none_or(|l| *l < place), "{last:?} before {place:?}");
                    last = Some(place);
                    assert!(run.span.contains(time));
                    add_row(&mut out, &key, time, &points.fields, &points.columns, row, &name_of);
                }
                assert!(series.presence(*group).is_some_and(|p| p.contains(slot)));
            }
        }
    }
    arena_rows(&view, policy.id, series, &mut out, &name_of);
    out
}

fn arena_rows(
    view: &View,
    policy: weir_catalog::PolicyId,
    series: &crate::version::PolicySeries,
    out: &mut Contents,
    name_of: &impl Fn(u32) -> Option<String>,
) {
    let mut rows = Vec::new();
    for (arena, published) in &view.arenas {
        let Some(heads) = arena.heads(policy) else { continue };
        for slot in 0..series.index.slots_len() {
            for (block, i) in arena.chain(&heads, slot, *published) {
                assert_eq!(block.rows.slots[i], slot);
                rows.push((block.seq, block.first_row + i as u32, block, i));
            }
        }
        let all: usize = arena
            .blocks(*published)
            .filter(|b| b.rows.policy == policy)
            .map(|b| b.rows.len().min((*published - b.first_row) as usize))
            .sum();
        assert!(rows.len() >= all);
    }
    rows.sort_by_key(|r| (r.0, r.1));
    for (_, _, block, i) in rows {
        let key = series.index.canonical_key(block.rows.slots[i]).unwrap().as_str().to_owned();
        for column in &block.rows.columns {
            if let (Some(value), Some(name)) = (column.get(i), name_of(column.field.0)) {
                out.insert((key.clone(), block.rows.times[i], name), value.into());
            }
        }
    }
}

fn add_row(
    out: &mut Contents,
    key: &str,
    time: i64,
    fields: &[u32],
    columns: &[Column],
    row: usize,
    name_of: &impl Fn(u32) -> Option<String>,
) {
    let mut any = false;
    for (&field, column) in fields.iter().zip(columns) {
        any |= !matches!(column.values, Values::Absent) && column.valid.is_valid(row);
        if let (Some(value), Some(name)) = (column.get(row), name_of(field)) {
            out.insert((key.to_owned(), time, name), value.into());
        }
    }
    assert!(any, "a row of {key} has no value");
}

/// Adds points to a map as the store should.
pub(crate) fn apply(model: &mut Contents, points: &[Point]) {
    for point in points {
        for (name, value) in &point.fields {
            model.insert((point.key.clone(), point.time, name.clone()), value.clone());
        }
    }
}

/// A small generator; its seed is printed by whoever uses it.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Whether a path exists on the simulated disk.
pub(crate) fn has_files_under(fs: &SimFs, path: &str) -> bool {
    fs.files().iter().any(|f| f.starts_with(Path::new(path)))
}
