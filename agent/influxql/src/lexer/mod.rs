//! Text to tokens.
//!
//! Follows the scanner of 1.x to the letter where error texts and their positions depend on it: a string's place is the
//! character before its quote, end marks count (see [`reader`]), a slash may start a regular expression only where the
//! parser asks for one, and the parser may look at the next character while tokens are pushed back.

mod reader;
mod token;

pub(crate) use reader::Pos;
use reader::{EOF, Reader};
pub(crate) use token::{Tok, keyword};

/// A token: kind, place, and its text where the kind alone does not tell it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) pos: Pos,
    pub(crate) lit: String,
}

impl Token {
    fn new(tok: Tok, pos: Pos) -> Self {
        Self { tok, pos, lit: String::new() }
    }

    /// How an error names it.
    pub(crate) fn text(&self) -> &str {
        if self.lit.is_empty() { self.tok.text() } else { &self.lit }
    }
}

/// Tokens kept for [`Lexer::unscan`].
const KEPT: usize = 3;

/// Yields tokens and can take back the last ones.
pub(crate) struct Lexer<'a> {
    reader: Reader<'a>,
    ring: [Token; KEPT],
    newest: usize,
    unscanned: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            reader: Reader::new(text),
            ring: std::array::from_fn(|_| Token::new(Tok::Illegal, Pos::default())),
            newest: 0,
            unscanned: 0,
        }
    }

    /// The next token.
    pub(crate) fn scan(&mut self) -> Token {
        self.next(false)
    }

    /// The next token, where a slash starts a regular expression. A token that was taken back comes again as it was.
    pub(crate) fn scan_regex(&mut self) -> Token {
        self.next(true)
    }

    fn next(&mut self, regex: bool) -> Token {
        if self.unscanned > 0 {
            self.unscanned -= 1;
        } else {
            let token = if regex { regex_token(&mut self.reader) } else { token(&mut self.reader) };
            self.newest = (self.newest + 1) % KEPT;
            self.ring[self.newest] = token;
        }
        self.ring[(self.newest + KEPT - self.unscanned % KEPT) % KEPT].clone()
    }

    /// Takes back the last token.
    pub(crate) fn unscan(&mut self) {
        self.unscanned += 1;
    }

    /// The character behind all tokens scanned so far, those that were taken back included.
    pub(crate) fn peek_char(&mut self) -> char {
        self.reader.peek()
    }
}

fn token(r: &mut Reader<'_>) -> Token {
    let (c, pos) = r.read();
    if is_whitespace(c) {
        return whitespace(r);
    }
    if c.is_ascii_alphabetic() || c == '_' || c == '"' {
        r.unread();
        let (token, quoted) = identifier(r);
        return match keyword(&token.lit) {
            Some(word) if !quoted => Token::new(word, token.pos),
            _ => token,
        };
    }
    if c.is_ascii_digit() {
        return number(r);
    }
    // Two-character tokens: the second character, and what each makes.
    let mut either = |options: &[(char, Tok)], alone: Tok| {
        let (next, _) = r.read();
        match options.iter().find(|(c, _)| *c == next) {
            Some((_, tok)) => *tok,
            None => {
                r.unread();
                alone
            }
        }
    };
    let tok = match c {
        EOF => Tok::Eof,
        '\'' => return string(r),
        '.' => {
            let (next, _) = r.read();
            r.unread();
            if next.is_ascii_digit() {
                return number(r);
            }
            Tok::Dot
        }
        '$' => {
            let (name, _) = identifier(r);
            let tok = if name.tok == Tok::Ident { Tok::BoundParam } else { name.tok };
            return Token { tok, pos, lit: format!("${}", name.lit) };
        }
        '+' => Tok::Add,
        '-' => match either(&[('-', Tok::Comment)], Tok::Sub) {
            Tok::Comment => {
                while !matches!(r.read().0, '\n' | EOF) {}
                Tok::Comment
            }
            tok => tok,
        },
        '*' => Tok::Mul,
        '/' => match either(&[('*', Tok::Comment)], Tok::Div) {
            Tok::Comment => block_comment(r),
            tok => tok,
        },
        '%' => Tok::Mod,
        '&' => Tok::BitAnd,
        '|' => Tok::BitOr,
        '^' => Tok::BitXor,
        '=' => either(&[('~', Tok::EqRegex)], Tok::Eq),
        '!' => either(&[('=', Tok::NotEq), ('~', Tok::NotEqRegex)], Tok::Illegal),
        '>' => either(&[('=', Tok::GtEq)], Tok::Gt),
        '<' => either(&[('=', Tok::LtEq), ('>', Tok::NotEq)], Tok::Lt),
        '(' => Tok::LParen,
        ')' => Tok::RParen,
        ',' => Tok::Comma,
        ';' => Tok::Semicolon,
        ':' => either(&[(':', Tok::DoubleColon)], Tok::Colon),
        _ => Tok::Illegal,
    };
    if tok == Tok::Illegal && c != '/' {
        Token { tok, pos, lit: c.to_string() }
    } else {
        Token::new(tok, pos)
    }
}

fn whitespace(r: &mut Reader<'_>) -> Token {
    let (first, pos) = r.current();
    let mut lit = first.to_string();
    loop {
        let (c, _) = r.read();
        if is_whitespace(c) {
            lit.push(c);
            continue;
        }
        if c != EOF {
            r.unread();
        }
        return Token { tok: Tok::Ws, pos, lit };
    }
}

/// The rest of `/* … */`; `Illegal` if it does not end.
fn block_comment(r: &mut Reader<'_>) -> Tok {
    let mut after_star = false;
    loop {
        match r.read().0 {
            EOF => return Tok::Illegal,
            '/' if after_star => return Tok::Comment,
            c => after_star = c == '*',
        }
    }
}

/// A name, and whether it was in double quotes. As in 1.x what stands directly before the quote is lost (`a"b"` is `b`).
fn identifier(r: &mut Reader<'_>) -> (Token, bool) {
    let (_, pos) = r.read();
    r.unread();
    let mut lit = String::new();
    loop {
        let (c, _) = r.read();
        if c == EOF {
            break;
        }
        if c == '"' {
            let quoted = string(r);
            return match quoted.tok {
                Tok::Str => (Token { tok: Tok::Ident, pos, lit: quoted.lit }, true),
                _ => (quoted, true),
            };
        }
        if !is_ident_char(c) {
            r.unread();
            break;
        }
        lit.push(c);
        loop {
            let (c, _) = r.read();
            if is_ident_char(c) {
                lit.push(c);
                continue;
            }
            if c != EOF {
                r.unread();
            }
            break;
        }
    }
    (Token { tok: Tok::Ident, pos, lit }, false)
}

/// A string, from the quote that was just read. Its place is the character before that quote.
fn string(r: &mut Reader<'_>) -> Token {
    r.unread();
    let (_, pos) = r.current();
    let (quote, _) = r.read();
    let mut lit = String::new();
    loop {
        match r.read().0 {
            c if c == quote => return Token { tok: Tok::Str, pos, lit },
            EOF | '\n' => return Token { tok: Tok::BadString, pos, lit },
            '\\' => match r.read().0 {
                'n' => lit.push('\n'),
                c @ ('\\' | '"' | '\'') => lit.push(c),
                c => {
                    let (_, pos) = r.current();
                    return Token { tok: Tok::BadEscape, pos, lit: format!("\\{c}") };
                }
            },
            c => lit.push(c),
        }
    }
}

/// A regular expression between slashes. Its place is the character before the first slash.
fn regex_token(r: &mut Reader<'_>) -> Token {
    let (_, pos) = r.current();
    let bad = Token::new(Tok::BadRegex, pos);
    if r.read().0 != '/' {
        return bad;
    }
    let mut lit = String::new();
    loop {
        match r.read().0 {
            '/' => return Token { tok: Tok::Regex, pos, lit },
            EOF | '\n' => return bad,
            '\\' => match r.read().0 {
                EOF => return bad,
                '/' => lit.push('/'),
                _ => {
                    r.unread();
                    lit.push('\\');
                }
            },
            c => lit.push(c),
        }
    }
}

/// A number or a duration, from the digit or point that was just read.
fn number(r: &mut Reader<'_>) -> Token {
    let (_, pos) = r.current();
    r.unread();
    let mut lit = String::new();
    take_while(r, &mut lit, |c| c.is_ascii_digit());
    if r.read().0 == '.' {
        let (c, _) = r.read();
        if c.is_ascii_digit() {
            lit.push('.');
            lit.push(c);
            take_while(r, &mut lit, |c| c.is_ascii_digit());
        } else {
            r.unread();
        }
        return Token { tok: Tok::Number, pos, lit };
    }
    r.unread();
    let digits = lit.len();
    take_while(r, &mut lit, |c| c.is_ascii_alphabetic() || c == '\u{b5}');
    if lit.len() == digits {
        return Token { tok: Tok::Integer, pos, lit };
    }
    take_while(r, &mut lit, |c| c.is_ascii_alphanumeric() || c == '\u{b5}');
    Token { tok: Tok::DurationVal, pos, lit }
}

fn take_while(r: &mut Reader<'_>, into: &mut String, test: impl Fn(char) -> bool) {
    loop {
        let (c, _) = r.read();
        if !test(c) {
            r.unread();
            return;
        }
        into.push(c);
    }
}

pub(crate) fn is_whitespace(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

/// Whether `c` may stand in a name without quotes.
fn is_ident_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a name must be quoted: a reserved word, or anything but letters, digits and `_` not led by a digit.
pub(crate) fn needs_quotes(name: &str) -> bool {
    keyword(name).is_some()
        || name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(is_ident_char)
}
