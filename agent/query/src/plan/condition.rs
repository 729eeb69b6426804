//! Splitting a WHERE clause into a time range and the rest.

use weir_influxql::ast::{BinaryOp, Expr};
use weir_model::time::{TIME_MAX, TIME_MIN};

use super::literal;
use super::reduce::{Known, reduce, reduce_inner};
use crate::error::{Result, fail, refuse};

/// A time range with open ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// First time.
    pub(crate) min: Option<i64>,
    /// Last time.
    pub(crate) max: Option<i64>,
}

impl Bounds {
    /// The times in both.
    pub(crate) fn intersect(self, other: Self) -> Self {
        let min = match (self.min, other.min) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        let max = match (self.max, other.max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { min, max }
    }
}

/// The condition without its time comparisons (`None` if nothing is left), and the time range.
///
/// Time ranges are intersected whether AND or OR joins them: 1.x knows no other kind.
pub(crate) fn split(condition: Option<&Expr>, known: Known<'_>) -> Result<(Option<Expr>, Bounds)> {
    let Some(condition) = condition else { return Ok((None, Bounds::default())) };
    let (rest, bounds) = split_inner(condition, known)?;
    let rest = match rest {
        Some(Expr::Paren(inner)) => Some(*inner),
        other => other,
    };
    Ok((rest.filter(|e| *e != Expr::Boolean(true)), bounds))
}

fn split_inner(condition: &Expr, known: Known<'_>) -> Result<(Option<Expr>, Bounds)> {
    match condition {
        Expr::Binary(b) if b.op.is_logical() => {
            let (lhs, left) = split_inner(&b.lhs, known)?;
            let (rhs, right) = split_inner(&b.rhs, known)?;
            let rest = match (lhs, rhs) {
                (Some(lhs), Some(rhs)) => Some(reduce_inner(Expr::binary(b.op, lhs, rhs), Known::default())),
                (lhs, rhs) => lhs.or(rhs),
            };
            Ok((rest, left.intersect(right)))
        }
        Expr::Binary(b) => {
            if is_time(&b.lhs) {
                return Ok((None, compare(b.op, &b.rhs, known)?));
            }
            if is_time(&b.rhs) {
                let op = match b.op {
                    BinaryOp::Gt => BinaryOp::Lt,
                    BinaryOp::Lt => BinaryOp::Gt,
                    BinaryOp::GtEq => BinaryOp::LtEq,
                    BinaryOp::LtEq => BinaryOp::GtEq,
                    op => op,
                };
                return Ok((None, compare(op, &b.lhs, known)?));
            }
            Ok((Some(reduce_inner(condition.clone(), known)), Bounds::default()))
        }
        Expr::Paren(inner) => {
            let (rest, bounds) = split_inner(inner, known)?;
            Ok((rest.map(|e| reduce_inner(Expr::Paren(Box::new(e)), Known::default())), bounds))
        }
        Expr::Boolean(_) => Ok((Some(condition.clone()), Bounds::default())),
        other => refuse(format!("invalid condition expression: {other}")),
    }
}

fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::VarRef(v) if v.is_time())
}

/// The times for which `time op rhs` holds.
fn compare(op: BinaryOp, rhs: &Expr, known: Known<'_>) -> Result<Bounds> {
    let rhs = match rhs {
        Expr::String(text) if literal::is_time(text) => {
            let ns = literal::parse_time(text, known.zone).ok_or_else(|| fail("invalid timestamp string"))?;
            if ns > i128::from(TIME_MAX) {
                return refuse(format!("time {} overflows time literal", literal::format_seconds(ns)));
            }
            // The least time is a mark of its own in 1.x.
            if ns < i128::from(TIME_MIN) + 1 {
                return refuse(format!("time {} underflows time literal", literal::format_seconds(ns)));
            }
            i64::try_from(ns).map(Expr::Time).map_err(|_| fail("invalid timestamp string"))?
        }
        other => reduce(other.clone(), known),
    };
    let at = match rhs {
        Expr::Time(ns) if ns > TIME_MAX => {
            return refuse(format!("time {} overflows time literal", literal::format_seconds(ns.into())));
        }
        Expr::Time(ns) if ns <= TIME_MIN => {
            return refuse(format!("time {} underflows time literal", literal::format_seconds(ns.into())));
        }
        Expr::Time(ns) | Expr::Duration(ns) | Expr::Integer(ns) => ns,
        Expr::Number(x) => x as i64,
        other => {
            return refuse(format!("invalid operation: time and {} are not compatible", go_type(&other)));
        }
    };
    Ok(match op {
        BinaryOp::Gt => Bounds { min: Some(at.saturating_add(1)), max: None },
        BinaryOp::GtEq => Bounds { min: Some(at), max: None },
        BinaryOp::Lt => Bounds { min: None, max: Some(at.saturating_sub(1)) },
        BinaryOp::LtEq => Bounds { min: None, max: Some(at) },
        BinaryOp::Eq => Bounds { min: Some(at), max: Some(at) },
        op => return refuse(format!("invalid time comparison operator: {}", op.symbol())),
    })
}

/// What 1.x calls this kind of expression in its errors.
pub(crate) fn go_type(expr: &Expr) -> &'static str {
    match expr {
        Expr::VarRef(_) => "*influxql.VarRef",
        Expr::Call(_) => "*influxql.Call",
        Expr::Binary(_) => "*influxql.BinaryExpr",
        Expr::Paren(_) => "*influxql.ParenExpr",
        Expr::Distinct(_) => "*influxql.Distinct",
        Expr::Wildcard(_) => "*influxql.Wildcard",
        Expr::Regex(_) => "*influxql.RegexLiteral",
        Expr::Number(_) => "*influxql.NumberLiteral",
        Expr::Integer(_) => "*influxql.IntegerLiteral",
        Expr::Unsigned(_) => "*influxql.UnsignedLiteral",
        Expr::String(_) => "*influxql.StringLiteral",
        Expr::Boolean(_) => "*influxql.BooleanLiteral",
        Expr::Duration(_) => "*influxql.DurationLiteral",
        Expr::Time(_) => "*influxql.TimeLiteral",
        Expr::BoundParameter(_) => "*influxql.BoundParameter",
    }
}
