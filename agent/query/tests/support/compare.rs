//! Compares answers by structure, as `tests/conformance/run.py` does.

use serde_json::{Map, Value as Json};

/// Differences between the wanted and the given body; empty if they agree.
pub fn differences(step: &Map<String, Json>, want: &Json, got: &Json) -> Vec<String> {
    let how = step.get("match").and_then(Json::as_str).unwrap_or("");
    let (mut want, mut got) = (want.clone(), got.clone());
    if matches!(
        how,
        "ties" | "edge_ties" | "merged" | "columns" | "shape" | "own_dbs" | "own_series" | "explain"
    ) {
        soften(&mut want, how, "");
        soften(&mut got, how, "");
    }
    let mut out = Vec::new();
    let options = Options {
        unordered: how == "unordered",
        loose: how == "loose",
        any_error: step.get("error").and_then(Json::as_str) == Some("any"),
        loose_int: step.contains_key("loose_int"),
    };
    diff(&want, &got, &options, "", &mut out);
    out
}

struct Options {
    unordered: bool,
    loose: bool,
    any_error: bool,
    loose_int: bool,
}

fn diff(want: &Json, got: &Json, o: &Options, at: &str, out: &mut Vec<String>) {
    if out.len() > 5 || want == "<any>" {
        return;
    }
    match (want, got) {
        (Json::Number(a), Json::Number(b)) => {
            let whole = |n: &serde_json::Number| n.is_i64() || n.is_u64();
            let (x, y) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            let tolerance = if o.loose { 1e-3 } else { 1e-9 };
            let same = if whole(a) && whole(b) && !o.loose && !o.loose_int {
                a == b
            } else {
                x == y || (x - y).abs() <= tolerance * x.abs().max(y.abs())
            };
            if !same {
                out.push(format!("{at}: expected {a}, got {b}"));
            }
        }
        (Json::Object(a), Json::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    None => out.push(format!("{at}.{key}: missing")),
                    Some(_) if key == "error" && o.any_error => {}
                    Some(other) => diff(value, other, o, &format!("{at}.{key}"), out),
                }
            }
            for key in b.keys().filter(|k| !a.contains_key(*k)) {
                out.push(format!("{at}.{key}: not expected"));
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            let (mut a, mut b) = (a.clone(), b.clone());
            if o.unordered && (at.ends_with(".values") || at.ends_with(".series")) {
                a.sort_by_key(Json::to_string);
                b.sort_by_key(Json::to_string);
            }
            if a.len() != b.len() {
                out.push(format!("{at}: expected {} items, got {}", a.len(), b.len()));
            }
            for (i, (x, y)) in a.iter().zip(&b).enumerate() {
                diff(x, y, o, &format!("{at}[{i}]"), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{at}: expected {a}, got {b}")),
    }
}

fn soften(tree: &mut Json, how: &str, key: &str) {
    match tree {
        Json::Object(map) => {
            if matches!(how, "ties" | "edge_ties") {
                settle(map, how == "edge_ties");
                map.iter_mut().for_each(|(k, v)| soften(v, how, k));
                return;
            }
            map.iter_mut().for_each(|(k, v)| soften(v, how, k));
            map.retain(|k, v| {
                !(matches!(k.as_str(), "series" | "values") && v.as_array().is_some_and(Vec::is_empty))
            });
        }
        Json::Array(list) => match (key, how) {
            ("values", "columns") => *tree = Json::from("<values>"),
            ("values", "explain") => *tree = Json::from("<plan>"),
            ("values", "shape") => list.iter_mut().for_each(|row| *row = Json::from("<row>")),
            ("values", "own_dbs") => list.retain(|row| row.to_string().contains("{db}")),
            ("values", "ties" | "edge_ties") => {}
            ("series", "own_series") => list.retain(|s| s.to_string().contains("{db}")),
            ("series", "merged") => merge(list),
            _ => list.iter_mut().for_each(|v| soften(v, how, "")),
        },
        _ => {}
    }
}

/// Pieces of one series are put together, series and rows in one fixed order.
fn merge(list: &mut Vec<Json>) {
    let mut whole: std::collections::BTreeMap<String, Json> = Default::default();
    for series in list.drain(..) {
        let id = format!("{:?}{:?}{:?}", series.get("name"), series.get("tags"), series.get("columns"));
        let rows = series.get("values").and_then(Json::as_array).cloned().unwrap_or_default();
        let entry = whole.entry(id).or_insert_with(|| {
            let mut first = series.clone();
            first["values"] = Json::Array(Vec::new());
            first
        });
        entry["values"].as_array_mut().unwrap().extend(rows);
    }
    for mut series in whole.into_values() {
        series["values"].as_array_mut().unwrap().sort_by_key(Json::to_string);
        list.push(series);
    }
}

/// Rows of one time in one fixed order; with `edges`, of rows that share the time of the first or last row only that is kept.
fn settle(series: &mut Map<String, Json>, edges: bool) {
    let is_time = series.get("columns").and_then(|c| c.get(0)).and_then(Json::as_str) == Some("time");
    let Some(Json::Array(rows)) = series.get_mut("values") else { return };
    if !is_time || rows.is_empty() {
        return;
    }
    if edges {
        let ends = [rows[0][0].clone(), rows[rows.len() - 1][0].clone()];
        for row in rows.iter_mut() {
            if ends.contains(&row[0]) {
                row.as_array_mut().unwrap().truncate(1);
            }
        }
    }
    let normal = |row: &Json| {
        let cells = row.as_array().map(|cells| cells.iter().map(canonical).collect::<Vec<_>>());
        format!("{cells:?}")
    };
    let mut at = 0;
    while at < rows.len() {
        let end = at + rows[at..].iter().take_while(|r| r[0] == rows[at][0]).count();
        rows[at..end].sort_by_key(normal);
        at = end;
    }
}

/// A cell so that `8` and `8.0` sort alike.
fn canonical(cell: &Json) -> String {
    match cell.as_f64() {
        Some(x) if cell.is_number() => format!("{x:e}"),
        _ => cell.to_string(),
    }
}
