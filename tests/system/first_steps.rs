//! What a new user does first: start it with nothing, and ask for this machine's processors.

use std::time::{Duration, Instant};

use crate::harness::{Options, Weir, base64, command, encode};

#[test]
fn an_empty_directory_and_no_configuration_give_this_machines_metrics() {
    let weir = Weir::start(&Options::default());
    let token = weir.token();
    assert!(token.starts_with("weir_"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(weir.data.join("operator.token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let q = encode("SELECT mean(usage_idle) FROM cpu WHERE time > now() - 1m GROUP BY cpu");
    let path = format!("/query?db=telegraf&q={q}");
    let bearer = format!("Bearer {token}");
    let deadline = Instant::now() + Duration::from_secs(25);
    loop {
        let reply = weir.send("GET", &path, &[("Authorization", &bearer)], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let series = reply.json()["results"][0]["series"].clone();
        if series.as_array().is_some_and(|s| s.len() >= 2) {
            let names: Vec<_> = series.as_array().unwrap().iter().map(|s| s["tags"]["cpu"].clone()).collect();
            assert!(names.contains(&"cpu-total".into()) && names.contains(&"cpu0".into()), "{names:?}");
            break;
        }
        assert!(Instant::now() < deadline, "no processor after 25 seconds: {}", reply.text());
        std::thread::sleep(Duration::from_millis(100));
    }

    let basic = format!("Basic {}", base64(&format!("any:{token}")));
    for (path, headers) in [
        (path.clone(), vec![("Authorization", format!("Token {token}"))]),
        (path.clone(), vec![("Authorization", basic)]),
        (format!("{path}&p={token}"), vec![]),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let reply = weir.send("GET", &path, &headers, b"");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.json()["results"][0]["series"].is_array());
    }
    for path in [path.clone(), "/write?db=telegraf&p=weir_wrong".to_owned()] {
        let reply = weir.send(if path.starts_with("/write") { "POST" } else { "GET" }, &path, &[], b"");
        assert_eq!(reply.status, 401);
        let body = reply.json();
        assert_eq!(body["code"], "unauthorized");
        assert!(body["message"].is_string());
        assert!(reply.header("WWW-Authenticate").is_some());
    }

    let output = command()
        .args(["query", "--url", &format!("http://{}", weir.address), "--data"])
        .arg(&weir.data)
        .arg("SELECT mean(usage_idle) FROM cpu WHERE time > now() - 1m GROUP BY cpu")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("cpu=cpu-total"), "{text}");
}

#[test]
fn the_host_inputs_write_what_telegraf_would() {
    let weir = Weir::start(&Options { arguments: &["--dialect", "oss", "--no-auth"], ..Options::default() });
    weir.wait_for("db=telegraf", "SHOW MEASUREMENTS", |answer| {
        let text = answer.to_string();
        ["cpu", "disk", "kernel", "mem", "processes", "swap", "system"]
            .iter()
            .all(|m| text.contains(&format!("\"{m}\"")))
    });
    let keys = weir.query("db=telegraf", "SHOW FIELD KEYS FROM mem");
    let text = keys.to_string();
    assert!(
        text.contains(r#"["used_percent","float"]"#) && text.contains(r#"["available","integer"]"#),
        "{text}"
    );
    let tags = weir.query("db=telegraf", "SHOW TAG KEYS FROM disk").to_string();
    for tag in ["device", "fstype", "host", "mode", "path"] {
        assert!(tags.contains(&format!("\"{tag}\"")), "{tags}");
    }
    let rows = weir.rows("db=telegraf&epoch=s", "SELECT total FROM mem");
    assert!(rows.as_array().is_some_and(|r| !r.is_empty()), "{rows}");
}

#[test]
fn it_stops_when_asked_and_has_everything_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--dialect", "oss", "--no-auth", "--no-inputs"];
    let options = Options { arguments: &arguments, data: Some(folder.path()), ..Options::default() };
    let mut weir = Weir::start(&options);
    weir.query("", "CREATE DATABASE d");
    weir.write_ok("db=d", "m v=1 1\nm v=2 2");
    assert_eq!(weir.stop(), Some(0));
    drop(weir);
    let weir = Weir::start(&options);
    assert_eq!(weir.rows("db=d&epoch=ns", "SELECT v FROM m"), serde_json::json!([[1, 1], [2, 2]]));
}
