//! Finding the least value of a function by moving a simplex (Nelder and Mead, 1965).

/// Steps after which the search ends anyway.
const STEPS_MAX: usize = 1_000;

/// The least value of `f` found from `start`, and where. `f` may move the point it is given (to keep it inside bounds). The search
/// ends when the values at the corners differ by less than `epsilon`; `scale` is the size of the first simplex.
pub(crate) fn minimise(
    f: &mut dyn FnMut(&mut [f64]) -> f64,
    start: &[f64],
    epsilon: f64,
    scale: f64,
) -> (f64, Vec<f64>) {
    let n = start.len();
    let size = n as f64;
    let root = (size + 1.0).sqrt() - 1.0;
    let side = size * std::f64::consts::SQRT_2;
    let (near, far) = (scale * root / side, scale * (root + size) / side);
    let mut corners: Vec<Vec<f64>> = (0..=n)
        .map(|i| {
            let moved = |(j, x): (usize, &f64)| match i {
                0 => *x,
                i if i - 1 == j => far + x,
                _ => near + x,
            };
            start.iter().enumerate().map(moved).collect()
        })
        .collect();
    let mut values: Vec<f64> = corners.iter_mut().map(|c| f(c)).collect();
    for _ in 0..STEPS_MAX {
        let (worst, best, second) = ranks(&values);
        let centre: Vec<f64> = (0..n)
            .map(|j| {
                corners.iter().enumerate().filter(|(i, _)| *i != worst).map(|(_, c)| c[j]).sum::<f64>() / size
            })
            .collect();
        let from_centre = |towards: &[f64], by: f64| -> Vec<f64> {
            centre.iter().zip(towards).map(|(c, t)| c + by * (t - c)).collect()
        };
        let mut reflected = from_centre(&corners[worst], -1.0);
        let at_reflected = f(&mut reflected);
        if at_reflected < values[best] {
            let mut expanded = from_centre(&reflected, 2.0);
            let at_expanded = f(&mut expanded);
            (corners[worst], values[worst]) =
                if at_expanded < at_reflected { (expanded, at_expanded) } else { (reflected, at_reflected) };
        } else if at_reflected < values[second] {
            (corners[worst], values[worst]) = (reflected, at_reflected);
        } else {
            let outside = at_reflected < values[worst];
            let mut contracted = from_centre(if outside { &reflected } else { &corners[worst] }, 0.5);
            let at_contracted = f(&mut contracted);
            if at_contracted < values[worst] {
                (corners[worst], values[worst]) = (contracted, at_contracted);
            } else {
                let target = corners[best].clone();
                for (_, corner) in corners.iter_mut().enumerate().filter(|(i, _)| *i != best) {
                    corner.iter_mut().zip(&target).for_each(|(x, t)| *x = t + (*x - t) / 2.0);
                }
                values[worst] = f(&mut corners[worst]);
                values[second] = f(&mut corners[second]);
            }
        }
        let mean = values.iter().sum::<f64>() / (size + 1.0);
        let spread = values.iter().map(|v| (v - mean) * (v - mean) / size).sum::<f64>().sqrt();
        if spread < epsilon {
            break;
        }
    }
    let (_, best, _) = ranks(&values);
    let found = corners[best].clone();
    let least = f(&mut corners[best]);
    (least, found)
}

/// Places of the greatest, the least and the second greatest value.
fn ranks(values: &[f64]) -> (usize, usize, usize) {
    let (mut worst, mut best) = (0, 0);
    for (i, v) in values.iter().enumerate() {
        if *v > values[worst] {
            worst = i;
        }
        if *v < values[best] {
            best = i;
        }
    }
    let mut second = best;
    for (i, v) in values.iter().enumerate() {
        if *v > values[second] && *v < values[worst] {
            second = i;
        }
    }
    (worst, best, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_rosenbrocks_valley() {
        let (least, at) = minimise(
            &mut |x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2),
            &[-1.2, 1.0],
            1e-8,
            1.0,
        );
        assert!(least < 1e-6 && (at[0] - 1.0).abs() < 1e-2, "{least} at {at:?}");
    }
}
