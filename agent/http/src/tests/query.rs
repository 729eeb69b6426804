//! Queries: parameters, formats, policy, credentials.

use super::*;
use flate2::read::GzDecoder;
use std::io::Read as _;

/// Series `m` with tag `k` and fields of all types, `n` with another field.
const DATA: &str = "m,k=a f=1,i=5i,u=7u,b=true,s=\"x,\\\"y\\\"\" 1677628800000000000
m,k=b f=2.5,b=false 1677628801000000000
n f=3 1677628800000000000
";

async fn loaded(dialect: Dialect) -> Server {
    let server = Server::new(dialect);
    assert_eq!(server.send("POST", "/write?db=d", &[], DATA).await.status, 204);
    server
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn ask(server: &Server, query: &str, more: &str) -> Answer {
    server.get(&format!("/query?db=d&q={}{more}", encoded(query))).await
}

#[tokio::test]
async fn a_missing_query_is_an_error() {
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = Server::new(dialect);
        for uri in ["/query", "/query?q=", "/query?q=%20", "/query?db=d"] {
            let answer = server.get(uri).await;
            let error = (answer.status.as_u16(), answer.json("error"));
            assert_eq!(error, (400, "missing required parameter \"q\"".into()));
        }
    }
}

#[tokio::test]
async fn answers_look_like_those_of_1x() {
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = loaded(dialect).await;
        let answer = ask(&server, "SELECT f, k FROM m; SELECT f FROM nosuch", "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        let expected = concat!(
            r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f","k"],"#,
            r#""values":[["2023-03-01T00:00:00Z",1,"a"],["2023-03-01T00:00:01Z",2.5,"b"]]}]},{"statement_id":1}]}"#,
            "\n"
        );
        assert_eq!(answer.text(), expected);
        let answer = ask(&server, "SELECT count(f) FROM m GROUP BY k", "&epoch=s").await;
        let expected = concat!(
            r#"{"results":[{"statement_id":0,"series":["#,
            r#"{"name":"m","tags":{"k":"a"},"columns":["time","count"],"values":[[0,1]]},"#,
            r#"{"name":"m","tags":{"k":"b"},"columns":["time","count"],"values":[[0,1]]}]}]}"#,
            "\n"
        );
        assert_eq!(answer.text(), expected);
        let answer = ask(&server, "SELECT bogus(f) FROM m", "").await;
        let expected = "{\"results\":[{\"statement_id\":0,\"error\":\"undefined function bogus()\"}]}\n";
        assert_eq!((answer.status.as_u16(), answer.text()), (200, expected));
        let answer = ask(&server, ";", "").await;
        assert_eq!(answer.text(), "{\"results\":[{\"statement_id\":0}]}\n");
    }
}

#[tokio::test]
async fn databases_that_are_missing_are_statement_errors() {
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = loaded(dialect).await;
        for (uri, error) in [
            ("/query?q=SELECT+f+FROM+m", "database name required"),
            ("/query?q=SELECT+f+FROM+m&db=", "database name required"),
            ("/query?q=SELECT+f+FROM+m&db=nosuch", "database not found: nosuch"),
        ] {
            let answer = server.get(uri).await;
            let expected = format!("{{\"results\":[{{\"statement_id\":0,\"error\":\"{error}\"}}]}}\n");
            assert_eq!((answer.status.as_u16(), answer.text()), (200, expected.as_str()));
        }
    }
}

#[tokio::test]
async fn parameters_come_by_url_form_multipart_and_body() {
    let query = "q=SELECT+f+FROM+n&db=d&epoch=s";
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let multi = [("content-type", "multipart/form-data; boundary=B")];
    let text = [("content-type", "text/plain")];
    let influxql = [("content-type", "application/vnd.influxql")];
    let parts = "--B\r\nContent-Disposition: form-data; name=\"q\"; filename=\"q\"\r\n\r\nSELECT f FROM n\r\n--B--\r\n";
    let hit = "[[1677628800,3]]";
    let missing = "missing required parameter \\\"q\\\"";
    for (dialect, uri, headers, body, expected) in [
        (Dialect::Oss, "/query?q=SELECT+f+FROM+n&db=d&epoch=s", &[][..], "", hit),
        (Dialect::Oss, "/query", &form[..], query, hit),
        (Dialect::Oss, "/query?q=SELECT+f+FROM+nosuch&db=x&epoch=ns", &form[..], query, hit),
        (Dialect::Oss, "/query?db=d&epoch=s", &multi[..], parts, hit),
        (Dialect::Oss, "/query?db=d&epoch=s", &text[..], query, missing),
        (Dialect::Oss, "/query?db=d&epoch=s", &[][..], query, missing),
        (Dialect::Dedicated, "/query?db=d&epoch=s", &[][..], "SELECT f FROM n", hit),
        (Dialect::Dedicated, "/query?db=d&epoch=s", &influxql[..], "SELECT f FROM n", hit),
        (Dialect::Dedicated, "/query?db=d&epoch=s&q=SELECT+f+FROM+n", &influxql[..], "junk", hit),
        (
            Dialect::Dedicated,
            "/query?db=d&epoch=s&q=SELECT+f+FROM+n",
            &[("content-type", "application/json")],
            "{",
            hit,
        ),
        (Dialect::Dedicated, "/query?db=d&epoch=s&q=SELECT+f+FROM+n", &[("content-type", "")], "junk", hit),
        (
            Dialect::Dedicated,
            "/query/?db=d&epoch=s&q=SELECT+f+FROM+n&precision=s&node_id=1",
            &[][..],
            "",
            hit,
        ),
    ] {
        let server = loaded(dialect).await;
        let answer = server.send("POST", uri, headers, body).await;
        assert!(answer.text().contains(expected), "{uri} {headers:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn epochs_are_those_of_each_dialect() {
    let dedicated = loaded(Dialect::Dedicated).await;
    let oss = loaded(Dialect::Oss).await;
    for (epoch, time) in [
        ("ns", "1677628801000000000"),
        ("n", "1677628801000000000"),
        ("us", "1677628801000000"),
        ("u", "1677628801000000"),
        ("%C2%B5", "1677628801000000"),
        ("ms", "1677628801000"),
        ("s", "1677628801"),
        ("m", "27960480"),
        ("h", "466008"),
        ("", "\"2023-03-01T00:00:01Z\""),
    ] {
        for server in [&dedicated, &oss] {
            let answer = ask(server, "SELECT f FROM m WHERE k = 'b'", &format!("&epoch={epoch}")).await;
            assert!(answer.text().contains(&format!("[[{time},2.5]]")), "{epoch}: {}", answer.text());
        }
    }
    let answer = ask(&oss, "SELECT f FROM n", "&epoch=junk").await;
    assert!(answer.text().contains("[[1677628800000000000,3]]"));
    let answer = ask(&dedicated, "SELECT f FROM n", "&epoch=w").await;
    assert_eq!((answer.status.as_u16(), answer.json("code")), (400, "invalid".into()));
    assert!(answer.json("message").starts_with("error decoding params from url: unknown variant `w`"));
}

#[tokio::test]
async fn dedicated_runs_queries_only_and_refuses_the_whole_request() {
    let server = loaded(Dialect::Dedicated).await;
    let answer = ask(&server, "SELECT f FROM n; CREATE DATABASE x", "").await;
    assert_eq!((answer.status.as_u16(), answer.json("code")), (400, "invalid".into()));
    assert_eq!(answer.json("message"), "InfluxQL statement not supported: CREATE DATABASE");
    assert_eq!(server.store.databases(), ["d"]);
    let oss = loaded(Dialect::Oss).await;
    let answer = oss.send("POST", "/query?q=CREATE+DATABASE+x", &[], "").await;
    assert_eq!(answer.text(), "{\"results\":[{\"statement_id\":0}]}\n");
    assert_eq!(oss.store.databases(), ["d", "x"]);
    let by_get = ask(&oss, "CREATE DATABASE y", "").await;
    assert!(by_get.text().contains(
        "\"messages\":[{\"level\":\"warning\",\"text\":\"deprecated use of 'CREATE DATABASE y' in a read only context, please use a POST request instead\"}]"
    ), "{}", by_get.text());
}

#[tokio::test]
async fn parse_errors_are_400_with_the_place() {
    let text = "error parsing query: found selec, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1";
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = Server::new(dialect);
        let answer = ask(&server, "selec", "").await;
        assert_eq!((answer.status.as_u16(), answer.json("error").as_str()), (400, text));
        assert_eq!(answer.header("x-influxdb-error"), text);
    }
}

#[tokio::test]
async fn chunked_and_pretty_are_for_oss() {
    let oss = loaded(Dialect::Oss).await;
    let dedicated = loaded(Dialect::Dedicated).await;
    let plain = ask(&dedicated, "SELECT f FROM m", "").await;
    for more in
        ["&chunked=true&chunk_size=1", "&chunked=1", "&pretty=true", "&pretty=yes&chunked=x", "&async=true"]
    {
        assert_eq!(ask(&dedicated, "SELECT f FROM m", more).await.text(), plain.text(), "{more}");
    }
    let chunks = ask(&oss, "SELECT f FROM m", "&chunked=true&chunk_size=1&epoch=s").await;
    let expected = concat!(
        r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"values":[[1677628800,1]],"partial":true}],"partial":true}]}"#,
        "\n",
        r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"values":[[1677628801,2.5]]}]}]}"#,
        "\n"
    );
    assert_eq!(chunks.text(), expected);
    for more in ["&chunked=1", "&chunked=false", "&chunk_size=1"] {
        assert_eq!(ask(&oss, "SELECT f FROM m", more).await.text(), plain.text(), "{more}");
    }
    assert!(ask(&oss, "SELECT f FROM m", "&pretty=true").await.text().starts_with("{\n    \"results\": ["));
    let answer = ask(&oss, "SELECT f FROM m", "&async=true").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
}

#[tokio::test]
async fn csv_msgpack_and_gzip_come_when_asked_for() {
    let server = loaded(Dialect::Dedicated).await;
    let uri = "/query?db=d&q=SELECT+*+FROM+m";
    let csv = server.send("GET", uri, &[("accept", "application/csv")], "").await;
    assert_eq!(csv.header("content-type"), "text/csv");
    let expected = "name,tags,time,b,f,i,k,s,u\nm,,1677628800000000000,true,1,5,a,\"x,\"\"y\"\"\",7\nm,,1677628801000000000,false,2.5,,b,,\n";
    assert_eq!(csv.text(), expected);
    let packed = server.send("GET", uri, &[("accept", "application/x-msgpack")], "").await;
    assert_eq!(packed.header("content-type"), "application/x-msgpack");
    assert!(packed.body.starts_with(b"\x81\xa7results\xdd\0\0\0\x01"));
    let json_only = Server::with(Dialect::Dedicated, |options| options.msgpack = false);
    let answer = json_only.send("GET", uri, &[("accept", "application/x-msgpack")], "").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let zipped = server.send("GET", uri, &[("accept-encoding", "gzip, deflate")], "").await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut text = String::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, server.get(uri).await.text());
}

#[tokio::test]
async fn long_answers_are_streamed_whole() {
    let server = Server::new(Dialect::Oss);
    let lines: String = (0..20_000).map(|i| format!("m f={i},s=\"text {i}\" {i}\n")).collect();
    assert_eq!(server.send("POST", "/write?db=d", &[], lines).await.status, 204);
    let uri = "/query?db=d&epoch=ns&q=SELECT+*+FROM+m";
    let answer = server.get(uri).await;
    assert!(answer.body.len() > 500_000);
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let rows = value["results"][0]["series"][0]["values"].as_array().unwrap();
    assert_eq!(rows.len(), 20_000);
    assert_eq!(rows[12_345], serde_json::json!([12_345, 12_345, "text 12345"]));
    let zipped = server.send("GET", uri, &[("accept-encoding", "gzip")], "").await;
    let mut text = Vec::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, answer.body);
    let chunks = server.get("/query?db=d&q=SELECT+f+FROM+m&chunked=true").await;
    assert_eq!(chunks.text().lines().count(), 2);
    let limited = Server::with(Dialect::Oss, |options| options.msgpack_bytes_max = 100_000);
    let lines: String = (0..20_000).map(|i| format!("m f={i} {i}\n")).collect();
    limited.send("POST", "/write?db=d", &[], lines).await;
    let answer = limited.send("GET", uri, &[("accept", "application/x-msgpack")], "").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_row_limit_marks_what_it_cuts() {
    let server = Server::with(Dialect::Oss, |options| options.rows_max = 1);
    server.send("POST", "/write?db=d", &[], DATA).await;
    let answer = ask(&server, "SELECT f FROM m; SELECT f FROM n", "&epoch=s").await;
    let expected = r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"values":[[1677628800,1]],"partial":true}]}]}"#;
    assert_eq!(answer.text(), format!("{expected}\n"));
}

#[tokio::test]
async fn bind_parameters_reach_the_statement() {
    let server = loaded(Dialect::Dedicated).await;
    let params = encoded(r#"{"x": 2, "k": {"identifier": "f"}}"#);
    let answer = ask(&server, "SELECT $k FROM m WHERE f > $x", &format!("&params={params}&epoch=s")).await;
    assert!(answer.text().contains("[[1677628801,2.5]]"), "{}", answer.text());
    let answer = ask(&server, "SELECT f FROM m WHERE f > $x", "&params=%7B%7D").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("error").as_str()),
        (400, "error parsing query: missing parameter: x")
    );
    assert_eq!(ask(&server, "SELECT f FROM m", "&params=[]").await.status, 400);
}

#[tokio::test]
async fn readers_see_their_databases_only() {
    let server = Server::with(Dialect::Dedicated, |options| options.auth_enabled = true);
    let as_admin = format!("/write?db=d&p={TOKEN}");
    assert_eq!(server.send("POST", &as_admin, &[], DATA).await.status, 204);
    server.send("POST", &format!("/write?db=secret&p={TOKEN}"), &[], DATA).await;
    let ask = |query: &str, token: &str| {
        let uri = format!("/query?db=d&q={}&p={token}", encoded(query));
        let server = &server;
        async move { server.get(&uri).await }
    };
    assert_eq!(ask("SELECT f FROM n", "nope").await.status, 401);
    assert!(ask("SELECT f FROM n", READER).await.text().contains(",3]]"));
    let answer = ask("SELECT f FROM n", WRITER).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("code"), answer.json("message")),
        (403, "forbidden".into(), "forbidden".into())
    );
    for query in
        ["SELECT f FROM secret..n", "SHOW TAG KEYS ON secret", "SELECT f FROM n; SHOW MEASUREMENTS ON secret"]
    {
        let answer = ask(query, READER).await;
        assert_eq!(answer.status, 403, "{query}");
        assert!(answer.json("error").ends_with("requires READ on secret"), "{}", answer.text());
    }
    assert!(ask("SHOW DATABASES", READER).await.text().contains("[[\"d\"]]"));
    assert!(ask("SHOW DATABASES", TOKEN).await.text().contains("[\"secret\"]"));
    let body = format!("q=SELECT+f+FROM+n&db=d&p={READER}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.send("POST", "/query", &form, body).await.status, 200, "a token in the form");
}

#[tokio::test]
async fn policies_name_databases_in_dedicated() {
    let server = Server::new(Dialect::Dedicated);
    server.write("/write?db=foo&rp=bar", "m f=1 1").await;
    for uri in [
        "/query?q=SELECT+f+FROM+m&db=foo&rp=bar",
        "/query?q=SELECT+f+FROM+m&db=foo/bar",
        "/query?q=SELECT+f+FROM+bar.m&db=foo",
        "/query?q=SELECT+f+FROM+foo.bar.m",
        "/query?q=SELECT+f+FROM+%22foo/bar%22..m",
    ] {
        let answer = server.get(uri).await;
        assert!(answer.text().contains("\"values\""), "{uri}: {}", answer.text());
    }
}
