//! What a statement needs and whether it changes anything.

use crate::ast::{CardinalityOf, Privilege, SelectStatement, Source, Statement};

/// One thing a user must be allowed before a statement runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredPrivilege {
    /// Whether only an administrator may.
    pub admin: bool,
    /// Database; `None` for the default one of the request (or for none, when `admin`).
    pub database: Option<String>,
    /// What for; `None` when any user may (`SHOW DATABASES` shows each user their own).
    pub privilege: Option<Privilege>,
}

impl RequiredPrivilege {
    fn admin() -> Vec<Self> {
        vec![Self { admin: true, database: None, privilege: Some(Privilege::All) }]
    }

    fn on(database: Option<&str>, privilege: Privilege) -> Vec<Self> {
        vec![Self { admin: false, database: database.map(str::to_owned), privilege: Some(privilege) }]
    }
}

impl Statement {
    /// The privileges that 1.x asks for.
    #[must_use]
    pub fn required_privileges(&self) -> Vec<RequiredPrivilege> {
        use Privilege::{Read, Write};
        let on = RequiredPrivilege::on;
        match self {
            Self::Select(s) => select_privileges(s),
            Self::Explain(s) => select_privileges(&s.select),
            // It runs with nobody's rights, so all that it reads and writes is asked for; names without a database mean its own.
            Self::CreateContinuousQuery(s) => {
                let mut needed = on(Some(&s.database), Read);
                needed.extend(select_privileges(&s.select).into_iter().map(|mut p| {
                    p.database.get_or_insert_with(|| s.database.clone());
                    p
                }));
                needed
            }
            Self::Delete(_) | Self::DropSeries(_) => on(None, Write),
            Self::DropRetentionPolicy(s) => on(Some(&s.database), Write),
            Self::DropContinuousQuery(s) => on(Some(&s.database), Write),
            Self::ShowRetentionPolicies(s) => on(s.database.as_deref(), Read),
            Self::ShowMeasurements(s) => on(s.database.as_deref(), Read),
            Self::ShowSeries(s) => on(s.database.as_deref(), Read),
            Self::ShowTagKeys(s) => on(s.database.as_deref(), Read),
            Self::ShowTagValues(s) => on(s.database.as_deref(), Read),
            Self::ShowFieldKeys(s) => on(s.database.as_deref(), Read),
            // 1.x asks only for the databases of the FROM clause where the count is exact, so that without a FROM
            // clause anybody may count. Both are asked for here.
            Self::ShowCardinality(s) => {
                let mut needed = on(s.database.as_deref(), Read);
                needed.extend(source_privileges(&s.sources));
                needed
            }
            Self::ShowContinuousQueries | Self::ShowQueries => on(None, Read),
            Self::ShowDatabases => {
                vec![RequiredPrivilege { admin: false, database: None, privilege: None }]
            }
            _ => RequiredPrivilege::admin(),
        }
    }

    /// Whether it changes nothing: SHOW, EXPLAIN (which never writes), and SELECT without INTO.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Select(s) => s.target.is_none(),
            Self::Explain(_) => true,
            _ => self.keywords().starts_with("SHOW"),
        }
    }

    /// The keywords it begins with, as a name for it: `SHOW TAG KEYS`, `CREATE DATABASE`, `SELECT INTO`.
    #[must_use]
    pub fn keywords(&self) -> &'static str {
        match self {
            Self::Select(s) if s.target.is_some() => "SELECT INTO",
            Self::Select(_) => "SELECT",
            Self::Explain(s) if s.analyze => "EXPLAIN ANALYZE",
            Self::Explain(_) => "EXPLAIN",
            Self::Delete(_) => "DELETE",
            Self::DropSeries(_) => "DROP SERIES",
            Self::DropMeasurement(_) => "DROP MEASUREMENT",
            Self::DropShard(_) => "DROP SHARD",
            Self::CreateDatabase(_) => "CREATE DATABASE",
            Self::DropDatabase(_) => "DROP DATABASE",
            Self::CreateRetentionPolicy(_) => "CREATE RETENTION POLICY",
            Self::AlterRetentionPolicy(_) => "ALTER RETENTION POLICY",
            Self::DropRetentionPolicy(_) => "DROP RETENTION POLICY",
            Self::CreateSubscription(_) => "CREATE SUBSCRIPTION",
            Self::DropSubscription(_) => "DROP SUBSCRIPTION",
            Self::CreateContinuousQuery(_) => "CREATE CONTINUOUS QUERY",
            Self::DropContinuousQuery(_) => "DROP CONTINUOUS QUERY",
            Self::CreateUser(_) => "CREATE USER",
            Self::DropUser(_) => "DROP USER",
            Self::SetPassword(_) => "SET PASSWORD",
            Self::Grant(_) | Self::GrantAdmin(_) => "GRANT",
            Self::Revoke(_) | Self::RevokeAdmin(_) => "REVOKE",
            Self::KillQuery(_) => "KILL QUERY",
            Self::ShowDatabases => "SHOW DATABASES",
            Self::ShowRetentionPolicies(_) => "SHOW RETENTION POLICIES",
            Self::ShowMeasurements(_) => "SHOW MEASUREMENTS",
            Self::ShowSeries(_) => "SHOW SERIES",
            Self::ShowTagKeys(_) => "SHOW TAG KEYS",
            Self::ShowTagValues(_) => "SHOW TAG VALUES",
            Self::ShowFieldKeys(_) => "SHOW FIELD KEYS",
            Self::ShowCardinality(s) => match (&s.of, s.exact) {
                (CardinalityOf::Measurement, false) => "SHOW MEASUREMENT CARDINALITY",
                (CardinalityOf::Measurement, true) => "SHOW MEASUREMENT EXACT CARDINALITY",
                (CardinalityOf::Series, false) => "SHOW SERIES CARDINALITY",
                (CardinalityOf::Series, true) => "SHOW SERIES EXACT CARDINALITY",
                (CardinalityOf::TagKey, false) => "SHOW TAG KEY CARDINALITY",
                (CardinalityOf::TagKey, true) => "SHOW TAG KEY EXACT CARDINALITY",
                (CardinalityOf::TagValues(_), false) => "SHOW TAG VALUES CARDINALITY",
                (CardinalityOf::TagValues(_), true) => "SHOW TAG VALUES EXACT CARDINALITY",
                (CardinalityOf::FieldKey, false) => "SHOW FIELD KEY CARDINALITY",
                (CardinalityOf::FieldKey, true) => "SHOW FIELD KEY EXACT CARDINALITY",
            },
            Self::ShowContinuousQueries => "SHOW CONTINUOUS QUERIES",
            Self::ShowGrants(_) => "SHOW GRANTS",
            Self::ShowUsers => "SHOW USERS",
            Self::ShowQueries => "SHOW QUERIES",
            Self::ShowShards => "SHOW SHARDS",
            Self::ShowShardGroups => "SHOW SHARD GROUPS",
            Self::ShowStats(_) => "SHOW STATS",
            Self::ShowDiagnostics(_) => "SHOW DIAGNOSTICS",
            Self::ShowSubscriptions => "SHOW SUBSCRIPTIONS",
        }
    }
}

/// Read on what is read, write on the target.
fn select_privileges(select: &SelectStatement) -> Vec<RequiredPrivilege> {
    let mut needed = source_privileges(&select.sources);
    if let Some(target) = &select.target {
        needed.extend(RequiredPrivilege::on(target.database.as_deref(), Privilege::Write));
    }
    needed
}

/// Read on each database of a FROM clause, subqueries included.
fn source_privileges(sources: &[Source]) -> Vec<RequiredPrivilege> {
    let mut needed = Vec::new();
    for source in sources {
        match source {
            Source::Measurement(m) => {
                needed.extend(RequiredPrivilege::on(m.database.as_deref(), Privilege::Read));
            }
            Source::Subquery(s) => needed.extend(select_privileges(s)),
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::parse_query;

    fn statement(text: &str) -> Statement {
        parse_query(text, &BTreeMap::new()).unwrap().statements.remove(0)
    }

    fn needs(text: &str) -> Vec<(bool, Option<String>, Option<Privilege>)> {
        let needed = statement(text).required_privileges();
        needed.into_iter().map(|p| (p.admin, p.database, p.privilege)).collect()
    }

    #[test]
    fn privileges_are_those_of_1x() {
        let db = |name: &str| Some(name.to_owned());
        let read = Some(Privilege::Read);
        let write = Some(Privilege::Write);
        assert_eq!(needs("SELECT v FROM m, a..n"), [(false, None, read), (false, db("a"), read)]);
        assert_eq!(
            needs("SELECT v INTO b..x FROM (SELECT v FROM a..n)"),
            [(false, db("a"), read), (false, db("b"), write)]
        );
        assert_eq!(needs("EXPLAIN SELECT v FROM a..m"), [(false, db("a"), read)]);
        assert_eq!(needs("SHOW MEASUREMENTS ON a"), [(false, db("a"), read)]);
        assert_eq!(needs("DELETE FROM m"), [(false, None, write)]);
        assert_eq!(needs("DROP RETENTION POLICY p ON a"), [(false, db("a"), write)]);
        assert_eq!(needs("SHOW DATABASES"), [(false, None, None)]);
        for text in ["CREATE DATABASE a", "DROP MEASUREMENT m", "SHOW USERS", "KILL QUERY 1", "SHOW STATS"] {
            assert_eq!(needs(text), [(true, None, Some(Privilege::All))], "{text}");
        }
        // 1.x does not ask for what a continuous query reads from elsewhere.
        assert_eq!(
            needs(
                "CREATE CONTINUOUS QUERY c ON a BEGIN SELECT mean(v) INTO b..x FROM m, e..n GROUP BY time(1h) END"
            ),
            [(false, db("a"), read), (false, db("a"), read), (false, db("e"), read), (false, db("b"), write)]
        );
        // Without a FROM clause 1.x lets anybody count exactly; here it needs to be allowed to read.
        assert_eq!(needs("SHOW SERIES EXACT CARDINALITY ON a"), [(false, db("a"), read)]);
    }

    #[test]
    fn what_changes_nothing_is_read_only() {
        for (text, keywords, read_only) in [
            ("SELECT v FROM m", "SELECT", true),
            ("SELECT v INTO n FROM m", "SELECT INTO", false),
            ("EXPLAIN ANALYZE SELECT v FROM m", "EXPLAIN ANALYZE", true),
            ("SHOW TAG VALUES EXACT CARDINALITY WITH KEY = a", "SHOW TAG VALUES EXACT CARDINALITY", true),
            ("SHOW GRANTS FOR a", "SHOW GRANTS", true),
            ("DELETE FROM m", "DELETE", false),
            ("SET PASSWORD FOR a = 'b'", "SET PASSWORD", false),
            ("GRANT ALL TO a", "GRANT", false),
        ] {
            let statement = statement(text);
            assert_eq!(statement.keywords(), keywords);
            assert_eq!(statement.is_read_only(), read_only, "{text}");
        }
    }
}
