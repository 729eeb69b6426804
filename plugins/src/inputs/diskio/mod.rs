//! `inputs.diskio`: traffic of the block devices, from `/proc/diskstats`.

use std::collections::HashMap;
use std::time::Instant;

use serde::Deserialize;
use weir_pipeline::glob::GlobList;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_text};

/// Table `[[inputs.diskio]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Globs of device names, also of links such as `disk/by-id/*`; without it all.
    pub devices: Vec<String>,
    /// Leave out the tag `serial`.
    pub skip_serial_number: bool,
    /// udev properties to add as tags.
    pub device_tags: Vec<String>,
    /// Ways to name a device from udev properties, such as `$ID_FS_LABEL`; the first with all properties known is taken.
    pub name_templates: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            skip_serial_number: true,
            device_tags: Vec::new(),
            name_templates: Vec::new(),
        }
    }
}

/// A line of `/proc/diskstats`: device number, name, and the 11 classic counters.
struct Line<'a> {
    number: String,
    name: &'a str,
    n: [u64; 11],
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_ascii_whitespace();
    let number = format!("{}:{}", words.next()?, words.next()?);
    let name = words.next()?;
    let mut n = [0; 11];
    for slot in &mut n {
        *slot = words.next()?.parse().ok()?;
    }
    Some(Line { number, name, n })
}

/// Bytes in a sector, as the kernel counts them whatever the device says.
const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Copy, Debug)]
struct Before {
    ios: u64,
    io_ms: u64,
    busy_ms: u64,
    at: Instant,
}

/// The input.
#[derive(Debug)]
pub struct DiskIo {
    config: Config,
    devices: GlobList,
    paths: HostPaths,
    before: HashMap<String, Before>,
}

impl DiskIo {
    /// Makes the input.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(config: Config, paths: HostPaths) -> Result<Self, String> {
        let devices = GlobList::new(&config.devices, &[])?;
        Ok(Self { config, devices, paths, before: HashMap::new() })
    }

    /// udev's properties of a device.
    fn properties(&self, number: &str) -> HashMap<String, String> {
        let text =
            std::fs::read_to_string(self.paths.run.join(format!("udev/data/b{number}"))).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("E:")?.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// Links under `/dev` that lead to a device.
    fn links(&self, number: &str) -> Vec<String> {
        let text =
            std::fs::read_to_string(self.paths.run.join(format!("udev/data/b{number}"))).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("S:")).map(str::to_owned).collect()
    }

    fn is_wanted(&self, line: &Line<'_>) -> bool {
        self.devices.is_empty()
            || self.devices.matches(line.name)
            || self.links(&line.number).iter().any(|link| self.devices.matches(link))
    }

    fn metric(&self, line: &Line<'_>) -> Metric {
        let mut metric = Metric::new("diskio", MetricKind::Counter);
        let needs_properties = !(self.config.skip_serial_number
            && self.config.device_tags.is_empty()
            && self.config.name_templates.is_empty());
        let properties = if needs_properties { self.properties(&line.number) } else { HashMap::new() };
        let name = self.config.name_templates.iter().find_map(|t| expand(t, &properties));
        metric = metric.tag("name", name.unwrap_or_else(|| line.name.to_owned()));
        let block = self.paths.sys.join("block").join(line.name);
        let wwid = std::fs::read_to_string(block.join("wwid"))
            .or_else(|_| std::fs::read_to_string(block.join("device/wwid")))
            .map(|t| t.trim().to_owned())
            .unwrap_or_default();
        if !wwid.is_empty() {
            metric = metric.tag("wwid", wwid);
        }
        if !self.config.skip_serial_number {
            let serial = properties.get("ID_SERIAL").cloned().unwrap_or_else(|| "unknown".to_owned());
            metric = metric.tag("serial", serial);
        }
        for key in &self.config.device_tags {
            if let Some(value) = properties.get(key) {
                metric = metric.tag(key.clone(), value.clone());
            }
        }
        metric
    }
}

/// Puts udev properties in for `$NAME` and `${NAME}`; `None` if one is not known.
fn expand(template: &str, properties: &HashMap<String, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}')?,
            None => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                rest.split_at_checked(end)?
            }
        };
        out.push_str(properties.get(name)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and percentages")]
impl PolledInput for DiskIo {
    fn prime(&mut self) -> Result<(), GatherError> {
        self.gather(&mut Vec::new())
    }

    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let text = read_text(&self.paths.proc.join("diskstats"))?;
        let now = Instant::now();
        let mut seen = HashMap::new();
        for line in text.lines().filter_map(parse) {
            if line.n.iter().all(|n| *n == 0) || !self.is_wanted(&line) {
                continue;
            }
            let [
                reads,
                merged_reads,
                read_sectors,
                read_ms,
                writes,
                merged_writes,
                write_sectors,
                write_ms,
                in_flight,
                busy_ms,
                weighted_ms,
            ] = line.n;
            let mut metric = self
                .metric(&line)
                .count("reads", reads)
                .count("writes", writes)
                .count("read_bytes", read_sectors.saturating_mul(SECTOR_BYTES))
                .count("write_bytes", write_sectors.saturating_mul(SECTOR_BYTES))
                .count("read_time", read_ms)
                .count("write_time", write_ms)
                .count("io_time", busy_ms)
                .count("weighted_io_time", weighted_ms)
                .count("iops_in_progress", in_flight)
                .count("merged_reads", merged_reads)
                .count("merged_writes", merged_writes);
            let current = Before {
                ios: reads.saturating_add(writes),
                io_ms: read_ms.saturating_add(write_ms),
                busy_ms,
                at: now,
            };
            if let Some(before) = self.before.get(line.name) {
                let ios = current.ios.saturating_sub(before.ios);
                let busy = busy_ms.saturating_sub(before.busy_ms) as f64;
                let elapsed_ms = now.duration_since(before.at).as_secs_f64() * 1000.0;
                if ios > 0 {
                    let io_ms = current.io_ms.saturating_sub(before.io_ms) as f64;
                    metric =
                        metric.field("io_await", io_ms / ios as f64).field("io_svctm", busy / ios as f64);
                }
                if elapsed_ms > 0.0 {
                    metric = metric.field("io_util", 100.0 * busy / elapsed_ms);
                }
            }
            seen.insert(line.name.to_owned(), current);
            out.push(metric);
        }
        self.before = seen;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_pipeline::Value;

    #[test]
    fn counters_come_from_their_columns_and_differences_from_the_second_gather() {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path());
        std::fs::create_dir_all(&paths.proc).unwrap();
        let file = paths.proc.join("diskstats");
        std::fs::write(&file, "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\nbroken\n")
            .unwrap();
        let mut input = DiskIo::new(Config::default(), paths).unwrap();
        let mut out = Vec::new();
        input.gather(&mut out).unwrap();
        assert_eq!(out.len(), 1);
        for (field, value) in [
            ("reads", 1),
            ("merged_reads", 2),
            ("read_bytes", 3 * 512),
            ("read_time", 4),
            ("writes", 5),
            ("merged_writes", 6),
            ("write_bytes", 7 * 512),
            ("write_time", 8),
            ("iops_in_progress", 9),
            ("io_time", 10),
            ("weighted_io_time", 11),
        ] {
            assert_eq!(out[0].get_field(field), Some(&Value::Integer(value)), "{field}");
        }
        assert_eq!(out[0].get_field("io_await"), None);
        std::fs::write(&file, "8 0 sda 2 2 3 6 6 6 7 10 9 20 11\n").unwrap();
        out.clear();
        input.gather(&mut out).unwrap();
        assert_eq!(out[0].get_field("io_await"), Some(&Value::Float(2.0)));
        assert_eq!(out[0].get_field("io_svctm"), Some(&Value::Float(5.0)));
        assert!(matches!(out[0].get_field("io_util"), Some(Value::Float(x)) if *x > 0.0));
    }

    #[test]
    fn templates_need_all_their_properties() {
        let properties = HashMap::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(expand("$A-${A}b", &properties).as_deref(), Some("x-xb"));
        assert_eq!(expand("$A-$B", &properties), None);
    }
}
