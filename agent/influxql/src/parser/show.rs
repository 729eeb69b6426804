//! The SHOW family.

use super::{Parser, Result, unexpected};
use crate::ast::{
    CardinalityOf, KeyFilter, ShowCardinality, ShowFieldKeys, ShowGrants, ShowMeasurements,
    ShowRetentionPolicies, ShowSeries, ShowTagKeys, ShowTagValues, Statement,
};
use crate::lexer::Tok;

/// What the words behind SHOW lead to.
#[derive(Clone, Copy)]
enum Show {
    Plain(fn() -> Statement),
    Diagnostics,
    Field,
    Grants,
    Measurement,
    Measurements,
    Continuous,
    Retention,
    Series,
    Shard,
    Stats,
    Tag,
}

impl Parser<'_> {
    pub(super) fn show(&mut self) -> Result<Statement> {
        let what = self.choose(&[
            (Tok::Continuous, Show::Continuous),
            (Tok::Databases, Show::Plain(|| Statement::ShowDatabases)),
            (Tok::Diagnostics, Show::Diagnostics),
            (Tok::Field, Show::Field),
            (Tok::Grants, Show::Grants),
            (Tok::Measurement, Show::Measurement),
            (Tok::Measurements, Show::Measurements),
            (Tok::Queries, Show::Plain(|| Statement::ShowQueries)),
            (Tok::Retention, Show::Retention),
            (Tok::Series, Show::Series),
            (Tok::Shard, Show::Shard),
            (Tok::Shards, Show::Plain(|| Statement::ShowShards)),
            (Tok::Stats, Show::Stats),
            (Tok::Subscriptions, Show::Plain(|| Statement::ShowSubscriptions)),
            (Tok::Tag, Show::Tag),
            (Tok::Users, Show::Plain(|| Statement::ShowUsers)),
        ])?;
        match what {
            Show::Plain(statement) => Ok(statement()),
            Show::Diagnostics => self.module().map(Statement::ShowDiagnostics),
            Show::Stats => self.module().map(Statement::ShowStats),
            Show::Field => match self.choose(&[(Tok::Key, true), (Tok::Keys, false)])? {
                true => self.exact_cardinality(CardinalityOf::FieldKey),
                false => self.show_field_keys(),
            },
            Show::Grants => {
                self.expect(Tok::For)?;
                Ok(Statement::ShowGrants(ShowGrants { user: self.ident()? }))
            }
            Show::Measurement => self.exact_cardinality(CardinalityOf::Measurement),
            Show::Measurements => self.show_measurements(),
            Show::Continuous => {
                self.expect(Tok::Queries)?;
                Ok(Statement::ShowContinuousQueries)
            }
            Show::Retention => {
                self.expect(Tok::Policies)?;
                let database = self.on_database()?;
                Ok(Statement::ShowRetentionPolicies(ShowRetentionPolicies { database }))
            }
            Show::Series => self.show_series(),
            Show::Shard => {
                self.expect(Tok::Groups)?;
                Ok(Statement::ShowShardGroups)
            }
            Show::Tag => match self.choose(&[(Tok::Key, 0), (Tok::Keys, 1), (Tok::Values, 2)])? {
                0 => self.exact_cardinality(CardinalityOf::TagKey),
                1 => self.show_tag_keys(),
                _ => self.show_tag_values(),
            },
        }
    }

    /// `FOR 'module'`, if FOR follows.
    fn module(&mut self) -> Result<Option<String>> {
        if self.accept(Tok::For) { self.string().map(super::named) } else { Ok(None) }
    }

    fn show_measurements(&mut self) -> Result<Statement> {
        let database = self.on_database()?;
        let with = if self.accept(Tok::With) {
            self.expect(Tok::Measurement)?;
            self.choose(&[(Tok::Eq, ()), (Tok::EqRegex, ())])?;
            Some(self.measurement()?)
        } else {
            None
        };
        Ok(Statement::ShowMeasurements(ShowMeasurements {
            database,
            with,
            condition: self.condition()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }

    fn show_series(&mut self) -> Result<Statement> {
        // As in 1.x a stray EXACT does not hurt.
        let exact = self.accept(Tok::Exact);
        if self.accept(Tok::Cardinality) {
            return self.cardinality(CardinalityOf::Series, exact);
        }
        Ok(Statement::ShowSeries(ShowSeries {
            database: self.on_database()?,
            sources: self.optional_sources()?,
            condition: self.condition()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }

    fn show_tag_keys(&mut self) -> Result<Statement> {
        Ok(Statement::ShowTagKeys(ShowTagKeys {
            database: self.on_database()?,
            sources: self.optional_sources()?,
            condition: self.condition()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
            slimit: self.optional_number(Tok::SLimit)?,
            soffset: self.optional_number(Tok::SOffset)?,
        }))
    }

    fn show_tag_values(&mut self) -> Result<Statement> {
        if self.accept(Tok::Exact) {
            self.expect(Tok::Cardinality)?;
            return self.tag_values_cardinality(true);
        }
        if self.accept(Tok::Cardinality) {
            return self.tag_values_cardinality(false);
        }
        Ok(Statement::ShowTagValues(ShowTagValues {
            database: self.on_database()?,
            sources: self.optional_sources()?,
            with_key: self.key_filter()?,
            condition: self.condition()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }

    fn show_field_keys(&mut self) -> Result<Statement> {
        Ok(Statement::ShowFieldKeys(ShowFieldKeys {
            database: self.on_database()?,
            sources: self.optional_sources()?,
            order_by: self.order_by()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }

    /// `WITH KEY …`.
    fn key_filter(&mut self) -> Result<KeyFilter> {
        self.expect(Tok::With)?;
        self.expect(Tok::Key)?;
        let token = self.next();
        match token.tok {
            Tok::In => {
                self.expect(Tok::LParen)?;
                let keys = self.ident_list()?;
                self.expect(Tok::RParen)?;
                Ok(KeyFilter::In(keys))
            }
            Tok::Eq => self.ident().map(KeyFilter::Eq),
            Tok::NotEq => self.ident().map(KeyFilter::NotEq),
            Tok::EqRegex | Tok::NotEqRegex => {
                let Some(regex) = self.regex()? else {
                    return Err(unexpected(&self.next(), &["regex"]));
                };
                Ok(if token.tok == Tok::EqRegex {
                    KeyFilter::Regex(regex)
                } else {
                    KeyFilter::NotRegex(regex)
                })
            }
            _ => Err(unexpected(&token, &["IN", "=", "=~"])),
        }
    }

    /// `[EXACT] CARDINALITY …`.
    fn exact_cardinality(&mut self, of: CardinalityOf) -> Result<Statement> {
        let exact = self.choose(&[(Tok::Exact, true), (Tok::Cardinality, false)])?;
        if exact {
            self.expect(Tok::Cardinality)?;
        }
        self.cardinality(of, exact)
    }

    /// Everything behind the word CARDINALITY.
    fn cardinality(&mut self, of: CardinalityOf, exact: bool) -> Result<Statement> {
        Ok(Statement::ShowCardinality(ShowCardinality {
            of,
            exact,
            database: self.on_database()?,
            sources: self.optional_sources()?,
            condition: self.condition()?,
            dimensions: self.dimensions()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }

    /// As [`cardinality`](Self::cardinality), with WITH KEY in the middle.
    fn tag_values_cardinality(&mut self, exact: bool) -> Result<Statement> {
        let database = self.on_database()?;
        let sources = self.optional_sources()?;
        Ok(Statement::ShowCardinality(ShowCardinality {
            of: CardinalityOf::TagValues(self.key_filter()?),
            exact,
            database,
            sources,
            condition: self.condition()?,
            dimensions: self.dimensions()?,
            limit: self.optional_number(Tok::Limit)?,
            offset: self.optional_number(Tok::Offset)?,
        }))
    }
}
