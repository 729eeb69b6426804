//! `DIR/control.sock`: how commands beside a running daemon reach it. HTTP over a Unix socket that only its owner can open, so no token is
//! asked for.
//!
//! `GET /tokens` lists, `POST /tokens` makes one, `DELETE /tokens/ID` revokes one. Bodies are JSON.

mod client;
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weir_auth::{Authority, Grant, NewToken, Scope};
use weir_model::TimestampNs;

pub(crate) use client::call;
pub(crate) use server::Control;

/// The socket of a data directory.
pub(crate) fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// A token to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TokenRequest {
    pub(crate) name: String,
    /// Databases; empty = all.
    pub(crate) databases: Vec<String>,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) admin: bool,
    /// Nanoseconds since the Unix epoch.
    pub(crate) expires: Option<i64>,
}

/// A token just made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenMade {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// A token in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenListed {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) allows: String,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
}

/// An answer that is an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) error: String,
}

/// Makes a token.
pub(crate) fn create(
    authority: &Authority,
    request: &TokenRequest,
    now: TimestampNs,
) -> Result<TokenMade, String> {
    let (read, write) = match (request.read, request.write) {
        (false, false) => (true, true),
        both => both,
    };
    let grant = |scope| Grant { database: scope, read, write };
    let grants = match request.databases.as_slice() {
        [] => vec![grant(Scope::All)],
        names => names.iter().map(|name| grant(Scope::from(name.clone()))).collect(),
    };
    let new = NewToken {
        name: request.name.clone(),
        grants,
        is_admin: request.admin,
        expires: request.expires.map(TimestampNs),
        secret: None,
    };
    let made = authority.create(new, now).map_err(|e| e.to_string())?;
    Ok(TokenMade { id: made.id, token: made.secret.reveal().to_owned() })
}

/// Lists the tokens.
pub(crate) fn list(authority: &Authority) -> Vec<TokenListed> {
    let allows = |admin: bool, grants: &[Grant]| {
        if admin {
            return "everything".to_owned();
        }
        let one = |g: &Grant| {
            let what = match (g.read, g.write) {
                (true, true) => "read,write",
                (true, false) => "read",
                _ => "write",
            };
            format!("{what}:{}", g.database)
        };
        grants.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    authority
        .list()
        .into_iter()
        .map(|token| TokenListed {
            id: token.id,
            name: token.identity.name.clone(),
            allows: allows(token.identity.is_admin, &token.identity.grants),
            created: token.created.0,
            expires: token.expires.map(|t| t.0),
        })
        .collect()
}
