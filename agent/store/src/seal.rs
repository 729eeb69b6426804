//! Seals the arenas of a generation: sorted, merged, encoded as one segment in RAM per shard group.
//!
//! Rows are ordered by a counting sort over series (in the order of canonical keys), which keeps the order of arrival within a series;
//! most series are then in time order already. Rows of equal time are joined per field, the later value that is not null wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_catalog::{GroupId, MeasurementId};
use weir_model::FieldType;
use weir_model::read::{Column, ReadContext, Strings, Validity, Values};
use weir_segment::{SegmentError, SegmentFacts, SegmentWriter, Written};

use crate::memtable::{Arena, Block};
use crate::stripe::{Stripe, points_max};
use crate::tombstones::{Tombstones, is_deleted};
use crate::version::PolicySeries;

/// A row: index of its block, row in the block.
type RowRef = (u32, u32);
/// No row.
const NONE: u32 = u32::MAX;

/// The points of one shard group, sealed.
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) written: Written,
    /// Slots of the series inside.
    pub(crate) slots: RoaringBitmap,
}

/// Blocks of one shard group by measurement, each list in the order of arrival.
pub(crate) type GroupBlocks<'a> = BTreeMap<MeasurementId, Vec<&'a Block>>;

/// The published blocks of some arenas that `keep` wants, without deleted points. Series that lose points are added to `emptied`.
pub(crate) fn live_blocks(
    arenas: &[Arc<Arena>],
    keep: impl Fn(&Block) -> bool,
    tombstones: &Tombstones,
    emptied: &mut Vec<(GroupId, u32)>,
) -> Vec<Arc<Block>> {
    let blocks = arenas.iter().flat_map(|a| a.blocks(a.published())).filter(|b| keep(b));
    blocks.map(|block| without_deleted(block, tombstones, emptied)).collect()
}

fn without_deleted(
    block: &Arc<Block>,
    tombstones: &Tombstones,
    emptied: &mut Vec<(GroupId, u32)>,
) -> Arc<Block> {
    let (rows, generation) = (&block.rows, block.seq >> 32);
    let pending = tombstones.of(rows.policy, rows.measurement);
    if !pending.iter().any(|p| generation <= p.generation && p.is_in(rows.group)) {
        return Arc::clone(block);
    }
    let is_gone = |slot: u32, time: i64| is_deleted(pending, rows.group, slot, time, generation);
    let places = || rows.slots.iter().zip(&rows.times);
    if !places().any(|(&slot, &time)| is_gone(slot, time)) {
        return Arc::clone(block);
    }
    emptied
        .extend(places().filter(|(slot, time)| is_gone(**slot, **time)).map(|(&slot, _)| (rows.group, slot)));
    let mut left = rows.clone();
    left.take_out(is_gone);
    Arc::new(block.with_rows(left))
}

/// Sorts blocks by shard group and measurement, each list in the order of arrival.
pub(crate) fn by_group(blocks: &[Arc<Block>]) -> BTreeMap<GroupId, GroupBlocks<'_>> {
    let mut blocks: Vec<&Block> = blocks.iter().map(AsRef::as_ref).collect();
    // Seqs are unique across lanes; blocks of one seq come from one lane, in order of rows.
    blocks.sort_by_key(|b| (b.seq, b.first_row));
    let mut groups: BTreeMap<GroupId, GroupBlocks<'_>> = BTreeMap::new();
    for block in blocks {
        groups.entry(block.rows.group).or_default().entry(block.rows.measurement).or_default().push(block);
    }
    groups
}

/// Seals one shard group.
///
/// # Errors
/// Of the segment writer.
pub(crate) fn seal_group(
    blocks: &GroupBlocks<'_>,
    series: &PolicySeries,
    facts: SegmentFacts,
    scratch: &mut Scratch,
) -> Result<Sealed, SegmentError> {
    let mut writer = SegmentWriter::new(Vec::new(), facts)?;
    let mut slots = RoaringBitmap::new();
    for (&measurement, blocks) in blocks {
        seal_measurement(measurement, blocks, series, scratch, &mut slots, &mut writer)?;
    }
    let (bytes, written) = writer.finish()?;
    Ok(Sealed { bytes, written, slots })
}

/// Memory reused from one measurement to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    /// By slot: number of rows, then where the next one goes.
    cursor: Vec<u32>,
    rows: Vec<RowRef>,
    stripe: Stripe,
    /// Rows of the stripe, newest of each time.
    picked: Vec<RowRef>,
    /// For each picked row the first of its older rows in `older`, [`NONE`] if there is none. Empty if no row has any.
    older_head: Vec<u32>,
    /// Older row and the next older one.
    older: Vec<(RowRef, u32)>,
    sorted: Vec<RowRef>,
}

fn seal_measurement(
    measurement: MeasurementId,
    blocks: &[&Block],
    series: &PolicySeries,
    scratch: &mut Scratch,
    all_slots: &mut RoaringBitmap,
    writer: &mut SegmentWriter<Vec<u8>>,
) -> Result<(), SegmentError> {
    let Some(index) = series.index.measurement_by_id(measurement.0) else { return Ok(()) };
    let slots = count_rows(blocks, &mut scratch.cursor);
    // Nobody cancels an unlimited context, so there is always an order.
    let Ok(order) = index.sorted(&slots, &ReadContext::unlimited()) else { return Ok(()) };
    let counts: Vec<u32> = order.iter().map(|&slot| scratch.cursor[slot as usize]).collect();
    // What the index does not list (its measurement is dropped) goes nowhere.
    for slot in &slots {
        scratch.cursor[slot as usize] = NONE;
    }
    let mut start = 0;
    for (&slot, &count) in order.iter().zip(&counts) {
        scratch.cursor[slot as usize] = start;
        start += count;
    }
    scratch.rows.clear();
    scratch.rows.resize(start as usize, (0, 0));
    for (b, block) in blocks.iter().enumerate() {
        for (row, &slot) in block.rows.slots.iter().enumerate() {
            let place = &mut scratch.cursor[slot as usize];
            if let Some(cell) = scratch.rows.get_mut(*place as usize) {
                *cell = (b as u32, row as u32);
                *place += 1;
            }
        }
    }
    for slot in &slots {
        scratch.cursor[slot as usize] = 0;
    }

    let fields = fields_of(blocks);
    let limit = points_max(fields.len());
    scratch.stripe.measurement = measurement.0;
    scratch.stripe.fields = fields.iter().map(|f| f.0).collect();
    scratch.stripe.columns = fields.iter().map(|&(_, t)| empty_column(t)).collect();
    scratch.stripe.clear();
    let columns = ColumnTable::new(blocks, &fields);

    let mut at = 0;
    for (&slot, &count) in order.iter().zip(&counts) {
        let range = at..at + count as usize;
        at = range.end;
        let Some(id) = series.index.durable_id(slot) else { continue };
        scratch.pick(range, blocks);
        let mut from = 0;
        while from < scratch.sorted.len() {
            let room = limit - scratch.picked.len().min(limit);
            if room == 0 || (from == 0 && scratch.sorted.len() > room && scratch.picked.len() > limit / 2) {
                scratch.emit(blocks, &columns, writer)?;
                continue;
            }
            let take = room.min(scratch.sorted.len() - from);
            let taken = scratch.take(from, take, blocks);
            from += taken.0;
            if scratch.stripe.first_key.is_empty() {
                series.index.write_canonical_key(slot, &mut scratch.stripe.first_key);
            }
            scratch.stripe.last_key.clear();
            series.index.write_canonical_key(slot, &mut scratch.stripe.last_key);
            scratch.stripe.series.push((id, taken.1));
        }
    }
    scratch.emit(blocks, &columns, writer)?;
    *all_slots |= slots;
    Ok(())
}

/// Counts the rows of each series into `cursor` (by slot, zero before); gives the slots.
fn count_rows(blocks: &[&Block], cursor: &mut Vec<u32>) -> RoaringBitmap {
    let max = blocks.iter().flat_map(|b| b.rows.slots.iter().copied()).max().unwrap_or(0);
    if cursor.len() <= max as usize {
        cursor.resize(max as usize + 1, 0);
    }
    let mut touched = Vec::new();
    for &slot in blocks.iter().flat_map(|b| &b.rows.slots) {
        let count = &mut cursor[slot as usize];
        if *count == 0 {
            touched.push(slot);
        }
        *count += 1;
    }
    touched.sort_unstable();
    // Sorted and distinct, so this cannot fail.
    RoaringBitmap::from_sorted_iter(touched).unwrap_or_default()
}

/// All fields of some blocks, ascending by id.
fn fields_of(blocks: &[&Block]) -> Vec<(u32, FieldType)> {
    let mut fields = BTreeMap::new();
    let mut last: &[crate::memtable::Column] = &[];
    for block in blocks {
        let columns = &block.rows.columns;
        let same = columns.len() == last.len() && columns.iter().zip(last).all(|(a, b)| a.field == b.field);
        if !same {
            fields.extend(columns.iter().map(|c| (c.field.0, c.field_type())));
            last = columns;
        }
    }
    fields.into_iter().collect()
}

fn empty_column(field_type: FieldType) -> Column {
    let values = match field_type {
        FieldType::Float => Values::Float(Vec::new()),
        FieldType::Integer => Values::Integer(Vec::new()),
        FieldType::Unsigned => Values::Unsigned(Vec::new()),
        FieldType::Boolean => Values::Boolean(Vec::new()),
        FieldType::String => Values::String(Strings::new()),
    };
    Column { values, valid: Validity::All }
}

/// For each field and block, which column of the block holds it.
struct ColumnTable {
    blocks: usize,
    columns: Vec<u32>,
}

impl ColumnTable {
    fn new(blocks: &[&Block], fields: &[(u32, FieldType)]) -> Self {
        let mut columns = vec![NONE; blocks.len() * fields.len()];
        for (b, block) in blocks.iter().enumerate() {
            for (c, column) in block.rows.columns.iter().enumerate() {
                if let Ok(f) = fields.binary_search_by_key(&column.field.0, |f| f.0) {
                    columns[f * blocks.len() + b] = c as u32;
                }
            }
        }
        Self { blocks: blocks.len(), columns }
    }

    /// The columns of a field, by block.
    fn of<'a>(&self, field: usize, blocks: &[&'a Block]) -> Vec<Option<&'a crate::memtable::Column>> {
        let columns = &self.columns[field * self.blocks..(field + 1) * self.blocks];
        columns.iter().zip(blocks).map(|(&c, block)| block.rows.columns.get(c as usize)).collect()
    }
}

fn time_of(blocks: &[&Block], row: RowRef) -> i64 {
    blocks[row.0 as usize].rows.times[row.1 as usize]
}

impl Scratch {
    /// Puts the rows of one series into `sorted`: by time, equal times in order of arrival.
    fn pick(&mut self, range: std::ops::Range<usize>, blocks: &[&Block]) {
        self.sorted.clear();
        let Some(rows) = self.rows.get(range) else { return };
        self.sorted.extend_from_slice(rows);
        let ascends = |w: &[RowRef]| time_of(blocks, w[0]) <= time_of(blocks, w[1]);
        if !self.sorted.windows(2).all(ascends) {
            self.sorted.sort_by_key(|&row| time_of(blocks, row));
        }
    }

    /// Adds up to `most` times of the sorted rows from `from` on to the stripe; gives how many rows and how many times that were.
    fn take(&mut self, from: usize, most: usize, blocks: &[&Block]) -> (usize, u32) {
        let mut rows = 0;
        let mut times = 0;
        let mut last = None;
        for &row in &self.sorted[from..] {
            let time = time_of(blocks, row);
            if last == Some(time) {
                // A later row of the same time goes before those known.
                let Some(newest) = self.picked.last_mut() else { break };
                if self.older_head.len() < self.stripe.times.len() {
                    self.older_head.resize(self.stripe.times.len(), NONE);
                }
                if let Some(head) = self.older_head.last_mut() {
                    self.older.push((*newest, *head));
                    *head = self.older.len() as u32 - 1;
                }
                *newest = row;
            } else {
                if times as usize == most {
                    break;
                }
                self.picked.push(row);
                self.stripe.times.push(time);
                last = Some(time);
                times += 1;
            }
            rows += 1;
        }
        (rows, times)
    }

    /// Gathers the columns of the stripe, writes it, and starts the next.
    fn emit(
        &mut self,
        blocks: &[&Block],
        table: &ColumnTable,
        writer: &mut SegmentWriter<Vec<u8>>,
    ) -> Result<(), SegmentError> {
        if !self.older.is_empty() {
            self.older_head.resize(self.picked.len(), NONE);
        }
        for f in 0..self.stripe.columns.len() {
            let sources = table.of(f, blocks);
            let mut column = std::mem::take(&mut self.stripe.columns[f]);
            self.gather(&sources, &mut column);
            self.stripe.columns[f] = column;
        }
        self.stripe.write(writer)?;
        self.stripe.clear();
        self.picked.clear();
        self.older.clear();
        self.older_head.clear();
        Ok(())
    }

    /// Fills one column of the stripe.
    fn gather(&self, sources: &[Option<&crate::memtable::Column>], out: &mut Column) {
        let dense = self.older.is_empty()
            && sources.iter().all(|s| s.is_some_and(|c| matches!(c.valid, Validity::All)));
        if dense {
            match &mut out.values {
                Values::Float(v) => gather_dense(&self.picked, sources, v, |c| match &c.values {
                    Values::Float(x) => x,
                    _ => &[],
                }),
                Values::Integer(v) => gather_dense(&self.picked, sources, v, |c| match &c.values {
                    Values::Integer(x) => x,
                    _ => &[],
                }),
                Values::Unsigned(v) => gather_dense(&self.picked, sources, v, |c| match &c.values {
                    Values::Unsigned(x) => x,
                    _ => &[],
                }),
                Values::Boolean(v) => gather_dense(&self.picked, sources, v, |c| match &c.values {
                    Values::Boolean(x) => x,
                    _ => &[],
                }),
                Values::String(v) => {
                    for &(b, row) in &self.picked {
                        let column = sources[b as usize];
                        v.push(column.and_then(|c| string_at(c, row)).unwrap_or_default());
                    }
                }
                Values::Absent => {}
            }
            out.valid = Validity::All;
            return;
        }
        let mut bits = vec![0u64; self.picked.len().div_ceil(64)];
        let mut any_null = false;
        for i in 0..self.picked.len() {
            let found = self.resolve(i, sources);
            match found {
                Some(_) => bits[i / 64] |= 1 << (i % 64),
                None => any_null = true,
            }
            push_from(found, &mut out.values);
        }
        out.valid = if any_null { Validity::Bits(bits) } else { Validity::All };
    }

    /// Where the value of picked row `i` is: in the newest row of that time that has one.
    fn resolve<'a>(
        &self,
        i: usize,
        sources: &[Option<&'a crate::memtable::Column>],
    ) -> Option<(&'a crate::memtable::Column, u32)> {
        let mut row = self.picked[i];
        let mut next = self.older_head.get(i).copied().unwrap_or(NONE);
        loop {
            if let Some(column) = sources[row.0 as usize]
                && column.valid.is_valid(row.1 as usize)
            {
                return Some((column, row.1));
            }
            let &(older, further) = self.older.get(next as usize)?;
            (row, next) = (older, further);
        }
    }
}

fn string_at(column: &crate::memtable::Column, row: u32) -> Option<&str> {
    match &column.values {
        Values::String(v) => v.get(row as usize),
        _ => None,
    }
}

fn gather_dense<'a, T: Copy + Default + 'a>(
    rows: &[RowRef],
    sources: &[Option<&'a crate::memtable::Column>],
    out: &mut Vec<T>,
    slice: impl Fn(&'a crate::memtable::Column) -> &'a [T],
) {
    let slices: Vec<&[T]> = sources.iter().map(|c| c.map_or(&[][..], &slice)).collect();
    out.extend(
        rows.iter().map(|&(b, row)| slices[b as usize].get(row as usize).copied().unwrap_or_default()),
    );
}

/// Appends a value, or any value where there is none.
fn push_from(found: Option<(&crate::memtable::Column, u32)>, out: &mut Values) {
    macro_rules! push {
        ($out:expr, $kind:path, $null:expr) => {
            $out.push(match found {
                Some((column, row)) => match &column.values {
                    $kind(v) => v.get(row as usize).copied().unwrap_or($null),
                    _ => $null,
                },
                None => $null,
            })
        };
    }
    match out {
        Values::Float(v) => push!(v, Values::Float, 0.0),
        Values::Integer(v) => push!(v, Values::Integer, 0),
        Values::Unsigned(v) => push!(v, Values::Unsigned, 0),
        Values::Boolean(v) => push!(v, Values::Boolean, false),
        Values::String(v) => {
            v.push(found.and_then(|(column, row)| string_at(column, row)).unwrap_or_default());
        }
        Values::Absent => {}
    }
}
