//! Reading blocks: of stored series through a scan, or of a subquery's rows.

use std::collections::VecDeque;
use std::sync::Arc;

use weir_influxql::ast::{DataType, Expr};
use weir_influxql::walk::walk_expr;
use weir_model::TimeRange;
use weir_model::read::{
    Buckets, Chunk, Column, ReadContext, RunSummary, Scan, ScanRequest, SeriesNo, TagColumn,
};

use super::block::{Block, Col, Frame, Ref, cast, cast_value, compact};
use super::groups::TableSource;
use super::predicate::Predicate;
use crate::error::Result;
use crate::plan::prepare::Prepared;
use crate::result::{Cell, Cells, Value};

/// What a reader gives.
pub(crate) enum Item {
    /// Rows of one series.
    Rows(Block),
    /// Statistics in place of rows.
    Summary(RunSummary),
}

/// What to read of a list of series.
pub(crate) struct Request<'a> {
    /// Columns of the blocks.
    pub(crate) refs: &'a [Ref],
    /// Times.
    pub(crate) range: TimeRange,
    /// Newest first.
    pub(crate) descending: bool,
    /// Rows in which every driving column is null are left out.
    pub(crate) skip_empty: bool,
    /// Statistics wanted.
    pub(crate) summaries: Option<Buckets>,
    /// Budget.
    pub(crate) context: &'a Arc<ReadContext>,
}

/// Reads the rows of stored series.
pub(crate) struct SeriesReader<'a> {
    scan: Option<Box<dyn Scan>>,
    chunk: Chunk,
    /// The columns of blocks, then those that only the condition needs.
    refs: Vec<Ref>,
    wanted: usize,
    /// For each of `refs` its place in the chunk.
    places: Vec<Option<usize>>,
    /// For each of `refs` that is a tag, its values.
    tags: Vec<Option<TagColumn>>,
    source: Arc<TableSource<'a>>,
    /// Values of the tags in a condition that must be decided for each series.
    mixed: Vec<(String, TagColumn)>,
    series: Option<usize>,
    /// Condition of the series being read; the outer `None` leaves it out.
    current: Option<Option<Predicate>>,
    skip_empty: bool,
}

impl<'a> SeriesReader<'a> {
    /// Opens a scan of `series`.
    pub(crate) fn open(
        source: &Arc<TableSource<'a>>,
        series: &[SeriesNo],
        request: &Request<'_>,
    ) -> Result<Self> {
        let TableSource { input, condition } = &**source;
        let mut refs = request.refs.to_vec();
        let wanted = refs.len();
        if let Some(rows) = &condition.rows {
            walk_expr(rows, &mut |e| {
                if let Expr::VarRef(v) = e
                    && !refs.iter().any(|r| *r.name == *v.name && r.kind == v.cast)
                {
                    refs.push(Ref { name: v.name.as_str().into(), kind: v.cast });
                }
            });
        }
        let mut fields: Vec<Arc<str>> = Vec::new();
        let mut cast_needed = false;
        let places = refs
            .iter()
            .map(|r| {
                let stored = input.fields.get(&r.name).filter(|_| r.drives())?;
                cast_needed |= Some(*stored) != r.kind;
                Some(fields.iter().position(|f| *f == r.name).unwrap_or_else(|| {
                    fields.push(Arc::clone(&r.name));
                    fields.len() - 1
                }))
            })
            .collect();
        let tags = refs
            .iter()
            .map(|r| (r.kind == Some(DataType::Tag)).then(|| input.table.tag_column(&r.name, series)))
            .collect();
        let mut mixed: Vec<(String, TagColumn)> = Vec::new();
        if let (true, Some(rows)) = (condition.mixed, &condition.rows) {
            walk_expr(rows, &mut |e| {
                if let Expr::VarRef(v) = e
                    && !mixed.iter().any(|(n, _)| *n == v.name)
                {
                    mixed.push((v.name.clone(), input.table.tag_column(&v.name, series)));
                }
            });
        }
        let scan = if fields.is_empty() {
            None
        } else {
            Some(input.table.scan(ScanRequest {
                series: series.into(),
                fields,
                range: request.range,
                descending: request.descending,
                summaries: request.summaries.filter(|_| condition.rows.is_none() && !cast_needed),
                context: Arc::clone(request.context),
            })?)
        };
        Ok(Self {
            scan,
            chunk: Chunk::default(),
            refs,
            wanted,
            places,
            tags,
            source: Arc::clone(source),
            mixed,
            series: None,
            current: Some(None),
            skip_empty: request.skip_empty,
        })
    }

    /// The next rows; blocks are never empty.
    pub(crate) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            let Some(scan) = &mut self.scan else { return Ok(None) };
            if !scan.next(&mut self.chunk)? {
                self.scan = None;
                return Ok(None);
            }
            let series = self.chunk.series;
            if self.series != Some(series) {
                self.series = Some(series);
                self.current = self.predicate(series);
            }
            if let Some(mut summary) = self.chunk.summary.take() {
                let columns = std::mem::take(&mut summary.columns);
                summary.columns = self.places[..self.wanted]
                    .iter()
                    .map(|p| p.and_then(|p| columns.get(p).cloned()).unwrap_or_default())
                    .collect();
                return Ok(Some(Item::Summary(summary)));
            }
            if self.current.is_none() {
                continue;
            }
            if let Some(block) = self.block(series) {
                return Ok(Some(Item::Rows(block)));
            }
        }
    }

    /// Takes back a block that is done with, for its memory.
    pub(crate) fn recycle(&mut self, block: Block) {
        self.chunk.times = block.times;
        let places = &self.places;
        for (i, column) in block.columns.into_iter().enumerate() {
            let slot = places.get(i).copied().flatten().and_then(|p| self.chunk.columns.get_mut(p));
            if let (Some(slot), Col::Data(column)) = (slot, column) {
                *slot = column;
            }
        }
    }

    fn predicate(&self, series: usize) -> Option<Option<Predicate>> {
        let tag = |name: &str| -> Arc<str> {
            let column = self.mixed.iter().find(|(n, _)| n == name).map(|(_, c)| c);
            column.and_then(|c| c.values.get(*c.ids.get(series)? as usize).cloned()).unwrap_or_default()
        };
        let rows = self.source.condition.for_series(self.source.input, &tag)?;
        Some(rows.map(|rows| Predicate::new(&rows, &self.refs)))
    }

    fn block(&mut self, series: usize) -> Option<Block> {
        let times = std::mem::take(&mut self.chunk.times);
        let mut columns = Vec::with_capacity(self.refs.len());
        let mut changed = self.refs.len() > self.wanted;
        for (i, r) in self.refs.iter().enumerate() {
            columns.push(match (self.places[i], &self.tags[i]) {
                (Some(place), _) => {
                    let again = self.places[i + 1..].contains(&Some(place));
                    let stored = self.chunk.columns.get_mut(place);
                    let stored = if again { stored.cloned() } else { stored.map(std::mem::take) };
                    let stored = stored.unwrap_or_default();
                    changed |= stored.values.field_type().map(crate::plan::types::of_field) != r.kind;
                    Col::Data(cast(stored, r.kind))
                }
                (None, Some(tag)) => {
                    let value = tag.ids.get(series).and_then(|&id| tag.values.get(id as usize));
                    value.filter(|v| !v.is_empty()).map_or(Col::Null, |v| Col::Same(Arc::clone(v)))
                }
                (None, None) => Col::Null,
            });
        }
        let filter = self.current.as_ref().and_then(Option::as_ref);
        if filter.is_none() && !(changed && self.skip_empty) {
            columns.truncate(self.wanted);
            return Some(Block { times, columns });
        }
        let mut keep = vec![true; times.len()];
        if let Some(predicate) = filter {
            predicate.apply(&self.refs, &columns, &mut keep);
        }
        columns.truncate(self.wanted);
        if self.skip_empty {
            let driving: Vec<&Col> =
                columns.iter().zip(&self.refs).filter(|(_, r)| r.drives()).map(|(c, _)| c).collect();
            for (row, k) in keep.iter_mut().enumerate() {
                *k = *k && driving.iter().any(|c| matches!(c, Col::Data(d) if d.valid.is_valid(row)));
            }
        }
        keep_rows(Block { times, columns }, &keep)
    }
}

/// The rows with `keep` set; `None` if there is none.
fn keep_rows(block: Block, keep: &[bool]) -> Option<Block> {
    if keep.iter().all(|k| *k) {
        return (!block.times.is_empty()).then_some(block);
    }
    let times: Vec<i64> = block.times.iter().zip(keep).filter(|(_, k)| **k).map(|(t, _)| *t).collect();
    if times.is_empty() {
        return None;
    }
    let columns = block.columns.into_iter().map(|c| compact(c, keep)).collect();
    Some(Block { times, columns })
}

/// Blocks of a subquery's rows, with the columns `refs` as the statement around it names them, filtered by `condition`.
pub(crate) fn frame_blocks(
    frames: &[Arc<Frame>],
    inner: &Prepared,
    refs: &[Ref],
    condition: Option<&Expr>,
) -> VecDeque<Block> {
    let mut all = refs.to_vec();
    if let Some(condition) = condition {
        walk_expr(condition, &mut |e| {
            if let Expr::VarRef(v) = e
                && !all.iter().any(|r| *r.name == *v.name && r.kind == v.cast)
            {
                all.push(Ref { name: v.name.as_str().into(), kind: v.cast });
            }
        });
    }
    let places: Vec<Option<usize>> =
        all.iter().map(|r| inner.columns.iter().position(|c| c.name() == *r.name)).collect();
    let predicate = condition.map(|c| Predicate::new(c, &all));
    // In a condition, any other name is a tag: of a GROUP BY around, or one that no row has.
    let missing: Arc<str> = "".into();
    let mut out = VecDeque::new();
    for frame in frames {
        let columns: Vec<Col> = all
            .iter()
            .zip(&places)
            .map(|(r, place)| match place.and_then(|p| frame.columns.get(p)) {
                Some(cells) => cells_to_col(cells, frame.times.len(), r),
                // Tags show when the subquery itself groups by them.
                None => match frame.id.tag(&r.name).filter(|_| inner.dimensions.contains(&r.name)) {
                    Some(value) => Col::Same(Arc::clone(value)),
                    None => Col::Null,
                },
            })
            .collect();
        let mut block = Block { times: frame.times.clone(), columns };
        let mut keep = vec![true; block.times.len()];
        if let Some(predicate) = &predicate {
            let mut columns = block.columns.clone();
            for (column, r) in columns.iter_mut().zip(&all) {
                if r.kind == Some(DataType::Boolean) {
                    // Unlike in a measurement, a boolean that a row of a subquery lacks counts as false.
                    let mut builder = super::block::Builder::new(r.kind);
                    for row in 0..block.times.len() {
                        builder.push(match column.cell(row) {
                            Cell::Null => Cell::Boolean(false),
                            cell => cell,
                        });
                    }
                    *column = Col::Data(builder.finish());
                    continue;
                }
                if matches!(column, Col::Null) && !inner.columns.iter().any(|c| c.name() == *r.name) {
                    *column = Col::Same(frame.id.tag(&r.name).map_or(&missing, |v| v).clone());
                }
            }
            predicate.apply(&all, &columns, &mut keep);
        }
        block.columns.truncate(refs.len());
        out.extend(keep_rows(block, &keep));
    }
    out
}

fn cells_to_col(cells: &Cells, len: usize, r: &Ref) -> Col {
    use weir_model::read::Values;
    let direct = |values, valid: &weir_model::read::Validity| {
        Col::Data(cast(Column { values, valid: valid.clone() }, r.kind))
    };
    match (cells, r.kind) {
        (Cells::Null, _) => Col::Null,
        (Cells::Same(text), Some(DataType::Tag | DataType::String)) => Col::Same(Arc::clone(text)),
        (Cells::Float(v, ok), Some(_)) => direct(Values::Float(v.clone()), ok),
        (Cells::Integer(v, ok), Some(_)) => direct(Values::Integer(v.clone()), ok),
        (Cells::Unsigned(v, ok), Some(_)) => direct(Values::Unsigned(v.clone()), ok),
        (Cells::Boolean(v, ok), Some(_)) => direct(Values::Boolean(v.clone()), ok),
        (cells, kind) => {
            let mut builder = super::block::Builder::new(kind);
            for row in 0..len {
                let value = cast_value(Value::from(cells.get(row)), kind);
                builder.push(value.cell());
            }
            Col::Data(builder.finish())
        }
    }
}
