//! Functions from the points of one series to other points.

use super::calls::Transform;
use super::math::number;
use super::points::Point;
use crate::plan::window::Windows;
use crate::result::Value;

/// The result of `transform` over `points`, which come in the order of the query. Null points are passed over.
pub(crate) fn apply(
    transform: &Transform,
    points: Vec<Point>,
    windows: &Windows,
    ascending: bool,
) -> Vec<Point> {
    let points: Vec<Point> = points.into_iter().filter(|p| !p.value.is_null()).collect();
    match transform {
        Transform::Derivative { unit, non_negative } => pairs(&points, |before, now| {
            let difference = subtract_as_float(&now.value, &before.value)?;
            let elapsed = now.time.wrapping_sub(before.time);
            let elapsed = if ascending { elapsed } else { elapsed.wrapping_neg() };
            if *non_negative && difference < 0.0 {
                return None;
            }
            Some(Value::Float(difference / (elapsed as f64 / *unit as f64)))
        }),
        Transform::Difference { non_negative } => pairs(&points, |before, now| {
            let value = subtract(&now.value, &before.value)?;
            // Unsigned differences wrap and are never negative.
            let negative = matches!(&value, Value::Float(x) if *x < 0.0)
                || matches!(&value, Value::Integer(x) if *x < 0);
            (!(*non_negative && negative)).then_some(value)
        }),
        Transform::Elapsed { unit } => points
            .windows(2)
            .map(|w| {
                let elapsed = w[1].time.wrapping_sub(w[0].time).checked_div(*unit).unwrap_or(0);
                Point::new(w[1].time, Value::Integer(elapsed))
            })
            .collect(),
        Transform::MovingAverage { points: count } => moving_average(&points, *count),
        Transform::CumulativeSum => {
            let mut sum: Option<Value> = None;
            points
                .into_iter()
                .map(|p| {
                    let next = sum.take().map_or_else(|| p.value.clone(), |s| add(&s, &p.value));
                    sum = Some(next.clone());
                    Point::new(p.time, next)
                })
                .collect()
        }
        Transform::Technical(call) => super::technical::apply(call, &points),
        Transform::HoltWinters(forecast) => super::holt_winters::forecast(&points, forecast),
        Transform::CountDistinct => count_by_bucket(&points, windows),
    }
}

/// A value for each point and the one before it; of points of one time only the first counts.
fn pairs(points: &[Point], value: impl Fn(&Point, &Point) -> Option<Value>) -> Vec<Point> {
    let mut before: Option<&Point> = None;
    let mut out = Vec::new();
    for point in points {
        if let Some(before) = before {
            if before.time == point.time {
                continue;
            }
            out.extend(value(before, point).map(|v| Point::new(point.time, v)));
        }
        before = Some(point);
    }
    out
}

fn subtract(a: &Value, b: &Value) -> Option<Value> {
    Some(match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_sub(*b)),
        (Value::Unsigned(a), Value::Unsigned(b)) => Value::Unsigned(a.wrapping_sub(*b)),
        (a, b) => Value::Float(number(a)? - number(b)?),
    })
}

fn subtract_as_float(a: &Value, b: &Value) -> Option<f64> {
    Some(match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.wrapping_sub(*b) as f64,
        (Value::Unsigned(a), Value::Unsigned(b)) if a > b => (a - b) as f64,
        (Value::Unsigned(a), Value::Unsigned(b)) => -((b - a) as f64),
        (a, b) => number(a)? - number(b)?,
    })
}

fn add(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_add(*b)),
        (Value::Unsigned(a), Value::Unsigned(b)) => Value::Unsigned(a.wrapping_add(*b)),
        (a, b) => match (number(a), number(b)) {
            (Some(a), Some(b)) => Value::Float(a + b),
            _ => Value::Null,
        },
    }
}

/// The mean of each point and the `count - 1` before it. Sums move along, in the type of the values.
fn moving_average(points: &[Point], count: usize) -> Vec<Point> {
    let mut out = Vec::new();
    let mut sum: Option<Value> = None;
    for (i, point) in points.iter().enumerate() {
        let mut next = sum.take();
        if let (Some(leaving), Some(s)) = (i.checked_sub(count).and_then(|j| points.get(j)), &next) {
            next = subtract(s, &leaving.value);
        }
        let next = next.map_or_else(|| point.value.clone(), |s| add(&s, &point.value));
        if i + 1 >= count
            && let Some(s) = number(&next)
        {
            out.push(Point::new(point.time, Value::Float(s / count as f64)));
        }
        sum = Some(next);
    }
    out
}

/// How many points each bucket has; points of a bucket follow each other.
fn count_by_bucket(points: &[Point], windows: &Windows) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::new();
    let mut current: Option<(i64, i64)> = None;
    for point in points {
        let start = windows.window(point.time).0;
        match &mut current {
            Some((s, n)) if *s == start => *n += 1,
            _ => {
                out.extend(current.map(|(s, n)| Point::new(s, Value::Integer(n))));
                current = Some((start, 1));
            }
        }
    }
    out.extend(current.map(|(s, n)| Point::new(s, Value::Integer(n))));
    out
}
