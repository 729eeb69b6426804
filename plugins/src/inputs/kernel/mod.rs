//! `inputs.kernel`: counters of the kernel, from `/proc/stat`, and on request `ksm` and pressure stall information.

use serde::Deserialize;
use weir_pipeline::metric::clip;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_number, read_text};

/// Table `[[inputs.kernel]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Additional collections: `ksm`, `psi`.
    pub collect: Vec<Collection>,
}

/// An additional collection.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Collection {
    /// Kernel same-page merging: fields `ksm_*`.
    Ksm,
    /// Pressure stall information: measurement `pressure`.
    Psi,
}

/// The input.
#[derive(Debug)]
pub struct Kernel {
    config: Config,
    paths: HostPaths,
}

impl Kernel {
    /// Makes the input.
    #[must_use]
    pub fn new(config: Config, paths: HostPaths) -> Self {
        Self { config, paths }
    }

    fn ksm(&self, metric: &mut Metric) -> Result<(), GatherError> {
        let folder = self.paths.sys.join("kernel/mm/ksm");
        let entries = std::fs::read_dir(&folder).map_err(|e| GatherError::io(&folder, &e))?;
        let mut names: Vec<_> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            if let Some(n) = read_number(&folder.join(&name)) {
                metric.fields.push((format!("ksm_{name}").into(), n.into()));
            }
        }
        Ok(())
    }

    fn pressure(&self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        for resource in ["cpu", "memory", "io"] {
            let text = read_text(&self.paths.proc.join("pressure").join(resource))?;
            for line in text.lines() {
                let mut words = line.split_ascii_whitespace();
                let Some(kind) = words.next() else { continue };
                // The kernel prints a "full" line for the CPU that is always zero.
                if resource == "cpu" && kind == "full" {
                    continue;
                }
                let tagged =
                    |k| Metric::new("pressure", k).tag("resource", resource).tag("type", kind.to_owned());
                let mut gauge = tagged(MetricKind::Gauge);
                let mut counter = tagged(MetricKind::Counter);
                for (key, value) in words.filter_map(|w| w.split_once('=')) {
                    match key {
                        "total" => {
                            if let Ok(n) = value.parse() {
                                counter = counter.count("total", n);
                            }
                        }
                        "avg10" | "avg60" | "avg300" => {
                            if let Ok(x) = value.parse::<f64>() {
                                gauge = gauge.field(key.to_owned(), x);
                            }
                        }
                        _ => {}
                    }
                }
                out.push(gauge);
                out.push(counter);
            }
        }
        Ok(())
    }
}

impl PolledInput for Kernel {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let text = read_text(&self.paths.proc.join("stat"))?;
        let mut metric = Metric::new("kernel", MetricKind::Counter);
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
            let field = match key {
                "intr" => "interrupts",
                "ctxt" => "context_switches",
                "processes" => "processes_forked",
                "btime" => "boot_time",
                "page" => {
                    if let (Ok(read), Some(Ok(written))) = (value.parse(), words.next().map(str::parse)) {
                        metric = metric.count("disk_pages_in", read).count("disk_pages_out", written);
                    }
                    continue;
                }
                _ => continue,
            };
            if let Ok(n) = value.parse::<u64>() {
                metric.fields.push((field.into(), clip(n)));
            }
        }
        if let Some(bits) = read_number(&self.paths.proc.join("sys/kernel/random/entropy_avail")) {
            metric = metric.field("entropy_avail", bits);
        }
        let mut result = Ok(());
        if self.config.collect.contains(&Collection::Ksm) {
            result = self.ksm(&mut metric);
        }
        out.push(metric);
        if self.config.collect.contains(&Collection::Psi) {
            result = result.and(self.pressure(out));
        }
        result
    }
}
