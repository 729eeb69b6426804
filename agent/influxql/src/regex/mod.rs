//! Regular expressions in Go's (RE2) syntax, matched by the `regex` crate.

mod go;

use std::fmt;

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Look};

/// A regular expression of a query: the text as written, and its compiled form.
#[derive(Clone)]
pub struct Regex {
    pattern: String,
    compiled: regex::Regex,
}

/// Why a text is no regular expression, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {problem}: `{at}`")]
pub struct RegexError {
    problem: &'static str,
    /// The part of the pattern that is wrong.
    at: String,
}

impl Regex {
    /// Compiles a pattern in Go's syntax.
    ///
    /// # Errors
    /// [`RegexError`] where Go refuses the pattern, and where its compiled form would be too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let translated = go::translate(pattern)?;
        match regex::Regex::new(&translated) {
            Ok(compiled) => Ok(Self { pattern: pattern.to_owned(), compiled }),
            Err(_) => Err(RegexError { problem: "expression too large", at: pattern.to_owned() }),
        }
    }

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

    /// The texts that match, if the pattern is bound to both ends and matches only a few (`^a$`, `^(a|b|c)$`): then a
    /// look-up of each replaces trying every text there is. `None` for any other pattern.
    #[must_use]
    pub fn exact_values(&self) -> Option<Vec<String>> {
        /// As many as 1.x expands; more would not be faster to look up one by one.
        const MOST: usize = 100;
        let hir = regex_syntax::parse(self.compiled.as_str()).ok()?;
        let HirKind::Concat(parts) = hir.kind() else {
            return None;
        };
        let (first, rest) = parts.split_first()?;
        let (last, middle) = rest.split_last()?;
        if !matches!(first.kind(), HirKind::Look(Look::Start))
            || !matches!(last.kind(), HirKind::Look(Look::End))
        {
            return None;
        }
        let mut extractor = Extractor::new();
        extractor.limit_class(MOST).limit_repeat(MOST).limit_literal_len(4096).limit_total(MOST);
        let sequence = extractor.extract(&Hir::concat(middle.to_vec()));
        if !sequence.is_exact() {
            return None;
        }
        let mut values = Vec::new();
        for literal in sequence.literals()? {
            values.push(std::str::from_utf8(literal.as_bytes()).ok()?.to_owned());
        }
        Some(values)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pattern: &str) -> String {
        match Regex::new(pattern) {
            Ok(_) => panic!("{pattern} compiles"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, yes, no) in [
            ("^a.c$", "abc", "abcd"),
            (r"^\d+$", "123", "\u{0661}"),
            (r"^\w$", "_", "ü"),
            (r"\bcat\b", "a cat", "concat"),
            (r"\Bcat", "concat", "a cat"),
            (r"(?i)HOST-\d", "host-1", "host-x"),
            (r"^[[:alpha:]_]+$", "abc_", "abc1"),
            (r"^[^[:alpha:]]+$", "123", "a"),
            (r"^[a&&b]+$", "a&b", "ac"),
            (r"^[+--]+$", "+,-", "."),
            (r"^[]a]+$", "]a", "b"),
            (r"^[a-]+$", "a-", "b"),
            (r"^\Qa.c\E+$", "a.ccc", "abc"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^{$", "{", "a"),
            (r"^a{2,3}$", "aaa", "a"),
            (r"^\pL+$", "äß", "1"),
            (r"^\p{Greek}$", "α", "a"),
            (r"^\P{^Greek}$", "α", "a"),
            (r"^[\pL\d]+$", "ä1", "-"),
            (r"^\x41\x{42}\101$", "ABA", "abc"),
            (r"^\_\-\/$", "_-/", "x"),
            (r"(?P<name>a)b", "ab", "ba"),
            (r"(?s)^a.b$", "a\nb", "ab"),
            (r"(?m)^b$", "a\nb", "ab"),
            (r"^(a|)$", "", "b"),
            (r"^a#b $", "a#b ", "ab"),
            (r"^[^\d\s]+$", "ab", "1"),
            (r"^\D\S\W$", "ab-", "1b-"),
            (r"", "anything", ""),
        ] {
            let regex = Regex::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert!(regex.is_match(yes), "{pattern} should match {yes}");
            if !pattern.is_empty() {
                assert!(!regex.is_match(no), "{pattern} should not match {no}");
            }
            assert_eq!(regex.pattern(), pattern);
        }
    }

    #[test]
    fn refusals_are_in_the_words_of_go() {
        for (pattern, problem) in [
            ("[a", "missing closing ]: `[a`"),
            ("[", "missing closing ]: `[`"),
            ("a(b", "missing closing ): `a(b`"),
            ("a)b", "unexpected ): `a)b`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("(+?)", "missing argument to repetition operator: `+?`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+*?", "invalid nested repetition operator: `+*?`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("(a{100}){100}", "invalid repeat count: `{100}`"),
            ("(?!x)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
            ("(?P<a b>x)", "invalid named capture: `(?P<a b>`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
            (r"a\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(error(pattern), format!("error parsing regexp: {problem}"), "{pattern}");
        }
        assert!(error(r"(\pL{900}){1,}").contains("too large"), "size is limited");
    }

    #[test]
    fn a_few_exact_texts_are_listed() {
        let values = |pattern: &str| Regex::new(pattern).unwrap().exact_values();
        assert_eq!(values("^a$"), Some(vec!["a".to_owned()]));
        assert_eq!(values("^(a|bc|d.)$"), None);
        assert_eq!(values("^(?:a|bc)$"), Some(vec!["a".to_owned(), "bc".to_owned()]));
        assert_eq!(values("^(web|db)-[12]$").map(|v| v.len()), Some(4));
        assert_eq!(values("^$"), Some(vec![String::new()]));
        assert_eq!(values("a"), None);
        assert_eq!(values("^a"), None);
        assert_eq!(values("^a+$"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_compiles_or_is_refused(pattern in r"[a-c\[\](){}|*+?^$.\\:<>,!=iPQEpdx0-9-]{0,24}|\PC{0,24}") {
            if let Err(e) = Regex::new(&pattern) {
                assert!(!e.to_string().contains("too large"), "{pattern}: Go takes it, we do not: {e}");
            }
        }
    }
}
