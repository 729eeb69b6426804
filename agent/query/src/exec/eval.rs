//! Evaluating expressions over values, by the rules of InfluxDB 1.x.
//!
//! A null operand makes a result null (or a comparison false); division by zero is 0; integer `+ - *` wrap; in the SELECT list
//! a division of two integers is a float one, in a condition an integer one.

use weir_influxql::ast::{BinaryOp, Expr, VarRef};

use super::math;
use crate::result::Value;

/// Where references get their values from.
pub(crate) trait Scope {
    /// The value of a column; null if there is none.
    fn value(&self, column: &VarRef) -> Value;
}

/// How to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Division {
    /// `7 / 2` is 3.5.
    Float,
    /// `7 / 2` is 3.
    Integer,
}

/// Whether `expr` is true.
pub(crate) fn is_true(expr: &Expr, scope: &dyn Scope) -> bool {
    matches!(evaluate(expr, scope, Division::Integer), Value::Boolean(true))
}

/// The value of `expr`.
pub(crate) fn evaluate(expr: &Expr, scope: &dyn Scope, division: Division) -> Value {
    match expr {
        Expr::Binary(b) => {
            let lhs = evaluate(&b.lhs, scope, division);
            if let Expr::Regex(regex) = b.rhs.unparen() {
                return match (b.op, &lhs) {
                    (BinaryOp::EqRegex, Value::Str(s)) => Value::Boolean(regex.is_match(s)),
                    (BinaryOp::NotEqRegex, Value::Str(s)) => Value::Boolean(!regex.is_match(s)),
                    (op, _)
                        if op.is_comparison() && !matches!(op, BinaryOp::EqRegex | BinaryOp::NotEqRegex) =>
                    {
                        Value::Boolean(false)
                    }
                    _ => Value::Null,
                };
            }
            // Nothing on the right makes a false AND true.
            if b.op == BinaryOp::And && lhs == Value::Boolean(false) {
                return lhs;
            }
            binary(b.op, &lhs, &evaluate(&b.rhs, scope, division), division)
        }
        Expr::Paren(e) => evaluate(e, scope, division),
        Expr::VarRef(v) => scope.value(v),
        Expr::Number(x) => Value::Float(*x),
        Expr::Integer(x) => Value::Integer(*x),
        Expr::Unsigned(x) => Value::Unsigned(*x),
        Expr::String(s) => Value::Str(s.as_str().into()),
        Expr::Boolean(b) => Value::Boolean(*b),
        Expr::Call(c) => {
            let args: Vec<Value> = c.args.iter().map(|a| evaluate(a, scope, division)).collect();
            math::call(&c.name, &args)
        }
        _ => Value::Null,
    }
}

/// `lhs op rhs`.
pub(crate) fn binary(op: BinaryOp, lhs: &Value, rhs: &Value, division: Division) -> Value {
    use Value::{Boolean, Float, Integer, Null, Str, Unsigned};
    let value = match (lhs, rhs) {
        // A null fulfils no comparison; otherwise, beside a boolean, it counts as false.
        (Null, Boolean(_)) | (Boolean(_), Null) if op.is_comparison() => None,
        (Null, Boolean(b)) => booleans(op, false, *b),
        (Boolean(a), Null) => booleans(op, *a, false),
        (Boolean(a), Boolean(b)) => booleans(op, *a, *b),
        (Boolean(_), _)
            if matches!(
                op,
                BinaryOp::And | BinaryOp::Or | BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor
            ) =>
        {
            Some(Boolean(false))
        }
        (Float(a), Float(b)) => floats(op, *a, *b),
        (Float(a), Integer(b)) => floats(op, *a, *b as f64),
        (Float(a), Unsigned(b)) => floats(op, *a, *b as f64),
        (Integer(a), Float(b)) => floats(op, *a as f64, *b),
        (Unsigned(a), Float(b)) => floats(op, *a as f64, *b),
        (Integer(a), Integer(b)) => integers(op, *a, *b, division),
        (Integer(a), Unsigned(b)) => match op {
            BinaryOp::Lt | BinaryOp::LtEq if *a < 0 => Some(Boolean(true)),
            BinaryOp::Gt | BinaryOp::GtEq if *a < 0 => Some(Boolean(false)),
            _ => unsigned(op, *a as u64, *b),
        },
        (Unsigned(a), Integer(b)) => match op {
            BinaryOp::Lt | BinaryOp::LtEq if *b < 0 => Some(Boolean(false)),
            BinaryOp::Gt | BinaryOp::GtEq if *b < 0 => Some(Boolean(true)),
            _ => unsigned(op, *a, *b as u64),
        },
        (Unsigned(a), Unsigned(b)) => unsigned(op, *a, *b),
        (Str(a), Str(b)) => match op {
            BinaryOp::Eq => Some(Boolean(a == b)),
            BinaryOp::NotEq => Some(Boolean(a != b)),
            _ => None,
        },
        _ => None,
    };
    match value {
        Some(value) => value,
        None if op.is_comparison() && !matches!(op, BinaryOp::EqRegex | BinaryOp::NotEqRegex) => {
            Boolean(false)
        }
        None => Null,
    }
}

fn booleans(op: BinaryOp, a: bool, b: bool) -> Option<Value> {
    Some(Value::Boolean(match op {
        BinaryOp::And | BinaryOp::BitAnd => a && b,
        BinaryOp::Or | BinaryOp::BitOr => a || b,
        BinaryOp::BitXor | BinaryOp::NotEq => a != b,
        BinaryOp::Eq => a == b,
        _ => return None,
    }))
}

fn compare<T: PartialOrd>(op: BinaryOp, a: &T, b: &T) -> Option<Value> {
    Some(Value::Boolean(match op {
        BinaryOp::Eq => a == b,
        BinaryOp::NotEq => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::LtEq => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::GtEq => a >= b,
        _ => return None,
    }))
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Option<Value> {
    Some(Value::Float(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div if b == 0.0 => 0.0,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        _ => return compare(op, &a, &b),
    }))
}

fn integers(op: BinaryOp, a: i64, b: i64, division: Division) -> Option<Value> {
    Some(Value::Integer(match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div if division == Division::Float => {
            return Some(Value::Float(if b == 0 { 0.0 } else { a as f64 / b as f64 }));
        }
        BinaryOp::Div if b == 0 => 0,
        BinaryOp::Div => a.wrapping_div(b),
        BinaryOp::Mod if b == 0 => 0,
        BinaryOp::Mod => a.wrapping_rem(b),
        BinaryOp::BitAnd => a & b,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        _ => return compare(op, &a, &b),
    }))
}

fn unsigned(op: BinaryOp, a: u64, b: u64) -> Option<Value> {
    Some(Value::Unsigned(match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.checked_div(b).unwrap_or(0),
        BinaryOp::Mod => a.checked_rem(b).unwrap_or(0),
        BinaryOp::BitAnd => a & b,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        _ => return compare(op, &a, &b),
    }))
}
