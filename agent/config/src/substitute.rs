//! Environment variables in string values.
//!
//! The file is parsed first and only strings are touched, so a value can never change the shape of the file. Forms: `$VAR`, `${VAR}`,
//! `${VAR:-default}`, `${VAR-default}`, `${VAR:?message}`, `${VAR?message}`; `$$` is a dollar. What is no variable name stays as it is.
//! A string that is exactly one variable is remembered, and takes the type that its key needs when the table is decoded.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where variables come from.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A problem with one string: byte offset and text.
pub(crate) struct BadVariable {
    pub(crate) offset: usize,
    pub(crate) text: String,
    pub(crate) is_error: bool,
}

/// What came of substituting in a file.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Problems.
    pub(crate) bad: Vec<BadVariable>,
    /// Byte offsets of the strings that are exactly one variable.
    pub(crate) whole: Vec<usize>,
}

/// Substitutes in all strings below `table`.
pub(crate) fn in_table(table: &mut DeTable<'_>, lookup: Lookup<'_>, outcome: &mut Outcome) {
    for (_, value) in table.iter_mut() {
        in_value(value, lookup, outcome);
    }
}

/// Whether the text is one variable and nothing else.
fn is_whole(text: &str) -> bool {
    text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).is_some_and(|t| !t.contains(['}', '$']))
        || text.strip_prefix('$').is_some_and(|t| !t.is_empty() && name_of(t).1.is_empty())
}

fn in_value(value: &mut Spanned<DeValue<'_>>, lookup: Lookup<'_>, outcome: &mut Outcome) {
    let offset = value.span().start;
    match value.get_mut() {
        DeValue::String(text) if text.contains('$') => match expand(text, lookup) {
            Ok((new, unknown)) => {
                if is_whole(text) {
                    outcome.whole.push(offset);
                }
                for name in unknown {
                    outcome.bad.push(BadVariable {
                        offset,
                        text: format!("environment variable {name} is not set; the text stays as it is (give a default with ${{{name}:-…}})"),
                        is_error: false,
                    });
                }
                *text = Cow::Owned(new);
            }
            Err(why) => outcome.bad.push(BadVariable { offset, text: why, is_error: true }),
        },
        DeValue::Array(items) => items.iter_mut().for_each(|item| in_value(item, lookup, outcome)),
        DeValue::Table(table) => in_table(table, lookup, outcome),
        _ => {}
    }
}

/// The text with variables put in, and the names of those that are not set.
fn expand(text: &str, lookup: Lookup<'_>) -> Result<(String, Vec<String>), String> {
    let mut out = String::with_capacity(text.len());
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.strip_prefix('$').unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((inner, tail)) = after.strip_prefix('{').and_then(|b| b.split_once('}')) {
            match braced(inner, lookup)? {
                Some(value) => out.push_str(&value),
                None => {
                    if !name_of(inner).0.is_empty() {
                        unknown.push(inner.to_owned());
                    }
                    out.push_str("${");
                    out.push_str(inner);
                    out.push('}');
                }
            }
            rest = tail;
        } else {
            let (name, tail) = name_of(after);
            match lookup(name).filter(|_| !name.is_empty()) {
                Some(value) => out.push_str(&value),
                None => {
                    if !name.is_empty() {
                        unknown.push(name.to_owned());
                    }
                    out.push('$');
                    out.push_str(name);
                }
            }
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok((out, unknown))
}

/// The longest variable name at the front, and what follows it.
fn name_of(text: &str) -> (&str, &str) {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(if starts { end } else { 0 })
}

fn braced(inner: &str, lookup: Lookup<'_>) -> Result<Option<String>, String> {
    let (name, rest) = name_of(inner);
    if name.is_empty() {
        return Ok(None);
    }
    let value = lookup(name);
    let (empty_counts, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let set = value.clone().filter(|v| !(empty_counts && v.is_empty()));
    if rest.is_empty() && !empty_counts {
        return Ok(value);
    }
    if let Some(default) = rest.strip_prefix('-') {
        return Ok(Some(set.unwrap_or_else(|| default.to_owned())));
    }
    if let Some(message) = rest.strip_prefix('?') {
        return match set {
            Some(value) => Ok(Some(value)),
            None => Err(format!("environment variable {name} is not set: {message}")),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| match name {
            "A" => Some("x".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        assert_eq!(expand(text, &lookup).unwrap().0, expected, "{text}");
    }

    #[test]
    fn every_form_is_understood() {
        check("a$A.b", "ax.b");
        check("${A}${A}", "xx");
        check("${NO:-d}${NO-e}${EMPTY:-f}${EMPTY-g}", "def");
        check("$NO ${NO} ${1} $$A $", "$NO ${NO} ${1} $A $");
        assert!(expand("${NO:?must be set}", &|_| None).unwrap_err().contains("must be set"));
    }
}
