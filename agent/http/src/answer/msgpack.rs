//! MessagePack as InfluxDB 1.x writes it.
//!
//! Lists and maps begin with their length, which is known only at their end, so a document is kept until it is complete and
//! lengths are filled in then. A list gets the widest head, a map of ours never has more than 15 keys.

use std::ops::Range;

use weir_model::{Precision, TimestampNs};
use weir_query::{Cell, Rows, SeriesHead};

use super::{Emitter, ResultTail};

/// Extension type of a time: seconds and nanoseconds.
const TIME_EXTENSION: u8 = 5;
/// Bytes of the head of a list: 0xdd and a 32-bit length.
const LIST_HEAD: usize = 5;

/// Writes `{"results": […]}`.
pub(crate) struct MessagePack {
    epoch: Option<Precision>,
    results: List,
    /// Where the open result begins.
    result: usize,
    statement: usize,
    series: List,
    /// Where the open series begins.
    series_map: usize,
    series_keys: u8,
    values: List,
}

/// A list whose length is not known yet.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    at: usize,
    len: u32,
}

impl List {
    fn open(out: &mut Vec<u8>) -> Self {
        let at = out.len();
        out.extend_from_slice(&[0xdd, 0, 0, 0, 0]);
        Self { at, len: 0 }
    }

    fn close(self, out: &mut [u8]) {
        if let Some(head) = out.get_mut(self.at + 1..self.at + LIST_HEAD) {
            head.copy_from_slice(&self.len.to_be_bytes());
        }
    }
}

impl MessagePack {
    pub(crate) fn new(epoch: Option<Precision>) -> Self {
        Self {
            epoch,
            results: List::default(),
            result: 0,
            statement: 0,
            series: List::default(),
            series_map: 0,
            series_keys: 0,
            values: List::default(),
        }
    }

    fn cell(&self, out: &mut Vec<u8>, cell: Cell<'_>) {
        match cell {
            Cell::Null => out.push(0xc0),
            Cell::Time(ns) => match self.epoch {
                Some(unit) => push_int(out, unit.from_ns(TimestampNs(ns))),
                None => {
                    out.extend_from_slice(&[0xc7, 12, TIME_EXTENSION]);
                    out.extend_from_slice(&ns.div_euclid(1_000_000_000).to_be_bytes());
                    let nanos = i32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0);
                    out.extend_from_slice(&nanos.to_be_bytes());
                }
            },
            Cell::Float(value) if value.is_finite() => {
                out.push(0xcb);
                out.extend_from_slice(&value.to_bits().to_be_bytes());
            }
            Cell::Float(_) => out.push(0xc0),
            Cell::Integer(value) => push_int(out, value),
            Cell::Unsigned(value) => push_uint(out, value),
            Cell::Boolean(value) => out.push(if value { 0xc3 } else { 0xc2 }),
            Cell::Str(text) => push_str(out, text),
        }
    }
}

impl Emitter for MessagePack {
    fn begin_document(&mut self, out: &mut Vec<u8>) {
        push_map(out, 1);
        push_str(out, "results");
        self.results = List::open(out);
    }

    fn begin_result(&mut self, out: &mut Vec<u8>, statement: usize) {
        self.results.len += 1;
        self.result = out.len();
        self.statement = statement;
        push_map(out, 2);
        push_str(out, "statement_id");
        push_uint(out, statement as u64);
        push_str(out, "series");
        self.series = List::open(out);
    }

    fn begin_series(&mut self, out: &mut Vec<u8>, head: &SeriesHead) {
        self.series.len += 1;
        self.series_map = out.len();
        self.series_keys = 2;
        push_map(out, 0);
        if let Some(name) = head.name.as_deref().filter(|name| !name.is_empty()) {
            self.series_keys += 1;
            push_str(out, "name");
            push_str(out, name);
        }
        if !head.tags.is_empty() {
            self.series_keys += 1;
            push_str(out, "tags");
            push_long_map(out, head.tags.len());
            for (key, value) in &head.tags {
                push_str(out, key);
                push_str(out, value);
            }
        }
        push_str(out, "columns");
        push_list(out, head.columns.len());
        for column in head.columns.iter() {
            push_str(out, column);
        }
        push_str(out, "values");
        self.values = List::open(out);
    }

    fn rows(&mut self, out: &mut Vec<u8>, _: &SeriesHead, rows: &Rows, range: Range<usize>) {
        for row in range {
            self.values.len += 1;
            push_list(out, rows.columns.len());
            for column in &rows.columns {
                self.cell(out, column.get(row));
            }
        }
    }

    fn end_series(&mut self, out: &mut Vec<u8>, is_partial: bool) {
        self.values.close(out);
        if is_partial {
            self.series_keys += 1;
            push_str(out, "partial");
            out.push(0xc3);
        }
        set_map(out, self.series_map, self.series_keys);
    }

    fn end_result(&mut self, out: &mut Vec<u8>, tail: &ResultTail<'_>) {
        if let Some(error) = tail.error {
            // A failed statement is a map with the error alone.
            out.truncate(self.result);
            push_error(out, error);
            return;
        }
        self.series.close(out);
        let mut keys = 2;
        if !tail.messages.is_empty() {
            keys += 1;
            push_str(out, "messages");
            push_list(out, tail.messages.len());
            for message in tail.messages {
                push_map(out, 2);
                push_str(out, "level");
                push_str(out, message.level.name());
                push_str(out, "text");
                push_str(out, &message.text);
            }
        }
        if tail.is_partial {
            keys += 1;
            push_str(out, "partial");
            out.push(0xc3);
        }
        set_map(out, self.result, keys);
    }

    fn end_document(&mut self, out: &mut Vec<u8>) {
        self.results.close(out);
    }

    fn can_stream(&self) -> bool {
        false
    }
}

/// `{"error": text}`.
pub(crate) fn push_error(out: &mut Vec<u8>, text: &str) {
    push_map(out, 1);
    push_str(out, "error");
    push_str(out, text);
}

fn push_map(out: &mut Vec<u8>, keys: u8) {
    out.push(0x80 | keys & 0x0f);
}

fn set_map(out: &mut [u8], at: usize, keys: u8) {
    if let Some(head) = out.get_mut(at) {
        *head = 0x80 | keys & 0x0f;
    }
}

fn push_long_map(out: &mut Vec<u8>, keys: usize) {
    push_head(out, keys, 0x80, 0xde);
}

fn push_list(out: &mut Vec<u8>, len: usize) {
    push_head(out, len, 0x90, 0xdc);
}

/// Head of a list or map: `short` with the length in four bits, or `long` with 16, or `long + 1` with 32.
fn push_head(out: &mut Vec<u8>, len: usize, short: u8, long: u8) {
    if let Ok(len @ 0..=15) = u8::try_from(len) {
        out.push(short | len);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(long);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(long + 1);
        out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    }
}

fn push_str(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(u32::MAX as usize)];
    if let Ok(len @ 0..=31) = u8::try_from(text.len()) {
        out.push(0xa0 | len);
    } else if let Ok(len) = u8::try_from(text.len()) {
        out.extend_from_slice(&[0xd9, len]);
    } else if let Ok(len) = u16::try_from(text.len()) {
        out.push(0xda);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0xdb);
        out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

fn push_uint(out: &mut Vec<u8>, value: u64) {
    if let Ok(value @ 0..=127) = u8::try_from(value) {
        out.push(value);
    } else if let Ok(value) = u8::try_from(value) {
        out.extend_from_slice(&[0xcc, value]);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(0xcd);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(0xce);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn push_int(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        push_uint(out, value);
    } else if let Ok(value @ -32..) = i8::try_from(value) {
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i8::try_from(value) {
        out.push(0xd0);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xd1);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(0xd2);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&value.to_be_bytes());
    }
}
