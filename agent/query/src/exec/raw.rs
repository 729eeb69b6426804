//! SELECT of fields and tags as they are stored. Rows stream: nothing is held but one block of each series being merged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use weir_influxql::ast::{DataType, Fill};
use weir_model::TimeRange;

use super::block::{Block, Builder, Col, Frame, Ref, SeriesId};
use super::cursor::Cursor;
use super::fill::{constant, constant_beside};
use super::groups::{Group, Level, Part, Run, groups};
use super::project::{Node, Projection};
use super::reader::{Item, Request, SeriesReader, frame_blocks};
use crate::error::Result;
use crate::plan::prepare::Prepared;
use crate::plan::types::Type;
use crate::result::{Cells, Value};

/// Rows of one frame made by merging.
const FRAME_ROWS: usize = 1_024;

/// The rows of a statement without calls.
pub(crate) struct Raw<'a> {
    run: &'a Run,
    projection: Projection,
    range: TimeRange,
    descending: bool,
    groups: std::vec::IntoIter<Group<'a>>,
    current: Option<Current<'a>>,
    skip: u64,
    limit: u64,
    fill: Fill,
}

struct Current<'a> {
    id: Arc<SeriesId>,
    rows: Merge<'a>,
    skip: u64,
    left: u64,
    /// Last values, for `fill(previous)`.
    last: Vec<Value>,
}

impl<'a> Raw<'a> {
    pub(crate) fn new(
        prepared: &'a Prepared,
        projection: Projection,
        level: &Level,
        run: &'a Run,
    ) -> Result<Self> {
        let range = TimeRange::new(level.windows.start, level.windows.end);
        let readable = projection.refs.iter().any(Ref::drives)
            || prepared.inputs.iter().any(|i| matches!(i, crate::plan::prepare::Input::Subquery(_)));
        let known = projection.refs.iter().any(|r| r.kind.is_some());
        let found = if readable && known { groups(prepared, level, range, run)? } else { Vec::new() };
        // As in 1.x, OFFSET without LIMIT gives one row.
        let limit = match (prepared.limit, prepared.skip) {
            (0, 0) => u64::MAX,
            (0, _) => 1,
            (limit, _) => limit,
        };
        Ok(Self {
            run,
            projection,
            range,
            descending: !prepared.ascending,
            groups: found.into_iter(),
            current: None,
            skip: prepared.skip,
            limit,
            fill: level.fill,
        })
    }

    fn open(&self, group: Group<'a>) -> Result<Current<'a>> {
        let request = Request {
            refs: &self.projection.refs,
            range: self.range,
            descending: self.descending,
            skip_empty: true,
            summaries: None,
            context: &self.run.context,
        };
        let mut inputs = Vec::new();
        for part in group.parts {
            match part {
                Part::Series { source, series } => {
                    for no in series {
                        let reader = SeriesReader::open(&source, &[no], &request)?;
                        inputs.push(Stream::Stored(Box::new(reader)));
                    }
                }
                Part::Frames { inner, condition, frames } => {
                    // Each series of the subquery is in order; all of them together are not.
                    let mut at = 0;
                    while at < frames.len() {
                        let id = &frames[at].id;
                        let end = at + frames[at..].iter().take_while(|f| f.id == *id).count();
                        let blocks = frame_blocks(&frames[at..end], inner, &self.projection.refs, condition);
                        inputs.push(Stream::Blocks(blocks));
                        at = end;
                    }
                }
            }
        }
        let rows = Merge { inputs, heap: BinaryHeap::new(), blocks: Vec::new(), started: false };
        let last = vec![Value::Null; self.projection.refs.len()];
        Ok(Current { id: group.id, rows, skip: self.skip, left: self.limit, last })
    }
}

impl Cursor for Raw<'_> {
    fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(group) = self.groups.next() else { return Ok(None) };
                self.current = Some(self.open(group)?);
                continue;
            };
            let block = if current.left == 0 {
                None
            } else {
                let most = current.skip.saturating_add(current.left).min(FRAME_ROWS as u64) as usize;
                current.rows.next(&self.projection.refs, self.descending, most, self.run)?
            };
            let Some(mut block) = block else {
                self.current = None;
                continue;
            };
            let len = block.times.len() as u64;
            if current.skip >= len {
                current.skip -= len;
                continue;
            }
            let take = (len - current.skip).min(current.left);
            if current.skip > 0 || take < len {
                cut(&mut block, current.skip as usize, take as usize, &self.projection.refs);
            }
            current.skip = 0;
            current.left -= take;
            fill_nulls(&mut block, self.fill, &self.projection.refs, &mut current.last);
            return Ok(Some(project(Arc::clone(&current.id), block, &self.projection, self.fill)));
        }
    }
}

/// Leaves `take` rows from row `skip` on.
fn cut(block: &mut Block, skip: usize, take: usize, refs: &[Ref]) {
    let rows = skip..skip + take;
    block.times = block.times[rows.clone()].to_vec();
    for (column, r) in block.columns.iter_mut().zip(refs) {
        if let Col::Data(_) = column {
            let mut builder = Builder::new(r.kind);
            rows.clone().for_each(|row| builder.push(column.cell(row)));
            *column = Col::Data(builder.finish());
        }
    }
}

/// `fill()` of a statement without calls: it concerns what a row lacks. A number does not fit into every column; that is left to
/// [`project`].
fn fill_nulls(block: &mut Block, fill: Fill, refs: &[Ref], last: &mut [Value]) {
    if matches!(fill, Fill::Null | Fill::None | Fill::Linear) {
        return;
    }
    let fits = |r: &Ref| is_number(r.kind) || (fill == Fill::Previous && r.kind.is_some());
    for ((column, r), last) in block.columns.iter_mut().zip(refs).zip(last).filter(|((_, r), _)| fits(r)) {
        let empty = constant(fill, r.kind);
        let mut builder = Builder::new(r.kind);
        for row in 0..block.times.len() {
            let value = column.value(row);
            let value = match (value.is_null(), fill) {
                (true, Fill::Previous) => last.clone(),
                (true, _) => empty.clone(),
                (false, _) => value,
            };
            builder.push(value.cell());
            *last = value;
        }
        *column = Col::Data(builder.finish());
    }
}

fn is_number(kind: Type) -> bool {
    matches!(kind, Some(DataType::Float | DataType::Integer | DataType::Unsigned))
}

fn project(id: Arc<SeriesId>, block: Block, projection: &Projection, fill: Fill) -> Frame {
    let number = matches!(fill, Fill::Integer(_) | Fill::Number(_));
    let mut uses = vec![0usize; projection.refs.len()];
    for node in &projection.nodes {
        if let Node::Ref(i) = node {
            uses[*i] += 1;
        }
    }
    let Block { times, columns } = block;
    let simple = projection.nodes.iter().all(|n| matches!(n, Node::Ref(_)));
    let mut cells: Vec<Option<Col>> = columns.into_iter().map(Some).collect();
    let columns = projection
        .nodes
        .iter()
        .map(|node| match node {
            Node::Ref(i) => {
                uses[*i] -= 1;
                let column = if simple && uses[*i] == 0 { cells[*i].take() } else { cells[*i].clone() };
                let column = column.unwrap_or_default();
                match projection.refs.get(*i).filter(|r| number && !is_number(r.kind)) {
                    Some(r) => {
                        let empty = constant_beside(fill, r.kind);
                        let filled = |v: Value| if v.is_null() { empty.clone() } else { v };
                        Cells::Mixed((0..times.len()).map(|row| filled(column.value(row))).collect())
                    }
                    None => column.into_cells(),
                }
            }
            node => {
                let values = (0..times.len())
                    .map(|row| {
                        node.value(&|_| Value::Null, &|i| {
                            cells.get(i).and_then(Option::as_ref).map_or(Value::Null, |c| c.value(row))
                        })
                    })
                    .collect();
                Cells::Mixed(values)
            }
        })
        .collect();
    Frame { id, times, columns }
}

/// Rows of one series.
enum Stream<'a> {
    Stored(Box<SeriesReader<'a>>),
    Blocks(VecDeque<Block>),
}

impl Stream<'_> {
    fn next(&mut self) -> Result<Option<Block>> {
        match self {
            Self::Blocks(blocks) => Ok(blocks.pop_front()),
            Self::Stored(reader) => Ok(match reader.next()? {
                Some(Item::Rows(block)) => Some(block),
                // Statistics were not asked for.
                Some(Item::Summary(_)) | None => None,
            }),
        }
    }
}

/// The rows of several series by time; of equal times the series given first comes first.
struct Merge<'a> {
    inputs: Vec<Stream<'a>>,
    /// For each input the block being read and the next row of it.
    blocks: Vec<(Block, usize)>,
    heap: BinaryHeap<Reverse<(i64, usize)>>,
    started: bool,
}

impl Merge<'_> {
    /// The next rows, at most `most` if several series are merged.
    fn next(&mut self, refs: &[Ref], descending: bool, most: usize, run: &Run) -> Result<Option<Block>> {
        if let [only] = self.inputs.as_mut_slice() {
            let block = only.next()?;
            run.count_points(block.as_ref().map_or(0, |b| b.times.len()))?;
            return Ok(block);
        }
        // The order of the heap is ascending; descending times are turned round by complement.
        let key = |t: i64| if descending { !t } else { t };
        if !self.started {
            self.started = true;
            for (i, input) in self.inputs.iter_mut().enumerate() {
                let block = input.next()?.unwrap_or_default();
                if let Some(&t) = block.times.first() {
                    self.heap.push(Reverse((key(t), i)));
                }
                self.blocks.push((block, 0));
            }
        }
        let mut times = Vec::new();
        let mut builders: Vec<Builder> = refs.iter().map(|r| Builder::new(r.kind)).collect();
        while times.len() < most {
            let Some(Reverse((t, i))) = self.heap.pop() else { break };
            let (block, row) = &mut self.blocks[i];
            times.push(key(t));
            for (builder, column) in builders.iter_mut().zip(&block.columns) {
                builder.push(column.cell(*row));
            }
            *row += 1;
            if *row >= block.times.len() {
                *block = self.inputs[i].next()?.unwrap_or_default();
                *row = 0;
            }
            if let Some(&t) = block.times.get(*row) {
                self.heap.push(Reverse((key(t), i)));
            }
        }
        run.count_points(times.len())?;
        let columns = builders.into_iter().map(|b| Col::Data(b.finish())).collect();
        Ok((!times.is_empty()).then_some(Block { times, columns }))
    }
}
