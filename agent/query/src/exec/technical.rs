//! The functions of technical analysis: moving averages, oscillators and ratios over the last points of a series.
//!
//! Each takes one value after the other and gives one for each; the first ones are held back (the hold period) until the function has
//! seen enough of them to mean something. As in 1.x the oscillators count the first value as a change from 0.

use std::collections::VecDeque;

use weir_influxql::ast::{Call, Expr};

use super::math::number;
use super::points::Point;
use crate::result::Value;

/// How a moving average begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warmup {
    /// As an exponential average over the values so far.
    Exponential,
    /// As their mean.
    Simple,
}

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `exponential_moving_average()`, and its double and triple forms: how many averages follow each other.
    Average(u8),
    /// `triple_exponential_derivative()`.
    TripleDerivative,
    /// `relative_strength_index()`.
    RelativeStrength,
    /// `chande_momentum_oscillator()` over plain sums.
    ChandePlain,
    /// The same over smoothed ones.
    ChandeSmooth,
    /// `kaufmans_efficiency_ratio()`.
    Efficiency,
    /// `kaufmans_adaptive_moving_average()`.
    Adaptive,
}

/// A call of one of these functions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Technical {
    pub(crate) kind: Kind,
    /// Points that count; at least 1.
    pub(crate) period: usize,
    /// Points held back; `None` = as many as the function needs.
    pub(crate) hold: Option<usize>,
    pub(crate) warmup: Warmup,
}

impl Technical {
    /// The function that `call`, whose arguments are checked, names.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let text = |place| if let Some(Expr::String(s)) = call.args.get(place) { s.as_str() } else { "" };
        let whole = |place| match call.args.get(place) {
            Some(Expr::Integer(n)) => usize::try_from(*n).ok(),
            _ => None,
        };
        let kind = match call.name.as_str() {
            "exponential_moving_average" => Kind::Average(1),
            "double_exponential_moving_average" => Kind::Average(2),
            "triple_exponential_moving_average" => Kind::Average(3),
            "triple_exponential_derivative" => Kind::TripleDerivative,
            "relative_strength_index" => Kind::RelativeStrength,
            "chande_momentum_oscillator" if matches!(text(3), "" | "none") => Kind::ChandePlain,
            "chande_momentum_oscillator" => Kind::ChandeSmooth,
            "kaufmans_efficiency_ratio" => Kind::Efficiency,
            "kaufmans_adaptive_moving_average" => Kind::Adaptive,
            _ => return None,
        };
        let warmup = if text(3) == "simple" { Warmup::Simple } else { Warmup::Exponential };
        // A hold period of -1 stands for the usual one.
        Some(Self { kind, period: whole(1).unwrap_or(1), hold: whole(2), warmup })
    }
}

/// Whether `name` is one of these functions.
pub(crate) fn is_technical(name: &str) -> bool {
    matches!(
        name,
        "exponential_moving_average"
            | "double_exponential_moving_average"
            | "triple_exponential_moving_average"
            | "triple_exponential_derivative"
            | "relative_strength_index"
            | "chande_momentum_oscillator"
            | "kaufmans_efficiency_ratio"
            | "kaufmans_adaptive_moving_average"
    )
}

/// The values of the function for `points`, which come in the order of the query.
pub(crate) fn apply(call: &Technical, points: &[Point]) -> Vec<Point> {
    let mut state = State::new(call);
    let hold = call.hold.unwrap_or_else(|| warm_count(call));
    // These give infinities before they mean something; others show them.
    let finite = matches!(call.kind, Kind::TripleDerivative | Kind::Efficiency | Kind::Adaptive);
    let mut out = Vec::with_capacity(points.len().saturating_sub(hold));
    for (i, point) in points.iter().enumerate() {
        let Some(value) = number(&point.value) else { continue };
        let result = state.add(value);
        if i >= hold && !(finite && result.is_infinite()) {
            out.push(Point::new(point.time, Value::Float(result)));
        }
    }
    out
}

/// Points that the function needs before its results mean something.
fn warm_count(call: &Technical) -> usize {
    let average = call.period.saturating_sub(1);
    let stages = |n: usize| match call.warmup {
        Warmup::Exponential => average,
        Warmup::Simple => average.saturating_mul(n),
    };
    match call.kind {
        Kind::Average(n) => stages(usize::from(n)),
        Kind::TripleDerivative => stages(3).saturating_add(1),
        Kind::RelativeStrength | Kind::ChandeSmooth | Kind::Efficiency | Kind::Adaptive => call.period,
        Kind::ChandePlain => average,
    }
}

/// An exponential moving average.
#[derive(Clone, Debug)]
struct Ema {
    period: usize,
    warmup: Warmup,
    alpha: f64,
    count: usize,
    last: f64,
}

impl Ema {
    fn new(period: usize, warmup: Warmup) -> Self {
        Self { period, warmup, alpha: 2.0 / (period as f64 + 1.0), count: 0, last: 0.0 }
    }

    /// The average of Wilder, as the oscillators use it.
    fn wilder(period: usize, warmup: Warmup) -> Self {
        Self { alpha: 1.0 / period as f64, ..Self::new(period.saturating_add(1), warmup) }
    }

    fn is_warm(&self) -> bool {
        self.count == self.period
    }

    /// Whether what it gives may be averaged further.
    fn is_ready(&self) -> bool {
        self.is_warm() || self.warmup == Warmup::Exponential
    }

    fn add(&mut self, value: f64) -> f64 {
        let seen = self.count as f64;
        self.last = if self.count == 0 {
            value
        } else if self.is_warm() {
            (value - self.last) * self.alpha + self.last
        } else if self.warmup == Warmup::Simple {
            (self.last * seen + value) / (seen + 1.0)
        } else {
            // Else the first value would weigh too much.
            (value - self.last) * (2.0 / (seen + 2.0)) + self.last
        };
        if !self.is_warm() {
            self.count += 1;
        }
        self.last
    }
}

/// A value and its difference to the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    value: f64,
    change: f64,
}

/// The last steps, zeros before the first. It grows with the points, so that a huge period costs nothing.
#[derive(Debug)]
struct Ring {
    size: usize,
    steps: VecDeque<Step>,
}

impl Ring {
    fn new(size: usize) -> Self {
        Self { size: size.max(1), steps: VecDeque::new() }
    }

    fn newest(&self) -> Step {
        self.steps.back().copied().unwrap_or_default()
    }

    fn oldest(&self) -> Step {
        if self.steps.len() < self.size {
            return Step::default();
        }
        self.steps.front().copied().unwrap_or_default()
    }

    fn push(&mut self, step: Step) {
        if self.steps.len() >= self.size {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }
}

/// A function with what it remembers.
#[derive(Debug)]
enum State {
    Average(Vec<Ema>),
    TripleDerivative {
        averages: [Ema; 3],
        last: f64,
    },
    /// Ups and downs; whether as an oscillator or as an index.
    Momentum {
        up: Ema,
        down: Ema,
        last: f64,
        oscillates: bool,
    },
    Chande {
        ring: Ring,
        any: bool,
        up: f64,
        down: f64,
    },
    Kaufman {
        ring: Ring,
        noise: f64,
        count: usize,
        adaptive: Option<f64>,
    },
}

impl State {
    fn new(call: &Technical) -> Self {
        let (period, warmup) = (call.period.max(1), call.warmup);
        match call.kind {
            Kind::Average(n) => Self::Average(vec![Ema::new(period, warmup); usize::from(n)]),
            Kind::TripleDerivative => {
                Self::TripleDerivative { averages: [(); 3].map(|()| Ema::new(period, warmup)), last: 0.0 }
            }
            Kind::RelativeStrength | Kind::ChandeSmooth => Self::Momentum {
                up: Ema::wilder(period, warmup),
                down: Ema::wilder(period, warmup),
                last: 0.0,
                oscillates: call.kind == Kind::ChandeSmooth,
            },
            Kind::ChandePlain => Self::Chande { ring: Ring::new(period - 1), any: false, up: 0.0, down: 0.0 },
            Kind::Efficiency | Kind::Adaptive => Self::Kaufman {
                ring: Ring::new(period),
                noise: 0.0,
                count: 0,
                adaptive: (call.kind == Kind::Adaptive).then_some(0.0),
            },
        }
    }

    /// The result after one more value.
    fn add(&mut self, value: f64) -> f64 {
        match self {
            Self::Average(averages) => average(averages, value),
            Self::TripleDerivative { averages, last } => {
                let mut now = value;
                for average in averages {
                    now = average.add(now);
                    if !average.is_ready() {
                        break;
                    }
                }
                let rate = (now / *last - 1.0) * 100.0;
                *last = now;
                rate
            }
            Self::Momentum { up, down, last, oscillates } => {
                let change = value - *last;
                *last = value;
                let (up, down) = (up.add(change.max(0.0)), down.add((-change).max(0.0)));
                if *oscillates {
                    100.0 * ((up - down) / (up + down))
                } else {
                    100.0 - 100.0 / (1.0 + up / down)
                }
            }
            Self::Chande { ring, any, up, down } => chande(ring, any, up, down, value),
            Self::Kaufman { ring, noise, count, adaptive } => {
                let warm = *count > ring.size;
                let before = ring.newest().value;
                let ratio = efficiency(ring, noise, value);
                if !warm {
                    *count += 1;
                }
                let Some(last) = adaptive else { return ratio };
                let (fast, slow) = (2.0 / (2.0 + 1.0), 2.0 / (30.0 + 1.0));
                let weight = (ratio * (fast - slow) + slow).powi(2);
                let from = if warm { *last } else { before };
                *last = from + weight * (value - from);
                *last
            }
        }
    }
}

/// An average, or one corrected by the averages of averages.
fn average(averages: &mut [Ema], value: f64) -> f64 {
    let mut results = [value; 3];
    let (mut now, mut ready) = (value, true);
    for (result, average) in results.iter_mut().zip(averages.iter_mut()) {
        if ready {
            now = average.add(now);
        }
        ready = average.is_ready();
        *result = now;
    }
    let [one, two, three] = results;
    match averages.len() {
        2 => 2.0 * one - two,
        3 => 3.0 * one - 3.0 * two + three,
        _ => one,
    }
}

fn chande(ring: &mut Ring, any: &mut bool, up: &mut f64, down: &mut f64, value: f64) -> f64 {
    let change = if *any { value - ring.newest().value } else { 0.0 };
    *any = true;
    *up += change.max(0.0);
    *down += (-change).max(0.0);
    let result = if *up == 0.0 && *down == 0.0 { 0.0 } else { 100.0 * ((*up - *down) / (*up + *down)) };
    let leaving = ring.oldest().change;
    *up -= leaving.max(0.0);
    *down -= (-leaving).max(0.0);
    ring.push(Step { value, change });
    result
}

/// How straight the way of the last values was: 1 = straight, 0 = back where it began.
fn efficiency(ring: &mut Ring, noise: &mut f64, value: f64) -> f64 {
    let oldest = ring.oldest();
    let signal = (value - oldest.value).abs();
    let change = (value - ring.newest().value).abs();
    *noise += change - oldest.change;
    ring.push(Step { value, change });
    if signal == 0.0 || *noise == 0.0 { 0.0 } else { signal / *noise }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: Kind, period: usize, warmup: Warmup, values: &[f64]) -> Vec<f64> {
        let points: Vec<Point> = (0..).zip(values).map(|(t, v)| Point::new(t, Value::Float(*v))).collect();
        let call = Technical { kind, period, hold: None, warmup };
        apply(&call, &points).iter().filter_map(|p| number(&p.value)).collect()
    }

    fn up_and_down() -> Vec<f64> {
        (1..=15).chain((1..=14).rev()).map(f64::from).collect()
    }

    #[track_caller]
    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len(), "{got:?}");
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
    }

    /// With a simple start the oscillators are those of the TA library for 10 points of this series.
    #[test]
    fn smoothed_oscillators_follow_wilder() {
        let rsi = run(Kind::RelativeStrength, 10, Warmup::Simple, &up_and_down());
        close(&rsi[..8], &[100.0, 100.0, 100.0, 100.0, 100.0, 90.0, 81.0, 72.9]);
        assert_eq!(rsi.len(), 19);
        let cmo = run(Kind::ChandeSmooth, 10, Warmup::Simple, &up_and_down());
        close(&cmo[4..9], &[100.0, 80.0, 62.0, 45.8, 31.22]);
    }

    #[test]
    fn the_plain_oscillator_weighs_ups_against_downs() {
        let cmo = run(Kind::ChandePlain, 10, Warmup::Exponential, &up_and_down());
        assert_eq!(cmo.len(), 20);
        close(&cmo[6..11], &[80.0, 60.0, 40.0, 20.0, 0.0]);
    }

    #[test]
    fn efficiency_is_the_way_made_by_the_way_gone() {
        let ker = run(Kind::Efficiency, 3, Warmup::Exponential, &[20.0, 21.0, 22.0, 23.0, 22.0, 21.0]);
        close(&ker, &[1.0, 1.0 / 3.0, 1.0 / 3.0]);
        let kama = run(Kind::Adaptive, 10, Warmup::Exponential, &up_and_down());
        assert_eq!(kama.len(), 19);
        close(&kama[..3], &[10.444_444_444, 11.135_802_469, 11.964_334_705]);
    }

    #[test]
    fn averages_of_a_line_catch_up_with_it() {
        let line: Vec<f64> = (1..=60).map(f64::from).collect();
        for (kind, held) in [(Kind::Average(1), 4), (Kind::Average(2), 8), (Kind::Average(3), 12)] {
            let averages = run(kind, 5, Warmup::Simple, &line);
            assert_eq!(averages.len(), 60 - held);
            let lag = if kind == Kind::Average(1) { 2.0 } else { 0.0 };
            assert!((averages[averages.len() - 1] - (60.0 - lag)).abs() < 1e-3, "{kind:?}: {averages:?}");
        }
        assert_eq!(run(Kind::Average(3), 5, Warmup::Exponential, &line).len(), 56);
        let constant = run(Kind::TripleDerivative, 4, Warmup::Exponential, &[7.0; 20]);
        close(&constant, &[0.0; 16]);
    }

    #[test]
    fn any_period_is_taken() {
        for kind in [Kind::Average(3), Kind::TripleDerivative, Kind::RelativeStrength, Kind::ChandePlain] {
            assert!(run(kind, usize::MAX / 2, Warmup::Simple, &up_and_down()).is_empty());
        }
        for kind in [Kind::ChandePlain, Kind::ChandeSmooth, Kind::Efficiency, Kind::Adaptive] {
            assert!(!run(kind, 1, Warmup::Simple, &up_and_down()).is_empty());
            assert!(run(kind, usize::MAX, Warmup::Simple, &up_and_down()).is_empty());
        }
    }
}
