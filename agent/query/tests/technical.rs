//! The functions of technical analysis in statements.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use serde_json::{Value as Json, json};
use support::{Request, Server};
use weir_model::FieldValue;

fn server() -> Server {
    let server = Server::new(1_000_000);
    server.query(&Request { q: "CREATE DATABASE d", ..Default::default() });
    for i in 0..8 {
        let fields = [("v", FieldValue::Integer(i * i)), ("s", FieldValue::String("x"))];
        server.store.insert("d", None, "m", &[], &fields, i * 10).unwrap();
    }
    server
}

fn first(server: &Server, q: &str) -> Json {
    let (_, body) = server.query(&Request { q, db: Some("d"), epoch: Some("ns"), ..Default::default() });
    let result = &body["results"][0];
    if result["error"].is_null() { result["series"][0].clone() } else { result["error"].clone() }
}

#[test]
fn points_are_held_back_until_they_mean_something() {
    let s = server();
    let answer = first(&s, "SELECT exponential_moving_average(v, 3, -1, 'simple') FROM m LIMIT 3");
    assert_eq!(answer["columns"], json!(["time", "exponential_moving_average"]));
    let rows = answer["values"].as_array().unwrap();
    assert_eq!(rows[0], json!([20, 5.0 / 3.0]));
    assert_eq!(rows[1][0], 30);
    let all = first(&s, "SELECT exponential_moving_average(v, 3, 0) FROM m");
    assert_eq!(all["values"].as_array().unwrap().len(), 8);
    assert_eq!(all["values"][0], json!([0, 0.0]));
    let held = first(&s, "SELECT kaufmans_efficiency_ratio(v, 2, 5) FROM m");
    assert_eq!(held["values"], json!([[50, 1.0], [60, 1.0], [70, 1.0]]));
}

#[test]
fn they_work_on_buckets_too() {
    let s = server();
    let q = "SELECT chande_momentum_oscillator(max(v), 2) FROM m WHERE time >= 0 AND time < 80 GROUP BY time(20ns)";
    let answer = first(&s, q);
    assert_eq!(answer["values"], json!([[20, 100.0], [40, 100.0], [60, 100.0]]));
    let q = "SELECT relative_strength_index(v, 2) FROM (SELECT v FROM m)";
    assert_eq!(first(&s, q)["values"][0], json!([20, 100.0]));
}

#[test]
fn each_is_known() {
    let s = server();
    for name in [
        "exponential_moving_average",
        "double_exponential_moving_average",
        "triple_exponential_moving_average",
        "triple_exponential_derivative",
        "relative_strength_index",
        "chande_momentum_oscillator",
        "kaufmans_efficiency_ratio",
        "kaufmans_adaptive_moving_average",
    ] {
        let answer = first(&s, &format!("SELECT {name}(v, 2) FROM m"));
        assert!(answer["values"].as_array().is_some_and(|rows| rows.len() > 3), "{name}: {answer}");
        let wrong = first(&s, &format!("SELECT {name}(s, 2) FROM m"));
        let words = name.replace('_', " ");
        assert_eq!(
            wrong,
            json!(format!("unsupported {words} iterator type: *query.stringInterruptIterator"))
        );
    }
}
