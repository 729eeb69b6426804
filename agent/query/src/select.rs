//! SELECT: plan, execute, hand over.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use weir_influxql::ast::SelectStatement;

use crate::error::Result;
use crate::exec::block::SeriesId;
use crate::exec::cursor::{check_buckets, open};
use crate::exec::groups::{Level, Run};
use crate::plan::compile::compile;
use crate::plan::prepare::prepare;
use crate::result::{Cells, Piece, Rows, SeriesHead};
use crate::statement::Session;

/// Runs `select`.
pub(crate) fn run(select: &SelectStatement, session: &Session<'_>) -> Result<()> {
    let now = session.now();
    let compiled = compile(select, now)?;
    let snapshot = session.snapshot()?;
    let prepared = prepare(&compiled, &session.place(&*snapshot))?;
    let level = Level::top(&prepared);
    let options = &session.parts.options;
    check_buckets(&prepared, &level, options.select_buckets_max)?;
    let run = Run {
        context: Arc::clone(session.reading),
        pool: Arc::clone(&session.parts.pool),
        points_max: options.select_points_max,
        series_max: options.select_series_max,
        now,
        points: AtomicU64::new(0),
    };
    let mut columns = vec![Arc::clone(&prepared.time_name)];
    columns.extend(prepared.names.iter().cloned());
    let columns: Arc<[Arc<str>]> = columns.into();
    let mut cursor = open(&prepared, &level, &run)?;
    let mut last: Option<Arc<SeriesId>> = None;
    while let Some(frame) = cursor.next()? {
        if last.as_ref() != Some(&frame.id) {
            session.send(Piece::Series(SeriesHead {
                name: Some(Arc::clone(&frame.id.name)),
                tags: frame.id.tags.clone(),
                columns: Arc::clone(&columns),
                zone: prepared.zone.clone(),
            }))?;
            last = Some(Arc::clone(&frame.id));
        }
        let len = frame.times.len();
        let mut cells = vec![Cells::Time(frame.times)];
        cells.extend(frame.columns);
        session.send(Piece::Rows(Rows { len, columns: cells }))?;
    }
    Ok(())
}
