//! A condition, divided into what tags decide and what each row decides.

use std::sync::Arc;

use weir_influxql::ast::{BinaryOp, DataType, Expr, VarRef};
use weir_model::read::TagFilter;

use crate::plan::prepare::TableInput;
use crate::plan::reduce::{Known, reduce_inner};

/// A condition for one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// Series that may have matching rows.
    pub(crate) tags: TagFilter,
    /// What each row must fulfil; `None` if the tags decide all.
    pub(crate) rows: Option<Expr>,
    /// Whether `rows` still holds comparisons of tags, so that it can be made simpler for each series.
    pub(crate) mixed: bool,
}

impl Condition {
    /// Without condition.
    pub(crate) const ALL: Self = Self { tags: TagFilter::All, rows: None, mixed: false };

    /// Divides `condition` for the measurement.
    pub(crate) fn new(condition: Option<&Expr>, input: &TableInput) -> Self {
        condition.map_or(Self::ALL, |c| divide(c, input))
    }

    /// The rows' condition for a series whose tags are told by `tag`. `None`: no row; `Some(None)`: every row.
    pub(crate) fn for_series(
        &self,
        input: &TableInput,
        tag: &dyn Fn(&str) -> Arc<str>,
    ) -> Option<Option<Expr>> {
        let Some(rows) = &self.rows else { return Some(None) };
        if !self.mixed {
            return Some(Some(rows.clone()));
        }
        match reduce_inner(decide(rows, input, tag), Known::default()) {
            Expr::Boolean(true) => Some(None),
            Expr::Boolean(false) => None,
            other => Some(Some(other)),
        }
    }
}

fn divide(expr: &Expr, input: &TableInput) -> Condition {
    match expr {
        Expr::Paren(inner) => divide(inner, input),
        Expr::Boolean(true) => Condition::ALL,
        Expr::Boolean(false) => Condition { tags: TagFilter::Nothing, rows: None, mixed: false },
        Expr::Binary(b) if b.op == BinaryOp::And => {
            let (l, r) = (divide(&b.lhs, input), divide(&b.rhs, input));
            let tags = match (l.tags, r.tags) {
                (TagFilter::All, t) | (t, TagFilter::All) => t,
                (l, r) => TagFilter::And(vec![l, r]),
            };
            let rows = match (l.rows, r.rows) {
                (Some(l), Some(r)) => Some(Expr::binary(BinaryOp::And, l, r)),
                (l, r) => l.or(r),
            };
            Condition { tags, rows, mixed: l.mixed || r.mixed }
        }
        Expr::Binary(b) if b.op == BinaryOp::Or => {
            let (l, r) = (divide(&b.lhs, input), divide(&b.rhs, input));
            let tags = match (l.tags, r.tags) {
                (TagFilter::All, _) | (_, TagFilter::All) => TagFilter::All,
                (l, r) => TagFilter::Or(vec![l, r]),
            };
            if l.rows.is_none() && r.rows.is_none() {
                return Condition { tags, rows: None, mixed: false };
            }
            Condition { tags, rows: Some(expr.clone()), mixed: true }
        }
        Expr::Binary(b) => match comparison(b.op, &b.lhs, &b.rhs, input) {
            Some(tags) => Condition { tags, rows: None, mixed: false },
            None => Condition {
                tags: TagFilter::All,
                rows: Some(expr.clone()),
                mixed: compares_tags(&b.lhs, &b.rhs, input),
            },
        },
        _ => Condition { tags: TagFilter::All, rows: Some(expr.clone()), mixed: false },
    }
}

fn is_field(v: &VarRef, input: &TableInput) -> bool {
    v.name != "_name"
        && match v.cast {
            None => input.fields.contains_key(v.name.as_str()),
            Some(DataType::Tag) => false,
            Some(_) => true,
        }
}

/// The comparison as a filter of series, if it is one between a tag and a constant.
fn comparison(op: BinaryOp, lhs: &Expr, rhs: &Expr, input: &TableInput) -> Option<TagFilter> {
    let (tag, value) = match (lhs, rhs) {
        (Expr::VarRef(v), value) | (value, Expr::VarRef(v)) if !is_field(v, input) => (v, value),
        _ => return None,
    };
    if let Expr::VarRef(other) = value
        && is_field(other, input)
    {
        return None;
    }
    let key: Arc<str> = tag.name.as_str().into();
    let whole = |matches: bool| if matches { TagFilter::All } else { TagFilter::Nothing };
    match value {
        Expr::String(text) if tag.name == "_name" => Some(match op {
            BinaryOp::Eq => whole(**text == *input.name),
            BinaryOp::NotEq => whole(**text != *input.name),
            _ => TagFilter::Nothing,
        }),
        Expr::String(text) => Some(match op {
            BinaryOp::Eq => TagFilter::Equal(key, text.as_str().into()),
            BinaryOp::NotEq => TagFilter::NotEqual(key, text.as_str().into()),
            _ => TagFilter::Nothing,
        }),
        Expr::Regex(re) if tag.name == "_name" => {
            Some(whole(re.is_match(&input.name) == (op == BinaryOp::EqRegex)))
        }
        Expr::Regex(re) => Some(match op {
            BinaryOp::EqRegex => TagFilter::Match(key, re.compiled().clone()),
            BinaryOp::NotEqRegex => TagFilter::NotMatch(key, re.compiled().clone()),
            _ => TagFilter::Nothing,
        }),
        _ => None,
    }
}

fn compares_tags(lhs: &Expr, rhs: &Expr, input: &TableInput) -> bool {
    matches!((lhs, rhs), (Expr::VarRef(a), Expr::VarRef(b)) if !is_field(a, input) && !is_field(b, input))
}

/// Replaces comparisons of tags by their outcome for one series.
fn decide(expr: &Expr, input: &TableInput, tag: &dyn Fn(&str) -> Arc<str>) -> Expr {
    match expr {
        Expr::Paren(inner) => decide(inner, input, tag),
        Expr::Binary(b) if b.op.is_logical() => {
            Expr::binary(b.op, decide(&b.lhs, input, tag), decide(&b.rhs, input, tag))
        }
        Expr::Binary(b) => match (&b.lhs, &b.rhs) {
            (Expr::VarRef(x), Expr::VarRef(y)) if compares_tags(&b.lhs, &b.rhs, input) => {
                let (x, y) = (tag(&x.name), tag(&y.name));
                let equal = !x.is_empty() && x == y;
                Expr::Boolean(match b.op {
                    BinaryOp::Eq => equal,
                    BinaryOp::NotEq => !equal,
                    _ => false,
                })
            }
            _ => match comparison(b.op, &b.lhs, &b.rhs, input) {
                Some(filter) => Expr::Boolean(passes(&filter, tag)),
                None => expr.clone(),
            },
        },
        other => other.clone(),
    }
}

/// Whether a series with these tags passes.
pub(crate) fn passes(filter: &TagFilter, tag: &dyn Fn(&str) -> Arc<str>) -> bool {
    match filter {
        TagFilter::All => true,
        TagFilter::Nothing => false,
        TagFilter::Equal(key, value) => tag(key) == *value,
        TagFilter::NotEqual(key, value) => tag(key) != *value,
        TagFilter::Match(key, re) => re.is_match(&tag(key)),
        TagFilter::NotMatch(key, re) => !re.is_match(&tag(key)),
        TagFilter::And(all) => all.iter().all(|f| passes(f, tag)),
        TagFilter::Or(any) => any.iter().any(|f| passes(f, tag)),
    }
}
