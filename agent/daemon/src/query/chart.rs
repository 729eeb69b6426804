//! A line chart of each numeric column, in braille dots.

use serde_json::Value;

const WIDTH: usize = 72;
const HEIGHT: usize = 12;

/// Draws one chart for each column that holds numbers.
pub(super) fn draw(series: &Value) -> String {
    let columns = series["columns"].as_array().cloned().unwrap_or_default();
    let rows = series["values"].as_array().cloned().unwrap_or_default();
    let mut out = String::new();
    for (i, name) in columns.iter().enumerate().skip(1) {
        let values: Vec<Option<f64>> = rows.iter().map(|row| row[i].as_f64()).collect();
        if values.iter().any(Option::is_some) {
            out.push_str(&chart(name.as_str().unwrap_or_default(), &values));
        }
    }
    if out.is_empty() {
        out.push_str("(no numbers to draw)\n");
    } else if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        out.push_str(&format!("{} .. {}\n", text(&first[0]), text(&last[0])));
    }
    out
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions on a small grid"
)]
fn chart(name: &str, values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied().filter(|x| x.is_finite());
    let (min, max) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let span = if max > min { max - min } else { 1.0 };
    let mut dots = vec![[0_u8; WIDTH]; HEIGHT];
    let mut mark = |x: usize, y: usize| {
        // Braille cells are 2 wide and 4 high; the bits of their eight dots.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if let Some(cell) = dots.get_mut(y / 4).and_then(|row| row.get_mut(x / 2)) {
            *cell |= BITS[y % 4][x % 2];
        }
    };
    let last = values.len().saturating_sub(1).max(1) as f64;
    let place = |i: usize, v: f64| {
        let x = (i as f64 / last * (WIDTH * 2 - 1) as f64).round() as usize;
        let y = ((max - v) / span * (HEIGHT * 4 - 1) as f64).round() as usize;
        (x, y)
    };
    let mut before: Option<(usize, usize)> = None;
    for (i, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|x| x.is_finite()) else {
            before = None;
            continue;
        };
        let (x, y) = place(i, value);
        let (x0, y0) = before.unwrap_or((x, y));
        let steps = (x - x0.min(x)).max(y.abs_diff(y0)).max(1);
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            let at = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * part).round() as usize;
            mark(at(x0, x), at(y0, y));
        }
        before = Some((x, y));
    }
    let mut out = format!("{name}\n");
    for (i, row) in dots.iter().enumerate() {
        let label = match i {
            0 => format!("{max:>12.4}"),
            i if i == HEIGHT - 1 => format!("{min:>12.4}"),
            _ => " ".repeat(12),
        };
        let line: String = row.iter().filter_map(|bits| char::from_u32(0x2800 + u32::from(*bits))).collect();
        out.push_str(&format!("{label} ┤{line}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_line_begins_low_and_ends_high() {
        let rows: Vec<_> = (0..50).map(|i| serde_json::json!([i, i, "text"])).collect();
        let drawn = draw(&serde_json::json!({"columns": ["time", "v", "s"], "values": rows}));
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 2);
        assert!(lines[1].ends_with(|c| c != '\u{2800}') && lines[1].contains("49"), "{drawn}");
        assert!(lines[HEIGHT].contains("┤\u{2840}") || lines[HEIGHT].contains('┤'), "{drawn}");
    }

    #[test]
    fn odd_values_do_not_panic() {
        for values in [
            serde_json::json!([[0, null]]),
            serde_json::json!([[0, 1e308], [1, -1e308]]),
            serde_json::json!([]),
        ] {
            let _ = draw(&serde_json::json!({"columns": ["time", "v"], "values": values}));
        }
    }
}
