//! The parts a batch builder is made of: staged fields, templates with their windows, open blocks.

use std::sync::Arc;

use hashbrown::HashMap;
use weir_catalog::{FieldId, GroupId, MeasurementId};
use weir_model::{FieldType, TimeRange};

use crate::memtable::Rows;

/// No block, no column.
pub(super) const NONE: u32 = u32::MAX;

/// One field of the started point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    /// Slot << 3 | type.
    pub(super) key: u32,
    /// Digits after the point, or [`NO_SCALE`].
    pub(super) scale: u8,
    /// The value's bits; for a string its start << 32 | length in the staged text.
    pub(super) bits: u64,
}

impl Staged {
    pub(super) const fn slot(self) -> u32 {
        self.key >> 3
    }

    pub(super) fn field_type(self) -> FieldType {
        FieldType::from_u8((self.key & 7) as u8).unwrap_or(FieldType::Float)
    }
}

/// A field name of a template.
#[derive(Debug)]
pub(super) struct SlotName {
    pub(super) name: Arc<str>,
    /// Called `time`: such fields are dropped silently.
    pub(super) is_time: bool,
    /// Last point that had it, and where it was staged; finds duplicates.
    pub(super) seen: (u64, u32),
}

/// What a template knows about one shard group.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) range: TimeRange,
    pub(super) group: GroupId,
    /// By slot: the field that stands for the name here.
    pub(super) fields: Vec<Option<(FieldType, FieldId)>>,
    /// Index of the open block, [`NONE`] if there is none, valid in batch `batch`.
    pub(super) block: u32,
    pub(super) batch: u64,
    /// Rows and fields of the block before: the next one is likely to be as large.
    pub(super) hint: (usize, usize),
}

/// A measurement as the driver numbers it. Names stay; ids are looked up again when the catalog says that cached things went stale.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: Arc<str>,
    pub(super) measurement: Option<MeasurementId>,
    pub(super) slots: Vec<SlotName>,
    pub(super) slot_by_name: HashMap<Arc<str>, u32>,
    pub(super) windows: Vec<Window>,
    pub(super) current: usize,
}

impl Template {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            measurement: None,
            slots: Vec::new(),
            slot_by_name: HashMap::new(),
            windows: Vec::new(),
            current: 0,
        }
    }
}

/// A block that still grows.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) rows: Rows,
    /// For each column its slot and type, as staged.
    pub(super) keys: Vec<u32>,
    /// By slot: the column, or [`NONE`].
    pub(super) column_of: Vec<u32>,
    /// Whether some cell is null.
    pub(super) has_nulls: bool,
    pub(super) values: usize,
    /// Template and window, for the size hint.
    pub(super) home: (u32, u32),
}

impl OpenBlock {
    /// The column of a slot, or [`NONE`].
    pub(super) fn column(&self, slot: u32) -> u32 {
        self.column_of.get(slot as usize).copied().unwrap_or(NONE)
    }
}
