//! Errors of parsing, word for word those of InfluxDB 1.8.

use crate::lexer::Pos;

/// Why a text is no InfluxQL.
///
/// `Display` gives the text that follows `error parsing query: ` in the answer, for instance
/// `found EOF, expected FROM at line 1, char 10`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ParseError {
    text: String,
}

impl ParseError {
    /// `found X, expected A, B at line L, char C`.
    pub(crate) fn expected(found: &str, expected: &[&str], pos: Pos) -> Self {
        Self::at(&format!("found {found}, expected {}", expected.join(", ")), pos)
    }

    /// `message at line L, char C`.
    pub(crate) fn at(message: &str, pos: Pos) -> Self {
        Self { text: format!("{message} at line {}, char {}", pos.line + 1, pos.char + 1) }
    }

    /// A message without a position.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self { text: message.into() }
    }

    /// The text, without the prefix `error parsing query: `.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
