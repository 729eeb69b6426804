//! Log lines on standard error, for people or as JSON.

use tracing_subscriber::EnvFilter;
use weir_config::AgentConfig;
use weir_config::agent::LogFormat;

/// Starts logging as `[agent]` says; `WEIR_LOG` (such as `debug` or `weir_store=trace`) beats it. `logfile` redirects it.
pub(crate) fn start(agent: &AgentConfig) -> Result<(), Box<dyn std::error::Error>> {
    let default = match (agent.quiet, agent.debug) {
        (true, _) => "error",
        (false, true) => "debug",
        (false, false) => "info",
    };
    let filter = EnvFilter::try_from_env("WEIR_LOG").or_else(|_| EnvFilter::try_new(default))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if agent.logfile.is_empty() {
        let builder =
            builder.with_writer(std::io::stderr).with_ansi(rustix::termios::isatty(std::io::stderr()));
        match agent.logformat {
            LogFormat::Text => builder.init(),
            LogFormat::Structured => builder.json().init(),
        }
        return Ok(());
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&agent.logfile)
        .map_err(|e| format!("[agent] logfile {}: {e}", agent.logfile))?;
    let builder = builder.with_writer(std::sync::Mutex::new(file)).with_ansi(false);
    match agent.logformat {
        LogFormat::Text => builder.init(),
        LogFormat::Structured => builder.json().init(),
    }
    Ok(())
}
