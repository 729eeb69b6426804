//! `inputs.swap`: swap space and traffic, from `/proc/meminfo` and `/proc/vmstat`.

use serde::Deserialize;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_text};

/// Table `[[inputs.swap]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The input.
#[derive(Debug)]
pub struct Swap {
    paths: HostPaths,
}

impl Swap {
    /// Makes the input.
    #[must_use]
    pub fn new(_config: Config, paths: HostPaths) -> Self {
        Self { paths }
    }
}

/// Bytes of a page as the counters in `/proc/vmstat` are converted.
const PAGE_BYTES: u64 = 4096;

impl PolledInput for Swap {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let meminfo = read_text(&self.paths.proc.join("meminfo"))?;
        let kib = |key: &str| {
            meminfo.lines().find_map(|line| {
                let (k, rest) = line.split_once(':')?;
                (k == key).then(|| rest.split_ascii_whitespace().next()?.parse::<u64>().ok())?
            })
        };
        let total = kib("SwapTotal").unwrap_or(0).saturating_mul(1024);
        let free = kib("SwapFree").unwrap_or(0).saturating_mul(1024).min(total);
        let used = total - free;
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let used_percent = if total == 0 { 0.0 } else { used as f64 / total as f64 * 100.0 };
        out.push(
            Metric::new("swap", MetricKind::Gauge)
                .count("total", total)
                .count("used", used)
                .count("free", free)
                .field("used_percent", used_percent),
        );

        let vmstat = read_text(&self.paths.proc.join("vmstat"))?;
        let pages = |key: &str| {
            vmstat.lines().find_map(|line| {
                let (k, n) = line.split_once(' ')?;
                (k == key).then(|| n.trim().parse::<u64>().ok())?
            })
        };
        out.push(
            Metric::new("swap", MetricKind::Counter)
                .count("in", pages("pswpin").unwrap_or(0).saturating_mul(PAGE_BYTES))
                .count("out", pages("pswpout").unwrap_or(0).saturating_mul(PAGE_BYTES)),
        );
        Ok(())
    }
}
