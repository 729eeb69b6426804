//! Continuous queries: what they write when, and what outlives a restart.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use support::{Request, Server};
use weir_model::{Clock, FieldValue, TimestampNs};
use weir_query::memory::MemoryStore;
use weir_query::{ContinuousRuns, Engine, RecordStore, RecordStoreError};

const MINUTE: i64 = 60_000_000_000;

#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> TimestampNs {
        TimestampNs(self.0.load(Ordering::Relaxed))
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Records(Mutex<BTreeMap<String, Vec<u8>>>, AtomicBool);

impl RecordStore for Records {
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError> {
        Ok(self.0.lock().unwrap().clone().into_iter().collect())
    }
    fn put(&self, key: &str, value: &[u8]) -> Result<(), RecordStoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(RecordStoreError("disk full".to_owned()));
        }
        self.0.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), RecordStoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
}

struct Fixture {
    server: Server,
    clock: Arc<SetClock>,
    records: Arc<Records>,
}

fn start(store: MemoryStore, records: &Arc<Records>) -> Fixture {
    let clock = Arc::new(SetClock(AtomicI64::new(600 * MINUTE)));
    let shared = Arc::new(store.clone());
    let engine = Engine::new(shared.clone(), shared.clone(), clock.clone(), Default::default())
        .with_writer(shared)
        .with_records(records.clone())
        .unwrap();
    Fixture { server: Server { store, engine }, clock, records: Arc::clone(records) }
}

impl Fixture {
    fn new() -> Self {
        let this = start(MemoryStore::new(), &Arc::default());
        this.run("CREATE DATABASE d");
        for i in 590..640 {
            let fields = [("v", FieldValue::Float(i as f64))];
            let host = if i % 2 == 0 { "a" } else { "b" };
            this.server.store.insert("d", None, "m", &[("host", host)], &fields, i * MINUTE).unwrap();
        }
        this
    }

    fn run(&self, q: &str) -> Json {
        let request = Request { q, db: Some("d"), epoch: Some("m"), ..Default::default() };
        self.server.query(&request).1["results"][0].clone()
    }

    fn rows(&self, q: &str) -> Json {
        self.run(q)["series"][0]["values"].clone()
    }

    fn at(&self, minute: i64) -> ContinuousRuns {
        self.clock.0.store(minute * MINUTE, Ordering::Relaxed);
        self.server.engine.run_continuous_queries()
    }
}

const fn runs(ran: usize, failed: usize) -> ContinuousRuns {
    ContinuousRuns { ran, failed }
}

#[test]
fn a_continuous_query_writes_each_bucket_when_it_has_ended() {
    let f = Fixture::new();
    let made = f.run(
        "CREATE CONTINUOUS QUERY c ON d BEGIN SELECT sum(v) AS s INTO five.:MEASUREMENT FROM m \
         WHERE host = 'a' OR host = 'b' GROUP BY time(5m) END",
    );
    assert_eq!(made["error"], "retention policy not found: d.five");
    f.run("CREATE RETENTION POLICY five ON d DURATION INF REPLICATION 1");
    let made = f.run(
        "CREATE CONTINUOUS QUERY c ON d BEGIN SELECT sum(v) AS s INTO five.:MEASUREMENT FROM m \
         WHERE host = 'a' OR host = 'b' GROUP BY time(5m) END",
    );
    assert!(made["error"].is_null(), "{made}");
    assert_eq!(f.at(602), runs(0, 0), "nothing has ended");
    assert_eq!(f.at(604), runs(0, 0));
    assert_eq!(f.rows("SELECT s FROM five.m"), Json::Null);
    assert_eq!(f.at(605), runs(1, 0));
    assert_eq!(f.at(606), runs(0, 0));
    assert_eq!(f.rows("SELECT s FROM five.m"), json!([[600, 3010.0]]));
    assert_eq!(f.at(617), runs(1, 0));
    let rows = json!([[600, 3010.0], [605, 3035.0], [610, 3060.0]]);
    assert_eq!(f.rows("SELECT s FROM five.m"), rows, "missed turns are made up for");
}

#[test]
fn resampling_writes_buckets_again() {
    let f = Fixture::new();
    f.run(
        "CREATE CONTINUOUS QUERY c ON d RESAMPLE EVERY 1m FOR 10m BEGIN SELECT count(v) INTO n FROM m GROUP BY time(5m), * END",
    );
    assert_eq!(f.at(602), runs(1, 0));
    let rows = f.rows("SELECT sum(count) FROM n WHERE time >= 0 GROUP BY time(5m) fill(none)");
    assert_eq!(rows, json!([[595, 5], [600, 5]]), "FOR reaches back, EVERY takes the current bucket in");
    let rows = f.rows("SELECT count FROM n WHERE host = 'a'");
    assert_eq!(rows, json!([[595, 2], [600, 3]]));
    f.server
        .store
        .insert("d", None, "m", &[("host", "a")], &[("v", FieldValue::Float(1.0))], 601 * MINUTE)
        .unwrap();
    assert_eq!(f.at(603), runs(1, 0));
    let rows = f.rows("SELECT count FROM n WHERE host = 'a'");
    assert_eq!(rows, json!([[595, 2], [600, 4]]), "a point that came late");
}

#[test]
fn definitions_outlive_a_restart_and_go_with_their_database() {
    let f = Fixture::new();
    f.run("CREATE DATABASE e");
    f.run("CREATE CONTINUOUS QUERY b ON d BEGIN SELECT mean(v) INTO x FROM m GROUP BY time(1m) END");
    f.run("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT max(v) INTO y FROM m GROUP BY time(1m) END");
    f.run("CREATE CONTINUOUS QUERY a ON e BEGIN SELECT max(v) INTO y FROM d..m GROUP BY time(1m) END");
    let shown = f.run("SHOW CONTINUOUS QUERIES");
    let names: Vec<&Json> =
        shown["series"][0]["values"].as_array().unwrap().iter().map(|row| &row[0]).collect();
    assert_eq!(names, ["b", "a"], "in the order in which they were made");
    f.records.put("cq/7", b"nonsense").unwrap();

    let again = start(f.server.store.clone(), &f.records);
    assert_eq!(again.run("SHOW CONTINUOUS QUERIES"), shown);
    again.run("DROP DATABASE d");
    assert_eq!(
        again.run("SHOW CONTINUOUS QUERIES")["series"],
        json!([{
            "name": "e",
            "columns": ["name", "query"],
            "values": [["a", "CREATE CONTINUOUS QUERY a ON e BEGIN SELECT max(v) INTO e.autogen.y FROM d.autogen.m GROUP BY time(1m) END"]],
        }])
    );
    assert_eq!(f.records.load_all().unwrap().len(), 2);
    assert_eq!(again.at(601), runs(0, 1), "its source is gone");
    assert_eq!(again.at(601), runs(0, 0), "until its next turn");
}

#[test]
fn a_query_that_cannot_be_kept_is_not_made() {
    let f = Fixture::new();
    f.records.1.store(true, Ordering::Relaxed);
    let made =
        f.run("CREATE CONTINUOUS QUERY u ON d BEGIN SELECT max(v) INTO y FROM m GROUP BY time(1m) END");
    assert_eq!(made["error"], "disk full");
    assert_eq!(f.rows("SHOW CONTINUOUS QUERIES"), Json::Null);
}
