//! Printing back, as 1.x prints.
//!
//! Names are quoted only where they must be, passwords never appear, and what is printed parses to the same tree (but
//! for the redacted passwords). Where 1.x prints something that means another thing when it is read again (long
//! fractions, `b / -a`, names behind DISTINCT), the text here is the faithful one.

mod expr;
mod select;
mod statement;

use std::fmt;

use crate::lexer::needs_quotes;

/// Prints a list with `, ` between its members.
pub(crate) struct Comma<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for Comma<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A name, in double quotes if it needs them or is empty.
pub(crate) struct Ident<'a>(pub(crate) &'a str);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || needs_quotes(self.0) { quoted(f, self.0, '"') } else { f.write_str(self.0) }
    }
}

/// A text in single quotes.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(f, self.0, '\'')
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    use fmt::Write as _;
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}

/// Quotes a name as it must be written in a statement: in double quotes if it needs them or is empty.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    Ident(name).to_string()
}

/// Quotes a text as it must be written in a statement: in single quotes.
#[must_use]
pub fn quote_string(text: &str) -> String {
    Text(text).to_string()
}

/// The parts of a name with dots between them, all but the last one quoted, as 1.x shows them in an error.
pub(crate) fn quote_segments(segments: &[String]) -> String {
    let last = segments.len().saturating_sub(1);
    let quoted: Vec<String> = segments
        .iter()
        .enumerate()
        .map(|(i, segment)| match segment.as_str() {
            "" if i > 0 && i < last => String::new(),
            name if i < last && !needs_quotes(name) => format!("\"{name}\""),
            name => quote_ident(name),
        })
        .collect();
    quoted.join(".")
}

#[cfg(test)]
mod tests;
