//! `inputs.mem`: memory of the host, from `/proc/meminfo`.

use serde::Deserialize;
use weir_pipeline::metric::clip;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_text};

/// Table `[[inputs.mem]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Also report the active and inactive lists, per-CPU and unevictable memory.
    pub collect_extended: bool,
    /// Accepted and of no effect, as in Telegraf on Linux.
    pub platform: Option<String>,
}

/// The input.
#[derive(Debug)]
pub struct Mem {
    config: Config,
    paths: HostPaths,
}

impl Mem {
    /// Makes the input.
    #[must_use]
    pub fn new(config: Config, paths: HostPaths) -> Self {
        Self { config, paths }
    }
}

/// Field, key in `/proc/meminfo`, unit in bytes (1 for counts).
const FIELDS: [(&str, &str, u64); 29] = [
    ("active", "Active", 1024),
    ("buffered", "Buffers", 1024),
    ("commit_limit", "CommitLimit", 1024),
    ("committed_as", "Committed_AS", 1024),
    ("dirty", "Dirty", 1024),
    ("free", "MemFree", 1024),
    ("high_free", "HighFree", 1024),
    ("high_total", "HighTotal", 1024),
    ("huge_page_size", "Hugepagesize", 1024),
    ("huge_pages_free", "HugePages_Free", 1),
    ("huge_pages_total", "HugePages_Total", 1),
    ("inactive", "Inactive", 1024),
    ("low_free", "LowFree", 1024),
    ("low_total", "LowTotal", 1024),
    ("mapped", "Mapped", 1024),
    ("page_tables", "PageTables", 1024),
    ("shared", "Shmem", 1024),
    ("slab", "Slab", 1024),
    ("sreclaimable", "SReclaimable", 1024),
    ("sunreclaim", "SUnreclaim", 1024),
    ("swap_cached", "SwapCached", 1024),
    ("swap_free", "SwapFree", 1024),
    ("swap_total", "SwapTotal", 1024),
    ("total", "MemTotal", 1024),
    ("vmalloc_chunk", "VmallocChunk", 1024),
    ("vmalloc_total", "VmallocTotal", 1024),
    ("vmalloc_used", "VmallocUsed", 1024),
    ("write_back", "Writeback", 1024),
    ("write_back_tmp", "WritebackTmp", 1024),
];

const EXTENDED: [(&str, &str); 6] = [
    ("active_anon", "Active(anon)"),
    ("active_file", "Active(file)"),
    ("inactive_anon", "Inactive(anon)"),
    ("inactive_file", "Inactive(file)"),
    ("percpu", "Percpu"),
    ("unevictable", "Unevictable"),
];

impl PolledInput for Mem {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let text = read_text(&self.paths.proc.join("meminfo"))?;
        let numbers: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| {
                let (key, rest) = line.split_once(':')?;
                Some((key, rest.split_ascii_whitespace().next()?.parse().ok()?))
            })
            .collect();
        let get = |key: &str| numbers.iter().find(|(k, _)| *k == key).map(|(_, n)| *n);
        let total = get("MemTotal").ok_or_else(|| GatherError::new("/proc/meminfo has no MemTotal"))?;
        let cached = get("Cached").unwrap_or(0);
        let available = get("MemAvailable").unwrap_or(cached + get("MemFree").unwrap_or(0)).min(total);
        let used = total - available;
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = |part: u64| if total == 0 { 0.0 } else { 100.0 * part as f64 / total as f64 };

        let mut metric = Metric::new("mem", MetricKind::Gauge);
        for (field, key, unit) in FIELDS {
            metric = metric.count(field, get(key).unwrap_or(0).saturating_mul(unit));
        }
        metric = metric
            .count("available", available.saturating_mul(1024))
            .field("available_percent", percent(available))
            .count("cached", (cached + get("SReclaimable").unwrap_or(0)).saturating_mul(1024))
            .count("used", used.saturating_mul(1024))
            .field("used_percent", percent(used));
        if self.config.collect_extended {
            for (field, key) in EXTENDED {
                metric.fields.push((field.into(), clip(get(key).unwrap_or(0).saturating_mul(1024))));
            }
        }
        out.push(metric);
        Ok(())
    }
}
