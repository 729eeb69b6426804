//! From files to a [`Config`].

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::agent::AgentConfig;
use crate::decode::{self, FileText, TableRef};
use crate::plugin::{PluginKind, PluginTable};
use crate::problem::{Place, Problems};
use crate::sections::{AuthConfig, HttpConfig, LimitsConfig, StoreConfig};
use crate::{substitute, suggest};

/// Which files to read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files named on the command line.
    pub files: Vec<PathBuf>,
    /// Directories whose `.conf` and `.toml` files are read, recursively.
    pub directories: Vec<PathBuf>,
    /// Text used when neither is given and nothing is found in the usual places.
    pub fallback: Option<(&'static str, &'static str)>,
    /// Look in the usual places (`$WEIR_CONFIG`, `./weir.toml`, `/etc/weir/weir.toml` with `/etc/weir/conf.d`) if neither is given.
    pub search: bool,
}

/// The whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[agent]`, put together over all files.
    pub agent: AgentConfig,
    /// `[global_tags]`.
    pub global_tags: BTreeMap<String, String>,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[auth]`.
    pub auth: AuthConfig,
    /// `[limits]`.
    pub limits: LimitsConfig,
    /// All plugins, in the order of the files.
    pub plugins: Vec<PluginTable>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// Changes when anything that matters changes.
    pub hash: u64,
}

/// Tables a file may hold.
const TOP_LEVEL: [&str; 10] = [
    "agent",
    "global_tags",
    "inputs",
    "outputs",
    "processors",
    "aggregators",
    "store",
    "http",
    "auth",
    "limits",
];

/// Reads everything that `sources` names. `environment` gives the variables. Always gives a configuration, with defaults where
/// something is wrong; use it only if `problems` has no error.
pub fn load(sources: &Sources, environment: &BTreeMap<String, String>, problems: &mut Problems) -> Config {
    let mut loader = Loader {
        environment: Arc::new(environment.clone()),
        config: Config::default(),
        sections: BTreeMap::new(),
        problems,
    };
    let files = find_files(sources, environment, loader.problems);
    let mut hasher = std::hash::DefaultHasher::new();
    if files.is_empty()
        && let Some((name, text)) = sources.fallback
    {
        text.hash(&mut hasher);
        loader.file(name, text);
    }
    for path in &files {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => {
                bytes.hash(&mut hasher);
                match String::from_utf8(bytes) {
                    Ok(text) => loader.file(&name, text.strip_prefix('\u{feff}').unwrap_or(&text)),
                    Err(e) => loader.problems.error(
                        Place::file(&name),
                        format!("is not UTF-8 text (byte {})", e.utf8_error().valid_up_to()),
                    ),
                }
            }
            Err(e) => loader.problems.error(Place::file(&name), format!("cannot be read: {e}")),
        }
    }
    loader.finish(files, hasher.finish())
}

fn find_files(
    sources: &Sources,
    environment: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Vec<PathBuf> {
    let mut files = sources.files.clone();
    let mut directories = sources.directories.clone();
    if files.is_empty() && directories.is_empty() && sources.search {
        if let Some(path) = environment.get("WEIR_CONFIG").filter(|p| !p.is_empty()) {
            files.push(path.into());
        } else if Path::new("weir.toml").is_file() {
            files.push("weir.toml".into());
        } else if Path::new("/etc/weir/weir.toml").is_file() {
            files.push("/etc/weir/weir.toml".into());
            if Path::new("/etc/weir/conf.d").is_dir() {
                directories.push("/etc/weir/conf.d".into());
            }
        }
    }
    for directory in &directories {
        if directory.is_dir() {
            walk(directory, &mut files, problems);
        } else {
            problems.error(Place::file(&directory.display().to_string()), "is no directory");
        }
    }
    files
}

/// Files of a directory in lexical order. Names that begin with `..` are left out: Kubernetes keeps the versions of a mounted
/// ConfigMap in such directories and links the current one.
fn walk(directory: &Path, files: &mut Vec<PathBuf>, problems: &mut Problems) {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) => {
            problems.warning(
                Place::file(&directory.display().to_string()),
                format!("cannot be listed: {e}; left out"),
            );
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("..") {
            continue;
        }
        if path.is_dir() {
            walk(&path, files, problems);
        } else if (name.ends_with(".conf") || name.ends_with(".toml")) && name.len() > 5 {
            files.push(path);
        }
    }
}

/// A key of a section that has been seen: file, byte offset in it.
type SeenAt = (FileText, usize);

struct Loader<'a> {
    environment: Arc<BTreeMap<String, String>>,
    config: Config,
    /// Raw text of each section's tables, in order: they overlay each other key by key.
    sections: BTreeMap<&'static str, Vec<SeenAt>>,
    problems: &'a mut Problems,
}

impl Loader<'_> {
    fn file(&mut self, name: &str, text: &str) {
        let file = FileText::new(name, text);
        let (mut document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let offset = error.span().map_or(0, |s| s.start);
            self.problems.error(file.place(offset), error.message().to_owned());
        }
        if !errors.is_empty() {
            return;
        }
        let mut outcome = substitute::Outcome::default();
        let environment = self.environment.clone();
        substitute::in_table(document.get_mut(), &|name| environment.get(name).cloned(), &mut outcome);
        for bad in outcome.bad {
            let place = file.place(bad.offset);
            if bad.is_error {
                self.problems.error(place, bad.text)
            } else {
                self.problems.warning(place, bad.text)
            }
        }
        for (key, value) in document.get_ref().iter() {
            let offset = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("inputs" | "plugins", DeValue::Table(kinds)) => {
                    self.plugins(PluginKind::Input, kinds, &outcome.whole, &file);
                }
                ("outputs", DeValue::Table(kinds)) => {
                    self.plugins(PluginKind::Output, kinds, &outcome.whole, &file)
                }
                ("processors", DeValue::Table(kinds)) => {
                    self.plugins(PluginKind::Processor, kinds, &outcome.whole, &file);
                }
                ("aggregators", DeValue::Table(kinds)) => {
                    self.plugins(PluginKind::Aggregator, kinds, &outcome.whole, &file);
                }
                ("global_tags" | "tags", DeValue::Table(table)) => self.global_tags(table, &file),
                (name, DeValue::Table(_)) => match ["agent", "store", "http", "auth", "limits"]
                    .iter()
                    .find(|s| **s == name)
                {
                    Some(section) => {
                        self.sections.entry(section).or_default().push((file.clone(), value.span().start));
                    }
                    None => self.unknown_top_level(name, file.place(offset)),
                },
                (name, _) => self.unknown_top_level(name, file.place(offset)),
            }
        }
    }

    fn unknown_top_level(&mut self, name: &str, place: Place) {
        let hint = suggest::hint(name, TOP_LEVEL);
        self.problems.error(place, format!("unknown table {name:?}{hint}"));
    }

    fn global_tags(&mut self, table: &DeTable<'_>, file: &FileText) {
        for (key, value) in table.iter() {
            match value.get_ref() {
                DeValue::String(text) => {
                    self.config.global_tags.insert(key.get_ref().to_string(), text.to_string());
                }
                other => self.problems.error(
                    file.place(value.span().start),
                    format!(
                        "global tag {:?} is a {}, not a string; put it in quotes",
                        key.get_ref(),
                        other.type_str()
                    ),
                ),
            }
        }
    }

    fn plugins(&mut self, kind: PluginKind, kinds: &DeTable<'_>, whole: &[usize], file: &FileText) {
        let section = kind.section();
        let mut found = Vec::new();
        for (name, value) in kinds.iter() {
            match value.get_ref() {
                DeValue::Array(items) => {
                    for item in items.iter() {
                        match item.get_ref() {
                            DeValue::Table(table) => {
                                found.push((name.get_ref(), Spanned::new(item.span(), table.clone())))
                            }
                            _ => self.problems.error(
                                file.place(item.span().start),
                                format!("{section}.{} must be written as [[{section}.{0}]]", name.get_ref()),
                            ),
                        }
                    }
                }
                DeValue::Table(table) => {
                    found.push((name.get_ref(), Spanned::new(value.span(), table.clone())))
                }
                _ => self.problems.error(
                    file.place(value.span().start),
                    format!("{section}.{} must be written as [[{section}.{0}]]", name.get_ref()),
                ),
            }
        }
        // In the order of the file, which the map of tables does not keep.
        found.sort_by_key(|(_, table)| table.span().start);
        for (name, table) in found {
            let plugin = PluginTable::new(kind, name, &table, whole, file, &self.environment, self.problems);
            self.config.plugins.push(plugin);
        }
    }

    /// Overlays the tables of one section, later files over earlier ones, and decodes the result.
    fn section<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> T {
        let Some(parts) = self.sections.remove(name) else { return T::default() };
        let mut merged: Option<T> = None;
        if parts.len() == 1 {
            return self.section_at(name, &parts).unwrap_or_default();
        }
        if let Some((file, offset)) = parts.last() {
            self.problems.warning(
                file.place(*offset),
                format!("[{name}] stands in {} files; keys of later files win", parts.len()),
            );
            merged = self.section_at(name, &parts);
        }
        merged.unwrap_or_default()
    }

    fn section_at<T: DeserializeOwned>(&mut self, name: &'static str, parts: &[SeenAt]) -> Option<T> {
        let environment = self.environment.clone();
        let documents: Vec<_> =
            parts.iter().map(|(file, _)| (file, DeTable::parse_recoverable(file.text()).0)).collect();
        let mut whole: Option<Spanned<DeTable<'_>>> = None;
        let mut variables = Vec::new();
        let mut last = None;
        for (file, mut document) in documents {
            let mut outcome = substitute::Outcome::default();
            substitute::in_table(document.get_mut(), &|n| environment.get(n).cloned(), &mut outcome);
            variables.extend(outcome.whole);
            let entry = document.into_inner().into_iter().find(|(k, _)| k.get_ref() == name);
            let Some((_, value)) = entry else { continue };
            let span = value.span();
            let DeValue::Table(table) = value.into_inner() else { continue };
            match &mut whole {
                None => whole = Some(Spanned::new(span, table)),
                Some(merged) => {
                    for (key, value) in table {
                        merged.get_mut().insert(key, value);
                    }
                }
            }
            last = Some(file);
        }
        let (whole, file) = (whole?, last?);
        let from = TableRef { what: &format!("[{name}]"), table: &whole, file, whole_variables: &variables };
        decode::decode(from, self.problems)
    }

    fn finish(mut self, files: Vec<PathBuf>, hash: u64) -> Config {
        self.config.agent = self.section("agent");
        self.config.store = self.section("store");
        self.config.http = self.section("http");
        self.config.auth = self.section("auth");
        self.config.limits = self.section("limits");
        let place =
            Place::file(files.first().map(|f| f.display().to_string()).as_deref().unwrap_or("defaults"));
        if self.config.agent.interval.0.is_zero() {
            self.problems.error(place.clone(), "[agent] interval must be more than 0");
        }
        if self.config.agent.flush_interval.0.is_zero() {
            self.problems.error(place.clone(), "[agent] flush_interval must be more than 0");
        }
        if self.config.agent.skip_processors_after_aggregators == Some(true)
            && self.config.agent.skip_processors_before_aggregators == Some(true)
        {
            self.problems.error(
                place,
                "[agent] skip_processors_before_aggregators and skip_processors_after_aggregators cannot both be true",
            );
        }
        self.config.files = files;
        self.config.hash = hash;
        self.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use serde::Deserialize;

    fn read(text: &'static str) -> (Config, Vec<Problem>) {
        let sources = Sources { fallback: Some(("t.conf", text)), ..Sources::default() };
        let environment =
            BTreeMap::from([("BATCH".to_owned(), "500".to_owned()), ("DC".to_owned(), "eu".to_owned())]);
        let mut problems = Problems::default();
        let config = load(&sources, &environment, &mut problems);
        (config, problems.into_sorted())
    }

    #[test]
    fn every_problem_is_reported_with_its_place() {
        let (_, problems) = read(
            "[agent]\n  intreval = \"5s\"\n  precision = 5.5\n  debug = \"yes\"\n[[ouputs.file]]\n[[inputs.cpu]]\n  interval = \"soon\"\n  tags = 3\n",
        );
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(
            lines[0].starts_with(
                "t.conf:2:3: error: [agent] has no option \"intreval\"; did you mean \"interval\"?"
            ),
            "{lines:#?}"
        );
        assert!(lines[1].starts_with("t.conf:4:11: error: [agent], option \"debug\""), "{lines:#?}");
        assert!(
            lines[2].starts_with("t.conf:5:3: error: unknown table \"ouputs\"; did you mean \"outputs\"?"),
            "{lines:#?}"
        );
        assert!(
            lines[3]
                .starts_with("t.conf:7:14: error: inputs.cpu, option \"interval\": \"soon\" is no duration"),
            "{lines:#?}"
        );
        assert!(lines[4].starts_with("t.conf:8:10: error: inputs.cpu, option \"tags\""), "{lines:#?}");
    }

    #[test]
    fn syntax_errors_have_a_place_too() {
        let (_, problems) = read("[agent]\ninterval = \n");
        assert_eq!((problems[0].place.line, problems[0].severity), (2, crate::Severity::Error));
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Own {
        files: Vec<String>,
        limit: u32,
    }

    #[test]
    fn variables_take_the_type_that_is_needed() {
        let (config, problems) = read(
            "[global_tags]\ndc = \"$DC\"\n[agent]\nmetric_batch_size = \"${BATCH}\"\nprecision = \"\"\n[[inputs.x]]\nfiles = [\"/${DC}/a\"]\nlimit = \"${BATCH}\"\ninterval = 5\nalias = \"n\"\nfieldpass = [\"a*\"]\n",
        );
        assert!(!problems.iter().any(|p| p.severity == crate::Severity::Error), "{problems:?}");
        assert_eq!(config.agent.metric_batch_size, 500);
        assert_eq!(config.global_tags["dc"], "eu");
        let plugin = &config.plugins[0];
        let mut own = Problems::default();
        assert_eq!(plugin.decode::<Own>(&mut own), Some(Own { files: vec!["/eu/a".into()], limit: 500 }));
        assert!(own.is_empty());
        assert_eq!((plugin.label(), plugin.filters.fieldinclude.as_slice()), ("n", &["a*".to_owned()][..]));
        assert_eq!(plugin.common.interval, Some(crate::Interval::seconds(5)));
    }

    #[test]
    fn unknown_options_of_a_plugin_are_errors() {
        let (config, _) = read("[[inputs.x]]\nfile = [\"a\"]\n");
        let mut problems = Problems::default();
        config.plugins[0].decode::<Own>(&mut problems);
        let problems = problems.into_sorted();
        assert_eq!(
            problems[0].to_string(),
            "t.conf:2:1: error: inputs.x has no option \"file\"; did you mean \"files\"?"
        );
    }

    #[test]
    fn plugins_stand_in_the_order_of_the_file_and_know_when_they_are_the_same() {
        let (a, _) = read("[[inputs.mem]]\n[[inputs.cpu]]\n[[inputs.mem]]\n");
        let names: Vec<&str> = a.plugins.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["mem", "cpu", "mem"]);
        assert_eq!(a.plugins[0].identity, a.plugins[2].identity);
        assert_ne!(a.plugins[0].identity, a.plugins[1].identity);
    }

    #[test]
    fn config_maps_and_directories_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("..data")).unwrap();
        std::fs::create_dir_all(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("..data/x.conf"), "[[inputs.hidden]]\n").unwrap();
        std::fs::write(folder.path().join("b/1.conf"), "[[inputs.two]]\n").unwrap();
        std::fs::write(folder.path().join("a.conf"), "[[inputs.one]]\n[agent]\ninterval='1s'\ndebug=true\n")
            .unwrap();
        std::fs::write(folder.path().join("c.toml"), "[agent]\ninterval='2s'\n").unwrap();
        let sources = Sources { directories: vec![folder.path().to_owned()], ..Sources::default() };
        let mut problems = Problems::default();
        let config = load(&sources, &BTreeMap::new(), &mut problems);
        let names: Vec<&str> = config.plugins.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(config.agent.interval, crate::Interval::seconds(2));
        assert!(config.agent.debug);
    }
}
