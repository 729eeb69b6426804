//! `inputs.cpu`: how the processors spent their time, from `/proc/stat`.
//!
//! Percentages are computed from integer ticks and lie within 0 to 100: the kernel's counters for idle and iowait may run
//! backwards, which would otherwise show as small negative values.

use std::collections::HashMap;

use serde::Deserialize;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_text};

/// Table `[[inputs.cpu]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Report each processor.
    pub percpu: bool,
    /// Report all of them together as `cpu-total`.
    pub totalcpu: bool,
    /// Also report the raw times as `time_*`, in seconds.
    pub collect_cpu_time: bool,
    /// Also report `usage_active` (and `time_active`).
    pub report_active: bool,
    /// Add tags `core_id` and `physical_id`.
    pub core_tags: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { percpu: true, totalcpu: true, collect_cpu_time: false, report_active: false, core_tags: false }
    }
}

/// Ticks in each state, in the order of `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks([u64; 10]);

const USER: usize = 0;
const NICE: usize = 1;
const IDLE: usize = 3;
const GUEST: usize = 8;
const GUEST_NICE: usize = 9;

/// States that `/proc/stat` lists, in its order; `user` includes `guest`, `nice` includes `guest_nice`.
const STATES: [&str; 10] =
    ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];

impl Ticks {
    /// All time once: guest time is in `user` and `nice` already.
    fn total(self) -> u64 {
        self.0[..GUEST].iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Ticks in each state since `before`, with a counter that ran backwards counted as no time.
    fn since(self, before: Self) -> Self {
        let mut out = Self::default();
        for (i, n) in out.0.iter_mut().enumerate() {
            *n = self.0[i].saturating_sub(before.0[i]);
        }
        out
    }

    /// Ticks in each state as reported: guest time taken out of `user` and `nice`.
    fn reported(self) -> [u64; 10] {
        let mut out = self.0;
        out[USER] = out[USER].saturating_sub(out[GUEST]);
        out[NICE] = out[NICE].saturating_sub(out[GUEST_NICE]);
        out
    }
}

/// The input.
#[derive(Debug)]
pub struct Cpu {
    config: Config,
    paths: HostPaths,
    ticks_per_second: f64,
    last: HashMap<String, Ticks>,
}

impl Cpu {
    /// Makes the input.
    #[must_use]
    pub fn new(config: Config, paths: HostPaths) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "100 or 1000")]
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        Self { config, paths, ticks_per_second, last: HashMap::new() }
    }

    /// Reads the processors asked for, the total last.
    fn read(&self) -> Result<Vec<(String, Ticks)>, GatherError> {
        let text = read_text(&self.paths.proc.join("stat"))?;
        let mut each = Vec::new();
        let mut total = None;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(number) = words.next().and_then(|name| name.strip_prefix("cpu")) else { continue };
            let mut ticks = Ticks::default();
            for (slot, word) in ticks.0.iter_mut().zip(words) {
                *slot = word.parse().map_err(|_| {
                    GatherError::new(format!("/proc/stat: {word:?} is no number of ticks in line {line:?}"))
                })?;
            }
            if number.is_empty() {
                total = Some(ticks);
            } else {
                each.push((format!("cpu{number}"), ticks));
            }
        }
        if !self.config.percpu {
            each.clear();
        }
        if self.config.totalcpu
            && let Some(ticks) = total
        {
            each.push(("cpu-total".to_owned(), ticks));
        }
        if each.is_empty() {
            return Err(GatherError::new(
                "/proc/stat names no processor, or percpu and totalcpu are both off",
            ));
        }
        Ok(each)
    }

    fn tagged(&self, cpu: &str, kind: MetricKind) -> Metric {
        let mut metric = Metric::new("cpu", kind).tag("cpu", cpu.to_owned());
        if self.config.core_tags && cpu != "cpu-total" {
            let topology = self.paths.sys.join("devices/system/cpu").join(cpu).join("topology");
            for (tag, file) in [("core_id", "core_id"), ("physical_id", "physical_package_id")] {
                if let Some(n) = crate::host::read_number(&topology.join(file)) {
                    metric = metric.tag(tag, n.to_string());
                }
            }
        }
        metric
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^53")]
impl PolledInput for Cpu {
    fn prime(&mut self) -> Result<(), GatherError> {
        self.last = self.read()?.into_iter().collect();
        Ok(())
    }

    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let now = self.read()?;
        for (cpu, ticks) in &now {
            if self.config.collect_cpu_time {
                let mut metric = self.tagged(cpu, MetricKind::Counter);
                for (state, n) in STATES.iter().zip(ticks.reported()) {
                    metric = metric.field(format!("time_{state}"), n as f64 / self.ticks_per_second);
                }
                if self.config.report_active {
                    let active = ticks.total().saturating_sub(ticks.0[IDLE]);
                    metric = metric.field("time_active", active as f64 / self.ticks_per_second);
                }
                out.push(metric);
            }
            let Some(before) = self.last.get(cpu) else { continue };
            let delta = ticks.since(*before);
            let total = delta.total();
            if total == 0 {
                continue;
            }
            let percent = |n: u64| (100.0 * n as f64 / total as f64).clamp(0.0, 100.0);
            let mut metric = self.tagged(cpu, MetricKind::Gauge);
            for (state, n) in STATES.iter().zip(delta.reported()) {
                metric = metric.field(format!("usage_{state}"), percent(n));
            }
            if self.config.report_active {
                metric = metric.field("usage_active", percent(total - delta.0[IDLE].min(total)));
            }
            out.push(metric);
        }
        self.last = now.into_iter().collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_pipeline::Value;

    #[test]
    fn usage_is_the_share_of_ticks_and_never_leaves_0_to_100() {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path());
        std::fs::create_dir_all(&paths.proc).unwrap();
        let stat = paths.proc.join("stat");
        std::fs::write(&stat, "cpu  100 0 50 800 10 0 0 0 20 0\ncpu0 100 0 50 800 10 0 0 0 20 0\nintr 5\n")
            .unwrap();
        let mut cpu =
            Cpu::new(Config { report_active: true, collect_cpu_time: true, ..Config::default() }, paths);
        cpu.prime().unwrap();
        // 100 ticks: 40 user of which 10 guest, 60 idle; iowait runs backwards.
        std::fs::write(&stat, "cpu  140 0 50 860 9 0 0 0 30 0\ncpu0 140 0 50 860 9 0 0 0 30 0\n").unwrap();
        let mut out = Vec::new();
        cpu.gather(&mut out).unwrap();
        assert_eq!(out.len(), 4);
        let usage = &out[1];
        assert_eq!(usage.get_tag("cpu"), Some("cpu0"));
        let get = |name: &str| match usage.get_field(name) {
            Some(Value::Float(x)) => *x,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(get("usage_user"), 30.0);
        assert_eq!(get("usage_guest"), 10.0);
        assert_eq!(get("usage_idle"), 60.0);
        assert_eq!(get("usage_iowait"), 0.0);
        assert_eq!(get("usage_active"), 40.0);
        assert_eq!(out[0].get_field("time_idle"), Some(&Value::Float(860.0 / cpu.ticks_per_second)));
        assert_eq!(out[3].get_tag("cpu"), Some("cpu-total"));
    }

    #[test]
    fn a_processor_seen_for_the_first_time_waits_for_the_next_gather() {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path());
        std::fs::create_dir_all(&paths.proc).unwrap();
        std::fs::write(paths.proc.join("stat"), "cpu 1 1 1 1\ncpu0 1 1 1 1\n").unwrap();
        let mut cpu = Cpu::new(Config::default(), paths);
        let mut out = Vec::new();
        cpu.gather(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
