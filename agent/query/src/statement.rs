//! One statement: which part of the engine runs it.

use std::sync::Arc;

use weir_influxql::Statement;
use weir_model::read::{ReadContext, ReadError, Snapshot};

use crate::engine::{ExecContext, Parts};
use crate::error::{Result, refuse};
use crate::plan::prepare::Place;
use crate::result::Piece;
use crate::stream::Sender;
use crate::{continuous, explain, into, manage, select, show};

/// A running request.
pub(crate) struct Session<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) context: &'a ExecContext,
    pub(crate) reading: &'a Arc<ReadContext>,
    pub(crate) sender: &'a Sender,
    /// Monotonic time at which it is too late.
    pub(crate) deadline: Option<u64>,
}

impl Session<'_> {
    /// Whether the time allowed is over.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|d| self.parts.clock.monotonic_ns() >= d)
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_late() {
            self.reading.cancel();
        }
        Ok(self.reading.check()?)
    }

    /// Hands over a piece of the answer.
    pub(crate) fn send(&self, piece: Piece) -> Result<()> {
        self.check()?;
        Ok(self.sender.send(piece)?)
    }

    /// The state of the store now.
    pub(crate) fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.parts.source.snapshot()
    }

    /// Where names point to in `snapshot`.
    pub(crate) fn place<'s>(&'s self, snapshot: &'s dyn Snapshot) -> Place<'s> {
        Place { snapshot, database: self.context.database.as_deref(), policy: self.context.policy.as_deref() }
    }

    /// The time of the query.
    pub(crate) fn now(&self) -> i64 {
        self.parts.clock.now().0
    }
}

/// Runs `statement` and hands over what it answers.
pub(crate) fn run(statement: Statement, session: &Session<'_>) -> Result<()> {
    match statement {
        Statement::Select(s) if s.target.is_some() => into::run(&s, session),
        Statement::Select(s) => select::run(&s, session),
        Statement::Explain(s) => explain::run(&s, session),
        Statement::CreateDatabase(s) => manage::create_database(s, session),
        Statement::DropDatabase(s) => manage::drop_database(&s, session),
        Statement::CreateRetentionPolicy(s) => manage::create_policy(s, session),
        Statement::AlterRetentionPolicy(s) => manage::alter_policy(&s, session),
        Statement::DropRetentionPolicy(s) => manage::drop_policy(&s, session),
        Statement::Delete(s) => manage::delete(&s, session),
        Statement::DropSeries(s) => manage::drop_series(&s, session),
        Statement::DropMeasurement(s) => manage::drop_measurement(&s, session),
        Statement::DropShard(s) => manage::drop_shard(&s, session),
        Statement::ShowDatabases => show::databases(session),
        Statement::ShowRetentionPolicies(s) => show::policies(&s, session),
        Statement::ShowMeasurements(s) => show::measurements(&s, session),
        Statement::ShowSeries(s) => show::series(&s, session),
        Statement::ShowTagKeys(s) => show::tag_keys(&s, session),
        Statement::ShowTagValues(s) => show::tag_values(&s, session),
        Statement::ShowFieldKeys(s) => show::field_keys(&s, session),
        Statement::ShowCardinality(s) => show::cardinality(&s, session),
        Statement::ShowQueries => show::queries(session),
        Statement::ShowShardGroups => show::shard_groups(session),
        Statement::ShowShards => show::shards(session),
        Statement::KillQuery(s) if session.parts.running.kill(s.id) => Ok(()),
        Statement::KillQuery(s) => refuse(format!("no such query id: {}", s.id)),
        Statement::ShowStats(module) => show::stats(module.as_deref(), session),
        Statement::ShowDiagnostics(module) => show::diagnostics(module.as_deref(), session),
        // There are none: what is written is not forwarded.
        Statement::ShowSubscriptions => Ok(()),
        Statement::CreateSubscription(_) => {
            refuse("subscriptions are not supported: Weir does not forward what is written to it")
        }
        Statement::DropSubscription(s) => {
            let snapshot = session.snapshot()?;
            session.place(&*snapshot).policy(&s.database, Some(&s.retention_policy), None)?;
            refuse("subscription not found")
        }
        Statement::ShowContinuousQueries => continuous::show(session),
        Statement::CreateContinuousQuery(s) => continuous::create(s, session),
        Statement::DropContinuousQuery(s) => continuous::drop_query(&s, session),
        other => refuse(format!("{} is not supported yet", other.keywords())),
    }
}
