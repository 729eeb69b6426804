//! Who may do what: tokens, their grants, and decisions.
//!
//! An [`Authority`] holds all records in memory and writes each change through a [`RecordStore`] before it takes effect, so that
//! a created token works at once and a revoked one stops at once. It knows neither HTTP nor files.
//!
//! **Secrets.** A token is random and long (256 bits when made here), so one unsalted SHA-256 of it is what is kept: nothing can
//! be learnt from the digest, equal digests mean equal tokens, and checking a request costs well under a microsecond. Passwords
//! that people choose need a slow, salted hash; the record format has room for further kinds beside tokens.

mod authority;
mod record;
mod secret;

pub use authority::{Authority, AuthorityError, CreatedToken, NewToken, Operator, TokenView};
pub use record::{Grant, Identity, Permission, RecordStore, RecordStoreError, Scope};
pub use secret::{Secret, SecretError, TOKEN_PREFIX};

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Never made, or revoked.
    #[error("no such token")]
    Unknown,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The records cannot be read at the moment.
    #[error("{0}")]
    Unavailable(String),
}
