//! Points between a call's steps, and the functions that need all points of a bucket.

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::bins::Func;
use super::calls::{Leaf, LeafFunc};
use super::math;
use crate::plan::window::Windows;
use crate::result::Value;

/// A point of a call's result; null values are buckets without one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) time: i64,
    pub(crate) value: Value,
    /// Other columns of the point, for a selector.
    pub(crate) aux: Option<Box<[Value]>>,
    /// Which combination of tags of `top(v, tag, n)` it belongs to.
    pub(crate) part: u64,
}

impl Point {
    /// A point without other columns.
    pub(crate) const fn new(time: i64, value: Value) -> Self {
        Self { time, value, aux: None, part: 0 }
    }
}

/// Orders two values of one type; numbers of unlike types by size.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Unsigned(a), Value::Unsigned(b)) => a.cmp(b),
        _ => match (math::number(a), math::number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (a, b) => a.is_some().cmp(&b.is_some()),
        },
    }
}

/// The result of a function over all points of a group. `points` come in the order of the query (ascending or descending).
pub(crate) fn reduce(leaf: &Leaf, points: Vec<Point>, ascending: bool, seed: u64) -> Vec<Point> {
    match &leaf.func {
        LeafFunc::Raw => points,
        LeafFunc::Integral(unit) => integral(points, *unit, &leaf.windows, ascending),
        func => {
            let mut random = Random(seed | 1);
            let mut out = Vec::new();
            let mut rest = points;
            while let Some(first) = rest.first() {
                let (start, end) = leaf.windows.window(first.time);
                // A subquery's bucket may begin before the range: without buckets here, it counts all the same.
                let belongs = |p: &Point| leaf.windows.every == 0 || (start..end).contains(&p.time);
                let inside = rest.iter().take_while(|p| belongs(p)).count().max(1);
                let after = rest.split_off(inside);
                bucket(func, rest, start, &mut random, &mut out);
                rest = after;
            }
            out
        }
    }
}

fn bucket(func: &LeafFunc, mut points: Vec<Point>, start: i64, random: &mut Random, out: &mut Vec<Point>) {
    match func {
        LeafFunc::Median => {
            out.push(Point::new(start, median(&points)));
        }
        LeafFunc::Mode => out.extend(mode(points, start)),
        LeafFunc::Stddev => out.push(Point::new(start, stddev(&points))),
        LeafFunc::Percentile(p) => {
            let place = (points.len() as f64 * p / 100.0 + 0.5).floor() - 1.0;
            if place >= 0.0 && (place as usize) < points.len() {
                // Among equal values the earlier point comes first, as in a stable sort.
                let mut places: Vec<u32> = (0..).take(points.len()).collect();
                let by_value = |a: &u32, b: &u32| {
                    order(&points[*a as usize].value, &points[*b as usize].value).then(a.cmp(b))
                };
                let (_, chosen, _) = places.select_nth_unstable_by(place as usize, by_value);
                let chosen = *chosen as usize;
                out.push(points.swap_remove(chosen));
            }
        }
        LeafFunc::Distinct => {
            let mut seen: HashMap<Key, ()> = HashMap::new();
            points.retain(|p| seen.insert(Key::of(&p.value), ()).is_none());
            points.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| order(&a.value, &b.value)));
            out.extend(points);
        }
        LeafFunc::Sample(count) => {
            // Each point has the same chance to be kept.
            let mut kept: Vec<Point> = Vec::new();
            for (i, point) in points.into_iter().enumerate() {
                if kept.len() < *count {
                    kept.push(point);
                } else {
                    let place = random.below(i as u64 + 1) as usize;
                    if place < *count {
                        kept[place] = point;
                    }
                }
            }
            kept.sort_by_key(|p| p.time);
            out.extend(kept);
        }
        LeafFunc::Extremes { top, count, by } => {
            if !by.is_empty() {
                points = best_of_each(points, *top);
            }
            let value = |a: &Point, b: &Point| {
                let order = order(&a.value, &b.value);
                if *top { order.reverse() } else { order }
            };
            points.sort_by(|a, b| value(a, b).then(a.time.cmp(&b.time)));
            points.truncate(*count);
            points.sort_by_key(|p| p.time);
            out.extend(points);
        }
        LeafFunc::Bin(_) | LeafFunc::Raw | LeafFunc::Integral(_) => out.extend(points),
    }
}

/// The greatest (or least) point of each part; of equal ones the earliest.
fn best_of_each(points: Vec<Point>, top: bool) -> Vec<Point> {
    let mut best: HashMap<u64, usize> = HashMap::new();
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        match best.get(&point.part) {
            None => {
                best.insert(point.part, kept.len());
                kept.push(point);
            }
            Some(&place) => {
                let old = &kept[place];
                let order = order(&point.value, &old.value);
                let order = if top { order.reverse() } else { order };
                if order == Ordering::Less || (order == Ordering::Equal && point.time < old.time) {
                    kept[place] = point;
                }
            }
        }
    }
    kept
}

fn median(points: &[Point]) -> Value {
    let mut values: Vec<f64> = points.iter().filter_map(|p| math::number(&p.value)).collect();
    if values.is_empty() {
        return Value::Null;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, high, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let high = *high;
    if odd {
        return Value::Float(high);
    }
    let low = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Value::Float(low + (high - low) / 2.0)
}

fn stddev(points: &[Point]) -> Value {
    if points.len() < 2 {
        // Shown as null, but a value for what is computed from it.
        return Value::Float(f64::NAN);
    }
    let values = || points.iter().filter_map(|p| math::number(&p.value)).filter(|x| !x.is_nan());
    let (mut mean, mut count) = (0.0, 0.0);
    for x in values() {
        count += 1.0;
        mean += (x - mean) / count;
    }
    let variance: f64 = values().map(|x| (x - mean) * (x - mean)).sum();
    Value::Float((variance / (count - 1.0)).sqrt())
}

/// The most frequent value; of equally frequent ones that of which a point is oldest, as 1.x counts it.
fn mode(mut points: Vec<Point>, start: i64) -> Option<Point> {
    if points.len() <= 1 {
        return points.pop();
    }
    if let Some(Value::Boolean(_)) = points.first().map(|p| &p.value) {
        let yes = points.iter().filter(|p| p.value == Value::Boolean(true)).count();
        return Some(Point::new(start, Value::Boolean(yes >= points.len() - yes)));
    }
    points.sort_by(|a, b| order(&a.value, &b.value));
    let first = points.first()?;
    let (mut most, mut most_value, mut most_time) = (0, first.value.clone(), first.time);
    let (mut current, mut value, mut time) = (0, first.value.clone(), first.time);
    for point in &points {
        if point.value != value {
            current = 1;
            value = point.value.clone();
            time = point.time;
            continue;
        }
        current += 1;
        if most > current || (most == current && time > most_time) {
            continue;
        }
        most = current;
        most_value = point.value.clone();
        most_time = point.time;
    }
    Some(Point::new(start, most_value))
}

/// The area under the points by the trapezium rule, in each bucket; areas that cross a bucket's end are divided there.
fn integral(points: Vec<Point>, unit: i64, windows: &Windows, ascending: bool) -> Vec<Point> {
    let mut out = Vec::new();
    let window = |t: i64| {
        if windows.every == 0 {
            (0, 0)
        } else if ascending {
            windows.window(t)
        } else {
            let (start, end) = windows.window(t);
            (end, start)
        }
    };
    let mut before: Option<(i64, f64)> = None;
    let (mut start, mut end) = (0, 0);
    let mut sum = 0.0;
    for point in points {
        let Some(value) = math::number(&point.value) else { continue };
        let Some((mut t, mut v)) = before else {
            (start, end) = window(point.time);
            before = Some((point.time, value));
            continue;
        };
        if t == point.time {
            before = Some((t, value));
            continue;
        }
        let past = if ascending { point.time >= end } else { point.time <= end };
        if windows.every != 0 && past {
            if t != end {
                let slope = (value - v) / (point.time - t) as f64;
                let at_end = slope * (end - t) as f64 + v;
                sum += 0.5 * (at_end + v) * ((end - t) as f64 / unit as f64);
                (t, v) = (end, at_end);
            }
            out.push(Point::new(start, Value::Float(sum)));
            (start, end) = window(point.time);
            sum = 0.0;
        }
        sum += 0.5 * (value + v) * ((point.time - t) as f64 / unit as f64);
        before = Some((point.time, value));
    }
    if before.is_some_and(|(t, _)| t != start) {
        out.push(Point::new(start, Value::Float(sum)));
    }
    out
}

/// A value as a key of a map.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Bits(u8, u64),
    Text(std::sync::Arc<str>),
}

impl Key {
    fn of(value: &Value) -> Self {
        match value {
            // Zero has one key, whatever its sign.
            Value::Float(x) => Self::Bits(0, if *x == 0.0 { 0 } else { x.to_bits() }),
            Value::Integer(x) | Value::Time(x) => Self::Bits(1, *x as u64),
            Value::Unsigned(x) => Self::Bits(2, *x),
            Value::Boolean(x) => Self::Bits(3, u64::from(*x)),
            Value::Null => Self::Bits(4, 0),
            Value::Str(s) => Self::Text(std::sync::Arc::clone(s)),
        }
    }
}

/// Pseudo-random numbers (xorshift64*), for `sample()`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit.max(1)
    }
}

/// Whether the function needs all points of a bucket.
pub(crate) const fn needs_points(func: &LeafFunc) -> bool {
    !matches!(func, LeafFunc::Bin(_))
}

/// Whether statistics can answer the function.
pub(crate) fn summable(leaf: &Leaf) -> bool {
    match leaf.func {
        LeafFunc::Bin(Func::Count | Func::Sum | Func::Mean | Func::Spread) => true,
        LeafFunc::Bin(Func::Min | Func::Max) => !leaf.own_times && !leaf.with_aux,
        _ => false,
    }
}
