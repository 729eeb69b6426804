//! The series of a statement, by measurement and grouped tags.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use weir_influxql::ast::{Expr, Fill};
use weir_model::read::{ReadContext, RunSummary, SeriesNo};
use weir_model::{Clock, TimeRange};

use super::block::{Frame, SeriesId};
use super::filter::Condition;
use super::pool::Pool;
use crate::error::{Result, refuse};
use crate::plan::prepare::{Input, Prepared, TableInput};
use crate::plan::window::Windows;

/// What all steps of one running statement share.
pub(crate) struct Run {
    /// Budget and cancellation.
    pub(crate) context: Arc<ReadContext>,
    /// Helping threads.
    pub(crate) pool: Arc<Pool>,
    /// Most points that may be read; 0 = any.
    pub(crate) points_max: u64,
    /// Most series; 0 = any.
    pub(crate) series_max: u64,
    /// Time of the query.
    pub(crate) now: i64,
    /// Points read so far.
    pub(crate) points: AtomicU64,
    /// What else was read.
    pub(crate) stats: Stats,
    /// The clock, and the monotonic time at which the query is too late.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Option<u64>,
}

/// What a statement reads beside points, for EXPLAIN ANALYZE.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Series that the conditions on tags left.
    pub(crate) series: AtomicU64,
    /// Runs of points answered by their statistics, and how many points those are.
    pub(crate) summarised_runs: AtomicU64,
    pub(crate) summarised_points: AtomicU64,
    /// Tasks that were computed again from values, since statistics did not say enough.
    pub(crate) repeated: AtomicU64,
}

impl Stats {
    /// Counts one run.
    pub(crate) fn summary(&self, run: &RunSummary) {
        let points = run.columns.iter().map(|c| c.count).max().unwrap_or(0);
        self.summarised_runs.fetch_add(1, Ordering::Relaxed);
        self.summarised_points.fetch_add(points, Ordering::Relaxed);
    }
}

impl Run {
    /// Counts points and looks whether to stop.
    pub(crate) fn count_points(&self, points: usize) -> Result<()> {
        if self.deadline.is_some_and(|d| self.clock.monotonic_ns() >= d) {
            self.context.cancel();
        }
        self.context.check()?;
        let total = self.points.fetch_add(points as u64, Ordering::Relaxed) + points as u64;
        if self.points_max > 0 && total > self.points_max {
            // The spelling is that of 1.x.
            return refuse(format!("max-select-point limit exceeed: ({total}/{})", self.points_max));
        }
        Ok(())
    }
}

/// What a statement inherits from the one around it, and its own clauses.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// Grouped tags of the outermost statement.
    pub(crate) outermost: Vec<Arc<str>>,
    /// Grouped tags of this statement and all around it, sorted.
    pub(crate) group_by: Vec<Arc<str>>,
    /// Buckets and time range.
    pub(crate) windows: Windows,
    pub(crate) fill: Fill,
    pub(crate) slimit: u64,
    pub(crate) sskip: u64,
}

impl Level {
    /// For the outermost statement.
    pub(crate) fn top(p: &Prepared) -> Self {
        Self {
            outermost: p.dimensions.clone(),
            group_by: p.dimensions.clone(),
            windows: Windows {
                every: p.every,
                offset: p.offset,
                zone: p.zone.clone(),
                start: p.start,
                end: p.end,
            },
            fill: p.fill,
            slimit: p.slimit,
            sskip: p.sskip,
        }
    }

    /// For a subquery of a statement at level `self` that reads `range`.
    pub(crate) fn inner(&self, p: &Prepared, range: TimeRange, now: i64) -> Self {
        let mut group_by: Vec<Arc<str>> = self.group_by.iter().chain(&p.dimensions).cloned().collect();
        group_by.sort();
        group_by.dedup();
        let fill = if p.fill == Fill::Null { Fill::None } else { p.fill };
        // The range was narrowed by the outer one when compiled; transformations widen it again.
        let start = if p.start == self.windows.start { range.min } else { p.start.max(range.min) };
        let mut end = if p.end == self.windows.end { range.max } else { p.end.min(range.max) };
        if p.every != 0 && fill != Fill::None && end == weir_model::time::TIME_MAX {
            // Else filling would not end.
            end = now;
        }
        Self {
            outermost: self.outermost.clone(),
            group_by,
            windows: Windows { every: p.every, offset: p.offset, zone: p.zone.clone(), start, end },
            fill,
            slimit: p.slimit + self.slimit,
            sskip: p.sskip + self.sskip,
        }
    }
}

/// A measurement and the condition for it.
pub(crate) struct TableSource<'a> {
    pub(crate) input: &'a TableInput,
    pub(crate) condition: Condition,
}

/// Series and rows that make one series of the answer.
pub(crate) struct Group<'a> {
    pub(crate) id: Arc<SeriesId>,
    pub(crate) parts: Vec<Part<'a>>,
}

/// Where some rows of a group come from.
pub(crate) enum Part<'a> {
    /// Stored series, by canonical key.
    Series { source: Arc<TableSource<'a>>, series: Vec<SeriesNo> },
    /// Rows of a subquery.
    Frames { inner: &'a Prepared, condition: Option<&'a Expr>, frames: Vec<Arc<Frame>> },
}

/// The groups of `prepared` in the order of the answer.
pub(crate) fn groups<'a>(
    prepared: &'a Prepared,
    level: &Level,
    range: TimeRange,
    run: &Run,
) -> Result<Vec<Group<'a>>> {
    let mut found: BTreeMap<SeriesId, Vec<Part<'a>>> = BTreeMap::new();
    for input in &prepared.inputs {
        match input {
            Input::Table(table) => add_table(&mut found, prepared, table, level, range, run)?,
            Input::Subquery(inner) => {
                let frames = super::cursor::rows(inner, &level.inner(inner, range, run.now), run)?;
                let mut by_id: BTreeMap<SeriesId, Vec<Arc<Frame>>> = BTreeMap::new();
                for frame in frames {
                    by_id.entry(outer_id(&frame.id, level)).or_default().push(Arc::new(frame));
                }
                for (id, frames) in by_id {
                    let part = Part::Frames { inner, condition: prepared.condition.as_ref(), frames };
                    found.entry(id).or_default().push(part);
                }
            }
        }
    }
    let mut groups: Vec<Group<'a>> =
        found.into_iter().map(|(id, parts)| Group { id: Arc::new(id), parts }).collect();
    if !prepared.ascending {
        groups.reverse();
    }
    Ok(groups)
}

fn add_table<'a>(
    found: &mut BTreeMap<SeriesId, Vec<Part<'a>>>,
    prepared: &'a Prepared,
    input: &'a TableInput,
    level: &Level,
    range: TimeRange,
    run: &Run,
) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let condition = Condition::new(prepared.condition.as_ref(), input);
    let series = input.table.select_series(&condition.tags, range, &run.context)?;
    if run.series_max > 0 && series.len() as u64 > run.series_max {
        return refuse(format!("max-select-series limit exceeded: ({}/{})", series.len(), run.series_max));
    }
    run.context.charge(series.len() as u64 * 8)?;
    run.stats.series.fetch_add(series.len() as u64, Ordering::Relaxed);
    let source = Arc::new(TableSource { input, condition });
    let columns: Vec<_> = level.group_by.iter().map(|key| input.table.tag_column(key, &series)).collect();
    // By the numbers of the tags' values, in the order of the first series.
    let mut by_ids: HashMap<Vec<u32>, Vec<SeriesNo>, foldhash::fast::FixedState> = HashMap::default();
    for (i, &no) in series.iter().enumerate() {
        let ids: Vec<u32> = columns.iter().map(|c| c.ids.get(i).copied().unwrap_or(0)).collect();
        by_ids.entry(ids).or_default().push(no);
    }
    let mut groups: Vec<(SeriesId, Vec<SeriesNo>)> = by_ids
        .into_iter()
        .map(|(ids, series)| {
            let value = |(c, id): (&weir_model::read::TagColumn, &u32)| {
                c.values.get(*id as usize).cloned().unwrap_or_default()
            };
            let values = columns.iter().zip(&ids).map(value);
            let tags = level.group_by.iter().cloned().zip(values).collect();
            (SeriesId { name: Arc::clone(&input.name), tags }, series)
        })
        .collect();
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    limit_groups(&mut groups, level);
    for (id, series) in groups {
        found.entry(id).or_default().push(Part::Series { source: Arc::clone(&source), series });
    }
    Ok(())
}

/// SLIMIT and SOFFSET, which count series of the outermost grouping in each measurement. As in 1.x, SOFFSET without SLIMIT
/// leaves nothing.
fn limit_groups(groups: &mut Vec<(SeriesId, Vec<SeriesNo>)>, level: &Level) {
    if level.slimit == 0 && level.sskip == 0 {
        return;
    }
    // 1.x counts them in the order of the tags that they have, then of their values: a series that lacks a tag comes
    // before or after the others by the names of those it has.
    let key = |id: &SeriesId| {
        let present: Vec<(&Arc<str>, &Arc<str>)> = level
            .outermost
            .iter()
            .filter_map(|d| id.tag(d).map(|value| (d, value)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let parts = present.iter().map(|(d, _)| &***d).chain(present.iter().map(|(_, value)| &***value));
        parts.collect::<Vec<&str>>().join("|")
    };
    let all: BTreeSet<String> = groups.iter().map(|(id, _)| key(id)).collect();
    let skip = usize::try_from(level.sskip).unwrap_or(usize::MAX);
    let wanted = usize::try_from(level.slimit).unwrap_or(usize::MAX);
    let kept: BTreeSet<&String> = all.iter().skip(skip).take(wanted).collect();
    groups.retain(|(id, _)| kept.contains(&key(id)));
}

/// The group that rows of the series `id` of a subquery belong to.
pub(crate) fn outer_id(id: &SeriesId, level: &Level) -> SeriesId {
    let tags = level
        .group_by
        .iter()
        .map(|key| (Arc::clone(key), id.tag(key).cloned().unwrap_or_default()))
        .collect();
    SeriesId { name: Arc::clone(&id.name), tags }
}
