//! What the leaves of a statement gather from blocks.

use std::hash::{BuildHasher, Hash, Hasher};

use weir_influxql::ast::DataType;
use weir_model::read::Values;

use super::bins::{Bins, Func, Picks};
use super::block::{Block, Col};
use super::calls::{Leaf, LeafFunc};
use super::points::{Point, needs_points};
use crate::result::{Cell, Value};

/// What a leaf gathered.
pub(crate) enum State {
    Float(Bins<f64>),
    Integer(Bins<i64>),
    Unsigned(Bins<u64>),
    Picks(Picks),
    Points(Vec<Point>),
}

impl State {
    /// Nothing yet. `watch`: statistics may come.
    pub(crate) fn new(leaf: &Leaf, watch: bool) -> Self {
        match (&leaf.func, leaf.arg.kind) {
            (LeafFunc::Bin(Func::Count), _) => Self::Integer(Bins::new(Func::Count, false)),
            (LeafFunc::Bin(f), Some(DataType::Float)) => Self::Float(Bins::new(*f, watch)),
            (LeafFunc::Bin(f), Some(DataType::Integer)) => Self::Integer(Bins::new(*f, false)),
            (LeafFunc::Bin(f), Some(DataType::Unsigned)) => Self::Unsigned(Bins::new(*f, false)),
            (LeafFunc::Bin(f), _) => Self::Picks(Picks::new(*f)),
            _ => Self::Points(Vec::new()),
        }
    }

    /// Adds what later series gathered.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.merge(b),
            (Self::Integer(a), Self::Integer(b)) => a.merge(b),
            (Self::Unsigned(a), Self::Unsigned(b)) => a.merge(b),
            (Self::Picks(a), Self::Picks(b)) => a.merge(b),
            (Self::Points(a), Self::Points(b)) => a.extend(b),
            _ => {}
        }
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Float(b) => b.bytes(),
            Self::Integer(b) => b.bytes(),
            Self::Unsigned(b) => b.bytes(),
            Self::Picks(_) => 0,
            Self::Points(p) => p.len() * size_of::<Point>(),
        }
    }
}

/// Feeds blocks to the states of one pass.
pub(crate) struct Feed<'a> {
    pub(crate) leaves: &'a [Leaf],
    pub(crate) pass: &'a [usize],
    /// For each leaf of the pass its column.
    pub(crate) columns: &'a [usize],
    /// Columns of chosen points.
    pub(crate) aux: std::ops::Range<usize>,
    /// Columns that divide `top(v, tag, n)`.
    pub(crate) by: std::ops::Range<usize>,
}

impl Feed<'_> {
    /// Adds the rows of `block`, whose times ascend.
    pub(crate) fn block(&self, block: &Block, states: &mut [State]) {
        let Some(windows) = self.pass.first().map(|i| &self.leaves[*i].windows) else { return };
        let part = self.part(block);
        let aux = |row: usize| -> Box<[Value]> {
            block.columns[self.aux.clone()].iter().map(|c| c.value(row)).collect()
        };
        let mut at = 0;
        let with_bins = self.pass.iter().any(|i| !needs_points(&self.leaves[*i].func));
        while with_bins && at < block.times.len() {
            let (start, end) = windows.window(block.times[at]);
            let last = block.times.last().copied().unwrap_or(i64::MIN);
            let to = if last < end || (windows.every == 0) {
                block.times.len()
            } else {
                at + block.times[at..].partition_point(|t| *t < end)
            };
            let to = to.max(at + 1);
            for (column, i) in self.columns.iter().zip(self.pass) {
                let leaf = &self.leaves[*i];
                let with_aux = leaf.with_aux && !self.aux.is_empty();
                let aux: Option<&dyn Fn(usize) -> Box<[Value]>> = if with_aux { Some(&aux) } else { None };
                bin(&mut states[*i], leaf, start, at..to, block, &block.columns[*column], aux);
            }
            at = to;
        }
        for (column, i) in self.columns.iter().zip(self.pass) {
            let leaf = &self.leaves[*i];
            if let (State::Points(points), true) = (&mut states[*i], needs_points(&leaf.func)) {
                let column = &block.columns[*column];
                for (row, time) in block.times.iter().enumerate() {
                    let value = column.value(row);
                    if !value.is_null() {
                        let aux = (leaf.with_aux && !self.aux.is_empty()).then(|| aux(row));
                        points.push(Point { time: *time, value, aux, part });
                    }
                }
            }
        }
    }

    /// A number for the block's combination of dividing tags: the same in every task, so a hash of it.
    fn part(&self, block: &Block) -> u64 {
        if self.by.is_empty() {
            return 0;
        }
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        for column in &block.columns[self.by.clone()] {
            match column.cell(0) {
                Cell::Str(text) => text.hash(&mut hasher),
                _ => "".hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

fn bin(
    state: &mut State,
    leaf: &Leaf,
    start: i64,
    rows: std::ops::Range<usize>,
    block: &Block,
    column: &Col,
    aux: Option<&dyn Fn(usize) -> Box<[Value]>>,
) {
    let LeafFunc::Bin(func) = leaf.func else { return };
    if let (Func::Count, State::Integer(bins)) = (func, &mut *state) {
        let count = match column {
            Col::Null => 0,
            Col::Same(_) => rows.len(),
            Col::Data(c) => rows.clone().filter(|r| c.valid.is_valid(*r)).count(),
        };
        bins.count(start, count as u64);
        return;
    }
    match (state, column) {
        (State::Float(b), Col::Data(c)) => {
            if let Values::Float(v) = &c.values {
                b.run(start, &block.times, v, &c.valid, rows, aux);
            }
        }
        (State::Integer(b), Col::Data(c)) => {
            if let Values::Integer(v) = &c.values {
                b.run(start, &block.times, v, &c.valid, rows, aux);
            }
        }
        (State::Unsigned(b), Col::Data(c)) => {
            if let Values::Unsigned(v) = &c.values {
                b.run(start, &block.times, v, &c.valid, rows, aux);
            }
        }
        (State::Picks(p), column) => {
            for row in rows {
                let value = column.value(row);
                if !value.is_null() {
                    p.offer(start, block.times[row], value, &|| aux.map(|aux| aux(row)));
                }
            }
        }
        _ => {}
    }
}
