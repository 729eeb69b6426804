//! Why the catalog does not open, or does not take a change.

use std::path::PathBuf;
use std::sync::Arc;

use weir_fs::FsError;
use weir_model::Refusal;

/// What goes wrong between the catalog and its disk.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file operation failed.
    #[error("{0}")]
    Fs(Arc<FsError>),
    /// Another process works on the directory.
    #[error(
        "the data directory {} is in use by another process; stop it first, or choose another directory",
        .dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory holds something else.
    #[error(
        "{} is not empty and holds no store.toml, so it is not a data directory of Weir; choose an empty or absent one",
        .dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
    },
    /// Written by a newer version.
    #[error(
        "{} has format {found}; this version of Weir reads formats up to {newest}; install a newer one",
        .path.display()
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one understood.
        newest: u32,
    },
    /// A file of the catalog does not say what it must.
    #[error("{}: {what}; restore it from a backup, or rebuild it with `weir doctor --rebuild-manifest`", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which byte.
        what: String,
    },
    /// An edit does not fit the state; nothing was changed.
    #[error("the change does not fit the catalog: {0}")]
    Invalid(String),
    /// The change could not be made durable and was taken back. The next one may succeed.
    #[error("the change could not be written to the manifest and was taken back: {0}")]
    NotDurable(Arc<str>),
    /// Nothing can be changed until a restart.
    #[error("the store is read-only until it is restarted: {0}")]
    ReadOnly(Arc<str>),
}

impl From<FsError> for CatalogError {
    fn from(error: FsError) -> Self {
        Self::Fs(Arc::new(error))
    }
}

/// Why something is not claimed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClaimError {
    /// The point is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalog takes no changes: the request as a whole cannot be served.
    #[error(transparent)]
    Unavailable(#[from] CatalogError),
}
