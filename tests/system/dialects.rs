//! Where the two dialects differ, and what every answer carries.

use serde_json::json;

use crate::harness::{Options, Weir, encode};

#[test]
fn ping_and_health_need_no_token() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    for path in ["/ping", "/health", "/ready"] {
        let reply = weir.get(path);
        assert!(reply.status == 204 || reply.status == 200, "{path}: {}", reply.status);
        assert!(reply.header("X-Influxdb-Version").unwrap().starts_with("1.8"));
        assert!(reply.header("X-Request-Id").is_some());
        assert!(reply.header("X-Weir-Version").is_some());
    }
    assert_eq!(weir.get("/health").json()["status"], "pass");
    let reply = weir.get("/nowhere");
    assert_eq!((reply.status, reply.json()["code"].clone()), (404, json!("not found")));
}

#[test]
fn dedicated_refuses_statements_that_change_things() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    let token = format!("Token {}", weir.token());
    for statement in [
        "CREATE DATABASE x",
        "DROP DATABASE x",
        "DELETE FROM m",
        "SELECT * INTO b FROM a",
        "SHOW DATABASES; DROP MEASUREMENT m",
        "EXPLAIN SELECT v FROM m",
    ] {
        let path = format!("/query?db=d&q={}", encode(statement));
        let reply = weir.send("POST", &path, &[("Authorization", &token)], b"");
        assert_eq!(reply.status, 400, "{statement}");
        let body = reply.json();
        assert_eq!(body["code"], "invalid");
        assert!(
            body["message"].as_str().unwrap().starts_with("InfluxQL statement not supported: "),
            "{body}"
        );
    }
}

#[test]
fn tokens_reach_only_what_they_were_made_for() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    let make = |arguments: &[&str]| {
        let output = crate::harness::command()
            .args(["token", "create", "--data"])
            .arg(&weir.data)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (reader, writer) = (make(&["--db", "a", "--read"]), make(&["--db", "a", "--write"]));
    let status = |method: &str, path: &str, token: &str| {
        weir.send(method, path, &[("Authorization", &format!("Bearer {token}"))], b"m v=1").status
    };
    assert_eq!(status("POST", "/write?db=a", &writer), 204);
    assert_eq!(status("POST", "/write?db=a", &reader), 403);
    assert_eq!(status("POST", "/write?db=b", &writer), 403);
    assert_eq!(status("GET", "/query?db=a&q=SELECT%20v%20FROM%20m", &reader), 200);
    assert_eq!(status("GET", "/query?db=a&q=SELECT%20v%20FROM%20m", &writer), 403);
    assert_eq!(status("GET", "/query?db=b&q=SELECT%20v%20FROM%20m", &reader), 403);
    assert_eq!(status("GET", "/query?db=a&q=SELECT%20v%20FROM%20m", "weir_nobody"), 401);
}

#[test]
fn metrics_are_prometheus_text() {
    let weir = Weir::oss();
    weir.query("", "CREATE DATABASE d");
    weir.write_ok("db=d", "m v=1 1\nm v=2 2");
    let reply = weir.get("/metrics");
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
    let text = reply.text();
    for name in [
        "weir_build_info{",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "weir_http_requests_total{",
        "weir_write_points_total{db=\"d\"} 2",
        "weir_wal_fsync_duration_seconds",
    ] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
}

#[test]
fn oss_manages_databases_and_words_errors_as_1_x() {
    let weir = Weir::oss();
    let reply = weir.write("db=d", "m v=1");
    assert_eq!((reply.status, reply.json()), (404, json!({"error": "database not found: \"d\""})));
    assert_eq!(
        weir.query("", "CREATE DATABASE d WITH DURATION 30d NAME \"month\""),
        json!({"results": [{"statement_id": 0}]})
    );
    assert_eq!(
        weir.query("", "SHOW RETENTION POLICIES ON d")["results"][0]["series"][0]["values"],
        json!([["month", "720h0m0s", "24h0m0s", 1, true]])
    );
    let reply = weir.get("/query?q=SELEC");
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json(),
        json!({"error": "error parsing query: found SELEC, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1"})
    );
    weir.query("", "DROP DATABASE d");
    assert_eq!(weir.query("", "SHOW DATABASES")["results"][0]["series"][0]["name"], "databases");
}

#[test]
fn auth_cannot_be_off_where_others_can_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::harness::command()
        .args(["run", "--no-auth", "--listen", "0.0.0.0:0", "--data"])
        .arg(folder.path().join("d"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--insecure"));
}
