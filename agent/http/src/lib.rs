//! The v1 HTTP API in two dialects: routes, parameters, credentials, response formats.
//!
//! [`Api`] answers requests of one listener; [`Shared`] is what all listeners have in common. The difference between the
//! dialects is a table ([`Dialect`]): which parameters, precisions, names and statements are accepted, and how an error looks.
//! Handlers give `Result<Response, ApiError>`, and one function renders errors. Points go to an
//! [`Ingest`](weir_pipeline::Ingest), questions to the query [`Engine`](weir_query::Engine); files and the store are unknown here.

mod access;
mod answer;
mod api;
mod credentials;
mod dialect;
mod error;
mod format;
mod headers;
mod naming;
mod options;
mod params;
mod query;
mod route;
mod status;
mod write;

pub use api::{Api, Shared};
pub use dialect::{Dialect, UnknownDialect};
pub use options::{HttpOptions, SharedOptions};
pub use status::{Health, Program};

#[cfg(test)]
mod tests;
