//! The way into the store, as HTTP and the plugins see it.
//!
//! A connection (or an input) takes one [`BatchWriter`] and keeps it: it carries what makes the next request cheap. One
//! request is [`begin`](BatchWriter::begin), points into the [`sink`](BatchWriter::sink), and [`commit`](BatchWriter::commit), with a commit
//! and a new begin in between whenever [`wants_commit`](BatchWriter::wants_commit) says so. What was acknowledged is durable as configured.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use weir_model::PointSink;

/// Who brought the points; recorded in the log. 0 is HTTP, the others are input aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceId(pub u16);

/// Where points go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteTarget {
    /// Database name.
    pub database: Arc<str>,
    /// Retention policy; `None` = the database's default.
    pub policy: Option<Arc<str>>,
    /// Make the database if it is absent.
    pub create_database: bool,
    /// Who brings them.
    pub source: SourceId,
}

/// Hands out writers.
pub trait Ingest: Send + Sync + 'static {
    /// What it hands out.
    type Writer: BatchWriter;
    /// A writer for one connection or input.
    fn writer(&self) -> Self::Writer;
}

/// Writes batch after batch.
pub trait BatchWriter: Send + 'static {
    /// Where the points go.
    type Sink: PointSink + Send;

    /// Starts a batch: finds (or makes) the database and reserves memory, waiting a bounded time for it. Templates and slots learnt
    /// from the sink stay valid if the target equals that of the previous batch; otherwise the driver forgets them.
    ///
    /// # Errors
    /// [`IngestError`]; no batch is open then.
    fn begin(&mut self, target: &WriteTarget) -> impl Future<Output = Result<(), IngestError>> + Send;

    /// The open batch.
    fn sink(&mut self) -> &mut Self::Sink;

    /// Whether the open batch has reached the size at which it should be committed.
    fn wants_commit(&self) -> bool;

    /// Submits the open batch and waits until it is durable and visible. Dropping the future does not take the batch back. An
    /// empty batch is fine.
    ///
    /// # Errors
    /// [`IngestError`]. After [`IngestError::Unavailable`] the outcome may be unknown; sending the same points again is
    /// harmless.
    fn commit(&mut self) -> impl Future<Output = Result<(), IngestError>> + Send;

    /// Forgets the open batch, e.g. in strict mode.
    fn discard(&mut self);
}

/// Why a batch is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// No such database, and it may not be made.
    #[error("database not found: \"{0}\"")]
    DatabaseNotFound(String),
    /// No such policy.
    #[error("retention policy not found: {0}")]
    PolicyNotFound(String),
    /// Memory, queue or log are full for now.
    #[error("this service is overloaded, please try again later")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The store takes no writes; the text says why and what to do.
    #[error("{0}")]
    Unavailable(String),
}
