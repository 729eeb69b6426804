//! From files, flags and environment to what the program does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use weir_config::plugin::TimeSource;
use weir_config::{Config, PluginKind, PluginTable, Problem, Problems, Severity, Sources};
use weir_pipeline::shape::{TimeFrom, precision_for};
use weir_pipeline::{Filter, FilterSpec, InputSpec, Shape, SourceId, WriteTarget};
use weir_plugins::registry;

use crate::cli::ConfigArgs;

/// What runs when there is no configuration.
pub(crate) const DEFAULT_CONFIG: &str = include_str!("default.toml");

/// A configuration that cannot be used.
#[derive(Debug)]
pub(crate) struct BadConfig(pub(crate) Vec<Problem>);

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let errors = self.0.iter().filter(|p| p.severity == Severity::Error).count();
        let files = if errors == 1 { "error" } else { "errors" };
        write!(f, "the configuration has {errors} {files}")
    }
}

impl std::error::Error for BadConfig {}

/// A configuration that has been checked whole, plugins included.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) inputs: Vec<PlannedInput>,
    pub(crate) warnings: Vec<Problem>,
}

/// An input ready to run.
#[derive(Clone, Debug)]
pub(crate) struct PlannedInput {
    /// Equal for inputs that would run alike: a reload leaves those alone.
    pub(crate) identity: u64,
    pub(crate) spec: InputSpec,
}

/// Reads and checks everything.
pub(crate) fn read(args: &ConfigArgs) -> Result<Settings, BadConfig> {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect();
    let sources = Sources {
        files: args.config.clone(),
        directories: args.config_directory.clone(),
        fallback: Some(("built-in defaults", DEFAULT_CONFIG)),
        search: true,
    };
    let mut problems = Problems::default();
    let config = weir_config::load(&sources, &environment, &mut problems);
    let inputs = plan_inputs(&config, args.skip_unknown_plugins, &mut problems);
    let has_errors = problems.has_errors();
    let problems = problems.into_sorted();
    if has_errors { Err(BadConfig(problems)) } else { Ok(Settings { config, inputs, warnings: problems }) }
}

fn plan_inputs(config: &Config, skip_unknown: bool, problems: &mut Problems) -> Vec<PlannedInput> {
    let mut global_tags = config.global_tags.clone();
    if !config.agent.omit_hostname && !global_tags.contains_key("host") {
        let name = match config.agent.hostname.as_str() {
            "" => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            name => name.to_owned(),
        };
        global_tags.insert("host".to_owned(), name);
    }
    let global_tags = Arc::new(global_tags);
    let mut planned = Vec::new();
    for table in &config.plugins {
        if registry::find(table.kind, &table.name).is_none() && skip_unknown {
            problems.warning(
                table.place.clone(),
                format!("{}.{} is left out: Weir has no such plugin", table.kind.section(), table.name),
            );
            continue;
        }
        match table.kind {
            PluginKind::Input => {
                let source = SourceId(u16::try_from(planned.len() + 1).unwrap_or(u16::MAX));
                planned.extend(plan_input(table, config, &global_tags, source, problems));
            }
            kind => table.error(
                problems,
                format_args!(
                    "this version has no {}; `weir plugins` lists what there is, --skip-unknown-plugins leaves the rest out",
                    kind.section()
                ),
            ),
        }
    }
    planned
}

fn plan_input(
    table: &PluginTable,
    config: &Config,
    global_tags: &Arc<BTreeMap<String, String>>,
    source: SourceId,
    problems: &mut Problems,
) -> Option<PlannedInput> {
    let factory = registry::input(table, problems)?;
    let (agent, common, filters) = (&config.agent, &table.common, &table.filters);
    let interval = common.interval.unwrap_or(agent.interval).0;
    if interval.is_zero() {
        table.error(problems, "\"interval\" must be more than 0");
        return None;
    }
    let spec = FilterSpec {
        namepass: (filters.namepass.clone(), filters.namepass_separator.clone()),
        namedrop: (filters.namedrop.clone(), filters.namedrop_separator.clone()),
        tagpass: filters.tagpass.clone(),
        tagdrop: filters.tagdrop.clone(),
        fieldinclude: filters.fieldinclude.clone(),
        fieldexclude: filters.fieldexclude.clone(),
        taginclude: filters.taginclude.clone(),
        tagexclude: filters.tagexclude.clone(),
    };
    let filter = match Filter::new(&spec) {
        Ok(filter) => filter,
        Err(why) => {
            table.error(problems, why);
            return None;
        }
    };
    let precision = common.precision.unwrap_or(agent.precision).0;
    let shape = Shape {
        name_override: common.name_override.clone(),
        name_prefix: common.name_prefix.clone().unwrap_or_default(),
        name_suffix: common.name_suffix.clone().unwrap_or_default(),
        tags: common.tags.clone(),
        global_tags: global_tags.clone(),
        always_include_local_tags: agent.always_include_local_tags,
        always_include_global_tags: agent.always_include_global_tags,
        filter,
        time_from: match common.time_source {
            TimeSource::Metric => TimeFrom::Metric,
            TimeSource::CollectionStart => TimeFrom::Start,
            TimeSource::CollectionEnd => TimeFrom::End,
        },
        precision_ns: precision_for(precision, interval),
    };
    let target = WriteTarget {
        database: config.store.agent_database.as_deref().unwrap_or("telegraf").into(),
        policy: config.store.agent_retention_policy.as_deref().map(Into::into),
        create_database: true,
        source,
    };
    let spec = InputSpec {
        name: table.name.clone(),
        alias: common.alias.as_deref().unwrap_or_default().into(),
        factory,
        shape,
        interval,
        offset: common.collection_offset.unwrap_or(agent.collection_offset).0,
        jitter: common.collection_jitter.unwrap_or(agent.collection_jitter).0,
        aligned: agent.round_interval,
        pending_max: agent.metric_buffer_limit.max(1),
        target,
    };
    Some(PlannedInput { identity: identity(table, &spec, agent), spec })
}

/// A hash of everything that shapes the input's run: its own table and what it takes from the agent.
fn identity(table: &PluginTable, spec: &InputSpec, agent: &weir_config::AgentConfig) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    table.identity.hash(&mut hasher);
    (spec.interval, spec.offset, spec.jitter, spec.aligned, spec.pending_max).hash(&mut hasher);
    (spec.shape.precision_ns, &spec.shape.global_tags).hash(&mut hasher);
    (&spec.target.database, &spec.target.policy).hash(&mut hasher);
    (agent.always_include_global_tags, agent.always_include_local_tags).hash(&mut hasher);
    hasher.finish()
}

/// The data directory: flag, then file, then default.
pub(crate) fn data_directory(flag: Option<&PathBuf>, config: &Config) -> PathBuf {
    flag.cloned().or_else(|| config.store.directory.clone()).unwrap_or_else(|| PathBuf::from("weir-data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_runs_the_host_inputs() {
        let sources = Sources { fallback: Some(("default", DEFAULT_CONFIG)), ..Sources::default() };
        let mut problems = Problems::default();
        let config = weir_config::load(&sources, &BTreeMap::new(), &mut problems);
        let inputs = plan_inputs(&config, false, &mut problems);
        assert!(problems.is_empty(), "{:?}", problems.into_sorted());
        let mut names: Vec<&str> = inputs.iter().map(|i| &*i.spec.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["cpu", "disk", "diskio", "kernel", "mem", "net", "processes", "swap", "system"]);
        assert!(inputs[0].spec.shape.global_tags.contains_key("host"));
    }

    #[test]
    fn unknown_plugins_are_refused_or_left_out_as_asked() {
        let text = "[[inputs.cpu]]\n[[inputs.sqlserver]]\n[[outputs.kafka]]\n";
        let sources = Sources { fallback: Some(("t.conf", text)), ..Sources::default() };
        for (skip, errors) in [(false, true), (true, false)] {
            let mut problems = Problems::default();
            let config = weir_config::load(&sources, &BTreeMap::new(), &mut problems);
            assert_eq!(plan_inputs(&config, skip, &mut problems).len(), 1);
            assert_eq!(problems.has_errors(), errors);
            assert_eq!(problems.into_sorted().len(), 2);
        }
    }
}
