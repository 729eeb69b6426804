//! When continuous queries run, and over which times.
//!
//! A query runs once in each interval of its GROUP BY time(), or of RESAMPLE EVERY. It covers the buckets that ended since its last
//! run, RESAMPLE FOR as much before, and with an EVERY shorter than the bucket the current bucket too. Times in its WHERE clause are
//! replaced. What was missed while the program was down is not made up for.

use std::sync::Arc;

use weir_influxql::ast::{BinaryOp, CreateContinuousQuery, SelectStatement};
use weir_influxql::{Expr, Query, Statement};
use weir_model::time::{TIME_MAX, TIME_MIN};

use super::kept::Continuous;
use crate::engine::{Engine, ExecContext, Parts};
use crate::error::Result;
use crate::plan::compile::compile;
use crate::plan::condition::split;
use crate::plan::reduce::Known;
use crate::plan::window::Windows;
use crate::result::Piece;

/// What a round of continuous queries did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContinuousRuns {
    /// Queries that ran.
    pub ran: usize,
    /// Queries that failed; the log says why.
    pub failed: usize,
}

/// Runs the queries that are due, one after the other.
pub(crate) fn run_due(engine: &Engine, parts: &Parts) -> ContinuousRuns {
    let mut runs = ContinuousRuns::default();
    let all = parts.continuous.list();
    if all.is_empty() {
        return runs;
    }
    // While the log is replayed nothing is due.
    let Ok(snapshot) = parts.source.snapshot() else { return runs };
    let now = parts.clock.now().0;
    for query in all {
        if snapshot.policies(&query.statement.database).is_none() {
            continue;
        }
        let result = match due(&query, parts, now) {
            Ok(None) => continue,
            Ok(Some(select)) => run(engine, &query, select),
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(()) => {
                runs.ran += 1;
                metrics::counter!("weir_continuous_query_runs_total", "result" => "ok").increment(1);
            }
            Err(error) => {
                runs.failed += 1;
                metrics::counter!("weir_continuous_query_runs_total", "result" => "error").increment(1);
                let (database, name) = (&query.statement.database, &query.statement.name);
                tracing::warn!(database, name, error, "a continuous query failed");
            }
        }
    }
    runs
}

/// The statement to run now, if it is time.
fn due(query: &Continuous, parts: &Parts, now: i64) -> Result<Option<SelectStatement>> {
    let statement = &*query.statement;
    let compiled = compile(&statement.select, now)?;
    if compiled.every == 0 {
        return Ok(None);
    }
    let windows = Windows {
        every: compiled.every,
        offset: compiled.offset,
        zone: compiled.zone.clone(),
        start: TIME_MIN,
        end: TIME_MAX,
    };
    let last = parts.continuous.last_run(query.number);
    let Some(turn) = turn(statement, &windows, last, now) else { return Ok(None) };
    parts.continuous.note_run(query.number, turn.noted);
    if turn.end <= turn.start {
        return Ok(None);
    }
    let mut select = (*statement.select).clone();
    let known = Known { now: Some(now), zone: compiled.zone.as_ref(), math: false };
    let (rest, _) = split(select.condition.as_ref(), known)?;
    let bound = |op, ns| Expr::binary(op, Expr::var("time"), Expr::Time(ns));
    let range = Expr::binary(BinaryOp::And, bound(BinaryOp::GtEq, turn.start), bound(BinaryOp::Lt, turn.end));
    select.condition = Some(match rest {
        Some(rest) => Expr::binary(BinaryOp::And, Expr::Paren(Box::new(rest)), range),
        None => range,
    });
    Ok(Some(select))
}

/// A turn of a query.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    /// What to note as the time of this run.
    noted: i64,
    /// First time to read.
    start: i64,
    /// Time before which to read.
    end: i64,
}

/// Whether a query that ran `last` is to run at `now`, and over which times; `windows` are its buckets.
fn turn(s: &CreateContinuousQuery, windows: &Windows, last: Option<i64>, now: i64) -> Option<Turn> {
    let bucket = windows.every;
    let every = if s.resample_every_ns > 0 { s.resample_every_ns } else { bucket };
    let next = match last {
        Some(last) => Some(last.saturating_add(every)).filter(|next| *next <= now)?,
        None => now,
    };
    let back = match s.resample_for_ns {
        0 => bucket.max(every),
        given => given,
    };
    let start = next.saturating_add(bucket).saturating_sub(back).saturating_sub(1);
    let end = now.saturating_add(bucket - every.min(bucket));
    Some(Turn {
        noted: Windows { every, ..windows.clone() }.window(now).0,
        start: windows.window(start).0,
        end: windows.window(end).0,
    })
}

/// Runs `select` to its end.
fn run(engine: &Engine, query: &Continuous, select: SelectStatement) -> Result<(), String> {
    let database = Some(Arc::from(query.statement.database.as_str()));
    let statements = vec![Statement::Select(Box::new(select))];
    let mut stream = engine.execute(Query { statements }, ExecContext { database, ..ExecContext::default() });
    let mut result = Ok(());
    while let Some(piece) = stream.recv() {
        if let Piece::Error(text) = piece {
            result = Err(text.to_string());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use weir_influxql::parse_statement;

    use super::*;

    const MINUTE: i64 = 60_000_000_000;
    const HOUR: i64 = 60 * MINUTE;

    /// The turn of a query with buckets of an hour, in minutes.
    fn of(resample: &str, last: Option<i64>, now: i64) -> Option<(i64, i64, i64)> {
        let text = format!(
            "CREATE CONTINUOUS QUERY c ON d {resample} BEGIN SELECT mean(v) INTO a FROM m GROUP BY time(1h) END"
        );
        let Ok(Statement::CreateContinuousQuery(s)) = parse_statement(&text, &Default::default()) else {
            return None;
        };
        let windows = Windows { every: HOUR, offset: 0, zone: None, start: TIME_MIN, end: TIME_MAX };
        let turn = turn(&s, &windows, last.map(|t| t * MINUTE), now * MINUTE)?;
        Some((turn.noted / MINUTE, turn.start / MINUTE, turn.end / MINUTE))
    }

    #[test]
    fn a_plain_query_reads_the_bucket_that_has_ended() {
        assert_eq!(of("", None, 630), Some((600, 600, 600)), "nothing has ended since the start");
        assert_eq!(of("", Some(600), 659), None);
        assert_eq!(of("", Some(600), 660), Some((660, 600, 660)));
        assert_eq!(of("", Some(600), 785), Some((780, 600, 780)), "turns that were missed");
    }

    #[test]
    fn resample_every_reads_the_current_bucket_too() {
        assert_eq!(of("RESAMPLE EVERY 30m", Some(600), 629), None);
        assert_eq!(of("RESAMPLE EVERY 30m", Some(600), 630), Some((630, 600, 660)));
        assert_eq!(of("RESAMPLE EVERY 30m", Some(630), 660), Some((660, 600, 660)));
    }

    #[test]
    fn resample_for_reads_older_buckets_again() {
        assert_eq!(of("RESAMPLE FOR 3h", Some(600), 660), Some((660, 480, 660)));
        assert_eq!(of("RESAMPLE EVERY 30m FOR 90m", Some(600), 630), Some((630, 540, 660)));
        assert_eq!(of("RESAMPLE EVERY 2h", Some(600), 720), Some((720, 600, 720)));
    }
}
