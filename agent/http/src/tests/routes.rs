//! Paths, methods, common headers, CORS, and what the program says about itself.

use super::*;

#[tokio::test]
async fn every_answer_carries_the_common_headers() {
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = Server::new(dialect);
        for (method, uri) in [
            ("GET", "/ping"),
            ("POST", "/write?db=d"),
            ("POST", "/write?precision=xx"),
            ("GET", "/query"),
            ("GET", "/nosuch"),
            ("DELETE", "/write"),
            ("OPTIONS", "/write"),
        ] {
            let answer = server.send(method, uri, &[], "").await;
            assert_eq!(answer.header("x-influxdb-version"), "1.8.10", "{method} {uri}");
            assert_eq!(answer.header("x-weir-store"), "store-1");
            assert_eq!(answer.header("x-weir-version"), env!("CARGO_PKG_VERSION"));
            assert_eq!(answer.header("request-id").len(), 36);
            assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
            let build = if dialect == Dialect::Oss { "OSS" } else { "cloud2" };
            assert_eq!(answer.header("x-influxdb-build"), build);
        }
    }
}

#[tokio::test]
async fn ping_health_ready_and_status_need_no_token() {
    let server = Server::with(Dialect::Dedicated, |options| options.auth_enabled = true);
    for (uri, status, body) in [
        ("/ping", 204, ""),
        ("/ping?verbose=false", 204, ""),
        ("/ping?wait_for_leader=1s", 204, ""),
        ("/ping?verbose=true", 200, "{\"version\":\"1.8.10\"}\n"),
        ("/status", 204, ""),
        (
            "/health",
            200,
            "{\"checks\":[],\"message\":\"ready for queries and writes\",\"name\":\"influxdb\",\"status\":\"pass\",\"version\":\"1.8.10\"}\n",
        ),
        (
            "/ready",
            200,
            "{\"started\":\"2023-11-14T21:12:19.123456789Z\",\"status\":\"ready\",\"up\":\"1h1m1s\"}\n",
        ),
    ] {
        let answer = server.get(uri).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{uri}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    assert_eq!(server.get("/api/v2/health").await.status, 200);
    assert_eq!(server.get("/api/v2/ready").await.status, 200);
    let locked =
        Server::with(Dialect::Oss, |options| (options.auth_enabled, options.ping_auth) = (true, true));
    assert_eq!(locked.get("/ping").await.status, 401);
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_apart() {
    let dedicated = Server::new(Dialect::Dedicated);
    let answer = dedicated.get("/nosuch").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("code"), answer.json("message")),
        (404, "not found".into(), "not found".into())
    );
    let answer = dedicated.get("/write").await;
    assert_eq!((answer.status.as_u16(), answer.json("code")), (405, "method not allowed".into()));
    assert_eq!(answer.header("allow"), "OPTIONS, POST");
    assert_eq!(answer.header("content-type"), "application/json");

    let oss = Server::new(Dialect::Oss);
    let answer = oss.get("/nosuch").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (404, "404 page not found\n"));
    let answer = oss.send("PUT", "/query", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (405, "Method Not Allowed\n"));
    assert_eq!(answer.header("allow"), "GET, OPTIONS, POST");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(oss.send("POST", "/ping", &[], "").await.status, 405);
    assert_eq!(oss.send("HEAD", "/query", &[], "").await.status, 405);
}

#[tokio::test]
async fn pages_of_other_origins_may_ask() {
    let headers = [("origin", "http://grafana.example")];
    for (dialect, status) in [(Dialect::Dedicated, 204), (Dialect::Oss, 200)] {
        let server = Server::new(dialect);
        let answer = server.send("OPTIONS", "/query", &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        assert_eq!(answer.header("access-control-allow-origin"), "http://grafana.example");
        assert_eq!(answer.header("access-control-allow-methods"), "DELETE, GET, OPTIONS, POST, PUT");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Date, X-InfluxDB-Version, X-InfluxDB-Build"
        );
        let refused = server.send("POST", "/write?precision=xx", &headers, "").await;
        assert_eq!(refused.header("access-control-allow-origin"), "http://grafana.example");
        assert_eq!(server.send("OPTIONS", "/query", &[], "").await.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn metrics_of_databases_are_shown_to_readers_only() {
    let server = Server::with(Dialect::Dedicated, |options| options.auth_enabled = true);
    assert_eq!(server.get("/metrics").await.text(), "b 2\n");
    let with = |token: &str| format!("/metrics?p={token}");
    assert_eq!(server.get(&with(WRITER)).await.text(), "b 2\n");
    assert_eq!(server.get(&with(READER)).await.text(), "a{db=\"x\"} 1\nb 2\n");
    let open = Server::with(Dialect::Dedicated, |options| {
        (options.auth_enabled, options.metrics_auth) = (true, false);
    });
    assert_eq!(open.get("/metrics").await.text(), "a{db=\"x\"} 1\nb 2\n");
}

#[tokio::test]
async fn a_client_recognises_its_request() {
    let server = Server::new(Dialect::Dedicated);
    let answer = server.send("GET", "/ping", &[("x-request-id", "abc-1")], "").await;
    assert_eq!((answer.header("request-id"), answer.header("x-request-id")), ("abc-1", "abc-1"));
}

#[tokio::test]
async fn only_administrators_compact() {
    let server = Server::with(Dialect::Dedicated, |options| options.auth_enabled = true);
    for (uri, status) in [
        ("/debug/weir/compact".to_owned(), 401),
        (format!("/debug/weir/compact?p={READER}"), 403),
        (format!("/debug/weir/compact?p={TOKEN}"), 204),
    ] {
        assert_eq!(server.send("POST", &uri, &[], "").await.status.as_u16(), status, "{uri}");
    }
    let open = Server::new(Dialect::Oss);
    assert_eq!(open.send("POST", "/debug/weir/compact", &[], "").await.status, 204, "from this machine");
}
