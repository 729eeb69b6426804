//! A series as a table: numbers to the right, text to the left.

use serde_json::Value;

/// Draws the table.
pub(super) fn draw(series: &Value) -> String {
    let columns: Vec<String> = series["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| c.as_str().unwrap_or_default().to_owned())
        .collect();
    let rows: Vec<Vec<String>> = series["values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row.as_array().into_iter().flatten().map(cell).collect())
        .collect();
    let is_number: Vec<bool> = (0..columns.len())
        .map(|i| {
            let mut values =
                series["values"].as_array().into_iter().flatten().map(|row| &row[i]).filter(|v| !v.is_null());
            values.clone().next().is_some() && values.all(Value::is_number)
        })
        .collect();
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count());
        cells.chain([columns[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut out = String::new();
        for (i, cell) in cells.iter().enumerate().take(widths.len()) {
            let pad = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
            if i > 0 {
                out.push_str("  ");
            }
            if is_number[i] { out.extend([pad.as_str(), cell]) } else { out.extend([cell.as_str(), &pad]) }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    };
    let mut out = line(&columns);
    out.push_str(&line(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>()));
    rows.iter().for_each(|row| out.push_str(&line(row)));
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // Control characters would move the terminal's cursor.
        Value::String(text) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let series =
            serde_json::json!({"columns": ["time", "n", "s"], "values": [["a", 1, "x"], ["bb", 10.5, null]]});
        assert_eq!(draw(&series), "time     n  s\n----  ----  -\na        1  x\nbb    10.5\n");
    }
}
