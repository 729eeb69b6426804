//! Databases, retention policies, subscriptions, continuous queries, deletion.

use super::expr::Expr;
use super::select::{SelectStatement, Source};

/// `CREATE DATABASE name [WITH [DURATION d] [REPLICATION n] [SHARD DURATION d] [NAME rp]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDatabase {
    /// Name of the database.
    pub name: String,
    /// The WITH clause: a first retention policy.
    pub policy: Option<NewDatabasePolicy>,
}

/// The WITH clause of CREATE DATABASE. Durations in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NewDatabasePolicy {
    /// DURATION; 0 = INF.
    pub duration_ns: Option<i64>,
    /// REPLICATION.
    pub replication: Option<u32>,
    /// SHARD DURATION; 0 = not given or INF, the server chooses.
    pub shard_duration_ns: i64,
    /// NAME.
    pub name: Option<String>,
}

/// `DROP DATABASE name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropDatabase {
    /// Name of the database.
    pub name: String,
}

/// `CREATE RETENTION POLICY name ON db DURATION d REPLICATION n [SHARD DURATION d] [DEFAULT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRetentionPolicy {
    /// Name of the policy.
    pub name: String,
    /// Database.
    pub database: String,
    /// How long data lives, in nanoseconds; 0 = INF.
    pub duration_ns: i64,
    /// Copies; at least 1.
    pub replication: u32,
    /// Window of a shard group in nanoseconds; 0 = the server chooses.
    pub shard_duration_ns: i64,
    /// Whether it becomes the default.
    pub default: bool,
}

/// `ALTER RETENTION POLICY name ON db [DURATION d] [REPLICATION n] [SHARD DURATION d] [DEFAULT]`, at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterRetentionPolicy {
    /// Name of the policy.
    pub name: String,
    /// Database.
    pub database: String,
    /// DURATION in nanoseconds; 0 = INF.
    pub duration_ns: Option<i64>,
    /// REPLICATION.
    pub replication: Option<u32>,
    /// SHARD DURATION in nanoseconds.
    pub shard_duration_ns: Option<i64>,
    /// Whether it becomes the default.
    pub default: bool,
}

/// `DROP RETENTION POLICY name ON db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRetentionPolicy {
    /// Name of the policy.
    pub name: String,
    /// Database.
    pub database: String,
}

/// `CREATE SUBSCRIPTION name ON db.rp DESTINATIONS ALL|ANY 'url', …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSubscription {
    /// Name of the subscription.
    pub name: String,
    /// Database.
    pub database: String,
    /// Retention policy.
    pub retention_policy: String,
    /// To all destinations or to one in turn.
    pub mode: SubscriptionMode,
    /// Where to.
    pub destinations: Vec<String>,
}

/// How a subscription uses its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionMode {
    /// Each point to every destination.
    All,
    /// Each point to one destination.
    Any,
}

/// `DROP SUBSCRIPTION name ON db.rp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropSubscription {
    /// Name of the subscription.
    pub name: String,
    /// Database.
    pub database: String,
    /// Retention policy.
    pub retention_policy: String,
}

/// `CREATE CONTINUOUS QUERY name ON db [RESAMPLE [EVERY d] [FOR d]] BEGIN SELECT … INTO … END`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateContinuousQuery {
    /// Name of the query.
    pub name: String,
    /// Database.
    pub database: String,
    /// RESAMPLE EVERY in nanoseconds; 0 = not given.
    pub resample_every_ns: i64,
    /// RESAMPLE FOR in nanoseconds; 0 = not given.
    pub resample_for_ns: i64,
    /// The SELECT; it has a target.
    pub select: Box<SelectStatement>,
}

/// `DROP CONTINUOUS QUERY name ON db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropContinuousQuery {
    /// Name of the query.
    pub name: String,
    /// Database.
    pub database: String,
}

/// `DROP MEASUREMENT name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropMeasurement {
    /// Name of the measurement.
    pub name: String,
}

/// `DROP SERIES [FROM …] [WHERE …]`, at least one of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct DropSeries {
    /// The FROM clause, without databases and policies; empty when there is none.
    pub sources: Vec<Source>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
}

/// `DELETE [FROM …] [WHERE …]`, at least one of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The FROM clause, without databases; empty when there is none.
    pub sources: Vec<Source>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
}

/// `DROP SHARD id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropShard {
    /// Number of the shard.
    pub id: u64,
}

/// `KILL QUERY id [ON host]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillQuery {
    /// Number of the query.
    pub id: u64,
    /// Host, if named.
    pub host: Option<String>,
}
