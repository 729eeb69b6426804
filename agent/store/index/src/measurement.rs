//! Tags and postings of one measurement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use roaring::RoaringBitmap;
use weir_model::read::{ReadContext, ReadError, TagColumn, TagFilter};

use crate::columns;
use crate::filter;
use crate::interner::Interner;
use crate::order::Order;
use crate::posting::{Posting, bitmap_bytes};
use crate::series::SeriesSlot;
use crate::store::SeriesStore;

/// One measurement instance of a [`SeriesIndex`](crate::SeriesIndex): its series by tag. Series only ever come; `visible` in the methods below
/// names those that the caller may see, `None` means all.
#[derive(Debug)]
pub struct Measurement {
    id: u32,
    name: Arc<str>,
    store: Arc<SeriesStore>,
    tags: RwLock<Tags>,
    order: Mutex<Order>,
}

/// What changes when a series comes.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    dropped: bool,
    /// All series, with and without tags.
    pub(crate) all: RoaringBitmap,
    keys: Vec<TagKey>,
    by_name: HashMap<Arc<str>, usize>,
    /// Approximate bytes of interners and postings.
    bytes: usize,
}

/// One tag key.
#[derive(Debug)]
pub(crate) struct TagKey {
    pub(crate) name: Arc<str>,
    pub(crate) values: Interner,
    /// By number of the value.
    pub(crate) postings: Vec<Posting>,
    /// The series that have the tag.
    pub(crate) present: RoaringBitmap,
}

/// Why a series is not added.
#[derive(Debug)]
pub(crate) enum AddError {
    Dropped,
    TagValueLimit { tag: Arc<str>, value: Arc<str> },
    Full,
}

impl Measurement {
    pub(crate) fn new(id: u32, name: &str, store: Arc<SeriesStore>) -> Self {
        Self { id, name: name.into(), store, tags: RwLock::default(), order: Mutex::default() }
    }

    /// Number of the instance, as given by the caller of `define`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name, unescaped.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// All its slots.
    #[must_use]
    pub fn slots(&self) -> RoaringBitmap {
        self.read().all.clone()
    }

    /// Whether at least one of its series is visible.
    #[must_use]
    pub fn any_visible(&self, visible: &RoaringBitmap) -> bool {
        !self.read().all.is_disjoint(visible)
    }

    /// Tag keys that at least one visible series has, sorted.
    #[must_use]
    pub fn tag_keys(&self, visible: Option<&RoaringBitmap>) -> Vec<Arc<str>> {
        let tags = self.read();
        let shown = |key: &&TagKey| visible.is_none_or(|v| !key.present.is_disjoint(v));
        let mut out: Vec<_> = tags.keys.iter().filter(shown).map(|key| Arc::clone(&key.name)).collect();
        out.sort_unstable();
        out
    }

    /// Distinct values of a tag among the visible series, sorted, without the empty one.
    #[must_use]
    pub fn tag_values(&self, key: &str, visible: Option<&RoaringBitmap>) -> Vec<Arc<str>> {
        let tags = self.read();
        let Some(key) = tags.key(key) else { return Vec::new() };
        let values = key.values.values().iter().zip(&key.postings);
        let mut out: Vec<_> = values
            .filter(|(_, posting)| visible.is_none_or(|v| posting.intersects(v)))
            .map(|(value, _)| Arc::clone(value))
            .collect();
        drop(tags);
        out.sort_unstable();
        out
    }

    /// The visible series that match; a missing tag has the empty value.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`].
    pub fn select(
        &self,
        filter: &TagFilter,
        visible: Option<&RoaringBitmap>,
        context: &ReadContext,
    ) -> Result<RoaringBitmap, ReadError> {
        let tags = self.read();
        match visible {
            Some(visible) => filter::select(&tags, filter, &(&tags.all & visible), context),
            None => filter::select(&tags, filter, &tags.all, context),
        }
    }

    /// `slots` (of this measurement) by canonical key. The order of all series is kept between calls.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`].
    pub fn sorted(&self, slots: &RoaringBitmap, context: &ReadContext) -> Result<Vec<SeriesSlot>, ReadError> {
        let all = self.slots();
        Order::sort(&self.order, slots, &all, &*self.store, context)
    }

    /// Values of one tag for `series` (of this measurement), in that order.
    #[must_use]
    pub fn tag_column(&self, key: &str, series: &[SeriesSlot]) -> TagColumn {
        columns::tag_column(self.read().key(key), key, series, &self.store)
    }

    /// Adds a series with `tags` (unique keys, no empty values). `make` gives its slot, higher than all before.
    pub(crate) fn add(
        &self,
        tags: &[(&str, &str)],
        tag_values_max: u64,
        make: impl FnOnce() -> Option<SeriesSlot>,
    ) -> Result<SeriesSlot, AddError> {
        let mut inner = self.tags.write().unwrap_or_else(PoisonError::into_inner);
        if inner.dropped {
            return Err(AddError::Dropped);
        }
        if tag_values_max > 0 {
            inner.check_limit(tags, tag_values_max)?;
        }
        let slot = make().ok_or(AddError::Full)?;
        inner.all.insert(slot);
        for (key, value) in tags {
            inner.add_tag(key, value, slot);
        }
        Ok(slot)
    }

    /// Refuses series from now on; gives those that there are.
    pub(crate) fn end(&self) -> RoaringBitmap {
        let mut inner = self.tags.write().unwrap_or_else(PoisonError::into_inner);
        inner.dropped = true;
        inner.all.clone()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let tags = self.read();
        let bitmaps: usize = tags.keys.iter().map(|k| bitmap_bytes(&k.present) + size_of::<TagKey>()).sum();
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).heap_bytes();
        size_of::<Self>() + tags.bytes + bitmap_bytes(&tags.all) + bitmaps + order
    }

    fn read(&self) -> RwLockReadGuard<'_, Tags> {
        self.tags.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tags {
    /// The tag key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&TagKey> {
        self.keys.get(*self.by_name.get(name)?)
    }

    fn check_limit(&self, tags: &[(&str, &str)], max: u64) -> Result<(), AddError> {
        for &(name, value) in tags {
            if let Some(key) = self.key(name)
                && key.postings.len() as u64 >= max
                && key.values.find(value).is_none()
            {
                return Err(AddError::TagValueLimit { tag: Arc::clone(&key.name), value: value.into() });
            }
        }
        Ok(())
    }

    fn add_tag(&mut self, name: &str, value: &str, slot: SeriesSlot) {
        let index = match self.by_name.get(name) {
            Some(&index) => index,
            None => self.add_key(name),
        };
        let Some(key) = self.keys.get_mut(index) else { return };
        key.present.insert(slot);
        match key.values.find(value).and_then(|n| key.postings.get_mut(n as usize)) {
            Some(posting) => {
                // Exact where it matters, in short lists; a bitmap takes two bytes for a scattered slot at most.
                let before =
                    if matches!(posting, Posting::Many(_)) { None } else { Some(posting.heap_bytes()) };
                posting.push(slot);
                self.bytes += before.map_or(2, |b| posting.heap_bytes().saturating_sub(b));
            }
            None => {
                let before = key.values.heap_bytes();
                key.values.add(value);
                key.postings.push(Posting::One(slot));
                self.bytes += key.values.heap_bytes() - before + size_of::<Posting>();
            }
        }
    }

    fn add_key(&mut self, name: &str) -> usize {
        let name: Arc<str> = name.into();
        self.keys.push(TagKey {
            name: Arc::clone(&name),
            values: Interner::default(),
            postings: Vec::new(),
            present: RoaringBitmap::new(),
        });
        self.bytes += 64 + name.len();
        self.by_name.insert(name, self.keys.len() - 1);
        self.keys.len() - 1
    }
}
