//! CSV as InfluxDB 1.x writes it: `name,tags,<columns>`, times as integers, nothing for null.
//!
//! Errors and messages of statements have no place in this format.

use std::ops::Range;
use std::sync::Arc;

use weir_model::{Precision, TimestampNs};
use weir_query::{Cell, Rows, SeriesHead};

use super::number::{push_i64, push_plain_f64, push_u64};
use super::{Emitter, ResultTail};

/// Writes tables; a new header after an empty line when statement or columns change.
pub(crate) struct Csv {
    epoch: Precision,
    /// Columns of the table being written.
    columns: Option<Arc<[Arc<str>]>>,
    /// Whether another table has been written before.
    has_tables: bool,
    statement: usize,
    /// Name and tags, as each row begins.
    prefix: Vec<u8>,
}

impl Csv {
    pub(crate) fn new(epoch: Option<Precision>) -> Self {
        let epoch = epoch.unwrap_or(Precision::Nanosecond);
        Self { epoch, columns: None, has_tables: false, statement: usize::MAX, prefix: Vec::new() }
    }
}

impl Emitter for Csv {
    fn begin_document(&mut self, _: &mut Vec<u8>) {}

    fn begin_result(&mut self, _: &mut Vec<u8>, statement: usize) {
        if statement != self.statement {
            self.columns = None;
            self.statement = statement;
        }
    }

    fn begin_series(&mut self, out: &mut Vec<u8>, head: &SeriesHead) {
        if self.columns.as_deref() != Some(&*head.columns) {
            if std::mem::replace(&mut self.has_tables, true) {
                out.push(b'\n');
            }
            out.extend_from_slice(b"name,tags");
            for column in head.columns.iter() {
                out.push(b',');
                push_cell(out, column);
            }
            out.push(b'\n');
            self.columns = Some(Arc::clone(&head.columns));
        }
        self.prefix.clear();
        push_cell(&mut self.prefix, head.name.as_deref().unwrap_or_default());
        self.prefix.push(b',');
        push_cell(&mut self.prefix, &tags_text(head));
    }

    fn rows(&mut self, out: &mut Vec<u8>, _: &SeriesHead, rows: &Rows, range: Range<usize>) {
        for row in range {
            out.extend_from_slice(&self.prefix);
            for column in &rows.columns {
                out.push(b',');
                match column.get(row) {
                    Cell::Null => {}
                    Cell::Time(ns) => push_i64(out, self.epoch.from_ns(TimestampNs(ns))),
                    Cell::Float(value) => push_plain_f64(out, value),
                    Cell::Integer(value) => push_i64(out, value),
                    Cell::Unsigned(value) => push_u64(out, value),
                    Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
                    Cell::Str(text) => push_cell(out, text),
                }
            }
            out.push(b'\n');
        }
    }

    fn end_series(&mut self, _: &mut Vec<u8>, _: bool) {}

    fn end_result(&mut self, _: &mut Vec<u8>, _: &ResultTail<'_>) {}

    fn end_document(&mut self, _: &mut Vec<u8>) {}
}

/// `k=v,k2=v2` with the escapes of line protocol, without empty values.
fn tags_text(head: &SeriesHead) -> String {
    let mut text = String::new();
    for (key, value) in head.tags.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        push_tag(&mut text, key);
        text.push('=');
        push_tag(&mut text, value);
    }
    text
}

fn push_tag(out: &mut String, part: &str) {
    for c in part.chars() {
        if matches!(c, ',' | '=' | ' ') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Appends one cell, quoted if it holds a comma, a quote or a line end, or begins with a blank.
pub(crate) fn push_cell(out: &mut Vec<u8>, text: &str) {
    let needs_quotes = text == "\\."
        || text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'))
        || text.chars().next().is_some_and(char::is_whitespace);
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_when_they_must() {
        for (text, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("x,\"y\"", "\"x,\"\"y\"\"\""),
            (" a", "\" a\""),
            ("a\nb", "\"a\nb\""),
            ("\\.", "\"\\.\""),
            ("hä <&> \\", "hä <&> \\"),
        ] {
            let mut out = Vec::new();
            push_cell(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
