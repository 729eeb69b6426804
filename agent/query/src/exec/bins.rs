//! Aggregates of numbers, one bin for each bucket, fed with slices.
//!
//! A bin is one small struct whatever the function, so that a bucket costs no allocation; the function is looked at once for each
//! run of values, not for each value. Sums are added in the order of times, series after series.

use hashbrown::HashMap;
use weir_model::read::{Number, Summary, Validity};

use super::math;
use crate::result::Value;

/// The functions that bins compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Func {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    First,
    Last,
    Spread,
}

impl Func {
    /// Whether it picks one point.
    pub(crate) const fn picks(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::First | Self::Last)
    }
}

/// A number type of fields.
pub(crate) trait Num: Copy + PartialOrd + Default + std::fmt::Debug + Send {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn float(self) -> f64;
    fn value(self) -> Value;
    fn of(number: Number) -> Option<Self>;
    /// Sum of a slice, from the left, added to `self`.
    fn sum(self, values: &[Self]) -> Self {
        values.iter().fold(self, |s, v| s.add(*v))
    }
}

impl Num for f64 {
    fn add(self, other: Self) -> Self {
        self + other
    }
    fn sub(self, other: Self) -> Self {
        self - other
    }
    fn float(self) -> f64 {
        self
    }
    fn value(self) -> Value {
        Value::Float(self)
    }
    fn of(number: Number) -> Option<Self> {
        if let Number::Float(x) = number { Some(x) } else { None }
    }
}

impl Num for i64 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    fn float(self) -> f64 {
        self as f64
    }
    fn value(self) -> Value {
        Value::Integer(self)
    }
    fn of(number: Number) -> Option<Self> {
        if let Number::Integer(x) = number { Some(x) } else { None }
    }
}

impl Num for u64 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    fn float(self) -> f64 {
        self as f64
    }
    fn value(self) -> Value {
        Value::Unsigned(self)
    }
    fn of(number: Number) -> Option<Self> {
        if let Number::Unsigned(x) = number { Some(x) } else { None }
    }
}

/// State of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bin<T> {
    /// Start of the bucket.
    pub(crate) start: i64,
    /// How many values.
    pub(crate) n: u64,
    /// The sum, the chosen value, or the smallest.
    a: T,
    /// The largest (spread).
    b: T,
    /// Time of the chosen value.
    pub(crate) time: i64,
    /// Other columns of the chosen point.
    pub(crate) aux: Option<Box<[Value]>>,
    /// Sum of magnitudes, kept while statistics are used for sums.
    magnitude: f64,
    /// Some sum came from statistics.
    summed: bool,
    /// Some value read is no whole number.
    fractional: bool,
}

/// The bins of one group.
#[derive(Clone, Debug)]
pub(crate) struct Bins<T> {
    func: Func,
    /// Whether statistics may come; then sums are watched.
    watch: bool,
    bins: Vec<Bin<T>>,
    places: HashMap<i64, u32, foldhash::fast::FixedState>,
    last: usize,
}

impl<T: Num> Bins<T> {
    pub(crate) fn new(func: Func, watch: bool) -> Self {
        Self { func, watch, bins: Vec::new(), places: HashMap::default(), last: 0 }
    }

    fn bin(&mut self, start: i64) -> &mut Bin<T> {
        // Buckets mostly follow each other.
        let hit = |i: usize| self.bins.get(i).is_some_and(|b| b.start == start);
        let place = if hit(self.last) {
            self.last
        } else if hit(self.last + 1) {
            self.last + 1
        } else {
            let fresh = u32::try_from(self.bins.len()).unwrap_or(u32::MAX);
            let place = *self.places.entry(start).or_insert(fresh);
            if place == fresh {
                self.bins.push(Bin {
                    start,
                    n: 0,
                    a: T::default(),
                    b: T::default(),
                    time: start,
                    aux: None,
                    magnitude: 0.0,
                    summed: false,
                    fractional: false,
                });
            }
            place as usize
        };
        self.last = place;
        &mut self.bins[place]
    }

    /// Counts values of the bucket at `start`, for [`Func::Count`].
    pub(crate) fn count(&mut self, start: i64, values: u64) {
        if values > 0 {
            self.bin(start).n += values;
        }
    }

    /// How many bytes the bins take.
    pub(crate) fn bytes(&self) -> usize {
        self.bins.len() * (size_of::<Bin<T>>() + 16)
    }

    /// Adds a run of values that lie in the bucket at `start`. Times ascend. `aux` gives the other columns of a row of the run.
    pub(crate) fn run(
        &mut self,
        start: i64,
        times: &[i64],
        values: &[T],
        valid: &Validity,
        rows: std::ops::Range<usize>,
        aux: Option<&dyn Fn(usize) -> Box<[Value]>>,
    ) {
        let (func, watch) = (self.func, self.watch);
        let all = matches!(valid, Validity::All);
        let count = if all { rows.len() } else { rows.clone().filter(|r| valid.is_valid(*r)).count() };
        let Some(slice) = values.get(rows.clone()) else { return };
        if count == 0 {
            return;
        }
        let bin = self.bin(start);
        let mut each = rows.clone().filter(|r| all || valid.is_valid(*r));
        match func {
            Func::Count => {}
            Func::Sum | Func::Mean => {
                if all {
                    bin.a = bin.a.sum(slice);
                } else {
                    bin.a = each.by_ref().fold(bin.a, |s, r| s.add(values[r]));
                }
                if watch {
                    for row in rows.clone().filter(|r| all || valid.is_valid(*r)) {
                        let x = values[row].float();
                        bin.magnitude += x.abs();
                        bin.fractional |= x.fract() != 0.0;
                    }
                }
            }
            Func::Spread => {
                let found = if all {
                    lanes(slice, |a, b| a < b).zip(lanes(slice, |a, b| a > b))
                } else {
                    let first = each.next().map(|r| (values[r], values[r]));
                    first.map(|f| each.fold(f, |(low, high), r| widen((low, high), values[r])))
                };
                if let Some((low, high)) = found {
                    (bin.a, bin.b) =
                        if bin.n == 0 { (low, high) } else { widen(widen((bin.a, bin.b), low), high) };
                }
            }
            Func::Min | Func::Max | Func::First | Func::Last => {
                let better = |v: T, than: T| if func == Func::Min { v < than } else { v > than };
                let row = match func {
                    Func::First => each.next(),
                    Func::Last => rows.clone().rev().find(|r| all || valid.is_valid(*r)),
                    _ if all => {
                        let best = lanes(slice, better);
                        best.and_then(|b| slice.iter().position(|v| *v == b)).map(|at| rows.start + at)
                    }
                    _ => {
                        let first = each.next();
                        first.map(|first| {
                            each.fold(first, |best, r| if better(values[r], values[best]) { r } else { best })
                        })
                    }
                };
                if let Some(row) = row {
                    let (time, value) = (times[row], values[row]);
                    if bin.n == 0 || wins(func, (time, value), (bin.time, bin.a)) {
                        bin.time = time;
                        bin.a = value;
                        bin.aux = aux.map(|aux| aux(row));
                    }
                }
            }
        }
        bin.n += count as u64;
    }

    /// Adds statistics of values in the bucket at `start`. `false`: they do not say enough.
    pub(crate) fn summary(&mut self, start: i64, summary: &Summary) -> bool {
        if summary.count == 0 {
            return true;
        }
        let func = self.func;
        let low_high = summary.min_max.and_then(|(a, b)| Some((T::of(a)?, T::of(b)?)));
        let sum = summary.exact_sum.and_then(|(s, m)| Some((T::of(s)?, m)));
        let bin = self.bin(start);
        match func {
            Func::Count => {}
            Func::Sum | Func::Mean => {
                let Some((sum, magnitude)) = sum else { return false };
                bin.a = bin.a.add(sum);
                bin.magnitude += magnitude;
                bin.summed = true;
            }
            Func::Min | Func::Max | Func::Spread => {
                let Some((low, high)) = low_high else { return false };
                let fresh = bin.n == 0;
                match func {
                    Func::Min if fresh || low < bin.a => bin.a = low,
                    Func::Max if fresh || high > bin.a => bin.a = high,
                    Func::Spread => {
                        bin.a = if fresh || low < bin.a { low } else { bin.a };
                        bin.b = if fresh || high > bin.b { high } else { bin.b };
                    }
                    _ => {}
                }
            }
            Func::First | Func::Last => return false,
        }
        bin.n += summary.count;
        true
    }

    /// Adds the bins of later series.
    pub(crate) fn merge(&mut self, other: Self) {
        let func = self.func;
        for from in other.bins {
            let bin = self.bin(from.start);
            if bin.n == 0 {
                *bin = from;
                continue;
            }
            match func {
                Func::Count => {}
                Func::Sum | Func::Mean => {
                    bin.a = bin.a.add(from.a);
                    bin.magnitude += from.magnitude;
                    bin.summed |= from.summed;
                    bin.fractional |= from.fractional;
                }
                Func::Spread => {
                    bin.a = if from.a < bin.a { from.a } else { bin.a };
                    bin.b = if from.b > bin.b { from.b } else { bin.b };
                }
                _ => {
                    if wins(func, (from.time, from.a), (bin.time, bin.a)) {
                        bin.time = from.time;
                        bin.a = from.a;
                        bin.aux = from.aux;
                    }
                }
            }
            bin.n += from.n;
        }
    }

    /// Whether sums made with statistics are the same bits as sums in order: all values whole and small enough.
    pub(crate) fn sums_are_exact(&self, float: bool) -> bool {
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        !float || self.bins.iter().all(|b| !b.summed || (!b.fractional && b.magnitude < WHOLE))
    }

    /// The bins by time, with the value of each.
    pub(crate) fn finish(self) -> Vec<(Bin<T>, Value)> {
        let func = self.func;
        let mut bins: Vec<Bin<T>> = self.bins.into_iter().filter(|b| b.n > 0).collect();
        bins.sort_by_key(|b| b.start);
        bins.into_iter()
            .map(|bin| {
                let value = match func {
                    Func::Count => Value::Integer(i64::try_from(bin.n).unwrap_or(i64::MAX)),
                    Func::Mean => Value::Float(bin.a.float() / bin.n as f64),
                    Func::Spread => bin.b.sub(bin.a).value(),
                    _ => bin.a.value(),
                };
                (bin, value)
            })
            .collect()
    }
}

fn widen<T: PartialOrd + Copy>((low, high): (T, T), v: T) -> (T, T) {
    (if v < low { v } else { low }, if v > high { v } else { high })
}

/// The value that `better` prefers to all others, found in eight lanes, which the compiler turns into vector instructions.
fn lanes<T: Copy>(values: &[T], better: impl Fn(T, T) -> bool) -> Option<T> {
    let pick = |a: T, b: T| if better(a, b) { a } else { b };
    let first = *values.first()?;
    let mut best = [first; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (b, v) in best.iter_mut().zip(chunk) {
            *b = pick(*v, *b);
        }
    }
    let rest = rest.iter().fold(first, |b, v| pick(*v, b));
    Some(best.into_iter().fold(rest, |b, v| pick(v, b)))
}

/// Whether a candidate takes the place of the chosen point: smaller, larger, earlier, later. Of equal values the earlier point
/// stays; of equal times the larger value.
fn wins<T: PartialOrd>(func: Func, new: (i64, T), old: (i64, T)) -> bool {
    match func {
        Func::Min => new.1 < old.1 || (new.1 == old.1 && new.0 < old.0),
        Func::Max => new.1 > old.1 || (new.1 == old.1 && new.0 < old.0),
        Func::First => new.0 < old.0 || (new.0 == old.0 && new.1 > old.1),
        Func::Last => new.0 > old.0 || (new.0 == old.0 && new.1 > old.1),
        _ => false,
    }
}

/// The same for values that are no numbers (booleans and strings); numbers work too.
#[derive(Clone, Debug)]
pub(crate) struct Picks {
    func: Func,
    bins: std::collections::BTreeMap<i64, (i64, Value, Option<Box<[Value]>>)>,
}

impl Picks {
    pub(crate) fn new(func: Func) -> Self {
        Self { func, bins: std::collections::BTreeMap::new() }
    }

    /// Offers a point of the bucket at `start`.
    pub(crate) fn offer(
        &mut self,
        start: i64,
        time: i64,
        value: Value,
        aux: &dyn Fn() -> Option<Box<[Value]>>,
    ) {
        let better = self.bins.get(&start).is_none_or(|(t, v, _)| {
            let (new, old) = (Ordered(&value), Ordered(v));
            wins(self.func, (time, new), (*t, old))
        });
        if better {
            self.bins.insert(start, (time, value, aux()));
        }
    }

    /// Adds the choices of later series.
    pub(crate) fn merge(&mut self, other: Self) {
        for (start, (time, value, aux)) in other.bins {
            let aux = std::cell::Cell::new(aux);
            self.offer(start, time, value, &|| aux.take());
        }
    }

    /// The choices by bucket.
    pub(crate) fn finish(self) -> impl Iterator<Item = (i64, i64, Value, Option<Box<[Value]>>)> {
        self.bins.into_iter().map(|(start, (time, value, aux))| (start, time, value, aux))
    }
}

/// Compares values of one type.
#[derive(PartialEq)]
struct Ordered<'a>(&'a Value);

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self.0, other.0) {
            (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
            (a, b) => math::number(a)?.partial_cmp(&math::number(b)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(func: Func, runs: &[(i64, &[i64], &[f64])]) -> Vec<(i64, i64, Value)> {
        let mut bins = Bins::new(func, false);
        for (start, times, values) in runs {
            bins.run(*start, times, values, &Validity::All, 0..times.len(), None);
        }
        bins.finish().into_iter().map(|(b, v)| (b.start, b.time, v)).collect()
    }

    #[test]
    fn of_equal_times_first_and_last_take_the_larger_value() {
        let runs: &[(i64, &[i64], &[f64])] = &[(0, &[1, 5], &[1.0, 9.0]), (0, &[1, 5], &[2.0, 3.0])];
        assert_eq!(fill(Func::First, runs), [(0, 1, Value::Float(2.0))]);
        assert_eq!(fill(Func::Last, runs), [(0, 5, Value::Float(9.0))]);
    }

    #[test]
    fn of_equal_values_min_and_max_take_the_earlier_point() {
        let runs: &[(i64, &[i64], &[f64])] = &[(0, &[4, 5], &[1.0, 1.0]), (0, &[2, 3], &[1.0, 1.0])];
        assert_eq!(fill(Func::Min, runs), [(0, 2, Value::Float(1.0))]);
        assert_eq!(fill(Func::Max, runs), [(0, 2, Value::Float(1.0))]);
    }

    #[test]
    fn lanes_find_what_a_loop_finds() {
        for len in [1, 7, 8, 9, 64, 100] {
            let values: Vec<f64> = (0..len).map(|i| f64::from(i * 7919 % 101) - 50.0).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            assert_eq!(lanes(&values, |a, b| a < b), Some(low));
        }
        assert_eq!(lanes::<i64>(&[], |a, b| a < b), None);
    }

    #[test]
    fn merging_parts_gives_the_whole() {
        for func in
            [Func::Count, Func::Sum, Func::Mean, Func::Min, Func::Max, Func::First, Func::Last, Func::Spread]
        {
            let mut one = Bins::<i64>::new(func, false);
            let (mut a, mut b) = (one.clone(), one.clone());
            for (i, part) in [&mut a, &mut b].into_iter().enumerate() {
                for bucket in 0..3_i64 {
                    let times = [bucket * 10 + i as i64, bucket * 10 + 5];
                    let values = [bucket * 7 % 5 + i as i64, 3 - i as i64];
                    part.run(bucket * 10, &times, &values, &Validity::All, 0..2, None);
                    one.run(bucket * 10, &times, &values, &Validity::All, 0..2, None);
                }
            }
            a.merge(b);
            let show =
                |b: Bins<i64>| b.finish().into_iter().map(|(b, v)| (b.start, b.time, v)).collect::<Vec<_>>();
            assert_eq!(show(a), show(one), "{func:?}");
        }
    }
}
