//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Metrics at the edge: collects, stores and answers, in one program.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Run `weir run` in an empty directory to begin: it collects this machine's metrics every 10 seconds and listens on \
                        127.0.0.1:8086. `weir config` prints a commented configuration."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Collect, store and answer until stopped.
    Run(RunArgs),
    /// Check a configuration: every problem at once, with file, line and column.
    Check(ConfigArgs),
    /// Print a commented configuration, whole or for the named plugins.
    Config(SampleArgs),
    /// List the plugins, or show the page of one.
    Plugins(PluginsArgs),
    /// Gather once from every input and print the metrics as line protocol.
    Test(TestArgs),
    /// Ask a running Weir (or any InfluxDB 1.x) an InfluxQL question.
    Query(QueryArgs),
    /// Make, list and revoke tokens.
    Token(TokenArgs),
    /// Print the version.
    Version,
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// Configuration file; may be repeated. Default: $WEIR_CONFIG, ./weir.toml, or /etc/weir/weir.toml with /etc/weir/conf.d.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// Directory of configuration files (.conf, .toml), read recursively; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) config_directory: Vec<PathBuf>,
    /// Leave out plugins that Weir does not have, with a warning, instead of refusing the configuration.
    #[arg(long)]
    pub(crate) skip_unknown_plugins: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Listen here instead of where the configuration says, e.g. 127.0.0.1:8086 (port 0 takes a free one).
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Data directory. Default ./weir-data.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// API dialect of the listeners.
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<DialectArg>,
    /// Ask nobody for a token. Only on loopback addresses, unless --insecure says so.
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Allow --no-auth on addresses that others can reach.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Start no inputs, whatever the configuration says.
    #[arg(long)]
    pub(crate) no_inputs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    /// InfluxDB Cloud Dedicated's v1 API.
    Dedicated,
    /// InfluxDB OSS 1.x.
    Oss,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SampleArgs {
    /// Plugins to show, such as cpu or inputs.cpu; without any, a whole configuration.
    pub(crate) plugins: Vec<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PluginsArgs {
    /// Show the page of this plugin.
    pub(crate) plugin: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Only these inputs, separated by colons.
    #[arg(long, value_name = "A:B")]
    pub(crate) input_filter: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct QueryArgs {
    /// The statement; without one, a shell.
    pub(crate) statement: Option<String>,
    /// Server to ask.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8086", env = "WEIR_URL")]
    pub(crate) url: String,
    /// Data directory whose operator token to use when no token is given.
    #[arg(long, value_name = "DIR", default_value = "weir-data")]
    pub(crate) data: PathBuf,
    /// Token.
    #[arg(long, value_name = "TOKEN", env = "WEIR_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Database.
    #[arg(long, value_name = "NAME", default_value = "telegraf")]
    pub(crate) db: String,
    /// How to show the answer.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    Table,
    /// The answer as it came.
    Json,
    /// Comma-separated values.
    Csv,
    /// A line chart of each numeric column.
    Chart,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) action: TokenAction,
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = "weir-data", global = true)]
    pub(crate) data: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a token and print it, alone, on standard output. It works at once.
    Create {
        /// Database it is for; may be repeated. Default: all.
        #[arg(long, value_name = "NAME")]
        db: Vec<String>,
        /// Allow reading.
        #[arg(long)]
        read: bool,
        /// Allow writing. Without --read and --write, both.
        #[arg(long)]
        write: bool,
        /// Allow everything.
        #[arg(long)]
        admin: bool,
        /// What it is for.
        #[arg(long, value_name = "TEXT", default_value = "unnamed")]
        name: String,
        /// How long it works, e.g. 30d.
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List the tokens; their texts are not kept.
    List,
    /// Revoke a token by its id.
    Revoke {
        /// Id as `weir token list` shows it.
        id: String,
    },
}
