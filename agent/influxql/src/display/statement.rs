//! Printing every other statement.

use std::fmt;

use super::select::{FromClause, GroupByClause, WhereClause, order_and_limits, series_limits};
use super::{Comma, Ident, Text};
use crate::ast::{
    AlterRetentionPolicy, CardinalityOf, CreateContinuousQuery, CreateDatabase, CreateRetentionPolicy,
    CreateSubscription, KeyFilter, MeasurementName, Privilege, Query, ShowCardinality, ShowMeasurements,
    Statement, SubscriptionMode,
};
use crate::duration::format_duration;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, statement) in self.statements.iter().enumerate() {
            if i > 0 {
                f.write_str(";\n")?;
            }
            statement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(s) => s.fmt(f),
            Self::Explain(s) => s.fmt(f),
            Self::Delete(s) => write!(f, "DELETE{}{}", FromClause(&s.sources), WhereClause(&s.condition)),
            Self::DropSeries(s) => {
                write!(f, "DROP SERIES{}{}", FromClause(&s.sources), WhereClause(&s.condition))
            }
            Self::DropMeasurement(s) => write!(f, "DROP MEASUREMENT {}", Ident(&s.name)),
            Self::DropShard(s) => write!(f, "DROP SHARD {}", s.id),
            Self::CreateDatabase(s) => s.fmt(f),
            Self::DropDatabase(s) => write!(f, "DROP DATABASE {}", Ident(&s.name)),
            Self::CreateRetentionPolicy(s) => s.fmt(f),
            Self::AlterRetentionPolicy(s) => s.fmt(f),
            Self::DropRetentionPolicy(s) => {
                write!(f, "DROP RETENTION POLICY {} ON {}", Ident(&s.name), Ident(&s.database))
            }
            Self::CreateSubscription(s) => s.fmt(f),
            Self::DropSubscription(s) => {
                let (name, database, policy) =
                    (Ident(&s.name), Ident(&s.database), Ident(&s.retention_policy));
                write!(f, "DROP SUBSCRIPTION {name} ON {database}.{policy}")
            }
            Self::CreateContinuousQuery(s) => s.fmt(f),
            Self::DropContinuousQuery(s) => {
                write!(f, "DROP CONTINUOUS QUERY {} ON {}", Ident(&s.name), Ident(&s.database))
            }
            Self::CreateUser(s) => {
                let admin = if s.admin { " WITH ALL PRIVILEGES" } else { "" };
                write!(f, "CREATE USER {} WITH PASSWORD [REDACTED]{admin}", Ident(&s.name))
            }
            Self::DropUser(s) => write!(f, "DROP USER {}", Ident(&s.name)),
            Self::SetPassword(s) => write!(f, "SET PASSWORD FOR {} = [REDACTED]", Ident(&s.name)),
            Self::Grant(s) => {
                write!(f, "GRANT {} ON {} TO {}", s.privilege, Ident(&s.database), Ident(&s.user))
            }
            Self::GrantAdmin(s) => write!(f, "GRANT ALL PRIVILEGES TO {}", Ident(&s.user)),
            Self::Revoke(s) => {
                write!(f, "REVOKE {} ON {} FROM {}", s.privilege, Ident(&s.database), Ident(&s.user))
            }
            Self::RevokeAdmin(s) => write!(f, "REVOKE ALL PRIVILEGES FROM {}", Ident(&s.user)),
            Self::KillQuery(s) => write!(f, "KILL QUERY {}{}", s.id, On(s.host.as_deref())),
            Self::ShowRetentionPolicies(s) => {
                write!(f, "SHOW RETENTION POLICIES{}", On(s.database.as_deref()))
            }
            Self::ShowMeasurements(s) => s.fmt(f),
            Self::ShowSeries(s) => {
                let on = On(s.database.as_deref());
                write!(f, "SHOW SERIES{on}{}{}", FromClause(&s.sources), WhereClause(&s.condition))?;
                order_and_limits(f, s.order_by.as_ref(), s.limit, s.offset)
            }
            Self::ShowTagKeys(s) => {
                let on = On(s.database.as_deref());
                write!(f, "SHOW TAG KEYS{on}{}{}", FromClause(&s.sources), WhereClause(&s.condition))?;
                order_and_limits(f, s.order_by.as_ref(), s.limit, s.offset)?;
                series_limits(f, s.slimit, s.soffset)
            }
            Self::ShowTagValues(s) => {
                let on = On(s.database.as_deref());
                write!(
                    f,
                    "SHOW TAG VALUES{on}{} {}{}",
                    FromClause(&s.sources),
                    s.with_key,
                    WhereClause(&s.condition)
                )?;
                order_and_limits(f, s.order_by.as_ref(), s.limit, s.offset)
            }
            Self::ShowFieldKeys(s) => {
                write!(f, "SHOW FIELD KEYS{}{}", On(s.database.as_deref()), FromClause(&s.sources))?;
                order_and_limits(f, s.order_by.as_ref(), s.limit, s.offset)
            }
            Self::ShowCardinality(s) => s.fmt(f),
            Self::ShowGrants(s) => write!(f, "SHOW GRANTS FOR {}", Ident(&s.user)),
            Self::ShowStats(Some(module)) => write!(f, "SHOW STATS FOR {}", Text(module)),
            Self::ShowDiagnostics(Some(module)) => write!(f, "SHOW DIAGNOSTICS FOR {}", Text(module)),
            Self::ShowDatabases
            | Self::ShowContinuousQueries
            | Self::ShowUsers
            | Self::ShowQueries
            | Self::ShowShards
            | Self::ShowShardGroups
            | Self::ShowStats(None)
            | Self::ShowDiagnostics(None)
            | Self::ShowSubscriptions => f.write_str(self.keywords()),
        }
    }
}

/// ` ON name`, or nothing.
struct On<'a>(Option<&'a str>);

impl fmt::Display for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " ON {}", Ident(name)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE DATABASE {}", Ident(&self.name))?;
        let Some(policy) = &self.policy else { return Ok(()) };
        f.write_str(" WITH")?;
        if let Some(ns) = policy.duration_ns {
            write!(f, " DURATION {}", format_duration(ns))?;
        }
        if let Some(n) = policy.replication {
            write!(f, " REPLICATION {n}")?;
        }
        // Alone in the clause it must be written even when it says nothing.
        let alone = policy.duration_ns.is_none() && policy.replication.is_none() && policy.name.is_none();
        if policy.shard_duration_ns > 0 || alone {
            write!(f, " SHARD DURATION {}", format_duration(policy.shard_duration_ns))?;
        }
        match &policy.name {
            Some(name) => write!(f, " NAME {}", Ident(name)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CreateRetentionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = format_duration(self.duration_ns);
        write!(f, "CREATE RETENTION POLICY {} ON {}", Ident(&self.name), Ident(&self.database))?;
        write!(f, " DURATION {duration} REPLICATION {}", self.replication)?;
        if self.shard_duration_ns > 0 {
            write!(f, " SHARD DURATION {}", format_duration(self.shard_duration_ns))?;
        }
        f.write_str(if self.default { " DEFAULT" } else { "" })
    }
}

impl fmt::Display for AlterRetentionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER RETENTION POLICY {} ON {}", Ident(&self.name), Ident(&self.database))?;
        if let Some(ns) = self.duration_ns {
            write!(f, " DURATION {}", format_duration(ns))?;
        }
        if let Some(n) = self.replication {
            write!(f, " REPLICATION {n}")?;
        }
        if let Some(ns) = self.shard_duration_ns {
            write!(f, " SHARD DURATION {}", format_duration(ns))?;
        }
        f.write_str(if self.default { " DEFAULT" } else { "" })
    }
}

impl fmt::Display for CreateSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, database) = (Ident(&self.name), Ident(&self.database));
        let mode = match self.mode {
            SubscriptionMode::All => "ALL",
            SubscriptionMode::Any => "ANY",
        };
        let destinations: Vec<Text<'_>> = self.destinations.iter().map(|d| Text(d)).collect();
        write!(f, "CREATE SUBSCRIPTION {name} ON {database}.{}", Ident(&self.retention_policy))?;
        write!(f, " DESTINATIONS {mode} {}", Comma(&destinations))
    }
}

impl fmt::Display for CreateContinuousQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE CONTINUOUS QUERY {} ON {} ", Ident(&self.name), Ident(&self.database))?;
        let (every, for_) = (self.resample_every_ns, self.resample_for_ns);
        if every > 0 || for_ > 0 {
            f.write_str("RESAMPLE ")?;
        }
        if every > 0 {
            write!(f, "EVERY {} ", format_duration(every))?;
        }
        if for_ > 0 {
            write!(f, "FOR {} ", format_duration(for_))?;
        }
        write!(f, "BEGIN {} END", self.select)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::All => "ALL PRIVILEGES",
        })
    }
}

impl fmt::Display for ShowMeasurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW MEASUREMENTS{}", On(self.database.as_deref()))?;
        if let Some(with) = &self.with {
            let op = if matches!(with.name, MeasurementName::Regex(_)) { "=~" } else { "=" };
            write!(f, " WITH MEASUREMENT {op} {with}")?;
        }
        WhereClause(&self.condition).fmt(f)?;
        order_and_limits(f, self.order_by.as_ref(), self.limit, self.offset)
    }
}

impl fmt::Display for KeyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq(key) => write!(f, "WITH KEY = {}", Ident(key)),
            Self::NotEq(key) => write!(f, "WITH KEY != {}", Ident(key)),
            Self::Regex(regex) => write!(f, "WITH KEY =~ {regex}"),
            Self::NotRegex(regex) => write!(f, "WITH KEY !~ {regex}"),
            Self::In(keys) => {
                let keys: Vec<Ident<'_>> = keys.iter().map(|k| Ident(k)).collect();
                write!(f, "WITH KEY IN ({})", Comma(&keys))
            }
        }
    }
}

impl fmt::Display for ShowCardinality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of {
            CardinalityOf::Measurement => "SHOW MEASUREMENT",
            CardinalityOf::Series => "SHOW SERIES",
            CardinalityOf::TagKey => "SHOW TAG KEY",
            CardinalityOf::TagValues(_) => "SHOW TAG VALUES",
            CardinalityOf::FieldKey => "SHOW FIELD KEY",
        })?;
        f.write_str(if self.exact { " EXACT CARDINALITY" } else { " CARDINALITY" })?;
        write!(f, "{}{}", On(self.database.as_deref()), FromClause(&self.sources))?;
        if let CardinalityOf::TagValues(filter) = &self.of {
            write!(f, " {filter}")?;
        }
        write!(f, "{}{}", WhereClause(&self.condition), GroupByClause(&self.dimensions))?;
        order_and_limits(f, None, self.limit, self.offset)
    }
}
