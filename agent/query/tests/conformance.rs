//! Runs the recorded cases of `tests/conformance` against the engine over the store in memory.
//!
//! `WEIR_CASES=<topic or id>` shows the differences of what it names.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use std::path::Path;

use serde_json::{Map, Value as Json};
use support::{Request, Server, compare};

/// 2024-01-01, after all points of the set-ups.
const NOW: i64 = 1_704_067_200_000_000_000;

/// Topics and how many of their requests pass at least; only ever raised.
const FLOORS: &[(&str, usize)] = &[
    ("aggregates", 98),
    ("arithmetic", 66),
    ("bind_params", 36),
    ("call_errors", 102),
    ("cardinality", 32),
    ("casts", 32),
    ("combos", 46),
    ("continuous_queries", 16),
    ("dashboards", 32),
    ("delete_drop", 74),
    ("databases", 30),
    ("empty_results", 33),
    ("epoch", 32),
    ("fill", 53),
    ("from_clause", 66),
    ("group_by_tags", 32),
    ("group_by_time", 46),
    ("holt_winters", 11),
    ("identifiers", 101),
    ("into", 38),
    ("large", 17),
    ("math_functions", 46),
    ("multi_statement", 13),
    ("order_limit", 47),
    ("overwrite", 38),
    ("parse_errors", 84),
    ("regex", 36),
    ("retention_policies", 43),
    ("select_raw", 38),
    ("selectors", 92),
    ("show_fields", 22),
    ("show_measurements", 28),
    ("show_series", 31),
    ("show_tags", 53),
    ("subqueries", 74),
    ("timezone", 36),
    ("top_bottom", 68),
    ("transformations", 118),
    ("types", 34),
    ("where_time", 63),
    ("where_values", 67),
];

/// Topics about other parts: HTTP, writing, users, deletion.
const ELSEWHERE: &[&str] = &[
    "chunked",
    "http_query",
    "users_queries",
    "write_http",
    "write_lines",
    "write_partial",
    "write_precision",
    "write_values",
];

struct Outcome {
    topic: String,
    passed: usize,
    failed: Vec<(String, String, Vec<String>)>,
}

fn text<'a>(map: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Json::as_str)
}

fn load(server: &Server, setup: &Json, db: &str) {
    for part in setup.as_array().into_iter().flatten() {
        let part = part.as_object().unwrap();
        if let Some(q) = text(part, "q") {
            let q = q.replace("{db}", db);
            server.query(&Request { q: &q, db: Some(db), ..Default::default() });
            continue;
        }
        let mut lines = Vec::new();
        if let Some(g) = part.get("generate") {
            let number = |key: &str| g[key].as_i64().unwrap();
            for i in 0..number("points") {
                for s in 0..number("series") {
                    let v = (i * 7919 + s * 104_729) % 10_007;
                    let time = number("start_ns") + i * number("step_ns");
                    let name = g["measurement"].as_str().unwrap();
                    lines.push(format!("{name},s={s} v={v}i,f={} {time}", v as f64 / 8.0));
                }
            }
        } else {
            lines.extend(part["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap().to_owned()));
        }
        let precision = text(part, "precision").unwrap_or("ns");
        let result = server.write(db, text(part, "rp"), precision, &lines.join("\n"), NOW);
        if let Err(e) = result {
            eprintln!("set-up: {e}");
        }
    }
}

fn step(server: &Server, step: &Map<String, Json>, db: &str) -> Option<Vec<String>> {
    if step.contains_key("skip") {
        return None;
    }
    let empty = Map::new();
    let params = step.get("params").and_then(Json::as_object).unwrap_or(&empty);
    let param = |key: &str| params.get(key).and_then(Json::as_str);
    let expect = step["expect"].as_object().unwrap();
    if let Some(body) = text(step, "write") {
        let body = body.replace("{db}", db);
        let _ = server.write(db, param("rp"), param("precision").unwrap_or("ns"), &body, NOW);
        return None;
    }
    let q = text(step, "q")?.replace("{db}", db);
    let database = match params.get("db") {
        None => Some(db.to_owned()),
        Some(v) => v.as_str().map(|s| s.replace("{db}", db)),
    };
    let bound = params.get("params").map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned));
    let (status, got) = server.query(&Request {
        q: &q,
        db: database.as_deref(),
        rp: param("rp"),
        epoch: param("epoch"),
        params: bound.as_deref(),
        read_only: text(step, "method") != Some("POST"),
    });
    let want = expect.get("body")?;
    if want.get("sha256").is_some() || ["path", "raw", "headers"].iter().any(|k| step.contains_key(*k)) {
        return None;
    }
    let got: Json = serde_json::from_str(&got.to_string().replace(db, "{db}")).unwrap();
    let mut out = compare::differences(step, want, &got);
    if expect["status"].as_u64() != Some(status) {
        out.push(format!("status {status}"));
    }
    if !out.is_empty() {
        out.push(format!("expected {want}"));
        out.push(format!("got      {got}"));
    }
    Some(out)
}

fn topic(path: &Path) -> Outcome {
    let doc: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let name = doc["topic"].as_str().unwrap().to_owned();
    let mut outcome = Outcome { topic: name, passed: 0, failed: Vec::new() };
    let fresh = |setup: bool, n: usize| {
        let server = Server::new(NOW);
        let db = format!("cfabcdef{n:04}");
        server.query(&Request { q: &format!("CREATE DATABASE \"{db}\""), ..Default::default() });
        if setup {
            load(&server, &doc["setup"], &db);
        }
        (server, db)
    };
    let shared = fresh(true, 1);
    for (n, case) in doc["cases"].as_array().unwrap().iter().enumerate() {
        let case = case.as_object().unwrap();
        let id = text(case, "id").unwrap();
        let own = case.get("steps").map(|_| fresh(case.contains_key("use_setup"), n + 2));
        let (server, db) = own.as_ref().unwrap_or(&shared);
        let whole = Json::Object(case.clone());
        let steps: Vec<&Json> = match case.get("steps") {
            Some(steps) => steps.as_array().unwrap().iter().collect(),
            None => vec![&whole],
        };
        for (i, one) in steps.iter().enumerate() {
            let one = one.as_object().unwrap();
            match step(server, one, db) {
                None => {}
                Some(found) if found.is_empty() => outcome.passed += 1,
                Some(found) => {
                    let q = text(one, "q").unwrap_or("").to_owned();
                    let id = if steps.len() > 1 { format!("{id}.{}", i + 1) } else { id.to_owned() };
                    outcome.failed.push((id, q, found));
                }
            }
        }
    }
    outcome
}

#[test]
fn recorded_answers_are_given() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let shown = std::env::var("WEIR_CASES").ok();
    let (mut passed, mut failed, mut below) = (0, 0, Vec::new());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if ELSEWHERE.contains(&name.as_str()) || shown.as_ref().is_some_and(|s| !s.starts_with(&name)) {
            continue;
        }
        let outcome = topic(&file);
        let all = outcome.passed + outcome.failed.len();
        println!("{:22} {:4} / {all:4}", outcome.topic, outcome.passed);
        for (id, q, why) in &outcome.failed {
            if shown.as_ref().is_some_and(|s| *s == name || id.starts_with(s.as_str())) {
                println!("FAIL {id}  {q}");
                why.iter().for_each(|w| println!("     {}", w.chars().take(900).collect::<String>()));
            }
        }
        passed += outcome.passed;
        failed += outcome.failed.len();
        if let Some((_, floor)) = FLOORS.iter().find(|(t, _)| *t == name)
            && outcome.passed < *floor
        {
            below.push(format!("{name}: {} of {floor}", outcome.passed));
        }
    }
    println!("{passed} passed, {failed} failed");
    assert!(below.is_empty(), "fewer answers are right than before: {below:?}");
}
