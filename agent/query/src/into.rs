//! SELECT INTO: writing the rows of a SELECT as points.

use std::sync::Arc;

use weir_influxql::ast::{SelectStatement, TargetMeasurement};

use crate::error::{Result, fail, refuse};
use crate::result::{Cells, Piece, Rows, SeriesHead, Value};
use crate::select::each_frame;
use crate::statement::Session;

/// Points handed to the writer at once.
const BATCH_POINTS: usize = 10_000;

/// A point that SELECT INTO writes.
#[derive(Clone, Debug, PartialEq)]
pub struct IntoPoint {
    /// Its measurement.
    pub measurement: Arc<str>,
    /// Its tags, sorted by key, none empty.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// Its fields; at least one, none null, floats finite.
    pub fields: Vec<(Arc<str>, Value)>,
    /// Its time, nanoseconds.
    pub time: i64,
}

/// Stores what SELECT INTO makes.
pub trait PointWriter: Send + Sync {
    /// Stores `points`; returns when they are as durable as any write. Database and policy exist.
    ///
    /// # Errors
    /// The text that 1.x answers to such a write (`partial write: … dropped=2`).
    fn write(&self, database: &str, policy: &str, points: &[IntoPoint]) -> std::result::Result<(), String>;
}

/// Runs `select`, which has a target, and answers how many points were written.
pub(crate) fn run(select: &SelectStatement, session: &Session<'_>) -> Result<()> {
    let Some(target) = &select.target else { return Ok(()) };
    let Some(writer) = &session.parts.writer else { return refuse("SELECT INTO is not supported here") };
    let (database, policy) = {
        let snapshot = session.snapshot()?;
        let place = session.place(&*snapshot);
        let database = place.database(target.database.as_deref())?;
        let default = if target.database.is_none() { session.context.policy.as_deref() } else { None };
        let policy = place.policy(&database, target.retention_policy.as_deref(), default)?;
        (database, policy)
    };
    let mut points: Vec<IntoPoint> = Vec::new();
    let mut written: i64 = 0;
    let mut flush = |points: &mut Vec<IntoPoint>| {
        let result = writer.write(&database, &policy, points).map_err(|text| fail(text.as_str()));
        written += i64::try_from(points.len()).unwrap_or(0);
        points.clear();
        result
    };
    each_frame(select, session, &mut |prepared, frame| {
        let measurement: Arc<str> = match &target.measurement {
            TargetMeasurement::Name(name) => name.as_str().into(),
            TargetMeasurement::Backreference => Arc::clone(&frame.id.name),
        };
        let tags: Vec<_> = frame.id.tags.iter().filter(|(_, v)| !v.is_empty()).cloned().collect();
        for (row, time) in frame.times.iter().enumerate() {
            let fields: Vec<(Arc<str>, Value)> = prepared
                .names
                .iter()
                .zip(&frame.columns)
                .map(|(name, column)| (Arc::clone(name), Value::from(column.get(row))))
                .filter(|(_, v)| !v.is_null() && !matches!(v, Value::Float(x) if !x.is_finite()))
                .collect();
            if !fields.is_empty() {
                points.push(IntoPoint {
                    measurement: Arc::clone(&measurement),
                    tags: tags.clone(),
                    fields,
                    time: *time,
                });
            }
            if points.len() >= BATCH_POINTS {
                flush(&mut points)?;
            }
        }
        Ok(())
    })?;
    if !points.is_empty() {
        flush(&mut points)?;
    }
    session.send(Piece::Series(SeriesHead {
        name: Some("result".into()),
        tags: Vec::new(),
        columns: ["time", "written"].map(Arc::from).into(),
        zone: None,
    }))?;
    let columns = vec![Cells::Time(vec![0]), Cells::Mixed(vec![Value::Integer(written)])];
    session.send(Piece::Rows(Rows { len: 1, columns }))
}
