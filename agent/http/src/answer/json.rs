//! JSON, compact or indented, byte for byte as InfluxDB 1.x (Go's `encoding/json`) writes it.

use std::ops::Range;

use weir_model::{Precision, TimestampNs};
use weir_query::{Cell, Rows, SeriesHead};

use super::number::{push_i64, push_json_f64, push_u64};
use super::time::TimeWriter;
use super::{Emitter, ResultTail};

/// Writes `{"results":[…]}`.
pub(crate) struct Json {
    frame: Frame,
    epoch: Option<Precision>,
    times: TimeWriter,
    has_series: bool,
    has_rows: bool,
}

impl Json {
    /// Times as `epoch` units, or RFC 3339; indented by four blanks if `is_pretty`.
    pub(crate) fn new(epoch: Option<Precision>, is_pretty: bool) -> Self {
        let frame = Frame { is_pretty, depth: 0, is_first: true };
        Self { frame, epoch, times: TimeWriter::new(), has_series: false, has_rows: false }
    }

    fn cell(&mut self, out: &mut Vec<u8>, head: &SeriesHead, cell: Cell<'_>) {
        match cell {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Time(ns) => match self.epoch {
                Some(unit) => push_i64(out, unit.from_ns(TimestampNs(ns))),
                None => {
                    out.push(b'"');
                    self.times.push(out, ns, head.zone.as_ref());
                    out.push(b'"');
                }
            },
            Cell::Float(value) => push_json_f64(out, value),
            Cell::Integer(value) => push_i64(out, value),
            Cell::Unsigned(value) => push_u64(out, value),
            Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Cell::Str(text) => push_str(out, text),
        }
    }
}

impl Emitter for Json {
    fn begin_document(&mut self, out: &mut Vec<u8>) {
        self.frame.is_first = true;
        self.frame.open(out, b'{');
        self.frame.key(out, "results");
        self.frame.open(out, b'[');
    }

    fn begin_result(&mut self, out: &mut Vec<u8>, statement: usize) {
        self.frame.item(out);
        self.frame.open(out, b'{');
        self.frame.key(out, "statement_id");
        push_u64(out, statement as u64);
        self.has_series = false;
    }

    fn begin_series(&mut self, out: &mut Vec<u8>, head: &SeriesHead) {
        let frame = &mut self.frame;
        if !std::mem::replace(&mut self.has_series, true) {
            frame.key(out, "series");
            frame.open(out, b'[');
        }
        frame.item(out);
        frame.open(out, b'{');
        if let Some(name) = head.name.as_deref().filter(|name| !name.is_empty()) {
            frame.key(out, "name");
            push_str(out, name);
        }
        if !head.tags.is_empty() {
            frame.key(out, "tags");
            frame.open(out, b'{');
            for (key, value) in &head.tags {
                frame.key(out, key);
                push_str(out, value);
            }
            frame.close(out, b'}');
        }
        frame.key(out, "columns");
        frame.open(out, b'[');
        for column in head.columns.iter() {
            frame.item(out);
            push_str(out, column);
        }
        frame.close(out, b']');
        self.has_rows = false;
    }

    fn rows(&mut self, out: &mut Vec<u8>, head: &SeriesHead, rows: &Rows, range: Range<usize>) {
        if !std::mem::replace(&mut self.has_rows, true) {
            self.frame.key(out, "values");
            self.frame.open(out, b'[');
        }
        for row in range {
            self.frame.item(out);
            self.frame.open(out, b'[');
            for column in &rows.columns {
                self.frame.item(out);
                self.cell(out, head, column.get(row));
            }
            self.frame.close(out, b']');
        }
    }

    fn end_series(&mut self, out: &mut Vec<u8>, is_partial: bool) {
        if self.has_rows {
            self.frame.close(out, b']');
        }
        if is_partial {
            self.frame.key(out, "partial");
            out.extend_from_slice(b"true");
        }
        self.frame.close(out, b'}');
    }

    fn end_result(&mut self, out: &mut Vec<u8>, tail: &ResultTail<'_>) {
        let frame = &mut self.frame;
        if self.has_series {
            frame.close(out, b']');
        }
        if !tail.messages.is_empty() {
            frame.key(out, "messages");
            frame.open(out, b'[');
            for message in tail.messages {
                frame.item(out);
                frame.open(out, b'{');
                frame.key(out, "level");
                push_str(out, message.level.name());
                frame.key(out, "text");
                push_str(out, &message.text);
                frame.close(out, b'}');
            }
            frame.close(out, b']');
        }
        if tail.is_partial {
            frame.key(out, "partial");
            out.extend_from_slice(b"true");
        }
        if let Some(error) = tail.error {
            frame.key(out, "error");
            push_str(out, error);
        }
        frame.close(out, b'}');
    }

    fn end_document(&mut self, out: &mut Vec<u8>) {
        self.frame.close(out, b']');
        self.frame.close(out, b'}');
        out.push(b'\n');
    }
}

/// Commas and indentation.
#[derive(Debug)]
struct Frame {
    is_pretty: bool,
    depth: usize,
    is_first: bool,
}

impl Frame {
    fn open(&mut self, out: &mut Vec<u8>, bracket: u8) {
        out.push(bracket);
        self.depth += 1;
        self.is_first = true;
    }

    fn close(&mut self, out: &mut Vec<u8>, bracket: u8) {
        self.depth = self.depth.saturating_sub(1);
        if self.is_pretty && !self.is_first {
            self.new_line(out);
        }
        out.push(bracket);
        self.is_first = false;
    }

    #[inline]
    fn item(&mut self, out: &mut Vec<u8>) {
        if !self.is_first {
            out.push(b',');
        }
        self.is_first = false;
        if self.is_pretty {
            self.new_line(out);
        }
    }

    fn key(&mut self, out: &mut Vec<u8>, key: &str) {
        self.item(out);
        push_str(out, key);
        out.extend_from_slice(if self.is_pretty { b": " } else { b":" });
    }

    #[cold]
    fn new_line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 4 * self.depth, b' ');
    }
}

/// Appends `text` as a JSON string. Escapes what Go escapes: quotes, backslashes, control characters, `<`, `>`, `&`, and the two
/// line separators that JavaScript does not like.
pub(crate) fn push_str(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut done = 0;
    let mut i = 0;
    while i < bytes.len() {
        let byte = bytes[i];
        if !NEEDS_LOOK[usize::from(byte)] {
            i += 1;
            continue;
        }
        let mut width = 1;
        let mut escape = [b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        let escape = match byte {
            b'"' => &b"\\\""[..],
            b'\\' => &b"\\\\"[..],
            b'\n' => &b"\\n"[..],
            b'\r' => &b"\\r"[..],
            b'\t' => &b"\\t"[..],
            0xe2 => match bytes.get(i + 1..i + 3) {
                Some([0x80, last @ (0xa8 | 0xa9)]) => {
                    width = 3;
                    escape = [b'\\', b'u', b'2', b'0', b'2', b'8' + (last & 1)];
                    &escape[..]
                }
                _ => {
                    i += 1;
                    continue;
                }
            },
            _ => &escape[..],
        };
        out.extend_from_slice(&bytes[done..i]);
        out.extend_from_slice(escape);
        i += width;
        done = i;
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// Bytes that may have to be escaped.
static NEEDS_LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = true;
        i += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[0xe2] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> String {
        let mut out = Vec::new();
        push_str(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(text("plain ü"), "\"plain ü\"");
        assert_eq!(text("a\"b\\c\n\r\t"), r#""a\"b\\c\n\r\t""#);
        assert_eq!(
            text("<&>\u{2028}\u{2029}\u{0}\u{1f}"),
            "\"\\u003c\\u0026\\u003e\\u2028\\u2029\\u0000\\u001f\""
        );
        assert_eq!(text("\u{2030}\u{20ac}â"), "\"\u{2030}\u{20ac}â\"");
    }

    proptest! {
        #[test]
        fn strings_read_back(value in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&text(&value)).unwrap(), value);
        }
    }
}
