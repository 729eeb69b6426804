//! CREATE, ALTER, DROP, DELETE, KILL.

use super::{Parser, Result, duration_value, unexpected};
use crate::ParseError;
use crate::ast::{
    AlterRetentionPolicy, CreateContinuousQuery, CreateDatabase, CreateRetentionPolicy, CreateSubscription,
    Delete, DropContinuousQuery, DropDatabase, DropMeasurement, DropRetentionPolicy, DropSeries, DropShard,
    DropSubscription, Expr, KillQuery, NewDatabasePolicy, SelectStatement, Source, Statement,
    SubscriptionMode,
};
use crate::duration::format_duration;
use crate::lexer::{Pos, Tok};

type Rest<'a> = fn(&mut Parser<'a>) -> Result<Statement>;

impl<'a> Parser<'a> {
    /// Everything behind CREATE.
    pub(super) fn create(&mut self) -> Result<Statement> {
        let rest = self.choose::<Rest<'a>>(&[
            (Tok::Continuous, Self::create_continuous_query),
            (Tok::Database, Self::create_database),
            (Tok::User, Self::create_user),
            (Tok::Retention, Self::create_retention_policy),
            (Tok::Subscription, Self::create_subscription),
        ])?;
        rest(self)
    }

    /// Everything behind DROP.
    pub(super) fn drop(&mut self) -> Result<Statement> {
        let rest = self.choose::<Rest<'a>>(&[
            (Tok::Continuous, Self::drop_continuous_query),
            (Tok::Database, |p| Ok(Statement::DropDatabase(DropDatabase { name: p.ident()? }))),
            (Tok::Measurement, |p| Ok(Statement::DropMeasurement(DropMeasurement { name: p.ident()? }))),
            (Tok::Retention, Self::drop_retention_policy),
            (Tok::Series, Self::drop_series),
            (Tok::Shard, |p| Ok(Statement::DropShard(DropShard { id: p.id()? }))),
            (Tok::Subscription, Self::drop_subscription),
            (Tok::User, Self::drop_user),
        ])?;
        rest(self)
    }

    /// Everything behind KILL.
    pub(super) fn kill(&mut self) -> Result<Statement> {
        self.expect(Tok::Query)?;
        let id = self.id()?;
        Ok(Statement::KillQuery(KillQuery { id, host: self.on_database()? }))
    }

    fn create_database(&mut self) -> Result<Statement> {
        let name = self.ident()?;
        if !self.accept(Tok::With) {
            return Ok(Statement::CreateDatabase(CreateDatabase { name, policy: None }));
        }
        self.choose(&[(Tok::Duration, ()), (Tok::Name, ()), (Tok::Replication, ()), (Tok::Shard, ())])?;
        self.back();
        let mut policy = NewDatabasePolicy::default();
        if self.accept(Tok::Duration) {
            policy.duration_ns = Some(self.duration_or_inf()?);
        }
        if self.accept(Tok::Replication) {
            policy.replication = Some(self.replication()?);
        }
        if self.accept(Tok::Shard) {
            self.expect(Tok::Duration)?;
            policy.shard_duration_ns = self.duration_or_inf()?;
        }
        if self.accept(Tok::Name) {
            policy.name = Some(self.ident()?);
        }
        Ok(Statement::CreateDatabase(CreateDatabase { name, policy: Some(policy) }))
    }

    fn create_retention_policy(&mut self) -> Result<Statement> {
        self.expect(Tok::Policy)?;
        let (name, database) = self.name_on_database()?;
        self.expect(Tok::Duration)?;
        let duration_ns = self.duration_or_inf()?;
        self.expect(Tok::Replication)?;
        let replication = self.replication()?;
        let shard_duration_ns = if self.accept(Tok::Shard) { self.shard_duration()? } else { 0 };
        let default = self.accept(Tok::Default);
        Ok(Statement::CreateRetentionPolicy(CreateRetentionPolicy {
            name,
            database,
            duration_ns,
            replication,
            shard_duration_ns,
            default,
        }))
    }

    /// Everything behind ALTER.
    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.expect(Tok::Retention)?;
        self.expect(Tok::Policy)?;
        let token = self.next();
        let name = match token.tok {
            // Written without quotes by those who know the old name of the first policy.
            Tok::Default => "default".to_owned(),
            Tok::Ident => token.lit,
            _ => return Err(unexpected(&token, &["identifier"])),
        };
        self.expect(Tok::On)?;
        let database = self.ident()?;
        let mut alter = AlterRetentionPolicy {
            name,
            database,
            duration_ns: None,
            replication: None,
            shard_duration_ns: None,
            default: false,
        };
        let mut found: Vec<Tok> = Vec::new();
        loop {
            let token = self.next();
            if found.contains(&token.tok) {
                let message = format!("found duplicate {} option", token.tok.text());
                return Err(ParseError::at(&message, token.pos));
            }
            match token.tok {
                Tok::Duration => alter.duration_ns = Some(self.duration_or_inf()?),
                Tok::Replication => alter.replication = Some(self.replication()?),
                Tok::Shard => alter.shard_duration_ns = Some(self.shard_duration()?),
                Tok::Default => alter.default = true,
                _ if found.is_empty() => {
                    return Err(unexpected(&token, &["DURATION", "REPLICATION", "SHARD", "DEFAULT"]));
                }
                _ => {
                    self.back();
                    return Ok(Statement::AlterRetentionPolicy(alter));
                }
            }
            found.push(token.tok);
        }
    }

    /// `DURATION d` behind SHARD.
    fn shard_duration(&mut self) -> Result<i64> {
        self.expect(Tok::Duration)?;
        let token = self.next();
        if token.tok == Tok::Inf {
            return Err(ParseError::at("invalid duration INF for shard duration", token.pos));
        }
        self.back();
        self.duration_or_inf()
    }

    fn drop_retention_policy(&mut self) -> Result<Statement> {
        self.expect(Tok::Policy)?;
        let (name, database) = self.name_on_database()?;
        Ok(Statement::DropRetentionPolicy(DropRetentionPolicy { name, database }))
    }

    /// `name ON db`.
    fn name_on_database(&mut self) -> Result<(String, String)> {
        let name = self.ident()?;
        self.expect(Tok::On)?;
        Ok((name, self.ident()?))
    }

    /// `name ON db.rp`.
    fn name_on_policy(&mut self) -> Result<(String, String, String)> {
        let (name, database) = self.name_on_database()?;
        let token = self.scan();
        if token.tok != Tok::Dot {
            return Err(unexpected(&token, &["."]));
        }
        Ok((name, database, self.ident()?))
    }

    fn create_subscription(&mut self) -> Result<Statement> {
        let (name, database, retention_policy) = self.name_on_policy()?;
        self.expect(Tok::Destinations)?;
        let mode = self.choose(&[(Tok::All, SubscriptionMode::All), (Tok::Any, SubscriptionMode::Any)])?;
        let destinations = self.string_list()?;
        Ok(Statement::CreateSubscription(CreateSubscription {
            name,
            database,
            retention_policy,
            mode,
            destinations,
        }))
    }

    fn drop_subscription(&mut self) -> Result<Statement> {
        let (name, database, retention_policy) = self.name_on_policy()?;
        Ok(Statement::DropSubscription(DropSubscription { name, database, retention_policy }))
    }

    fn create_continuous_query(&mut self) -> Result<Statement> {
        self.expect(Tok::Query)?;
        let (name, database) = self.name_on_database()?;
        let (resample_every_ns, resample_for_ns) =
            if self.accept(Tok::Resample) { self.resample()? } else { (0, 0) };
        self.expect(Tok::Begin)?;
        self.expect(Tok::Select)?;
        let select = Box::new(self.select(true)?);
        let interval = group_by_interval(&select);
        if !select.is_raw() && !matches!(interval, Ok(1..)) {
            let (found, pos) = self.last_token();
            let mut expected = vec!["GROUP BY time(...)"];
            expected.extend(interval.err());
            return Err(ParseError::expected(&found, &expected, pos));
        }
        self.expect(Tok::End)?;
        let mut least = interval.map_err(ParseError::plain)?;
        if resample_for_ns != 0 {
            least = least.max(resample_every_ns);
            if least > resample_for_ns {
                return Err(ParseError::plain(format!(
                    "FOR duration must be >= GROUP BY time duration: must be a minimum of {}, got {}",
                    format_duration(least),
                    format_duration(resample_for_ns)
                )));
            }
        }
        Ok(Statement::CreateContinuousQuery(CreateContinuousQuery {
            name,
            database,
            resample_every_ns,
            resample_for_ns,
            select,
        }))
    }

    /// `[EVERY d] [FOR d]`, at least one of them.
    fn resample(&mut self) -> Result<(i64, i64)> {
        let every = self.optional_duration(Tok::Every)?;
        let for_ = self.optional_duration(Tok::For)?;
        if every == 0 && for_ == 0 {
            return Err(unexpected(&self.next(), &["EVERY", "FOR"]));
        }
        Ok((every, for_))
    }

    fn optional_duration(&mut self, keyword: Tok) -> Result<i64> {
        if !self.accept(keyword) {
            return Ok(0);
        }
        let token = self.next();
        if token.tok == Tok::DurationVal {
            duration_value(&token)
        } else {
            Err(unexpected(&token, &["duration"]))
        }
    }

    fn drop_continuous_query(&mut self) -> Result<Statement> {
        self.expect(Tok::Query)?;
        let (name, database) = self.name_on_database()?;
        Ok(Statement::DropContinuousQuery(DropContinuousQuery { name, database }))
    }

    /// Everything behind DELETE.
    pub(super) fn delete(&mut self) -> Result<Statement> {
        let (sources, condition) = self.what_to_delete()?;
        Ok(Statement::Delete(Delete { sources, condition }))
    }

    fn drop_series(&mut self) -> Result<Statement> {
        let (sources, condition) = self.what_to_delete()?;
        Ok(Statement::DropSeries(DropSeries { sources, condition }))
    }

    /// `[FROM …] [WHERE …]`, at least one of them. Both apply to every policy of the request's database.
    fn what_to_delete(&mut self) -> Result<(Vec<Source>, Option<Expr>)> {
        let token = self.next();
        let sources = if token.tok == Tok::From {
            self.sources(false)?
        } else {
            self.back();
            Vec::new()
        };
        // The last problem is the one that is told.
        let problem = sources.iter().rev().find_map(|source| match source {
            Source::Measurement(m) if m.retention_policy.is_some() => Some("retention policy not supported"),
            Source::Measurement(m) if m.database.is_some() => Some("database not supported"),
            _ => None,
        });
        if let Some(problem) = problem {
            return Err(ParseError::at(problem, Pos::default()));
        }
        let condition = self.condition()?;
        if sources.is_empty() && condition.is_none() {
            return Err(unexpected(&token, &["FROM", "WHERE"]));
        }
        Ok((sources, condition))
    }
}

/// The interval of `GROUP BY time(…)`; 0 if there is none.
fn group_by_interval(select: &SelectStatement) -> std::result::Result<i64, &'static str> {
    match select.time_dimension().map(|call| call.args.as_slice()) {
        None => Ok(0),
        Some([Expr::Duration(ns)] | [Expr::Duration(ns), _]) => Ok(*ns),
        Some([_] | [_, _]) => Err("time dimension must have duration argument"),
        Some(_) => Err("time dimension expected 1 or 2 arguments"),
    }
}
