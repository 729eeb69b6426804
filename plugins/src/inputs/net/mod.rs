//! `inputs.net`: traffic of the network interfaces, from `/proc/net/dev`.

use serde::Deserialize;
use weir_pipeline::glob::GlobList;
use weir_pipeline::{GatherError, Metric, MetricKind, PolledInput};

use crate::host::{HostPaths, read_number, read_text};

/// Table `[[inputs.net]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Globs of interfaces; without it all that are up, but for the loopback.
    pub interfaces: Vec<String>,
    /// Accepted and of no effect: the protocol counters are in `inputs.nstat`.
    pub ignore_protocol_stats: bool,
}

/// The input.
#[derive(Debug)]
pub struct Net {
    interfaces: GlobList,
    paths: HostPaths,
}

const IFF_UP: i64 = 0x1;
const IFF_LOOPBACK: i64 = 0x8;

impl Net {
    /// Makes the input.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(config: &Config, paths: HostPaths) -> Result<Self, String> {
        Ok(Self { interfaces: GlobList::new(&config.interfaces, &[])?, paths })
    }

    /// Whether an interface is reported when none is named: up and not the loopback. From inside a container that looks at
    /// the host's `/proc` the flags would be the container's, so all are taken there.
    fn is_default(&self, name: &str) -> bool {
        if self.paths.proc_is_set {
            return true;
        }
        let flags = std::fs::read_to_string(self.paths.sys.join("class/net").join(name).join("flags")).ok();
        let flags = flags.and_then(|t| i64::from_str_radix(t.trim().trim_start_matches("0x"), 16).ok());
        flags.is_some_and(|f| f & IFF_UP != 0 && f & IFF_LOOPBACK == 0)
    }
}

impl PolledInput for Net {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        // The process's own network namespace, as the file `net` under /proc would be; the host's is that of process 1.
        let file = if self.paths.proc_is_set { "1/net/dev" } else { "net/dev" };
        let text = read_text(&self.paths.proc.join(file))
            .or_else(|_| read_text(&self.paths.proc.join("net/dev")))?;
        for line in text.lines() {
            let Some((name, numbers)) = line.rsplit_once(':') else { continue };
            let name = name.trim();
            let wanted = if self.interfaces.is_empty() {
                self.is_default(name)
            } else {
                self.interfaces.matches(name)
            };
            if !wanted {
                continue;
            }
            let n: Vec<u64> = numbers.split_ascii_whitespace().filter_map(|w| w.parse().ok()).collect();
            let &[
                bytes_recv,
                packets_recv,
                err_in,
                drop_in,
                _,
                _,
                _,
                _,
                bytes_sent,
                packets_sent,
                err_out,
                drop_out,
                ..,
            ] = n.as_slice()
            else {
                continue;
            };
            let speed = read_number(&self.paths.sys.join("class/net").join(name).join("speed")).unwrap_or(-1);
            out.push(
                Metric::new("net", MetricKind::Counter)
                    .tag("interface", name.to_owned())
                    .count("bytes_sent", bytes_sent)
                    .count("bytes_recv", bytes_recv)
                    .count("packets_sent", packets_sent)
                    .count("packets_recv", packets_recv)
                    .count("err_in", err_in)
                    .count("err_out", err_out)
                    .count("drop_in", drop_in)
                    .count("drop_out", drop_out)
                    .field("speed", speed),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_pipeline::Value;

    #[test]
    fn counters_of_named_interfaces_come_from_their_columns() {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path());
        std::fs::create_dir_all(paths.proc.join("net")).unwrap();
        std::fs::write(
            paths.proc.join("net/dev"),
            "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n\
             \x20   lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        )
        .unwrap();
        let config = Config { interfaces: vec!["eth*".into()], ..Config::default() };
        let mut out = Vec::new();
        Net::new(&config, paths).unwrap().gather(&mut out).unwrap();
        assert_eq!(out.len(), 1);
        for (field, value) in [
            ("bytes_recv", 1),
            ("packets_recv", 2),
            ("err_in", 3),
            ("drop_in", 4),
            ("bytes_sent", 9),
            ("packets_sent", 10),
            ("err_out", 11),
            ("drop_out", 12),
            ("speed", -1),
        ] {
            assert_eq!(out[0].get_field(field), Some(&Value::Integer(value)), "{field}");
        }
    }
}
