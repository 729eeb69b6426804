//! Running a prepared SELECT: frames of rows, series after series.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use weir_influxql::ast::Fill;
use weir_model::TimeRange;

use super::aggregate::{Computed, Leaves, Task};
use super::block::{Builder, Col, Frame, Ref, SeriesId};
use super::calls::{CallPlan, Leaf, Planner, is_selector};
use super::fill::constant_beside;
use super::groups::{Group, Level, Part, Run, groups, outer_id};
use super::points::Point;
use super::project::{Node, Projection};
use super::raw::Raw;
use crate::error::{QueryError, Result, refuse};
use crate::plan::prepare::{Input, Prepared};
use crate::plan::types::Type;
use crate::plan::window::Windows;
use crate::result::{Cell, Cells, Value};

/// Tasks computed before the next rows are given out: enough for all threads, few enough to hold.
const WAVE_TASKS: usize = 64;

/// Gives frames of rows; rows of one series follow each other.
pub(crate) trait Cursor {
    /// The next rows, `None` after the last.
    fn next(&mut self) -> Result<Option<Frame>>;
}

/// Starts `prepared` at `level`.
pub(crate) fn open<'a>(prepared: &'a Prepared, level: &Level, run: &'a Run) -> Result<Box<dyn Cursor + 'a>> {
    let projection = Projection::new(&prepared.columns);
    if projection.calls.is_empty() {
        return Ok(Box::new(Raw::new(prepared, projection, level, run)?));
    }
    Ok(Box::new(Calls::new(prepared, projection, level, run)?))
}

/// All rows of a subquery. They are held, and charged to the query.
pub(crate) fn rows(prepared: &Prepared, level: &Level, run: &Run) -> Result<Vec<Frame>> {
    let mut cursor = open(prepared, level, run)?;
    let mut out = Vec::new();
    while let Some(frame) = cursor.next()? {
        let bytes: usize = frame.times.len() * 8 * (1 + frame.columns.len());
        run.context.charge(bytes as u64)?;
        out.push(frame);
    }
    Ok(out)
}

/// The calls of a statement as plans.
pub(crate) struct Planned {
    pub(crate) plans: Vec<CallPlan>,
    pub(crate) leaves: Vec<Leaf>,
    /// A function that cannot work on the type of its column; an error if there is anything to read.
    pub(crate) refused: Option<QueryError>,
}

/// Plans the calls of `projection`.
pub(crate) fn plan_calls(prepared: &Prepared, projection: &Projection, windows: &Windows) -> Result<Planned> {
    let selector = projection.calls.len() == 1 && projection.calls.iter().all(|c| is_selector(&c.name));
    let mut leaves = Vec::new();
    let mut planner = Planner {
        leaves: &mut leaves,
        ascending: prepared.ascending,
        selector,
        inputs: &prepared.inputs,
        refused: None,
    };
    let plans =
        projection.calls.iter().map(|call| planner.call(call, windows)).collect::<Result<Vec<_>>>()?;
    let refused = planner.refused.take();
    Ok(Planned { plans, leaves, refused })
}

/// The rows of a statement with calls.
struct Calls<'a> {
    run: &'a Run,
    prepared: &'a Prepared,
    projection: Projection,
    plans: Vec<CallPlan>,
    leaves: Vec<Leaf>,
    fill: Fill,
    groups: VecDeque<Group<'a>>,
    ready: VecDeque<Frame>,
    /// Bytes charged for the wave whose frames are being given out.
    charged: u64,
}

impl<'a> Calls<'a> {
    fn new(prepared: &'a Prepared, projection: Projection, level: &Level, run: &'a Run) -> Result<Self> {
        let Planned { plans, leaves, refused } = plan_calls(prepared, &projection, &level.windows)?;
        let start = leaves.iter().map(|l| l.windows.start).min().unwrap_or(level.windows.start);
        let end = leaves.iter().map(|l| l.windows.end).max().unwrap_or(level.windows.end);
        let reads = leaves.iter().any(|l| l.arg.kind.is_some());
        let range = TimeRange::new(start, end);
        // The rows of a subquery are taken in as they come; only what the leaves gather is held.
        let streams = reads && prepared.inputs.iter().all(|i| matches!(i, Input::Subquery(_)));
        let groups = if reads && !streams { groups(prepared, level, range, run)? } else { Vec::new() };
        if let Some(error) = refused.filter(|_| streams || !groups.is_empty()) {
            // What a subquery refuses is said first.
            for input in &prepared.inputs {
                if let Input::Subquery(inner) = input {
                    open(inner, &level.inner(inner, range, run.now), run)?;
                }
            }
            return Err(error);
        }
        let mut this = Self {
            run,
            prepared,
            projection,
            plans,
            leaves,
            fill: level.fill,
            groups: groups.into(),
            ready: VecDeque::new(),
            charged: 0,
        };
        if streams {
            this.take_in(level, range)?;
        }
        Ok(this)
    }

    /// Computes all groups from the rows of subqueries.
    fn take_in(&mut self, level: &Level, range: TimeRange) -> Result<()> {
        let mut found: BTreeMap<SeriesId, Computed> = BTreeMap::new();
        let leaves = self.leaves();
        for input in &self.prepared.inputs {
            let Input::Subquery(inner) = input else { continue };
            let inner_level = level.inner(inner, range, self.run.now);
            let mut cursor = open(inner, &inner_level, self.run)?;
            while let Some(frame) = cursor.next()? {
                let id = outer_id(&frame.id, level);
                let condition = self.prepared.condition.as_ref();
                let part = Part::Frames { inner, condition, frames: vec![Arc::new(frame)] };
                let computed = leaves.compute(&Task::Frames(&part))?;
                match found.get_mut(&id) {
                    Some(before) => before.merge(computed),
                    None => {
                        found.insert(id, computed);
                    }
                }
            }
        }
        let mut groups: Vec<_> = found.into_iter().collect();
        if !self.prepared.ascending {
            groups.reverse();
        }
        for (id, computed) in groups {
            self.finish(&Arc::new(id), computed)?;
        }
        Ok(())
    }

    fn leaves(&self) -> Leaves<'_> {
        Leaves {
            leaves: &self.leaves,
            aux: &self.projection.refs,
            ascending: self.prepared.ascending,
            run: self.run,
        }
    }

    /// Makes the rows of a group.
    fn finish(&mut self, id: &Arc<SeriesId>, mut computed: Computed) -> Result<()> {
        let leaves = self.leaves();
        let mut points = self
            .plans
            .iter()
            .map(|p| leaves.points(p, &mut computed, self.fill))
            .collect::<Result<Vec<_>>>()?;
        for series in &mut points {
            limit(series, self.prepared);
        }
        let frame = self.join(id, points);
        self.charged += computed.charged;
        if !frame.times.is_empty() {
            self.ready.push_back(frame);
        }
        Ok(())
    }

    /// Computes the next groups, as many as make a wave of tasks.
    fn wave(&mut self) -> Result<()> {
        self.run.context.release(std::mem::take(&mut self.charged));
        let mut taken: Vec<Group<'a>> = Vec::new();
        let mut count = 0;
        while count < WAVE_TASKS {
            let Some(group) = self.groups.pop_front() else { break };
            count += Leaves::count_tasks(&group);
            taken.push(group);
        }
        let leaves = self.leaves();
        let mut tasks: Vec<(usize, Task<'_, '_>)> = Vec::new();
        for (i, group) in taken.iter().enumerate() {
            tasks.extend(leaves.tasks(group).into_iter().map(|t| (i, t)));
        }
        let results = self.run.pool.map(&tasks, &|(_, task)| leaves.compute(task))?;
        let mut computed: Vec<Option<Computed>> = taken.iter().map(|_| None).collect();
        for ((i, _), result) in tasks.iter().zip(results) {
            match &mut computed[*i] {
                Some(before) => before.merge(result),
                empty => *empty = Some(result),
            }
        }
        for (group, computed) in taken.iter().zip(computed) {
            let computed = computed.unwrap_or_else(|| Computed::empty(&self.leaves));
            self.finish(&group.id, computed)?;
        }
        Ok(())
    }

    /// Joins the points of the calls by time to rows.
    fn join(&self, id: &Arc<SeriesId>, points: Vec<Vec<Point>>) -> Frame {
        let kinds: Vec<Type> = self.plans.iter().map(|p| p.kind).collect();
        if let ([only], [Node::Call(_)]) = (points.as_slice(), self.projection.nodes.as_slice()) {
            return one_column(id, only, kinds.first().copied().flatten());
        }
        // A call of which not even the type is known stays null.
        let absent = |k: &Type| if k.is_some() { constant_beside(self.fill, *k) } else { Value::Null };
        let mut missing: Vec<Value> = kinds.iter().map(absent).collect();
        let keep_last = self.fill == Fill::Previous;
        let refs = &self.projection.refs;
        let mut missing_beside: Vec<Value> =
            refs.iter().map(|r| constant_beside(self.fill, r.kind)).collect();
        let mut times = Vec::new();
        let mut columns: Vec<Vec<Value>> = self.projection.nodes.iter().map(|_| Vec::new()).collect();
        let mut rest: Vec<std::iter::Peekable<std::vec::IntoIter<Point>>> =
            points.into_iter().map(|p| p.into_iter().peekable()).collect();
        let single = rest.len() == 1;
        loop {
            let heads = rest.iter_mut().filter_map(|r| r.peek().map(|p| p.time));
            let next = if self.prepared.ascending { heads.min() } else { heads.max() };
            let Some(time) = next else { break };
            let mut aux = None;
            let values: Vec<Value> = rest
                .iter_mut()
                .enumerate()
                .map(|(i, r)| match r.next_if(|p| single || p.time == time) {
                    Some(point) => {
                        aux = point.aux;
                        if keep_last {
                            missing[i] = point.value.clone();
                        }
                        point.value
                    }
                    None => missing[i].clone(),
                })
                .collect();
            times.push(time);
            let beside: Vec<Value> = missing_beside
                .iter_mut()
                .enumerate()
                .map(|(i, missing)| match aux.as_ref().and_then(|a| a.get(i)).filter(|v| !v.is_null()) {
                    Some(value) => {
                        if keep_last {
                            *missing = value.clone();
                        }
                        value.clone()
                    }
                    None => missing.clone(),
                })
                .collect();
            for (column, node) in columns.iter_mut().zip(&self.projection.nodes) {
                let other = |i: usize| beside.get(i).cloned().unwrap_or_default();
                column.push(node.value(&|i| values.get(i).cloned().unwrap_or(Value::Null), &other));
            }
        }
        let columns = columns
            .into_iter()
            .zip(&self.projection.nodes)
            .map(|(values, node)| pack(values, node, &kinds, &self.projection.refs))
            .collect();
        Frame { id: Arc::clone(id), times, columns }
    }
}

/// The rows of a statement that is one call.
fn one_column(id: &Arc<SeriesId>, points: &[Point], kind: Type) -> Frame {
    let times = points.iter().map(|p| p.time).collect();
    let mut builder = Builder::new(kind);
    points.iter().for_each(|p| {
        builder.push(match p.value.cell() {
            Cell::Float(x) if x.is_nan() => Cell::Null,
            cell => cell,
        });
    });
    Frame { id: Arc::clone(id), times, columns: vec![Col::Data(builder.finish()).into_cells()] }
}

/// Values of one type as a typed column.
fn pack(values: Vec<Value>, node: &Node, kinds: &[Type], refs: &[Ref]) -> Cells {
    use weir_influxql::ast::DataType;
    let kind = match node {
        Node::Call(i) => kinds.get(*i).copied().flatten(),
        Node::Ref(i) => refs.get(*i).and_then(|r| r.kind),
        _ => None,
    };
    let fits = |v: &Value| {
        matches!(
            (v, kind),
            (Value::Null, Some(_))
                | (Value::Float(_), Some(DataType::Float))
                | (Value::Integer(_), Some(DataType::Integer))
                | (Value::Unsigned(_), Some(DataType::Unsigned))
                | (Value::Boolean(_), Some(DataType::Boolean))
        )
    };
    if !values.iter().all(fits) {
        return Cells::Mixed(values);
    }
    let mut builder = Builder::new(kind);
    values.iter().for_each(|v| builder.push(v.cell()));
    Col::Data(builder.finish()).into_cells()
}

/// LIMIT and OFFSET, which 1.x applies to each call before the calls are joined.
fn limit(points: &mut Vec<Point>, prepared: &Prepared) {
    let skip = usize::try_from(prepared.skip).unwrap_or(usize::MAX).min(points.len());
    points.drain(..skip);
    if prepared.limit > 0 {
        points.truncate(usize::try_from(prepared.limit).unwrap_or(usize::MAX));
    }
}

impl Cursor for Calls<'_> {
    fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            if self.groups.is_empty() {
                return Ok(None);
            }
            self.wave()?;
        }
    }
}

/// Refuses more buckets than allowed.
pub(crate) fn check_buckets(prepared: &Prepared, level: &Level, max: u64) -> Result<()> {
    let w = &level.windows;
    if max == 0 || w.every == 0 || w.start <= weir_model::time::TIME_MIN {
        return Ok(());
    }
    let calls = Projection::new(&prepared.columns).calls;
    if calls.is_empty() {
        return Ok(());
    }
    let first = i128::from(w.window(w.start).0);
    let last = i128::from(w.window(w.end.saturating_sub(1)).0);
    let buckets = (last - first + i128::from(w.every)) / i128::from(w.every);
    if buckets > i128::from(max) {
        return refuse(format!("max-select-buckets limit exceeded: ({buckets}/{max})"));
    }
    Ok(())
}
