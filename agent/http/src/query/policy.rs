//! Which statements a request may run: those of the dialect, and those that its sender may.

use weir_auth::{Identity, Permission};
use weir_influxql::ast::{Privilege, SelectStatement, Source};
use weir_influxql::walk::visit_places;
use weir_influxql::{Query, Statement};

use crate::dialect::{Naming, Statements};
use crate::error::ApiError;
use crate::naming::{self, Place};

/// Refuses the request if one of its statements is not among those that the dialect knows.
///
/// # Errors
/// 400 that names the first such statement.
pub(crate) fn check_statements(policy: Statements, query: &Query) -> Result<(), ApiError> {
    if policy == Statements::All {
        return Ok(());
    }
    match query.statements.iter().find(|statement| !is_query(statement)) {
        None => Ok(()),
        Some(statement) => {
            let keywords = match statement {
                Statement::Select(_) => "SELECT INTO",
                other => other.keywords(),
            };
            Err(ApiError::invalid(format!("InfluxQL statement not supported: {keywords}")))
        }
    }
}

fn is_query(statement: &Statement) -> bool {
    match statement {
        Statement::Select(select) => !has_target(select),
        Statement::ShowDatabases
        | Statement::ShowRetentionPolicies(_)
        | Statement::ShowMeasurements(_)
        | Statement::ShowTagKeys(_)
        | Statement::ShowTagValues(_)
        | Statement::ShowFieldKeys(_) => true,
        _ => false,
    }
}

fn has_target(select: &SelectStatement) -> bool {
    select.target.is_some()
        || select.sources.iter().any(|source| matches!(source, Source::Subquery(inner) if has_target(inner)))
}

/// Writes the place of the request into every statement that names none, in the names of the store.
pub(crate) fn resolve_names(naming: Naming, query: &mut Query, db: Option<&str>, place: Option<&Place>) {
    for statement in &mut query.statements {
        if naming == Naming::Joined {
            join_names(statement, db);
        }
        let database = place.map(|place| place.database.as_str());
        let policy = place.and_then(|place| place.policy.as_deref());
        statement.fill_defaults(database, policy);
    }
}

/// `"foo"."bar"."m"` means measurement `m` of database `foo/bar`.
fn join_names(statement: &mut Statement, db: Option<&str>) {
    let done: Result<(), std::convert::Infallible> = visit_places(statement, &mut |mut place| {
        if let Some(policy) = place.retention_policy().take() {
            let named = place.database().take();
            if let Some(database) = named.as_deref().or(db) {
                *place.database() = Some(naming::join(database, Some(&policy)));
            } else {
                *place.retention_policy() = Some(policy);
            }
        }
        Ok(())
    });
    match done {
        Ok(()) => {}
    }
}

/// Refuses the request if its sender may not run one of its statements. Names must be resolved.
///
/// # Errors
/// 403 that names the first such statement in the wording of 1.x.
pub(crate) fn authorize(
    identity: &Identity,
    query: &mut Query,
    database: Option<&str>,
) -> Result<(), ApiError> {
    if identity.is_admin {
        return Ok(());
    }
    for statement in &mut query.statements {
        for needed in needs(statement, database) {
            let allowed = match &needed {
                Need::Admin => false,
                Need::On(database, permission) => identity.may(*permission, database),
            };
            if !allowed {
                return Err(refusal(identity, statement, &needed));
            }
        }
    }
    Ok(())
}

enum Need {
    Admin,
    On(String, Permission),
}

fn needs(statement: &mut Statement, default: Option<&str>) -> Vec<Need> {
    let mut needs = Vec::new();
    for privilege in statement.required_privileges() {
        // A statement without any database answers an error later.
        let database = privilege.database.or_else(|| default.map(str::to_owned));
        match (privilege.admin, privilege.privilege, database) {
            (true, ..) => needs.push(Need::Admin),
            (false, Some(privilege), Some(database)) => {
                let permissions: &[Permission] = match privilege {
                    Privilege::Read => &[Permission::Read],
                    Privilege::Write => &[Permission::Write],
                    Privilege::All => &[Permission::Read, Permission::Write],
                };
                needs.extend(permissions.iter().map(|&permission| Need::On(database.clone(), permission)));
            }
            (false, ..) => {}
        }
    }
    // A database in a FROM clause counts whatever the statement is: SHOW TAG KEYS FROM "other".."m" reads it too.
    let done: Result<(), std::convert::Infallible> = visit_places(statement, &mut |mut place| {
        let permission = match place {
            weir_influxql::walk::Place::Read(_) => Permission::Read,
            weir_influxql::walk::Place::Write(_) => Permission::Write,
        };
        if let Some(database) = place.database() {
            needs.push(Need::On(database.clone(), permission));
        }
        Ok(())
    });
    match done {
        Ok(()) => {}
    }
    needs
}

fn refusal(identity: &Identity, statement: &Statement, need: &Need) -> ApiError {
    let what = match need {
        Need::Admin => "requires admin privilege".to_owned(),
        Need::On(database, Permission::Read) => format!("requires READ on {database}"),
        Need::On(database, Permission::Write) => format!("requires WRITE on {database}"),
    };
    let text = format!(
        "error authorizing query: {} not authorized to execute statement '{statement}', {what}",
        identity.name
    );
    ApiError::new(http::StatusCode::FORBIDDEN, "forbidden").in_1x(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use weir_auth::{Grant, Scope};
    use weir_influxql::parse_query;

    fn parse(text: &str) -> Query {
        parse_query(text, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn dedicated_refuses_what_changes_something_before_anything_runs() {
        for (text, keyword) in [
            ("SELECT a INTO b FROM m", "SELECT INTO"),
            ("SELECT a FROM m; CREATE DATABASE x", "CREATE DATABASE"),
            ("DELETE FROM m", "DELETE"),
            ("DROP SERIES FROM m", "DROP SERIES"),
            ("DROP MEASUREMENT m", "DROP MEASUREMENT"),
            ("DROP DATABASE x", "DROP DATABASE"),
            ("GRANT ALL TO u", "GRANT"),
            ("REVOKE ALL FROM u", "REVOKE"),
            ("EXPLAIN SELECT a FROM m", "EXPLAIN"),
            ("ALTER RETENTION POLICY p ON d DURATION 1h", "ALTER RETENTION POLICY"),
            ("SET PASSWORD FOR u = 'x'", "SET PASSWORD"),
            ("KILL QUERY 1", "KILL QUERY"),
            ("SHOW SERIES", "SHOW SERIES"),
            ("SHOW QUERIES", "SHOW QUERIES"),
            ("SHOW USERS", "SHOW USERS"),
            ("SHOW SERIES CARDINALITY", "SHOW SERIES CARDINALITY"),
        ] {
            let error = check_statements(Statements::Queries, &parse(text)).unwrap_err();
            assert_eq!(error.message(), format!("InfluxQL statement not supported: {keyword}"));
            assert_eq!(error.status(), 400);
            assert!(check_statements(Statements::All, &parse(text)).is_ok());
        }
        for text in [
            "SELECT a FROM (SELECT b FROM m)",
            "SHOW DATABASES",
            "SHOW MEASUREMENTS",
            "SHOW TAG KEYS",
            "SHOW TAG VALUES WITH KEY = a",
            "SHOW FIELD KEYS",
            "SHOW RETENTION POLICIES",
        ] {
            assert!(check_statements(Statements::Queries, &parse(text)).is_ok(), "{text}");
        }
    }

    fn resolved(naming: Naming, text: &str, db: Option<&str>, rp: Option<&str>) -> String {
        let mut query = parse(text);
        let place = naming::for_query(naming, db, rp).unwrap();
        resolve_names(naming, &mut query, db, place.as_ref());
        query.statements[0].to_string()
    }

    #[test]
    fn policies_become_part_of_the_database_in_dedicated() {
        for (text, db, rp, expected) in [
            ("SELECT a FROM m", Some("foo"), None, "SELECT a FROM foo..m"),
            ("SELECT a FROM m", Some("foo"), Some("bar"), "SELECT a FROM \"foo/bar\"..m"),
            ("SELECT a FROM bar.m", Some("foo"), None, "SELECT a FROM \"foo/bar\"..m"),
            ("SELECT a FROM autogen.m", Some("foo"), Some("bar"), "SELECT a FROM foo..m"),
            ("SELECT a FROM x.bar.m", Some("foo"), None, "SELECT a FROM \"x/bar\"..m"),
            ("SELECT a FROM x..m", Some("foo"), Some("bar"), "SELECT a FROM x..m"),
            ("SHOW TAG KEYS", Some("foo"), Some("bar"), "SHOW TAG KEYS ON \"foo/bar\""),
            ("SHOW TAG KEYS ON x", Some("foo"), Some("bar"), "SHOW TAG KEYS ON x"),
        ] {
            assert_eq!(resolved(Naming::Joined, text, db, rp), expected, "{text}");
        }
        assert_eq!(resolved(Naming::Policy, "SELECT a FROM m", Some("d"), Some("p")), "SELECT a FROM d.p.m");
    }

    #[test]
    fn every_database_that_is_touched_must_be_readable() {
        let identity = Identity {
            name: "t".into(),
            is_admin: false,
            grants: vec![Grant { database: Scope::Database("a".into()), read: true, write: false }],
        };
        let check = |text: &str| {
            let mut query = parse(text);
            let place = naming::for_query(Naming::Policy, Some("a"), None).unwrap();
            resolve_names(Naming::Policy, &mut query, Some("a"), place.as_ref());
            authorize(&identity, &mut query, Some("a")).map_err(|error| error.in_1x_text().to_owned())
        };
        for allowed in
            ["SELECT x FROM m", "SHOW DATABASES", "SHOW TAG KEYS", "SELECT x FROM (SELECT x FROM a..m)"]
        {
            assert_eq!(check(allowed), Ok(()), "{allowed}");
        }
        for (refused, what) in [
            ("SELECT x FROM b..m", "READ on b"),
            ("SELECT x FROM m; SELECT x FROM (SELECT x FROM b..m)", "READ on b"),
            ("SHOW TAG KEYS FROM b.p.m", "READ on b"),
            ("SHOW MEASUREMENTS ON b", "READ on b"),
            ("SELECT x INTO y FROM m", "WRITE on a"),
            ("DELETE FROM m", "WRITE on a"),
        ] {
            let text = check(refused).unwrap_err();
            assert!(
                text.starts_with("error authorizing query: t not authorized to execute statement '"),
                "{text}"
            );
            assert!(text.ends_with(&format!("', requires {what}")), "{text}");
        }
        assert!(check("DROP DATABASE a").unwrap_err().ends_with("requires admin privilege"));
    }
}
