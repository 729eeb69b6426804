//! `inputs.disk`: space and inodes of the mounted file systems.
//!
//! Mounts come from `/proc/1/mountinfo` (else `/proc/self/mountinfo`). A file system that does not answer within
//! [`DEADLINE`] is reported once as an error and left alone until its answer comes: a dead NFS server must not silence
//! the other disks.

mod mounts;
mod stat;

use std::time::Duration;

use serde::Deserialize;
use weir_pipeline::glob::GlobList;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use self::mounts::Mount;
use self::stat::{Answer, StatWorkers, Usage};
use crate::host::{HostPaths, read_text};

/// How long one file system may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Table `[[inputs.disk]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Mount points to report; without it all.
    pub mount_points: Vec<String>,
    /// Types of file systems to leave out.
    pub ignore_fs: Vec<String>,
    /// Mounts with one of these options are left out.
    pub ignore_mount_opts: Vec<String>,
}

/// The input.
#[derive(Debug)]
pub struct Disk {
    mount_points: GlobList,
    config: Config,
    paths: HostPaths,
    workers: StatWorkers,
}

impl Disk {
    /// Makes the input.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(config: Config, paths: HostPaths) -> Result<Self, String> {
        let mount_points = GlobList::new(&config.mount_points, &[])?;
        Ok(Self { mount_points, config, paths, workers: StatWorkers::default() })
    }

    fn is_wanted(&self, mount: &Mount) -> bool {
        // An automounter's trigger would mount what is not mounted, only to be measured.
        mount.fs_type != "autofs"
            && (self.mount_points.is_empty() || self.mount_points.matches(&mount.path))
            && !self.config.ignore_fs.contains(&mount.fs_type)
            && !mount.options.iter().any(|o| self.config.ignore_mount_opts.contains(o))
    }

    fn metric(&self, mount: &Mount, usage: Usage) -> Metric {
        let prefix = self.paths.mount_prefix.to_string_lossy();
        let path = match mount.path.strip_prefix(prefix.as_ref()) {
            Some("") => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => mount.path.clone(),
        };
        let device = mount.device.replace("/dev/", "");
        let mut metric = Metric::new("disk", MetricKind::Gauge)
            .tag("path", path)
            .tag("device", if device.is_empty() { mount.fs_type.clone() } else { device.clone() })
            .tag("fstype", mount.fs_type.clone())
            .tag("mode", mount.mode());
        if let Some(label) = mounts::label(&self.paths, &device, &mount.device_number) {
            metric = metric.tag("label", label);
        }
        let (used_percent, inodes_used_percent) = usage.percentages();
        metric
            .count("total", usage.total)
            .count("free", usage.free)
            .count("used", usage.used)
            .field("used_percent", used_percent)
            .count("inodes_total", usage.inodes_total)
            .count("inodes_free", usage.inodes_free)
            .count("inodes_used", usage.inodes_used)
            .field("inodes_used_percent", inodes_used_percent)
    }
}

impl PolledInput for Disk {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let text = read_text(&self.paths.proc.join("1/mountinfo"))
            .or_else(|_| read_text(&self.paths.proc.join("self/mountinfo")))?;
        let mut problems = Vec::new();
        for mut mount in text.lines().filter_map(mounts::parse) {
            mounts::resolve_root(&self.paths, &mut mount);
            if !self.is_wanted(&mount) {
                continue;
            }
            let prefixed = self.paths.mount_prefix.join(mount.path.trim_start_matches('/'));
            let target = if self.paths.mount_prefix.as_os_str().is_empty() {
                std::path::PathBuf::from(&mount.path)
            } else {
                prefixed
            };
            match self.workers.ask(&target, mount.is_local(), DEADLINE) {
                Answer::Usage(usage) if usage.total > 0 => out.push(self.metric(&mount, usage)),
                // Kernel file systems have no space; a mount we may not see is none of ours.
                Answer::Usage(_) | Answer::Hidden => {}
                Answer::Failed(error) => problems.push(GatherError::io(&target, &error).to_string()),
                Answer::Late => problems.push(format!(
                    "{}: no answer within {DEADLINE:?}; it is asked again once it has answered",
                    target.display()
                )),
                Answer::StillLate => {}
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(GatherError::new(problems.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_file_system_of_this_machine_is_reported() {
        let paths = HostPaths::from_lookup(|_| None);
        let mut out = Vec::new();
        let _ = Disk::new(Config::default(), paths).unwrap().gather(&mut out);
        let root = out.iter().find(|m| m.get_tag("path") == Some("/")).expect("a root file system");
        let get = |name| match root.get_field(name) {
            Some(weir_pipeline::Value::Integer(n)) => *n,
            other => panic!("{name}: {other:?}"),
        };
        assert!(get("total") > 0 && get("used") <= get("total"));
        assert!(matches!(root.get_tag("mode"), Some("rw" | "ro")));
    }

    #[test]
    fn file_systems_can_be_left_out() {
        let paths = HostPaths::from_lookup(|_| None);
        let config = Config { mount_points: vec!["/nowhere".into()], ..Config::default() };
        let mut out = Vec::new();
        Disk::new(config, paths).unwrap().gather(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
