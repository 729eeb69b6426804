//! Values for bind parameters (`$name`).

use crate::lexer::Tok;

/// Value of a bind parameter: what takes the place of `$name` in the text.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// A number with a fraction or an exponent.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// A string literal.
    String(String),
    /// A boolean literal.
    Boolean(bool),
    /// A duration literal in InfluxQL's spelling, such as `5m`.
    Duration(String),
    /// A name: of a column, a measurement, a policy.
    Identifier(String),
    /// A regular expression without the slashes.
    Regex(String),
    /// A value that cannot be bound. It is an error, with this text, only where the parameter is used.
    Error(String),
}

impl ParamValue {
    /// The token that takes the place of the parameter.
    pub(crate) fn token(&self) -> (Tok, String) {
        match self {
            Self::Number(n) => (Tok::Number, n.to_string()),
            Self::Integer(n) => (Tok::Integer, n.to_string()),
            Self::String(text) => (Tok::Str, text.clone()),
            Self::Boolean(true) => (Tok::True, String::new()),
            Self::Boolean(false) => (Tok::False, String::new()),
            Self::Duration(text) => (Tok::DurationVal, text.clone()),
            Self::Identifier(name) => (Tok::Ident, name.clone()),
            Self::Regex(pattern) => (Tok::Regex, pattern.clone()),
            Self::Error(text) => (Tok::BoundParam, text.clone()),
        }
    }

    /// The value of `{"kind": value}` in the JSON of a request, where `value` was read as if it stood alone. Kinds are
    /// `ident`, `identifier`, `regex`, `string`, `float`, `number`, `int`, `integer` and `duration`.
    #[must_use]
    pub fn of_kind(kind: &str, value: Self) -> Self {
        let refuse = |text: &str| Self::Error(text.to_owned());
        match (kind, value) {
            (_, error @ Self::Error(_)) => error,
            ("ident" | "identifier", Self::String(s)) => Self::Identifier(s),
            ("ident" | "identifier", _) => refuse("identifier must be a string value"),
            ("regex", Self::String(s)) => Self::Regex(s),
            ("regex", _) => refuse("regex literal must be a string value"),
            ("string", Self::String(s)) => Self::String(s),
            ("string", _) => refuse("string literal must be a string value"),
            ("float" | "number", Self::Number(n)) => Self::Number(n),
            #[expect(clippy::cast_precision_loss, reason = "a number literal is a float")]
            ("float" | "number", Self::Integer(n)) => Self::Number(n as f64),
            ("float" | "number", _) => refuse("number literal must be a float value"),
            ("int" | "integer", Self::Integer(n)) => Self::Integer(n),
            ("int" | "integer", _) => refuse("integer literal must be an integer value"),
            ("duration", Self::String(s)) => Self::Duration(s),
            ("duration", Self::Integer(ns)) => Self::Duration(crate::duration::format_duration(ns)),
            ("duration", _) => refuse("duration literal must be a string or integer value"),
            _ => Self::Error(format!("unknown bind object type: {kind}")),
        }
    }
}
