//! What may be changed from outside beside writing points: databases, retention policies, and what is deleted.
//!
//! Calls block until the change is durable.

use std::sync::Arc;

use crate::read::TagFilter;
use crate::time::TimeRange;

/// A retention policy to make. Names are taken as they are; the caller has checked their syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySpec {
    /// Its name.
    pub name: String,
    /// How long points live, nanoseconds; 0 = for ever; otherwise at least one hour.
    pub duration_ns: i64,
    /// Length of a shard group, nanoseconds; `None` or 0 = by the rule of InfluxDB 1.x (duration under 2 days: 1 h; up to
    /// 180 days: 1 day; else 7 days).
    pub shard_group_duration_ns: Option<i64>,
    /// Replication factor, stored only; at least 1.
    pub replica_n: u32,
    /// Whether it becomes the database's default.
    pub make_default: bool,
}

/// Changes to a policy; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// New duration, nanoseconds; 0 = for ever.
    pub duration_ns: Option<i64>,
    /// New length of shard groups made from now on.
    pub shard_group_duration_ns: Option<i64>,
    /// New replication factor.
    pub replica_n: Option<u32>,
    /// Make it the default.
    pub make_default: bool,
}

/// Points to delete, in all policies of a database.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Measurements, each with the series of it that are meant. A name that does not exist is fine.
    pub targets: Vec<(Arc<str>, TagFilter)>,
    /// Times.
    pub range: TimeRange,
}

/// Makes, changes and drops databases and policies, and deletes points.
pub trait Admin: Send + Sync {
    /// Makes a database with policy `autogen` (for ever, groups of 7 days), or with `policy` as its default. An existing
    /// database is fine unless `policy` contradicts it.
    ///
    /// # Errors
    /// [`AdminError`].
    fn create_database(&self, name: &str, policy: Option<PolicySpec>) -> Result<(), AdminError>;
    /// Drops a database and all in it. An absent one is fine.
    ///
    /// # Errors
    /// [`AdminError`].
    fn drop_database(&self, name: &str) -> Result<(), AdminError>;
    /// Makes a policy. An identical one is fine.
    ///
    /// # Errors
    /// [`AdminError`].
    fn create_policy(&self, database: &str, spec: PolicySpec) -> Result<(), AdminError>;
    /// Changes a policy.
    ///
    /// # Errors
    /// [`AdminError`].
    fn alter_policy(&self, database: &str, name: &str, change: PolicyChange) -> Result<(), AdminError>;
    /// Drops a policy and all in it. An absent one is fine; an absent database is not.
    ///
    /// # Errors
    /// [`AdminError`].
    fn drop_policy(&self, database: &str, name: &str) -> Result<(), AdminError>;
    /// Deletes points. All points acknowledged before the call are covered, none that are sent after it; fields keep their types.
    ///
    /// # Errors
    /// [`AdminError`]; whoever keeps no points refuses.
    fn delete(&self, database: &str, deletion: &Deletion) -> Result<(), AdminError> {
        let _ = (database, deletion);
        Err(AdminError::NoPoints)
    }
    /// Drops a measurement of all policies with its series, fields and their types. An absent one is fine; an absent database is not.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    fn drop_measurement(&self, database: &str, name: &str) -> Result<(), AdminError> {
        let _ = (database, name);
        Err(AdminError::NoPoints)
    }
    /// Drops the shard group of this number (see [`ShardGroupInfo`](crate::read::ShardGroupInfo)) with all in it. An absent one is fine.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    fn drop_shard(&self, id: u64) -> Result<(), AdminError> {
        let _ = id;
        Err(AdminError::NoPoints)
    }
}

/// Why a change is refused. Texts are InfluxDB 1.x's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No such database.
    #[error("database not found: {0}")]
    DatabaseNotFound(String),
    /// No such policy.
    #[error("retention policy not found: {0}")]
    PolicyNotFound(String),
    /// There is one of this name with other properties.
    #[error("retention policy already exists")]
    PolicyExists,
    /// The database's default policy differs from the one asked for.
    #[error("retention policy conflicts with an existing policy")]
    PolicyConflict,
    /// Shorter than the least duration.
    #[error("retention policy duration must be at least 1h0m0s")]
    DurationTooShort,
    /// The shard group is longer than the policy.
    #[error("retention policy duration must be greater than the shard duration")]
    ShardDurationTooLong,
    /// An empty or impossible name.
    #[error("invalid name")]
    InvalidName,
    /// Names are kept here, but no points.
    #[error("points cannot be deleted here")]
    NoPoints,
    /// The store takes no changes; the text says why.
    #[error("{0}")]
    ReadOnly(String),
}
