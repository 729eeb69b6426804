//! Regular expressions in Go's (RE2) syntax, matched by the `regex` crate.

use std::fmt;

/// A regular expression of a query: the text as written, and its compiled form.
#[derive(Clone)]
pub struct Regex {
    pattern: String,
    compiled: regex::Regex,
}

impl Regex {
    /// The text between the slashes, with `\/` already read as `/`.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The compiled form, for callers that need more than [`is_match`](Self::is_match).
    #[must_use]
    pub fn compiled(&self) -> &regex::Regex {
        &self.compiled
    }

    /// Whether it matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.pattern)
    }
}
