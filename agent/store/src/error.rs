//! What goes wrong, for those who write and those who open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_catalog::CatalogError;
use weir_fs::FsError;

/// Why a batch is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No such database (any more).
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
    /// The store takes no writes, or the outcome is unknown; the text says why and what to do.
    #[error("{0}")]
    Unavailable(Arc<str>),
}

impl WriteError {
    pub(crate) fn unavailable(text: impl Into<Arc<str>>) -> Self {
        Self::Unavailable(text.into())
    }
}

impl From<CatalogError> for WriteError {
    fn from(error: CatalogError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The catalog does not open.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The log cannot be read.
    #[error(transparent)]
    Wal(#[from] weir_wal::WalError),
    /// The replayed points could not be sealed.
    #[error("the replayed log cannot be sealed")]
    Flush(#[from] FlushError),
    /// A file named in the manifest is missing or damaged.
    #[error("{}: {what}; restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A thread could not be started.
    #[error("cannot start thread {name}: {source}")]
    Thread {
        /// Its name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Why sealing or flushing failed. The points are still in the log and in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The catalog did not take the change.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A segment could not be written or read.
    #[error(transparent)]
    Segment(#[from] weir_segment::SegmentError),
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopping,
}
