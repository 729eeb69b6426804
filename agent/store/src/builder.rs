//! From points to a batch: the sink that the parser and the plugins drive.
//!
//! The fields of the started point are staged; [`end`](PointSink::end) moves them into the block of their measurement and shard group.
//! On the warm path that is: one compare for the window, one per field for slot and type together, one push per field. A line that is
//! refused was never in a block.
//!
//! There is one open block per (measurement, shard group), so the order of rows is the order of lines, and of two lines with the same
//! series, time and field the later one wins. Fields that a line lacks are null; when nulls would take more room than values, the
//! block is closed and another one is begun.

mod parts;

use std::sync::Arc;

use hashbrown::HashMap;
use weir_catalog::{ClaimError, GroupBudget, MeasurementId, Ticket};
use weir_index::Predictor;
use weir_model::read::Values;
use weir_model::sink::Slot;
use weir_model::{Decimal, FieldType, PointSink, Refusal, TemplateId};

use crate::error::WriteError;
use crate::memtable::{Column, NO_SCALE, Rows};
use crate::pool::Charge;
use crate::shared::Shared;
use crate::version::PolicySeries;

use self::parts::{NONE, OpenBlock, SlotName, Staged, Template, Window};

/// Windows a template remembers.
const WINDOWS_MAX: usize = 16;
/// Cells a block may have beyond four times its values before it is closed.
const NULLS_FREE: usize = 256;
/// Bytes by which a reservation grows.
const RESERVE_STEP: u64 = 256 << 10;

/// Where the open batch goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) series: Arc<PolicySeries>,
    /// Points before this are refused.
    pub(crate) oldest: i64,
    /// Number of the source in log records.
    pub(crate) source: u16,
}

/// What a finished batch consists of.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) series: Arc<PolicySeries>,
    pub(crate) source: u16,
    pub(crate) blocks: Vec<Rows>,
    pub(crate) points: u64,
    /// Memory the batch holds until it is in an arena.
    pub(crate) charge: Option<Charge>,
}

/// The sink of one writer.
pub struct BatchBuilder {
    shared: Arc<Shared>,
    destination: Option<Destination>,
    predictor: Predictor,
    templates: Vec<Template>,
    by_name: HashMap<Arc<str>, u32>,
    by_measurement: HashMap<MeasurementId, u32>,
    /// Measurement and template of the point before.
    last: (u32, u32),

    template: u32,
    series_slot: u32,
    staged: Vec<Staged>,
    text: String,
    point_no: u64,

    batch_no: u64,
    open: Vec<OpenBlock>,
    points: u64,
    bytes: u64,
    /// Size at which the charge must grow or the batch be cut.
    grow_at: u64,
    charge: Option<Charge>,
    must_commit: bool,
    ticket: Ticket,
    budget: GroupBudget,
    failed: Option<WriteError>,
    spare_id: Option<u64>,
    rejected: u64,
}

impl std::fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("destination", &self.destination)
            .field("points", &self.points)
            .finish_non_exhaustive()
    }
}

impl BatchBuilder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let budget = shared.catalog.group_budget();
        Self {
            shared,
            destination: None,
            predictor: Predictor::new(),
            templates: Vec::new(),
            by_name: HashMap::new(),
            by_measurement: HashMap::new(),
            last: (NONE, NONE),
            template: NONE,
            series_slot: NONE,
            staged: Vec::new(),
            text: String::new(),
            point_no: 0,
            batch_no: 0,
            open: Vec::new(),
            points: 0,
            bytes: 0,
            grow_at: 0,
            charge: None,
            must_commit: false,
            ticket: Ticket::default(),
            budget,
            failed: None,
            spare_id: None,
            rejected: 0,
        }
    }

    /// Forgets what was learnt about another target.
    pub(crate) fn forget_templates(&mut self) {
        self.templates.clear();
        self.by_name.clear();
        self.forget_ids();
    }

    /// Forgets ids; names and slots stay.
    pub(crate) fn forget_ids(&mut self) {
        self.by_measurement.clear();
        self.last = (NONE, NONE);
        self.predictor = Predictor::new();
        for template in &mut self.templates {
            template.measurement = None;
            template.windows.clear();
            template.current = 0;
        }
    }

    /// Whether the batch before went to this index.
    pub(crate) fn is_for(&self, series: &Arc<PolicySeries>) -> bool {
        self.destination.as_ref().is_some_and(|d| Arc::ptr_eq(&d.series, series))
    }

    /// Starts a batch. What an unfinished one held is forgotten.
    pub(crate) fn begin(&mut self, destination: Destination, charge: Charge) {
        self.discard();
        self.destination = Some(destination);
        self.charge = Some(charge);
    }

    /// A new request may open its share of shard groups; a cut of the same request goes on with what is left.
    pub(crate) fn renew_budget(&mut self) {
        self.budget = self.shared.catalog.group_budget();
    }

    /// Forgets the open batch. Claims stay claimed; the next batch waits for them.
    pub(crate) fn discard(&mut self) {
        self.staged.clear();
        self.text.clear();
        self.batch_no += 1;
        self.open.clear();
        self.points = 0;
        self.bytes = 0;
        self.grow_at = 0;
        self.charge = None;
        self.must_commit = false;
        self.failed = None;
        self.template = NONE;
    }

    /// Whether the batch is as large as one should be, or its memory cannot grow.
    pub(crate) fn wants_commit(&self) -> bool {
        self.must_commit || self.failed.is_some()
    }

    /// What the batch must wait for before it is queued. It stays until [`settled`](Self::settled).
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The ticket is durable.
    pub(crate) fn settled(&mut self) {
        self.ticket = Ticket::default();
    }

    /// Lines refused since the last call.
    pub(crate) fn take_rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }

    /// Takes the finished batch out; `None` if it is empty.
    ///
    /// # Errors
    /// What went wrong while it was built.
    pub(crate) fn finish(&mut self) -> Result<Option<Batch>, WriteError> {
        let failed = self.failed.take();
        for block in &self.open {
            let template = self.templates.get_mut(block.home.0 as usize);
            if let Some(window) = template.and_then(|t| t.windows.get_mut(block.home.1 as usize)) {
                window.hint = (block.rows.len(), block.keys.len());
            }
        }
        let blocks: Vec<Rows> = self.open.drain(..).map(|b| b.rows).filter(|r| !r.is_empty()).collect();
        let points = self.points;
        let charge = self.charge.take();
        self.discard();
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(destination) = &self.destination else { return Ok(None) };
        if blocks.is_empty() {
            return Ok(None);
        }
        Ok(Some(Batch {
            series: Arc::clone(&destination.series),
            source: destination.source,
            blocks,
            points,
            charge,
        }))
    }

    #[inline]
    fn reset_point(&mut self) {
        self.staged.clear();
        self.text.clear();
    }

    #[inline]
    fn stage(&mut self, slot: Slot, field_type: FieldType, scale: u8, bits: u64) {
        self.staged.push(Staged { key: slot.0 << 3 | field_type as u32, scale, bits });
    }

    /// The template of a measurement known to the index; `None` when the catalog no longer knows it under this number.
    fn template_of(&mut self, measurement: MeasurementId) -> Option<u32> {
        if let Some(&template) = self.by_measurement.get(&measurement) {
            return Some(template);
        }
        let series = Arc::clone(&self.destination.as_ref()?.series);
        let name = Arc::clone(series.index.measurement_by_id(measurement.0)?.name());
        let claimed = match self.shared.catalog.claim_measurement(series.database, &name) {
            Ok(claimed) => claimed,
            Err(ClaimError::Refused(_)) => return None,
            Err(ClaimError::Unavailable(e)) => {
                self.failed.get_or_insert(e.into());
                return None;
            }
        };
        if claimed.value != measurement {
            // The claim under which these series came was taken back, or the measurement was dropped and made anew.
            series.index.drop_measurement(measurement.0);
            return None;
        }
        self.ticket.join(claimed.ticket);
        Some(self.bind(measurement, &name))
    }

    fn bind(&mut self, measurement: MeasurementId, name: &Arc<str>) -> u32 {
        let template = match self.by_name.get(name) {
            Some(&template) => template,
            None => {
                let template = self.templates.len() as u32;
                self.templates.push(Template::new(Arc::clone(name)));
                self.by_name.insert(Arc::clone(name), template);
                template
            }
        };
        self.templates[template as usize].measurement = Some(measurement);
        self.by_measurement.insert(measurement, template);
        template
    }

    fn series_id(&mut self) -> Result<u64, Refusal> {
        if let Some(id) = self.spare_id.take() {
            return Ok(id);
        }
        self.shared.series_ids.next(&self.shared.catalog).map_err(|e| {
            self.failed.get_or_insert(e.into());
            Refusal::TargetDropped
        })
    }

    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        self.reset_point();
        self.rejected += 1;
        refusal
    }

    /// Everything that is not the warm path.
    #[cold]
    fn end_slowly(&mut self, time: i64) -> Result<(), Refusal> {
        self.end_checked(time).map_err(|refusal| self.refuse(refusal))?;
        self.points += 1;
        self.reset_point();
        Ok(())
    }

    fn end_checked(&mut self, time: i64) -> Result<(), Refusal> {
        let Some(destination) = self.destination.clone() else { return Err(Refusal::TargetDropped) };
        let Some(template) = self.templates.get(self.template as usize) else {
            return Err(Refusal::TargetDropped);
        };
        let measurement_name = Arc::clone(&template.name);
        let Some(measurement) = template.measurement else { return Err(Refusal::TargetDropped) };
        if time < destination.oldest {
            let oldest = destination.oldest;
            return Err(Refusal::BeyondRetention { measurement: measurement_name, oldest, time });
        }
        self.clean_staged()?;
        let Some(window) = self.window(time, destination.series.policy)? else {
            // The batch as a whole has failed.
            return Ok(());
        };
        if !self.check_types(window, measurement)? {
            return Ok(());
        }
        self.place(window, measurement, time, &destination.series);
        Ok(())
    }

    /// Takes out fields called `time`, and all but the last of fields given several times.
    fn clean_staged(&mut self) -> Result<(), Refusal> {
        self.point_no += 1;
        let point = self.point_no;
        let template = &mut self.templates[self.template as usize];
        let mut kept: usize = 0;
        for i in 0..self.staged.len() {
            let field = self.staged[i];
            let Some(slot) = template.slots.get_mut(field.slot() as usize) else { continue };
            if slot.is_time {
                continue;
            }
            if slot.seen.0 == point {
                let first = &mut self.staged[slot.seen.1 as usize];
                if first.key != field.key {
                    return Err(Refusal::FieldType {
                        measurement: Arc::clone(&template.name),
                        field: Arc::clone(&slot.name),
                        given: field.field_type(),
                        existing: first.field_type(),
                    });
                }
                *first = field;
                continue;
            }
            slot.seen = (point, kept as u32);
            self.staged[kept] = field;
            kept += 1;
        }
        self.staged.truncate(kept);
        if kept == 0 {
            return Err(Refusal::OnlyTimeFields { measurement: Arc::clone(&template.name) });
        }
        Ok(())
    }

    /// Makes the window of `time` the current one and gives its index; `None` when the batch has failed.
    fn window(&mut self, time: i64, policy: weir_catalog::PolicyId) -> Result<Option<usize>, Refusal> {
        let template = &mut self.templates[self.template as usize];
        if let Some(found) = template.windows.iter().position(|w| w.range.contains(time)) {
            template.current = found;
            return Ok(Some(found));
        }
        let claimed = match self.shared.catalog.claim_group(policy, time, &mut self.budget) {
            Ok(claimed) => claimed,
            Err(ClaimError::Refused(refusal)) => return Err(refusal),
            Err(ClaimError::Unavailable(e)) => {
                self.failed.get_or_insert(e.into());
                return Ok(None);
            }
        };
        self.ticket.join(claimed.ticket);
        let (group, range) = claimed.value;
        if template.windows.len() >= WINDOWS_MAX {
            template.windows.clear();
        }
        template.current = template.windows.len();
        template.windows.push(Window {
            range,
            group,
            fields: Vec::new(),
            block: NONE,
            batch: 0,
            hint: (0, 0),
        });
        Ok(Some(template.current))
    }

    /// Compares the types of all staged fields with those of the group, claiming what is new; nothing is claimed by a line that is
    /// refused. `false` when the batch has failed.
    fn check_types(&mut self, window: usize, measurement: MeasurementId) -> Result<bool, Refusal> {
        let template = &mut self.templates[self.template as usize];
        let (name, slots) = (&template.name, &template.slots);
        let window = &mut template.windows[window];
        window.fields.resize(slots.len(), None);
        let conflict = |slot: u32, given, existing| Refusal::FieldType {
            measurement: Arc::clone(name),
            field: Arc::clone(&slots[slot as usize].name),
            given,
            existing,
        };
        let mut unknown = false;
        for field in &self.staged {
            match window.fields[field.slot() as usize] {
                Some((existing, _)) if existing != field.field_type() => {
                    return Err(conflict(field.slot(), field.field_type(), existing));
                }
                Some(_) => {}
                None => unknown = true,
            }
        }
        if !unknown {
            return Ok(true);
        }
        let catalog = self.shared.catalog.visible();
        let is_new = |f: &&Staged| window.fields[f.slot() as usize].is_none();
        for field in self.staged.iter().filter(is_new) {
            let slot = &slots[field.slot() as usize];
            if let Some(known) = catalog.claimed_field(window.group, measurement, &slot.name)
                && known.field_type != field.field_type()
            {
                return Err(conflict(field.slot(), field.field_type(), known.field_type));
            }
        }
        for field in &self.staged {
            let at = field.slot() as usize;
            if window.fields[at].is_some() {
                continue;
            }
            let (group, field_type) = (window.group, field.field_type());
            match self.shared.catalog.claim_field(group, measurement, &slots[at].name, field_type) {
                Ok(claimed) => {
                    self.ticket.join(claimed.ticket);
                    window.fields[at] = Some((field_type, claimed.value));
                }
                Err(ClaimError::Refused(refusal)) => return Err(refusal),
                Err(ClaimError::Unavailable(e)) => {
                    self.failed.get_or_insert(e.into());
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Puts the staged fields, whose types are checked, into the open block, beginning one if need be.
    fn place(&mut self, window: usize, measurement: MeasurementId, time: i64, series: &Arc<PolicySeries>) {
        let template = &mut self.templates[self.template as usize];
        let slots = template.slots.len();
        let window_at = window;
        let window = &mut template.windows[window];
        let is_open = window.block != NONE && window.batch == self.batch_no;
        let found = if is_open { self.open.get_mut(window.block as usize) } else { None };
        let fits = found.filter(|block| {
            let new = self.staged.iter().filter(|f| block.column(f.slot()) == NONE).count();
            let cells = (block.rows.len() + 1) * (block.keys.len() + new);
            cells <= 4 * (block.values + self.staged.len()) + NULLS_FREE
        });
        let block = match fits {
            Some(block) => {
                block.column_of.resize(slots, NONE);
                block
            }
            None => {
                window.block = self.open.len() as u32;
                window.batch = self.batch_no;
                self.open.push(OpenBlock {
                    rows: Rows {
                        policy: series.policy,
                        group: window.group,
                        measurement,
                        slots: Vec::with_capacity(window.hint.0),
                        times: Vec::with_capacity(window.hint.0),
                        columns: Vec::with_capacity(window.hint.1),
                    },
                    home: (self.template, window_at as u32),
                    keys: Vec::new(),
                    column_of: vec![NONE; slots],
                    has_nulls: false,
                    values: 0,
                });
                self.bytes += 512;
                let last = self.open.len() - 1;
                &mut self.open[last]
            }
        };
        let before = block.rows.len();
        for field in &self.staged {
            let column = &mut block.column_of[field.slot() as usize];
            if *column == NONE {
                // The type check has put the field there.
                let Some((field_type, id)) = window.fields[field.slot() as usize] else { continue };
                *column = block.keys.len() as u32;
                block.keys.push(field.key);
                let mut new =
                    Column::with_capacity(id, field_type, if before == 0 { window.hint.0 } else { 0 });
                new.push_nulls(before);
                block.has_nulls |= before > 0;
                block.rows.columns.push(new);
                self.bytes += 9 * before as u64 + 64;
            }
            let column = &mut block.rows.columns[*column as usize];
            push_value(column, *field, &self.text);
            column.mark_last_valid();
        }
        if self.staged.len() < block.keys.len() {
            block.has_nulls = true;
            for column in &mut block.rows.columns {
                if column.len() == before {
                    column.push_nulls(1);
                }
            }
        }
        block.values += self.staged.len();
        block.rows.slots.push(self.series_slot);
        block.rows.times.push(time);
        let row_bytes = 16 + 8 * block.keys.len() as u64 + self.text.len() as u64;
        self.grow(row_bytes);
    }

    /// Counts memory of the batch; asks for a commit when it is enough or when there is no more.
    #[inline]
    fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= self.grow_at {
            self.grow_charge();
        }
    }

    #[cold]
    fn grow_charge(&mut self) {
        let Some(charge) = &mut self.charge else { return };
        if self.bytes > charge.bytes() {
            let more = RESERVE_STEP.max(self.bytes - charge.bytes());
            if !charge.try_grow(more) {
                charge.set(self.bytes);
                self.must_commit = true;
            }
        }
        let cut = self.shared.options.cut_bytes();
        if self.bytes >= cut {
            self.must_commit = true;
        }
        // Beyond the cut every line comes here; the driver commits at the next opportunity.
        self.grow_at = (charge.bytes() + 1).min(cut);
    }
}

/// Appends a staged value to the column of its type.
#[inline]
fn push_value(column: &mut Column, field: Staged, text: &str) {
    match &mut column.values {
        Values::Float(v) => {
            v.push(f64::from_bits(field.bits));
            column.scale = column.scale.max(field.scale);
        }
        Values::Integer(v) => v.push(field.bits.cast_signed()),
        Values::Unsigned(v) => v.push(field.bits),
        Values::Boolean(v) => v.push(field.bits != 0),
        Values::String(v) => {
            let (start, len) = ((field.bits >> 32) as usize, (field.bits & 0xffff_ffff) as usize);
            v.push(text.get(start..start + len).unwrap_or_default());
        }
        Values::Absent => {}
    }
}

impl PointSink for BatchBuilder {
    #[inline]
    fn key(&mut self, raw: &[u8]) -> Option<TemplateId> {
        self.reset_point();
        let destination = self.destination.as_ref()?;
        let slot = destination.series.index.lookup(&mut self.predictor, raw)?;
        let measurement = destination.series.index.measurement_id(slot)?;
        self.series_slot = slot;
        if measurement != self.last.0 {
            let template = self.template_of(MeasurementId(measurement))?;
            self.last = (measurement, template);
        }
        self.template = self.last.1;
        Some(TemplateId(self.template))
    }

    fn define(
        &mut self,
        raw: &[u8],
        measurement: &str,
        tags: &[(&str, &str)],
    ) -> Result<TemplateId, Refusal> {
        self.reset_point();
        let Some(destination) = &self.destination else { return Err(Refusal::TargetDropped) };
        let series = Arc::clone(&destination.series);
        let known = self.by_name.get(measurement).copied();
        let bound = known.and_then(|t| Some((t, self.templates.get(t as usize)?.measurement?)));
        let (template, id) = match bound {
            Some(bound) => bound,
            None => match self.shared.catalog.claim_measurement(series.database, measurement) {
                Ok(claimed) => {
                    self.ticket.join(claimed.ticket);
                    (self.bind(claimed.value, &Arc::from(measurement)), claimed.value)
                }
                Err(ClaimError::Refused(refusal)) => return Err(self.refuse(refusal)),
                Err(ClaimError::Unavailable(e)) => {
                    // The commit says so; the refusal only ends this line.
                    self.failed.get_or_insert(e.into());
                    return Err(self.refuse(Refusal::TargetDropped));
                }
            },
        };
        let durable = self.series_id().map_err(|refusal| self.refuse(refusal))?;
        if self.shared.index_is_full() && series.index.lookup(&mut self.predictor, raw).is_none() {
            self.spare_id = Some(durable);
            let limit = u64::from(series.index.slots_len());
            return Err(self.refuse(Refusal::SeriesLimit { limit, measurement: Arc::from(measurement) }));
        }
        let mut used = false;
        let mut define = || {
            series.index.define(&mut self.predictor, raw, id.0, measurement, tags, || {
                used = true;
                durable
            })
        };
        let mut defined = define();
        if defined == Err(Refusal::TargetDropped)
            && let Some(older) = series.index.measurement(measurement).filter(|m| m.id() != id.0)
        {
            // An instance that the catalog has forgotten: its claim was taken back, or it was dropped.
            series.index.drop_measurement(older.id());
            defined = define();
        }
        if !used {
            self.spare_id = Some(durable);
        }
        match defined {
            Ok(slot) => {
                self.series_slot = slot;
                self.template = template;
                Ok(TemplateId(template))
            }
            Err(refusal) => {
                if refusal == Refusal::TargetDropped {
                    self.forget_ids();
                }
                Err(self.refuse(refusal))
            }
        }
    }

    fn slot(&mut self, name: &str) -> Slot {
        let Some(template) = self.templates.get_mut(self.template as usize) else { return Slot(0) };
        if let Some(&slot) = template.slot_by_name.get(name) {
            return Slot(slot);
        }
        let name: Arc<str> = Arc::from(name);
        let slot = template.slots.len() as u32;
        template.slots.push(SlotName { is_time: &*name == "time", name: Arc::clone(&name), seen: (0, 0) });
        template.slot_by_name.insert(name, slot);
        Slot(slot)
    }

    #[inline]
    fn float(&mut self, slot: Slot, value: f64, decimal: Option<Decimal>) {
        let scale = decimal.map_or(NO_SCALE, |d| d.scale);
        self.stage(slot, FieldType::Float, scale, value.to_bits());
    }

    #[inline]
    fn integer(&mut self, slot: Slot, value: i64) {
        self.stage(slot, FieldType::Integer, 0, value.cast_unsigned());
    }

    #[inline]
    fn unsigned(&mut self, slot: Slot, value: u64) {
        self.stage(slot, FieldType::Unsigned, 0, value);
    }

    #[inline]
    fn boolean(&mut self, slot: Slot, value: bool) {
        self.stage(slot, FieldType::Boolean, 0, u64::from(value));
    }

    fn string(&mut self, slot: Slot, value: &str) {
        let bits = (self.text.len() as u64) << 32 | value.len() as u64;
        self.text.push_str(value);
        self.stage(slot, FieldType::String, 0, bits);
    }

    #[inline]
    fn end(&mut self, time: i64) -> Result<(), Refusal> {
        if let Some(destination) = &self.destination
            && time >= destination.oldest
            && let Some(template) = self.templates.get(self.template as usize)
            && let Some(window) = template.windows.get(template.current)
            && window.range.contains(time)
            && window.batch == self.batch_no
            && let Some(block) = self.open.get_mut(window.block as usize)
            && !block.has_nulls
            && block.keys.len() == self.staged.len()
            && block.keys.iter().zip(&self.staged).all(|(&key, field)| key == field.key)
        {
            for (column, &field) in block.rows.columns.iter_mut().zip(&self.staged) {
                push_value(column, field, &self.text);
            }
            block.values += self.staged.len();
            block.rows.slots.push(self.series_slot);
            block.rows.times.push(time);
            let row_bytes = 16 + 8 * self.staged.len() as u64 + self.text.len() as u64;
            self.points += 1;
            self.grow(row_bytes);
            self.reset_point();
            return Ok(());
        }
        self.end_slowly(time)
    }

    fn abandon(&mut self) {
        self.reset_point();
    }
}
