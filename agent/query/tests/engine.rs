//! Limits, streaming, cancellation and statistics of the engine, over the store in memory.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test; a panic is its way to fail"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use support::summaries::Summarising;
use support::{FixedClock, Request, Server};
use weir_influxql::parse_query;
use weir_model::{Clock, FieldValue, TimestampNs};
use weir_query::memory::MemoryStore;
use weir_query::{Engine, EngineOptions, ExecContext, Piece, ResultStream};

const NOW: i64 = 1_704_067_200_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn store(series: i64, points: i64) -> MemoryStore {
    let server = Server::new(NOW);
    server.query(&Request { q: "CREATE DATABASE d", ..Default::default() });
    for s in 0..series {
        let host = format!("h{s:03}");
        for i in 0..points {
            let fields = [
                ("f", FieldValue::Float((i * 7 % 13) as f64)),
                ("d", FieldValue::Float((i * 7 % 13) as f64 / 10.0)),
                ("i", FieldValue::Integer(i * 31 % 17 - s)),
            ];
            server.store.insert("d", None, "m", &[("host", &host)], &fields, i * SECOND).unwrap();
        }
    }
    server.store
}

fn engine(store: &MemoryStore, options: EngineOptions, clock: Arc<dyn Clock>) -> Engine {
    let shared = Arc::new(store.clone());
    Engine::new(shared.clone(), shared, clock, options)
}

fn run(engine: &Engine, q: &str) -> ResultStream {
    let query = parse_query(q, &Default::default()).unwrap();
    engine.execute(query, ExecContext { database: Some("d".into()), ..Default::default() })
}

fn error_of(mut stream: ResultStream) -> Option<String> {
    while let Some(piece) = stream.recv() {
        if let Piece::Error(text) = piece {
            return Some(text.to_string());
        }
    }
    None
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock(NOW))
}

#[test]
fn limits_answer_as_in_1x() {
    let store = store(5, 100);
    let options = EngineOptions {
        select_points_max: 50,
        select_series_max: 3,
        select_buckets_max: 10,
        ..Default::default()
    };
    let engine = engine(&store, options, clock());
    let error = |q: &str| error_of(run(&engine, q)).unwrap_or_default();
    assert_eq!(error("SELECT f FROM m"), "max-select-series limit exceeded: (5/3)");
    assert!(error("SELECT f FROM m WHERE host = 'h001'").starts_with("max-select-point limit exceeed: ("));
    assert_eq!(
        error("SELECT mean(f) FROM m WHERE time >= 0 AND time < 100s AND host = 'h001' GROUP BY time(1s)"),
        "max-select-buckets limit exceeded: (100/10)"
    );
    assert_eq!(error("SELECT f FROM m WHERE host = 'h001' AND time < 10s"), "");
}

#[test]
fn a_query_that_needs_more_memory_than_allowed_says_so() {
    let store = store(2, 5_000);
    let engine = engine(&store, EngineOptions { memory_bytes_max: 100_000, ..Default::default() }, clock());
    let text = error_of(run(&engine, "SELECT median(f) FROM m")).unwrap();
    assert!(text.contains("needs more than its 100000 bytes"), "{text}");
    assert_eq!(error_of(run(&engine, "SELECT mean(f) FROM m")), None);
    // Buckets without points count too: these would be a billion.
    let text = error_of(run(&engine, "SELECT mean(f) FROM m GROUP BY time(1s)")).unwrap();
    assert!(text.contains("needs more than its"), "{text}");
    // What a statement held is free for the next one.
    let many = ["SELECT median(f) FROM m WHERE time < 500s"; 20].join("; ");
    assert_eq!(error_of(run(&engine, &many)), None);
}

#[test]
fn a_reader_that_stops_reading_stops_the_query_and_frees_its_place() {
    let store = store(40, 2_000);
    let options = EngineOptions { concurrent_queries_max: 1, ..Default::default() };
    let engine = engine(&store, options, clock());
    let mut stream = run(&engine, "SELECT * FROM m");
    assert!(matches!(stream.recv(), Some(Piece::Statement { id: 0 })));
    // The answer is larger than the queue, so the query is still there.
    let refused = error_of(run(&engine, "SELECT f FROM m LIMIT 1")).unwrap();
    assert_eq!(refused, "max-concurrent-queries limit exceeded(2, 1)");
    drop(stream);
    // Its thread sees it within its next step.
    while error_of(run(&engine, "SELECT f FROM m LIMIT 1")).is_some() {
        std::thread::yield_now();
    }
}

#[derive(Debug, Default)]
struct Steps(AtomicU64);

impl Clock for Steps {
    fn now(&self) -> TimestampNs {
        TimestampNs(NOW)
    }
    fn monotonic_ns(&self) -> u64 {
        // Each look takes a second.
        self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }
}

#[test]
fn a_query_past_its_time_is_stopped() {
    let store = store(10, 5_000);
    let options = EngineOptions { timeout: Duration::from_secs(5), ..Default::default() };
    let engine = engine(&store, options, Arc::new(Steps::default()));
    let text = error_of(run(&engine, "SELECT * FROM m; SELECT f FROM m")).unwrap();
    assert_eq!(text, "query-timeout limit exceeded");
}

#[test]
fn a_task_can_poll_for_pieces() {
    let store = store(1, 10);
    let engine = engine(&store, EngineOptions::default(), clock());
    let mut stream = run(&engine, "SELECT f FROM m");
    let mut context = Context::from_waker(Waker::noop());
    let mut pieces = 0;
    loop {
        match stream.poll_recv(&mut context) {
            Poll::Ready(None) => break,
            Poll::Ready(Some(_)) => pieces += 1,
            Poll::Pending => std::thread::yield_now(),
        }
    }
    assert_eq!(pieces, 4);
}

#[test]
fn the_number_of_threads_changes_no_answer() {
    let store = store(100, 50);
    let queries = [
        "SELECT sum(d), mean(d), max(i), first(f), spread(d) FROM m WHERE time >= 0 AND time < 50s GROUP BY time(7s)",
        "SELECT mean(d) FROM m GROUP BY host",
        "SELECT percentile(d, 90) FROM m",
        "SELECT top(i, host, 5) FROM m",
    ];
    for q in queries {
        let answers: Vec<String> = [1, 2, 8]
            .into_iter()
            .map(|threads| {
                let engine = engine(&store, EngineOptions { threads, ..Default::default() }, clock());
                let mut stream = run(&engine, q);
                std::iter::from_fn(|| stream.recv()).map(|p| format!("{p:?}")).collect()
            })
            .collect();
        assert!(answers.iter().all(|a| *a == answers[0]), "{q}");
    }
}

#[test]
fn statistics_change_no_answer() {
    let store = store(3, 4_000);
    let shared = Arc::new(store.clone());
    let plain = engine(&store, EngineOptions::default(), clock());
    let used = Arc::new(AtomicU64::new(0));
    let source = Summarising { inner: shared.clone(), used: Arc::clone(&used) };
    let fast = Engine::new(Arc::new(source), shared, clock(), EngineOptions::default());
    let mut with_statistics = 0;
    for q in [
        "SELECT count(f), sum(f), mean(f), spread(f) FROM m",
        "SELECT count(i), sum(i), mean(i), min(i), max(i) FROM m GROUP BY host",
        "SELECT sum(d), mean(d) FROM m",
        "SELECT min(d), max(d) FROM m WHERE time >= 100s AND time < 3900s GROUP BY time(1h)",
        "SELECT mean(f), sum(i) FROM m WHERE time >= 0 AND time <= 3999s GROUP BY time(1h), host",
        "SELECT max(f) FROM m",
        "SELECT mean(f) FROM m WHERE f > 3",
        "SELECT derivative(mean(i), 1s) FROM m WHERE time >= 0 AND time < 4000s GROUP BY time(20m)",
    ] {
        let show = |engine: &Engine| {
            let mut stream = run(engine, q);
            std::iter::from_fn(|| stream.recv()).map(|p| format!("{p:?}\n")).collect::<String>()
        };
        let before = used.load(Ordering::Relaxed);
        assert_eq!(show(&fast), show(&plain), "{q}");
        with_statistics += u64::from(used.load(Ordering::Relaxed) > before);
    }
    assert!(with_statistics >= 5, "only {with_statistics} queries asked for statistics");
}

#[test]
fn unknown_things_are_said_clearly() {
    let store = store(1, 1);
    let engine = engine(&store, EngineOptions::default(), clock());
    for q in ["CREATE SUBSCRIPTION x ON d.autogen DESTINATIONS ALL 'http://a:1'", "SELECT f INTO x FROM m"] {
        let text = error_of(run(&engine, q)).unwrap();
        assert!(text.contains("not supported"), "{q}: {text}");
    }
}

#[test]
fn running_queries_are_shown_and_killed() {
    let store = store(40, 2_000);
    let engine = engine(&store, EngineOptions::default(), clock());
    let mut stream = run(&engine, "SELECT * FROM m");
    assert!(stream.recv().is_some());
    let mut shown = run(&engine, "SHOW QUERIES");
    let text: String = std::iter::from_fn(|| shown.recv()).map(|p| format!("{p:?}")).collect();
    assert!(text.contains("SELECT * FROM m") && text.contains("SHOW QUERIES"), "{text}");
    assert_eq!(error_of(run(&engine, "KILL QUERY 99")).unwrap(), "no such query id: 99");
    assert_eq!(error_of(run(&engine, "KILL QUERY 1")), None);
    assert_eq!(error_of(stream).unwrap(), "query interrupted");
}

#[test]
fn top_of_many_series_takes_the_best_of_each() {
    let store = store(100, 50);
    let engine = engine(&store, EngineOptions::default(), clock());
    let mut stream = run(&engine, "SELECT top(i, host, 5) FROM m");
    let mut found = Vec::new();
    while let Some(piece) = stream.recv() {
        if let Piece::Rows(rows) = piece {
            found.extend((0..rows.len).map(|row| format!("{:?} {:?}", rows.get(row, 1), rows.get(row, 2))));
        }
    }
    found.sort();
    let want: Vec<String> = (0..5).rev().map(|s| format!("Integer({}) Str(\"h{s:03}\")", 16 - s)).collect();
    assert_eq!(found, want);
}
