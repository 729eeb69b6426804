//! The engine: threads, limits and the entry point for a request's statements.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use weir_influxql::Query;
use weir_model::Clock;
use weir_model::admin::Admin;
use weir_model::read::{ReadContext, Source};

use crate::stream::{ResultStream, queue};

/// Limits and sizes; 0 means no limit where a limit is meant.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Threads that scan and compute. 0 = one for each core.
    pub threads: usize,
    /// Bytes one query may hold.
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
    source: Arc<dyn Source>,
    admin: Arc<dyn Admin>,
    clock: Arc<dyn Clock>,
    options: EngineOptions,
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
        Self { source, admin, clock, options }
    }

    /// Starts to run the statements of `query`, one after the other, on a thread of the engine. Never blocks.
    ///
    /// After a statement that fails, the later ones answer `not executed`.
    #[must_use]
    pub fn execute(&self, query: Query, context: ExecContext) -> ResultStream {
        let reading = Arc::new(ReadContext::new(self.options.memory_bytes_max));
        let (sender, stream) = queue(reading);
        drop((sender, query, context, &self.source, &self.admin, &self.clock));
        stream
    }
}
