//! The commands beside `run`.

use crate::harness::{Options, Weir, command, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_sample_configuration_passes_its_own_check() {
    let folder = tempfile::tempdir().unwrap();
    let sample = run(&["config"]);
    assert!(sample.status.success());
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &sample.stdout).unwrap();
    let check = run(&["check", "--config", file.to_str().unwrap()]);
    assert!(check.status.success(), "{}", text(&check.stderr));
    assert!(text(&check.stdout).contains("9 inputs"), "{}", text(&check.stdout));
}

#[test]
fn check_reports_every_problem_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[agent]\nintreval = \"1s\"\n[[inputs.cpuu]]\n[[inputs.disk]]\nmount_points = 5\n")
        .unwrap();
    let check = run(&["check", "--config", file.to_str().unwrap()]);
    assert!(!check.status.success());
    let errors = text(&check.stderr);
    for part in [
        "bad.toml:2:1: error: [agent] has no option \"intreval\"; did you mean \"interval\"?",
        "bad.toml:3:1: error: inputs.cpuu: there is no such input; did you mean \"cpu\"?",
        "bad.toml:5:16: error: inputs.disk, option \"mount_points\"",
    ] {
        assert!(errors.contains(part), "{part:?} is not in\n{errors}");
    }
}

#[test]
fn test_prints_line_protocol() {
    let out = run(&["test", "--input-filter", "cpu:mem"]);
    let printed = text(&out.stdout);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(
        printed.lines().all(|l| l.starts_with("> cpu,cpu=cpu") || l.starts_with("> mem,host=")),
        "{printed}"
    );
    assert!(printed.contains("usage_idle=") && printed.contains("used_percent="));
}

#[test]
fn plugins_can_be_found_and_read_about() {
    let list = text(&run(&["plugins"]).stdout);
    assert!(list.contains("inputs.cpu") && list.contains("inputs.processes"));
    assert!(text(&run(&["plugins", "disk"]).stdout).contains("used_percent"));
    assert!(text(&run(&["config", "inputs.net"]).stdout).contains("[[inputs.net]]"));
    let wrong = run(&["plugins", "dsik"]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("did you mean \"disk\"?"));
}

#[test]
fn query_shows_tables_json_and_csv() {
    let weir = Weir::oss();
    weir.query("", "CREATE DATABASE d");
    weir.write_ok("db=d", "m,t=a v=1.5 0\nm,t=a v=2 1000000000");
    let url = format!("http://{}", weir.address);
    let ask = |format: &str, q: &str| run(&["query", "--url", &url, "--db", "d", "--format", format, q]);
    let table = text(&ask("table", "SELECT v FROM m GROUP BY t").stdout);
    assert_eq!(
        table,
        "# m  t=a\ntime                    v\n--------------------  ---\n1970-01-01T00:00:00Z  1.5\n1970-01-01T00:00:01Z    2\n"
    );
    assert!(text(&ask("json", "SELECT v FROM m").stdout).starts_with("{\"results\""));
    assert!(text(&ask("csv", "SELECT v FROM m").stdout).starts_with("name,tags,time,v\n"));
    assert!(text(&ask("chart", "SELECT v FROM m").stdout).contains('┤'));
    let wrong = ask("table", "SELECT FROM");
    assert!(
        !wrong.status.success() && text(&wrong.stderr).contains("error parsing query"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn tokens_are_made_listed_and_revoked_beside_a_running_daemon_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let token = |arguments: &[&str]| {
        let output = command().arg("token").args(arguments).arg("--data").arg(&data).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let mut weir =
        Weir::start(&Options { arguments: &["--no-inputs"], data: Some(&data), ..Options::default() });
    let made = token(&["create", "--name", "grafana", "--read"]);
    assert_eq!(made.lines().count(), 1, "the token alone");
    let made = made.trim().to_owned();
    let bearer = format!("Bearer {made}");
    let asks = |weir: &Weir| {
        weir.send("GET", "/query?q=SHOW%20DATABASES", &[("Authorization", &bearer)], b"").status
    };
    assert_eq!(asks(&weir), 200);
    let list = token(&["list"]);
    assert!(list.contains("grafana") && !list.contains(&made), "{list}");
    assert_eq!(weir.stop(), Some(0));
    drop(weir);

    // Offline, on the same data.
    let list = token(&["list"]);
    let id =
        list.lines().find(|l| l.contains("grafana")).unwrap().split_whitespace().next().unwrap().to_owned();
    let weir = Weir::start(&Options { arguments: &["--no-inputs"], data: Some(&data), ..Options::default() });
    assert_eq!(asks(&weir), 200);
    token(&["revoke", &id]);
    assert_eq!(asks(&weir), 401);
}

#[test]
fn two_processes_do_not_share_a_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _weir =
        Weir::start(&Options { arguments: &["--no-inputs"], data: Some(&data), ..Options::default() });
    let second = command().args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().unwrap();
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("another process"), "{}", text(&second.stderr));
}

#[test]
fn a_foreign_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious.txt"), "mine").unwrap();
    let output =
        command().args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(std::fs::read_to_string(folder.path().join("precious.txt")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
