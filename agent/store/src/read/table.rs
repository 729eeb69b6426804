//! One measurement of one policy in a view.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_catalog::{GroupId, MeasurementId, Policy};
use weir_index::Measurement;
use weir_model::read::{
    FieldInfo, ReadContext, ReadError, Scan, ScanRequest, SeriesNo, Table, TagColumn, TagFilter,
};
use weir_model::{FieldType, SeriesKey, TimeRange};

use super::scan::StoreScan;
use super::snapshot::present;
use crate::memtable::{Arena, Heads};
use crate::version::{PolicySeries, View};

/// Looks at the query's cancel flag each time so many series have been visited.
const CHECK_EVERY: usize = 256;

/// See the module. The numbers of series are the slots of the policy's index.
pub(super) struct StoreTable {
    data: Arc<TableData>,
}

/// What scans share with their table.
pub(super) struct TableData {
    pub(super) view: Arc<View>,
    pub(super) policy: Arc<Policy>,
    pub(super) series: Arc<PolicySeries>,
    pub(super) measurement: MeasurementId,
    index: Arc<Measurement>,
    /// The arenas that hold points of the policy.
    pub(super) arenas: Vec<ArenaView>,
}

/// The part of an arena that belongs to a view, and the chains of one policy in it.
pub(super) struct ArenaView {
    pub(super) arena: Arc<Arena>,
    pub(super) heads: Arc<Heads>,
    pub(super) published: u32,
}

/// A field as it is in one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupField {
    pub(super) id: u32,
    pub(super) field_type: FieldType,
}

impl TableData {
    /// The fields that stand for `names` in a group.
    pub(super) fn fields_of(&self, group: GroupId, names: &[Arc<str>]) -> Vec<Option<GroupField>> {
        let catalog = &self.view.catalog;
        let field = |name: &Arc<str>| {
            let field = catalog.claimed_field(group, self.measurement, name)?;
            Some(GroupField { id: field.id.0, field_type: field.field_type })
        };
        names.iter().map(field).collect()
    }
}

impl TableData {
    pub(super) fn new(
        view: Arc<View>,
        policy: Arc<Policy>,
        series: Arc<PolicySeries>,
        measurement: MeasurementId,
        index: Arc<Measurement>,
    ) -> Self {
        let arenas = view
            .arenas
            .iter()
            .filter(|(_, published)| *published > 0)
            .filter_map(|(arena, published)| {
                let heads = arena.heads(policy.id)?;
                Some(ArenaView { arena: Arc::clone(arena), heads, published: *published })
            })
            .collect();
        Self { view, policy, series, measurement, index, arenas }
    }
}

impl StoreTable {
    pub(super) fn new(
        view: Arc<View>,
        policy: Arc<Policy>,
        series: Arc<PolicySeries>,
        measurement: MeasurementId,
        index: Arc<Measurement>,
    ) -> Self {
        Self { data: Arc::new(TableData::new(view, policy, series, measurement, index)) }
    }
}

impl Table for StoreTable {
    fn fields(&self, range: TimeRange) -> Vec<FieldInfo> {
        let catalog = &self.data.view.catalog;
        let mut fields = BTreeSet::new();
        for (_, group) in self.data.policy.groups_in(range) {
            let claims = catalog.claims(*group, self.data.measurement);
            let claimed = claims.into_iter().flat_map(|claims| claims.values());
            for field in claimed.filter_map(|id| catalog.field(*id)) {
                fields.insert(FieldInfo { name: Arc::clone(&field.name), field_type: field.field_type });
            }
        }
        fields.into_iter().collect()
    }

    fn tag_keys(&self) -> Vec<Arc<str>> {
        let visible = present(&self.data.series, &self.data.policy, TimeRange::ALL);
        self.data.index.tag_keys(Some(&visible))
    }

    fn tag_values(&self, key: &str) -> Vec<Arc<str>> {
        let visible = present(&self.data.series, &self.data.policy, TimeRange::ALL);
        self.data.index.tag_values(key, Some(&visible))
    }

    fn select_series(
        &self,
        filter: &TagFilter,
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let visible = present(&self.data.series, &self.data.policy, range);
        let selected = self.data.index.select(filter, Some(&visible), context)?;
        self.data.index.sorted(&selected, context)
    }

    fn with_points_in(
        &self,
        series: &[SeriesNo],
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Vec<SeriesNo>, ReadError> {
        let mut finder = StoreScan::finder(Arc::clone(&self.data), range, context)?;
        let mut out = Vec::new();
        for (i, &series) in series.iter().enumerate() {
            if i % CHECK_EVERY == 0 {
                context.check()?;
            }
            if finder.has_point(series)? {
                out.push(series);
            }
        }
        Ok(out)
    }

    fn tag_column(&self, key: &str, series: &[SeriesNo]) -> TagColumn {
        self.data.index.tag_column(key, series)
    }

    fn series_key(&self, series: SeriesNo) -> SeriesKey {
        let key = self.data.series.index.canonical_key(series);
        key.unwrap_or_else(|| SeriesKey::from_canonical(""))
    }

    fn scan(&self, request: ScanRequest) -> Result<Box<dyn Scan>, ReadError> {
        Ok(Box::new(StoreScan::new(Arc::clone(&self.data), request)?))
    }
}
