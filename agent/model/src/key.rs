//! The canonical series key.
//!
//! A series is a measurement and a set of tags. Its canonical key is the line protocol spelling with the fewest
//! escapes and the tags sorted by key (bytes, unescaped): `m,a=1,b=2`. A measurement escapes `,` and blank; tag keys
//! and values escape `,`, `=` and blank; nothing else is escaped, so a backslash stands for itself unless one of those
//! characters follows, and of two backslashes the first stands for itself. A tag value is never empty, and no part ends in a backslash (line protocol cannot spell that).

use std::fmt;

/// Canonical bytes of a series, always UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey(Box<str>);

impl SeriesKey {
    /// Builds the key from unescaped parts. Sorts `tags` by key.
    #[must_use]
    pub fn new<S: AsRef<str>>(measurement: &str, tags: &mut [(S, S)]) -> Self {
        tags.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut out = String::with_capacity(measurement.len() + tags.len() * 16);
        write_canonical(&mut out, measurement, tags.iter().map(|(k, v)| (k.as_ref(), v.as_ref())));
        Self(out.into())
    }

    /// Takes bytes that are canonical already.
    #[must_use]
    pub fn from_canonical(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The canonical text; also what SHOW SERIES prints.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Unescaped measurement and tags, in key order.
    #[must_use]
    pub fn parts(&self) -> (String, Vec<(String, String)>) {
        parse_canonical(&self.0)
    }
}

impl fmt::Debug for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends the canonical key of `measurement` and `tags` (unescaped, sorted by key) to `out`.
pub fn write_canonical<'a>(
    out: &mut String,
    measurement: &str,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    push_escaped(out, measurement, false);
    for (key, value) in tags {
        out.push(',');
        push_escaped(out, key, true);
        out.push('=');
        push_escaped(out, value, true);
    }
}

fn push_escaped(out: &mut String, text: &str, is_tag: bool) {
    for c in text.chars() {
        if c == ',' || c == ' ' || (is_tag && c == '=') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Unescaped measurement and tags of a canonical key. Text that is not canonical gives some parts, never a panic.
#[must_use]
pub fn parse_canonical(key: &str) -> (String, Vec<(String, String)>) {
    let mut sections = split_unescaped(key, ',');
    let measurement = sections.next().map(|m| unescape(m, false)).unwrap_or_default();
    let tags = sections
        .map(|section| {
            let mut halves = split_unescaped(section, '=');
            let key = halves.next().map(|k| unescape(k, true)).unwrap_or_default();
            let value = match section.get(key_len(section)..) {
                Some(rest) => unescape(rest, true),
                None => String::new(),
            };
            (key, value)
        })
        .collect();
    (measurement, tags)
}

/// Bytes up to and including the first `=` that no backslash hides.
fn key_len(section: &str) -> usize {
    let bytes = section.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += hidden(bytes, i),
            b'=' => return i + 1,
            _ => i += 1,
        }
    }
    section.len()
}

/// How far to go from the backslash at `i`: over the character that it hides, or over itself when the next is none that is ever hidden.
fn hidden(bytes: &[u8], i: usize) -> usize {
    match bytes.get(i + 1) {
        Some(b',' | b'=' | b' ') => 2,
        _ => 1,
    }
}

fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i] == b'\\' {
                i += hidden(bytes, i);
            } else if bytes[i] == separator as u8 {
                rest = text.get(i + 1..);
                return text.get(..i);
            } else {
                i += 1;
            }
        }
        rest = None;
        Some(text)
    })
}

fn unescape(text: &str, is_tag: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.peek() {
                Some(&next) if next == ',' || next == ' ' || (is_tag && next == '=') => {
                    out.push(next);
                    chars.next();
                    continue;
                }
                _ => {}
            }
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_keys_sort_tags_and_escape_little() {
        let key = SeriesKey::new("my cpu", &mut [("b", "x=1"), ("a,b", "ü y")]);
        assert_eq!(key.as_str(), r"my\ cpu,a\,b=ü\ y,b=x\=1");
        assert_eq!(
            key.parts(),
            ("my cpu".into(), vec![("a,b".into(), "ü y".into()), ("b".into(), "x=1".into())])
        );
    }

    proptest! {
        #[test]
        fn parts_of_a_built_key_are_what_it_was_built_from(
            m in r"[a-c ,=\\ü]{0,5}[a-c]",
            tags in proptest::collection::btree_map(r"[a-c ,=\\ü]{0,4}[a-c]", r"[a-c ,=\\ü]{0,4}[a-c]", 0..4),
        ) {
            let mut list: Vec<_> = tags.into_iter().collect();
            let key = SeriesKey::new(&m, &mut list);
            prop_assert_eq!(key.parts(), (m, list));
        }

        #[test]
        fn parse_canonical_never_panics(text in ".*") {
            let _ = parse_canonical(&text);
        }
    }
}
