//! The index: spellings to slots, slots to keys and ids.
//!
//! Locks, in the order in which they are taken: a shard of the key table (that of the canonical key while a series is
//! made, so that all its spellings end at one slot), the tags of a measurement, the durable ids. The list of
//! measurements is held alone.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use weir_model::key::{parse_canonical, write_canonical};
use weir_model::{Refusal, SeriesKey};

use crate::ids::{DurableIds, IdTaken};
use crate::measurement::{AddError, Measurement};
use crate::order::KeySource;
use crate::predictor::Predictor;
use crate::store::{SectionOrder, SeriesStore};
use crate::table::KeyTable;

/// A series within one [`SeriesIndex`]: dense from 0, in RAM only. Also the `SeriesNo` of tables read from this index.
pub type SeriesSlot = u32;

/// Longest canonical key, as in InfluxDB 1.x.
const KEY_LEN_MAX: usize = 65_535;

/// How much an index takes; 0 = no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexLimits {
    /// Most series.
    pub series_max: u64,
    /// Most values of one tag of one measurement.
    pub tag_values_max: u64,
}

/// All series of one instance of a retention policy. Shared by all writers and readers.
#[derive(Debug)]
pub struct SeriesIndex {
    table: KeyTable,
    store: Arc<SeriesStore>,
    measurements: RwLock<Measurements>,
    ids: DurableIds,
    /// Series that are not dropped.
    living: AtomicU64,
    series_max: AtomicU64,
    tag_values_max: AtomicU64,
}

#[derive(Debug, Default)]
struct Measurements {
    by_id: HashMap<u32, Arc<Measurement>>,
    by_name: HashMap<Arc<str>, Arc<Measurement>>,
    dropped: HashSet<u32>,
}

impl SeriesIndex {
    /// An empty index.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        Self {
            table: KeyTable::new(),
            store: Arc::new(SeriesStore::new()),
            measurements: RwLock::default(),
            ids: DurableIds::default(),
            living: AtomicU64::new(0),
            series_max: AtomicU64::new(limits.series_max),
            tag_values_max: AtomicU64::new(limits.tag_values_max),
        }
    }

    /// Changes the limits for series defined from now on.
    pub fn set_limits(&self, limits: IndexLimits) {
        self.series_max.store(limits.series_max, Ordering::Relaxed);
        self.tag_values_max.store(limits.tag_values_max, Ordering::Relaxed);
    }

    /// The series whose key is spelled `raw` on the wire (`m,b=1,a=2`); `None` if that spelling is not known. About 10 ns when the
    /// predictor is right.
    #[inline]
    pub fn lookup(&self, predictor: &mut Predictor, raw: &[u8]) -> Option<SeriesSlot> {
        if let Some(spelling) = predictor.predicted()
            && let Some(slot) = self.store.matches(spelling, raw)
        {
            predictor.advance(slot);
            return Some(slot);
        }
        let (spelling, slot) = self.find(raw)?;
        predictor.learn(spelling, slot);
        Some(slot)
    }

    /// Finds or makes the series of unescaped parts, and remembers `raw` as a spelling of it unless empty. `tags` in the order of
    /// `raw`, no duplicate keys; empty values are left out. `next_id` gives the durable id if the series is new; it runs under a lock
    /// of this index and must not call back into it. All spellings in all threads end at one slot and one id.
    ///
    /// # Errors
    /// [`Refusal::SeriesLimit`], [`Refusal::TagValueLimit`], [`Refusal::KeyTooLong`], or [`Refusal::TargetDropped`] when this measurement instance
    /// is dropped or another instance of the name still lives.
    pub fn define(
        &self,
        predictor: &mut Predictor,
        raw: &[u8],
        measurement_id: u32,
        measurement: &str,
        tags: &[(&str, &str)],
        next_id: impl FnOnce() -> u64,
    ) -> Result<SeriesSlot, Refusal> {
        let mut sorted: Vec<(u16, (&str, &str))> =
            (0..).zip(tags.iter().copied().filter(|(_, value)| !value.is_empty())).collect();
        sorted.sort_unstable_by_key(|(_, (key, _))| *key);
        let (from, tags): (Vec<u16>, Vec<_>) = sorted.into_iter().unzip();
        let mut canonical = String::with_capacity(raw.len());
        write_canonical(&mut canonical, measurement, tags.iter().copied());
        if canonical.len() > KEY_LEN_MAX {
            return Err(Refusal::KeyTooLong { len: canonical.len(), max: KEY_LEN_MAX });
        }
        let owner = self.owner(measurement_id, measurement).ok_or(Refusal::TargetDropped)?;
        let request = Request { canonical: canonical.as_bytes(), raw, from: &from, tags: &tags };
        let slot = self.find_or_make(&owner, &request, next_id)?;
        if raw == canonical.as_bytes() {
            predictor.learn(slot, slot);
        } else if !raw.is_empty()
            && let Some(spelling) = self.remember(raw, slot)
        {
            predictor.learn(spelling, slot);
        }
        Ok(slot)
    }

    /// Takes over a series from a log or a file; limits do not count. A key that is known under another id gets this
    /// one as an alias: both lead to its slot.
    ///
    /// # Errors
    /// [`DefineError`] when the id or the key belongs to something else: damaged data.
    pub fn define_with_id(
        &self,
        key: &str,
        measurement_id: u32,
        durable_id: u64,
    ) -> Result<SeriesSlot, DefineError> {
        if key.len() > 2 * KEY_LEN_MAX {
            return Err(DefineError::Full { len: key.len(), max: KEY_LEN_MAX });
        }
        let (name, tags) = parse_canonical(key);
        let owner = self.owner(measurement_id, &name).ok_or(DefineError::Dropped(measurement_id))?;
        let taken = |slot| DefineError::IdConflict {
            id: durable_id,
            known: self.canonical_key(slot).map(|k| k.as_str().to_owned()).unwrap_or_default(),
            given: key.to_owned(),
        };
        let tag = self.table.tag(key.as_bytes());
        let mut shard = self.table.write(tag);
        if let Some(spelling) = shard.find(tag, |s| self.reads(s, key.as_bytes()).is_some()) {
            let slot = self.store.slot_of(spelling);
            let (known, _) = self.store.kind(slot).unwrap_or((measurement_id, SectionOrder::SAME));
            if known != measurement_id {
                let key = key.to_owned();
                return Err(DefineError::MeasurementConflict { key, known, given: measurement_id });
            }
            return match self.ids.add_alias(durable_id, slot, &self.store) {
                Ok(()) => Ok(slot),
                Err(IdTaken(other)) => Err(taken(other)),
            };
        }
        if let Some(other) = self.ids.slot(durable_id, &self.store) {
            return Err(taken(other));
        }
        let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let make = || self.store.add(key.as_bytes(), SectionOrder::SAME, measurement_id, durable_id);
        let slot = owner.add(&tags, 0, make).map_err(|error| match error {
            AddError::Dropped => DefineError::Dropped(measurement_id),
            _ => DefineError::Full { len: key.len(), max: KEY_LEN_MAX },
        })?;
        self.living.fetch_add(1, Ordering::Relaxed);
        shard.insert(tag, slot);
        // Another thread may have brought the same id with another key since it was looked for.
        self.ids.add(durable_id, slot, &self.store).map_err(|IdTaken(other)| taken(other))?;
        Ok(slot)
    }

    /// Slots given out; every slot is below.
    #[must_use]
    pub fn slots_len(&self) -> u32 {
        self.store.slots_len()
    }

    /// Series that are not dropped, those of refused writes among them.
    #[must_use]
    pub fn series_len(&self) -> u64 {
        self.living.load(Ordering::Relaxed)
    }

    /// Durable id of a slot; the first one if it has aliases.
    #[must_use]
    pub fn durable_id(&self, slot: SeriesSlot) -> Option<u64> {
        self.store.durable_id(slot)
    }

    /// Slot of a durable id.
    #[must_use]
    pub fn slot_of_id(&self, durable_id: u64) -> Option<SeriesSlot> {
        self.ids.slot(durable_id, &self.store)
    }

    /// Canonical key of a slot, of dropped ones too.
    #[must_use]
    pub fn canonical_key(&self, slot: SeriesSlot) -> Option<SeriesKey> {
        let mut text = String::new();
        self.write_canonical_key(slot, &mut text).then(|| SeriesKey::from_canonical(text))
    }

    /// Appends the canonical key to `out`; false if there is no such slot.
    pub fn write_canonical_key(&self, slot: SeriesSlot, out: &mut String) -> bool {
        if !self.store.has(slot) {
            return false;
        }
        let mut bytes = std::mem::take(out).into_bytes();
        self.store.write_key(slot, &mut bytes);
        // Keys come in as text, and sections are cut at commas.
        *out =
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        true
    }

    /// Number of the measurement instance of a slot.
    #[must_use]
    pub fn measurement_id(&self, slot: SeriesSlot) -> Option<u32> {
        self.store.kind(slot).map(|(measurement, _)| measurement)
    }

    /// The measurement of this name.
    #[must_use]
    pub fn measurement(&self, name: &str) -> Option<Arc<Measurement>> {
        self.measurements.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }

    /// The measurement instance of this number.
    #[must_use]
    pub fn measurement_by_id(&self, id: u32) -> Option<Arc<Measurement>> {
        self.measurements.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// All measurements by name.
    #[must_use]
    pub fn measurements(&self) -> Vec<Arc<Measurement>> {
        let measurements = self.measurements.read().unwrap_or_else(PoisonError::into_inner);
        let mut out: Vec<_> = measurements.by_id.values().cloned().collect();
        out.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        out
    }

    /// Ends a measurement instance: its spellings are forgotten, its slots never come back, `define` for its number is refused. Make
    /// the next instance of the name only after this.
    pub fn drop_measurement(&self, id: u32) {
        let measurement = {
            let mut measurements = self.measurements.write().unwrap_or_else(PoisonError::into_inner);
            measurements.dropped.insert(id);
            let Some(measurement) = measurements.by_id.remove(&id) else { return };
            if measurements.by_name.get(measurement.name()).is_some_and(|m| m.id() == id) {
                measurements.by_name.remove(measurement.name());
                let heir = measurements.by_id.values().find(|m| m.name() == measurement.name()).cloned();
                if let Some(heir) = heir {
                    measurements.by_name.insert(Arc::clone(heir.name()), heir);
                }
            }
            measurement
        };
        let slots = measurement.end();
        self.living.fetch_sub(slots.len(), Ordering::Relaxed);
        let mut key = Vec::new();
        for slot in &slots {
            self.store.retire(slot);
            key.clear();
            self.store.write_spelling(slot, &mut key);
            self.forget(&key, slot);
            key.clear();
            self.store.write_key(slot, &mut key);
            self.forget(&key, slot);
        }
        for (alias, slot) in self.store.aliases() {
            if slots.contains(slot) {
                key.clear();
                self.store.write_alias(alias, &mut key);
                self.forget(&key, alias);
            }
        }
    }

    /// A number that the caller keeps with each slot, 0 at first: e.g. where the definition is durable.
    #[must_use]
    pub fn note(&self, slot: SeriesSlot) -> u64 {
        self.store.note(slot)
    }

    /// Sets the caller's number of a slot.
    pub fn set_note(&self, slot: SeriesSlot, note: u64) {
        self.store.set_note(slot, note);
    }

    /// Bytes it holds, near enough for budgets.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let measurements: usize = self.measurements().iter().map(|m| m.heap_bytes()).sum();
        self.table.heap_bytes() + self.store.heap_bytes() + self.ids.heap_bytes() + measurements
    }

    /// The measurement instance, made if it is new; `None` if it is dropped.
    fn owner(&self, id: u32, name: &str) -> Option<Arc<Measurement>> {
        {
            let measurements = self.measurements.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(measurement) = measurements.by_id.get(&id) {
                return Some(Arc::clone(measurement));
            }
        }
        let mut measurements = self.measurements.write().unwrap_or_else(PoisonError::into_inner);
        if measurements.dropped.contains(&id) {
            return None;
        }
        if let Some(measurement) = measurements.by_id.get(&id) {
            return Some(Arc::clone(measurement));
        }
        let measurement = Arc::new(Measurement::new(id, name, Arc::clone(&self.store)));
        measurements.by_id.insert(id, Arc::clone(&measurement));
        // While an older instance of the name lives, it is the one that is found.
        measurements
            .by_name
            .entry(Arc::clone(measurement.name()))
            .or_insert_with(|| Arc::clone(&measurement));
        Some(measurement)
    }

    /// The spelling `raw` and its slot.
    fn find(&self, raw: &[u8]) -> Option<(u32, SeriesSlot)> {
        let tag = self.table.tag(raw);
        let mut found = None;
        self.table.read(tag).find(tag, |spelling| {
            found = self.reads(spelling, raw).map(|slot| (spelling, slot));
            found.is_some()
        })?;
        let (spelling, slot) = found?;
        if self.store.matches(spelling, raw).is_none() {
            // A sender spells it canonically, while another spelling is kept: comparing that one means putting the
            // key together each time, so it gets its own copy.
            if let Some(alias) = self.remember_again(raw, spelling, slot) {
                return Some((alias, slot));
            }
        }
        Some((spelling, slot))
    }

    /// The slot of a spelling, if it reads `raw` as kept or as the canonical key.
    #[inline]
    fn reads(&self, spelling: u32, raw: &[u8]) -> Option<SeriesSlot> {
        self.store.matches(spelling, raw).or_else(|| {
            let slot = self.store.slot_of(spelling);
            (slot == spelling && self.store.is_composed(slot, raw)).then_some(slot)
        })
    }

    /// Gives the canonical spelling of `slot` a copy of its own.
    #[cold]
    fn remember_again(&self, raw: &[u8], spelling: u32, slot: SeriesSlot) -> Option<u32> {
        let tag = self.table.tag(raw);
        let mut shard = self.table.write(tag);
        if let Some(alias) = shard.find(tag, |s| self.store.matches(s, raw).is_some()) {
            return Some(alias);
        }
        shard.find(tag, |s| s == spelling && self.reads(s, raw).is_some())?;
        let alias = self.store.add_alias(raw, slot)?;
        shard.replace(tag, spelling, alias);
        Some(alias)
    }

    fn find_or_make(
        &self,
        owner: &Measurement,
        request: &Request<'_>,
        next_id: impl FnOnce() -> u64,
    ) -> Result<SeriesSlot, Refusal> {
        let tag = self.table.tag(request.canonical);
        let mut shard = self.table.write(tag);
        if let Some(spelling) = shard.find(tag, |s| self.reads(s, request.canonical).is_some()) {
            let slot = self.store.slot_of(spelling);
            let same = self.store.kind(slot).is_some_and(|(known, _)| known == owner.id());
            return if same { Ok(slot) } else { Err(Refusal::TargetDropped) };
        }
        let limit = self.series_max.load(Ordering::Relaxed);
        let refused = || Refusal::SeriesLimit { limit, measurement: Arc::clone(owner.name()) };
        if limit > 0 && self.living.load(Ordering::Relaxed) >= limit {
            return Err(refused());
        }
        let (spelling, order) = match self.store.order(request.raw, request.canonical, request.from) {
            Some(order) if !request.raw.is_empty() => (request.raw, order),
            _ => (request.canonical, SectionOrder::SAME),
        };
        let tag_values_max = self.tag_values_max.load(Ordering::Relaxed);
        let make = || self.store.add(spelling, order, owner.id(), next_id());
        let slot = owner.add(request.tags, tag_values_max, make).map_err(|error| match error {
            AddError::Dropped => Refusal::TargetDropped,
            AddError::TagValueLimit { tag, value } => Refusal::TagValueLimit {
                limit: tag_values_max,
                measurement: Arc::clone(owner.name()),
                tag,
                value,
            },
            AddError::Full => refused(),
        })?;
        self.living.fetch_add(1, Ordering::Relaxed);
        shard.insert(tag, slot);
        if let Some(id) = self.store.durable_id(slot) {
            // Ids of new series are fresh, by the caller's word; were one not, the first owner would keep it.
            let _ = self.ids.add(id, slot, &self.store);
        }
        Ok(slot)
    }

    /// Makes `raw`, which is not the canonical key, lead to `slot`; its number as a spelling, `None` if there is no room for another one.
    fn remember(&self, raw: &[u8], slot: SeriesSlot) -> Option<u32> {
        let tag = self.table.tag(raw);
        let mut shard = self.table.write(tag);
        if let Some(spelling) = shard.find(tag, |s| self.reads(s, raw).is_some()) {
            return Some(spelling);
        }
        let spelling = match self.store.matches(slot, raw) {
            Some(slot) => slot,
            None => self.store.add_alias(raw, slot)?,
        };
        shard.insert(tag, spelling);
        Some(spelling)
    }

    fn forget(&self, key: &[u8], spelling: u32) {
        let tag = self.table.tag(key);
        self.table.write(tag).remove(tag, spelling);
    }
}

/// A series asked for.
struct Request<'a> {
    canonical: &'a [u8],
    raw: &'a [u8],
    /// Which tag of `raw` stands at each place of `tags`.
    from: &'a [u16],
    /// Sorted.
    tags: &'a [(&'a str, &'a str)],
}

/// A definition from a log or a file contradicts what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefineError {
    /// One id, two keys.
    #[error("series id {id} belongs to \"{known}\" and to \"{given}\"")]
    IdConflict {
        /// The id.
        id: u64,
        /// Key it has.
        known: String,
        /// Key it should get.
        given: String,
    },
    /// One key, two living measurement instances.
    #[error("series \"{key}\" belongs to measurement {known} and to measurement {given}")]
    MeasurementConflict {
        /// The key.
        key: String,
        /// Instance it has.
        known: u32,
        /// Instance it should get.
        given: u32,
    },
    /// More than 2^31 - 1 slots, or a key too long.
    #[error("the series index is full, or the key of {len} bytes is longer than {max}")]
    Full {
        /// Bytes of the key.
        len: usize,
        /// Most bytes of a key.
        max: usize,
    },
    /// The measurement instance is dropped.
    #[error("measurement {0} is dropped")]
    Dropped(u32),
}

#[cfg(test)]
mod tests;
