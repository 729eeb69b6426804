//! Printing SELECT and its clauses.

use std::fmt;

use super::{Comma, Ident, Text};
use crate::ast::{
    Dimension, Explain, Expr, Field, Fill, Measurement, MeasurementName, OrderBy, SelectStatement, Source,
    Target, TargetMeasurement,
};

impl fmt::Display for SelectStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SELECT {}", Comma(&self.fields))?;
        if let Some(target) = &self.target {
            write!(f, " {target}")?;
        }
        write!(
            f,
            "{}{}{}",
            FromClause(&self.sources),
            WhereClause(&self.condition),
            GroupByClause(&self.dimensions)
        )?;
        match self.fill {
            Fill::Null => {}
            Fill::None => f.write_str(" fill(none)")?,
            Fill::Previous => f.write_str(" fill(previous)")?,
            Fill::Linear => f.write_str(" fill(linear)")?,
            Fill::Integer(n) => write!(f, " fill({n})")?,
            // A whole number needs the point to stay one with a fraction.
            Fill::Number(n) if n.fract() == 0.0 => write!(f, " fill({n:.1})")?,
            Fill::Number(n) => write!(f, " fill({n})")?,
        }
        order_and_limits(f, self.order_by.as_ref(), self.limit, self.offset)?;
        series_limits(f, self.slimit, self.soffset)?;
        match &self.tz {
            Some(tz) => write!(f, " TZ({})", Text(tz)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EXPLAIN {}{}", if self.analyze { "ANALYZE " } else { "" }, self.select)
    }
}

/// ` ORDER BY … LIMIT … OFFSET …`, of it what is there.
pub(super) fn order_and_limits(
    f: &mut fmt::Formatter<'_>,
    order_by: Option<&OrderBy>,
    limit: u64,
    offset: u64,
) -> fmt::Result {
    if let Some(order_by) = order_by {
        write!(f, " ORDER BY {order_by}")?;
    }
    clause(f, "LIMIT", limit)?;
    clause(f, "OFFSET", offset)
}

pub(super) fn series_limits(f: &mut fmt::Formatter<'_>, slimit: u64, soffset: u64) -> fmt::Result {
    clause(f, "SLIMIT", slimit)?;
    clause(f, "SOFFSET", soffset)
}

fn clause(f: &mut fmt::Formatter<'_>, name: &str, n: u64) -> fmt::Result {
    if n > 0 { write!(f, " {name} {n}") } else { Ok(()) }
}

/// ` FROM …`, or nothing.
pub(super) struct FromClause<'a>(pub(super) &'a [Source]);

impl fmt::Display for FromClause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " FROM {}", Comma(self.0)) }
    }
}

/// ` WHERE …`, or nothing.
pub(super) struct WhereClause<'a>(pub(super) &'a Option<Expr>);

impl fmt::Display for WhereClause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(condition) => write!(f, " WHERE {condition}"),
            None => Ok(()),
        }
    }
}

/// ` GROUP BY …`, or nothing.
pub(super) struct GroupByClause<'a>(pub(super) &'a [Dimension]);

impl fmt::Display for GroupByClause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " GROUP BY {}", Comma(self.0)) }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", Ident(alias)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OrderBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.names_time { "time " } else { "" })?;
        f.write_str(if self.ascending { "ASC" } else { "DESC" })
    }
}

/// `db.rp.`, `db..`, `rp.` or nothing.
fn place(f: &mut fmt::Formatter<'_>, database: Option<&str>, policy: Option<&str>) -> fmt::Result {
    if let Some(database) = database {
        write!(f, "{}.", Ident(database))?;
    }
    if let Some(policy) = policy {
        write!(f, "{}", Ident(policy))?;
    }
    f.write_str(if database.is_some() || policy.is_some() { "." } else { "" })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("INTO ")?;
        place(f, self.database.as_deref(), self.retention_policy.as_deref())?;
        match &self.measurement {
            TargetMeasurement::Name(name) => Ident(name).fmt(f),
            // Without a policy the word cannot be written; an empty name means the same.
            TargetMeasurement::Backreference
                if self.database.is_none() && self.retention_policy.is_none() =>
            {
                f.write_str("\"\"")
            }
            TargetMeasurement::Backreference => f.write_str(":MEASUREMENT"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measurement(m) => m.fmt(f),
            Self::Subquery(s) => write!(f, "({s})"),
        }
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.database.as_deref(), self.retention_policy.as_deref())?;
        self.name.fmt(f)
    }
}

impl fmt::Display for MeasurementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => Ident(name).fmt(f),
            Self::Regex(regex) => regex.fmt(f),
        }
    }
}
