//! SELECT: plan, execute, hand over.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use weir_influxql::ast::SelectStatement;

use crate::error::Result;
use crate::exec::block::{Frame, SeriesId};
use crate::exec::cursor::{check_buckets, open};
use crate::exec::groups::{Level, Run, Stats};
use crate::plan::compile::{check_offsets, compile};
use crate::plan::prepare::{Prepared, prepare};
use crate::result::{Cells, Piece, Rows, SeriesHead};
use crate::statement::Session;

/// Runs `select` and hands its rows to the client.
pub(crate) fn run(select: &SelectStatement, session: &Session<'_>) -> Result<()> {
    let mut columns: Option<Arc<[Arc<str>]>> = None;
    let mut last: Option<Arc<SeriesId>> = None;
    each_frame(select, session, &mut |prepared, frame| {
        if last.as_ref() != Some(&frame.id) {
            let columns = columns.get_or_insert_with(|| {
                std::iter::once(&prepared.time_name).chain(&prepared.names).cloned().collect()
            });
            session.send(Piece::Series(SeriesHead {
                name: Some(Arc::clone(&frame.id.name)),
                tags: frame.id.tags.clone(),
                columns: Arc::clone(columns),
                zone: prepared.zone.clone(),
            }))?;
            last = Some(Arc::clone(&frame.id));
        }
        let len = frame.times.len();
        let mut cells = vec![Cells::Time(frame.times)];
        cells.extend(frame.columns);
        session.send(Piece::Rows(Rows { len, columns: cells }))
    })
}

/// Runs `select` and gives its rows, series after series.
pub(crate) fn each_frame(
    select: &SelectStatement,
    session: &Session<'_>,
    take: &mut dyn FnMut(&Prepared, Frame) -> Result<()>,
) -> Result<()> {
    let run = start(session);
    let compiled = compile(select, run.now)?;
    let snapshot = session.snapshot()?;
    let prepared = prepare(&compiled, &session.place(&*snapshot))?;
    check_offsets(&compiled)?;
    let level = Level::top(&prepared);
    check_buckets(&prepared, &level, session.parts.options.select_buckets_max)?;
    let mut cursor = open(&prepared, &level, &run)?;
    while let Some(frame) = cursor.next()? {
        session.check()?;
        take(&prepared, frame)?;
    }
    Ok(())
}

/// What the steps of a SELECT share, with its time.
pub(crate) fn start(session: &Session<'_>) -> Run {
    let options = &session.parts.options;
    Run {
        context: Arc::clone(session.reading),
        pool: Arc::clone(&session.parts.pool),
        points_max: options.select_points_max,
        series_max: options.select_series_max,
        now: session.now(),
        points: AtomicU64::new(0),
        stats: Stats::default(),
        clock: Arc::clone(&session.parts.clock),
        deadline: session.deadline,
    }
}
