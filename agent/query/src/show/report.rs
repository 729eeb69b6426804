//! SHOW STATS and SHOW DIAGNOSTICS: a series with one row for each part of the program.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::TimeRange;
use weir_model::read::{Snapshot, TagFilter};

use super::output::text;
use super::policies::duration;
use crate::error::Result;
use crate::plan::literal::format_seconds;
use crate::result::{Cells, Piece, Rows, SeriesHead, Value};
use crate::statement::Session;

/// What a part says.
struct Report {
    module: &'static str,
    tags: Vec<(Arc<str>, Arc<str>)>,
    values: Vec<(&'static str, Value)>,
}

impl Report {
    fn new(module: &'static str, values: Vec<(&'static str, Value)>) -> Self {
        Self { module, tags: Vec::new(), values }
    }
}

/// SHOW STATS: of the queries, and of each database.
pub(crate) fn stats(module: Option<&str>, session: &Session<'_>) -> Result<()> {
    let wanted = |name: &str| module.is_none_or(|m| m == name);
    let parts = session.parts;
    let mut reports = vec![
        Report::new("queryExecutor", vec![("queriesActive", count(parts.running.list().len()))]),
        Report::new("cq", vec![("queries", count(parts.continuous.list().len()))]),
    ];
    if wanted("database") {
        let snapshot = session.snapshot()?;
        for database in snapshot.databases() {
            let (measurements, series) = contents(&*snapshot, &database, session)?;
            reports.push(Report {
                module: "database",
                tags: vec![("database".into(), database)],
                values: vec![("numMeasurements", count(measurements)), ("numSeries", count(series))],
            });
        }
    }
    hand_over(reports, module, session)
}

/// SHOW DIAGNOSTICS: of the build, the limits of queries, the machine, and the running program.
pub(crate) fn diagnostics(module: Option<&str>, session: &Session<'_>) -> Result<()> {
    let parts = session.parts;
    let limits = &parts.options;
    let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let timeout = i64::try_from(limits.timeout.as_nanos()).unwrap_or(i64::MAX);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let now = session.now();
    let reports = vec![
        Report::new("build", vec![("Version", text(env!("CARGO_PKG_VERSION")))]),
        Report::new(
            "config-coordinator",
            vec![
                ("max-concurrent-queries", count(limits.concurrent_queries_max)),
                ("max-select-buckets", number(limits.select_buckets_max)),
                ("max-select-point", number(limits.select_points_max)),
                ("max-select-series", number(limits.select_series_max)),
                ("query-memory", number(limits.memory_bytes_max)),
                ("query-timeout", text(duration(timeout))),
            ],
        ),
        Report::new(
            "runtime",
            vec![
                ("arch", text(std::env::consts::ARCH)),
                ("cores", count(cores)),
                ("os", text(std::env::consts::OS)),
            ],
        ),
        Report::new(
            "system",
            vec![
                ("PID", Value::Integer(i64::from(std::process::id()))),
                ("currentTime", text(format_seconds(now.into()))),
                ("started", text(format_seconds(parts.started.into()))),
                ("uptime", text(duration(now.saturating_sub(parts.started)))),
            ],
        ),
    ];
    hand_over(reports, module, session)
}

/// Measurements and series of a database.
fn contents(snapshot: &dyn Snapshot, database: &str, session: &Session<'_>) -> Result<(usize, usize)> {
    let mut measurements = BTreeSet::new();
    let mut series = 0;
    for policy in snapshot.policies(database).unwrap_or_default() {
        for name in snapshot.measurements(database, &policy.name) {
            session.check()?;
            if let Some(table) = snapshot.table(database, &policy.name, &name) {
                series += table.select_series(&TagFilter::All, TimeRange::ALL, session.reading)?.len();
            }
            measurements.insert(name);
        }
    }
    Ok((measurements.len(), series))
}

fn hand_over(reports: Vec<Report>, module: Option<&str>, session: &Session<'_>) -> Result<()> {
    for report in reports.into_iter().filter(|r| module.is_none_or(|m| m == r.module)) {
        session.send(Piece::Series(SeriesHead {
            name: Some(report.module.into()),
            tags: report.tags,
            columns: report.values.iter().map(|(name, _)| Arc::from(*name)).collect(),
            zone: None,
        }))?;
        let columns = report.values.into_iter().map(|(_, value)| Cells::Mixed(vec![value])).collect();
        session.send(Piece::Rows(Rows { len: 1, columns }))?;
    }
    Ok(())
}

fn count(n: usize) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}
