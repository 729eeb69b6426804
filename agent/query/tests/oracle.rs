//! Aggregates in buckets against plain loops, over random points.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value as Json;
use support::{Request, Server};
use weir_model::FieldValue;

const NOW: i64 = 10_000;

/// Points by series and time.
type Data = Vec<BTreeMap<i64, i64>>;

fn data() -> impl Strategy<Value = Data> {
    prop::collection::vec(prop::collection::btree_map(-500_i64..500, -50_i64..50, 0..40), 1..5)
}

fn server(data: &Data) -> Server {
    let server = Server::new(NOW);
    server.query(&Request { q: "CREATE DATABASE d", ..Default::default() });
    for (s, points) in data.iter().enumerate() {
        let host = format!("h{s}");
        for (time, value) in points {
            let fields = [("i", FieldValue::Integer(*value)), ("f", FieldValue::Float(*value as f64 / 4.0))];
            server.store.insert("d", None, "m", &[("host", &host)], &fields, *time).unwrap();
        }
    }
    server
}

/// Bucket start and values of each row of the first series of the answer.
fn rows(server: &Server, q: &str) -> Vec<Vec<Json>> {
    let (_, body) = server.query(&Request { q, db: Some("d"), epoch: Some("ns"), ..Default::default() });
    let result = &body["results"][0];
    assert!(result.get("error").is_none(), "{q}: {body}");
    let values = result["series"][0]["values"].as_array().cloned().unwrap_or_default();
    values.into_iter().map(|row| row.as_array().unwrap().clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn buckets_hold_what_a_loop_puts_into_them(
        data in data(),
        every in 1_i64..300,
        offset in 0_i64..300,
        from in -500_i64..200,
        length in 1_i64..700,
    ) {
        let server = server(&data);
        let to = from + length;
        let offset = offset % every;
        let q = format!(
            "SELECT count(i), sum(i), mean(i), min(i), max(i), spread(f), first(i), last(i), median(f) FROM m \
             WHERE time >= {from} AND time < {to} GROUP BY time({every}ns, {offset}ns) fill(none)"
        );
        let mut want: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        for points in &data {
            for (time, value) in points.range(from..to) {
                let start = (time - offset).div_euclid(every) * every + offset;
                want.entry(start).or_default().push((*time, *value));
            }
        }
        let got = rows(&server, &q);
        prop_assert_eq!(got.len(), want.len());
        for (row, (start, points)) in got.iter().zip(want) {
            let values: Vec<i64> = points.iter().map(|p| p.1).collect();
            let (low, high) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
            let sum: i64 = values.iter().sum();
            let first = points.iter().min_by_key(|(t, v)| (*t, -v)).unwrap().1;
            let last = points.iter().max_by_key(|(t, v)| (*t, *v)).unwrap().1;
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let middle = sorted.len() / 2;
            let median = if sorted.len() % 2 == 1 {
                sorted[middle] as f64
            } else {
                (sorted[middle - 1] + sorted[middle]) as f64 / 2.0
            };
            let number = |i: usize| row[i].as_f64().unwrap();
            prop_assert_eq!(row[0].as_i64().unwrap(), start);
            prop_assert_eq!(number(1), values.len() as f64);
            prop_assert_eq!(number(2), sum as f64);
            prop_assert!((number(3) - sum as f64 / values.len() as f64).abs() < 1e-9);
            prop_assert_eq!((number(4), number(5)), (low as f64, high as f64));
            prop_assert_eq!(number(6), (high - low) as f64 / 4.0);
            prop_assert_eq!((number(7), number(8)), (first as f64, last as f64));
            prop_assert_eq!(number(9), median / 4.0);
        }
    }

    #[test]
    fn rows_of_all_series_come_by_time_within_limit_and_offset(
        data in data(),
        limit in 1_usize..30,
        offset in 0_usize..30,
        descending in any::<bool>(),
        least in -50_i64..50,
    ) {
        let server = server(&data);
        let order = if descending { "DESC" } else { "ASC" };
        let q = format!("SELECT i FROM m WHERE i >= {least} ORDER BY time {order} LIMIT {limit} OFFSET {offset}");
        let mut want: Vec<i64> =
            data.iter().flat_map(|s| s.iter().filter(|(_, v)| **v >= least).map(|(t, _)| *t)).collect();
        want.sort_unstable();
        if descending {
            want.reverse();
        }
        let want: Vec<i64> = want.into_iter().skip(offset).take(limit).collect();
        let got: Vec<i64> = rows(&server, &q).iter().map(|r| r[0].as_i64().unwrap()).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn filled_buckets_leave_no_gap(data in data(), every in 5_i64..200, descending in any::<bool>()) {
        let server = server(&data);
        let order = if descending { " ORDER BY time DESC" } else { "" };
        let q = format!("SELECT sum(i) FROM m WHERE time >= -500 AND time < 500 GROUP BY time({every}ns) fill(0){order}");
        let got = rows(&server, &q);
        let total: f64 = got.iter().map(|r| r[1].as_f64().unwrap()).sum();
        let want: i64 = data.iter().flat_map(|s| s.values()).sum();
        prop_assert_eq!(total, want as f64);
        let step = if descending { -every } else { every };
        for pair in got.windows(2) {
            prop_assert_eq!(pair[1][0].as_i64().unwrap() - pair[0][0].as_i64().unwrap(), step);
        }
        if data.iter().any(|s| !s.is_empty()) {
            let first = (-500_i64).div_euclid(every) * every;
            let last = 499_i64.div_euclid(every) * every;
            prop_assert_eq!(got.len() as i64, (last - first) / every + 1);
        }
    }
}
