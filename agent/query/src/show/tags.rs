//! SHOW TAG KEYS and SHOW TAG VALUES.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_influxql::ast::{ShowTagKeys, ShowTagValues};
use weir_model::TimeRange;
use weir_model::read::{SeriesNo, Table, TagFilter};

use super::output::{page, table};
use super::sources::{check_tag_operators, condition, input, tables};
use crate::error::Result;
use crate::exec::filter::Condition;
use crate::result::Value;
use crate::statement::Session;

/// SHOW TAG KEYS: keys of the series that match.
pub(crate) fn tag_keys(s: &ShowTagKeys, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let all = tables(s.database.as_deref(), &s.sources, &*snapshot, session)?;
    let (condition, range) = condition(s.condition.as_ref(), session)?;
    condition.as_ref().map_or(Ok(()), check_tag_operators)?;
    for (name, tables) in &all {
        let mut keys: BTreeSet<Arc<str>> = BTreeSet::new();
        for one in tables {
            let filter = Condition::new(condition.as_ref(), &input(name, one, range)).tags;
            let here = one.tag_keys().into_iter();
            if matches!(filter, TagFilter::All) && range == TimeRange::ALL {
                keys.extend(here);
                continue;
            }
            let series = one.select_series(&filter, range, session.reading)?;
            keys.extend(here.filter(|key| !values(one, key, &series).is_empty()));
        }
        let rows: Vec<Vec<Value>> = page(keys.into_iter().collect(), s.limit, s.offset)
            .into_iter()
            .map(|k| vec![Value::Str(k)])
            .collect();
        table(session, Some(name), &["tagKey"], &rows)?;
    }
    Ok(())
}

/// SHOW TAG VALUES: values in the series that match, by key and value.
pub(crate) fn tag_values(s: &ShowTagValues, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let all = tables(s.database.as_deref(), &s.sources, &*snapshot, session)?;
    let (condition, range) = condition(s.condition.as_ref(), session)?;
    condition.as_ref().map_or(Ok(()), check_tag_operators)?;
    for (name, tables) in &all {
        let mut pairs: BTreeSet<(Arc<str>, Arc<str>)> = BTreeSet::new();
        for one in tables {
            let filter = Condition::new(condition.as_ref(), &input(name, one, range)).tags;
            let every = matches!(filter, TagFilter::All) && range == TimeRange::ALL;
            let series = if every { Vec::new() } else { one.select_series(&filter, range, session.reading)? };
            for key in one.tag_keys().into_iter().filter(|k| s.with_key.matches(k)) {
                let found = if every { one.tag_values(&key) } else { values(one, &key, &series) };
                session.reading.charge(found.len() as u64 * 32)?;
                pairs.extend(found.into_iter().map(|v| (Arc::clone(&key), v)));
            }
        }
        let rows: Vec<Vec<Value>> = page(pairs.into_iter().collect(), s.limit, s.offset)
            .into_iter()
            .map(|(k, v)| vec![Value::Str(k), Value::Str(v)])
            .collect();
        table(session, Some(name), &["key", "value"], &rows)?;
    }
    Ok(())
}

/// The values that `key` has in `series`.
pub(crate) fn values(table: &Arc<dyn Table>, key: &str, series: &[SeriesNo]) -> Vec<Arc<str>> {
    let column = table.tag_column(key, series);
    let used: BTreeSet<u32> = column.ids.iter().copied().collect();
    used.iter().filter_map(|id| column.values.get(*id as usize)).filter(|v| !v.is_empty()).cloned().collect()
}
