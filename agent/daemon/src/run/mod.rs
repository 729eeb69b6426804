//! `weir run`: opens the store, listens, collects, and stops in the right order.

mod adapter;
mod continuous;
mod inputs;
mod listeners;
mod reload;
mod systemd;
mod telemetry;

use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use weir_auth::{Authority, Operator, Secret};
use weir_fs::DiskFs;
use weir_http::{Health, Program};
use weir_model::{Clock, SystemClock, TimestampNs};
use weir_query::{Engine, EngineOptions};
use weir_store::Store;

use crate::cli::RunArgs;
use crate::records::{CatalogRecords, QueryRecords};
use crate::settings::{self, Settings};
use crate::{logging, store_options};

type Failure = Box<dyn std::error::Error>;

/// How long running requests may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the store may take to flush when the daemon stops; what is not flushed is in the log.
const FLUSH: Duration = Duration::from_secs(30);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let settings = settings::read(&args.config)?;
    logging::start(&settings.config.agent)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let plan = listeners::plan(args, &settings.config)?;
    raise_open_files();
    let prometheus = telemetry::install()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let data = settings::data_directory(args.data.as_ref(), &settings.config);
    let options = store_options::of(&settings.config, &data)?;
    let query_memory = settings.config.limits.query_memory.map_or(options.memory_limit / 5, |size| size.0);
    let opened = clock.monotonic_ns();
    let store = Store::open(options, Arc::new(DiskFs::new()), clock.clone())?;
    let took = Duration::from_nanos(clock.monotonic_ns().saturating_sub(opened));
    tracing::info!(directory = %data.display(), ?took, "store is open");

    let authority = Arc::new(Authority::open(Box::new(CatalogRecords(store.clone())))?);
    let fresh = operator(&authority, &settings.config.auth.operator_token, &data, clock.now())?;

    let limits = &settings.config.limits;
    let timeout = limits.query_timeout.map_or(plan.default_query_timeout, |t| t.0);
    let engine = Engine::new(
        Arc::new(store.clone()),
        Arc::new(store.clone()),
        clock.clone(),
        EngineOptions {
            threads: 0,
            memory_bytes_max: query_memory,
            concurrent_queries_max: limits.max_concurrent_queries.unwrap_or(0),
            timeout,
            select_points_max: limits.max_select_point.unwrap_or(0),
            select_series_max: limits.max_select_series.unwrap_or(0),
            select_buckets_max: limits.max_select_buckets.unwrap_or(0),
        },
    )
    .with_writer(Arc::new(adapter::IntoWriter::new(&store)))
    .with_records(Arc::new(QueryRecords(store.clone())))?;
    let daemon = Daemon {
        args: args.clone(),
        program: Arc::new(Status {
            store: store.clone(),
            prometheus,
            started: clock.now(),
            is_ready: AtomicBool::new(true),
        }),
        store,
        authority,
        clock,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("weir").build()?;
    let result = runtime.block_on(daemon.serve(settings, plan, Arc::new(engine), &data, fresh.as_deref()));
    // Threads that hang in a plugin must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Lets the process have as many files and sockets open as the system allows: the usual soft limit of 1,024 is less than the connections
/// that the configuration promises.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

/// Sees to the operator token. Gives its text if it was made just now.
fn operator(
    authority: &Authority,
    configured: &Option<String>,
    data: &Path,
    now: TimestampNs,
) -> Result<Option<String>, Failure> {
    let given = match configured.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => {
            let text = match text.strip_prefix("@{file:").and_then(|t| t.strip_suffix('}')) {
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|e| format!("[auth] operator_token: {path}: {e}"))?
                    .trim()
                    .to_owned(),
                None => text.to_owned(),
            };
            Some(Secret::given(&text).map_err(|e| format!("[auth] operator_token: {e}"))?)
        }
        None => None,
    };
    let Operator::Created(made) = authority.ensure_operator(given, now)? else { return Ok(None) };
    let path = data.join("operator.token");
    let text = made.secret.reveal().to_owned();
    // A file that was there keeps its permissions when it is opened, so it is made anew.
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(format!("{}: {e}", path.display()).into()),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| format!("{}: {e}", path.display()))?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    Ok(Some(text))
}

/// The running program.
struct Daemon {
    args: RunArgs,
    program: Arc<Status>,
    store: Store,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
}

impl Daemon {
    async fn serve(
        self,
        settings: Settings,
        plan: listeners::Plan,
        engine: Arc<Engine>,
        data: &Path,
        fresh_token: Option<&str>,
    ) -> Result<(), Failure> {
        // Before anything that takes long: a signal that comes early must not kill.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;

        let running = listeners::start(&self, &settings.config, plan, Arc::clone(&engine), data).await?;
        for line in &running.banner {
            say(line);
        }
        if let Some(token) = fresh_token {
            for line in welcome(token, data, running.first_url.as_deref()) {
                say(&line);
            }
        }
        let continuous = continuous::start(engine);
        let mut inputs = inputs::Inputs::new(self.store.clone(), self.clock.clone());
        if !self.args.no_inputs {
            inputs.reconcile(&settings.inputs).await;
        }
        telemetry::reloaded(true, self.clock.now().0, settings.config.hash);
        let mut reload = reload::Watcher::start(&self.args.config, &settings.config);
        systemd::notify("READY=1");
        let watchdog = systemd::watchdog_interval();
        let mut tick = tokio::time::interval(watchdog.unwrap_or(Duration::from_secs(3600)));

        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => self.reload(&mut inputs, &mut reload, "SIGHUP").await,
                () = reload.changed() => self.reload(&mut inputs, &mut reload, "changed files").await,
                _ = tick.tick() => if watchdog.is_some() { systemd::notify("WATCHDOG=1") },
            }
        }
        systemd::notify("STOPPING=1");
        tracing::info!("stopping");
        continuous.abort();
        inputs.stop().await;
        running.stop(DRAIN).await;
        let store = self.store.clone();
        // A panic in there would have been reported; the log holds everything that was acknowledged.
        let _ = tokio::task::spawn_blocking(move || store.shutdown(FLUSH)).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Reads the configuration anew. Anything wrong: the old one goes on.
    async fn reload(&self, inputs: &mut inputs::Inputs, watcher: &mut reload::Watcher, why: &str) {
        systemd::notify("RELOADING=1");
        let args = self.args.config.clone();
        let read = tokio::task::spawn_blocking(move || settings::read(&args)).await;
        match read {
            Ok(Ok(settings)) => {
                for warning in &settings.warnings {
                    tracing::warn!("{warning}");
                }
                if !self.args.no_inputs {
                    inputs.reconcile(&settings.inputs).await;
                }
                watcher.follow(&settings.config);
                telemetry::reloaded(true, self.clock.now().0, settings.config.hash);
                tracing::info!(
                    why,
                    "configuration reloaded; changes to [store], [http], [auth] and [limits] wait for a restart"
                );
            }
            Ok(Err(bad)) => {
                telemetry::reloaded(false, self.clock.now().0, 0);
                for problem in &bad.0 {
                    tracing::error!("{problem}");
                }
                tracing::error!(why, "the new configuration is refused; the old one goes on");
            }
            Err(error) => tracing::error!(%error, "reading the configuration failed"),
        }
        systemd::notify("READY=1");
    }
}

/// A line for whoever started the program; a closed standard output is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn welcome(token: &str, data: &Path, url: Option<&str>) -> Vec<String> {
    let url = url.unwrap_or("http://127.0.0.1:8086");
    vec![
        String::new(),
        format!("operator token, made just now and kept in {}:", data.join("operator.token").display()),
        format!("  {token}"),
        String::new(),
        "to try:".to_owned(),
        format!("  curl -G {url}/query -H 'Authorization: Token {token}' \\"),
        "       --data-urlencode 'db=telegraf' \\".to_owned(),
        "       --data-urlencode 'q=SELECT mean(usage_idle) FROM cpu WHERE time > now() - 1m GROUP BY cpu'"
            .to_owned(),
        format!(
            "  curl '{url}/write?db=home' -H 'Authorization: Token {token}' --data-binary 'home,room=kitchen temp=22.5'"
        ),
        format!("  weir query --url {url} --data {} 'SHOW MEASUREMENTS'", data.display()),
        String::new(),
    ]
}

/// What the program says about itself.
struct Status {
    store: Store,
    prometheus: PrometheusHandle,
    started: TimestampNs,
    is_ready: AtomicBool,
}

impl Program for Status {
    fn health(&self) -> Health {
        let report = self.store.health();
        if report.ok {
            return Health::well();
        }
        let message = report.read_only.into_iter().chain(report.problems).collect::<Vec<_>>().join("; ");
        Health { is_well: false, message }
    }

    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn started(&self) -> TimestampNs {
        self.started
    }

    fn metrics(&self) -> String {
        telemetry::render(&self.prometheus, &self.store)
    }

    fn compact(&self) -> Option<Pin<Box<dyn Future<Output = Result<(), String>> + Send>>> {
        const DEADLINE: Duration = Duration::from_secs(30 * 60);
        let store = self.store.clone();
        Some(Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || store.compact(DEADLINE)).await;
            done.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
        }))
    }
}
