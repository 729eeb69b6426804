//! The SELECT list as functions of calls and columns.

use std::sync::Arc;

use weir_influxql::ast::{BinaryOp, Call, Expr, Field, VarRef};

use super::block::Ref;
use super::eval::{Division, binary};
use super::math;
use crate::result::Value;

/// The calls and columns of a SELECT list, each once, and how its columns are made of them.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    /// Calls of aggregates, selectors and transformations.
    pub(crate) calls: Vec<Call>,
    /// Columns outside of calls.
    pub(crate) refs: Vec<Ref>,
    /// One for each column of the result.
    pub(crate) nodes: Vec<Node>,
}

/// How to compute a column of the result.
#[derive(Debug)]
pub(crate) enum Node {
    /// The value of a call.
    Call(usize),
    /// The value of a column.
    Ref(usize),
    /// A constant.
    Constant(Value),
    /// An operation.
    Binary(BinaryOp, Box<Node>, Box<Node>),
    /// A mathematical function.
    Math(String, Vec<Node>),
}

impl Projection {
    /// Of the columns of a statement.
    pub(crate) fn new(columns: &[Field]) -> Self {
        let mut this = Self::default();
        for column in columns {
            let node = this.node(&column.expr);
            this.nodes.push(node);
        }
        this
    }

    fn node(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::Call(call) if math::is_math(&call.name) => {
                let args = call.args.iter().map(|a| self.node(a)).collect();
                Node::Math(call.name.clone(), args)
            }
            Expr::Call(call) => {
                let place = self.calls.iter().position(|c| c == call).unwrap_or_else(|| {
                    self.calls.push(call.clone());
                    self.calls.len() - 1
                });
                Node::Call(place)
            }
            Expr::VarRef(v) => Node::Ref(self.reference(v)),
            Expr::Binary(b) => {
                let lhs = self.node(&b.lhs);
                let rhs = self.node(&b.rhs);
                Node::Binary(b.op, Box::new(lhs), Box::new(rhs))
            }
            Expr::Paren(inner) => self.node(inner),
            Expr::Number(x) => Node::Constant(Value::Float(*x)),
            Expr::Integer(x) => Node::Constant(Value::Integer(*x)),
            Expr::Unsigned(x) => Node::Constant(Value::Unsigned(*x)),
            Expr::Boolean(b) => Node::Constant(Value::Boolean(*b)),
            Expr::String(s) => Node::Constant(Value::Str(s.as_str().into())),
            _ => Node::Constant(Value::Null),
        }
    }

    fn reference(&mut self, v: &VarRef) -> usize {
        let wanted = reference(v);
        self.refs.iter().position(|r| *r == wanted).unwrap_or_else(|| {
            self.refs.push(wanted);
            self.refs.len() - 1
        })
    }
}

/// The column that `v` reads.
pub(crate) fn reference(v: &VarRef) -> Ref {
    Ref { name: Arc::from(v.name.as_str()), kind: v.cast }
}

impl Node {
    /// Its value, from the values of calls and columns. NaN becomes null.
    pub(crate) fn value(&self, calls: &dyn Fn(usize) -> Value, refs: &dyn Fn(usize) -> Value) -> Value {
        match self.inner(calls, refs) {
            Value::Float(x) if x.is_nan() => Value::Null,
            value => value,
        }
    }

    fn inner(&self, calls: &dyn Fn(usize) -> Value, refs: &dyn Fn(usize) -> Value) -> Value {
        match self {
            Self::Call(i) => calls(*i),
            Self::Ref(i) => refs(*i),
            Self::Constant(value) => value.clone(),
            Self::Binary(op, lhs, rhs) => {
                binary(*op, &lhs.inner(calls, refs), &rhs.inner(calls, refs), Division::Float)
            }
            Self::Math(name, args) => {
                let args: Vec<Value> = args.iter().map(|a| a.inner(calls, refs)).collect();
                math::call(name, &args)
            }
        }
    }
}
