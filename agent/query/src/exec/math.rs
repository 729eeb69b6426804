//! The mathematical functions.

use crate::result::Value;

/// Whether `name` is one of them.
pub(crate) fn is_math(name: &str) -> bool {
    matches!(
        name,
        "abs"
            | "sin"
            | "cos"
            | "tan"
            | "asin"
            | "acos"
            | "atan"
            | "atan2"
            | "exp"
            | "log"
            | "ln"
            | "log2"
            | "log10"
            | "sqrt"
            | "pow"
            | "floor"
            | "ceil"
            | "round"
    )
}

/// The value of `name(args)`; null where an argument is none.
pub(crate) fn call(name: &str, args: &[Value]) -> Value {
    match args {
        [x] => unary(name, x),
        [x, y] => match (number(x), number(y)) {
            (Some(x), Some(y)) => match name {
                "atan2" => Value::Float(x.atan2(y)),
                "log" => Value::Float(x.ln() / y.ln()),
                "pow" => Value::Float(x.powf(y)),
                _ => Value::Null,
            },
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

fn unary(name: &str, x: &Value) -> Value {
    match (name, x) {
        ("abs", Value::Integer(x)) => return Value::Integer(x.wrapping_abs()),
        ("abs" | "floor" | "ceil" | "round", Value::Integer(_) | Value::Unsigned(_)) => return x.clone(),
        _ => {}
    }
    let Some(x) = number(x) else { return Value::Null };
    Value::Float(match name {
        "abs" => x.abs(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "exp" => x.exp(),
        "ln" => x.ln(),
        "log2" => x.log2(),
        "log10" => x.log10(),
        "sqrt" => x.sqrt(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        "round" => x.round(),
        _ => return Value::Null,
    })
}

/// The value as a float, if it is a number.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Integer(x) => Some(*x as f64),
        Value::Unsigned(x) => Some(*x as f64),
        _ => None,
    }
}
