//! Binding a checked SELECT to the measurements of a snapshot: sources, wildcards, types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_influxql::ast::{DataType, Expr, Field, Fill, Measurement, MeasurementName};
use weir_influxql::walk::walk_expr;
use weir_model::TimeRange;
use weir_model::read::{Snapshot, Table};
use weir_model::time::{TIME_MAX, TIME_MIN};

use super::compile::{Compiled, CompiledSource};
use super::names;
use super::rewrite::rewrite;
use super::types::{self, Schema, Type, gives_way, of_field, type_of};
use crate::error::{Result, fail, refuse};
use crate::exec::technical;
use crate::result::Zone;

/// A SELECT that can be executed.
pub(crate) struct Prepared {
    /// The SELECT list, wildcards expanded, columns with their types.
    pub(crate) fields: Vec<Field>,
    /// Its columns: the list and the columns that `top()` and `bottom()` add.
    pub(crate) columns: Vec<Field>,
    /// Names of `columns`.
    pub(crate) names: Vec<Arc<str>>,
    /// Name of the time column.
    pub(crate) time_name: Arc<str>,
    /// Tags of GROUP BY, sorted.
    pub(crate) dimensions: Vec<Arc<str>>,
    /// Condition without time.
    pub(crate) condition: Option<Expr>,
    /// What to read.
    pub(crate) inputs: Vec<Input>,
    pub(crate) every: i64,
    pub(crate) offset: i64,
    pub(crate) zone: Option<Zone>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) fill: Fill,
    pub(crate) ascending: bool,
    pub(crate) limit: u64,
    pub(crate) skip: u64,
    pub(crate) slimit: u64,
    pub(crate) sskip: u64,
}

/// A source of a [`Prepared`].
pub(crate) enum Input {
    /// One measurement of one policy.
    Table(TableInput),
    /// A subquery.
    Subquery(Box<Prepared>),
}

/// A measurement with its columns.
pub(crate) struct TableInput {
    /// Name of the measurement.
    pub(crate) name: Arc<str>,
    /// Its data.
    pub(crate) table: Arc<dyn Table>,
    /// Types of its fields.
    pub(crate) fields: BTreeMap<Arc<str>, DataType>,
    /// Its tags.
    pub(crate) tags: BTreeSet<Arc<str>>,
}

impl Input {
    fn column_type(&self, name: &str) -> Result<Type> {
        match self {
            Self::Table(t) => {
                Ok(t.fields.get(name).copied().or_else(|| t.tags.contains(name).then_some(DataType::Tag)))
            }
            Self::Subquery(s) => s.column_type_outside(name),
        }
    }
}

impl Prepared {
    /// The type that a column of this subquery shows to the statement around it.
    fn column_type_outside(&self, name: &str) -> Result<Type> {
        let mut found = None;
        if let Some(column) = self.columns.iter().find(|c| c.name() == name) {
            found = type_of(&column.expr, &InputSchema(&self.inputs))?;
        }
        if found.is_none() && self.dimensions.iter().any(|d| &**d == name) {
            found = Some(DataType::Tag);
        }
        Ok(found)
    }
}

/// The columns of some inputs.
pub(crate) struct InputSchema<'a>(pub(crate) &'a [Input]);

impl Schema for InputSchema<'_> {
    fn column_type(&self, name: &str) -> Type {
        let mut best = None;
        for input in self.0 {
            let found = input.column_type(name).unwrap_or(None);
            if gives_way(found, best) {
                best = found;
            }
        }
        best
    }
}

impl InputSchema<'_> {
    /// All fields with their types, and all tags.
    pub(crate) fn all(&self) -> (BTreeMap<Arc<str>, Type>, BTreeSet<Arc<str>>) {
        let mut fields: BTreeMap<Arc<str>, Type> = BTreeMap::new();
        let mut tags = BTreeSet::new();
        let mut add = |name: Arc<str>, found: Type| {
            let known = fields.entry(name).or_insert(None);
            if gives_way(found, *known) {
                *known = found;
            }
        };
        for input in self.0 {
            match input {
                Input::Table(t) => {
                    t.fields.iter().for_each(|(name, t)| add(Arc::clone(name), Some(*t)));
                    tags.extend(t.tags.iter().cloned());
                }
                Input::Subquery(s) => {
                    for field in &s.fields {
                        let found = type_of(&field.expr, &InputSchema(&s.inputs)).unwrap_or(None);
                        add(field.name().into(), found);
                    }
                    tags.extend(s.dimensions.iter().cloned());
                }
            }
        }
        (fields, tags)
    }
}

/// Where names without database and policy point to.
pub(crate) struct Place<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) database: Option<&'a str>,
    pub(crate) policy: Option<&'a str>,
}

impl Place<'_> {
    /// The database called `named`, or the default one; it exists.
    pub(crate) fn database(&self, named: Option<&str>) -> Result<String> {
        let name = named.or(self.database).filter(|n| !n.is_empty());
        let Some(name) = name else { return refuse("database name required") };
        match self.snapshot.policies(name) {
            Some(_) => Ok(name.to_owned()),
            None => refuse(format!("database not found: {name}")),
        }
    }

    /// The policy called `named`, or the default one of `database`; it exists.
    pub(crate) fn policy(
        &self,
        database: &str,
        named: Option<&str>,
        default: Option<&str>,
    ) -> Result<String> {
        let policies = self
            .snapshot
            .policies(database)
            .ok_or_else(|| fail(format!("database not found: {database}")))?;
        match named.or(default).filter(|n| !n.is_empty()) {
            Some(name) if policies.iter().any(|p| &*p.name == name) => Ok(name.to_owned()),
            Some(name) => refuse(format!("retention policy not found: {name}")),
            None => match policies.iter().find(|p| p.is_default) {
                Some(p) => Ok(p.name.to_string()),
                None => refuse(format!("default retention policy not set for: {database}")),
            },
        }
    }

    /// The measurements that `m` means, by name.
    pub(crate) fn tables(&self, m: &Measurement) -> Result<Vec<(Arc<str>, Arc<dyn Table>)>> {
        let database = self.database(m.database.as_deref())?;
        // The default policy of the request belongs to its database.
        let default = if m.database.is_none() { self.policy } else { None };
        let policy = self.policy(&database, m.retention_policy.as_deref(), default)?;
        Ok(match &m.name {
            MeasurementName::Name(name) if name.is_empty() => return refuse("invalid measurement"),
            MeasurementName::Name(name) => {
                let table = self.snapshot.table(&database, &policy, name);
                table.map(|t| (Arc::from(name.as_str()), t)).into_iter().collect()
            }
            MeasurementName::Regex(regex) => self
                .snapshot
                .measurements(&database, &policy)
                .into_iter()
                .filter(|name| regex.is_match(name))
                .filter_map(|name| self.snapshot.table(&database, &policy, &name).map(|t| (name, t)))
                .collect(),
        })
    }
}

/// Binds `compiled`, the outermost statement, to the measurements at `place`.
pub(crate) fn prepare(compiled: &Compiled, place: &Place<'_>) -> Result<Prepared> {
    let prepared = bind(compiled, place, schema_range(compiled))?;
    for field in &prepared.fields {
        type_of(&field.expr, &types::NoSchema)?;
    }
    Ok(prepared)
}

/// The range whose fields count: transformations look at buckets before the first, which is the last when descending.
fn schema_range(compiled: &Compiled) -> TimeRange {
    let extra = compiled.every.saturating_mul(extra_buckets(compiled));
    if compiled.ascending {
        TimeRange::new(compiled.start.saturating_sub(extra).max(TIME_MIN), compiled.end)
    } else {
        TimeRange::new(compiled.start, compiled.end.saturating_add(extra).min(TIME_MAX))
    }
}

/// How many buckets outside the range the transformations of a statement and its subqueries may look at.
fn extra_buckets(compiled: &Compiled) -> i64 {
    let mut most = 0;
    for field in &compiled.statement.fields {
        walk_expr(&field.expr, &mut |e| {
            let Expr::Call(call) = e else { return };
            let looks_at = match (call.name.as_str(), call.args.get(1)) {
                (
                    "derivative"
                    | "non_negative_derivative"
                    | "difference"
                    | "non_negative_difference"
                    | "elapsed",
                    _,
                ) => 1,
                ("moving_average", Some(Expr::Integer(n))) => *n,
                (name, Some(Expr::Integer(n))) if technical::is_technical(name) => *n,
                _ => 0,
            };
            most = most.max(looks_at);
        });
    }
    for source in &compiled.sources {
        if let CompiledSource::Subquery(inner) = source {
            most = most.max(extra_buckets(inner));
        }
    }
    most
}

fn bind(compiled: &Compiled, place: &Place<'_>, range: TimeRange) -> Result<Prepared> {
    let mut inputs = Vec::new();
    for source in &compiled.sources {
        match source {
            CompiledSource::Measurement(m) => {
                for (name, table) in place.tables(m)? {
                    inputs.push(Input::Table(describe(name, table, range)));
                }
            }
            CompiledSource::Subquery(s) => inputs.push(Input::Subquery(Box::new(bind(s, place, range)?))),
        }
    }
    let statement = &compiled.statement;
    let (fields, dimensions, condition) =
        rewrite(&statement.fields, &statement.dimensions, compiled.condition.clone(), &InputSchema(&inputs))?;
    let has_target = statement.target.is_some();
    let columns = names::columns(&fields, has_target);
    let names = names::names(&columns);
    Ok(Prepared {
        fields,
        columns,
        names,
        time_name: compiled.time_name.as_str().into(),
        dimensions,
        condition,
        inputs,
        every: compiled.every,
        offset: compiled.offset,
        zone: compiled.zone.clone(),
        start: compiled.start,
        end: compiled.end,
        // A null is not written.
        fill: if has_target && statement.fill == Fill::Null { Fill::None } else { statement.fill },
        ascending: compiled.ascending,
        limit: statement.limit,
        skip: statement.offset,
        slimit: statement.slimit,
        sskip: statement.soffset,
    })
}

fn describe(name: Arc<str>, table: Arc<dyn Table>, range: TimeRange) -> TableInput {
    let mut fields: BTreeMap<Arc<str>, DataType> = BTreeMap::new();
    for info in table.fields(range) {
        let found = of_field(info.field_type);
        fields
            .entry(info.name)
            .and_modify(|known| {
                if gives_way(Some(found), Some(*known)) {
                    *known = found;
                }
            })
            .or_insert(found);
    }
    let tags = table.tag_keys().into_iter().collect();
    TableInput { name, table, fields, tags }
}
