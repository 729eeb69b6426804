//! Gathers the rows of a series from the arenas, and puts their values into columns.

use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weir_model::read::{Column, ReadContext, ReadError, Strings, Validity, Values};
use weir_model::{FieldType, TimeRange};

use super::rows::{Rows, bits};
use super::table::{ArenaView, GroupField};
use crate::memtable::{Block, Column as BlockColumn};

/// Looks at the query's cancel flag each time so many rows have been visited.
const CHECK_EVERY: usize = 4_096;
/// The block lacks the field.
const NO_COLUMN: u32 = u32::MAX;

/// By address of a block. Looked up for every row, so with a fast hash.
type Known = HashMap<usize, u32, FixedState>;

/// Where a row is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRef {
    pub(super) time: i64,
    seq: u64,
    row: u32,
    arena: u32,
}

/// The rows of one series, and what has been learnt about blocks.
#[derive(Default)]
pub(super) struct ArenaReader {
    /// By time; of equal times the later ones last.
    pub(super) rows: Vec<RowRef>,
    /// For each block (by address; the view keeps them alive) where its columns for the asked fields stand in `columns`.
    blocks: Known,
    columns: Vec<u32>,
    /// Bytes counted against the query.
    pub(super) charged: u64,
}

impl ArenaReader {
    /// Gathers the rows of a series in `range` that are live, by block and time.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`], [`ReadError::Memory`].
    pub(super) fn gather(
        &mut self,
        arenas: &[ArenaView],
        slot: u32,
        range: TimeRange,
        is_live: impl Fn(&Block, i64) -> bool,
        context: &ReadContext,
    ) -> Result<(), ReadError> {
        self.rows.clear();
        for (a, arena) in arenas.iter().enumerate() {
            let start = self.rows.len();
            let chain = arena.arena.chain(&arena.heads, slot, arena.published);
            for (i, (block, at)) in chain.enumerate() {
                if i % CHECK_EVERY == CHECK_EVERY - 1 {
                    context.check()?;
                }
                let Some(&time) = block.rows.times.get(at) else { continue };
                if range.contains(time) && is_live(block, time) {
                    let row = block.first_row + at as u32;
                    self.rows.push(RowRef { time, seq: block.seq, row, arena: a as u32 });
                }
            }
            // Chains run from new to old, mostly in time order, and the sort below likes what is sorted already.
            self.rows[start..].reverse();
        }
        self.rows.sort_unstable_by_key(|row| (row.time, row.seq, row.row));
        let bytes = (self.rows.capacity() * size_of::<RowRef>()) as u64;
        if bytes > self.charged {
            context.charge(bytes - self.charged)?;
            self.charged = bytes;
        }
        Ok(())
    }

    /// Whether a series has a row in `range` that is live, by block and time.
    pub(super) fn has_row(
        arenas: &[ArenaView],
        slot: u32,
        range: TimeRange,
        is_live: impl Fn(&Block, i64) -> bool,
    ) -> bool {
        arenas.iter().any(|arena| {
            let mut chain = arena.arena.chain(&arena.heads, slot, arena.published);
            chain.any(|(block, at)| {
                block.rows.times.get(at).is_some_and(|&time| range.contains(time) && is_live(block, time))
            })
        })
    }

    /// Puts rows (all of one group, whose fields are given) into `out`, which is empty, ascending; rows of equal time become one.
    pub(super) fn decode(
        &mut self,
        arenas: &[ArenaView],
        rows: Range<usize>,
        fields: &[Option<GroupField>],
        out: &mut Rows,
    ) {
        let Some(refs) = self.rows.get(rows) else { return };
        let mut found: Vec<(&Block, usize, u32)> = Vec::with_capacity(refs.len());
        // Where the rows of each time end in `found`.
        let mut ends: Vec<usize> = Vec::with_capacity(refs.len());
        for row in refs {
            let arena = arenas.get(row.arena as usize);
            let Some((block, at)) = arena.and_then(|arena| arena.arena.locate(row.row)) else { continue };
            if out.times.last() == Some(&row.time) {
                ends.pop();
            } else {
                out.times.push(row.time);
            }
            let columns = columns_of(&mut self.blocks, &mut self.columns, block, fields);
            found.push((block, at, columns));
            ends.push(found.len());
        }
        for (f, (field, to)) in fields.iter().zip(&mut out.columns).enumerate() {
            let Some(field) = field else {
                // Emptied values would be shorter than the times.
                to.values = Values::Absent;
                continue;
            };
            fill(
                &found,
                &ends,
                |columns| self.columns.get(columns as usize + f).copied(),
                field.field_type,
                to,
            );
        }
    }
}

/// Where the columns of a block for the asked fields stand in `columns`.
fn columns_of(
    blocks: &mut Known,
    columns: &mut Vec<u32>,
    block: &Arc<Block>,
    fields: &[Option<GroupField>],
) -> u32 {
    *blocks.entry(Arc::as_ptr(block) as usize).or_insert_with(|| {
        let start = columns.len() as u32;
        columns.extend(fields.iter().map(|field| {
            let at = field.and_then(|field| block.rows.columns.iter().position(|c| c.field.0 == field.id));
            at.map_or(NO_COLUMN, |at| at as u32)
        }));
        start
    })
}

/// The column of a block and the row in it where a value stands.
type Picked<'a> = Option<(&'a BlockColumn, usize)>;

/// Fills one column: for each time the value of the latest row that has one. Keeps the memory of `out`.
fn fill(
    rows: &[(&Block, usize, u32)],
    ends: &[usize],
    column_of: impl Fn(u32) -> Option<u32>,
    field_type: FieldType,
    out: &mut Column,
) {
    let pick = |same_time: Range<usize>| -> Picked<'_> {
        let same_time = rows.get(same_time).unwrap_or_default();
        same_time.iter().rev().find_map(|&(block, at, columns)| {
            let column = block.rows.columns.get(column_of(columns)? as usize)?;
            column.valid.is_valid(at).then_some((column, at))
        })
    };
    let picked = || {
        let mut start = 0;
        ends.iter().map(move |&end| std::mem::replace(&mut start, end)..end).map(pick)
    };
    let mut valid = 0;
    macro_rules! list {
        ($kind:path) => {{
            let mut list = match std::mem::take(&mut out.values) {
                $kind(list) => list,
                _ => Vec::new(),
            };
            list.clear();
            list.extend(picked().map(|value| match value {
                Some((BlockColumn { values: $kind(from), .. }, at)) => {
                    valid += 1;
                    from.get(at).copied().unwrap_or_default()
                }
                _ => Default::default(),
            }));
            $kind(list)
        }};
    }
    out.values = match field_type {
        FieldType::Float => list!(Values::Float),
        FieldType::Integer => list!(Values::Integer),
        FieldType::Unsigned => list!(Values::Unsigned),
        FieldType::Boolean => list!(Values::Boolean),
        FieldType::String => {
            let mut strings = Strings::new();
            for value in picked() {
                strings.push(match value {
                    Some((BlockColumn { values: Values::String(from), .. }, at)) => {
                        valid += 1;
                        from.get(at).unwrap_or_default()
                    }
                    _ => "",
                });
            }
            Values::String(strings)
        }
    };
    out.valid = if valid == ends.len() {
        Validity::All
    } else if valid == 0 {
        Validity::None
    } else {
        bits(picked().map(|value| value.is_some()), ends.len())
    };
}
