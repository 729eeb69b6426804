//! EXPLAIN and EXPLAIN ANALYZE.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use support::{Request, Server};
use weir_model::FieldValue;

const DAY: i64 = 86_400_000_000_000;

fn server() -> Server {
    let server = Server::new(40 * DAY);
    server.query(&Request { q: "CREATE DATABASE d", ..Default::default() });
    for i in 0..30 {
        let host = format!("h{}", i % 3);
        let fields = [("v", FieldValue::Float(i as f64)), ("w", FieldValue::Integer(i))];
        server.store.insert("d", None, "m", &[("host", &host)], &fields, i * DAY).unwrap();
    }
    server
}

fn lines(server: &Server, q: &str, column: &str) -> Vec<String> {
    let (_, body) = server.query(&Request { q, db: Some("d"), ..Default::default() });
    let series = &body["results"][0]["series"][0];
    assert_eq!(series["columns"][0], column, "{body}");
    assert!(series["name"].is_null());
    series["values"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_plan_says_what_is_left_out() {
    let q = "EXPLAIN SELECT mean(v) FROM m WHERE host = 'h1' AND time >= 86400s AND time < 259200s GROUP BY time(1d), host";
    let plan = lines(&server(), q, "QUERY PLAN");
    for line in [
        "EXPRESSION: mean(v::float)",
        "TIME RANGE: 1970-01-02T00:00:00Z to 1970-01-03T23:59:59Z",
        "BUCKET: 24h0m0s",
        "GROUP BY: host",
        "SOURCE: d.autogen.m",
        "    MEASUREMENT: m",
        "        NUMBER OF SERIES: 1 of 3",
        "        FIELDS: v",
        "        READS: statistics where they suffice, else values",
    ] {
        assert!(plan.iter().any(|l| l == line), "{line}: {plan:#?}");
    }
    let plan = lines(
        &server(),
        "EXPLAIN SELECT sum(x) FROM (SELECT max(w) AS x FROM m WHERE v > 3 GROUP BY host)",
        "QUERY PLAN",
    );
    assert!(plan.iter().any(|l| l == "SUBQUERY"), "{plan:#?}");
    assert!(plan.iter().any(|l| l.trim() == "CONDITION OF ROWS: v::float > 3"), "{plan:#?}");
    assert!(plan.iter().any(|l| l.trim() == "READS: values"), "{plan:#?}");
}

#[test]
fn an_analysis_counts_what_was_read() {
    let tree = lines(&server(), "EXPLAIN ANALYZE SELECT v FROM m WHERE host != 'h1'", "EXPLAIN ANALYZE");
    assert_eq!(tree[..2], [".", "└── select"]);
    for line in ["points_decoded: 20", "series: 2", "rows: 20", "number_of_series: 2 of 3", "total_time: 0s"]
    {
        assert!(tree.iter().any(|l| l.ends_with(line)), "{line}: {tree:#?}");
    }
}

#[test]
fn errors_are_those_of_the_statement() {
    let s = server();
    for (q, want) in [
        ("EXPLAIN SELECT nothing(v) FROM m", "undefined function nothing()"),
        ("EXPLAIN ANALYZE SELECT v FROM d.x.m", "retention policy not found: x"),
    ] {
        let (_, body) = s.query(&Request { q, db: Some("d"), ..Default::default() });
        assert_eq!(body["results"][0]["error"], want);
    }
}

#[test]
fn the_program_reports_on_its_parts() {
    let s = server();
    let answer = |q: &str| {
        let (_, body) = s.query(&Request { q, db: Some("d"), ..Default::default() });
        body["results"][0]["series"].clone()
    };
    let stats = answer("SHOW STATS");
    let names: Vec<&str> = stats.as_array().unwrap().iter().map(|x| x["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["queryExecutor", "cq", "database"]);
    let database = answer("SHOW STATS FOR 'database'");
    assert_eq!(database[0]["tags"]["database"], "d");
    assert_eq!(database[0]["columns"], serde_json::json!(["numMeasurements", "numSeries"]));
    assert_eq!(database[0]["values"], serde_json::json!([[1, 3]]));
    assert_eq!(answer("SHOW DIAGNOSTICS").as_array().unwrap().len(), 4);
    assert_eq!(answer("SHOW DIAGNOSTICS FOR 'system'")[0]["values"][0][1], "1970-02-10T00:00:00Z");
}

#[test]
fn subscriptions_are_refused() {
    let s = server();
    for (q, want) in [
        ("CREATE SUBSCRIPTION x ON d.autogen DESTINATIONS ALL 'http://a:1'", "Weir does not forward"),
        ("DROP SUBSCRIPTION x ON d.autogen", "subscription not found"),
        ("DROP SUBSCRIPTION x ON d.other", "retention policy not found: other"),
    ] {
        let (_, body) = s.query(&Request { q, db: Some("d"), ..Default::default() });
        assert!(body["results"][0]["error"].as_str().unwrap().contains(want), "{body}");
    }
}
