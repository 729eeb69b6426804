//! SHOW QUERIES, SHOW SHARD GROUPS, SHOW SHARDS.

use std::sync::Arc;

use weir_model::read::{PolicyInfo, ShardGroupInfo, Snapshot};

use super::output::{head, table, text};
use super::policies::duration;
use crate::error::Result;
use crate::plan::literal::format_seconds;
use crate::result::Value;
use crate::statement::Session;

/// SHOW QUERIES.
pub(crate) fn queries(session: &Session<'_>) -> Result<()> {
    let now = session.parts.clock.monotonic_ns();
    let rows: Vec<Vec<Value>> = session
        .parts
        .running
        .list()
        .into_iter()
        .map(|(id, query)| {
            let elapsed = i64::try_from(now.saturating_sub(query.started)).unwrap_or(i64::MAX);
            // Whole seconds, milliseconds or microseconds, whichever the time has.
            let unit = [1_000_000_000, 1_000_000, 1_000].into_iter().find(|u| elapsed >= *u).unwrap_or(1);
            let status = if query.context.is_cancelled() { "killed" } else { "running" };
            vec![
                Value::Integer(i64::try_from(id).unwrap_or(i64::MAX)),
                Value::Str(query.text),
                Value::Str(query.database),
                text(duration(elapsed / unit * unit)),
                text(status),
            ]
        })
        .collect();
    table(session, None, &["qid", "query", "database", "duration", "status"], &rows)
}

/// SHOW SHARD GROUPS.
pub(crate) fn shard_groups(session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let mut rows = Vec::new();
    for database in snapshot.databases() {
        for (policy, group) in groups(&*snapshot, &database) {
            rows.push(vec![
                Value::Integer(i64::from(group.id)),
                Value::Str(Arc::clone(&database)),
                Value::Str(Arc::clone(&policy.name)),
                text(time(group.window.min)),
                text(time(group.window.max.saturating_add(1))),
                text(expiry(&policy, &group)),
            ]);
        }
    }
    const COLUMNS: [&str; 6] =
        ["id", "database", "retention_policy", "start_time", "end_time", "expiry_time"];
    if rows.is_empty() {
        head(session, Some("shard groups"), &COLUMNS)
    } else {
        table(session, Some("shard groups"), &COLUMNS, &rows)
    }
}

/// SHOW SHARDS: here a group is one shard of the same number.
pub(crate) fn shards(session: &Session<'_>) -> Result<()> {
    const COLUMNS: [&str; 8] = [
        "id",
        "database",
        "retention_policy",
        "shard_group",
        "start_time",
        "end_time",
        "expiry_time",
        "owners",
    ];
    let snapshot = session.snapshot()?;
    for database in snapshot.databases() {
        let rows: Vec<Vec<Value>> = groups(&*snapshot, &database)
            .into_iter()
            .map(|(policy, group)| {
                vec![
                    Value::Integer(i64::from(group.id)),
                    Value::Str(Arc::clone(&database)),
                    Value::Str(Arc::clone(&policy.name)),
                    Value::Integer(i64::from(group.id)),
                    text(time(group.window.min)),
                    text(time(group.window.max.saturating_add(1))),
                    text(expiry(&policy, &group)),
                    text(""),
                ]
            })
            .collect();
        if rows.is_empty() {
            head(session, Some(&database), &COLUMNS)?;
        } else {
            table(session, Some(&database), &COLUMNS, &rows)?;
        }
    }
    Ok(())
}

fn groups(snapshot: &dyn Snapshot, database: &str) -> Vec<(PolicyInfo, ShardGroupInfo)> {
    let policies = snapshot.policies(database).unwrap_or_default();
    let of = |p: PolicyInfo| {
        let groups = snapshot.shard_groups(database, &p.name);
        groups.into_iter().map(move |g| (p.clone(), g))
    };
    policies.into_iter().flat_map(of).collect()
}

fn time(ns: i64) -> String {
    format_seconds(ns.into())
}

/// When the whole group is older than the policy keeps; as 1.x shows it, the end of the group if it is kept for ever.
fn expiry(policy: &PolicyInfo, group: &ShardGroupInfo) -> String {
    time(group.window.max.saturating_add(1).saturating_add(policy.duration_ns))
}
