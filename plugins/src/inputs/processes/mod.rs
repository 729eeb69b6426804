//! `inputs.processes`: how many processes are in each state, from `/proc/<pid>/stat`.

use serde::Deserialize;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::HostPaths;

/// Table `[[inputs.processes]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Accepted and of no effect: Weir always reads `/proc`.
    pub use_sudo: bool,
}

/// The input.
#[derive(Debug)]
pub struct Processes {
    paths: HostPaths,
}

impl Processes {
    /// Makes the input.
    #[must_use]
    pub fn new(_config: Config, paths: HostPaths) -> Self {
        Self { paths }
    }
}

#[derive(Debug, Default)]
struct Counts {
    blocked: i64,
    dead: i64,
    idle: i64,
    paging: i64,
    parked: i64,
    running: i64,
    sleeping: i64,
    stopped: i64,
    unknown: i64,
    zombies: i64,
    total: i64,
    total_threads: i64,
}

impl Counts {
    fn add(&mut self, state: u8) {
        let counter = match state {
            b'R' => &mut self.running,
            b'S' => &mut self.sleeping,
            b'D' => &mut self.blocked,
            b'Z' => &mut self.zombies,
            b'X' | b'x' => &mut self.dead,
            b'T' | b't' => &mut self.stopped,
            b'W' => &mut self.paging,
            b'I' => &mut self.idle,
            b'P' => &mut self.parked,
            _ => &mut self.unknown,
        };
        *counter += 1;
        self.total += 1;
    }
}

/// State and number of threads in the text of `/proc/<pid>/stat`. The process name stands in parentheses and may hold any
/// byte, so the fields are counted from the last closing one.
fn parse_stat(text: &[u8]) -> Option<(u8, i64)> {
    let rest = text.get(text.iter().rposition(|&b| b == b')')? + 1..)?;
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let state = *words.next()?.first()?;
    let threads = std::str::from_utf8(words.nth(16)?).ok()?.parse().ok()?;
    Some((state, threads))
}

impl PolledInput for Processes {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let proc = &self.paths.proc;
        let entries = std::fs::read_dir(proc).map_err(|e| GatherError::io(proc, &e))?;
        let mut counts = Counts::default();
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            // A process may end between the listing and the reading: then it is no longer counted.
            let Ok(text) = std::fs::read(entry.path().join("stat")) else { continue };
            match parse_stat(&text) {
                Some((state, threads)) => {
                    counts.add(state);
                    counts.total_threads += threads;
                }
                None => counts.add(b'?'),
            }
        }
        let mut metric = Metric::new("processes", MetricKind::Gauge)
            .field("blocked", counts.blocked)
            .field("dead", counts.dead)
            .field("idle", counts.idle)
            .field("paging", counts.paging)
            .field("running", counts.running)
            .field("sleeping", counts.sleeping)
            .field("stopped", counts.stopped)
            .field("total", counts.total)
            .field("total_threads", counts.total_threads)
            .field("unknown", counts.unknown)
            .field("zombies", counts.zombies);
        if counts.parked > 0 {
            metric = metric.field("parked", counts.parked);
        }
        out.push(metric);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_pipeline::Value;

    #[test]
    fn states_are_read_behind_names_with_parentheses() {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path());
        for (pid, text) in [
            ("1", "1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 9"),
            ("2", "2 (a) R (b) D 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9"),
            ("3", "3 (gone"),
        ] {
            let folder = paths.proc.join(pid);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("stat"), text).unwrap();
        }
        std::fs::create_dir_all(paths.proc.join("irq")).unwrap();
        let mut out = Vec::new();
        Processes::new(Config::default(), paths).gather(&mut out).unwrap();
        let get = |name: &str| out[0].get_field(name).cloned();
        assert_eq!(get("sleeping"), Some(Value::Integer(1)));
        assert_eq!(get("blocked"), Some(Value::Integer(1)));
        assert_eq!(get("unknown"), Some(Value::Integer(1)));
        assert_eq!(get("total"), Some(Value::Integer(3)));
        assert_eq!(get("total_threads"), Some(Value::Integer(4)));
        assert_eq!(get("parked"), None);
    }
}
