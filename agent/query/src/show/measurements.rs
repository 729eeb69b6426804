//! SHOW MEASUREMENTS.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_influxql::ast::{BinaryOp, Expr, ShowMeasurements, Source};
use weir_influxql::walk::any_expr;
use weir_model::read::Table;

use super::output::{page, table};
use super::sources::{Tables, tables};
use crate::error::{Result, refuse};
use crate::result::Value;
use crate::statement::Session;

/// SHOW MEASUREMENTS.
pub(crate) fn measurements(s: &ShowMeasurements, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let is_time = &mut |e: &Expr| matches!(e, Expr::VarRef(v) if v.is_time());
    if s.condition.as_ref().is_some_and(|c| any_expr(c, is_time)) {
        return refuse("SHOW MEASUREMENTS doesn't support time in WHERE clause");
    }
    // A database that does not exist has no measurements.
    if let Some(name) = s.database.as_deref().or(session.context.database.as_deref())
        && snapshot.policies(name).is_none()
    {
        return Ok(());
    }
    let sources: Vec<Source> = s.with.clone().map(Source::Measurement).into_iter().collect();
    let all = tables(s.database.as_deref(), &sources, &*snapshot, session)?;
    let names: Vec<Arc<str>> = match &s.condition {
        None => all.into_keys().collect(),
        Some(condition) => matching(condition, &all)?.into_iter().collect(),
    };
    let rows: Vec<Vec<Value>> =
        page(names, s.limit, s.offset).into_iter().map(|n| vec![Value::Str(n)]).collect();
    table(session, Some("measurements"), &["name"], &rows)
}

/// The measurements that fulfil a condition. Unlike elsewhere, `tag != 'x'` means measurements that have the tag, but in no
/// series with that value.
fn matching(expr: &Expr, all: &Tables) -> Result<BTreeSet<Arc<str>>> {
    let b = match expr {
        Expr::Paren(inner) => return matching(inner, all),
        Expr::Binary(b) => b,
        other => return refuse(format!("invalid condition expression: {other}")),
    };
    if b.op.is_logical() {
        let (l, r) = (matching(&b.lhs, all)?, matching(&b.rhs, all)?);
        return Ok(if b.op == BinaryOp::And { l.intersection(&r).cloned().collect() } else { &l | &r });
    }
    if !matches!(b.op, BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::EqRegex | BinaryOp::NotEqRegex) {
        return refuse("invalid tag comparison operator");
    }
    let Expr::VarRef(tag) = &b.lhs else {
        return refuse(format!("left side of '{}' must be a tag key", b.op.symbol()));
    };
    let is_regex = matches!(b.op, BinaryOp::EqRegex | BinaryOp::NotEqRegex);
    let wanted: Box<dyn Fn(&str) -> bool> = match &b.rhs {
        Expr::Regex(re) if is_regex => Box::new(|v| re.is_match(v)),
        Expr::String(s) if !is_regex => Box::new(move |v| v == s),
        _ if is_regex => {
            return refuse(format!("right side of '{}' must be a regular expression", b.op.symbol()));
        }
        _ => return refuse(format!("right side of '{}' must be a tag value string", b.op.symbol())),
    };
    let negative = matches!(b.op, BinaryOp::NotEq | BinaryOp::NotEqRegex);
    let has = |tables: &Vec<Arc<dyn Table>>| {
        let values: Vec<Arc<str>> = tables.iter().flat_map(|t| t.tag_values(&tag.name)).collect();
        !values.is_empty() && values.iter().any(|v| wanted(v)) != negative
    };
    let hit = |name: &Arc<str>, tables: &Vec<Arc<dyn Table>>| {
        if tag.name == "_name" { wanted(name) != negative } else { has(tables) }
    };
    Ok(all.iter().filter(|(name, tables)| hit(name, tables)).map(|(name, _)| Arc::clone(name)).collect())
}
