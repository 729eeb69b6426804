//! SELECT and its clauses.

use super::expr::Expr;
use crate::regex::Regex;

/// `SELECT fields [INTO target] FROM sources [WHERE …] [GROUP BY …] [fill(…)] [ORDER BY …] [LIMIT …] [OFFSET …]
/// [SLIMIT …] [SOFFSET …] [tz(…)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectStatement {
    /// What to select; never empty.
    pub fields: Vec<Field>,
    /// Where the result is written, for `SELECT … INTO`.
    pub target: Option<Target>,
    /// What to read from; never empty.
    pub sources: Vec<Source>,
    /// The WHERE clause, time conditions included.
    pub condition: Option<Expr>,
    /// The GROUP BY clause; empty when there is none.
    pub dimensions: Vec<Dimension>,
    /// The `fill()` clause; [`Fill::Null`] when there is none.
    pub fill: Fill,
    /// The ORDER BY clause.
    pub order_by: Option<OrderBy>,
    /// Rows per series; 0 = no limit, also when written as `LIMIT 0`.
    pub limit: u64,
    /// Rows left out at the start of each series.
    pub offset: u64,
    /// Number of series; 0 = no limit.
    pub slimit: u64,
    /// Series left out at the start.
    pub soffset: u64,
    /// Time zone named by `tz('…')`, an existing name of the IANA database, `UTC`, or `Local`.
    pub tz: Option<String>,
}

impl SelectStatement {
    /// Whether no function is called in the SELECT list.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        !self.fields.iter().any(|f| crate::walk::any_expr(&f.expr, &mut |e| matches!(e, Expr::Call(_))))
    }

    /// Whether rows come in ascending order of time.
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        self.order_by.as_ref().is_none_or(|o| o.ascending)
    }

    /// The call `time(…)` of the GROUP BY clause, if any.
    #[must_use]
    pub fn time_dimension(&self) -> Option<&super::expr::Call> {
        self.dimensions.iter().find_map(|d| match &d.0 {
            Expr::Call(call) if call.name == "time" => Some(call),
            _ => None,
        })
    }
}

/// One entry of the SELECT list.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What is selected.
    pub expr: Expr,
    /// The name after `AS`.
    pub alias: Option<String>,
}

impl Field {
    /// Name of its column before duplicates are numbered: the alias; the name of a column; the name of a call;
    /// the names of the columns and calls in an arithmetic expression joined by `_`; else empty.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.alias {
            Some(alias) => alias.clone(),
            None => crate::walk::column_name(&self.expr),
        }
    }
}

/// Where `SELECT … INTO` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Database, if named.
    pub database: Option<String>,
    /// Retention policy, if named.
    pub retention_policy: Option<String>,
    /// Measurement.
    pub measurement: TargetMeasurement,
}

/// Measurement that `SELECT … INTO` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetMeasurement {
    /// This one.
    Name(String),
    /// `:MEASUREMENT`: the one that each series was read from.
    Backreference,
}

/// One entry of a FROM clause.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A measurement, or several by a pattern.
    Measurement(Measurement),
    /// A SELECT in parentheses (only in SELECT).
    Subquery(Box<SelectStatement>),
}

/// A measurement by name, or several by a pattern; database and policy optional (`db.rp.m`, `db..m`, `rp.m`, `m`).
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Database, if named.
    pub database: Option<String>,
    /// Retention policy, if named.
    pub retention_policy: Option<String>,
    /// Name or pattern.
    pub name: MeasurementName,
}

impl Measurement {
    /// A measurement without database and policy.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { database: None, retention_policy: None, name: MeasurementName::Name(name.into()) }
    }
}

/// Name of a measurement, or a pattern for names.
#[derive(Clone, Debug, PartialEq)]
pub enum MeasurementName {
    /// This one.
    Name(String),
    /// Each one whose name matches.
    Regex(Regex),
}

impl MeasurementName {
    /// Whether it means the measurement `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(n) => n == name,
            Self::Regex(re) => re.is_match(name),
        }
    }
}

/// One entry of GROUP BY: a tag ([`Expr::VarRef`]), [`Expr::Wildcard`], [`Expr::Regex`], or the call `time(…)`.
/// Other expressions parse too; the planner refuses them.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension(pub Expr);

/// What a bucket without points shows.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Fill {
    /// `fill(null)`, the default: the bucket with nulls.
    #[default]
    Null,
    /// `fill(none)`: no row.
    None,
    /// `fill(previous)`: the value before.
    Previous,
    /// `fill(linear)`: on the line between the neighbours.
    Linear,
    /// `fill(2)`: this integer.
    Integer(i64),
    /// `fill(2.5)`: this number.
    Number(f64),
}

/// ORDER BY. Only the time column can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// Whether `time` is written (`ORDER BY DESC` leaves it out).
    pub names_time: bool,
    /// Ascending or descending.
    pub ascending: bool,
}
