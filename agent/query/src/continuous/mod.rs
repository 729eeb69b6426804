//! Continuous queries: CREATE, DROP, SHOW.

mod kept;
mod schedule;

use std::sync::Arc;

use weir_influxql::Statement;
use weir_influxql::ast::{CreateContinuousQuery, DropContinuousQuery};
use weir_influxql::walk::visit_places;
use weir_model::read::Snapshot;

pub(crate) use self::kept::Kept;
pub use self::schedule::ContinuousRuns;
pub(crate) use self::schedule::run_due;
use crate::error::{QueryError, Result, fail, refuse};
use crate::result::Value;
use crate::show::output::{head, table};
use crate::statement::Session;

/// CREATE CONTINUOUS QUERY. The same again is fine.
pub(crate) fn create(s: CreateContinuousQuery, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let mut statement = Statement::CreateContinuousQuery(s);
    complete(&mut statement, &*snapshot)?;
    let Statement::CreateContinuousQuery(s) = statement else { return Ok(()) };
    session.parts.continuous.create(s)
}

/// DROP CONTINUOUS QUERY. An absent one is fine.
pub(crate) fn drop_query(s: &DropContinuousQuery, session: &Session<'_>) -> Result<()> {
    session.parts.continuous.drop_where(|c| c.statement.database == s.database && c.statement.name == s.name)
}

/// Forgets the queries of a database that is gone.
pub(crate) fn drop_database(database: &str, session: &Session<'_>) -> Result<()> {
    session.parts.continuous.drop_where(|c| c.statement.database == database)
}

/// SHOW CONTINUOUS QUERIES: a series for each database.
pub(crate) fn show(session: &Session<'_>) -> Result<()> {
    const COLUMNS: [&str; 2] = ["name", "query"];
    let all = session.parts.continuous.list();
    let visible = |name: &Arc<str>| session.context.visible.as_ref().is_none_or(|v| v(name));
    for database in session.snapshot()?.databases().into_iter().filter(visible) {
        let rows: Vec<Vec<Value>> = all
            .iter()
            .filter(|c| *c.statement.database == *database)
            .map(|c| vec![Value::Str(c.statement.name.as_str().into()), Value::Str(c.text.clone())])
            .collect();
        if rows.is_empty() {
            head(session, Some(&database), &COLUMNS)?;
        } else {
            table(session, Some(&database), &COLUMNS, &rows)?;
        }
    }
    Ok(())
}

/// Writes database and policy wherever the query leaves them out, since they may be others by the time it runs.
fn complete(statement: &mut Statement, snapshot: &dyn Snapshot) -> Result<()> {
    let Statement::CreateContinuousQuery(s) = &*statement else { return Ok(()) };
    let on = s.database.clone();
    if snapshot.policies(&on).is_none() {
        return refuse(format!("database not found: {on}"));
    }
    visit_places(statement, &mut |mut place| -> Result<(), QueryError> {
        let database = place.database().get_or_insert_with(|| on.clone()).clone();
        let Some(policies) = snapshot.policies(&database) else {
            return refuse(format!("database not found: {database}"));
        };
        let policy = place.retention_policy();
        match policy {
            None => {
                let default = policies.iter().find(|p| p.is_default);
                let default = default
                    .ok_or_else(|| fail(format!("default retention policy not set for: {database}")))?;
                *policy = Some(default.name.to_string());
            }
            Some(name) if policies.iter().any(|p| *p.name == **name) => {}
            Some(name) => return refuse(format!("retention policy not found: {database}.{name}")),
        }
        Ok(())
    })
}
