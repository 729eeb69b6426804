//! `inputs.system`: load, uptime, users and processors of the host.

mod users;

use serde::Deserialize;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_text};

/// Table `[[inputs.system]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What to report. `legacy` is what Telegraf always reported; the others come as one point.
    pub include: Vec<Part>,
}

impl Default for Config {
    fn default() -> Self {
        Self { include: vec![Part::Legacy] }
    }
}

/// A part of the report.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Load, users, processors and uptime, as three points.
    Legacy,
    /// `load1`, `load5`, `load15`.
    Load,
    /// `n_users`, `n_unique_users`.
    Users,
    /// `n_cpus`, `n_physical_cpus`.
    Cpus,
    /// `uptime`.
    Uptime,
    /// Names and versions of system and kernel.
    Os,
    /// Vendor, model and serial numbers of firmware and board.
    Dmi,
}

/// The input.
#[derive(Debug)]
pub struct System {
    config: Config,
    paths: HostPaths,
}

impl System {
    /// Makes the input.
    #[must_use]
    pub fn new(config: Config, paths: HostPaths) -> Self {
        Self { config, paths }
    }

    fn load(&self, metric: Metric) -> Result<Metric, GatherError> {
        let text = read_text(&self.paths.proc.join("loadavg"))?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(one)), Some(Ok(five)), Some(Ok(fifteen))) => {
                Ok(metric.field("load1", one).field("load5", five).field("load15", fifteen))
            }
            _ => Err(GatherError::new(format!("/proc/loadavg: {text:?} does not begin with three numbers"))),
        }
    }

    fn cpus(&self, metric: Metric) -> Result<Metric, GatherError> {
        let text = read_text(&self.paths.proc.join("cpuinfo"))?;
        let stat = read_text(&self.paths.proc.join("stat"))?;
        let logical = stat
            .lines()
            .filter(|l| l.strip_prefix("cpu").is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())))
            .count();
        let mut cores: Vec<(&str, &str)> = Vec::new();
        let mut package = "";
        for (key, value) in text.lines().filter_map(|l| l.split_once(':')) {
            match key.trim() {
                "physical id" => package = value.trim(),
                "core id" => cores.push((package, value.trim())),
                _ => {}
            }
        }
        cores.sort_unstable();
        cores.dedup();
        // Some virtual machines and ARM boards name no cores: each processor is one then.
        let physical = if cores.is_empty() { logical } else { cores.len() };
        Ok(metric.count("n_cpus", logical as u64).count("n_physical_cpus", physical as u64))
    }

    fn users(&self, metric: Metric) -> Metric {
        match users::logged_in(&self.paths) {
            Some(users) => metric
                .count("n_users", users.len() as u64)
                .count("n_unique_users", users.iter().collect::<std::collections::HashSet<_>>().len() as u64),
            None => metric,
        }
    }

    fn uptime_seconds(&self) -> Result<u64, GatherError> {
        let text = read_text(&self.paths.proc.join("uptime"))?;
        text.split(['.', ' '])
            .next()
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| GatherError::new(format!("/proc/uptime: {text:?} does not begin with a number")))
    }

    fn os(&self, mut metric: Metric) -> Metric {
        let name = rustix::system::uname();
        let etc = self.paths.proc.parent().map(|root| root.join("etc/os-release")).unwrap_or_default();
        let release = std::fs::read_to_string(etc)
            .or_else(|_| std::fs::read_to_string("/etc/os-release"))
            .unwrap_or_default();
        let entry = |key: &str| {
            let found = release.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
            found.map(|v| v.trim_matches('"').to_owned())
        };
        let id = entry("ID").unwrap_or_default();
        let family = entry("ID_LIKE")
            .and_then(|l| l.split(' ').next().map(str::to_owned))
            .unwrap_or_else(|| id.clone());
        for (field, value) in [
            ("os", "linux".to_owned()),
            ("arch", name.machine().to_string_lossy().into_owned()),
            ("platform", id),
            ("platform_family", family),
            ("platform_version", entry("VERSION_ID").unwrap_or_default()),
            ("kernel_version", name.release().to_string_lossy().into_owned()),
        ] {
            metric = metric.field(field, value);
        }
        metric
    }

    fn dmi(&self, mut metric: Metric) -> Metric {
        const FILES: [&str; 18] = [
            "bios_date",
            "bios_release",
            "bios_vendor",
            "bios_version",
            "board_asset_tag",
            "board_name",
            "board_serial",
            "board_vendor",
            "board_version",
            "chassis_asset_tag",
            "chassis_serial",
            "chassis_type",
            "chassis_vendor",
            "chassis_version",
            "product_name",
            "product_serial",
            "product_uuid",
            "product_version",
        ];
        for file in FILES {
            let path = self.paths.sys.join("class/dmi/id").join(file);
            // Serial numbers are readable to root only; what cannot be read is left out.
            if let Ok(text) = std::fs::read_to_string(path)
                && !text.trim().is_empty()
            {
                metric = metric.field(file, text.trim().to_owned());
            }
        }
        metric
    }

    fn legacy(&self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let metric = self.load(Metric::new("system", MetricKind::Gauge))?;
        let metric = self.cpus(metric)?;
        out.push(self.users(metric));
        let uptime = self.uptime_seconds()?;
        out.push(Metric::new("system", MetricKind::Counter).count("uptime", uptime));
        out.push(Metric::new("system", MetricKind::Untyped).field("uptime_format", format_uptime(uptime)));
        Ok(())
    }
}

/// `14 days, 11:07`; the days are left out under one, the hours have at least two places.
fn format_uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match days {
        0 => format!("{hours:>2}:{minutes:02}"),
        1 => format!("1 day, {hours:>2}:{minutes:02}"),
        n => format!("{n} days, {hours:>2}:{minutes:02}"),
    }
}

impl PolledInput for System {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let mut metric = Metric::new("system", MetricKind::Gauge);
        for part in &self.config.include {
            metric = match part {
                Part::Legacy => {
                    self.legacy(out)?;
                    metric
                }
                Part::Load => self.load(metric)?,
                Part::Users => self.users(metric),
                Part::Cpus => self.cpus(metric)?,
                Part::Uptime => metric.count("uptime", self.uptime_seconds()?),
                Part::Os => self.os(metric),
                Part::Dmi => self.dmi(metric),
            };
        }
        if !metric.fields.is_empty() {
            out.push(metric);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_reads_as_telegraf_writes_it() {
        assert_eq!(format_uptime(14 * 86_400 + 11 * 3600 + 7 * 60 + 5), "14 days, 11:07");
        assert_eq!(format_uptime(86_400 + 3600), "1 day,  1:00");
        assert_eq!(format_uptime(59), " 0:00");
    }

    #[test]
    fn this_machine_gives_three_points() {
        let mut out = Vec::new();
        System::new(Config::default(), HostPaths::from_lookup(|_| None)).gather(&mut out).unwrap();
        assert_eq!(out.len(), 3);
        assert!(out[0].get_field("load1").is_some() && out[0].get_field("n_cpus").is_some());
        assert!(out[1].get_field("uptime").is_some() && out[2].get_field("uptime_format").is_some());
    }
}
