//! SHOW SERIES.

use std::collections::BTreeSet;

use weir_influxql::ast::ShowSeries;

use super::output::{page, table, text};
use super::sources::{check_tag_operators, condition, input, tables};
use crate::error::Result;
use crate::exec::filter::Condition;
use crate::result::Value;
use crate::statement::Session;

/// SHOW SERIES: canonical keys, sorted.
pub(crate) fn series(s: &ShowSeries, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let all = tables(s.database.as_deref(), &s.sources, &*snapshot, session)?;
    let (condition, range) = condition(s.condition.as_ref(), session)?;
    condition.as_ref().map_or(Ok(()), check_tag_operators)?;
    let mut keys: Vec<String> = Vec::new();
    for (name, tables) in &all {
        let mut here = BTreeSet::new();
        for one in tables {
            let filter = Condition::new(condition.as_ref(), &input(name, one, range));
            let found = one.select_series(&filter.tags, range, session.reading)?;
            session.reading.charge(found.len() as u64 * 64)?;
            here.extend(found.into_iter().map(|no| one.series_key(no).as_str().to_owned()));
        }
        keys.extend(here);
    }
    let rows: Vec<Vec<Value>> = page(keys, s.limit, s.offset).into_iter().map(|k| vec![text(k)]).collect();
    table(session, None, &["key"], &rows)
}
