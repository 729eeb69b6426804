//! The house keeps its own rules: arrows between crates, module docs, file sizes, nothing left lying about.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which crate may use which, as ARCHITECTURE.md says.
const ARROWS: [(&str, &[&str]); 17] = [
    ("model", &[]),
    ("lineprotocol", &["model"]),
    ("influxql", &["model"]),
    ("codec", &["model"]),
    ("fs", &[]),
    ("wal", &["model", "fs", "codec"]),
    ("segment", &["model", "fs", "codec"]),
    ("index", &["model"]),
    ("catalog", &["model", "fs"]),
    ("store", &["model", "fs", "codec", "wal", "segment", "index", "catalog"]),
    ("query", &["influxql", "model"]),
    ("pipeline", &["model"]),
    ("auth", &["model"]),
    ("netserve", &["model"]),
    ("http", &["netserve", "auth", "lineprotocol", "influxql", "query", "pipeline", "model"]),
    ("config", &["model"]),
    ("plugins", &["pipeline", "config", "netserve", "lineprotocol", "model"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "node_modules" | "corpus" | "weir-data") {
                files(&path, ending, out);
            }
        } else if name.ends_with(ending) {
            out.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut out = Vec::new();
    for folder in ["agent", "plugins", "tests", "benches"] {
        files(&root().join(folder), ".rs", &mut out);
    }
    out.sort();
    out
}

#[test]
fn crates_use_only_what_the_map_allows() {
    let arrows: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut manifests = Vec::new();
    files(&root().join("agent"), "Cargo.toml", &mut manifests);
    files(&root().join("plugins"), "Cargo.toml", &mut manifests);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for manifest in &manifests {
        let text = fs::read_to_string(manifest).unwrap();
        let name = text
            .lines()
            .find_map(|l| l.strip_prefix("name = \"weir-"))
            .unwrap()
            .trim_end_matches('"')
            .to_owned();
        let allowed = arrows.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not on the map"));
        // Tests may look further: an end-to-end test of the query engine needs line protocol, for example.
        let dependencies = text.split("[dev-dependencies]").next().unwrap();
        for used in dependencies.lines().filter_map(|l| l.strip_prefix("weir-")) {
            let used = used.split(['.', ' ', '=']).next().unwrap();
            if !allowed.contains(used) {
                wrong.push(format!("{name} must not use {used}"));
            }
        }
        seen.insert(name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        seen.len(),
        arrows.len(),
        "crates on the map that do not exist, or the other way round: {seen:?}"
    );
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            let fuzz_target = path.components().any(|c| c.as_os_str() == "fuzz_targets");
            !(text.trim_start().starts_with("//!") || fuzz_target && text.contains("//!"))
        })
        .collect();
    assert!(silent.is_empty(), "no module documentation: {silent:#?}");
}

#[test]
fn source_files_stay_small() {
    let large: Vec<_> = sources()
        .into_iter()
        .filter(|path| {
            !path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "tests.rs")))
        })
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > 800)
        .collect();
    assert!(large.is_empty(), "over 800 lines, split them: {large:#?}");
}

#[test]
fn nothing_unfinished_is_left_lying_about() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX", "#[ignore"];
    let mut found = Vec::new();
    for path in sources() {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        for (i, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if words.iter().any(|w| line.contains(w)) {
                found.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn wall_time_is_read_in_one_place_only() {
    let readers: Vec<_> = sources()
        .into_iter()
        .filter(|path| !path.ends_with("agent/model/src/time.rs") && !path.ends_with("tests/tidy.rs"))
        .filter(|path| fs::read_to_string(path).unwrap().contains("SystemTime::now"))
        .collect();
    assert!(readers.is_empty(), "use weir_model::Clock: {readers:#?}");
}

#[test]
fn every_plugin_has_its_sample_and_its_page() {
    for entry in fs::read_dir(root().join("plugins/src/inputs")).unwrap().flatten() {
        if entry.path().is_dir() {
            for file in ["mod.rs", "sample.toml", "README.md"] {
                assert!(entry.path().join(file).is_file(), "{} lacks {file}", entry.path().display());
            }
        }
    }
}
