//! The two dialects, each a table. Code asks the table, never the dialect.

use weir_model::Precision;

/// Which server's v1 API a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// The v1 API of InfluxDB Cloud Dedicated: tokens, databases `db` or `db/rp`, no management statements.
    #[default]
    Dedicated,
    /// The API of InfluxDB 1.8, for clients that manage databases and retention policies.
    Oss,
}

impl Dialect {
    /// Its table.
    pub(crate) const fn rules(self) -> &'static Rules {
        match self {
            Self::Dedicated => &DEDICATED,
            Self::Oss => &OSS,
        }
    }

    /// Whether a first write makes its database when the configuration does not say.
    #[must_use]
    pub const fn creates_databases(self) -> bool {
        self.rules().creates_databases
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.rules().name
    }
}

impl std::str::FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "dedicated" => Ok(Self::Dedicated),
            "oss" => Ok(Self::Oss),
            _ => Err(UnknownDialect),
        }
    }
}

/// A name of no dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dialect is `dedicated` or `oss`")]
pub struct UnknownDialect;

/// What one dialect accepts and how it answers.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) name: &'static str,
    /// Value of `X-Influxdb-Build`.
    pub(crate) build: &'static str,
    /// Realm of the challenge in a 401.
    pub(crate) realm: &'static str,
    pub(crate) creates_databases: bool,
    /// Spellings of `precision` on /write; absent or empty means nanoseconds.
    pub(crate) write_precisions: &'static [(&'static str, Precision)],
    /// Spellings of `epoch` on /query; absent or empty means RFC 3339.
    pub(crate) epochs: &'static [(&'static str, Precision)],
    /// Any other spelling of `epoch`.
    pub(crate) unknown_epoch: Unknown,
    pub(crate) naming: Naming,
    pub(crate) statements: Statements,
    /// Which of the checks of /write comes first.
    pub(crate) write_order: WriteOrder,
    /// `consistency` on /write with a level that does not exist.
    pub(crate) unknown_consistency: Unknown,
    /// A `Content-Encoding` that is not known.
    pub(crate) unknown_encoding: Unknown,
    /// Whether a body that is not UTF-8 is refused as a whole; else line by line.
    pub(crate) refuses_broken_text: bool,
    /// Whether `chunked`, `chunk_size`, `pretty` and `async` mean something.
    pub(crate) client_shapes_answer: bool,
    /// Whether a POST body of no declared type is the query.
    pub(crate) untyped_body_is_query: bool,
    /// Where the grammars of line protocol differ.
    pub(crate) line_rules: weir_lineprotocol::Rules,
    pub(crate) error_body: ErrorBody,
    /// Where credentials are looked for first.
    pub(crate) credentials: CredentialOrder,
    /// Whether `Bearer` means a signed token, so that an unknown one is told so.
    pub(crate) bearer_is_signed: bool,
    /// Status of a write of which every line is older than the retention policy keeps.
    pub(crate) all_too_old_status: u16,
    /// Status of an OPTIONS request.
    pub(crate) options_status: u16,
}

/// What to do with a value that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Answer an error.
    Refuse,
    /// Go on as if it were not there (`epoch`: as if it were nanoseconds).
    Ignore,
}

/// What `db` and `rp` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// One database called `db` or `db/rp`.
    Joined,
    /// A policy of a database.
    Policy,
}

/// Which statements /query runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statements {
    /// Reading ones only.
    Queries,
    /// All.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteOrder {
    /// Names and precision, then credentials.
    ParametersFirst,
    /// Credentials, then names and precision.
    CredentialsFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorBody {
    /// `code`, `message`, `error`, and `line` where a line is to blame.
    Superset,
    /// `error` alone; text for unknown paths and methods.
    ErrorOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialOrder {
    /// The header decides; `p` if it holds none.
    HeaderFirst,
    /// `u` and `p` decide if both are given; else the header; else `p`.
    UrlFirst,
}

use Precision::{Hour, Microsecond, Millisecond, Minute, Nanosecond, Second};

static DEDICATED: Rules = Rules {
    name: "dedicated",
    build: "cloud2",
    realm: "Weir",
    creates_databases: true,
    write_precisions: &[
        ("ns", Nanosecond),
        ("us", Microsecond),
        ("ms", Millisecond),
        ("s", Second),
        ("m", Minute),
        ("h", Hour),
        // What node-influx and influxdb-java send unasked.
        ("n", Nanosecond),
    ],
    epochs: &[
        ("ns", Nanosecond),
        ("us", Microsecond),
        ("ms", Millisecond),
        ("s", Second),
        ("m", Minute),
        ("h", Hour),
        ("n", Nanosecond),
        ("u", Microsecond),
        ("µ", Microsecond),
    ],
    unknown_epoch: Unknown::Refuse,
    naming: Naming::Joined,
    statements: Statements::Queries,
    write_order: WriteOrder::ParametersFirst,
    unknown_consistency: Unknown::Ignore,
    unknown_encoding: Unknown::Refuse,
    refuses_broken_text: true,
    client_shapes_answer: false,
    untyped_body_is_query: true,
    line_rules: weir_lineprotocol::Rules::IOX,
    error_body: ErrorBody::Superset,
    credentials: CredentialOrder::HeaderFirst,
    bearer_is_signed: false,
    all_too_old_status: 422,
    options_status: 204,
};

static OSS: Rules = Rules {
    name: "oss",
    build: "OSS",
    realm: "InfluxDB",
    creates_databases: false,
    write_precisions: &[
        ("n", Nanosecond),
        ("ns", Nanosecond),
        ("u", Microsecond),
        ("us", Microsecond),
        ("µ", Microsecond),
        ("ms", Millisecond),
        ("s", Second),
        ("m", Minute),
        ("h", Hour),
    ],
    epochs: &[
        ("u", Microsecond),
        ("us", Microsecond),
        ("µ", Microsecond),
        ("ms", Millisecond),
        ("s", Second),
        ("m", Minute),
        ("h", Hour),
    ],
    unknown_epoch: Unknown::Ignore,
    naming: Naming::Policy,
    statements: Statements::All,
    write_order: WriteOrder::CredentialsFirst,
    unknown_consistency: Unknown::Refuse,
    unknown_encoding: Unknown::Ignore,
    refuses_broken_text: false,
    client_shapes_answer: true,
    untyped_body_is_query: false,
    line_rules: weir_lineprotocol::Rules::INFLUX1,
    error_body: ErrorBody::ErrorOnly,
    credentials: CredentialOrder::UrlFirst,
    bearer_is_signed: true,
    all_too_old_status: 400,
    options_status: 200,
};

/// Precisions of /api/v2/write, the same in both dialects.
pub(crate) static V2_PRECISIONS: &[(&str, Precision)] =
    &[("ns", Nanosecond), ("us", Microsecond), ("ms", Millisecond), ("s", Second)];

/// The precision spelled `text`.
pub(crate) fn find_precision(table: &[(&str, Precision)], text: &str) -> Option<Precision> {
    table.iter().find(|(spelling, _)| *spelling == text).map(|(_, precision)| *precision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_those_of_each_dialect() {
        let accepts =
            |dialect: Dialect, text| find_precision(dialect.rules().write_precisions, text).is_some();
        for text in ["ns", "us", "ms", "s", "m", "h", "n"] {
            assert!(accepts(Dialect::Dedicated, text) && accepts(Dialect::Oss, text), "{text}");
        }
        assert!(!accepts(Dialect::Dedicated, "u") && accepts(Dialect::Oss, "u"));
        for text in ["S", "d", "w", "rfc3339", "Ns"] {
            assert!(!accepts(Dialect::Dedicated, text) && !accepts(Dialect::Oss, text), "{text}");
        }
    }
}
