//! SIGHUP and changed files: what changed is started or stopped, a broken file changes nothing.

use std::time::Duration;

use crate::harness::{Options, Weir};

#[test]
fn a_reload_touches_only_what_changed_and_a_broken_file_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    let head = "[agent]\ninterval = \"200ms\"\nomit_hostname = true\n";
    std::fs::write(&file, format!("{head}[[inputs.mem]]\n")).unwrap();
    let config = file.to_str().unwrap();
    let weir = Weir::start(&Options {
        arguments: &["--dialect", "oss", "--no-auth", "--config", config],
        ..Options::default()
    });
    let has = |name: &str| {
        let needle = format!("[\"{name}\"]");
        weir.wait_for("db=telegraf", "SHOW MEASUREMENTS", |a| a.to_string().contains(&needle));
    };
    has("mem");

    std::fs::write(&file, format!("{head}[[inputs.mem]]\n[[inputs.swap]]\n")).unwrap();
    weir.signal("HUP");
    has("swap");

    std::fs::write(&file, format!("{head}[[inputs.memm]]\n")).unwrap();
    weir.signal("HUP");
    let count = |m: &str| {
        weir.query("db=telegraf", &format!("SELECT count(total) FROM {m}"))["results"][0]["series"][0]["values"][0][1]
            .as_i64()
            .unwrap()
    };
    std::thread::sleep(Duration::from_millis(300));
    let before = (count("mem"), count("swap"));
    weir.wait_for("db=telegraf", "SELECT count(total) FROM mem", |_| {
        let now = (count("mem"), count("swap"));
        now.0 > before.0 + 2 && now.1 > before.1 + 2
    });
    assert!(weir.get("/metrics").text().contains("weir_config_last_reload_successful 0"));

    // Without a signal: the change of the file is noticed.
    std::fs::write(&file, format!("{head}[[inputs.mem]]\n[[inputs.kernel]]\n")).unwrap();
    has("kernel");
    assert!(weir.get("/metrics").text().contains("weir_config_last_reload_successful 1"));
    std::thread::sleep(Duration::from_millis(500));
    let swap = count("swap");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(count("swap"), swap, "swap was taken out");
}
