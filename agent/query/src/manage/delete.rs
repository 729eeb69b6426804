//! DELETE, DROP SERIES, DROP MEASUREMENT, DROP SHARD.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_influxql::ast::{
    Delete, DropMeasurement, DropSeries, DropShard, Expr, MeasurementName, Source, VarRef,
};
use weir_influxql::walk::any_expr;
use weir_model::TimeRange;
use weir_model::admin::Deletion;
use weir_model::read::{Snapshot, TagFilter};
use weir_model::time::{TIME_MAX, TIME_MIN};

use crate::error::{Result, refuse};
use crate::exec::filter::Condition;
use crate::plan::condition::split;
use crate::plan::prepare::TableInput;
use crate::plan::reduce::Known;
use crate::plan::types::of_field;
use crate::statement::Session;

/// DELETE.
pub(crate) fn delete(s: &Delete, session: &Session<'_>) -> Result<()> {
    delete_points(&s.sources, s.condition.as_ref(), session)
}

/// DROP SERIES: what DELETE does, without times.
pub(crate) fn drop_series(s: &DropSeries, session: &Session<'_>) -> Result<()> {
    let is_time = |e: &Expr| matches!(e, Expr::VarRef(v) if VarRef::is_time(v));
    if s.condition.as_ref().is_some_and(|c| any_expr(c, &mut { is_time })) {
        return refuse("DROP SERIES doesn't support time in WHERE clause");
    }
    delete_points(&s.sources, s.condition.as_ref(), session)
}

/// DROP MEASUREMENT.
pub(crate) fn drop_measurement(s: &DropMeasurement, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let database = session.place(&*snapshot).database(None)?;
    Ok(session.parts.admin.drop_measurement(&database, &s.name)?)
}

/// DROP SHARD.
pub(crate) fn drop_shard(s: &DropShard, session: &Session<'_>) -> Result<()> {
    Ok(session.parts.admin.drop_shard(s.id)?)
}

fn delete_points(sources: &[Source], condition: Option<&Expr>, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let database = session.place(&*snapshot).database(None)?;
    let known = Known { now: Some(session.now()), zone: None, math: false };
    let (condition, bounds) = split(condition, known)?;
    let range = TimeRange::new(bounds.min.unwrap_or(TIME_MIN), bounds.max.unwrap_or(TIME_MAX));
    let mut targets = Vec::new();
    for input in inputs(&*snapshot, &database, sources).into_values() {
        session.check()?;
        let filter = Condition::new(condition.as_ref(), &input);
        if filter.rows.is_some() {
            return refuse("fields not supported in WHERE clause during deletion");
        }
        if !matches!(filter.tags, TagFilter::Nothing) {
            targets.push((input.name, filter.tags));
        }
    }
    if targets.is_empty() || range.is_empty() {
        return Ok(());
    }
    Ok(session.parts.admin.delete(&database, &Deletion { targets, range })?)
}

/// The measurements that `sources` name (all if it is empty), each with the columns that it has in any policy.
fn inputs(snapshot: &dyn Snapshot, database: &str, sources: &[Source]) -> BTreeMap<Arc<str>, TableInput> {
    let names: Vec<&MeasurementName> = sources
        .iter()
        .filter_map(|source| match source {
            Source::Measurement(m) => Some(&m.name),
            Source::Subquery(_) => None,
        })
        .collect();
    let mut out = BTreeMap::new();
    for policy in snapshot.policies(database).unwrap_or_default() {
        for name in snapshot.measurements(database, &policy.name) {
            if !names.is_empty() && !names.iter().any(|n| n.matches(&name)) {
                continue;
            }
            let Some(table) = snapshot.table(database, &policy.name, &name) else { continue };
            let fields = table.fields(TimeRange::ALL).into_iter();
            let fields = fields.map(|f| (f.name, of_field(f.field_type)));
            let input = out.entry(Arc::clone(&name)).or_insert_with(|| TableInput {
                name,
                table: Arc::clone(&table),
                fields: BTreeMap::new(),
                tags: table.tag_keys().into_iter().collect(),
            });
            input.fields.extend(fields);
            input.tags.extend(table.tag_keys());
        }
    }
    out
}
