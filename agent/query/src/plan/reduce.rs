//! Computing the constant parts of an expression.

use weir_influxql::ast::{BinaryOp, Call, Expr};

use super::literal;
use crate::exec::{eval, math};
use crate::result::{Value, Zone};

/// What is known while reducing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The time of the query, for `now()`; `None` leaves calls of it alone.
    pub(crate) now: Option<i64>,
    /// Zone of times written without one.
    pub(crate) zone: Option<&'a Zone>,
    /// Whether mathematical functions of constants are computed.
    pub(crate) math: bool,
}

/// `expr` with its constant parts computed and without parentheses around the whole.
pub(crate) fn reduce(expr: Expr, known: Known<'_>) -> Expr {
    match reduce_inner(expr, known) {
        Expr::Paren(inner) => *inner,
        other => other,
    }
}

/// As [`reduce`], but parentheses around an operation stay.
pub(crate) fn reduce_inner(expr: Expr, known: Known<'_>) -> Expr {
    match expr {
        Expr::Binary(b) => {
            let b = *b;
            let lhs = reduce_inner(b.lhs, known);
            let rhs = reduce_inner(b.rhs, known);
            operation(b.op, lhs, rhs, known)
        }
        Expr::Paren(inner) => match reduce_inner(*inner, known) {
            operation @ Expr::Binary(_) => Expr::Paren(Box::new(operation)),
            other => other,
        },
        Expr::Call(c) => {
            let args: Vec<Expr> = c.args.into_iter().map(|a| reduce_inner(a, known)).collect();
            if let (Some(now), "now", []) = (known.now, c.name.as_str(), args.as_slice()) {
                return Expr::Time(now);
            }
            if known.math && math::is_math(&c.name) && args.iter().all(is_literal) {
                let values: Vec<Value> = args.iter().map(value).collect();
                if let Some(literal) = as_literal(math::call(&c.name, &values)) {
                    return literal;
                }
            }
            Expr::Call(Call { name: c.name, args })
        }
        other => other,
    }
}

/// Whether `expr` is a literal.
pub(crate) fn is_literal(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Number(_)
            | Expr::Integer(_)
            | Expr::Unsigned(_)
            | Expr::String(_)
            | Expr::Boolean(_)
            | Expr::Duration(_)
            | Expr::Time(_)
            | Expr::Regex(_)
    )
}

fn value(expr: &Expr) -> Value {
    match expr {
        Expr::Number(x) => Value::Float(*x),
        Expr::Integer(x) => Value::Integer(*x),
        Expr::Unsigned(x) => Value::Unsigned(*x),
        Expr::String(s) => Value::Str(s.as_str().into()),
        Expr::Boolean(b) => Value::Boolean(*b),
        _ => Value::Null,
    }
}

fn as_literal(value: Value) -> Option<Expr> {
    Some(match value {
        Value::Float(x) => Expr::Number(x),
        Value::Integer(x) => Expr::Integer(x),
        Value::Unsigned(x) => Expr::Unsigned(x),
        Value::Boolean(b) => Expr::Boolean(b),
        _ => return None,
    })
}

fn operation(op: BinaryOp, lhs: Expr, rhs: Expr, known: Known<'_>) -> Expr {
    match (op, &lhs, &rhs) {
        (BinaryOp::And, Expr::Boolean(false), _) | (BinaryOp::And, _, Expr::Boolean(false)) => {
            return Expr::Boolean(false);
        }
        (BinaryOp::Or, Expr::Boolean(true), _) | (BinaryOp::Or, _, Expr::Boolean(true)) => {
            return Expr::Boolean(true);
        }
        (BinaryOp::And, Expr::Boolean(true), _) | (BinaryOp::Or, Expr::Boolean(false), _) => return rhs,
        (BinaryOp::And, _, Expr::Boolean(true)) | (BinaryOp::Or, _, Expr::Boolean(false)) => return lhs,
        _ => {}
    }
    literals(op, &lhs, &rhs, known).unwrap_or_else(|| Expr::binary(op, lhs, rhs))
}

fn time_of(text: &str, known: Known<'_>) -> Option<i64> {
    if !literal::is_time(text) {
        return None;
    }
    i64::try_from(literal::parse_time(text, known.zone)?).ok()
}

/// The result of an operation between two literals, if it has one.
fn literals(op: BinaryOp, lhs: &Expr, rhs: &Expr, known: Known<'_>) -> Option<Expr> {
    use Expr::{Boolean, Duration, Integer, Number, String, Time, Unsigned};
    match (lhs, rhs) {
        (Boolean(_), Boolean(_))
        | (Number(_) | Integer(_) | Unsigned(_), Number(_) | Integer(_) | Unsigned(_)) => {
            // Bit operations do not mix signs, and are no matter for floats.
            let mixed = matches!((lhs, rhs), (Unsigned(_), _) | (_, Unsigned(_)));
            if mixed && matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor) {
                return None;
            }
            as_literal(eval::binary(op, &value(lhs), &value(rhs), eval::Division::Float))
        }
        (Duration(a), Duration(b)) => Some(match op {
            BinaryOp::Add => Duration(a.wrapping_add(*b)),
            BinaryOp::Sub => Duration(a.wrapping_sub(*b)),
            _ => return comparison(op, a, b),
        }),
        (Duration(a), Number(b)) => scale(op, *a, *b as i64, *b == 0.0),
        (Duration(a), Integer(b)) => scale(op, *a, *b, *b == 0),
        (Duration(a), Time(b)) if op == BinaryOp::Add => Some(Time(a.saturating_add(*b))),
        (Duration(_), String(s)) => literals(op, lhs, &Time(time_of(s, known)?), known),
        (Integer(a), Duration(b)) => match op {
            BinaryOp::Add => Some(Time(a.saturating_add(*b))),
            BinaryOp::Sub => Some(Time(a.saturating_sub(*b))),
            _ => None,
        },
        (Integer(a), Time(_)) => literals(op, &Duration(*a), rhs, known),
        (Integer(a), String(s)) => literals(op, &Duration(*a), &Time(time_of(s, known)?), known),
        (String(a), String(b)) => match (op, time_of(a, known), time_of(b, known)) {
            (BinaryOp::Add, ..) => Some(String(format!("{a}{b}"))),
            (BinaryOp::Eq | BinaryOp::NotEq, Some(x), Some(y)) => comparison(op, &x, &y),
            (BinaryOp::Eq | BinaryOp::NotEq, ..) => comparison(op, a, b),
            (_, Some(x), Some(_)) => literals(op, &Time(x), rhs, known),
            _ => None,
        },
        (String(s), Duration(_) | Time(_) | Integer(_)) => {
            literals(op, &Time(time_of(s, known)?), rhs, known)
        }
        (Time(a), Duration(b) | Integer(b)) => match op {
            BinaryOp::Add => Some(Time(a.saturating_add(*b))),
            BinaryOp::Sub => Some(Time(a.saturating_sub(*b))),
            _ => None,
        },
        (Time(a), Time(b)) => match op {
            BinaryOp::Sub => Some(Duration(a.saturating_sub(*b))),
            _ => comparison(op, a, b),
        },
        (Time(_), String(s)) => literals(op, lhs, &Time(time_of(s, known)?), known),
        _ => None,
    }
}

fn scale(op: BinaryOp, a: i64, b: i64, zero: bool) -> Option<Expr> {
    match op {
        BinaryOp::Mul => Some(Expr::Duration(a.wrapping_mul(b))),
        BinaryOp::Div if zero || b == 0 => Some(Expr::Duration(0)),
        BinaryOp::Div => Some(Expr::Duration(a.wrapping_div(b))),
        _ => None,
    }
}

fn comparison<T: PartialOrd>(op: BinaryOp, a: &T, b: &T) -> Option<Expr> {
    Some(Expr::Boolean(match op {
        BinaryOp::Eq => a == b,
        BinaryOp::NotEq => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::LtEq => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::GtEq => a >= b,
        _ => return None,
    }))
}
