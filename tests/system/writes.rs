//! Line protocol in, rows out: precisions, encodings, partial writes, overwrites.

use serde_json::json;

use crate::harness::{Options, Weir, gzip};

const UNITS: [(&str, i64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A whole number of hours.
const TIME: i64 = 1_763_798_400_000_000_000;

#[test]
fn every_precision_comes_back_in_every_epoch_plain_and_gzipped() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    let token = format!("Token {}", weir.token());
    for (precision, unit) in UNITS {
        for zipped in [false, true] {
            let measurement = format!("m_{precision}_{zipped}");
            let line = format!("{measurement},t=a f=1.5,i=7i,b=true,s=\"x y\" {}\n", TIME / unit);
            let mut headers = vec![("Authorization", token.as_str())];
            let body = if zipped {
                headers.push(("Content-Encoding", "gzip"));
                gzip(line.as_bytes())
            } else {
                line.into_bytes()
            };
            let path = format!("/write?db=d&precision={precision}");
            let reply = weir.send("POST", &path, &headers, &body);
            assert_eq!((reply.status, reply.body.len()), (204, 0), "{}", reply.text());
            for (epoch, divisor) in UNITS {
                let path = format!("/query?db=d&epoch={epoch}&q=SELECT%20*%20FROM%20{measurement}");
                let reply = weir.send("GET", &path, &[("Authorization", &token)], b"");
                let series = &reply.json()["results"][0]["series"][0];
                assert_eq!(series["columns"], json!(["time", "b", "f", "i", "s", "t"]));
                assert_eq!(
                    series["values"],
                    json!([[TIME / divisor, true, 1.5, 7, "x y", "a"]]),
                    "{precision} {epoch}"
                );
            }
        }
    }
}

#[test]
fn one_bad_line_among_many_is_named_and_the_others_are_stored() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    let token = format!("Token {}", weir.token());
    let mut lines: Vec<String> = (0..1_000).map(|i| format!("m v={i}i {i}")).collect();
    lines[499] = "m v= 499".to_owned();
    let reply = weir.send("POST", "/write?db=d", &[("Authorization", &token)], lines.join("\n").as_bytes());
    assert_eq!(reply.status, 400);
    let body = reply.json();
    assert_eq!((&body["code"], &body["line"]), (&json!("invalid"), &json!(500)), "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "partial write has occurred, errors encountered on line(s):\nerror parsing line 500 (1-based): "
        ),
        "{message}"
    );
    assert!(
        body["error"].as_str().unwrap().starts_with("partial write: unable to parse 'm v= 499': "),
        "{body}"
    );
    let path = "/query?db=d&q=SELECT%20count(v)%20FROM%20m";
    let reply = weir.send("GET", path, &[("Authorization", &token)], b"");
    assert_eq!(reply.json()["results"][0]["series"][0]["values"][0][1], 999);
}

#[test]
fn the_errors_of_the_specification_come_to_the_letter() {
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], ..Options::default() });
    let token = format!("Token {}", weir.token());
    for (path, message) in [
        ("/write", "namespace name length must be between 1 and 64 characters"),
        ("/write?db=", "namespace name length must be between 1 and 64 characters"),
        (
            "/write?db=d&precision=u",
            "failed to deserialize db/rp/precision in request: unknown variant `u`, expected one of `s`, `ms`, `us`, `ns`",
        ),
    ] {
        let reply = weir.send("POST", path, &[("Authorization", &token)], b"m v=1");
        assert_eq!(reply.status, 400, "{path}");
        let body = reply.json();
        assert_eq!((&body["code"], &body["message"]), (&json!("invalid"), &json!(message)), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
}

#[test]
fn later_values_win_field_by_field() {
    let weir = Weir::oss();
    weir.query("", "CREATE DATABASE d");
    weir.write_ok("db=d", "m,t=a x=1,y=2 10\nm,t=a x=3 10");
    weir.write_ok("db=d", "m,t=a z=5 10\nm,t=a x=7 9");
    assert_eq!(
        weir.rows("db=d&epoch=ns", "SELECT x, y, z FROM m"),
        json!([[9, 7, null, null], [10, 3, 2, 5]])
    );
    assert_eq!(weir.rows("db=d&epoch=ns", "SELECT count(x) FROM m"), json!([[0, 2]]));
}

#[test]
fn a_field_keeps_its_type_and_the_rest_of_the_body_is_stored() {
    let weir = Weir::oss();
    weir.query("", "CREATE DATABASE d");
    weir.write_ok("db=d", "m v=1 1");
    let reply = weir.write("db=d", "m v=\"x\" 2\nm v=3 3");
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json()["error"],
        "partial write: field type conflict: input field \"v\" on measurement \"m\" is type string, already exists as type float dropped=1"
    );
    assert_eq!(weir.rows("db=d&epoch=ns", "SELECT v FROM m"), json!([[1, 1], [3, 3]]));
}

#[test]
fn large_bodies_with_many_series_are_stored_whole() {
    let weir = Weir::oss();
    weir.query("", "CREATE DATABASE d");
    let mut body = String::new();
    for i in 0..60_000 {
        body.push_str(&format!(
            "m,host=h{},dc=d{} a={i}i,b={}.25 {}\n",
            i % 5_000,
            i % 3,
            i % 100,
            i / 5_000
        ));
    }
    weir.write_ok("db=d&precision=s", &body);
    assert_eq!(weir.rows("db=d", "SELECT count(a), count(b) FROM m")[0][1], 60_000);
    let sum = weir.rows("db=d", "SELECT sum(a) FROM m")[0][1].clone();
    assert_eq!(sum, 59_999_i64 * 60_000 / 2);
    assert_eq!(weir.rows("db=d", "SELECT count(a) FROM m WHERE host = 'h7'")[0][1], 12);
}
