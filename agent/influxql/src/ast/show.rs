//! The SHOW family.

use super::expr::Expr;
use super::select::{Dimension, Measurement, OrderBy, Source};
use crate::regex::Regex;

/// `SHOW RETENTION POLICIES [ON db]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowRetentionPolicies {
    /// Database, if named.
    pub database: Option<String>,
}

/// `SHOW MEASUREMENTS [ON db] [WITH MEASUREMENT =|=~ …] [WHERE …] [ORDER BY …] [LIMIT …] [OFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowMeasurements {
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The WITH MEASUREMENT clause. As in 1.x the operator does not matter, only whether a name or a pattern follows.
    pub with: Option<Measurement>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
    /// The ORDER BY clause (no effect in 1.x).
    pub order_by: Option<OrderBy>,
    /// Rows; 0 = no limit.
    pub limit: u64,
    /// Rows left out at the start.
    pub offset: u64,
}

/// `SHOW SERIES [ON db] [FROM …] [WHERE …] [ORDER BY …] [LIMIT …] [OFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowSeries {
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The FROM clause; empty when there is none.
    pub sources: Vec<Source>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
    /// The ORDER BY clause (no effect in 1.x).
    pub order_by: Option<OrderBy>,
    /// Rows; 0 = no limit.
    pub limit: u64,
    /// Rows left out at the start.
    pub offset: u64,
}

/// `SHOW TAG KEYS [ON db] [FROM …] [WHERE …] [ORDER BY …] [LIMIT …] [OFFSET …] [SLIMIT …] [SOFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowTagKeys {
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The FROM clause; empty when there is none.
    pub sources: Vec<Source>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
    /// The ORDER BY clause (no effect in 1.x).
    pub order_by: Option<OrderBy>,
    /// Keys per measurement; 0 = no limit.
    pub limit: u64,
    /// Keys left out at the start of each measurement.
    pub offset: u64,
    /// Measurements; 0 = no limit (no effect in 1.x).
    pub slimit: u64,
    /// Measurements left out at the start (no effect in 1.x).
    pub soffset: u64,
}

/// `SHOW TAG VALUES [ON db] [FROM …] WITH KEY … [WHERE …] [ORDER BY …] [LIMIT …] [OFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowTagValues {
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The FROM clause; empty when there is none.
    pub sources: Vec<Source>,
    /// The WITH KEY clause.
    pub with_key: KeyFilter,
    /// The WHERE clause.
    pub condition: Option<Expr>,
    /// The ORDER BY clause (no effect in 1.x).
    pub order_by: Option<OrderBy>,
    /// Rows per measurement; 0 = no limit.
    pub limit: u64,
    /// Rows left out at the start of each measurement.
    pub offset: u64,
}

/// `WITH KEY` of SHOW TAG VALUES.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyFilter {
    /// `WITH KEY = k`.
    Eq(String),
    /// `WITH KEY != k`.
    NotEq(String),
    /// `WITH KEY =~ /…/`.
    Regex(Regex),
    /// `WITH KEY !~ /…/`.
    NotRegex(Regex),
    /// `WITH KEY IN (a, b)`.
    In(Vec<String>),
}

impl KeyFilter {
    /// Whether the tag key passes.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        match self {
            Self::Eq(k) => k == key,
            Self::NotEq(k) => k != key,
            Self::Regex(re) => re.is_match(key),
            Self::NotRegex(re) => !re.is_match(key),
            Self::In(keys) => keys.iter().any(|k| k == key),
        }
    }
}

/// `SHOW FIELD KEYS [ON db] [FROM …] [ORDER BY …] [LIMIT …] [OFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowFieldKeys {
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The FROM clause; empty when there is none.
    pub sources: Vec<Source>,
    /// The ORDER BY clause (no effect in 1.x).
    pub order_by: Option<OrderBy>,
    /// Keys per measurement; 0 = no limit.
    pub limit: u64,
    /// Keys left out at the start of each measurement.
    pub offset: u64,
}

/// `SHOW MEASUREMENT|SERIES|TAG KEY|TAG VALUES|FIELD KEY [EXACT] CARDINALITY [ON db] [FROM …] [WITH KEY …]
/// [WHERE …] [GROUP BY …] [LIMIT …] [OFFSET …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowCardinality {
    /// What is counted.
    pub of: CardinalityOf,
    /// Whether EXACT is written.
    pub exact: bool,
    /// Database, if named after ON.
    pub database: Option<String>,
    /// The FROM clause; empty when there is none.
    pub sources: Vec<Source>,
    /// The WHERE clause.
    pub condition: Option<Expr>,
    /// The GROUP BY clause; empty when there is none.
    pub dimensions: Vec<Dimension>,
    /// Rows; 0 = no limit.
    pub limit: u64,
    /// Rows left out at the start.
    pub offset: u64,
}

/// What SHOW … CARDINALITY counts.
#[derive(Clone, Debug, PartialEq)]
pub enum CardinalityOf {
    /// `SHOW MEASUREMENT CARDINALITY`.
    Measurement,
    /// `SHOW SERIES CARDINALITY`.
    Series,
    /// `SHOW TAG KEY CARDINALITY`.
    TagKey,
    /// `SHOW TAG VALUES CARDINALITY … WITH KEY …`.
    TagValues(KeyFilter),
    /// `SHOW FIELD KEY CARDINALITY`.
    FieldKey,
}
