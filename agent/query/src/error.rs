//! Why a statement fails. The texts are those that InfluxDB 1.x answers.

use std::sync::Arc;

use weir_model::admin::AdminError;
use weir_model::read::ReadError;

/// Failure of one statement.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement makes no sense, or its target does not exist.
    #[error("{0}")]
    Statement(Arc<str>),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A change was refused.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Result of a step of a query.
pub(crate) type Result<T, E = QueryError> = std::result::Result<T, E>;

/// An error with this text.
pub(crate) fn fail(text: impl Into<Arc<str>>) -> QueryError {
    QueryError::Statement(text.into())
}

/// `Err` with this text.
pub(crate) fn refuse<T>(text: impl Into<Arc<str>>) -> Result<T> {
    Err(fail(text))
}
