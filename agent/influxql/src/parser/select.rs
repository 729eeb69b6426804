//! SELECT, EXPLAIN, and the clauses that SHOW shares with them.

use super::{Parser, Result, named, unexpected};
use crate::ast::{
    BinaryOp, Call, Dimension, Explain, Expr, Field, Fill, Measurement, MeasurementName, OrderBy,
    SelectStatement, Source, Statement, Target, TargetMeasurement,
};
use crate::lexer::{Pos, Tok};
use crate::walk::any_expr;
use crate::{ParseError, zone};

impl Parser<'_> {
    pub(super) fn select_statement(&mut self) -> Result<Statement> {
        self.select(false).map(|s| Statement::Select(Box::new(s)))
    }

    pub(super) fn explain(&mut self) -> Result<Statement> {
        let analyze = self.accept(Tok::Analyze);
        self.expect(Tok::Select)?;
        Ok(Statement::Explain(Explain { analyze, select: Box::new(self.select(false)?) }))
    }

    /// Everything behind the word SELECT.
    pub(super) fn select(&mut self, target_required: bool) -> Result<SelectStatement> {
        let fields = self.fields()?;
        let target = self.target(target_required)?;
        self.expect(Tok::From)?;
        Ok(SelectStatement {
            fields,
            target,
            sources: self.sources(true)?,
            condition: self.condition()?,
            dimensions: self.dimensions()?,
            fill: self.fill()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
            slimit: self.optional_number(Tok::SLimit)?,
            soffset: self.optional_number(Tok::SOffset)?,
            tz: self.tz()?,
        })
    }

    fn fields(&mut self) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            if self.scan().tok != Tok::Comma {
                self.back();
                return Ok(fields);
            }
        }
    }

    fn field(&mut self) -> Result<Field> {
        let expr = match self.regex()? {
            Some(regex) => Expr::Regex(regex),
            None => {
                let pos = self.next().pos;
                self.back();
                let expr = self.expr()?;
                if let Some(op) = misplaced_operator(&expr) {
                    return Err(ParseError::plain(format!(
                        "invalid operator {} in SELECT clause at line {}, char {}; operator is intended for WHERE clause",
                        op.symbol(),
                        pos.line + 1,
                        pos.char + 1
                    )));
                }
                expr
            }
        };
        let alias = if self.accept(Tok::As) { named(self.ident()?) } else { None };
        self.skip_whitespace();
        Ok(Field { expr, alias })
    }

    fn target(&mut self, required: bool) -> Result<Option<Target>> {
        let token = self.next();
        if token.tok != Tok::Into {
            if required {
                return Err(unexpected(&token, &["INTO"]));
            }
            self.back();
            return Ok(None);
        }
        let mut segments = self.segments()?;
        if segments.len() < 3 && self.lexer.peek_char() == ':' {
            self.expect(Tok::Colon)?;
            self.expect(Tok::Measurement)?;
            segments.push(String::new());
        }
        let mut last_first = segments.into_iter().rev();
        let measurement = match last_first.next().and_then(named) {
            Some(name) => TargetMeasurement::Name(name),
            None => TargetMeasurement::Backreference,
        };
        let retention_policy = last_first.next().and_then(named);
        let database = last_first.next().and_then(named);
        Ok(Some(Target { database, retention_policy, measurement }))
    }

    pub(super) fn sources(&mut self, subqueries: bool) -> Result<Vec<Source>> {
        let mut sources = vec![self.source(subqueries)?];
        while self.accept(Tok::Comma) {
            sources.push(self.source(subqueries)?);
        }
        Ok(sources)
    }

    /// FROM and what follows it, if FROM follows; without subqueries.
    pub(super) fn optional_sources(&mut self) -> Result<Vec<Source>> {
        if self.accept(Tok::From) { self.sources(false) } else { Ok(Vec::new()) }
    }

    fn source(&mut self, subqueries: bool) -> Result<Source> {
        if let Some(regex) = self.regex()? {
            let name = MeasurementName::Regex(regex);
            return Ok(Source::Measurement(Measurement { database: None, retention_policy: None, name }));
        }
        if subqueries {
            let token = self.next();
            if token.tok == Tok::LParen {
                self.expect(Tok::Select)?;
                let select = self.nested(token.pos, |p| p.select(false))?;
                self.expect(Tok::RParen)?;
                return Ok(Source::Subquery(Box::new(select)));
            }
            self.back();
        }
        self.measurement_behind_regex().map(Source::Measurement)
    }

    /// A measurement, by name or by pattern.
    pub(super) fn measurement(&mut self) -> Result<Measurement> {
        match self.regex()? {
            Some(regex) => Ok(Measurement {
                database: None,
                retention_policy: None,
                name: MeasurementName::Regex(regex),
            }),
            None => self.measurement_behind_regex(),
        }
    }

    /// `m`, `rp.m`, `db.rp.m`, `db..m`, `rp./re/`, …
    fn measurement_behind_regex(&mut self) -> Result<Measurement> {
        let mut segments = self.segments()?;
        // Behind three names 1.x does not look for a pattern.
        let regex = if segments.len() == 3 { None } else { self.regex()? };
        let name = match regex {
            Some(regex) => MeasurementName::Regex(regex),
            None => MeasurementName::Name(segments.pop().unwrap_or_default()),
        };
        let retention_policy = segments.pop().and_then(named);
        let database = segments.pop().and_then(named);
        Ok(Measurement { database, retention_policy, name })
    }

    pub(super) fn condition(&mut self) -> Result<Option<Expr>> {
        if self.accept(Tok::Where) { self.expr().map(Some) } else { Ok(None) }
    }

    pub(super) fn dimensions(&mut self) -> Result<Vec<Dimension>> {
        let mut dimensions = Vec::new();
        if !self.accept(Tok::Group) {
            return Ok(dimensions);
        }
        self.expect(Tok::By)?;
        loop {
            dimensions.push(Dimension(match self.regex()? {
                Some(regex) => Expr::Regex(regex),
                None => {
                    let expr = self.expr()?;
                    self.skip_whitespace();
                    expr
                }
            }));
            if self.scan().tok != Tok::Comma {
                self.back();
                return Ok(dimensions);
            }
        }
    }

    /// Whether a call of `name` (or at least the name) follows, in any case of letters.
    fn at_call(&mut self, name: &str) -> bool {
        let token = self.next();
        self.back();
        token.tok == Tok::Ident && token.lit.eq_ignore_ascii_case(name)
    }

    fn fill(&mut self) -> Result<Fill> {
        if !self.at_call("fill") {
            return Ok(Fill::Null);
        }
        let Expr::Call(Call { args, .. }) = self.expr()? else {
            return Err(ParseError::plain("fill must be a function call"));
        };
        let [arg] = args.as_slice() else {
            return Err(ParseError::plain(
                "fill requires an argument, e.g.: 0, null, none, previous, linear",
            ));
        };
        match arg {
            Expr::VarRef(v) if v.cast.is_none() => match v.name.as_str() {
                "null" => return Ok(Fill::Null),
                "none" => return Ok(Fill::None),
                "previous" => return Ok(Fill::Previous),
                "linear" => return Ok(Fill::Linear),
                _ => {}
            },
            Expr::Integer(n) => return Ok(Fill::Integer(*n)),
            Expr::Number(n) => return Ok(Fill::Number(*n)),
            _ => {}
        }
        Err(ParseError::plain("expected number argument in fill()"))
    }

    fn tz(&mut self) -> Result<Option<String>> {
        if !self.at_call("tz") {
            return Ok(None);
        }
        let Expr::Call(Call { args, .. }) = self.expr()? else {
            return Err(ParseError::plain("tz must be a function call"));
        };
        let [arg] = args.as_slice() else {
            return Err(ParseError::plain("tz requires exactly one argument"));
        };
        let Expr::String(name) = arg else {
            return Err(ParseError::plain("expected string argument in tz()"));
        };
        match zone::canonical(name) {
            Some(name) => Ok(Some(name)),
            None => Err(ParseError::plain(format!("unable to find time zone {name}"))),
        }
    }

    pub(super) fn order_by(&mut self) -> Result<Option<OrderBy>> {
        const ONLY_TIME: &str = "only ORDER BY time supported at this time";
        if !self.accept(Tok::Order) {
            return Ok(None);
        }
        self.expect(Tok::By)?;
        let token = self.next();
        let order_by = match token.tok {
            Tok::Asc | Tok::Desc => OrderBy { names_time: false, ascending: token.tok == Tok::Asc },
            Tok::Ident => {
                let ascending = self.direction();
                if token.lit != "time" {
                    return Err(ParseError::plain(ONLY_TIME));
                }
                OrderBy { names_time: true, ascending }
            }
            _ => return Err(unexpected(&token, &["identifier", "ASC", "DESC"])),
        };
        let mut more = false;
        while self.accept(Tok::Comma) {
            self.ident()?;
            self.direction();
            more = true;
        }
        if more { Err(ParseError::plain(ONLY_TIME)) } else { Ok(Some(order_by)) }
    }

    /// Optional ASC or DESC; whether ascending.
    fn direction(&mut self) -> bool {
        let descending = self.accept(Tok::Desc);
        if !descending {
            self.accept(Tok::Asc);
        }
        !descending
    }

    /// The last word of a SELECT and its place, for an error about a clause that is missing there.
    pub(super) fn last_token(&mut self) -> (String, Pos) {
        self.back();
        self.back();
        let token = self.next();
        (token.text().to_owned(), token.pos)
    }
}

/// An operator that makes a truth value, which a SELECT list cannot hold.
fn misplaced_operator(expr: &Expr) -> Option<BinaryOp> {
    let mut found = None;
    any_expr(expr, &mut |e| {
        if let Expr::Binary(b) = e
            && !b.op.is_arithmetic()
        {
            found = Some(b.op);
        }
        found.is_some()
    });
    found
}
