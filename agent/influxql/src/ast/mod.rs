//! The syntax tree.
//!
//! [`Query`] is what a request holds, [`Statement`] one of its parts. [`expr`] has expressions and literals, [`select`]
//! SELECT, [`show`] the SHOW family, [`manage`] databases, policies, continuous queries and deletion, [`user`] users and grants.
//! A name that 1.x treats as absent when it is empty (a database, a policy) is an `Option`; durations are nanoseconds;
//! a limit of 0 means none.

pub mod expr;
pub mod manage;
pub mod select;
pub mod show;
pub mod user;

pub use expr::{BinaryExpr, BinaryOp, Call, DataType, Expr, VarRef, WildcardKind};
pub use manage::{
    AlterRetentionPolicy, CreateContinuousQuery, CreateDatabase, CreateRetentionPolicy, CreateSubscription,
    Delete, DropContinuousQuery, DropDatabase, DropMeasurement, DropRetentionPolicy, DropSeries, DropShard,
    DropSubscription, KillQuery, NewDatabasePolicy, SubscriptionMode,
};
pub use select::{
    Dimension, Field, Fill, Measurement, MeasurementName, OrderBy, SelectStatement, Source, Target,
    TargetMeasurement,
};
pub use show::{
    CardinalityOf, KeyFilter, ShowCardinality, ShowFieldKeys, ShowMeasurements, ShowRetentionPolicies,
    ShowSeries, ShowTagKeys, ShowTagValues,
};
pub use user::{
    CreateUser, DropUser, Grant, GrantAdmin, Password, Privilege, Revoke, RevokeAdmin, SetPassword,
    ShowGrants,
};

/// The statements of one request, in order. May be empty (`;` alone is no error).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Query {
    /// The statements.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `SELECT …`, with or without INTO.
    Select(Box<SelectStatement>),
    /// `EXPLAIN [ANALYZE] SELECT …`.
    Explain(Explain),
    /// `DELETE …`.
    Delete(Delete),
    /// `DROP SERIES …`.
    DropSeries(DropSeries),
    /// `DROP MEASUREMENT m`.
    DropMeasurement(DropMeasurement),
    /// `DROP SHARD 1`.
    DropShard(DropShard),
    /// `CREATE DATABASE db …`.
    CreateDatabase(CreateDatabase),
    /// `DROP DATABASE db`.
    DropDatabase(DropDatabase),
    /// `CREATE RETENTION POLICY …`.
    CreateRetentionPolicy(CreateRetentionPolicy),
    /// `ALTER RETENTION POLICY …`.
    AlterRetentionPolicy(AlterRetentionPolicy),
    /// `DROP RETENTION POLICY …`.
    DropRetentionPolicy(DropRetentionPolicy),
    /// `CREATE SUBSCRIPTION …`.
    CreateSubscription(CreateSubscription),
    /// `DROP SUBSCRIPTION …`.
    DropSubscription(DropSubscription),
    /// `CREATE CONTINUOUS QUERY …`.
    CreateContinuousQuery(CreateContinuousQuery),
    /// `DROP CONTINUOUS QUERY …`.
    DropContinuousQuery(DropContinuousQuery),
    /// `CREATE USER …`.
    CreateUser(CreateUser),
    /// `DROP USER …`.
    DropUser(DropUser),
    /// `SET PASSWORD FOR …`.
    SetPassword(SetPassword),
    /// `GRANT … ON db TO user`.
    Grant(Grant),
    /// `GRANT ALL TO user`.
    GrantAdmin(GrantAdmin),
    /// `REVOKE … ON db FROM user`.
    Revoke(Revoke),
    /// `REVOKE ALL FROM user`.
    RevokeAdmin(RevokeAdmin),
    /// `KILL QUERY 1`.
    KillQuery(KillQuery),
    /// `SHOW DATABASES`.
    ShowDatabases,
    /// `SHOW RETENTION POLICIES …`.
    ShowRetentionPolicies(ShowRetentionPolicies),
    /// `SHOW MEASUREMENTS …`.
    ShowMeasurements(ShowMeasurements),
    /// `SHOW SERIES …`.
    ShowSeries(ShowSeries),
    /// `SHOW TAG KEYS …`.
    ShowTagKeys(ShowTagKeys),
    /// `SHOW TAG VALUES …`.
    ShowTagValues(ShowTagValues),
    /// `SHOW FIELD KEYS …`.
    ShowFieldKeys(ShowFieldKeys),
    /// `SHOW … CARDINALITY …`.
    ShowCardinality(ShowCardinality),
    /// `SHOW CONTINUOUS QUERIES`.
    ShowContinuousQueries,
    /// `SHOW GRANTS FOR user`.
    ShowGrants(ShowGrants),
    /// `SHOW USERS`.
    ShowUsers,
    /// `SHOW QUERIES`.
    ShowQueries,
    /// `SHOW SHARDS`.
    ShowShards,
    /// `SHOW SHARD GROUPS`.
    ShowShardGroups,
    /// `SHOW STATS [FOR 'module']`.
    ShowStats(Option<String>),
    /// `SHOW DIAGNOSTICS [FOR 'module']`.
    ShowDiagnostics(Option<String>),
    /// `SHOW SUBSCRIPTIONS`.
    ShowSubscriptions,
}

/// `EXPLAIN [ANALYZE] SELECT …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// Whether the statement is run and measured.
    pub analyze: bool,
    /// The SELECT.
    pub select: Box<SelectStatement>,
}
