//! The newest points, in memory: one [`Arena`] per lane and generation, readable while its lane appends.
//!
//! A batch arrives as [`Rows`], one for each measurement and shard group. The lane freezes them into [`Block`]s, chains each row to the
//! previous row of its series, and publishes a whole group of batches with one store. Nothing in a frozen block changes except
//! `prev`, and that only before the publication that makes the row reachable.
//!
//! Order: of two points of one series with equal time, the later one is the one with the higher ([`Block::seq`], row). Inside one
//! arena the row alone decides, because blocks are appended in the order of their seq.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use weir_catalog::{FieldId, GroupId, MeasurementId, PolicyId};
use weir_model::read::{Validity, Values};
use weir_model::{FieldType, FieldValue};

use crate::append::AppendList;
use crate::pool::Charge;

/// No row: the end of a chain.
pub const NO_ROW: u32 = u32::MAX;
/// [`Column::scale`] of a column with a float that was not spelled as an exact decimal.
pub const NO_SCALE: u8 = u8::MAX;
/// Rows for which one entry of the row directory answers; blocks start at multiples of it.
const ROWS_PER_ENTRY: u32 = 64;
/// Series per chunk of chain heads.
const HEADS_PER_CHUNK: usize = 1_024;

/// One field of a run of rows.
#[derive(Clone, Debug)]
pub struct Column {
    /// Field id (measurement instance, name and type in one).
    pub field: FieldId,
    /// One value per row, of the field's type; a meaningless one where `valid` says null.
    pub values: Values,
    /// Which rows have a value.
    pub valid: Validity,
    /// Most digits after the point among the floats; [`NO_SCALE`] when one was not spelled as an exact decimal.
    pub scale: u8,
}

impl Column {
    /// An empty column.
    #[must_use]
    pub fn new(field: FieldId, field_type: FieldType) -> Self {
        Self::with_capacity(field, field_type, 0)
    }

    /// An empty column with room for `rows` values.
    #[must_use]
    pub(crate) fn with_capacity(field: FieldId, field_type: FieldType, rows: usize) -> Self {
        let values = match field_type {
            FieldType::Float => Values::Float(Vec::with_capacity(rows)),
            FieldType::Integer => Values::Integer(Vec::with_capacity(rows)),
            FieldType::Unsigned => Values::Unsigned(Vec::with_capacity(rows)),
            FieldType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            FieldType::String => Values::String(weir_model::read::Strings::new()),
        };
        Self { field, values, valid: Validity::All, scale: 0 }
    }

    /// Type of its values.
    #[must_use]
    pub fn field_type(&self) -> FieldType {
        self.values.field_type().unwrap_or(FieldType::Float)
    }

    /// Values in it.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Absent => 0,
            Values::Float(v) => v.len(),
            Values::Integer(v) => v.len(),
            Values::Unsigned(v) => v.len(),
            Values::Boolean(v) => v.len(),
            Values::String(v) => v.len(),
        }
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends `n` nulls.
    pub fn push_nulls(&mut self, n: usize) {
        let rows = self.len();
        match &mut self.values {
            Values::Absent => {}
            Values::Float(v) => v.resize(rows + n, 0.0),
            Values::Integer(v) => v.resize(rows + n, 0),
            Values::Unsigned(v) => v.resize(rows + n, 0),
            Values::Boolean(v) => v.resize(rows + n, false),
            Values::String(v) => (0..n).for_each(|_| v.push("")),
        }
        if n > 0 {
            let words = to_bits(&mut self.valid, rows);
            words.resize((rows + n).div_ceil(64), 0);
        }
    }

    /// Appends a value of the column's type; one of another type is taken for null.
    pub(crate) fn push(&mut self, value: FieldValue<'_>) {
        match (&mut self.values, value) {
            (Values::Float(v), FieldValue::Float(x)) => v.push(x),
            (Values::Integer(v), FieldValue::Integer(x)) => v.push(x),
            (Values::Unsigned(v), FieldValue::Unsigned(x)) => v.push(x),
            (Values::Boolean(v), FieldValue::Boolean(x)) => v.push(x),
            (Values::String(v), FieldValue::String(x)) => v.push(x),
            _ => return self.push_nulls(1),
        }
        self.mark_last_valid();
    }

    /// Says that the value just pushed is there. Needed only while some other row is null.
    pub(crate) fn mark_last_valid(&mut self) {
        let rows = self.len();
        if let Validity::Bits(words) = &mut self.valid
            && let Some(row) = rows.checked_sub(1)
        {
            words.resize(rows.div_ceil(64), 0);
            if let Some(word) = words.get_mut(row / 64) {
                *word |= 1 << (row % 64);
            }
        }
    }

    /// Appends all rows of a column of the same field.
    fn append(&mut self, other: &Self) {
        let before = self.len();
        match (&mut self.values, &other.values) {
            (Values::Float(a), Values::Float(b)) => a.extend_from_slice(b),
            (Values::Integer(a), Values::Integer(b)) => a.extend_from_slice(b),
            (Values::Unsigned(a), Values::Unsigned(b)) => a.extend_from_slice(b),
            (Values::Boolean(a), Values::Boolean(b)) => a.extend_from_slice(b),
            (Values::String(a), Values::String(b)) => b.iter().for_each(|s| a.push(s)),
            _ => {}
        }
        let added = self.len() - before;
        if !matches!((&self.valid, &other.valid), (Validity::All, Validity::All)) {
            let words = to_bits(&mut self.valid, before);
            words.resize((before + added).div_ceil(64), 0);
            for i in (0..added).filter(|&i| other.valid.is_valid(i)) {
                let row = before + i;
                if let Some(word) = words.get_mut(row / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
        self.scale = self.scale.max(other.scale);
    }

    /// The value at row `i`, `None` if null or out of bounds.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<FieldValue<'_>> {
        if !self.valid.is_valid(i) {
            return None;
        }
        match &self.values {
            Values::Absent => None,
            Values::Float(v) => v.get(i).map(|&x| FieldValue::Float(x)),
            Values::Integer(v) => v.get(i).map(|&x| FieldValue::Integer(x)),
            Values::Unsigned(v) => v.get(i).map(|&x| FieldValue::Unsigned(x)),
            Values::Boolean(v) => v.get(i).map(|&x| FieldValue::Boolean(x)),
            Values::String(v) => v.get(i).map(FieldValue::String),
        }
    }

    /// The rows that `keep` wants, by their numbers before.
    fn kept(&self, keep: &[bool]) -> Self {
        let mut out = Self::new(self.field, self.field_type());
        out.scale = self.scale;
        for i in (0..self.len()).filter(|&i| keep.get(i).copied().unwrap_or(false)) {
            match self.get(i) {
                None => out.push_nulls(1),
                Some(value) => out.push(value),
            }
        }
        out
    }

    /// Bytes it occupies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Absent => 0,
            Values::Float(v) => v.capacity() * 8,
            Values::Integer(v) => v.capacity() * 8,
            Values::Unsigned(v) => v.capacity() * 8,
            Values::Boolean(v) => v.capacity(),
            Values::String(v) => v.heap_len() + v.len() * 4,
        };
        let valid = match &self.valid {
            Validity::Bits(words) => words.len() * 8,
            Validity::All | Validity::None => 0,
        };
        values + valid + size_of::<Self>()
    }
}

/// The validity as words, after `rows` rows.
fn to_bits(valid: &mut Validity, rows: usize) -> &mut Vec<u64> {
    let fill = match valid {
        Validity::Bits(_) => None,
        Validity::All => Some(u64::MAX),
        Validity::None => Some(0),
    };
    if let Some(fill) = fill {
        let mut words = vec![fill; rows.div_ceil(64)];
        if !rows.is_multiple_of(64)
            && let Some(last) = words.last_mut()
        {
            *last &= (1 << (rows % 64)) - 1;
        }
        *valid = Validity::Bits(words);
    }
    match valid {
        Validity::Bits(words) => words,
        // Replaced above.
        Validity::All | Validity::None => unreachable!("the validity was made a bitmap"),
    }
}

/// Points of one measurement and shard group, in the order of arrival.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Retention policy; its index numbers the slots.
    pub policy: PolicyId,
    /// Shard group.
    pub group: GroupId,
    /// Measurement instance.
    pub measurement: MeasurementId,
    /// For each row the series' slot in the index of the policy.
    pub slots: Vec<u32>,
    /// For each row its time, nanoseconds.
    pub times: Vec<i64>,
    /// The fields; each as long as `times`.
    pub columns: Vec<Column>,
}

impl Rows {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Bytes they occupy in the arena, chains included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(Column::bytes).sum();
        self.slots.capacity() * 4 + self.times.capacity() * 8 + self.len() * 4 + columns + 256
    }

    /// Values that are not null.
    #[must_use]
    pub fn values(&self) -> usize {
        self.columns.iter().map(|c| c.valid.count(self.len())).sum()
    }

    /// Whether `other` has the same place and the same fields in the same order.
    #[must_use]
    pub fn same_layout(&self, other: &Self) -> bool {
        self.group == other.group
            && self.measurement == other.measurement
            && self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(|(a, b)| a.field == b.field)
    }

    /// Keeps the times and columns of the rows that `keep` wants (by row number); the slots are those of the kept rows already.
    pub(crate) fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        let keep: Vec<bool> = (0..self.times.len()).map(keep).collect();
        let mut wanted = keep.iter().copied();
        self.times.retain(|_| wanted.next().unwrap_or(false));
        for column in &mut self.columns {
            *column = column.kept(&keep);
        }
    }

    /// Takes the rows out of which `is_deleted` says so, by slot and time; whether there were any.
    pub(crate) fn take_out(&mut self, is_deleted: impl Fn(u32, i64) -> bool) -> bool {
        let kept: Vec<bool> =
            self.slots.iter().zip(&self.times).map(|(&slot, &time)| !is_deleted(slot, time)).collect();
        if !kept.contains(&false) {
            return false;
        }
        let mut keep = kept.iter().copied();
        self.slots.retain(|_| keep.next().unwrap_or(false));
        self.keep(|row| kept.get(row).copied().unwrap_or(false));
        true
    }

    /// Appends the rows of `other`, which must have the [same layout](Self::same_layout).
    pub fn append(&mut self, other: &Self) {
        self.slots.extend_from_slice(&other.slots);
        self.times.extend_from_slice(&other.times);
        for (a, b) in self.columns.iter_mut().zip(&other.columns) {
            a.append(b);
        }
    }
}

/// Rows that no longer change, inside an arena.
#[derive(Debug)]
pub struct Block {
    /// The points.
    pub rows: Rows,
    /// Order of arrival in the store: generation << 32 | counter.
    pub seq: u64,
    /// Number in the arena of its first row.
    pub first_row: u32,
    prev: Box<[AtomicU32]>,
}

impl Block {
    /// The same block with other rows. It is in no chain.
    pub(crate) fn with_rows(&self, rows: Rows) -> Self {
        Self { rows, seq: self.seq, first_row: self.first_row, prev: Box::default() }
    }

    /// The previous row of the same series in the same arena; [`NO_ROW`] at the end of the chain. `i` counts from the block's start.
    #[must_use]
    pub fn prev(&self, i: usize) -> u32 {
        self.prev.get(i).map_or(NO_ROW, |p| p.load(Ordering::Relaxed))
    }
}

/// Chain heads of the series of one policy.
#[derive(Debug, Default)]
pub struct Heads {
    chunks: AppendList<OnceLock<Box<[AtomicU32; HEADS_PER_CHUNK]>>>,
}

impl Heads {
    /// Newest row of a series, published or not; [`NO_ROW`] if it has none.
    #[must_use]
    pub fn head(&self, slot: u32) -> u32 {
        let chunk = self.chunks.get(slot / HEADS_PER_CHUNK as u32).and_then(OnceLock::get);
        chunk.map_or(NO_ROW, |c| c[slot as usize % HEADS_PER_CHUNK].load(Ordering::Relaxed))
    }

    /// Makes `row` the head and gives the former one; counts newly allocated bytes into `grown`.
    fn replace(&self, slot: u32, row: u32, grown: &mut usize) -> u32 {
        let Some(cell) = self.chunks.get_or_make(slot / HEADS_PER_CHUNK as u32) else { return NO_ROW };
        let chunk = cell.get_or_init(|| {
            *grown += HEADS_PER_CHUNK * 4;
            Box::new([const { AtomicU32::new(NO_ROW) }; HEADS_PER_CHUNK])
        });
        let head = &chunk[slot as usize % HEADS_PER_CHUNK];
        // One lane writes; readers order themselves by `published`.
        let before = head.load(Ordering::Relaxed);
        head.store(row, Ordering::Relaxed);
        before
    }
}

/// The points of one lane and one generation.
#[derive(Debug)]
pub struct Arena {
    /// Its lane.
    pub lane: u16,
    /// Its generation: all seqs in it have this number in their upper half.
    pub generation: u32,
    heads: RwLock<Vec<(PolicyId, Arc<Heads>)>>,
    blocks: AppendList<OnceLock<Arc<Block>>>,
    block_of: AppendList<AtomicU32>,
    block_count: AtomicU32,
    published: AtomicU32,
    bytes: AtomicU64,
    /// Memory is given back when the last version that lists the arena is gone.
    charge: Mutex<Option<Charge>>,
}

impl Arena {
    /// An empty arena. `charge` grows with it.
    #[must_use]
    pub(crate) fn new(lane: u16, generation: u32, charge: Option<Charge>) -> Self {
        Self {
            lane,
            generation,
            heads: RwLock::default(),
            blocks: AppendList::default(),
            block_of: AppendList::default(),
            block_count: AtomicU32::new(0),
            published: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
            charge: Mutex::new(charge),
        }
    }

    /// Rows below this number may be read. Take it once per snapshot, after the version.
    #[must_use]
    pub fn published(&self) -> u32 {
        self.published.load(Ordering::Acquire)
    }

    /// Bytes it occupies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows appended so far (rounded up to block starts), published or not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block_count.load(Ordering::Relaxed) == 0
    }

    /// Chain heads of the series of a policy; `None` if the arena holds no point of it.
    #[must_use]
    pub fn heads(&self, policy: PolicyId) -> Option<Arc<Heads>> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        heads.iter().find(|(p, _)| *p == policy).map(|(_, h)| Arc::clone(h))
    }

    /// The block of a row and the row's place in it. `None` for a row never appended.
    #[must_use]
    pub fn locate(&self, row: u32) -> Option<(&Arc<Block>, usize)> {
        let block = self.block_of.get(row / ROWS_PER_ENTRY)?.load(Ordering::Relaxed);
        let block = self.blocks.get(block)?.get()?;
        let i = row.checked_sub(block.first_row)? as usize;
        (i < block.rows.len()).then_some((block, i))
    }

    /// The rows of a series below `published`, newest first.
    pub fn chain(&self, heads: &Heads, slot: u32, published: u32) -> Chain<'_> {
        Chain { arena: self, next: heads.head(slot), published }
    }

    /// Whether a series has a row below `published`.
    #[must_use]
    pub fn has_rows(&self, heads: &Heads, slot: u32, published: u32) -> bool {
        self.chain(heads, slot, published).next().is_some()
    }

    /// All blocks that start below `published`, oldest first.
    pub fn blocks(&self, published: u32) -> impl Iterator<Item = &Arc<Block>> {
        (0..).map_while(|i| self.blocks.get(i)?.get()).take_while(move |block| block.first_row < published)
    }

    /// Appends rows and links them; the lane's thread alone calls this. They become readable with [`publish`](Self::publish).
    ///
    /// # Errors
    /// The rows, if the arena has no row number left for them.
    pub(crate) fn append(&self, rows: Rows, seq: u64) -> Result<Option<&Arc<Block>>, Box<Rows>> {
        let index = self.block_count.load(Ordering::Relaxed);
        let first_row = match index.checked_sub(1).and_then(|last| self.blocks.get(last)?.get()) {
            Some(last) => {
                let end = last.first_row as usize + last.rows.len();
                end.next_multiple_of(ROWS_PER_ENTRY as usize)
            }
            None => 0,
        };
        let end = first_row.checked_add(rows.len()).filter(|&end| end < NO_ROW as usize);
        let (Ok(first_row), Some(end)) = (u32::try_from(first_row), end) else { return Err(Box::new(rows)) };
        let mut grown = rows.bytes();
        for entry in first_row / ROWS_PER_ENTRY..=(end.saturating_sub(1) as u32) / ROWS_PER_ENTRY {
            if let Some(cell) = self.block_of.get_or_make(entry) {
                cell.store(index, Ordering::Relaxed);
            }
        }
        let heads = self.heads_or_make(rows.policy);
        let prev = rows.slots.iter().zip(first_row..);
        let prev = prev.map(|(&slot, row)| AtomicU32::new(heads.replace(slot, row, &mut grown))).collect();
        let cell = self.blocks.get_or_make(index);
        // The cell is empty: `index` was never used before.
        let block = cell.map(|cell| cell.get_or_init(|| Arc::new(Block { rows, seq, first_row, prev })));
        self.block_count.store(index + 1, Ordering::Relaxed);
        self.bytes.fetch_add(grown as u64, Ordering::Relaxed);
        Ok(block)
    }

    /// Makes all appended rows readable.
    pub(crate) fn publish(&self) {
        let last = self.block_count.load(Ordering::Relaxed).checked_sub(1);
        if let Some(block) = last.and_then(|i| self.blocks.get(i)?.get()) {
            self.published.store(block.first_row + block.rows.len() as u32, Ordering::Release);
        }
        if let Some(charge) = &mut *self.charge.lock().unwrap_or_else(PoisonError::into_inner) {
            charge.set(self.bytes());
        }
    }

    fn heads_or_make(&self, policy: PolicyId) -> Arc<Heads> {
        if let Some(heads) = self.heads(policy) {
            return heads;
        }
        let made = Arc::new(Heads::default());
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        heads.push((policy, Arc::clone(&made)));
        made
    }
}

/// Rows of one series, newest first. See [`Arena::chain`].
#[derive(Debug)]
pub struct Chain<'a> {
    arena: &'a Arena,
    next: u32,
    published: u32,
}

impl<'a> Iterator for Chain<'a> {
    type Item = (&'a Arc<Block>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = self.next;
            if row == NO_ROW {
                return None;
            }
            let (block, i) = self.arena.locate(row)?;
            self.next = block.prev(i);
            if row < self.published {
                return Some((block, i));
            }
        }
    }
}
