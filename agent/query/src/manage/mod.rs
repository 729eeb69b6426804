//! Statements that change databases and retention policies, and that delete points.

mod delete;

use weir_influxql::ast::{
    AlterRetentionPolicy, CreateDatabase, CreateRetentionPolicy, DropDatabase, DropRetentionPolicy,
};
use weir_model::admin::{PolicyChange, PolicySpec};

use crate::continuous;
use crate::error::Result;
use crate::statement::Session;

pub(crate) use delete::{delete, drop_measurement, drop_series, drop_shard};

/// CREATE DATABASE.
pub(crate) fn create_database(s: CreateDatabase, session: &Session<'_>) -> Result<()> {
    let policy = s.policy.map(|p| PolicySpec {
        name: p.name.unwrap_or_else(|| "autogen".to_owned()),
        duration_ns: p.duration_ns.unwrap_or(0),
        shard_group_duration_ns: Some(p.shard_duration_ns).filter(|d| *d != 0),
        replica_n: p.replication.unwrap_or(1),
        make_default: true,
    });
    Ok(session.parts.admin.create_database(&s.name, policy)?)
}

/// DROP DATABASE.
pub(crate) fn drop_database(s: &DropDatabase, session: &Session<'_>) -> Result<()> {
    session.parts.admin.drop_database(&s.name)?;
    continuous::drop_database(&s.name, session)
}

/// CREATE RETENTION POLICY.
pub(crate) fn create_policy(s: CreateRetentionPolicy, session: &Session<'_>) -> Result<()> {
    let spec = PolicySpec {
        name: s.name,
        duration_ns: s.duration_ns,
        shard_group_duration_ns: Some(s.shard_duration_ns).filter(|d| *d != 0),
        replica_n: s.replication,
        make_default: s.default,
    };
    Ok(session.parts.admin.create_policy(&s.database, spec)?)
}

/// ALTER RETENTION POLICY.
pub(crate) fn alter_policy(s: &AlterRetentionPolicy, session: &Session<'_>) -> Result<()> {
    let change = PolicyChange {
        duration_ns: s.duration_ns,
        shard_group_duration_ns: s.shard_duration_ns,
        replica_n: s.replication,
        make_default: s.default,
    };
    Ok(session.parts.admin.alter_policy(&s.database, &s.name, change)?)
}

/// DROP RETENTION POLICY.
pub(crate) fn drop_policy(s: &DropRetentionPolicy, session: &Session<'_>) -> Result<()> {
    Ok(session.parts.admin.drop_policy(&s.database, &s.name)?)
}
