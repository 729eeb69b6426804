//! Where the daemon listens, and with what.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use weir_config::Config;
use weir_config::sections::{DialectName, ListenerConfig};
use weir_http::{Api, Dialect, HttpOptions, Shared, SharedOptions};
use weir_netserve::{Address, Limits, Listener, Stopper, serve, stop_channel};
use weir_query::Engine;

use super::Daemon;
use super::adapter::StoreIngest;
use crate::cli::{DialectArg, RunArgs};
use crate::control::{self, Control};

type Failure = Box<dyn std::error::Error>;

/// Time a query may take in the dedicated dialect when nothing is configured.
const DEDICATED_TIMEOUT: Duration = Duration::from_secs(60);

/// What to listen on; checked, not bound.
pub(super) struct Plan {
    listeners: Vec<(Address, Dialect)>,
    auth_enabled: bool,
    pub(super) default_query_timeout: Duration,
}

/// Decides where to listen, and whether it may be without authentication.
pub(super) fn plan(args: &RunArgs, config: &Config) -> Result<Plan, Failure> {
    let http = &config.http;
    let default_dialect = match args.dialect {
        Some(DialectArg::Dedicated) => Dialect::Dedicated,
        Some(DialectArg::Oss) => Dialect::Oss,
        None => dialect(http.dialect.unwrap_or_default()),
    };
    let mut entries: Vec<ListenerConfig> = http.listener.clone();
    if let Some(address) = &args.listen {
        entries = vec![ListenerConfig { address: Some(address.clone()), ..ListenerConfig::default() }];
    } else if entries.is_empty() && http.enabled != Some(false) {
        let address = http.address.clone().unwrap_or_else(|| "127.0.0.1:8086".to_owned());
        entries.push(ListenerConfig { address: Some(address), ..ListenerConfig::default() });
        if let Some(unix) = &http.unix {
            entries.push(ListenerConfig { unix: Some(unix.clone()), ..ListenerConfig::default() });
        }
    }
    let mut listeners = Vec::new();
    for entry in entries {
        let dialect = match (args.dialect, entry.dialect) {
            (None, Some(own)) => dialect(own),
            _ => default_dialect,
        };
        if let Some(address) = &entry.address {
            listeners.push((address.parse::<Address>()?, dialect));
        }
        if let Some(path) = entry.unix {
            listeners.push((Address::Unix { path, mode: 0o660 }, dialect));
        }
    }
    let auth_enabled = !args.no_auth && config.auth.enabled.unwrap_or(true);
    if !auth_enabled
        && !args.insecure
        && let Some((address, _)) = listeners.iter().find(|(address, _)| !is_local(address))
    {
        return Err(format!(
            "authentication is off and {address} can be reached from elsewhere; listen on 127.0.0.1, switch authentication on, or \
             say --insecure"
        )
        .into());
    }
    let has_dedicated = listeners.iter().any(|(_, d)| *d == Dialect::Dedicated);
    let default_query_timeout = if has_dedicated { DEDICATED_TIMEOUT } else { Duration::ZERO };
    Ok(Plan { listeners, auth_enabled, default_query_timeout })
}

fn dialect(name: DialectName) -> Dialect {
    match name {
        DialectName::Dedicated => Dialect::Dedicated,
        DialectName::Oss => Dialect::Oss,
    }
}

/// Whether only this machine can reach an address.
fn is_local(address: &Address) -> bool {
    let Address::Tcp(text) = address else { return true };
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Listeners that run.
pub(super) struct Running {
    /// What to tell whoever started the program.
    pub(super) banner: Vec<String>,
    /// The first TCP listener.
    pub(super) first_url: Option<String>,
    stopper: Stopper,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Lets running requests finish.
    pub(super) async fn stop(self, deadline: Duration) {
        self.stopper.stop(deadline);
        for task in self.tasks {
            // A listener that panicked is reported by its own task.
            let _ = tokio::time::timeout(deadline + Duration::from_secs(1), task).await;
        }
    }
}

/// Binds all, then serves. Any address that cannot be bound is an error.
pub(super) async fn start(
    daemon: &Daemon,
    config: &Config,
    plan: Plan,
    engine: Arc<Engine>,
    data: &Path,
) -> Result<Running, Failure> {
    let http = &config.http;
    let (stopper, stop) = stop_channel();
    let shared_defaults = SharedOptions::default();
    let shared = Shared::new(
        StoreIngest(daemon.store.clone()),
        engine,
        daemon.authority.clone(),
        daemon.program.clone(),
        daemon.clock.clone(),
        SharedOptions { writes_in_flight_max: http.max_concurrent_writes.unwrap_or(1024), ..shared_defaults },
    );
    let limits = Limits { connections_max: http.max_connections.unwrap_or(16_384), ..Limits::default() };
    let (mut banner, mut first_url, mut tasks, mut bound) = (Vec::new(), None, Vec::new(), Vec::new());
    for (address, dialect) in plan.listeners {
        bound.push((Listener::bind(&address).await?, dialect));
    }
    for (listener, dialect) in bound {
        let name = match dialect {
            Dialect::Dedicated => "dedicated",
            Dialect::Oss => "oss",
        };
        let auth = if plan.auth_enabled { "" } else { ", no authentication" };
        match listener.tcp_address() {
            Some(address) => {
                banner.push(format!("listening on http://{address} (dialect {name}{auth})"));
                first_url.get_or_insert_with(|| format!("http://{address}"));
            }
            None => banner.push(format!("listening on {} (dialect {name}{auth})", listener.address())),
        }
        let mut options = HttpOptions::new(dialect);
        options.auth_enabled = plan.auth_enabled;
        options.store_id = daemon.store.catalog().store_id().to_string();
        options.version = env!("CARGO_PKG_VERSION").to_owned();
        options.strict_writes = http.strict_writes.unwrap_or(options.strict_writes);
        options.metrics_auth = plan.auth_enabled && http.metrics_auth.unwrap_or(options.metrics_auth);
        options.rows_max = http.max_row_limit.unwrap_or(options.rows_max);
        if let Some(auto) = http.auto_create_database {
            options.auto_create_database = auto;
        }
        if let Some(bytes) = http.max_body_bytes {
            options.body_bytes_max = bytes.0;
        }
        if let Some(bytes) = http.max_inflated_bytes {
            options.inflated_bytes_max = bytes.0;
        }
        if let Some(version) = &http.reported_version {
            options.influxdb_version.clone_from(version);
        }
        let api = Arc::new(Api::new(shared.clone(), options));
        tasks.push(tokio::spawn(serve(listener, api, limits.clone(), stop.clone())));
    }
    let control = Address::Unix { path: control::socket(data), mode: 0o600 };
    let listener = Listener::bind(&control).await?;
    let handler = Arc::new(Control { authority: daemon.authority.clone(), clock: daemon.clock.clone() });
    let few = Limits { connections_max: 64, ..Limits::default() };
    tasks.push(tokio::spawn(serve(listener, handler, few, stop)));
    Ok(Running { banner, first_url, stopper, tasks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_others_reach_are_known() {
        for (text, local) in [
            ("127.0.0.1:8086", true),
            ("[::1]:8086", true),
            ("localhost:1", true),
            ("0.0.0.0:8086", false),
            ("10.0.0.1:8086", false),
            ("example.org:8086", false),
        ] {
            assert_eq!(is_local(&text.parse().unwrap()), local, "{text}");
        }
        assert!(is_local(&Address::Unix { path: "/x".into(), mode: 0 }));
    }

    #[test]
    fn no_auth_needs_a_loopback_address_or_a_clear_word() {
        let config = Config::default();
        let mut args = RunArgs { listen: Some("0.0.0.0:1".into()), no_auth: true, ..RunArgs::default() };
        assert!(plan(&args, &config).is_err_and(|e| e.to_string().contains("--insecure")));
        args.insecure = true;
        assert!(plan(&args, &config).is_ok_and(|p| !p.auth_enabled));
    }
}
