//! Buckets without points.

use weir_influxql::ast::{DataType, Fill};
use weir_model::time::TIME_MIN;

use super::block::{cast_value, float_to_integer};
use super::points::Point;
use crate::plan::types::Type;
use crate::plan::window::Windows;
use crate::result::Value;

/// The value that `fill` puts where nothing is, for a result of type `kind`.
pub(crate) fn constant(fill: Fill, kind: Type) -> Value {
    let value = match fill {
        Fill::Integer(x) => Value::Integer(x),
        Fill::Number(x) => Value::Float(x),
        _ => return Value::Null,
    };
    match (cast_value(value, kind), kind) {
        // What does not fit is the zero of the type, as 1.x casts it.
        (Value::Null, Some(DataType::String)) => Value::Str("".into()),
        (Value::Null, Some(DataType::Boolean)) => Value::Boolean(false),
        (value, _) => value,
    }
}

/// The value that `fill` puts into a column beside the calls, and for a call that has no point at all: into one that holds no
/// numbers, the number as it is written.
pub(crate) fn constant_beside(fill: Fill, kind: Type) -> Value {
    match (kind, fill) {
        (None | Some(DataType::String | DataType::Boolean | DataType::Tag), Fill::Integer(x)) => {
            Value::Integer(x)
        }
        (None | Some(DataType::String | DataType::Boolean | DataType::Tag), Fill::Number(x)) => {
            Value::Float(x)
        }
        _ => constant(fill, kind),
    }
}

/// `points` (one series, in order, at the starts of their buckets) with the missing buckets of the range.
pub(crate) fn fill(
    points: Vec<Point>,
    fill: Fill,
    kind: Type,
    is_count: bool,
    windows: &Windows,
    ascending: bool,
) -> Vec<Point> {
    let Some(first) = points.first() else { return points };
    let fill = if is_count && fill == Fill::Null { Fill::Integer(0) } else { fill };
    let empty = constant(fill, kind);
    let (start, end) = if ascending {
        (windows.window(windows.start).0, windows.window(windows.end).0)
    } else {
        (windows.window(windows.end).0, windows.window(windows.start).0)
    };
    let mut at = if start == TIME_MIN { windows.window(first.time).0 } else { start };
    let mut shift = windows.zone_ns(at);
    let mut out: Vec<Point> = Vec::with_capacity(points.len());
    let mut before: Option<(i64, Value)> = None;
    let mut next = points.into_iter().peekable();
    loop {
        let in_range = if ascending { at <= end } else { at >= end && end != TIME_MIN };
        let due = match next.peek() {
            Some(p) => !(if ascending { p.time > at } else { p.time < at }),
            None if in_range => false,
            None => break,
        };
        let point = if due {
            next.next()
        } else {
            let value = match fill {
                Fill::Previous => before.as_ref().map_or(Value::Null, |(_, v)| v.clone()),
                Fill::Linear => match (&before, next.peek()) {
                    (Some((t, v)), Some(after)) => {
                        linear(at, (*t, v), (after.time, &after.value), windows.every)
                    }
                    _ => Value::Null,
                },
                _ => empty.clone(),
            };
            Some(Point::new(at, value))
        };
        let Some(point) = point else { break };
        if due {
            before = Some((point.time, point.value.clone()));
        }
        out.push(point);
        at = if ascending { at.saturating_add(windows.every) } else { at.saturating_sub(windows.every) };
        if windows.zone.is_some() {
            // A change of the clock moves the starts of the buckets behind it.
            let now = windows.zone_ns(at.saturating_sub(1));
            if now != shift {
                let change = shift - now;
                if change.abs() < windows.every {
                    at = at.saturating_add(change);
                }
                shift = now;
            }
        }
    }
    out
}

fn linear(at: i64, before: (i64, &Value), after: (i64, &Value), every: i64) -> Value {
    let line = |a: f64, b: f64| {
        let (t0, t1, t) = (before.0 / every, after.0 / every, at / every);
        let slope = (b - a) / (t1 - t0) as f64;
        slope * (t - t0) as f64 + a
    };
    match (before.1, after.1) {
        (Value::Float(a), Value::Float(b)) => Value::Float(line(*a, *b)),
        (Value::Integer(a), Value::Integer(b)) => {
            Value::Integer(float_to_integer(line(*a as f64, *b as f64)))
        }
        (Value::Unsigned(a), Value::Unsigned(b)) => Value::Unsigned(line(*a as f64, *b as f64) as u64),
        _ => Value::Null,
    }
}
