//! EXPLAIN and EXPLAIN ANALYZE: what a SELECT would read, and what it read and how long each step took.

use std::sync::atomic::Ordering;

use weir_influxql::ast::{DataType, Explain, Measurement, MeasurementName, SelectStatement};
use weir_model::TimeRange;
use weir_model::read::TagFilter;
use weir_model::time::{TIME_MAX, TIME_MIN};

use crate::error::Result;
use crate::exec::block::Ref;
use crate::exec::calls::Leaf;
use crate::exec::cursor::{check_buckets, open, plan_calls};
use crate::exec::filter::Condition;
use crate::exec::groups::{Level, Run};
use crate::exec::points::summable;
use crate::exec::project::Projection;
use crate::plan::compile::{Compiled, CompiledSource, compile};
use crate::plan::literal::format_seconds;
use crate::plan::prepare::{Input, Place, Prepared, TableInput, prepare};
use crate::result::Value;
use crate::select::start;
use crate::show::duration;
use crate::show::output::{table, text};
use crate::statement::Session;

/// EXPLAIN, EXPLAIN ANALYZE.
pub(crate) fn run(s: &Explain, session: &Session<'_>) -> Result<()> {
    let lines = if s.analyze { analyze(&s.select, session)? } else { plan(&s.select, session)? };
    let column = if s.analyze { "EXPLAIN ANALYZE" } else { "QUERY PLAN" };
    let rows: Vec<Vec<Value>> = lines.into_iter().map(|line| vec![text(line)]).collect();
    table(session, None, &[column], &rows)
}

fn plan(select: &SelectStatement, session: &Session<'_>) -> Result<Vec<String>> {
    let run = start(session);
    let compiled = compile(select, run.now)?;
    let snapshot = session.snapshot()?;
    let place = session.place(&*snapshot);
    let prepared = prepare(&compiled, &place)?;
    let level = Level::top(&prepared);
    let mut lines = Vec::new();
    for node in describe(&compiled, &prepared, &level, &place, &run)? {
        node.list(0, &mut lines);
    }
    Ok(lines)
}

fn analyze(select: &SelectStatement, session: &Session<'_>) -> Result<Vec<String>> {
    let clock = || session.parts.clock.monotonic_ns();
    let began = clock();
    let run = start(session);
    let compiled = compile(select, run.now)?;
    let snapshot = session.snapshot()?;
    let place = session.place(&*snapshot);
    let prepared = prepare(&compiled, &place)?;
    let level = Level::top(&prepared);
    check_buckets(&prepared, &level, session.parts.options.select_buckets_max)?;
    let planned = clock();
    let mut cursor = open(&prepared, &level, &run)?;
    let opened = clock();
    let (mut series, mut rows, mut last) = (0, 0, None);
    while let Some(frame) = cursor.next()? {
        session.check()?;
        rows += frame.times.len();
        if last.as_ref() != Some(&frame.id) {
            series += 1;
            last = Some(frame.id);
        }
    }
    drop(cursor);
    let ended = clock();
    let took = |from: u64, to: u64| duration(i64::try_from(to.saturating_sub(from)).unwrap_or(i64::MAX));
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed).to_string();
    let stats = &run.stats;
    let mut nodes = vec![
        Node::leaf("statement", select),
        Node::leaf("planning_time", took(began, planned)),
        Node::leaf("series_time", took(planned, opened)),
        Node::leaf("execution_time", took(opened, ended)),
        Node::leaf("total_time", took(began, ended)),
        Node {
            key: "read",
            value: None,
            children: vec![
                Node::leaf("series", count(&stats.series)),
                Node::leaf("points_decoded", count(&run.points)),
                Node::leaf("points_from_statistics", count(&stats.summarised_points)),
                Node::leaf("runs_from_statistics", count(&stats.summarised_runs)),
                Node::leaf("statistics_not_exact_enough", count(&stats.repeated)),
            ],
        },
        Node {
            key: "result",
            value: None,
            children: vec![Node::leaf("series", series), Node::leaf("rows", rows)],
        },
    ];
    nodes.extend(describe(&compiled, &prepared, &level, &place, &run)?);
    let mut lines = vec![".".to_owned()];
    Node { key: "select", value: None, children: nodes }.draw("", true, &mut lines);
    Ok(lines)
}

/// A fact, with those that belong to it.
struct Node {
    key: &'static str,
    value: Option<String>,
    children: Vec<Node>,
}

impl Node {
    fn leaf(key: &'static str, value: impl ToString) -> Self {
        Self { key, value: Some(value.to_string()), children: Vec::new() }
    }

    fn line(&self, key: &str) -> String {
        self.value.as_ref().map_or_else(|| key.to_owned(), |value| format!("{key}: {value}"))
    }

    /// As indented lines.
    fn list(&self, depth: usize, lines: &mut Vec<String>) {
        let key = self.key.replace('_', " ").to_uppercase();
        lines.push(format!("{}{}", "    ".repeat(depth), self.line(&key)));
        self.children.iter().for_each(|child| child.list(depth + 1, lines));
    }

    /// As a branch of a tree.
    fn draw(&self, before: &str, is_last: bool, lines: &mut Vec<String>) {
        let (own, below) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        lines.push(format!("{before}{own}{}", self.line(self.key)));
        let before = format!("{before}{below}");
        for (i, child) in self.children.iter().enumerate() {
            child.draw(&before, i + 1 == self.children.len(), lines);
        }
    }
}

/// What `prepared` reads at `level`.
fn describe(
    compiled: &Compiled,
    prepared: &Prepared,
    level: &Level,
    place: &Place<'_>,
    run: &Run,
) -> Result<Vec<Node>> {
    let projection = Projection::new(&prepared.columns);
    let planned = plan_calls(prepared, &projection, &level.windows)?;
    let windows = || planned.leaves.iter().map(|l| &l.windows);
    let start = windows().map(|w| w.start).min().unwrap_or(level.windows.start);
    let end = windows().map(|w| w.end).max().unwrap_or(level.windows.end);
    let range = TimeRange::new(start, end);
    let mut nodes: Vec<Node> =
        prepared.columns.iter().map(|column| Node::leaf("expression", &column.expr)).collect();
    nodes.push(Node::leaf("time_range", format!("{} to {}", time(start), time(end))));
    if level.windows.every > 0 {
        nodes.push(Node::leaf("bucket", duration(level.windows.every)));
    }
    if !level.group_by.is_empty() {
        nodes.push(Node::leaf("group_by", level.group_by.join(", ")));
    }
    let mut inputs = prepared.inputs.iter();
    for source in &compiled.sources {
        match source {
            CompiledSource::Measurement(m) => {
                let (mut node, tables) = describe_source(m, range, place)?;
                for input in inputs.by_ref().take(tables) {
                    if let Input::Table(table) = input {
                        let condition = Condition::new(prepared.condition.as_ref(), table);
                        let reads = (&planned.leaves[..], &projection.refs[..]);
                        node.children.push(describe_table(table, &condition, range, reads, run)?);
                    }
                }
                nodes.push(node);
            }
            CompiledSource::Subquery(inner) => {
                let Some(Input::Subquery(input)) = inputs.next() else { continue };
                let level = level.inner(input, range, run.now);
                let children = describe(inner, input, &level, place, run)?;
                nodes.push(Node { key: "subquery", value: None, children });
            }
        }
    }
    Ok(nodes)
}

/// A source with its shard groups, and how many measurements it means.
fn describe_source(m: &Measurement, range: TimeRange, place: &Place<'_>) -> Result<(Node, usize)> {
    let tables = place.tables(m)?.len();
    let database = place.database(m.database.as_deref())?;
    let default = if m.database.is_none() { place.policy } else { None };
    let policy = place.policy(&database, m.retention_policy.as_deref(), default)?;
    let groups = place.snapshot.shard_groups(&database, &policy);
    let touched = groups.iter().filter(|g| g.window.min <= range.max && range.min <= g.window.max).count();
    let what = match &m.name {
        MeasurementName::Name(name) => name.clone(),
        MeasurementName::Regex(regex) => format!("/{regex}/"),
    };
    let children = vec![Node::leaf("number_of_shards", format!("{touched} of {}", groups.len()))];
    Ok((Node { key: "source", value: Some(format!("{database}.{policy}.{what}")), children }, tables))
}

fn describe_table(
    table: &TableInput,
    condition: &Condition,
    range: TimeRange,
    (leaves, refs): (&[Leaf], &[Ref]),
    run: &Run,
) -> Result<Node> {
    let all = table.table.select_series(&TagFilter::All, TimeRange::ALL, &run.context)?.len();
    let chosen = if range.is_empty() {
        0
    } else {
        table.table.select_series(&condition.tags, range, &run.context)?.len()
    };
    let mut children = vec![Node::leaf("number_of_series", format!("{chosen} of {all}"))];
    let mut fields: Vec<&str> =
        leaves.iter().map(|l| &l.arg).chain(refs).filter(|r| r.drives()).map(|r| &*r.name).collect();
    fields.retain(|name| table.fields.contains_key(*name));
    fields.sort_unstable();
    fields.dedup();
    children.push(Node::leaf("fields", fields.join(", ")));
    if let Some(rows) = &condition.rows {
        children.push(Node::leaf("condition_of_rows", rows));
    }
    let plain = condition.rows.is_none() && leaves.iter().all(|l| is_plain(l, table));
    let how = match leaves {
        [] => "values",
        _ if plain => "statistics where they suffice, else values",
        _ => "values",
    };
    children.push(Node::leaf("reads", how));
    Ok(Node { key: "measurement", value: Some(table.name.to_string()), children })
}

/// Whether statistics may answer `leaf`.
fn is_plain(leaf: &Leaf, table: &TableInput) -> bool {
    let stored = table.fields.get(&leaf.arg.name).copied();
    let cast = leaf.arg.kind.filter(|k| *k != DataType::AnyField);
    summable(leaf) && leaf.windows.zone.is_none() && !leaf.with_aux && (stored.is_none() || stored == cast)
}

fn time(ns: i64) -> String {
    match ns {
        ..=TIME_MIN => "the first".to_owned(),
        TIME_MAX.. => "the last".to_owned(),
        _ => format_seconds(ns.into()),
    }
}
