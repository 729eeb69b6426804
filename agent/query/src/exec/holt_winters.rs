//! `holt_winters()`: damped, multiplicative triple exponential smoothing.
//!
//! The four smoothing factors, the first level, the first trend and the first season are found by minimising the sum of
//! squared errors, from each point of a small grid of first guesses; then the recurrence runs on past the data. As in 1.x
//! the factors are held in 0..=1 and the seasons that a run ends with are those that the next one starts from.

use super::math::number;
use super::nelder_mead::minimise;
use super::points::Point;
use crate::result::Value;

/// What to forecast.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// How many points.
    pub(crate) count: usize,
    /// Points in a season; below 2 there is none.
    pub(crate) season: usize,
    /// Whether the fitted points come too.
    pub(crate) with_fit: bool,
    /// Time between points, nanoseconds.
    pub(crate) every: i64,
}

/// Most points that a gap in the data may add, so that two far apart times cannot fill the memory.
const GAPS_MAX: i64 = 1_000_000;
/// First guesses for each factor.
const GUESSES: [f64; 2] = [0.3, 0.7];
/// Weight of the first points in the first level and trend.
const WEIGHT: f64 = 0.5;
/// Where minimising stops.
const EPSILON: f64 = 1.0e-4;

/// The points after `points` (in order of time), and the fitted ones if wanted.
pub(crate) fn forecast(points: &[Point], wanted: &Forecast) -> Vec<Point> {
    let season = if wanted.season < 2 { 0 } else { wanted.season };
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() < 2 || points.len() < season || wanted.count == 0 || wanted.every <= 0 {
        return Vec::new();
    }
    let Some(y) = spread(points, wanted.every) else { return Vec::new() };
    let mut model = Model { y, season };
    let mut start = vec![0.0; 6 + season];
    model.first_guess(&mut start);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for n in 0..16 {
        for (i, factor) in start.iter_mut().take(4).enumerate() {
            *factor = GUESSES[n >> (3 - i) & 1];
        }
        let (error, found) = minimise(&mut |x| model.error(x), &start, EPSILON, 1.0);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, found));
        }
    }
    let Some((_, mut parameters)) = best else { return Vec::new() };
    let all = model.run(wanted.count, &mut parameters);
    let (from, time) =
        if wanted.with_fit { (0, first.time) } else { (model.y.len(), last.time + wanted.every) };
    (0_i64..)
        .zip(all.iter().skip(from))
        .filter(|(_, v)| !v.is_nan())
        .map(|(i, v)| Point::new(time.saturating_add(wanted.every.saturating_mul(i)), Value::Float(*v)))
        .collect()
}

/// The values at equal distances, NaN where there is none.
fn spread(points: &[Point], every: i64) -> Option<Vec<f64>> {
    let round = |t: i64| {
        let into = t % every;
        if into > every / 2 { (t / every + 1).saturating_mul(every) } else { t / every * every }
    };
    let first = points.first()?;
    let mut at = round(first.time);
    if round(points.last()?.time).saturating_sub(at) / every > GAPS_MAX {
        return None;
    }
    let mut y = vec![number(&first.value)?];
    for point in points.iter().skip(1) {
        let time = round(point.time);
        if time <= at {
            continue;
        }
        at += every;
        while at != time {
            y.push(f64::NAN);
            at += every;
        }
        y.push(number(&point.value)?);
    }
    (y.len() > 1).then_some(y)
}

struct Model {
    y: Vec<f64>,
    /// Points in a season; 0 = none.
    season: usize,
}

impl Model {
    /// Level, trend and season as the first points suggest; missing values are passed over.
    fn first_guess(&self, parameters: &mut [f64]) {
        let (y, m) = (&self.y, self.season);
        let value = |i: usize| y.get(i).copied().unwrap_or(f64::NAN);
        if m == 0 {
            parameters[4] = WEIGHT * value(0);
            parameters[5] = if value(1).is_nan() { 0.0 } else { WEIGHT * (value(1) - value(0)) };
            return;
        }
        let weight = 1.0 / m as f64;
        let level: f64 = (0..m).map(value).filter(|v| !v.is_nan()).map(|v| weight * v).sum();
        let trend: f64 = (0..m)
            .filter(|i| m + i < y.len())
            .map(|i| value(m + i) - value(i))
            .filter(|d| !d.is_nan())
            .map(|d| weight * weight * d)
            .sum();
        parameters[4] = level;
        parameters[5] = trend;
        for (i, slot) in parameters.iter_mut().skip(6).enumerate() {
            *slot = if value(i).is_nan() { 0.0 } else { value(i) / level };
        }
    }

    /// Sum of squared errors; infinite where the model gives no number.
    fn error(&mut self, parameters: &mut [f64]) -> f64 {
        let fitted = self.run(0, parameters);
        let mut sum = 0.0;
        for (fit, y) in fitted.iter().zip(&self.y).filter(|(_, y)| !y.is_nan()) {
            if fit.is_nan() {
                return f64::INFINITY;
            }
            sum += (fit - y) * (fit - y);
        }
        sum
    }

    /// The fitted values and `ahead` more. Holds the factors in 0..=1 and leaves the last seasons in `parameters`.
    fn run(&self, ahead: usize, parameters: &mut [f64]) -> Vec<f64> {
        for factor in parameters.iter_mut().take(4) {
            *factor = factor.clamp(0.0, 1.0);
        }
        let (alpha, beta, gamma, phi) = (parameters[0], parameters[1], parameters[2], parameters[3]);
        let (mut level, mut trend) = (parameters[4], parameters[5]);
        let seasons = &mut parameters[6..];
        let m = self.season;
        let mut damping = phi;
        let mut y = self.y.first().copied().unwrap_or(f64::NAN);
        let mut out = Vec::with_capacity(self.y.len() + ahead);
        out.push(y);
        let mut shift = m.saturating_sub(1);
        for t in 1..self.y.len() + ahead {
            let (now, then) = if m == 0 {
                (1.0, 1.0)
            } else {
                (seasons[(t + shift - m) % m], seasons[(t + shift + t % m - m) % m])
            };
            let next_level = alpha * (y / now) + (1.0 - alpha) * (level + phi * trend);
            let next_trend = beta * (next_level - level) + (1.0 - beta) * phi * trend;
            let season = gamma * (y / (level + phi * trend)) + (1.0 - gamma) * now;
            y = (next_level + damping * next_trend) * then;
            (level, trend) = (next_level, next_trend);
            damping += phi.powf(t as f64);
            if m > 0 {
                seasons[(t + shift) % m] = season;
                shift += 1;
            }
            out.push(y);
        }
        out
    }
}
