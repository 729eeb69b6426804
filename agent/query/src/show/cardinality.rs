//! SHOW … CARDINALITY.
//!
//! 1.x estimates the numbers of series and measurements of a database; here both are counted, under the same column name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_influxql::ast::{CardinalityOf, Expr, KeyFilter, ShowCardinality};
use weir_model::TimeRange;
use weir_model::read::{SeriesNo, Snapshot, Table};

use super::output::page;
use super::sources::{Tables, check_tag_operators, condition, input, tables};
use super::tags::values;
use crate::error::Result;
use crate::exec::filter::Condition;
use crate::result::{Cells, Piece, Rows, SeriesHead, Value};
use crate::statement::Session;

/// SHOW … CARDINALITY.
pub(crate) fn cardinality(s: &ShowCardinality, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let plain = !s.exact && s.sources.is_empty() && s.condition.is_none() && s.dimensions.is_empty();
    let estimated = plain && matches!(s.of, CardinalityOf::Series | CardinalityOf::Measurement);
    if estimated && missing(s, &*snapshot, session) {
        return one(session, "cardinality estimation", 0);
    }
    let all = tables(s.database.as_deref(), &s.sources, &*snapshot, session)?;
    let (condition, range) = condition(s.condition.as_ref(), session)?;
    condition.as_ref().map_or(Ok(()), check_tag_operators)?;
    let name = if estimated { "cardinality estimation" } else { "count" };
    let counting = Counting { s, condition: condition.as_ref(), range, session };
    match &s.of {
        CardinalityOf::Measurement => {
            let mut count = 0;
            for (name, tables) in &all {
                count += i64::from(counting.any(name, tables)?);
            }
            if count == 0 && !estimated { Ok(()) } else { one(session, name, count) }
        }
        CardinalityOf::Series if estimated => {
            let mut count = 0;
            for (name, tables) in &all {
                count += counting.series(name, tables)?.len();
            }
            one(session, name, i64::try_from(count).unwrap_or(i64::MAX))
        }
        _ => counting.by_measurement(&all),
    }
}

fn missing(s: &ShowCardinality, snapshot: &dyn Snapshot, session: &Session<'_>) -> bool {
    s.database.is_some() && session.place(snapshot).database(s.database.as_deref()).is_err()
}

fn one(session: &Session<'_>, column: &str, count: i64) -> Result<()> {
    give(session, None, Vec::new(), column, count)
}

fn give(
    session: &Session<'_>,
    name: Option<&Arc<str>>,
    tags: Vec<(Arc<str>, Arc<str>)>,
    column: &str,
    count: i64,
) -> Result<()> {
    let columns = [Arc::from(column)].into();
    session.send(Piece::Series(SeriesHead { name: name.cloned(), tags, columns, zone: None }))?;
    session.send(Piece::Rows(Rows { len: 1, columns: vec![Cells::Mixed(vec![Value::Integer(count)])] }))
}

struct Counting<'a> {
    s: &'a ShowCardinality,
    condition: Option<&'a Expr>,
    range: TimeRange,
    session: &'a Session<'a>,
}

impl Counting<'_> {
    fn select(&self, name: &Arc<str>, table: &Arc<dyn Table>) -> Result<Vec<SeriesNo>> {
        let filter = Condition::new(self.condition, &input(name, table, self.range)).tags;
        Ok(table.select_series(&filter, self.range, self.session.reading)?)
    }

    fn any(&self, name: &Arc<str>, tables: &[Arc<dyn Table>]) -> Result<bool> {
        for table in tables {
            if !self.select(name, table)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keys of the matching series, each once however many policies have it.
    fn series(&self, name: &Arc<str>, tables: &[Arc<dyn Table>]) -> Result<BTreeSet<String>> {
        let mut keys = BTreeSet::new();
        for table in tables {
            let found = self.select(name, table)?;
            self.session.reading.charge(found.len() as u64 * 64)?;
            keys.extend(found.into_iter().map(|no| table.series_key(no).as_str().to_owned()));
        }
        Ok(keys)
    }

    fn by_measurement(&self, all: &Tables) -> Result<()> {
        let dimensions: Vec<Arc<str>> = self
            .s
            .dimensions
            .iter()
            .filter_map(|d| if let Expr::VarRef(v) = &d.0 { Some(v.name.as_str().into()) } else { None })
            .collect();
        let mut rows = Vec::new();
        for (name, tables) in all {
            if dimensions.is_empty() {
                let count = self.count(name, tables)?;
                rows.extend((count > 0).then(|| (Arc::clone(name), Vec::new(), count)));
            } else {
                for (tags, count) in self.grouped(name, tables, &dimensions)? {
                    rows.push((Arc::clone(name), tags, count));
                }
            }
        }
        for (name, tags, count) in page(rows, self.s.limit, self.s.offset) {
            give(self.session, Some(&name), tags, "count", count)?;
        }
        Ok(())
    }

    fn count(&self, name: &Arc<str>, tables: &[Arc<dyn Table>]) -> Result<i64> {
        let count = match &self.s.of {
            CardinalityOf::Series => self.series(name, tables)?.len(),
            CardinalityOf::FieldKey => {
                let mut fields = BTreeSet::new();
                for table in tables {
                    if !self.select(name, table)?.is_empty() {
                        fields.extend(table.fields(self.range).into_iter().map(|f| f.name));
                    }
                }
                fields.len()
            }
            CardinalityOf::TagKey => self.pairs(name, tables, None)?.into_keys().count(),
            CardinalityOf::TagValues(filter) => {
                self.pairs(name, tables, Some(filter))?.into_values().map(|v| v.len()).sum()
            }
            CardinalityOf::Measurement => usize::from(self.any(name, tables)?),
        };
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn pairs(
        &self,
        name: &Arc<str>,
        tables: &[Arc<dyn Table>],
        filter: Option<&KeyFilter>,
    ) -> Result<BTreeMap<Arc<str>, BTreeSet<Arc<str>>>> {
        let mut out: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        for table in tables {
            let series = self.select(name, table)?;
            for key in table.tag_keys().into_iter().filter(|k| filter.is_none_or(|f| f.matches(k))) {
                let found = values(table, &key, &series);
                if !found.is_empty() {
                    out.entry(key).or_default().extend(found);
                }
            }
        }
        Ok(out)
    }

    fn grouped(
        &self,
        name: &Arc<str>,
        tables: &[Arc<dyn Table>],
        dimensions: &[Arc<str>],
    ) -> Result<Vec<(Vec<(Arc<str>, Arc<str>)>, i64)>> {
        let mut groups: BTreeMap<Vec<(Arc<str>, Arc<str>)>, BTreeSet<String>> = BTreeMap::new();
        for table in tables {
            for no in self.select(name, table)? {
                let key = table.series_key(no);
                let (_, tags) = key.parts();
                let of = |d: &Arc<str>| {
                    let found = tags.iter().find(|(k, _)| **k == **d);
                    (Arc::clone(d), found.map_or_else(|| "".into(), |(_, v)| Arc::from(v.as_str())))
                };
                groups
                    .entry(dimensions.iter().map(of).collect())
                    .or_default()
                    .insert(key.as_str().to_owned());
            }
        }
        Ok(groups.into_iter().map(|(tags, keys)| (tags, i64::try_from(keys.len()).unwrap_or(0))).collect())
    }
}
