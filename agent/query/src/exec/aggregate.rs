//! Computing the leaves of calls over the series of groups, in parallel, and the points of calls from them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_influxql::ast::{DataType, Fill};
use weir_model::TimeRange;
use weir_model::read::{Buckets, SeriesNo};
use weir_model::time::TIME_MIN;

use super::bins::{Bins, Func};
use super::block::{Block, Builder, Col, Ref};
use super::calls::{CallPlan, Leaf, LeafFunc, Step};
use super::feed::{Feed, State};
use super::fill::fill;
use super::groups::{Group, Part, Run, TableSource};
use super::points::{Point, reduce, summable};
use super::reader::{Item, Request, SeriesReader, frame_blocks};
use super::transform;
use crate::error::{Result, fail};
use crate::plan::window::Windows;
use crate::result::Value;

/// Series that one task computes; fixed, so that sums do not depend on the number of threads.
const TASK_SERIES: usize = 32;

/// A piece of a group for one thread.
pub(crate) enum Task<'g, 'a> {
    Series(&'g Arc<TableSource<'a>>, &'g [SeriesNo]),
    Frames(&'g Part<'a>),
}

/// The leaves of a statement and how to read for them.
pub(crate) struct Leaves<'a> {
    pub(crate) leaves: &'a [Leaf],
    /// Columns beside the calls, for a selector.
    pub(crate) aux: &'a [Ref],
    pub(crate) ascending: bool,
    pub(crate) run: &'a Run,
}

/// The states of all leaves for one group.
pub(crate) struct Computed {
    states: Vec<State>,
    /// Bytes charged for them.
    pub(crate) charged: u64,
}

impl Leaves<'_> {
    /// How many tasks a group makes.
    pub(crate) fn count_tasks(group: &Group<'_>) -> usize {
        let tasks = |part: &Part<'_>| match part {
            Part::Series { series, .. } => series.len().div_ceil(TASK_SERIES),
            Part::Frames { .. } => 1,
        };
        group.parts.iter().map(tasks).sum()
    }

    /// The tasks of a group, in order.
    pub(crate) fn tasks<'g, 'a>(&self, group: &'g Group<'a>) -> Vec<Task<'g, 'a>> {
        let mut tasks = Vec::new();
        for part in &group.parts {
            match part {
                Part::Series { source, series } => {
                    tasks.extend(series.chunks(TASK_SERIES).map(|some| Task::Series(source, some)));
                }
                Part::Frames { .. } => tasks.push(Task::Frames(part)),
            }
        }
        tasks
    }

    /// Computes one task.
    pub(crate) fn compute(&self, task: &Task<'_, '_>) -> Result<Computed> {
        if let Some(computed) = self.attempt(task, true)? {
            return Ok(computed);
        }
        self.run.stats.repeated.fetch_add(1, Ordering::Relaxed);
        self.attempt(task, false)?.ok_or_else(|| fail("statistics without having asked for them"))
    }

    /// `None` if statistics were used that do not say enough.
    fn attempt(&self, task: &Task<'_, '_>, summaries: bool) -> Result<Option<Computed>> {
        let mut states: Vec<State> = self.leaves.iter().map(|l| State::new(l, summaries)).collect();
        let charged = Cell::new(0);
        let mut done = vec![false; self.leaves.len()];
        while let Some(first) = done.iter().position(|d| !d) {
            // All leaves that read the same times share one scan.
            let key = |l: &Leaf| (l.windows.start, l.windows.end, l.windows.every, l.windows.offset);
            let wanted = key(&self.leaves[first]);
            let pass: Vec<usize> =
                (0..self.leaves.len()).filter(|i| key(&self.leaves[*i]) == wanted).collect();
            pass.iter().for_each(|i| done[*i] = true);
            if !self.pass(task, &pass, summaries, &mut states, &charged)? {
                self.run.context.release(charged.get());
                return Ok(None);
            }
        }
        let exact = states.iter().all(|s| !matches!(s, State::Float(b) if !b.sums_are_exact(true)));
        let charged = charged.get();
        if !exact {
            self.run.context.release(charged);
        }
        Ok(exact.then_some(Computed { states, charged }))
    }

    fn pass(
        &self,
        task: &Task<'_, '_>,
        pass: &[usize],
        summaries: bool,
        states: &mut [State],
        charged: &Cell<u64>,
    ) -> Result<bool> {
        let Some(first) = pass.first().and_then(|i| self.leaves.get(*i)) else { return Ok(true) };
        let windows = &first.windows;
        let mut refs: Vec<Ref> = Vec::new();
        let columns: Vec<usize> = pass
            .iter()
            .map(|i| {
                let arg = &self.leaves[*i].arg;
                refs.iter().position(|r| r == arg).unwrap_or_else(|| {
                    refs.push(arg.clone());
                    refs.len() - 1
                })
            })
            .collect();
        let by: Vec<String> = pass
            .iter()
            .filter_map(|i| {
                if let LeafFunc::Extremes { by, .. } = &self.leaves[*i].func { Some(by) } else { None }
            })
            .flatten()
            .cloned()
            .collect();
        let aux_at = refs.len();
        if first.with_aux {
            refs.extend(self.aux.iter().cloned());
        }
        let by_at = refs.len();
        refs.extend(by.iter().map(|name| Ref { name: name.as_str().into(), kind: Some(DataType::Tag) }));
        let feed =
            Feed { leaves: self.leaves, pass, columns: &columns, aux: aux_at..by_at, by: by_at..refs.len() };
        let range = TimeRange::new(windows.start, windows.end);
        if range.is_empty() {
            return Ok(true);
        }
        let bytes = Cell::new(0);
        let charge = |states: &[State]| charge(&bytes, charged, pass, states, self.run);
        match task {
            Task::Series(source, series) if self.at_the_edge(pass) => {
                for no in *series {
                    self.edge(source, *no, (first, &refs), aux_at, &mut |block| feed.block(block, states))?;
                }
                charge(states)?;
            }
            Task::Series(source, series) => {
                let plain = summaries
                    && windows.zone.is_none()
                    && !first.with_aux
                    && pass.iter().all(|i| summable(&self.leaves[*i]));
                let every = if windows.every == 0 { i64::MAX } else { windows.every };
                let request = Request {
                    refs: &refs,
                    range,
                    descending: false,
                    skip_empty: false,
                    summaries: plain.then_some(Buckets { every, offset: windows.offset }),
                    context: &self.run.context,
                };
                let mut reader = SeriesReader::open(source, series, &request)?;
                while let Some(item) = reader.next()? {
                    match item {
                        Item::Rows(block) => {
                            self.run.count_points(block.times.len())?;
                            feed.block(&block, states);
                            reader.recycle(block);
                            charge(states)?;
                        }
                        Item::Summary(summary) => {
                            self.run.context.check()?;
                            self.run.stats.summary(&summary);
                            let start = windows.window(summary.span.min).0;
                            for (column, i) in columns.iter().zip(pass) {
                                let Some(column) = summary.columns.get(*column) else { return Ok(false) };
                                let known = match &mut states[*i] {
                                    State::Float(b) => b.summary(start, column),
                                    State::Integer(b) => b.summary(start, column),
                                    State::Unsigned(b) => b.summary(start, column),
                                    State::Picks(_) | State::Points(_) => false,
                                };
                                if !known {
                                    return Ok(false);
                                }
                            }
                        }
                    }
                }
            }
            Task::Frames(part) => {
                if let Part::Frames { inner, condition, frames } = part {
                    let mut at = 0;
                    while at < frames.len() {
                        let id = &frames[at].id;
                        let end = at + frames[at..].iter().take_while(|f| f.id == *id).count();
                        let mut blocks: VecDeque<Block> =
                            frame_blocks(&frames[at..end], inner, &refs, *condition);
                        if !self.ascending {
                            blocks = blocks.into_iter().rev().map(|b| reversed(&b, &refs)).collect();
                        }
                        for block in &blocks {
                            self.run.count_points(block.times.len())?;
                            feed.block(block, states);
                        }
                        charge(states)?;
                        at = end;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Whether all leaves of the pass want the first, or all the last, value of the whole range: then a series need not be read
    /// further than to there.
    fn at_the_edge(&self, pass: &[usize]) -> bool {
        let all = |func: Func| {
            pass.iter()
                .all(|i| self.leaves[*i].windows.every == 0 && self.leaves[*i].func == LeafFunc::Bin(func))
        };
        all(Func::First) || all(Func::Last)
    }

    /// Reads one series from the wanted end until the first `wanted` columns have had a value.
    fn edge(
        &self,
        source: &Arc<TableSource<'_>>,
        no: SeriesNo,
        (leaf, refs): (&Leaf, &[Ref]),
        wanted: usize,
        feed: &mut dyn FnMut(&Block),
    ) -> Result<()> {
        let descending = leaf.func == LeafFunc::Bin(Func::Last);
        let request = Request {
            refs,
            range: TimeRange::new(leaf.windows.start, leaf.windows.end),
            descending,
            skip_empty: false,
            summaries: None,
            context: &self.run.context,
        };
        let mut reader = SeriesReader::open(source, &[no], &request)?;
        let mut found = vec![false; wanted];
        while let Some(Item::Rows(block)) = reader.next()? {
            self.run.count_points(block.times.len())?;
            for (found, column) in found.iter_mut().zip(&block.columns) {
                *found |= match column {
                    Col::Data(c) => c.valid.count(block.times.len()) > 0,
                    Col::Same(_) => true,
                    Col::Null => false,
                };
            }
            if descending {
                feed(&reversed(&block, refs))
            } else {
                feed(&block)
            }
            if found.iter().all(|f| *f) {
                break;
            }
        }
        Ok(())
    }

    /// The points of `plan` for a group.
    pub(crate) fn points(
        &self,
        plan: &CallPlan,
        computed: &mut Computed,
        fill_by: Fill,
    ) -> Result<Vec<Point>> {
        Ok(match &plan.step {
            Step::Leaf(place) => {
                let leaf = &self.leaves[*place];
                let state = std::mem::replace(&mut computed.states[*place], State::Points(Vec::new()));
                let mut points = self.leaf_points(leaf, state);
                if !leaf.own_times && leaf.func != LeafFunc::Raw {
                    points.iter_mut().for_each(|p| p.time = leaf.windows.label(p.time));
                }
                if leaf.filled && leaf.func != LeafFunc::Raw {
                    points = self.filled(points, fill_by, plan, &leaf.windows, computed)?;
                }
                points
            }
            Step::Transform(step, input) => {
                let points = self.points(input, computed, fill_by)?;
                let windows = self.windows_of(input);
                let mut points = transform::apply(step, points, windows, self.ascending);
                if *step == super::calls::Transform::CountDistinct {
                    points.iter_mut().for_each(|p| p.time = windows.label(p.time));
                    points = self.filled(points, fill_by, plan, windows, computed)?;
                }
                points
            }
        })
    }

    /// `points` with the empty buckets, whose memory is charged before it is taken.
    fn filled(
        &self,
        points: Vec<Point>,
        fill_by: Fill,
        plan: &CallPlan,
        windows: &Windows,
        computed: &mut Computed,
    ) -> Result<Vec<Point>> {
        let Some(first) = points.first().filter(|_| windows.every != 0 && fill_by != Fill::None) else {
            return Ok(points);
        };
        let from = if windows.start <= TIME_MIN { first.time.min(windows.end) } else { windows.start };
        let buckets = (i128::from(windows.end) - i128::from(from)) / i128::from(windows.every) + 1;
        let bytes = u64::try_from(buckets.max(0) * size_of::<Point>() as i128).unwrap_or(u64::MAX);
        self.run.context.charge(bytes)?;
        computed.charged += bytes;
        Ok(fill(points, fill_by, plan.kind, plan.is_count, windows, self.ascending))
    }

    fn windows_of(&self, plan: &CallPlan) -> &Windows {
        match &plan.step {
            Step::Leaf(place) => &self.leaves[*place].windows,
            Step::Transform(_, input) => self.windows_of(input),
        }
    }

    fn leaf_points(&self, leaf: &Leaf, state: State) -> Vec<Point> {
        fn of_bins<T: super::bins::Num>(bins: Bins<T>, picks: bool) -> Vec<Point> {
            let point = |(bin, value): (super::bins::Bin<T>, Value)| Point {
                time: if picks { bin.time } else { bin.start },
                value,
                aux: bin.aux,
                part: 0,
            };
            bins.finish().into_iter().map(point).collect()
        }
        let picks = leaf.own_times;
        let mut points = match state {
            State::Float(b) => of_bins(b, picks),
            State::Integer(b) => of_bins(b, picks),
            State::Unsigned(b) => of_bins(b, picks),
            State::Picks(p) => p
                .finish()
                .map(|(start, time, value, aux)| Point {
                    time: if picks { time } else { start },
                    value,
                    aux,
                    part: 0,
                })
                .collect(),
            State::Points(mut points) => {
                points.sort_by_key(|p| p.time);
                if !self.ascending {
                    points.reverse();
                }
                let seed = self.run.now as u64;
                return reduce(leaf, points, self.ascending, seed);
            }
        };
        if !self.ascending {
            points.reverse();
        }
        points
    }
}

impl Computed {
    /// Nothing for each leaf.
    pub(crate) fn empty(leaves: &[Leaf]) -> Self {
        Self { states: leaves.iter().map(|l| State::new(l, false)).collect(), charged: 0 }
    }

    /// Adds what a later task computed.
    pub(crate) fn merge(&mut self, other: Self) {
        self.states.iter_mut().zip(other.states).for_each(|(a, b)| a.merge(b));
        self.charged += other.charged;
    }
}

/// Counts what the states of a pass have grown by.
fn charge(
    bytes: &Cell<usize>,
    charged: &Cell<u64>,
    pass: &[usize],
    states: &[State],
    run: &Run,
) -> Result<()> {
    let held: usize = pass.iter().map(|i| states[*i].bytes()).sum();
    if held > bytes.get() {
        let more = (held - bytes.get()) as u64;
        run.context.charge(more)?;
        charged.set(charged.get() + more);
        bytes.set(held);
    }
    Ok(())
}

fn reversed(block: &Block, refs: &[Ref]) -> Block {
    let columns = block
        .columns
        .iter()
        .zip(refs)
        .map(|(column, r)| match column {
            Col::Data(_) => {
                let mut builder = Builder::new(r.kind);
                (0..block.times.len()).rev().for_each(|row| builder.push(column.cell(row)));
                Col::Data(builder.finish())
            }
            other => other.clone(),
        })
        .collect();
    Block { times: block.times.iter().rev().copied().collect(), columns }
}
