//! Which series still have points in a group after a delete.

use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_catalog::{GroupId, MeasurementId};
use weir_model::read::{ReadContext, ReadError};

use super::scan::StoreScan;
use super::table::TableData;
use crate::version::{PolicySeries, View};

/// Those of `slots` (of one measurement) that have a point in `group`.
///
/// # Errors
/// [`ReadError::Damaged`].
pub(crate) fn with_points(
    view: &Arc<View>,
    series: &Arc<PolicySeries>,
    group: GroupId,
    measurement: MeasurementId,
    slots: &RoaringBitmap,
) -> Result<RoaringBitmap, ReadError> {
    let catalog = &view.catalog;
    let window = catalog.group(group).map(|group| group.window);
    let (Some(policy), Some(window), Some(index)) =
        (catalog.policy(series.policy), window, series.index.measurement_by_id(measurement.0))
    else {
        return Ok(RoaringBitmap::new());
    };
    let context = ReadContext::unlimited();
    // In the order in which they stand in runs.
    let order = index.sorted(slots, &context)?;
    let data = TableData::new(Arc::clone(view), Arc::clone(policy), Arc::clone(series), measurement, index);
    let mut finder = StoreScan::finder(Arc::new(data), window, &context)?;
    let mut left = RoaringBitmap::new();
    for slot in order {
        if finder.has_point(slot)? {
            left.insert(slot);
        }
    }
    Ok(left)
}
