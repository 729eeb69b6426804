//! Checking a SELECT that needs no data: clauses, functions, the time range.
//!
//! What 1.x refuses before it looks at any measurement is refused here, with the same texts and in the same order.

use weir_influxql::ast::{Call, Expr, Fill, Measurement, SelectStatement, Source};
use weir_model::time::{TIME_MAX, TIME_MIN};

use super::condition::{self, Bounds};
use super::functions::FieldCheck;
use super::literal;
use super::reduce::{Known, reduce};
use crate::error::{Result, refuse};
use crate::exec::math;
use crate::result::Zone;

/// A checked SELECT.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// The statement: without `time` in the SELECT list, `DISTINCT x` as a call, constants computed, sources emptied.
    pub(crate) statement: SelectStatement,
    /// Sources.
    pub(crate) sources: Vec<CompiledSource>,
    /// Name of the time column.
    pub(crate) time_name: String,
    /// The condition without time.
    pub(crate) condition: Option<Expr>,
    /// Time range written in the statement itself.
    pub(crate) own_bounds: Bounds,
    /// First time, after defaults and the outer statement.
    pub(crate) start: i64,
    /// Last time.
    pub(crate) end: i64,
    /// Length of a bucket; 0 = none.
    pub(crate) every: i64,
    /// Shift of buckets.
    pub(crate) offset: i64,
    /// Whether the buckets are the outer statement's.
    pub(crate) inherited: bool,
    /// Whether rows come oldest first.
    pub(crate) ascending: bool,
    /// Zone of `tz()`.
    pub(crate) zone: Option<Zone>,
}

/// One source of a checked SELECT.
#[derive(Clone, Debug)]
pub(crate) enum CompiledSource {
    /// Measurements.
    Measurement(Measurement),
    /// A subquery.
    Subquery(Box<Compiled>),
}

/// Facts gathered over the SELECT list.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) calls: usize,
    pub(crate) aggregates: bool,
    pub(crate) distinct: bool,
    pub(crate) columns: bool,
    pub(crate) top_bottom: Option<String>,
    pub(crate) fields: usize,
}

/// Checks `select` at time `now`.
pub(crate) fn compile(select: &SelectStatement, now: i64) -> Result<Compiled> {
    let mut compiled = preprocess(select, now)?;
    compiled.start = compiled.own_bounds.min.unwrap_or(TIME_MIN);
    // With buckets the future is left out, so that fill() ends somewhere.
    let last = if compiled.every != 0 { now } else { TIME_MAX };
    compiled.end = compiled.own_bounds.max.unwrap_or(last);
    finish(&mut compiled, select, now)?;
    Ok(compiled)
}

/// A time written as text shifts no buckets; 1.x says so after all its other checks, those of types among them.
pub(crate) fn check_offsets(compiled: &Compiled) -> Result<()> {
    for dimension in &compiled.statement.dimensions {
        if let Expr::Call(Call { args, .. }) = &dimension.0
            && let Some(shift @ Expr::String(_)) = args.get(1)
        {
            return refuse(format!("invalid time dimension offset: {shift}"));
        }
    }
    compiled.sources.iter().try_for_each(|source| match source {
        CompiledSource::Subquery(inner) => check_offsets(inner),
        CompiledSource::Measurement(_) => Ok(()),
    })
}

fn preprocess(select: &SelectStatement, now: i64) -> Result<Compiled> {
    let zone = select.tz.as_deref().and_then(Zone::named);
    let known = Known { now: Some(now), zone: zone.as_ref(), math: false };
    let (condition, own_bounds) = condition::split(select.condition.as_ref(), known)?;
    if let Some(condition) = &condition {
        check_condition(condition)?;
    }
    let (every, offset) = interval(select, now, zone.as_ref())?;
    Ok(Compiled {
        statement: SelectStatement { sources: Vec::new(), ..select.clone() },
        sources: Vec::new(),
        time_name: "time".to_owned(),
        condition,
        own_bounds,
        start: TIME_MIN,
        end: TIME_MAX,
        every,
        offset,
        inherited: false,
        ascending: select.is_ascending(),
        zone,
    })
}

fn finish(compiled: &mut Compiled, select: &SelectStatement, now: i64) -> Result<()> {
    let mut facts = Facts::default();
    let mut fields = Vec::new();
    for field in &select.fields {
        if let Expr::VarRef(v) = &field.expr
            && v.name == "time"
        {
            if let Some(alias) = &field.alias {
                compiled.time_name.clone_from(alias);
            }
            continue;
        }
        let mut field = field.clone();
        field.expr = reduce(field.expr, Known { now: None, zone: None, math: true });
        facts.fields += 1;
        FieldCheck {
            facts: &mut facts,
            has_interval: compiled.every != 0,
            inherited: compiled.inherited,
            limit: select.limit,
            has_target: select.target.is_some(),
            allow_wildcard: true,
        }
        .expr(&field.expr)?;
        field.expr = distinct_as_call(field.expr);
        fields.push(field);
    }
    compiled.statement.fields = fields;
    validate(compiled, &facts)?;
    for source in &select.sources {
        compiled.sources.push(match source {
            Source::Measurement(m) => CompiledSource::Measurement(m.clone()),
            Source::Subquery(s) => CompiledSource::Subquery(Box::new(subquery(compiled, s, now)?)),
        });
    }
    Ok(())
}

fn subquery(outer: &Compiled, select: &SelectStatement, now: i64) -> Result<Compiled> {
    let mut inner = preprocess(select, now)?;
    if select.order_by.is_some() && inner.ascending != outer.ascending {
        return refuse("subqueries must be ordered in the same direction as the query itself");
    }
    inner.ascending = outer.ascending;
    // Nulls never reach the outer statement.
    if inner.every != 0 && inner.statement.fill == Fill::Null {
        inner.statement.fill = Fill::None;
    }
    inner.start = inner.own_bounds.min.unwrap_or(TIME_MIN).max(outer.start);
    inner.end = inner.own_bounds.max.unwrap_or(TIME_MAX).min(outer.end);
    if outer.every != 0 && inner.every == 0 {
        inner.every = outer.every;
        inner.offset = outer.offset;
        inner.inherited = true;
    }
    finish(&mut inner, select, now)?;
    Ok(inner)
}

fn validate(compiled: &Compiled, facts: &Facts) -> Result<()> {
    if facts.fields == 0 {
        return refuse("at least 1 non-time field must be queried");
    }
    if facts.calls > 1
        && let Some(name) = &facts.top_bottom
    {
        return refuse(format!("selector function {name}() cannot be combined with other functions"));
    }
    if facts.calls == 0 {
        match compiled.statement.fill {
            Fill::None => return refuse("fill(none) must be used with a function"),
            Fill::Linear => return refuse("fill(linear) must be used with a function"),
            _ => {}
        }
        if compiled.every != 0 && !compiled.inherited {
            return refuse("GROUP BY requires at least one aggregate function");
        }
    }
    if facts.distinct && (facts.calls != 1 || facts.columns) {
        return refuse("aggregate function distinct() cannot be combined with other functions or fields");
    }
    if facts.columns {
        if facts.aggregates {
            return refuse("mixing aggregate and non-aggregate queries is not supported");
        }
        if facts.calls > 1 {
            return refuse("mixing multiple selector functions with tags or fields is not supported");
        }
    }
    Ok(())
}

/// `DISTINCT x` as `distinct(x)`, also as an argument.
fn distinct_as_call(expr: Expr) -> Expr {
    weir_influxql::walk::rewrite_expr(expr, &mut |e| match e {
        Expr::Distinct(name) => Expr::Call(Call { name: "distinct".to_owned(), args: vec![Expr::var(name)] }),
        other => other,
    })
}

/// Functions in a condition must be mathematical ones.
fn check_condition(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Binary(b) => {
            check_condition(&b.lhs)?;
            check_condition(&b.rhs)
        }
        Expr::Call(call) => {
            if !math::is_math(&call.name) {
                return refuse(format!("invalid function call in condition: {expr}"));
            }
            let wanted = if matches!(call.name.as_str(), "atan2" | "pow") { 2 } else { 1 };
            if call.args.len() != wanted {
                return refuse(format!(
                    "invalid number of arguments for {}, expected {wanted}, got {}",
                    call.name,
                    call.args.len()
                ));
            }
            call.args.iter().try_for_each(check_condition)
        }
        _ => Ok(()),
    }
}

/// Length and shift of the buckets of GROUP BY time().
fn interval(select: &SelectStatement, now: i64, zone: Option<&Zone>) -> Result<(i64, i64)> {
    let mut every = 0;
    let mut offset = 0;
    for dimension in &select.dimensions {
        match reduce(dimension.0.clone(), Known::default()) {
            Expr::VarRef(v) if v.is_time() => {
                return refuse("time() is a function and expects at least one argument");
            }
            Expr::VarRef(_) | Expr::Wildcard(_) | Expr::Regex(_) => {}
            Expr::Call(call) => {
                if call.name != "time" {
                    return refuse("only time() calls allowed in dimensions");
                }
                if call.args.is_empty() || call.args.len() > 2 {
                    return refuse("time dimension expected 1 or 2 arguments");
                }
                let Some(Expr::Duration(length)) = call.args.first() else {
                    return refuse("time dimension must have duration argument");
                };
                if every != 0 {
                    return refuse("multiple time dimensions not allowed");
                }
                every = *length;
                if let Some(shift) = call.args.get(1) {
                    offset = shift_of(shift, every, now, zone)?;
                }
            }
            _ => return refuse("only time and tag dimensions allowed"),
        }
    }
    // A length that is not positive makes no buckets.
    if every <= 0 { Ok((0, 0)) } else { Ok((every, offset)) }
}

fn shift_of(shift: &Expr, every: i64, now: i64, zone: Option<&Zone>) -> Result<i64> {
    const WRONG: &str = "time dimension offset must be duration or now()";
    if every <= 0 {
        return Ok(0);
    }
    match shift {
        Expr::Duration(d) => Ok(d % every),
        Expr::Time(t) => Ok(t.rem_euclid(every)),
        Expr::Call(call) if call.name != "now" => refuse("time dimension offset function must be now()"),
        Expr::Call(call) if !call.args.is_empty() => {
            refuse("time dimension offset now() function requires no arguments")
        }
        Expr::Call(_) => Ok(now.rem_euclid(every)),
        Expr::String(text) if literal::is_time(text) => match literal::parse_time(text, zone) {
            Some(t) => Ok(i64::try_from(t.rem_euclid(i128::from(every))).unwrap_or(0)),
            None => refuse("invalid timestamp string"),
        },
        _ => refuse(WRONG),
    }
}
