//! What is kept about a token, and what it allows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody wants to do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Query it.
    Read,
    /// Write points into it.
    Write,
}

/// Which databases a grant is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Scope {
    /// Every database, those to come included. Written `*`.
    All,
    /// One.
    Database(String),
}

impl From<String> for Scope {
    fn from(text: String) -> Self {
        if text == "*" { Self::All } else { Self::Database(text) }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => "*".to_owned(),
            Scope::Database(name) => name,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Database(name) => f.write_str(name),
        }
    }
}

/// Permissions on one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Where.
    pub database: Scope,
    /// Whether it may be queried.
    #[serde(default)]
    pub read: bool,
    /// Whether points may be written.
    #[serde(default)]
    pub write: bool,
}

impl Grant {
    fn gives(&self, database: &str, permission: Permission) -> bool {
        let here = match &self.database {
            Scope::All => true,
            Scope::Database(name) => name == database,
        };
        here && match permission {
            Permission::Read => self.read,
            Permission::Write => self.write,
        }
    }
}

/// Somebody known, and what they may do. Cheap to ask, shared by all requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What they are called in logs and messages: the name of a token, later of a user.
    pub name: String,
    /// Whether everything is allowed, administration included.
    pub is_admin: bool,
    /// What is allowed otherwise.
    pub grants: Vec<Grant>,
}

impl Identity {
    /// Whoever asks, when authentication is switched off: everything is allowed.
    #[must_use]
    pub fn anybody() -> Self {
        Self { name: String::new(), is_admin: true, grants: Vec::new() }
    }

    /// Whether they may do this with that database.
    #[must_use]
    pub fn may(&self, permission: Permission, database: &str) -> bool {
        self.is_admin || self.grants.iter().any(|grant| grant.gives(database, permission))
    }

    /// Whether they may know that the database is there.
    #[must_use]
    pub fn may_see(&self, database: &str) -> bool {
        self.may(Permission::Read, database) || self.may(Permission::Write, database)
    }

    /// Whether they may read something at all, e.g. figures about all databases.
    #[must_use]
    pub fn may_read_anything(&self) -> bool {
        self.is_admin || self.grants.iter().any(|grant| grant.read)
    }
}

/// Keeps records, without looking inside. Calls block until the change is durable.
pub trait RecordStore: Send + Sync {
    /// All records: key and bytes.
    ///
    /// # Errors
    /// [`RecordStoreError`].
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError>;
    /// Writes one, new or not.
    ///
    /// # Errors
    /// [`RecordStoreError`]; the old state holds then.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), RecordStoreError>;
    /// Removes one; an absent one is fine.
    ///
    /// # Errors
    /// [`RecordStoreError`]; the old state holds then.
    fn delete(&self, key: &str) -> Result<(), RecordStoreError>;
}

/// Records cannot be read or written; the text says where, why and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordStoreError(pub String);

/// A record as kept: JSON with the kind of what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Record {
    Token(TokenRecord),
}

/// A token, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) name: String,
    /// SHA-256 of the text, hexadecimal.
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) admin: bool,
    /// Whether this is the token made (or given) at the first start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) operator: bool,
    #[serde(default)]
    pub(crate) grants: Vec<Grant>,
    /// Nanoseconds since the Unix epoch.
    #[serde(default)]
    pub(crate) created: i64,
    /// Nanoseconds since the Unix epoch; the token works before that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(grants: &[(&str, bool, bool)]) -> Identity {
        let grants = grants
            .iter()
            .map(|&(database, read, write)| Grant { database: database.to_owned().into(), read, write })
            .collect();
        Identity { name: "t".into(), is_admin: false, grants }
    }

    #[test]
    fn grants_hold_for_their_database_and_permission_only() {
        let who = identity(&[("a", true, false), ("b", false, true), ("foo/bar", true, true)]);
        assert!(who.may(Permission::Read, "a") && !who.may(Permission::Write, "a"));
        assert!(!who.may(Permission::Read, "b") && who.may(Permission::Write, "b"));
        assert!(who.may(Permission::Write, "foo/bar") && !who.may(Permission::Write, "foo"));
        assert!(who.may_see("a") && who.may_see("b") && !who.may_see("c"));
    }

    #[test]
    fn a_star_means_every_database_and_an_admin_needs_no_grant() {
        let who = identity(&[("*", true, false)]);
        assert!(who.may(Permission::Read, "x") && !who.may(Permission::Write, "x"));
        assert!(Identity::anybody().may(Permission::Write, "x"));
        assert!(!identity(&[]).may_see("x"));
    }
}
