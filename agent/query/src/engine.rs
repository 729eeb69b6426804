//! The engine: threads, limits and the entry point for a request's statements.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use weir_influxql::{Query, Statement};
use weir_model::Clock;
use weir_model::admin::Admin;
use weir_model::read::{ReadContext, ReadError, Source};

use crate::continuous::{self, ContinuousRuns, Kept};
use crate::error::{QueryError, Result};
use crate::exec::pool::Pool;
use crate::into::PointWriter;
use crate::records::{RecordStore, RecordStoreError};
use crate::result::{Level, Message, Piece};
use crate::running::{Registry, Running};
use crate::statement::{self, Session};
use crate::stream::{ResultStream, queue};
use crate::threads::Threads;

/// Limits and sizes; 0 means no limit where a limit is meant.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Threads that scan and compute. 0 = one for each core.
    pub threads: usize,
    /// Bytes one query may hold; 0 = any.
    pub memory_bytes_max: u64,
    /// Queries that may run at once; one more is refused.
    pub concurrent_queries_max: usize,
    /// Time one request may take; zero = as long as it needs.
    pub timeout: Duration,
    /// Points one SELECT may read.
    pub select_points_max: u64,
    /// Series one SELECT may read.
    pub select_series_max: u64,
    /// Time buckets one SELECT may make.
    pub select_buckets_max: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            memory_bytes_max: 1 << 30,
            concurrent_queries_max: 0,
            timeout: Duration::ZERO,
            select_points_max: 0,
            select_series_max: 0,
            select_buckets_max: 0,
        }
    }
}

/// Tells which databases a user may see in SHOW DATABASES.
pub type Visible = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What a request says beside its statements.
#[derive(Clone, Default)]
pub struct ExecContext {
    /// Database for statements that name none (`db`).
    pub database: Option<Arc<str>>,
    /// Retention policy for sources that name none (`rp`); `None` = the database's default.
    pub policy: Option<Arc<str>>,
    /// The request came by GET: statements that change things still run, with a warning about it.
    pub read_only: bool,
    /// Which databases SHOW DATABASES lists; `None` = all.
    pub visible: Option<Visible>,
}

impl fmt::Debug for ExecContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecContext")
            .field("database", &self.database)
            .field("policy", &self.policy)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Runs statements.
pub struct Engine {
    parts: Arc<Parts>,
    threads: Threads,
}

/// What running queries share.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) admin: Arc<dyn Admin>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: EngineOptions,
    pub(crate) pool: Arc<Pool>,
    pub(crate) writer: Option<Arc<dyn PointWriter>>,
    pub(crate) running: Arc<Registry>,
    pub(crate) continuous: Arc<Kept>,
    /// Time at which the engine was made.
    pub(crate) started: i64,
}

impl Engine {
    /// An engine that reads from `source` and changes databases through `admin`.
    #[must_use]
    pub fn new(
        source: Arc<dyn Source>,
        admin: Arc<dyn Admin>,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if options.threads == 0 { cores() } else { options.threads };
        let pool = Arc::new(Pool::new(threads));
        let parts = Parts {
            source,
            admin,
            started: clock.now().0,
            clock,
            options,
            pool,
            writer: None,
            running: Arc::default(),
            continuous: Arc::default(),
        };
        Self { parts: Arc::new(parts), threads: Threads::default() }
    }

    /// The same engine with a place for SELECT INTO to write to; without one such statements are refused.
    #[must_use]
    pub fn with_writer(self, writer: Arc<dyn PointWriter>) -> Self {
        let parts = Parts { writer: Some(writer), ..Parts::clone(&self.parts) };
        Self { parts: Arc::new(parts), threads: self.threads }
    }

    /// The same engine with a place for what must outlive a restart; without one, continuous queries live as long as the engine.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn with_records(self, records: Arc<dyn RecordStore>) -> Result<Self, RecordStoreError> {
        let continuous = Arc::new(Kept::load(records)?);
        let parts = Parts { continuous, ..Parts::clone(&self.parts) };
        Ok(Self { parts: Arc::new(parts), threads: self.threads })
    }

    /// Runs the continuous queries that are due, and returns when they are done. To be called about once a second, by one
    /// thread.
    pub fn run_continuous_queries(&self) -> ContinuousRuns {
        continuous::run_due(self, &self.parts)
    }

    /// Starts to run the statements of `query`, one after the other, on a thread of the engine. Never blocks.
    ///
    /// After a statement that fails, the later ones answer `not executed`.
    #[must_use]
    pub fn execute(&self, query: Query, context: ExecContext) -> ResultStream {
        let options = &self.parts.options;
        let memory = if options.memory_bytes_max == 0 { u64::MAX } else { options.memory_bytes_max };
        let reading = Arc::new(ReadContext::new(memory));
        let (sender, stream) = queue(Arc::clone(&reading));
        let parts = Arc::clone(&self.parts);
        let texts: Vec<String> = query.statements.iter().map(ToString::to_string).collect();
        let running = Running {
            text: texts.join("; ").into(),
            database: context.database.clone().unwrap_or_default(),
            started: parts.clock.monotonic_ns(),
            context: Arc::clone(&reading),
        };
        let max = options.concurrent_queries_max;
        let id = match parts.running.add(running, max) {
            Ok(id) => id,
            Err(count) => {
                let text = format!("max-concurrent-queries limit exceeded({count}, {max})");
                for id in 0..query.statements.len() {
                    let text = if id == 0 { text.as_str() } else { NOT_EXECUTED };
                    sender.send_always(Piece::Statement { id });
                    sender.send_always(Piece::Error(text.into()));
                    sender.send_always(Piece::End);
                }
                return stream;
            }
        };
        let guard = Guard { parts: Arc::clone(&parts), id };
        let deadline = (!options.timeout.is_zero()).then(|| {
            let now = parts.clock.monotonic_ns();
            now.saturating_add(u64::try_from(options.timeout.as_nanos()).unwrap_or(u64::MAX))
        });
        self.threads.run(Box::new(move || {
            let guard = guard;
            let session = Session {
                parts: &guard.parts,
                context: &context,
                reading: &reading,
                sender: &sender,
                deadline,
            };
            // A panic is a fault of ours; the client hears of it, and the thread goes on to other queries.
            if catch_unwind(AssertUnwindSafe(|| run_all(query, &session))).is_err() {
                metrics::counter!("weir_query_panics_total").increment(1);
                sender.send_always(Piece::Error("internal error while running the query".into()));
                sender.send_always(Piece::End);
            }
        }));
        stream
    }
}

const NOT_EXECUTED: &str = "not executed";

/// Keeps a query among the running ones until it is dropped.
struct Guard {
    parts: Arc<Parts>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.parts.running.remove(self.id);
    }
}

fn run_all(query: Query, session: &Session<'_>) {
    let started = session.parts.clock.monotonic_ns();
    let mut failed = false;
    for (id, statement) in query.statements.into_iter().enumerate() {
        session.sender.send_always(Piece::Statement { id });
        if failed {
            session.sender.send_always(Piece::Error(NOT_EXECUTED.into()));
        } else if let Err(error) = run_one(statement, session) {
            failed = true;
            session.sender.send_always(Piece::Error(text_of(&error, session).into()));
        }
        session.sender.send_always(Piece::End);
        // All that the statement held is gone.
        session.reading.release(session.reading.used());
    }
    let elapsed = session.parts.clock.monotonic_ns().saturating_sub(started);
    metrics::histogram!("weir_query_duration_seconds").record(elapsed as f64 / 1e9);
}

fn run_one(statement: Statement, session: &Session<'_>) -> Result<()> {
    // 1.x has no such remark on these two.
    let unremarked = matches!(statement, Statement::Delete(_) | Statement::KillQuery(_));
    if session.context.read_only && !statement.is_read_only() && !unremarked {
        warn_read_only(&statement, session);
    }
    session.check()?;
    statement::run(statement, session)
}

/// Says that the statement should have come by POST, with the names that it leaves out.
fn warn_read_only(statement: &Statement, session: &Session<'_>) {
    let mut statement = statement.clone();
    let database = session.context.database.as_deref();
    let default = || {
        let policies = session.snapshot().ok()?.policies(database?)?;
        policies.into_iter().find(|p| p.is_default).map(|p| p.name)
    };
    let policy = session.context.policy.clone().or_else(default);
    statement.fill_defaults(database, policy.as_deref());
    let text =
        format!("deprecated use of '{statement}' in a read only context, please use a POST request instead");
    session.sender.send_always(Piece::Message(Message { level: Level::Warning, text: text.into() }));
}

/// The text for the client; a cancelled query that is past its deadline says so.
fn text_of(error: &QueryError, session: &Session<'_>) -> String {
    if matches!(error, QueryError::Read(ReadError::Cancelled)) && session.is_late() {
        return "query-timeout limit exceeded".to_owned();
    }
    error.to_string()
}
