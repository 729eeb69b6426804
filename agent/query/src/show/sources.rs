//! Which measurements a SHOW statement is about, and its condition.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_influxql::ast::{BinaryOp, Expr, MeasurementName, Source};
use weir_model::TimeRange;
use weir_model::read::{Snapshot, Table};
use weir_model::time::{TIME_MAX, TIME_MIN};

use crate::error::{Result, refuse};
use crate::plan::condition::split;
use crate::plan::prepare::TableInput;
use crate::plan::reduce::Known;
use crate::plan::types::of_field;
use crate::statement::Session;

/// Measurements by name, each with its tables: one for each policy that has it.
pub(crate) type Tables = BTreeMap<Arc<str>, Vec<Arc<dyn Table>>>;

/// The measurements of `database`, of all its policies, that `sources` name (all if it is empty).
///
/// A policy in a source counts, its absence means all policies.
pub(crate) fn tables(
    database: Option<&str>,
    sources: &[Source],
    snapshot: &dyn Snapshot,
    session: &Session<'_>,
) -> Result<Tables> {
    let place = session.place(snapshot);
    let mut out = Tables::new();
    let mut add = |database: &str, only: Option<&str>, name: Option<&MeasurementName>| {
        for policy in snapshot.policies(database).unwrap_or_default() {
            if only.is_some_and(|o| *o != *policy.name) {
                continue;
            }
            for measurement in snapshot.measurements(database, &policy.name) {
                if name.is_none_or(|n| n.matches(&measurement))
                    && let Some(table) = snapshot.table(database, &policy.name, &measurement)
                {
                    out.entry(measurement).or_default().push(table);
                }
            }
        }
    };
    let outer = place.database(database)?;
    if sources.is_empty() {
        add(&outer, None, None);
    }
    for source in sources {
        if let Source::Measurement(m) = source {
            let named = match &m.database {
                Some(d) => place.database(Some(d))?,
                None => outer.clone(),
            };
            let only = m.retention_policy.as_deref();
            if only.is_some() {
                place.policy(&named, only, None)?;
            }
            add(&named, only, Some(&m.name));
        }
    }
    Ok(out)
}

/// The condition without time, and the time range.
pub(crate) fn condition(expr: Option<&Expr>, session: &Session<'_>) -> Result<(Option<Expr>, TimeRange)> {
    let known = Known { now: Some(session.now()), zone: None, math: false };
    let (condition, bounds) = split(expr, known)?;
    Ok((condition, TimeRange::new(bounds.min.unwrap_or(TIME_MIN), bounds.max.unwrap_or(TIME_MAX))))
}

/// Refuses comparisons that make no sense for tags.
pub(crate) fn check_tag_operators(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Paren(inner) => check_tag_operators(inner),
        Expr::Binary(b) if b.op.is_logical() => {
            check_tag_operators(&b.lhs)?;
            check_tag_operators(&b.rhs)
        }
        Expr::Binary(b) => match b.op {
            BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::EqRegex | BinaryOp::NotEqRegex => Ok(()),
            _ => refuse("invalid tag comparison operator"),
        },
        _ => Ok(()),
    }
}

/// The table with its columns, as conditions need it.
pub(crate) fn input(name: &Arc<str>, table: &Arc<dyn Table>, range: TimeRange) -> TableInput {
    TableInput {
        name: Arc::clone(name),
        table: Arc::clone(table),
        fields: table.fields(range).into_iter().map(|f| (f.name, of_field(f.field_type))).collect(),
        tags: table.tag_keys().into_iter().collect(),
    }
}
