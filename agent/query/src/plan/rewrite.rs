//! Expanding wildcards and writing types to columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_influxql::ast::{Call, DataType, Dimension, Expr, Field, VarRef, WildcardKind};
use weir_influxql::walk::{any_expr, rewrite_expr};

use super::prepare::InputSchema;
use super::types::{Schema, Type};
use crate::error::{Result, refuse};

/// The SELECT list and the condition with a type at each column that has one, and the tags of GROUP BY; no wildcards.
pub(crate) fn rewrite(
    fields: &[Field],
    dimensions: &[Dimension],
    condition: Option<Expr>,
    schema: &InputSchema<'_>,
) -> Result<(Vec<Field>, Vec<Arc<str>>, Option<Expr>)> {
    let fields: Vec<Field> = fields
        .iter()
        .map(|f| Field { expr: typed(f.expr.clone(), schema), alias: f.alias.clone() })
        .collect();
    let condition = condition.map(|c| typed(c, schema));
    let is_wild = |e: &Expr| matches!(e, Expr::Wildcard(_) | Expr::Regex(_));
    let wild_fields = fields.iter().any(|f| any_expr(&f.expr, &mut |e| is_wild(e)));
    let wild_dimensions = dimensions.iter().any(|d| is_wild(&d.0));
    let mut tags: BTreeSet<Arc<str>> = BTreeSet::new();
    for dimension in dimensions {
        if let Expr::VarRef(v) = &dimension.0 {
            tags.insert(v.name.as_str().into());
        }
    }
    if !wild_fields && !wild_dimensions {
        return Ok((fields, tags.into_iter().collect(), condition));
    }
    let (all_fields, all_tags) = schema.all();
    let mut columns: Vec<(Arc<str>, Type)> = Vec::new();
    // A measurement without fields has no columns at all.
    if !all_fields.is_empty() {
        columns.extend(all_fields);
        if !wild_dimensions {
            let free = all_tags.iter().filter(|t| !tags.contains(*t));
            columns.extend(free.map(|t| (Arc::clone(t), Some(DataType::Tag))));
        }
        columns.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| order(a.1).cmp(&order(b.1))));
    }
    let mut expanded = Vec::with_capacity(fields.len() + columns.len());
    for field in fields {
        expand(field, &columns, &mut expanded)?;
    }
    for dimension in dimensions {
        match &dimension.0 {
            Expr::Wildcard(_) => tags.extend(all_tags.iter().cloned()),
            Expr::Regex(re) => tags.extend(all_tags.iter().filter(|t| re.is_match(t)).cloned()),
            _ => {}
        }
    }
    Ok((expanded, tags.into_iter().collect(), condition))
}

/// Place of a type among columns of one name.
const fn order(t: Type) -> u8 {
    match t {
        None => 0,
        Some(DataType::Tag) => 2,
        Some(_) => 1,
    }
}

fn typed(expr: Expr, schema: &InputSchema<'_>) -> Expr {
    rewrite_expr(expr, &mut |e| match e {
        Expr::VarRef(VarRef { name, cast }) if cast.is_none_or(|c| c == DataType::AnyField) => {
            let found = schema.column_type(&name);
            // `k::field` does not mean a tag.
            let cast = if found == Some(DataType::Tag) && cast.is_some() { cast } else { found.or(cast) };
            Expr::VarRef(VarRef { name, cast })
        }
        other => other,
    })
}

fn column(name: &Arc<str>, t: Type) -> Expr {
    Expr::VarRef(VarRef { name: name.to_string(), cast: t })
}

fn expand(field: Field, columns: &[(Arc<str>, Type)], out: &mut Vec<Field>) -> Result<()> {
    match &field.expr {
        Expr::Wildcard(kind) => {
            for (name, t) in columns {
                let is_tag = *t == Some(DataType::Tag);
                if matches!(
                    (kind, is_tag),
                    (Some(WildcardKind::Field), true) | (Some(WildcardKind::Tag), false)
                ) {
                    continue;
                }
                out.push(Field { expr: column(name, *t), alias: None });
            }
        }
        Expr::Regex(re) => {
            let matching = columns.iter().filter(|(name, _)| re.is_match(name));
            out.extend(matching.map(|(name, t)| Field { expr: column(name, *t), alias: None }));
        }
        Expr::Call(call) => expand_call(&field, call, columns, out)?,
        Expr::Binary(_) => {
            if any_expr(&field.expr, &mut |e| matches!(e, Expr::Wildcard(_))) {
                return refuse(format!("unsupported expression with wildcard: {}", field.expr));
            }
            if any_expr(&field.expr, &mut |e| matches!(e, Expr::Regex(_))) {
                return refuse(format!("unsupported expression with regex field: {}", field.expr));
            }
            out.push(field);
        }
        _ => out.push(field),
    }
    Ok(())
}

/// `f(*)` and `f(/x/)`, also inside other calls, make one field for each column that `f` can work on.
fn expand_call(field: &Field, call: &Call, columns: &[(Arc<str>, Type)], out: &mut Vec<Field>) -> Result<()> {
    let mut innermost = call;
    while let Some(Expr::Call(inner)) = innermost.args.first() {
        innermost = inner;
    }
    let pattern = match innermost.args.first() {
        Some(Expr::Wildcard(Some(WildcardKind::Tag))) => {
            return refuse(format!("unable to use tag wildcard in {}()", innermost.name));
        }
        Some(Expr::Wildcard(_)) => None,
        Some(Expr::Regex(re)) => Some(re),
        _ => {
            out.push(field.clone());
            return Ok(());
        }
    };
    let name = innermost.name.as_str();
    let strings = matches!(name, "count" | "first" | "last" | "distinct" | "elapsed" | "mode" | "sample");
    let booleans = strings || matches!(name, "min" | "max");
    let unsigned = !name.starts_with("holt_winters");
    for (column_name, t) in columns {
        let fits = match t {
            Some(DataType::Float | DataType::Integer) => true,
            Some(DataType::Unsigned) => unsigned,
            Some(DataType::String) => strings,
            Some(DataType::Boolean) => booleans,
            _ => false,
        };
        if !fits || pattern.is_some_and(|re| !re.is_match(column_name)) {
            continue;
        }
        let copy = with_column(call, &column(column_name, *t));
        out.push(Field { expr: Expr::Call(copy), alias: Some(format!("{}_{column_name}", field.name())) });
    }
    Ok(())
}

/// `call` with `column` as the first argument of its innermost call.
fn with_column(call: &Call, column: &Expr) -> Call {
    let mut args = call.args.clone();
    if let Some(first) = args.first_mut() {
        *first = match first {
            Expr::Call(inner) => Expr::Call(with_column(inner, column)),
            _ => column.clone(),
        };
    }
    Call { name: call.name.clone(), args }
}
