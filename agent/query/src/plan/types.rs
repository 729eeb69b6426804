//! Types of columns and expressions.

use weir_influxql::ast::{BinaryOp, Call, DataType, Expr, VarRef};
use weir_model::FieldType;

use super::reduce::is_literal;
use crate::error::{Result, refuse};
use crate::exec::eval::{Division, binary};
use crate::exec::math;
use crate::result::Value;

/// The type of something; `None` if it is unknown.
pub(crate) type Type = Option<DataType>;

/// As a type of a column.
pub(crate) const fn of_field(field: FieldType) -> DataType {
    match field {
        FieldType::Float => DataType::Float,
        FieldType::Integer => DataType::Integer,
        FieldType::Unsigned => DataType::Unsigned,
        FieldType::Boolean => DataType::Boolean,
        FieldType::String => DataType::String,
    }
}

/// Whether a column that has both types (in different places) is taken for the second.
pub(crate) fn gives_way(to: Type, from: Type) -> bool {
    const fn rank(t: Type) -> u8 {
        match t {
            None => 0,
            Some(DataType::Float) => 1,
            Some(DataType::Integer) => 2,
            Some(DataType::String) => 3,
            Some(DataType::Boolean) => 4,
            Some(DataType::Tag) => 7,
            Some(DataType::AnyField) => 8,
            Some(DataType::Unsigned) => 9,
        }
    }
    match (from, to) {
        (None, _) => true,
        (_, None) => false,
        (Some(DataType::Unsigned), to) => rank(to) <= 2,
        (from, Some(DataType::Unsigned)) => rank(from) >= 3,
        (from, to) => rank(to) < rank(from),
    }
}

/// Finds the types of columns.
pub(crate) trait Schema {
    /// Type of the column `name`, whatever cast it carries.
    fn column_type(&self, name: &str) -> Type;
}

/// Knows no column.
pub(crate) struct NoSchema;

impl Schema for NoSchema {
    fn column_type(&self, _: &str) -> Type {
        None
    }
}

/// Type of `expr`.
///
/// # Errors
/// The 1.x text when operands or arguments do not fit.
pub(crate) fn type_of(expr: &Expr, schema: &dyn Schema) -> Result<Type> {
    Ok(match expr {
        Expr::VarRef(VarRef { cast: Some(t), .. }) if *t != DataType::AnyField => Some(*t),
        Expr::VarRef(v) => schema.column_type(&v.name),
        Expr::Call(call) => {
            let args = call.args.iter().map(|a| type_of(a, schema)).collect::<Result<Vec<_>>>()?;
            call_type(call, &args)
        }
        Expr::Binary(b) => {
            let lhs = type_of(&b.lhs, schema)?;
            let rhs = type_of(&b.rhs, schema)?;
            operation_type(expr, b.op, (&b.lhs, lhs), (&b.rhs, rhs))?
        }
        Expr::Paren(inner) => type_of(inner, schema)?,
        Expr::Number(_) => Some(DataType::Float),
        Expr::Integer(_) => Some(DataType::Integer),
        Expr::Unsigned(_) => Some(DataType::Unsigned),
        Expr::String(_) => Some(DataType::String),
        Expr::Boolean(_) => Some(DataType::Boolean),
        _ => None,
    })
}

fn operation_type(whole: &Expr, op: BinaryOp, lhs: (&Expr, Type), rhs: (&Expr, Type)) -> Result<Type> {
    let wrong = |why: String| refuse(format!("type error: {whole}: {why}"));
    let mixed = match (lhs.1, rhs.1) {
        (Some(DataType::Unsigned), Some(DataType::Integer)) => Some((lhs.0, rhs.0)),
        (Some(DataType::Integer), Some(DataType::Unsigned)) => Some((rhs.0, lhs.0)),
        _ => None,
    };
    if let Some((unsigned, integer)) = mixed {
        if is_literal(unsigned) {
            return wrong(format!("cannot use {} with an integer and unsigned literal", op.symbol()));
        }
        if !is_literal(integer) {
            return wrong(format!(
                "cannot use {} between an integer and unsigned, an explicit cast is required",
                op.symbol()
            ));
        }
    }
    let (Some(a), Some(b)) = (lhs.1, rhs.1) else { return Ok(lhs.1.or(rhs.1)) };
    let result = match binary(op, &zero(a), &zero(b), Division::Integer) {
        Value::Float(_) => DataType::Float,
        Value::Integer(_) => DataType::Integer,
        Value::Unsigned(_) => DataType::Unsigned,
        Value::Boolean(_) => DataType::Boolean,
        Value::Str(_) => DataType::String,
        Value::Null | Value::Time(_) => {
            return wrong(format!("incompatible types: {} and {}", a.name(), b.name()));
        }
    };
    Ok(Some(result))
}

fn zero(t: DataType) -> Value {
    match t {
        DataType::Float => Value::Float(0.0),
        DataType::Integer => Value::Integer(0),
        DataType::Unsigned => Value::Unsigned(0),
        DataType::String | DataType::Tag => Value::Str("".into()),
        DataType::Boolean => Value::Boolean(false),
        DataType::AnyField => Value::Null,
    }
}

fn call_type(call: &Call, args: &[Type]) -> Type {
    let first = args.first().copied().flatten();
    match call.name.as_str() {
        "mean"
        | "median"
        | "integral"
        | "stddev"
        | "derivative"
        | "non_negative_derivative"
        | "moving_average"
        | "holt_winters"
        | "holt_winters_with_fit" => Some(DataType::Float),
        "count" | "elapsed" => Some(DataType::Integer),
        name if name.ends_with("moving_average")
            || name.starts_with("kaufmans")
            || matches!(
                name,
                "relative_strength_index" | "triple_exponential_derivative" | "chande_momentum_oscillator"
            ) =>
        {
            Some(DataType::Float)
        }
        // Of an unknown column.
        name if first.is_none()
            && math::is_math(name)
            && !matches!(name, "abs" | "ceil" | "floor" | "round") =>
        {
            Some(DataType::Float)
        }
        _ => first,
    }
}
