//! All plugins, in one list.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use weir_config::{PluginKind, PluginTable, Problems};
use weir_pipeline::PolledInput;
use weir_pipeline::runner::Factory;

use crate::host::HostPaths;
use crate::inputs::{cpu, disk, diskio, kernel, mem, net, processes, swap, system};

/// What is known of a plugin without making it.
#[derive(Clone, Copy, Debug)]
pub struct PluginInfo {
    /// What it does.
    pub kind: PluginKind,
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// A commented sample of its table.
    pub sample: &'static str,
    /// Its page.
    pub readme: &'static str,
    /// Whether it runs when there is no configuration at all.
    pub by_default: bool,
}

macro_rules! input {
    ($name:literal, $summary:literal) => {
        PluginInfo {
            kind: PluginKind::Input,
            name: $name,
            summary: $summary,
            sample: include_str!(concat!("inputs/", $name, "/sample.toml")),
            readme: include_str!(concat!("inputs/", $name, "/README.md")),
            by_default: true,
        }
    };
}

/// Every plugin, by kind and name.
pub const PLUGINS: [PluginInfo; 9] = [
    input!("cpu", "time spent by the processors"),
    input!("disk", "space and inodes of the mounted file systems"),
    input!("diskio", "traffic of the block devices"),
    input!("kernel", "counters of the kernel"),
    input!("mem", "memory of the host"),
    input!("net", "traffic of the network interfaces"),
    input!("processes", "how many processes are in each state"),
    input!("swap", "swap space and traffic"),
    input!("system", "load, uptime, users and processors"),
];

/// The plugin of this kind and name.
#[must_use]
pub fn find(kind: PluginKind, name: &str) -> Option<&'static PluginInfo> {
    PLUGINS.iter().find(|p| p.kind == kind && p.name == name)
}

/// Checks an input's table and gives what makes the input. `None` after an error, which is in `problems`.
pub fn input(table: &PluginTable, problems: &mut Problems) -> Option<Factory> {
    match &*table.name {
        "cpu" => simple(table, problems, |config, paths| Ok(cpu::Cpu::new(config, paths))),
        "disk" => simple(table, problems, disk::Disk::new),
        "diskio" => simple(table, problems, diskio::DiskIo::new),
        "kernel" => simple(table, problems, |config, paths| Ok(kernel::Kernel::new(config, paths))),
        "mem" => simple(table, problems, |config, paths| Ok(mem::Mem::new(config, paths))),
        "net" => simple(table, problems, |config, paths| net::Net::new(&config, paths)),
        "processes" => simple(table, problems, |config, paths| Ok(processes::Processes::new(config, paths))),
        "swap" => simple(table, problems, |config, paths| Ok(swap::Swap::new(config, paths))),
        "system" => simple(table, problems, |config, paths| Ok(system::System::new(config, paths))),
        _ => {
            let names = PLUGINS.iter().filter(|p| p.kind == PluginKind::Input).map(|p| p.name);
            let hint = weir_config::hint(&table.name, names);
            table.error(
                problems,
                format_args!("there is no such input{hint}; `weir plugins` lists what there is"),
            );
            None
        }
    }
}

/// An input whose maker needs its table and the host's paths. It is made once for the check.
fn simple<C, I>(
    table: &PluginTable,
    problems: &mut Problems,
    make: impl Fn(C, HostPaths) -> Result<I, String> + Send + Sync + 'static,
) -> Option<Factory>
where
    C: DeserializeOwned + Clone + Send + Sync + 'static,
    I: PolledInput + 'static,
{
    let config: C = table.decode(problems)?;
    let paths = HostPaths::from_env();
    if let Err(why) = make(config.clone(), paths.clone()) {
        table.error(problems, why);
        return None;
    }
    Some(Arc::new(move || {
        let input = make(config.clone(), paths.clone())?;
        Ok(Box::new(input) as Box<dyn PolledInput>)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use weir_config::{Sources, load};

    #[test]
    fn every_sample_loads_without_a_problem_and_gathers_here() {
        for plugin in &PLUGINS {
            // A sample shows each option, also those that are commented out.
            let with_options: String =
                plugin.sample.lines().map(|l| format!("{}\n", l.replacen("  # ", "  ", 1))).collect();
            for text in [plugin.sample.to_owned(), with_options] {
                let text: &'static str = Box::leak(text.into_boxed_str());
                let sources = Sources { fallback: Some((plugin.name, text)), ..Sources::default() };
                let mut problems = Problems::default();
                let config = load(&sources, &BTreeMap::new(), &mut problems);
                let factory = input(&config.plugins[0], &mut problems);
                assert!(!problems.has_errors(), "{}: {:?}", plugin.name, problems.into_sorted());
                let mut input = factory.unwrap()().unwrap();
                let mut out = Vec::new();
                // Not every machine has every file; what must not happen is a panic.
                let _ = input.prime().and_then(|()| input.gather(&mut out));
            }
        }
    }

    #[test]
    fn an_unknown_input_is_an_error_with_a_suggestion() {
        let sources = Sources { fallback: Some(("t", "[[inputs.cpuu]]")), ..Sources::default() };
        let mut problems = Problems::default();
        let config = load(&sources, &BTreeMap::new(), &mut problems);
        assert!(input(&config.plugins[0], &mut problems).is_none());
        assert!(problems.into_sorted()[0].text.contains("did you mean \"cpu\""));
    }
}
