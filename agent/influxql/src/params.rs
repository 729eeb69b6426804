//! Values for bind parameters (`$name`).

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
