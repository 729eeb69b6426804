//! Expressions.

use super::{Parser, Result, too_deep, unexpected};
use crate::ast::{BinaryOp, Call, DataType, Expr, VarRef, WildcardKind};
use crate::duration::parse_duration;
use crate::lexer::{Pos, Tok, Token, is_whitespace};
use crate::regex::Regex;
use crate::{MAX_TREE_DEPTH, ParseError};

/// An expression and how deep its tree is.
type Sized = (Expr, usize);

impl Parser<'_> {
    /// An expression of operands and operators.
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.sized_expr().map(|(expr, _)| expr)
    }

    fn sized_expr(&mut self) -> Result<Sized> {
        let first = self.operand()?;
        let mut rest = Vec::new();
        loop {
            let token = self.next();
            let Some(op) = operator(token.tok) else {
                self.back();
                return fold(first, rest).ok_or_else(|| too_deep(token.pos));
            };
            let operand = if matches!(op, BinaryOp::EqRegex | BinaryOp::NotEqRegex) {
                match self.regex()? {
                    Some(regex) => (Expr::Regex(regex), 1),
                    None => return Err(unexpected(&self.next(), &["regex"])),
                }
            } else {
                self.operand()?
            };
            rest.push((op, operand));
        }
    }

    fn operand(&mut self) -> Result<Sized> {
        let token = self.next();
        let leaf = match token.tok {
            Tok::LParen => {
                let (inner, depth) = self.nested(token.pos, Self::sized_expr)?;
                self.expect(Tok::RParen)?;
                return deeper(Expr::Paren(Box::new(inner)), depth, token.pos);
            }
            Tok::Ident => {
                if self.scan().tok == Tok::LParen {
                    return self.call(&token);
                }
                self.back();
                self.back();
                Expr::VarRef(self.var_ref()?)
            }
            Tok::Distinct => {
                let next = self.scan();
                match next.tok {
                    Tok::LParen => return self.call(&Token { lit: "distinct".to_owned(), ..token }),
                    Tok::Ws => Expr::Distinct(self.ident()?),
                    _ => return Err(unexpected(&next, &["(", "identifier"])),
                }
            }
            Tok::Str => Expr::String(token.lit),
            Tok::Number => match token.lit.parse::<f64>() {
                Ok(number) if number.is_finite() => Expr::Number(number),
                _ => return Err(ParseError::at("unable to parse number", token.pos)),
            },
            Tok::Integer => match (token.lit.parse(), token.lit.parse()) {
                (Ok(integer), _) => Expr::Integer(integer),
                (_, Ok(unsigned)) => Expr::Unsigned(unsigned),
                _ => return Err(ParseError::at("unable to parse integer", token.pos)),
            },
            Tok::True => Expr::Boolean(true),
            Tok::False => Expr::Boolean(false),
            Tok::DurationVal => match parse_duration(&token.lit) {
                Ok(ns) => Expr::Duration(ns),
                Err(e) => return Err(ParseError::plain(e.to_string())),
            },
            Tok::Mul => self.wildcard()?,
            Tok::Regex => Expr::Regex(compile(&token)?),
            Tok::BoundParam => return Err(unbound(&token.lit)),
            Tok::Add => return self.signed(false, token.pos),
            Tok::Sub => return self.signed(true, token.pos),
            _ => return Err(unexpected(&token, &["identifier", "string", "number", "bool"])),
        };
        Ok((leaf, 1))
    }

    /// What follows a sign. The sign becomes part of a number; anything else is multiplied by 1 or -1.
    fn signed(&mut self, negative: bool, pos: Pos) -> Result<Sized> {
        let token = self.next();
        if !matches!(token.tok, Tok::Number | Tok::Integer | Tok::DurationVal | Tok::LParen | Tok::Ident) {
            return Err(unexpected(&token, &["identifier", "number", "duration", "("]));
        }
        self.back();
        let (operand, depth) = self.operand()?;
        let folded = match (operand, negative) {
            (Expr::Number(n), true) => Expr::Number(-n),
            (Expr::Integer(n), true) => Expr::Integer(n.wrapping_neg()),
            (Expr::Duration(n), true) => Expr::Duration(n.wrapping_neg()),
            (Expr::Unsigned(n), true) if n == 1 << 63 => Expr::Integer(i64::MIN),
            (Expr::Unsigned(n), true) => {
                return Err(ParseError::plain(format!("constant -{n} underflows int64")));
            }
            (
                number @ (Expr::Number(_) | Expr::Integer(_) | Expr::Duration(_) | Expr::Unsigned(_)),
                false,
            ) => number,
            (operand, negative) => {
                let factor = Expr::Integer(if negative { -1 } else { 1 });
                return deeper(Expr::binary(BinaryOp::Mul, factor, operand), depth, pos);
            }
        };
        Ok((folded, depth))
    }

    /// What may follow `*` as an operand.
    fn wildcard(&mut self) -> Result<Expr> {
        if self.scan().tok != Tok::DoubleColon {
            self.back();
            return Ok(Expr::Wildcard(None));
        }
        let token = self.scan();
        match token.tok {
            Tok::Field => Ok(Expr::Wildcard(Some(WildcardKind::Field))),
            Tok::Tag => Ok(Expr::Wildcard(Some(WildcardKind::Tag))),
            _ => Err(unexpected(&token, &["field", "tag"])),
        }
    }

    /// A column name of one or more parts, with an optional cast.
    fn var_ref(&mut self) -> Result<VarRef> {
        let name = self.segments()?.join(".");
        if self.scan().tok != Tok::DoubleColon {
            self.back();
            return Ok(VarRef { name, cast: None });
        }
        let token = self.scan();
        let cast = match token.tok {
            Tok::Field => DataType::AnyField,
            Tok::Tag => DataType::Tag,
            Tok::Ident => match token.lit.to_ascii_lowercase().as_str() {
                "float" => DataType::Float,
                "integer" => DataType::Integer,
                "unsigned" => DataType::Unsigned,
                "string" => DataType::String,
                "boolean" => DataType::Boolean,
                _ => {
                    let known = ["float", "integer", "unsigned", "string", "boolean", "field", "tag"];
                    return Err(unexpected(&token, &known));
                }
            },
            _ => return Err(unexpected(&token, &["float", "integer", "string", "boolean", "field", "tag"])),
        };
        Ok(VarRef { name, cast: Some(cast) })
    }

    /// The arguments of a call, from behind the opening parenthesis.
    fn call(&mut self, name: &Token) -> Result<Sized> {
        let pos = name.pos;
        let name = name.lit.to_lowercase();
        let mut args = Vec::new();
        let mut deepest = 0;
        if let Some(regex) = self.regex()? {
            args.push(Expr::Regex(regex));
        } else {
            if self.scan().tok == Tok::RParen {
                return Ok((Expr::Call(Call { name, args }), 1));
            }
            self.back();
            let (arg, depth) = self.nested(pos, Self::sized_expr)?;
            deepest = depth;
            args.push(arg);
        }
        while self.accept(Tok::Comma) {
            if let Some(regex) = self.regex()? {
                args.push(Expr::Regex(regex));
            } else {
                let (arg, depth) = self.nested(pos, Self::sized_expr)?;
                deepest = deepest.max(depth);
                args.push(arg);
            }
        }
        let token = self.scan();
        if token.tok != Tok::RParen {
            return Err(unexpected(&token, &[")"]));
        }
        deeper(Expr::Call(Call { name, args }), deepest, pos)
    }

    /// A regular expression, if the next character (behind white space) is a slash, or the parameter there holds one.
    pub(super) fn regex(&mut self) -> Result<Option<Regex>> {
        if is_whitespace(self.lexer.peek_char()) {
            self.skip_whitespace();
        }
        match self.lexer.peek_char() {
            '$' => {
                let tok = self.scan().tok;
                self.back();
                if tok != Tok::Regex {
                    return Ok(None);
                }
            }
            '/' => {}
            _ => return Ok(None),
        }
        let token = self.scan_regex();
        match token.tok {
            Tok::Regex => compile(&token).map(Some),
            Tok::BadRegex => Err(ParseError::at(&format!("bad regex: {}", token.lit), token.pos)),
            Tok::BadEscape => Err(ParseError::at(&format!("bad escape: {}", token.lit), token.pos)),
            _ => Err(unexpected(&token, &["regex"])),
        }
    }
}

fn compile(token: &Token) -> Result<Regex> {
    Regex::new(&token.lit).map_err(|e| ParseError::at(&e.to_string(), token.pos))
}

/// Why a parameter has no value. The text of an unusable value takes the place of its name here, as in 1.x.
fn unbound(lit: &str) -> ParseError {
    match lit.strip_prefix('$').unwrap_or(lit) {
        "" => ParseError::plain("empty bound parameter"),
        name => ParseError::plain(format!("missing parameter: {name}")),
    }
}

fn deeper(expr: Expr, depth: usize, pos: Pos) -> Result<Sized> {
    if depth < MAX_TREE_DEPTH { Ok((expr, depth + 1)) } else { Err(too_deep(pos)) }
}

fn operator(tok: Tok) -> Option<BinaryOp> {
    Some(match tok {
        Tok::Add => BinaryOp::Add,
        Tok::Sub => BinaryOp::Sub,
        Tok::Mul => BinaryOp::Mul,
        Tok::Div => BinaryOp::Div,
        Tok::Mod => BinaryOp::Mod,
        Tok::BitAnd => BinaryOp::BitAnd,
        Tok::BitOr => BinaryOp::BitOr,
        Tok::BitXor => BinaryOp::BitXor,
        Tok::And => BinaryOp::And,
        Tok::Or => BinaryOp::Or,
        Tok::Eq => BinaryOp::Eq,
        Tok::NotEq => BinaryOp::NotEq,
        Tok::EqRegex => BinaryOp::EqRegex,
        Tok::NotEqRegex => BinaryOp::NotEqRegex,
        Tok::Lt => BinaryOp::Lt,
        Tok::LtEq => BinaryOp::LtEq,
        Tok::Gt => BinaryOp::Gt,
        Tok::GtEq => BinaryOp::GtEq,
        _ => return None,
    })
}

/// Builds the tree of `first op operand op operand …` by the strength of the operators. Operators of one strength
/// group from the left, except that the operands of one AND or OR chain become a balanced tree. `None` if the tree
/// would be too deep.
pub(crate) fn fold(first: Sized, rest: Vec<(BinaryOp, Sized)>) -> Option<Sized> {
    let mut ors = Vec::new();
    let mut ands = Vec::new();
    // Left operands that wait for their right one, each with the operator between; the weakest operator first.
    let mut pending: Vec<(Sized, BinaryOp)> = Vec::new();
    let mut current = first;
    for (op, operand) in rest {
        while let Some((lhs, before)) = pending.pop_if(|(_, before)| before.precedence() >= op.precedence()) {
            current = join(before, lhs, current)?;
        }
        match op {
            BinaryOp::And => ands.push(current),
            BinaryOp::Or => {
                ands.push(current);
                ors.push(balanced(BinaryOp::And, std::mem::take(&mut ands))?);
            }
            _ => pending.push((current, op)),
        }
        current = operand;
    }
    while let Some((lhs, op)) = pending.pop() {
        current = join(op, lhs, current)?;
    }
    ands.push(current);
    ors.push(balanced(BinaryOp::And, ands)?);
    balanced(BinaryOp::Or, ors)
}

fn join(op: BinaryOp, (lhs, left): Sized, (rhs, right): Sized) -> Option<Sized> {
    let depth = left.max(right) + 1;
    (depth <= MAX_TREE_DEPTH).then(|| (Expr::binary(op, lhs, rhs), depth))
}

/// Joins neighbours until one is left; `None` also for no operands.
fn balanced(op: BinaryOp, mut operands: Vec<Sized>) -> Option<Sized> {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut pairs = operands.into_iter();
        while let Some(lhs) = pairs.next() {
            joined.push(match pairs.next() {
                Some(rhs) => join(op, lhs, rhs)?,
                None => lhs,
            });
        }
        operands = joined;
    }
    operands.pop()
}
