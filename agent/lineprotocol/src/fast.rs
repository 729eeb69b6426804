//! Lines of a known shape: a series and fields that the sink has met before, nothing to unescape but strings.
//!
//! Values go to the sink as they are read; when the line then turns out to be of another shape the point is abandoned and the
//! plain path reads the line again. So this path only ever says "yes" or "look yourself", never "wrong".

use memchr::{memchr, memchr3};
use weir_model::PointSink;

use crate::STRING_LEN_MAX;
use crate::errors::ErrorKind;
use crate::number::{self, Number};
use crate::parser::{Parser, Run};
use crate::plain;

/// Longest key on this path; see the limit on known names.
pub(crate) const KEY_LEN_KNOWN_MAX: usize = 60_000;

/// What stands behind a value.
enum Next {
    Field,
    Time,
    /// The line ends; the next one starts there.
    Line(usize),
}

/// Reads the line at `at`; where the next one starts. `None`: it is not of a known shape.
#[inline]
pub(crate) fn line<S: PointSink>(
    parser: &mut Parser,
    run: &mut Run<'_>,
    sink: &mut S,
    at: usize,
) -> Option<usize> {
    let body = run.body;
    if matches!(body.get(at)?, b'\n' | b'\r' | b'#' | b' ' | b',' | b'\t' | 0) {
        return None;
    }
    let key_end = key_end(body, at)?;
    // A second blank is left to the plain path, which skips tabs and zeros too.
    if matches!(body.get(key_end + 1)?, b' ' | b'\t' | 0) {
        return None;
    }
    let started = sink.key(&body[at..key_end]);
    let read = started.and_then(|id| {
        let template = parser.templates.get_mut(id.0 as usize)?;
        let mut cursor = template.start();
        let mut at = key_end + 1;
        let (mut values, mut line_feeds) = (0, 0);
        loop {
            let field = template.next(&mut cursor, body, at, parser.line_stamp)?;
            let value_at = at + field.len();
            let slot = field.slot;
            let end = match body.get(value_at)? {
                b'0'..=b'9' | b'-' | b'.' => {
                    let (number, end) = number_at(body, value_at)?;
                    match number {
                        Number::Float(value, decimal) => sink.float(slot, value, decimal),
                        Number::Integer(value) => sink.integer(slot, value),
                        Number::Unsigned(value) => sink.unsigned(slot, value),
                    }
                    end
                }
                b'"' => {
                    let (raw, has_escapes, feeds) = string_at(body, value_at + 1)?;
                    line_feeds += feeds;
                    let text = str::from_utf8(raw).ok()?;
                    if has_escapes {
                        sink.string(slot, unescaped(text, &mut parser.scratch)?);
                    } else {
                        sink.string(slot, text);
                    }
                    value_at + raw.len() + 2
                }
                _ => {
                    let (value, end) = boolean_at(body, value_at)?;
                    sink.boolean(slot, value);
                    end
                }
            };
            values += 1;
            match next(body, end)? {
                Next::Field => at = end + 1,
                Next::Time => {
                    let (time, next_line) = time_at(run, end + 1)?;
                    return Some((time, next_line, values, line_feeds));
                }
                Next::Line(next_line) => {
                    return Some((run.options.default_time, next_line, values, line_feeds));
                }
            }
        }
    });
    let Some((time, next_line, values, line_feeds)) = read else {
        sink.abandon();
        return None;
    };
    let number = run.next_number();
    run.stats.lines += line_feeds;
    match sink.end(time) {
        Ok(()) => {
            run.stats.points += 1;
            run.stats.values += values;
        }
        Err(refusal) => {
            let line = body.get(at..next_line.min(body.len())).unwrap_or_default();
            run.errors.push(number, ErrorKind::Refused(refusal), line.trim_ascii_end());
        }
    }
    Some(next_line)
}

/// The blank that ends the key at `at`.
#[inline(always)]
fn key_end(body: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let stop = from + memchr3(b' ', b'\\', b'\n', body.get(from..)?)?;
        match body[stop] {
            b' ' => return (stop - at <= KEY_LEN_KNOWN_MAX).then_some(stop),
            // Two backslashes hide what follows or not, depending on who asks: the plain path knows.
            b'\\' if !matches!(body.get(stop + 1)?, b'\\' | b'\n') => from = stop + 2,
            _ => return None,
        }
    }
}

#[inline(always)]
fn next(body: &[u8], end: usize) -> Option<Next> {
    match body.get(end) {
        Some(b',') => Some(Next::Field),
        Some(b' ') => Some(Next::Time),
        Some(b'\n') => Some(Next::Line(end + 1)),
        Some(b'\r') if body.get(end + 1) == Some(&b'\n') => Some(Next::Line(end + 2)),
        Some(_) => None,
        None => Some(Next::Line(end)),
    }
}

#[inline(always)]
fn number_at(body: &[u8], at: usize) -> Option<(Number, usize)> {
    if let Some((number, end)) = number::simple(body, at)
        && body.get(end).is_none_or(|b| matches!(b, b',' | b' ' | b'\n' | b'\r'))
    {
        return Some((number, end));
    }
    long_number_at(body, at)
}

fn long_number_at(body: &[u8], at: usize) -> Option<(Number, usize)> {
    let rest = body.get(at..)?;
    let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E' | b'i' | b'u');
    let len = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
    Some((plain::number(&rest[..len]).ok()?, at + len))
}

/// The string that starts at `at`, behind its quote, whether it has backslashes, and how many line feeds it has.
#[inline(always)]
fn string_at(body: &[u8], at: usize) -> Option<(&[u8], bool, u64)> {
    let rest = body.get(at..)?;
    let (mut end, mut has_escapes, mut line_feeds) = (0, false, 0);
    loop {
        end += memchr3(b'"', b'\\', b'\n', rest.get(end..)?)?;
        match rest[end] {
            b'"' => break,
            b'\\' => {
                has_escapes = true;
                line_feeds += u64::from(rest.get(end + 1) == Some(&b'\n'));
                end += 2;
            }
            _ => {
                line_feeds += 1;
                end += 1;
            }
        }
    }
    (end <= STRING_LEN_MAX).then(|| (&rest[..end], has_escapes, line_feeds))
}

/// `text` without the backslashes in front of quotes and backslashes.
fn unescaped<'a>(text: &str, scratch: &'a mut Vec<u8>) -> Option<&'a str> {
    scratch.clear();
    let mut rest = text.as_bytes();
    while let Some(backslash) = memchr(b'\\', rest) {
        let special = matches!(rest.get(backslash + 1), Some(b'"' | b'\\'));
        let (before, behind) = rest.split_at(backslash);
        scratch.extend_from_slice(before);
        let taken = if special { 2 } else { 1 };
        scratch.push(behind[taken - 1]);
        rest = &behind[taken..];
    }
    scratch.extend_from_slice(rest);
    str::from_utf8(scratch).ok()
}

#[inline(always)]
fn boolean_at(body: &[u8], at: usize) -> Option<(bool, usize)> {
    let rest = body.get(at..)?;
    let window = &rest[..rest.len().min(6)];
    let len = window.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(window.len());
    Some((plain::boolean(&rest[..len]).ok()?, at + len))
}

/// The time at `at` in nanoseconds, and the next line.
#[inline(always)]
fn time_at(run: &Run<'_>, at: usize) -> Option<(i64, usize)> {
    let body = run.body;
    let mut at = at;
    while body.get(at) == Some(&b' ') {
        at += 1;
    }
    let (time, mut end) = match body.get(at) {
        None | Some(b'\n' | b'\r') => (run.options.default_time, at),
        Some(_) => {
            let (raw, end) = number::simple_time(body, at)?;
            (run.options.precision.to_ns(raw).ok()?.0, end)
        }
    };
    while body.get(end) == Some(&b' ') {
        end += 1;
    }
    match next(body, end)? {
        Next::Line(next_line) => Some((time, next_line)),
        Next::Field | Next::Time => None,
    }
}
