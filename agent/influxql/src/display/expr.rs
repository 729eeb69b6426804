//! Printing expressions.

use std::fmt;

use super::{Comma, Ident, Text};
use crate::ast::{BinaryExpr, BinaryOp, Call, Expr, VarRef, WildcardKind};
use crate::duration::format_duration;
use crate::regex::Regex;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VarRef(v) => v.fmt(f),
            Self::Call(c) => c.fmt(f),
            Self::Binary(b) => b.fmt(f),
            Self::Paren(e) => write!(f, "({e})"),
            Self::Distinct(name) => write!(f, "DISTINCT {}", Ident(name)),
            Self::Wildcard(None) => f.write_str("*"),
            Self::Wildcard(Some(WildcardKind::Field)) => f.write_str("*::field"),
            Self::Wildcard(Some(WildcardKind::Tag)) => f.write_str("*::tag"),
            Self::Regex(r) => r.fmt(f),
            Self::Number(n) => number(f, *n),
            Self::Integer(n) => n.fmt(f),
            Self::Unsigned(n) => n.fmt(f),
            Self::String(s) => Text(s).fmt(f),
            Self::Boolean(b) => b.fmt(f),
            Self::Duration(ns) => f.write_str(&format_duration(*ns)),
            Self::Time(ns) => write!(f, "'{}'", crate::zone::rfc3339(*ns)),
            Self::BoundParameter(name) => write!(f, "${}", Ident(name)),
        }
    }
}

/// Three digits behind the point as in 1.x, unless that would be another number.
fn number(f: &mut fmt::Formatter<'_>, n: f64) -> fmt::Result {
    let short = format!("{n:.3}");
    if short.parse() == Ok(n) { f.write_str(&short) } else { write!(f, "{n}") }
}

impl fmt::Display for VarRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ident(&self.name).fmt(f)?;
        match self.cast {
            Some(cast) => write!(f, "::{}", cast.name()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The one function whose name is a reserved word.
        if self.name == "distinct" {
            write!(f, "distinct({})", Comma(&self.args))
        } else {
            write!(f, "{}({})", Ident(&self.name), Comma(&self.args))
        }
    }
}

impl fmt::Display for BinaryExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if binds_weaker(&self.lhs, self.op.precedence()) {
            write!(f, "({})", self.lhs)?;
        } else {
            self.lhs.fmt(f)?;
        }
        write!(f, " {} ", self.op.symbol())?;
        // Operators of one strength group from the left; in chains of AND or OR it makes no difference.
        let strength = self.op.precedence() + u8::from(!self.op.is_logical());
        match &self.rhs {
            rhs if !binds_weaker(rhs, strength) => rhs.fmt(f),
            rhs => match signed(rhs) {
                Some((sign, operand)) => write!(f, "{sign}{operand}"),
                None => write!(f, "({rhs})"),
            },
        }
    }
}

/// Whether `expr` would come apart beside an operator of that strength.
fn binds_weaker(expr: &Expr, strength: u8) -> bool {
    matches!(expr, Expr::Binary(b) if b.op.precedence() < strength)
}

/// The product with 1 or -1 that the parser makes of a sign before a column, a call or parentheses.
fn signed(expr: &Expr) -> Option<(char, &Expr)> {
    let Expr::Binary(b) = expr else { return None };
    let sign = match b.lhs {
        Expr::Integer(1) => '+',
        Expr::Integer(-1) => '-',
        _ => return None,
    };
    let operand = matches!(b.rhs, Expr::VarRef(_) | Expr::Call(_) | Expr::Paren(_)) && b.op == BinaryOp::Mul;
    // `DISTINCT` is no name behind a sign.
    let distinct = matches!(&b.rhs, Expr::Call(c) if c.name == "distinct");
    (operand && !distinct).then_some((sign, &b.rhs))
}

impl fmt::Display for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.pattern().replace('/', "\\/"))
    }
}
