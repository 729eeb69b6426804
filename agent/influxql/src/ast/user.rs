//! Users and what they may do.

use std::fmt;

/// A password. Printing shows `[REDACTED]`, debugging too.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// `CREATE USER name WITH PASSWORD '…' [WITH ALL PRIVILEGES]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateUser {
    /// Name of the user.
    pub name: String,
    /// Password in clear.
    pub password: Password,
    /// WITH ALL PRIVILEGES.
    pub admin: bool,
}

/// `DROP USER name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropUser {
    /// Name of the user.
    pub name: String,
}

/// `SET PASSWORD FOR name = '…'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPassword {
    /// Name of the user.
    pub name: String,
    /// Password in clear.
    pub password: Password,
}

/// What a user may do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// READ.
    Read,
    /// WRITE.
    Write,
    /// ALL, or ALL PRIVILEGES.
    All,
}

/// `GRANT privilege ON db TO user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The privilege.
    pub privilege: Privilege,
    /// Database.
    pub database: String,
    /// Name of the user.
    pub user: String,
}

/// `GRANT ALL [PRIVILEGES] TO user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantAdmin {
    /// Name of the user.
    pub user: String,
}

/// `REVOKE privilege ON db FROM user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// The privilege.
    pub privilege: Privilege,
    /// Database.
    pub database: String,
    /// Name of the user.
    pub user: String,
}

/// `REVOKE ALL [PRIVILEGES] FROM user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeAdmin {
    /// Name of the user.
    pub user: String,
}

/// `SHOW GRANTS FOR user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowGrants {
    /// Name of the user.
    pub user: String,
}
