//! Which rows of a block fulfil a condition.
//!
//! Comparisons of a numeric column with a constant run over the whole column; everything else is evaluated row by row.

use weir_influxql::ast::{BinaryOp, DataType, Expr, VarRef};
use weir_model::read::Values;

use super::block::{Col, Ref};
use super::eval::{self, Scope};
use crate::result::Value;

/// A condition bound to the columns of blocks.
#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    /// All hold.
    And(Vec<Predicate>),
    /// One holds.
    Or(Vec<Predicate>),
    /// A column compared with a float, for columns of floats.
    Float(usize, BinaryOp, f64),
    /// A column compared with an integer, for columns of integers.
    Integer(usize, BinaryOp, i64),
    /// Anything else.
    Rows(Expr),
}

impl Predicate {
    /// Binds `expr` to the columns `refs`.
    pub(crate) fn new(expr: &Expr, refs: &[Ref]) -> Self {
        match expr {
            Expr::Paren(inner) => Self::new(inner, refs),
            Expr::Binary(b) if b.op == BinaryOp::And => {
                Self::And(vec![Self::new(&b.lhs, refs), Self::new(&b.rhs, refs)])
            }
            Expr::Binary(b) if b.op == BinaryOp::Or => {
                Self::Or(vec![Self::new(&b.lhs, refs), Self::new(&b.rhs, refs)])
            }
            Expr::Binary(b) if b.op.is_comparison() => {
                let place = |e: &Expr| match e {
                    Expr::VarRef(v) => find(refs, v),
                    _ => None,
                };
                let Some(column) = place(&b.lhs) else { return Self::Rows(expr.clone()) };
                match (refs[column].kind, &b.rhs) {
                    (Some(DataType::Float), Expr::Number(x)) => Self::Float(column, b.op, *x),
                    (Some(DataType::Float), Expr::Integer(x)) => Self::Float(column, b.op, *x as f64),
                    (Some(DataType::Integer), Expr::Integer(x)) => Self::Integer(column, b.op, *x),
                    _ => Self::Rows(expr.clone()),
                }
            }
            _ => Self::Rows(expr.clone()),
        }
    }

    /// Sets `keep` (of the block's length) to whether each row fulfils the condition.
    pub(crate) fn apply(&self, refs: &[Ref], columns: &[Col], keep: &mut [bool]) {
        match self {
            Self::And(parts) => {
                keep.fill(true);
                let mut one = vec![false; keep.len()];
                for part in parts {
                    part.apply(refs, columns, &mut one);
                    keep.iter_mut().zip(&one).for_each(|(k, o)| *k &= o);
                }
            }
            Self::Or(parts) => {
                keep.fill(false);
                let mut one = vec![false; keep.len()];
                for part in parts {
                    part.apply(refs, columns, &mut one);
                    keep.iter_mut().zip(&one).for_each(|(k, o)| *k |= o);
                }
            }
            Self::Float(column, op, x) => match columns.get(*column) {
                Some(Col::Data(c)) => match &c.values {
                    Values::Float(v) => compare(v, *op, *x, &c.valid, keep),
                    _ => keep.fill(false),
                },
                _ => keep.fill(false),
            },
            Self::Integer(column, op, x) => match columns.get(*column) {
                Some(Col::Data(c)) => match &c.values {
                    Values::Integer(v) => compare(v, *op, *x, &c.valid, keep),
                    _ => keep.fill(false),
                },
                _ => keep.fill(false),
            },
            Self::Rows(expr) => {
                for (row, k) in keep.iter_mut().enumerate() {
                    *k = eval::is_true(expr, &RowScope { refs, columns, row });
                }
            }
        }
    }
}

fn compare<T: PartialOrd + Copy>(
    values: &[T],
    op: BinaryOp,
    x: T,
    valid: &weir_model::read::Validity,
    keep: &mut [bool],
) {
    let each = keep.iter_mut().zip(values);
    match op {
        BinaryOp::Eq => each.for_each(|(k, v)| *k = *v == x),
        BinaryOp::NotEq => each.for_each(|(k, v)| *k = *v != x),
        BinaryOp::Lt => each.for_each(|(k, v)| *k = *v < x),
        BinaryOp::LtEq => each.for_each(|(k, v)| *k = *v <= x),
        BinaryOp::Gt => each.for_each(|(k, v)| *k = *v > x),
        BinaryOp::GtEq => each.for_each(|(k, v)| *k = *v >= x),
        _ => keep.fill(false),
    }
    if !matches!(valid, weir_model::read::Validity::All) {
        keep.iter_mut().enumerate().for_each(|(row, k)| *k &= valid.is_valid(row));
    }
}

fn find(refs: &[Ref], column: &VarRef) -> Option<usize> {
    refs.iter().position(|r| *r.name == *column.name && r.kind == column.cast)
}

/// The columns of one row.
struct RowScope<'a> {
    refs: &'a [Ref],
    columns: &'a [Col],
    row: usize,
}

impl Scope for RowScope<'_> {
    fn value(&self, column: &VarRef) -> Value {
        let place = find(self.refs, column);
        place.and_then(|p| self.columns.get(p)).map_or(Value::Null, |c| c.value(self.row))
    }
}
