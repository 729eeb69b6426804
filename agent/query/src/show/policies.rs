//! SHOW DATABASES and SHOW RETENTION POLICIES.

use std::sync::Arc;

use weir_influxql::ast::ShowRetentionPolicies;

use super::output::{head, table, text};
use crate::error::Result;
use crate::result::Value;
use crate::statement::Session;

/// SHOW DATABASES.
pub(crate) fn databases(session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let visible = |name: &Arc<str>| session.context.visible.as_ref().is_none_or(|v| v(name));
    let rows: Vec<Vec<Value>> =
        snapshot.databases().into_iter().filter(visible).map(|name| vec![Value::Str(name)]).collect();
    if rows.is_empty() {
        return head(session, Some("databases"), &["name"]);
    }
    table(session, Some("databases"), &["name"], &rows)
}

/// SHOW RETENTION POLICIES.
pub(crate) fn policies(s: &ShowRetentionPolicies, session: &Session<'_>) -> Result<()> {
    const COLUMNS: [&str; 5] = ["name", "duration", "shardGroupDuration", "replicaN", "default"];
    let snapshot = session.snapshot()?;
    let database = session.place(&*snapshot).database(s.database.as_deref())?;
    let rows: Vec<Vec<Value>> = snapshot
        .policies(&database)
        .unwrap_or_default()
        .into_iter()
        .map(|p| {
            vec![
                Value::Str(p.name),
                text(duration(p.duration_ns)),
                text(duration(p.shard_group_duration_ns)),
                Value::Integer(i64::from(p.replica_n)),
                Value::Boolean(p.is_default),
            ]
        })
        .collect();
    if rows.is_empty() {
        return head(session, None, &COLUMNS);
    }
    table(session, None, &COLUMNS, &rows)
}

/// A duration as Go prints it: `168h0m0s`, `1m30s`, `1.5s`, `300ms`, `0s`.
pub(crate) fn duration(ns: i64) -> String {
    if ns == 0 {
        return "0s".to_owned();
    }
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let decimal = |unit: u64, name: &str| {
        let (whole, rest) = (ns / unit, ns % unit);
        let digits = unit.ilog10() as usize;
        let fraction = format!("{rest:0digits$}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() || digits == 0 {
            format!("{sign}{whole}{name}")
        } else {
            format!("{sign}{whole}.{fraction}{name}")
        }
    };
    match ns {
        0..1_000 => return decimal(1, "ns"),
        1_000..1_000_000 => return decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => return decimal(1_000_000, "ms"),
        _ => {}
    }
    let seconds = ns / 1_000_000_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let fraction = format!("{:09}", ns % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let second = format!("{}{point}{fraction}s", seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{second}"),
        (0, m) => format!("{sign}{m}m{second}"),
        (h, m) => format!("{sign}{h}h{m}m{second}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_in_go() {
        for (ns, want) in [
            (0, "0s"),
            (604_800_000_000_000, "168h0m0s"),
            (5_400_000_000_000, "1h30m0s"),
            (90_000_000_000, "1m30s"),
            (1_500_000_000, "1.5s"),
            (1_500, "1.5µs"),
            (7, "7ns"),
        ] {
            assert_eq!(duration(ns), want);
        }
    }
}
