//! What is wrong with a line, in the words of either dialect.
//!
//! Texts of InfluxDB 1.x are those of its `models.ParsePoints`; texts of the other dialect those of the InfluxDB 3 line protocol parser,
//! as far as the grammars agree.

use std::fmt::Write as _;

use weir_model::{FieldType, Refusal};

/// Longest part of a line that is kept.
const EXCERPT_BYTES_MAX: usize = 128 * 1_024;
/// Bytes of excerpts in one list after which lines are shortened to [`SHORT_EXCERPT_BYTES`].
const EXCERPTS_BYTES_MAX: usize = 1 << 20;
/// Enough to find the line.
const SHORT_EXCERPT_BYTES: usize = 100;
/// Characters of trailing content that the IOx text shows.
const TRAILING_CHARS: usize = 10;

/// A line that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Physical line of the body on which the bad line starts; the first is 1.
    pub line: u64,
    /// What is wrong.
    pub kind: ErrorKind,
    /// The line without leading blanks and line end, shortened if it is very long. Bytes that are no UTF-8 are replaced.
    pub excerpt: String,
}

/// What is wrong with a line. Texts inside are the offending part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The line starts with a comma.
    MissingMeasurement,
    /// No key before `=`, or nothing behind a comma.
    MissingTagKey,
    /// Nothing behind `=`, or no `=`.
    MissingTagValue,
    /// An `=` in a tag value where it must be escaped.
    InvalidTagFormat,
    /// A tag key twice.
    DuplicateTag(String),
    /// A tag called `time`.
    TagTime {
        /// Measurement of the line.
        measurement: String,
    },
    /// No fields.
    MissingFields,
    /// No name before `=`.
    MissingFieldKey,
    /// Nothing behind `=`.
    MissingFieldValue,
    /// Names and values do not pair up.
    InvalidFieldFormat,
    /// No number.
    InvalidNumber(String),
    /// A number that is no float, or out of its range.
    InvalidFloat(String),
    /// Neither true nor false.
    InvalidBoolean(String),
    /// Beyond 64 bits.
    IntegerRange(String),
    /// Beyond 64 bits.
    UnsignedRange(String),
    /// A string without an end.
    UnbalancedQuotes,
    /// A field twice with different types.
    DuplicateField {
        /// Its name.
        field: String,
        /// Type of the first one.
        first: FieldType,
        /// Type of a later one.
        later: FieldType,
    },
    /// A name that is both a tag and a field.
    TagAndField {
        /// The name.
        name: String,
        /// Type of the field.
        given: FieldType,
    },
    /// The time is no integer.
    BadTimestamp(String),
    /// The time is an integer beyond 64 bits, or a lone minus.
    TimestampRange(String),
    /// The time lies outside of what can be stored, in nanoseconds.
    TimeOutsideRange(String),
    /// Something behind the time.
    TrailingContent(String),
    /// The series key is too long.
    KeyTooLong {
        /// Its bytes, with the field where that matters.
        len: usize,
    },
    /// A name is too long.
    NameTooLong {
        /// Its bytes.
        len: usize,
    },
    /// A string is too long.
    StringTooLong {
        /// Its bytes.
        len: usize,
    },
    /// A NUL in the measurement.
    NulInMeasurement,
    /// Bytes that are no UTF-8 in a name or a string.
    InvalidUtf8,
    /// The sink refused the point.
    Refused(Refusal),
}

impl LineError {
    /// The text of InfluxDB 1.x: `unable to parse '<line>': <why>`. For lines that parse but may not be stored, only the reason.
    #[must_use]
    pub fn influx1_text(&self) -> String {
        let reason = self.kind.influx1_reason();
        if self.kind.is_dropped() { reason } else { format!("unable to parse '{}': {reason}", self.excerpt) }
    }

    /// The text of the InfluxDB 3 write API: `error parsing line <n> (1-based): <why>`, or `error writing line …` for lines that parse but
    /// may not be stored.
    #[must_use]
    pub fn iox_text(&self) -> String {
        let reason = self.kind.iox_reason();
        if matches!(self.kind, ErrorKind::TimeOutsideRange(_)) {
            return format!("{reason} on line {} (1-based)", self.line);
        }
        let verb = if self.kind.is_dropped() { "writing" } else { "parsing" };
        format!("error {verb} line {} (1-based): {reason}", self.line)
    }
}

impl ErrorKind {
    /// Whether the line is sound as text, and the point was turned away: InfluxDB 1.x counts these in `dropped=`.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        matches!(
            self,
            Self::TagTime { .. } | Self::DuplicateField { .. } | Self::TagAndField { .. } | Self::Refused(_)
        )
    }

    /// The reason in the words of InfluxDB 1.x.
    #[must_use]
    pub fn influx1_reason(&self) -> String {
        match self {
            Self::MissingMeasurement => "missing measurement".into(),
            Self::MissingTagKey => "missing tag key".into(),
            Self::MissingTagValue => "missing tag value".into(),
            Self::InvalidTagFormat => "invalid tag format".into(),
            Self::DuplicateTag(_) => "duplicate tags".into(),
            Self::TagTime { measurement } => {
                format!("invalid tag key: {}", tag_time(measurement))
            }
            Self::MissingFields => "missing fields".into(),
            Self::MissingFieldKey => "missing field key".into(),
            Self::MissingFieldValue => "missing field value".into(),
            Self::InvalidFieldFormat => "invalid field format".into(),
            Self::InvalidNumber(_) => "invalid number".into(),
            Self::InvalidFloat(_) => "invalid float".into(),
            Self::InvalidBoolean(_) => "invalid boolean".into(),
            Self::IntegerRange(n) => {
                format!("unable to parse integer {n}: strconv.ParseInt: parsing \"{n}\": value out of range")
            }
            Self::UnsignedRange(n) => {
                format!(
                    "unable to parse unsigned {n}: strconv.ParseUint: parsing \"{n}\": value out of range"
                )
            }
            Self::UnbalancedQuotes => "unbalanced quotes".into(),
            Self::DuplicateField { .. } => "field type conflict".into(),
            Self::TagAndField { name, .. } => format!("\"{name}\" is both a tag and a field"),
            Self::BadTimestamp(_) => "bad timestamp".into(),
            Self::TimestampRange(n) => {
                let why = if n == "-" { "invalid syntax" } else { "value out of range" };
                format!("strconv.ParseInt: parsing \"{n}\": {why}")
            }
            Self::TimeOutsideRange(_) => weir_model::time::OutOfRange.to_string(),
            Self::TrailingContent(_) => "point is invalid".into(),
            Self::KeyTooLong { len } => {
                format!("max key length exceeded: {len} > {}", crate::KEY_LEN_MAX)
            }
            Self::NameTooLong { len } => format!("max name length exceeded: {len} > {}", crate::NAME_LEN_MAX),
            Self::StringTooLong { len } => {
                format!("max string length exceeded: {len} > {}", crate::STRING_LEN_MAX)
            }
            Self::NulInMeasurement => "invalid measurement".into(),
            Self::InvalidUtf8 => "invalid UTF-8".into(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }

    /// The reason in the words of the InfluxDB 3 write API.
    #[must_use]
    pub fn iox_reason(&self) -> String {
        match self {
            Self::MissingMeasurement | Self::NulInMeasurement => "Invalid measurement was provided".into(),
            Self::MissingTagKey => "Expected tag key".into(),
            Self::MissingTagValue => "Expected tag value".into(),
            Self::InvalidTagFormat => "Tag set malformed".into(),
            Self::DuplicateTag(tag) => {
                format!("the tag '{tag}' is specified more than once with conflicting values")
            }
            Self::TagTime { measurement } => tag_time(measurement),
            Self::MissingFields => "No fields were provided".into(),
            Self::MissingFieldKey | Self::MissingFieldValue | Self::InvalidFieldFormat => {
                "Field set malformed".into()
            }
            Self::InvalidNumber(n) | Self::InvalidFloat(n) => {
                format!("Unable to parse floating-point value `{n}`")
            }
            Self::InvalidBoolean(text) => trailing(text),
            Self::IntegerRange(n) => format!("Unable to parse integer value `{n}`"),
            Self::UnsignedRange(n) => format!("Unable to parse unsigned integer value `{n}`"),
            Self::UnbalancedQuotes => "Unable to parse string value: no closing quote".into(),
            Self::DuplicateField { field, .. } => {
                format!("the field '{field}' is specified more than once with conflicting types")
            }
            Self::TagAndField { name, given } => format!(
                "Unable to insert iox::column_type::field::{} type into column {name} with type iox::column_type::tag",
                iox_type(*given)
            ),
            Self::BadTimestamp(n) | Self::TimestampRange(n) => {
                format!("Unable to parse timestamp value `{n}`")
            }
            Self::TimeOutsideRange(_) => "timestamp overflows i64".into(),
            Self::TrailingContent(text) => trailing(text),
            Self::Refused(Refusal::FieldType { field, given, existing, .. }) => format!(
                "Unable to insert iox::column_type::field::{} type into column {field} with type iox::column_type::field::{}",
                iox_type(*given),
                iox_type(*existing)
            ),
            Self::KeyTooLong { .. }
            | Self::NameTooLong { .. }
            | Self::StringTooLong { .. }
            | Self::InvalidUtf8
            | Self::Refused(_) => self.influx1_reason(),
        }
    }
}

fn tag_time(measurement: &str) -> String {
    format!("input tag \"time\" on measurement \"{measurement}\" is invalid")
}

fn trailing(text: &str) -> String {
    let mut out = String::from("Could not parse entire line. Found trailing content: `");
    out.extend(text.chars().take(TRAILING_CHARS));
    if text.chars().nth(TRAILING_CHARS).is_some() {
        out.push_str("...");
    }
    out.push('`');
    out
}

fn iox_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Float => "float",
        FieldType::Integer => "integer",
        FieldType::Unsigned => "uinteger",
        FieldType::Boolean => "boolean",
        FieldType::String => "string",
    }
}

/// Lines that were not taken: all counted, the first ones kept, in the order of the body.
#[derive(Clone, Debug)]
pub struct ErrorList {
    kept: Vec<LineError>,
    max: usize,
    excerpt_bytes: usize,
    total: u64,
    dropped: u64,
}

impl ErrorList {
    /// A list that keeps the first `max` errors.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { kept: Vec::new(), max, excerpt_bytes: 0, total: 0, dropped: 0 }
    }

    /// The errors that were kept.
    #[must_use]
    pub fn kept(&self) -> &[LineError] {
        &self.kept
    }

    /// How many lines were not taken.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many of them were sound as text ([`ErrorKind::is_dropped`]).
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether every line was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self { kept: std::mem::take(&mut self.kept), ..Self::new(self.max) };
        self.kept.clear();
    }

    /// Adds the error of the line `text` that starts at physical line `line`.
    pub fn push(&mut self, line: u64, kind: ErrorKind, text: &[u8]) {
        self.total += 1;
        self.dropped += u64::from(kind.is_dropped());
        if self.kept.len() >= self.max {
            return;
        }
        let full = self.excerpt_bytes < EXCERPTS_BYTES_MAX;
        let excerpt = shortened(text, if full { EXCERPT_BYTES_MAX } else { SHORT_EXCERPT_BYTES });
        self.excerpt_bytes += excerpt.len();
        self.kept.push(LineError { line, kind, excerpt });
    }

    /// Texts of all kept errors that are not [dropped](ErrorKind::is_dropped), one a line, as InfluxDB 1.x answers them.
    #[must_use]
    pub fn influx1_parse_text(&self) -> String {
        let mut out = String::new();
        for error in self.kept.iter().filter(|e| !e.kind.is_dropped()) {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&error.influx1_text());
        }
        out
    }

    /// Texts of all kept errors, one a line, as the InfluxDB 3 write API lists them.
    #[must_use]
    pub fn iox_text(&self) -> String {
        let mut out = String::new();
        for (i, error) in self.kept.iter().enumerate() {
            let _ = write!(out, "{}{}", if i == 0 { "" } else { "\n" }, error.iox_text());
        }
        out
    }
}

/// At most `max` bytes of `text`, cut between characters.
pub(crate) fn shortened(text: &[u8], max: usize) -> String {
    if text.len() <= max {
        return String::from_utf8_lossy(text).into_owned();
    }
    let mut end = max;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let mut out = String::from_utf8_lossy(&text[..end]).into_owned();
    out.push_str("...");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_all_and_keeps_some() {
        let mut list = ErrorList::new(2);
        assert!(list.is_empty());
        for line in 1..=5 {
            list.push(line, ErrorKind::MissingFields, b"bad");
        }
        list.push(6, ErrorKind::TagTime { measurement: "m".into() }, b"m,time=1 v=1");
        assert_eq!((list.total(), list.dropped(), list.kept().len()), (6, 1, 2));
        assert_eq!(
            list.influx1_parse_text(),
            "unable to parse 'bad': missing fields\nunable to parse 'bad': missing fields"
        );
        assert_eq!(
            list.iox_text(),
            "error parsing line 1 (1-based): No fields were provided\nerror parsing line 2 (1-based): No fields were provided"
        );
        list.clear();
        assert!(list.is_empty() && list.kept().is_empty());
    }

    #[test]
    fn long_lines_are_shortened_between_characters() {
        assert_eq!(shortened("aüb".as_bytes(), 2), "a...");
        assert_eq!(shortened("aüb".as_bytes(), 3), "aü...");
        assert_eq!(shortened("aüb".as_bytes(), 4), "aüb");
        let mut list = ErrorList::new(100);
        for line in 0..20 {
            list.push(line, ErrorKind::MissingFields, &[b'x'; 200_000]);
        }
        assert!(list.kept().iter().map(|e| e.excerpt.len()).sum::<usize>() < 1_400_000);
    }

    #[test]
    fn trailing_content_is_shown_up_to_ten_characters() {
        let kind = ErrorKind::TrailingContent("12345678901".into());
        assert_eq!(kind.iox_reason(), "Could not parse entire line. Found trailing content: `1234567890...`");
    }
}
