//! Writes: parameters, texts, partial writes, encodings, limits, credentials.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write as _;
use weir_pipeline::IngestError;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn stored(server: &Server) -> u64 {
    server.store.state().stored
}

#[tokio::test]
async fn a_write_is_answered_with_204_and_nothing_else() {
    for dialect in [Dialect::Dedicated, Dialect::Oss] {
        let server = Server::new(dialect);
        for uri in ["/write?db=d", "/write/?db=d", "/api/v2/write?bucket=d&org=x"] {
            let answer = server.write(uri, "m,t=a f=1 1700000000000000000\nm,t=b f=2").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{uri}");
            assert_eq!(answer.header("content-type"), "application/json");
        }
        assert_eq!(stored(&server), 6);
    }
}

#[tokio::test]
async fn empty_bodies_are_fine_and_make_no_database() {
    let server = Server::new(Dialect::Dedicated);
    for body in ["", "\n", "  \n# nothing\n\n"] {
        assert_eq!(server.write("/write?db=fresh", body).await.status, 204, "{body:?}");
    }
    assert_eq!(server.store.databases(), ["d"]);
    assert_eq!(server.write("/write?db=made", "\n# comment\nm f=1").await.status, 204);
    assert!(server.store.databases().contains(&"made".to_owned()));
}

/// Texts and codes of the Dedicated API's page.
#[tokio::test]
async fn dedicated_refuses_bad_parameters_with_its_own_words() {
    let server = Server::new(Dialect::Dedicated);
    let length = "namespace name length must be between 1 and 64 characters";
    let precision = |p: &str| {
        format!(
            "failed to deserialize db/rp/precision in request: unknown variant `{p}`, expected one of `s`, `ms`, `us`, `ns`"
        )
    };
    let long = format!("/write?db={}", "x".repeat(65));
    let cases = [
        ("/write", length.to_owned()),
        ("/write?db=", length.to_owned()),
        ("/write?precision=s", length.to_owned()),
        (long.as_str(), length.to_owned()),
        ("/write?db=d&precision=u", precision("u")),
        ("/write?db=d&precision=S", precision("S")),
        ("/write?db=d&precision=d", precision("d")),
        (
            "/write?db=a%20b",
            "namespace name 'a b' contains invalid character, character number 1 is not allowed".to_owned(),
        ),
    ];
    for (uri, message) in cases {
        let answer = server.write(uri, "m f=1").await;
        assert_eq!(answer.status, 400, "{uri}");
        assert_eq!((answer.json("code"), answer.json("message")), ("invalid".to_owned(), message), "{uri}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-influxdb-error"), answer.json("error"));
    }
    let answer = server.write("/write?db=d&rp=%FF", "m f=1").await;
    assert!(answer.json("message").starts_with("failed to deserialize db/rp/precision in request: "));
    for uri in [
        "/write?db=d&precision=",
        "/write?db=d&precision=n",
        "/write?db=d&consistency=bogus&foo=bar",
        "/write?db=d&db=",
        "/write?db=foo&rp=Bar",
    ] {
        assert_eq!(server.write(uri, "m f=1").await.status, 204, "{uri}");
    }
    assert!(server.store.databases().contains(&"foo/bar".to_owned()));
}

#[tokio::test]
async fn oss_refuses_bad_parameters_with_the_words_of_1x() {
    let server = Server::new(Dialect::Oss);
    for (uri, status, error) in [
        ("/write?db=d&precision=xx", 400, "invalid precision \"xx\" (use n, u, ms, s, m or h)"),
        ("/write", 400, "database is required"),
        ("/write?db=", 400, "database is required"),
        ("/write?db=nosuch", 404, "database not found: \"nosuch\""),
        ("/write?db=d&rp=nosuch", 500, "retention policy not found: nosuch"),
        ("/write?db=d&consistency=bogus", 400, "invalid consistency level"),
    ] {
        let answer = server.write(uri, "m f=1").await;
        assert_eq!(answer.status.as_u16(), status, "{uri}");
        let expected = format!("{{\"error\":{}}}\n", serde_json::to_string(error).unwrap());
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.header("x-influxdb-error"), error);
    }
    assert_eq!(server.write("/write?db=nosuch", "").await.status, 404);
    for (uri, status, text) in [
        ("/api/v2/write?bucket=", 404, "missing a slash"),
        ("/api/v2/write?bucket=/rp", 404, "empty database"),
        ("/api/v2/write?bucket=d&precision=m", 400, "invalid precision \\\"m\\\" (use ns, us, ms or s)"),
    ] {
        let answer = server.write(uri, "m f=1").await;
        assert_eq!(answer.status.as_u16(), status, "{uri}");
        assert!(answer.text().contains(text) && answer.text().contains("\"code\""), "{}", answer.text());
    }
}

#[tokio::test]
async fn times_follow_precision_and_missing_ones_are_cut_to_it() {
    for (precision, given, ns) in [
        ("ns", 1, 1),
        ("us", 1, 1_000),
        ("ms", 1, 1_000_000),
        ("s", 1, 1_000_000_000),
        ("m", 1, 60_000_000_000),
        ("h", -1, -3_600_000_000_000_i64),
    ] {
        if ns < store::OLDEST {
            continue;
        }
        let server = Server::new(Dialect::Dedicated);
        let uri = format!("/write?db=d&precision={precision}");
        assert_eq!(server.send("POST", &uri, &[], format!("m f=1 {given}\nn f=1")).await.status, 204);
        let answer = server.get("/query?db=d&epoch=ns&q=SELECT+f+FROM+m").await;
        assert!(answer.text().contains(&format!("[[{ns},1]]")), "{}", answer.text());
        let answer = server.get("/query?db=d&epoch=ns&q=SELECT+f+FROM+n").await;
        let unit = ns.abs();
        assert!(answer.text().contains(&format!("[[{},1]]", NOW - NOW % unit)), "{}", answer.text());
    }
}

#[tokio::test]
async fn bad_lines_do_not_harm_good_ones() {
    let body = "m f=1\nbad\nm f=2,\n";
    let dedicated = Server::new(Dialect::Dedicated);
    let answer = dedicated.write("/write?db=d", body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("code"), answer.json("line")),
        (400, "invalid".into(), "2".into())
    );
    let message = answer.json("message");
    assert!(
        message.starts_with(
            "partial write has occurred, errors encountered on line(s):\nerror parsing line 2 (1-based): "
        ),
        "{message}"
    );
    assert!(message.contains("\nerror parsing line 3 (1-based): "), "{message}");
    let error = answer.json("error");
    assert!(
        error.starts_with("partial write: unable to parse 'bad': missing fields\nunable to parse 'm f=2,': "),
        "{error}"
    );
    assert!(error.ends_with(" dropped=0"), "{error}");
    assert_eq!(stored(&dedicated), 1);

    let oss = Server::new(Dialect::Oss);
    let answer = oss.write("/write?db=d", "m f=1\nbad").await;
    let text = "partial write: unable to parse 'bad': missing fields dropped=0";
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (400, format!("{{\"error\":\"{text}\"}}\n").as_str())
    );
    assert_eq!(answer.header("x-influxdb-error"), text);
    assert_eq!(stored(&oss), 1);
}

#[tokio::test]
async fn a_body_of_bad_lines_only_stores_nothing() {
    let dedicated = Server::new(Dialect::Dedicated);
    let answer = dedicated.write("/write?db=d", "\nbad").await;
    assert!(
        answer
            .json("message")
            .starts_with("no data written, errors encountered on line(s):\nerror parsing line 2 (1-based): ")
    );
    assert_eq!(answer.json("line"), "2");
    let oss = Server::new(Dialect::Oss);
    let answer = oss.write("/write?db=d", "bad").await;
    assert_eq!(answer.json("error"), "unable to parse 'bad': missing fields");
    let csv = oss.send("POST", "/write?db=d", &[("accept", "application/csv")], "bad").await;
    assert_eq!(csv.text(), "error\nunable to parse 'bad': missing fields\n");
    let pretty = oss.write("/write?db=d&pretty=true", "bad").await;
    assert_eq!(pretty.text(), "{\n    \"error\": \"unable to parse 'bad': missing fields\"\n}\n");
}

#[tokio::test]
async fn refused_points_are_counted_as_dropped() {
    let server = Server::new(Dialect::Oss);
    server.write("/write?db=d", "m v=1").await;
    let answer = server.write("/write?db=d", "m v=\"x\"\nm v=2 2\nbad").await;
    assert_eq!(
        answer.json("error"),
        "partial write: field type conflict: input field \"v\" on measurement \"m\" is type string, already exists as type float dropped=1"
    );
    let answer = server.write("/write?db=d", "m v=1 -1000000000001\nm v=1 -1000000000002").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("error").as_str()),
        (400, "partial write: points beyond retention policy dropped=2")
    );
    let dedicated = Server::new(Dialect::Dedicated);
    let answer = dedicated.write("/write?db=d", "m v=1 -1000000000001\nm v=1 -1000000000002").await;
    assert_eq!((answer.status.as_u16(), answer.json("code").as_str()), (422, "unprocessable entity"));
    assert_eq!(
        answer.json("message"),
        "data in table m is outside of the retention period: minimum acceptable timestamp is 1969-12-31T23:43:20Z, but observed timestamp 1969-12-31T23:43:19.999999999Z is older."
    );
    let answer = dedicated.write("/write?db=d", "m v=1 -1000000000001\nm v=1").await;
    assert_eq!((answer.status.as_u16(), answer.json("line").as_str()), (400, "1"));
}

#[tokio::test]
async fn a_strict_listener_stores_all_or_nothing() {
    let server = Server::with(Dialect::Dedicated, |options| options.strict_writes = true);
    let answer = server.write("/write?db=d", "m f=1\nbad").await;
    assert_eq!(answer.status, 400);
    assert!(answer.json("message").starts_with(
        "failed to parse line protocol: errors encountered on line(s):\nerror parsing line 2 (1-based): "
    ));
    assert_eq!(stored(&server), 0);
    assert_eq!(server.write("/write?db=d", "m f=1").await.status, 204);
    assert_eq!(stored(&server), 1);
}

#[tokio::test]
async fn gzip_bodies_are_inflated_and_damaged_ones_refused() {
    let server = Server::new(Dialect::Dedicated);
    let send = |encoding: &'static str, body: Vec<u8>| {
        let server = &server;
        async move { server.send("POST", "/write?db=d", &[("content-encoding", encoding)], body).await }
    };
    let good = gzip(b"m f=1\nm f=2 2\n");
    assert_eq!(send("gzip", good.clone()).await.status, 204);
    assert_eq!(send("GZIP", [good.clone(), gzip(b"m f=3 3")].concat()).await.status, 204);
    assert_eq!(send("identity", b"m f=4 4".to_vec()).await.status, 204);
    assert_eq!(send("gzip", Vec::new()).await.status, 204);
    assert_eq!(stored(&server), 6);
    let answer = send("gzip", good[..good.len() - 3].to_vec()).await;
    assert_eq!((answer.status.as_u16(), answer.json("error").as_str()), (400, "unexpected EOF"));
    assert!(answer.json("message").starts_with("error decoding gzip stream: "));
    assert_eq!(send("gzip", b"m f=1".to_vec()).await.json("error"), "gzip: invalid header");
    assert_eq!(stored(&server), 6, "a damaged body stores nothing");
    let answer = send("deflate", good).await;
    assert_eq!((answer.status.as_u16(), answer.json("code")), (415, "unsupported media type".into()));
    assert_eq!(answer.json("message"), "unacceptable content-encoding: deflate");
    let oss = Server::new(Dialect::Oss);
    let answer = oss.send("POST", "/write?db=d", &[("content-encoding", "deflate")], "m f=1").await;
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn both_sizes_of_a_body_are_limited() {
    let server = Server::with(Dialect::Dedicated, |options| {
        (options.body_bytes_max, options.inflated_bytes_max) = (1500, 100_000);
    });
    let long = "m f=1 1\n".repeat(400);
    let answer = server.send("POST", "/write?db=d", &[], long.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.json("code")), (413, "request too large".into()));
    assert_eq!(answer.json("message"), "max request size (1500 bytes) exceeded");
    assert_eq!(answer.json("error"), "Request Entity Too Large");
    let bomb = gzip(&b"m f=1 1\n".repeat(20_000));
    assert!(bomb.len() < 1500);
    let answer = server.send("POST", "/write?db=d", &[("content-encoding", "gzip")], bomb).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("message")),
        (413, "max request size (100000 bytes) exceeded".into())
    );
    let open = Server::with(Dialect::Oss, |options| {
        (options.body_bytes_max, options.inflated_bytes_max) = (0, 0);
    });
    assert_eq!(open.send("POST", "/write?db=d", &[], long).await.status, 204);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused_whole_in_dedicated_and_by_line_in_oss() {
    let body = &b"m f=1\nm s=\"\xff\"\nm f=2 2\n"[..];
    let dedicated = Server::new(Dialect::Dedicated);
    let answer = dedicated.send("POST", "/write?db=d", &[], body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json("message").starts_with("body content is not valid utf8: "), "{}", answer.text());
    assert_eq!(stored(&dedicated), 0);
    let oss = Server::new(Dialect::Oss);
    let answer = oss.send("POST", "/write?db=d", &[], body).await;
    assert_eq!((answer.status.as_u16(), stored(&oss)), (400, 2));
    assert!(answer.json("error").starts_with("partial write: unable to parse 'm s="), "{}", answer.text());
}

#[tokio::test]
async fn overload_is_503_with_a_pause() {
    let server = Server::new(Dialect::Dedicated);
    server.store.overload();
    let answer = server.write("/write?db=d", "m f=1").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after"), answer.json("code")),
        (503, "7", "unavailable".into())
    );
    assert_eq!(answer.json("message"), "this service is overloaded, please try again later");
    server.store.state().failure = Some(IngestError::Unavailable("the disk is full; free some space".into()));
    let answer = server.write("/write?db=d", "m f=1").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json("message")),
        (503, "the disk is full; free some space".into())
    );
    server.store.state().failure = None;
    assert_eq!(server.write("/write?db=d", "m f=1").await.status, 204);
}

#[tokio::test]
async fn large_bodies_are_committed_in_parts_and_lines_keep_their_numbers() {
    let server = Server::new(Dialect::Dedicated);
    server.store.state().batch_points = Some(1000);
    let mut body = String::new();
    for i in 0..60_000 {
        body.push_str(&format!("m,host=h{} value={i} {i}\n", i % 10));
    }
    body.push_str("s f=\"two\nlines\" 1\nbad\n");
    let pieces = |size: usize| body.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    for size in [body.len(), 100_000, 7_777] {
        let before = stored(&server);
        let answer = server.send_pieces("POST", "/write?db=d", &[], pieces(size)).await;
        assert_eq!((answer.status.as_u16(), answer.json("line")), (400, "60003".into()));
        assert_eq!(stored(&server) - before, 60_001);
    }
    assert!(server.store.state().commits > 6);
    assert_eq!(server.store.state().writers, 1, "the writer is used again");
}

#[tokio::test]
async fn tokens_decide_who_writes_where() {
    let server = Server::with(Dialect::Dedicated, |options| options.auth_enabled = true);
    let write = |uri: &'static str, header: String| {
        let server = &server;
        async move {
            let headers: Vec<(&str, &str)> =
                if header.is_empty() { vec![] } else { vec![("authorization", header.as_str())] };
            server.send("POST", uri, &headers, "m f=1").await
        }
    };
    let none = write("/write?db=d", String::new()).await;
    assert_eq!(
        (none.status.as_u16(), none.json("code"), none.json("message")),
        (401, "unauthorized".into(), "no token".into())
    );
    assert_eq!(none.header("www-authenticate"), "Basic realm=\"Weir\"");
    let unknown = write("/write?db=d", "Token nope".into()).await;
    assert_eq!((unknown.status.as_u16(), unknown.json("message")), (401, "unauthorized access".into()));
    let reader = write("/write?db=d", format!("Bearer {READER}")).await;
    assert_eq!(
        (reader.status.as_u16(), reader.json("code"), reader.json("message")),
        (403, "forbidden".into(), "forbidden".into())
    );
    assert_eq!(write("/write?db=d", format!("Bearer {WRITER}")).await.status, 204);
    assert_eq!(write("/write?db=d", format!("Token {WRITER}")).await.status, 204);
    assert_eq!(write("/write?db=other", format!("Token {WRITER}")).await.status, 403);
    assert_eq!(write("/write?db=d&rp=x", format!("Token {WRITER}")).await.status, 403);
    assert_eq!(write("/write?db=other", format!("Token {TOKEN}")).await.status, 204);
    // Parameters are looked at first.
    assert_eq!(write("/write", String::new()).await.status, 400);
    let url = format!("/write?db=d&u=any&p={WRITER}");
    assert_eq!(server.send("POST", &url, &[], "m f=1").await.status, 204);
    let header_wins = server.send("POST", &url, &[("authorization", "Token nope")], "m f=1").await;
    assert_eq!(header_wins.status, 401);
    assert_eq!(server.send("POST", "/api/v2/write?bucket=d", &[], "m f=1").await.status, 401);
}

#[tokio::test]
async fn oss_looks_at_credentials_first() {
    let server = Server::with(Dialect::Oss, |options| options.auth_enabled = true);
    let none = server.write("/write?precision=xx", "m f=1").await;
    assert_eq!(
        (none.status.as_u16(), none.text()),
        (401, "{\"error\":\"unable to parse authentication credentials\"}\n")
    );
    assert_eq!(none.header("www-authenticate"), "Basic realm=\"InfluxDB\"");
    assert_eq!(none.header("x-influxdb-error"), "");
    let denied = server.write("/write?db=nosuch&u=x&p=weir_writer0123456789", "m f=1").await;
    assert_eq!(
        (denied.status.as_u16(), denied.json("error").as_str()),
        (403, "\"writer\" user is not authorized to write to database \"nosuch\"")
    );
    let bearer = server.send("POST", "/write?db=d", &[("authorization", "Bearer a.b.c")], "m f=1").await;
    assert_eq!((bearer.status.as_u16(), bearer.json("error").as_str()), (401, "bearer auth disabled"));
    assert_eq!(server.write("/write?db=d&u=x&p=weir_writer0123456789", "m f=1").await.status, 204);
}

#[tokio::test]
async fn more_writes_than_allowed_are_turned_away() {
    let shared = SharedOptions { writes_in_flight_max: 1, ..SharedOptions::default() };
    let server = Server::with_shared(Dialect::Dedicated, shared, |_| {});
    let permit = server.api.shared().write_permit().unwrap();
    let answer = server.write("/write?db=d", "m f=1").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    drop(permit);
    assert_eq!(server.write("/write?db=d", "m f=1").await.status, 204);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_gets_an_answer(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        query in "[a-z=&%+0-9;/]{0,40}",
        is_gzip in any::<bool>(), piece in 1_usize..50,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for dialect in [Dialect::Dedicated, Dialect::Oss] {
            let server = Server::new(dialect);
            let encoding = if is_gzip { "gzip" } else { "identity" };
            let pieces: Vec<Bytes> = body.chunks(piece).map(Bytes::copy_from_slice).collect();
            for path in ["/write?db=d&", "/api/v2/write?bucket=d&", "/write?", "/query?q=SHOW+DATABASES&"] {
                let uri = format!("{path}{query}");
                let headers = [("content-encoding", encoding), ("content-type", "application/x-www-form-urlencoded")];
                let answer = runtime.block_on(server.send_pieces("POST", &uri, &headers, pieces.clone()));
                prop_assert!(answer.status.as_u16() < 500, "{} {}", uri, answer.status);
            }
        }
    }
}
