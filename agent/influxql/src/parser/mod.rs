//! Tokens to syntax tree.
//!
//! Recursive descent, a file per family of statements. What is expected where, and which token an error names, follows
//! 1.x; so does the order of looks at the next token or character, because positions depend on it.

mod expr;
mod manage;
mod select;
mod show;
mod user;

use std::collections::BTreeMap;

use crate::ast::{Query, Statement};
use crate::duration::parse_duration;
use crate::lexer::{Lexer, Pos, Tok, Token};
use crate::params::ParamValue;
use crate::{MAX_NESTING, ParseError};

#[cfg(test)]
pub(crate) use expr::fold;

type Result<T> = std::result::Result<T, ParseError>;

/// Parses the text of a request: any number of statements separated by `;`.
///
/// `params` are the values of `$name`. Positions in errors count from the start of `text`; 1.x removes white space at
/// both ends of a request before it parses.
///
/// # Errors
/// [`ParseError`] with the text of InfluxDB 1.x (without the prefix `error parsing query: `).
pub fn parse_query(text: &str, params: &BTreeMap<String, ParamValue>) -> Result<Query> {
    let mut parser = Parser::new(text, params);
    let mut query = Query::default();
    let mut separated = true;
    loop {
        let token = parser.next();
        match token.tok {
            Tok::Eof => return Ok(query),
            Tok::Semicolon => separated = true,
            _ if !separated => return Err(unexpected(&token, &[";"])),
            _ => {
                parser.back();
                query.statements.push(parser.statement()?);
                separated = false;
            }
        }
    }
}

/// Parses one statement; what follows it is not looked at.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_statement(text: &str, params: &BTreeMap<String, ParamValue>) -> Result<Statement> {
    Parser::new(text, params).statement()
}

/// `found X, expected A, B at line L, char C`.
fn unexpected(found: &Token, expected: &[&str]) -> ParseError {
    ParseError::expected(found.text(), expected, found.pos)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    params: &'a BTreeMap<String, ParamValue>,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, params: &'a BTreeMap<String, ParamValue>) -> Self {
        Self { lexer: Lexer::new(text), params, nesting: 0 }
    }

    /// The next token, white space and comments included, with the value of a bind parameter in its place.
    fn scan(&mut self) -> Token {
        let token = self.lexer.scan();
        self.bind(token)
    }

    /// The next token, where a slash starts a regular expression.
    fn scan_regex(&mut self) -> Token {
        let token = self.lexer.scan_regex();
        self.bind(token)
    }

    fn bind(&self, token: Token) -> Token {
        if token.tok == Tok::BoundParam
            && let Some(value) = token.lit.strip_prefix('$').and_then(|name| self.params.get(name))
        {
            let (tok, lit) = value.token();
            return Token { tok, pos: token.pos, lit };
        }
        token
    }

    /// The next token that is neither white space nor a comment.
    fn next(&mut self) -> Token {
        loop {
            let token = self.scan();
            if !matches!(token.tok, Tok::Ws | Tok::Comment) {
                return token;
            }
        }
    }

    /// Takes the last token back.
    fn back(&mut self) {
        self.lexer.unscan();
    }

    /// Takes the next token if it is `tok`.
    fn accept(&mut self, tok: Tok) -> bool {
        let found = self.next().tok == tok;
        if !found {
            self.back();
        }
        found
    }

    /// Takes the next token, which must be `tok`.
    fn expect(&mut self, tok: Tok) -> Result<()> {
        let token = self.next();
        if token.tok == tok { Ok(()) } else { Err(unexpected(&token, &[tok.text()])) }
    }

    /// Skips one piece of white space.
    fn skip_whitespace(&mut self) {
        if self.scan().tok != Tok::Ws {
            self.back();
        }
    }

    fn ident(&mut self) -> Result<String> {
        let token = self.next();
        if token.tok == Tok::Ident { Ok(token.lit) } else { Err(unexpected(&token, &["identifier"])) }
    }

    /// `a, b, c`.
    fn ident_list(&mut self) -> Result<Vec<String>> {
        let mut idents = vec![self.ident()?];
        while self.accept(Tok::Comma) {
            idents.push(self.ident()?);
        }
        Ok(idents)
    }

    /// `a`, `a.b`, `a..b`, … as its parts, an empty part for none. Stops behind a dot before `/` or `:`.
    fn segments(&mut self) -> Result<Vec<String>> {
        let mut segments = vec![self.ident()?];
        loop {
            if self.scan().tok != Tok::Dot {
                self.back();
                break;
            }
            match self.lexer.peek_char() {
                '/' | ':' => break,
                '.' => segments.push(String::new()),
                _ => segments.push(self.ident()?),
            }
        }
        if segments.len() > 3 {
            let message = format!("too many segments in {}", crate::display::quote_segments(&segments));
            return Err(ParseError::at(&message, Pos::default()));
        }
        Ok(segments)
    }

    fn string(&mut self) -> Result<String> {
        let token = self.next();
        if token.tok == Tok::Str { Ok(token.lit) } else { Err(unexpected(&token, &["string"])) }
    }

    fn string_list(&mut self) -> Result<Vec<String>> {
        let mut strings = vec![self.string()?];
        while self.accept(Tok::Comma) {
            strings.push(self.string()?);
        }
        Ok(strings)
    }

    /// A whole number from 1 to 2^31-1.
    fn replication(&mut self) -> Result<u32> {
        const MAX: i64 = i32::MAX as i64;
        let token = self.next();
        if token.tok != Tok::Integer {
            return Err(unexpected(&token, &["integer"]));
        }
        let Ok(n) = token.lit.parse::<i64>() else {
            let message = format!("strconv.Atoi: parsing \"{}\": value out of range", token.lit);
            return Err(ParseError::at(&message, token.pos));
        };
        match u32::try_from(n) {
            Ok(small) if (1..=MAX).contains(&n) => Ok(small),
            _ => {
                let message = format!("invalid value {n}: must be 1 <= n <= {MAX}");
                Err(ParseError::at(&message, token.pos))
            }
        }
    }

    /// A number that names a shard or a query.
    fn id(&mut self) -> Result<u64> {
        let token = self.next();
        if token.tok != Tok::Integer {
            return Err(unexpected(&token, &["integer"]));
        }
        token.lit.parse().map_err(|_| {
            let why = if token.lit.starts_with('-') { "invalid syntax" } else { "value out of range" };
            ParseError::at(&format!("strconv.ParseUint: parsing \"{}\": {why}", token.lit), token.pos)
        })
    }

    /// A duration, or INF as 0.
    fn duration_or_inf(&mut self) -> Result<i64> {
        let token = self.next();
        match token.tok {
            Tok::Inf => Ok(0),
            Tok::DurationVal => duration_value(&token),
            _ => Err(unexpected(&token, &["duration"])),
        }
    }

    /// The number behind LIMIT, OFFSET and the like; 0 if `keyword` does not follow. What does not fit counts as the
    /// largest number, as in 1.x.
    fn optional_number(&mut self, keyword: Tok) -> Result<u64> {
        if !self.accept(keyword) {
            return Ok(0);
        }
        let token = self.next();
        if token.tok != Tok::Integer {
            return Err(unexpected(&token, &["integer"]));
        }
        if token.lit.starts_with('-') {
            return Err(ParseError::at(&format!("{} must be >= 0", keyword.text()), token.pos));
        }
        Ok(token.lit.parse::<i64>().map_or(i64::MAX as u64, i64::unsigned_abs))
    }

    /// The database behind ON, if ON follows.
    fn on_database(&mut self) -> Result<Option<String>> {
        if self.accept(Tok::On) { self.ident().map(named) } else { Ok(None) }
    }

    /// Runs `parse` one level deeper, if that is not too deep.
    fn nested<T>(&mut self, pos: Pos, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= MAX_NESTING {
            return Err(too_deep(pos));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    /// Goes on with `choices`: the token that each is chosen by, and the rest of the statement.
    fn choose<T: Copy>(&mut self, choices: &[(Tok, T)]) -> Result<T> {
        let token = self.next();
        match choices.iter().find(|(tok, _)| *tok == token.tok) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let expected: Vec<&str> = choices.iter().map(|(tok, _)| tok.text()).collect();
                Err(unexpected(&token, &expected))
            }
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        type Rest<'a> = fn(&mut Parser<'a>) -> Result<Statement>;
        let rest: Rest<'a> = self.choose::<Rest<'a>>(&[
            (Tok::Select, Self::select_statement),
            (Tok::Delete, Self::delete),
            (Tok::Show, Self::show),
            (Tok::Create, Self::create),
            (Tok::Drop, Self::drop),
            (Tok::Explain, Self::explain),
            (Tok::Grant, Self::grant),
            (Tok::Revoke, Self::revoke),
            (Tok::Alter, Self::alter),
            (Tok::Set, Self::set_password),
            (Tok::Kill, Self::kill),
        ])?;
        rest(self)
    }
}

/// The nanoseconds of a duration token.
fn duration_value(token: &Token) -> Result<i64> {
    parse_duration(&token.lit).map_err(|e| ParseError::at(&e.to_string(), token.pos))
}

/// An empty name counts as none.
fn named(name: String) -> Option<String> {
    if name.is_empty() { None } else { Some(name) }
}

fn too_deep(pos: Pos) -> ParseError {
    ParseError::at("too many levels of parentheses, calls, subqueries or operators", pos)
}

#[cfg(test)]
mod tests;
