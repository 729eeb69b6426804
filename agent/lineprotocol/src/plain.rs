//! One line, read plainly: the whole grammar, and the only judge of what is wrong.
//!
//! Key, fields and time are first found and checked one after the other, then taken apart. The order of the checks is that of InfluxDB 1.x,
//! so that a line with several faults is refused for the same one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use weir_model::{FieldValue, Precision};

use crate::errors::{ErrorKind, shortened};
use crate::number::{self, Number};
use crate::parser::Rules;
use crate::split::skip_blank;
use crate::{KEY_LEN_MAX, NAME_LEN_MAX, STRING_LEN_MAX};

/// What InfluxDB 1.x puts between key and field in the key of a column: `#!~#`.
const KEY_FIELD_SEPARATOR_LEN: usize = 4;
/// Longest offending part shown in an error.
const TOKEN_BYTES_MAX: usize = 256;

/// A line taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    /// Measurement and tags as written.
    pub(crate) key: &'a [u8],
    pub(crate) measurement: Cow<'a, str>,
    /// In the order written.
    pub(crate) tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// In the order written, each name once; those called `time` left out.
    pub(crate) fields: Vec<Field<'a>>,
    /// Fields called `time`.
    pub(crate) time_fields: u64,
    /// Nanoseconds.
    pub(crate) time: Option<i64>,
}

/// A field taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Field<'a> {
    /// Name as written.
    pub(crate) raw: &'a [u8],
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Value<'a>,
}

/// A value; what [`FieldValue`] is, with the spelling of numbers and owned strings.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Number(Number),
    Boolean(bool),
    String(Cow<'a, str>),
}

impl Value<'_> {
    /// The value as others know it.
    pub(crate) fn as_field_value(&self) -> FieldValue<'_> {
        match self {
            Self::Number(Number::Float(x, _)) => FieldValue::Float(*x),
            Self::Number(Number::Integer(x)) => FieldValue::Integer(*x),
            Self::Number(Number::Unsigned(x)) => FieldValue::Unsigned(*x),
            Self::Boolean(x) => FieldValue::Boolean(*x),
            Self::String(x) => FieldValue::String(x),
        }
    }
}

/// Reads a line without leading blanks and line end.
pub(crate) fn parse<'a>(line: &'a [u8], rules: Rules, precision: Precision) -> Result<Line<'a>, ErrorKind> {
    let key = scan_key(line, rules)?;
    if key.bytes.len() > KEY_LEN_MAX {
        return Err(ErrorKind::KeyTooLong { len: key.bytes.len() });
    }
    let start = skip_blank(line, key.end);
    let fields_end = scan_fields(line, start)?;
    let raw_fields = split_fields(&line[start..fields_end])?;
    if let Some(longest) = raw_fields.iter().map(|(name, _)| name.len()).max() {
        let len = key.bytes.len() + KEY_FIELD_SEPARATOR_LEN + longest;
        if len > KEY_LEN_MAX {
            return Err(ErrorKind::KeyTooLong { len });
        }
    }
    let time = scan_time(line, fields_end, precision)?;
    let measurement = unescape(key.measurement, b", ")?;
    if measurement.contains('\0') {
        return Err(ErrorKind::NulInMeasurement);
    }
    check_name(&measurement)?;
    let tags = read_tags(&key, &measurement)?;
    let (fields, time_fields) = read_fields(&raw_fields)?;
    if !rules.tag_and_field {
        check_clash(&tags, &fields)?;
    }
    Ok(Line { key: key.bytes, measurement, tags, fields, time_fields, time })
}

/// A key cut into parts.
struct Key<'a> {
    bytes: &'a [u8],
    measurement: &'a [u8],
    /// Key and value, not empty, as written.
    tags: Vec<(&'a [u8], &'a [u8])>,
    end: usize,
}

fn scan_key(line: &[u8], rules: Rules) -> Result<Key<'_>, ErrorKind> {
    if line.first().is_none_or(|&b| b == b',') {
        return Err(ErrorKind::MissingMeasurement);
    }
    let mut end = find_bare(line, 1, b", ").ok_or(ErrorKind::MissingFields)?;
    let measurement = &line[..end];
    let mut tags = Vec::new();
    while line[end] == b',' {
        let start = end + 1;
        if line.get(start).is_none_or(|b| b" ,=".contains(b)) {
            return Err(ErrorKind::MissingTagKey);
        }
        let equals = find_bare(line, start + 1, b" ,=").ok_or(ErrorKind::MissingTagValue)?;
        if line[equals] != b'=' || line.get(equals + 1).is_none_or(|b| b" ,".contains(b)) {
            return Err(ErrorKind::MissingTagValue);
        }
        let stops: &[u8] = if rules.equals_in_tag_value { b" ," } else { b" ,=" };
        end = find_bare(line, equals + 2, stops).ok_or(ErrorKind::MissingFields)?;
        if line[end] == b'=' {
            return Err(ErrorKind::InvalidTagFormat);
        }
        tags.push((&line[start..equals], &line[equals + 1..end]));
    }
    if let Some(tag) = duplicate(&tags) {
        return Err(ErrorKind::DuplicateTag(shown(tag)));
    }
    Ok(Key { bytes: &line[..end], measurement, tags, end })
}

/// The first of `stops` from `start` on that has no backslash in front.
fn find_bare(line: &[u8], start: usize, stops: &[u8]) -> Option<usize> {
    (start..line.len()).find(|&i| stops.contains(&line[i]) && line[i - 1] != b'\\')
}

fn duplicate<'a>(tags: &[(&'a [u8], &'a [u8])]) -> Option<&'a [u8]> {
    // The common case, keys in order, needs no list.
    if tags.windows(2).all(|w| w[0].0 < w[1].0) {
        return None;
    }
    let mut keys: Vec<&[u8]> = tags.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.windows(2).find(|w| w[0] == w[1]).map(|w| w[0])
}

/// Checks the field set that starts at `start` and gives its end.
fn scan_fields(line: &[u8], start: usize) -> Result<usize, ErrorKind> {
    let mut i = start;
    let mut quoted = false;
    let (mut equals, mut commas) = (0usize, 0usize);
    while i < line.len() {
        match line[i] {
            b'\\' if i + 1 < line.len() => {
                i += 2;
                continue;
            }
            // Quotes mean nothing in names.
            b'"' if equals > commas => quoted = !quoted,
            b'=' if !quoted => {
                equals += 1;
                if matches!(line[i - 1], b' ' | b',') && (i < 2 || line[i - 2] != b'\\') {
                    return Err(ErrorKind::MissingFieldKey);
                }
                match line.get(i + 1) {
                    None | Some(b',' | b' ') => return Err(ErrorKind::MissingFieldValue),
                    Some(b'"') => {}
                    Some(b'0'..=b'9' | b'.' | b'-' | b'N' | b'n') => {
                        i = token_end(line, i + 1, number)?;
                        continue;
                    }
                    Some(_) => {
                        i = token_end(line, i + 1, boolean)?;
                        continue;
                    }
                }
            }
            b',' if !quoted => commas += 1,
            b' ' if !quoted => break,
            _ => {}
        }
        i += 1;
    }
    if quoted {
        return Err(ErrorKind::UnbalancedQuotes);
    }
    if equals == 0 || commas != equals - 1 {
        return Err(ErrorKind::InvalidFieldFormat);
    }
    Ok(i)
}

/// End of the number or boolean at `start`, checked by `read`.
fn token_end<T>(
    line: &[u8],
    start: usize,
    read: impl Fn(&[u8]) -> Result<T, ErrorKind>,
) -> Result<usize, ErrorKind> {
    let rest = &line[start..];
    let len = rest.iter().position(|b| matches!(b, b',' | b' ')).unwrap_or(rest.len());
    read(&rest[..len])?;
    Ok(start + len)
}

/// Reads a number; `token` is not empty and starts with a digit, a point, a minus, or `n`.
pub(crate) fn number(token: &[u8]) -> Result<Number, ErrorKind> {
    let invalid = || ErrorKind::InvalidNumber(shown(token));
    let digits = |t: &[u8]| !t.is_empty() && t.iter().all(u8::is_ascii_digit);
    if let Some(text) = token.strip_suffix(b"i") {
        if !digits(text.strip_prefix(b"-").unwrap_or(text)) {
            return Err(invalid());
        }
        let parsed = str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        return parsed.map(Number::Integer).ok_or_else(|| ErrorKind::IntegerRange(shown(text)));
    }
    if let Some(text) = token.strip_suffix(b"u") {
        if !digits(text) {
            return Err(invalid());
        }
        let parsed = str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        return parsed.map(Number::Unsigned).ok_or_else(|| ErrorKind::UnsignedRange(shown(text)));
    }
    let body = token.strip_prefix(b"-").unwrap_or(token);
    let mut points = 0;
    for (i, &b) in body.iter().enumerate() {
        match b {
            b'0'..=b'9' => {}
            b'.' if points == 0 => points = 1,
            b'e' | b'E' if i > 0 || body.len() < token.len() => {}
            b'+' | b'-' if i > 0 && matches!(body[i - 1], b'e' | b'E') => {}
            _ => return Err(invalid()),
        }
    }
    if body.len() == points {
        return Err(invalid());
    }
    number::float(token).ok_or_else(|| ErrorKind::InvalidFloat(shown(token)))
}

/// Reads a boolean.
pub(crate) fn boolean(token: &[u8]) -> Result<bool, ErrorKind> {
    match token {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => Ok(true),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => Ok(false),
        _ => Err(ErrorKind::InvalidBoolean(shown(token))),
    }
}

/// Reads the time behind the fields, if there is one, and makes sure that nothing follows it.
fn scan_time(line: &[u8], fields_end: usize, precision: Precision) -> Result<Option<i64>, ErrorKind> {
    let start = skip_blank(line, fields_end);
    let rest = &line[start..];
    let len = rest.iter().position(|b| matches!(b, b' ' | b'\n')).unwrap_or(rest.len());
    let token = &rest[..len];
    if token.is_empty() {
        return Ok(None);
    }
    if !token.strip_prefix(b"-").unwrap_or(token).iter().all(u8::is_ascii_digit) {
        return Err(ErrorKind::BadTimestamp(shown(token)));
    }
    let raw: Option<i64> = str::from_utf8(token).ok().and_then(|t| t.parse().ok());
    let raw = raw.ok_or_else(|| ErrorKind::TimestampRange(shown(token)))?;
    let time = precision.to_ns(raw).map_err(|_| ErrorKind::TimeOutsideRange(shown(token)))?;
    if rest[len..].iter().any(|&b| b != b' ') {
        let more = &rest[len..];
        let from = more.iter().position(|&b| b != b' ').unwrap_or(0);
        return Err(ErrorKind::TrailingContent(shown(&more[from..])));
    }
    Ok(Some(time.0))
}

/// Cuts a checked field set into names and values. What passes the check but does not pair up here hides a separator behind two
/// backslashes.
fn split_fields(fields: &[u8]) -> Result<Vec<(&[u8], &[u8])>, ErrorKind> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < fields.len() {
        let equals = find_bare(fields, start + 1, b"=").ok_or(ErrorKind::InvalidFieldFormat)?;
        let mut end = equals + 1;
        let mut quoted = false;
        while end < fields.len() {
            match fields[end] {
                b'\\' if matches!(fields.get(end + 1), Some(b'"' | b'\\')) => end += 1,
                b'"' => quoted = !quoted,
                b',' if !quoted => break,
                _ => {}
            }
            end += 1;
        }
        let end = end.min(fields.len());
        let (name, value) = (&fields[start..equals], &fields[equals + 1..end]);
        // A name holds no bare separator.
        if value.is_empty() || find_bare(name, 1, b", ").is_some() {
            return Err(ErrorKind::InvalidFieldFormat);
        }
        out.push((name, value));
        start = end + 1;
    }
    Ok(out)
}

fn read_tags<'a>(key: &Key<'a>, measurement: &str) -> Result<Vec<(Cow<'a, str>, Cow<'a, str>)>, ErrorKind> {
    let mut tags = Vec::with_capacity(key.tags.len());
    for (raw_key, raw_value) in &key.tags {
        let (key, value) = (unescape(raw_key, b",= ")?, unescape(raw_value, b",= ")?);
        if key == "time" {
            return Err(ErrorKind::TagTime { measurement: shown(measurement.as_bytes()) });
        }
        check_name(&key)?;
        check_name(&value)?;
        tags.push((key, value));
    }
    Ok(tags)
}

fn read_fields<'a>(raw: &[(&'a [u8], &'a [u8])]) -> Result<(Vec<Field<'a>>, u64), ErrorKind> {
    let mut fields: Vec<Field<'a>> = Vec::with_capacity(raw.len());
    let mut time_fields = 0;
    for &(raw, value) in raw {
        let name = unescape(raw, b",= ")?;
        check_name(&name)?;
        let value = read_value(value)?;
        if name == "time" {
            time_fields += 1;
            continue;
        }
        fields.push(Field { raw, name, value });
    }
    merge_duplicates(&mut fields)?;
    Ok((fields, time_fields))
}

/// Of fields with one name the last value counts, at the place of the first.
fn merge_duplicates(fields: &mut Vec<Field<'_>>) -> Result<(), ErrorKind> {
    let mut names: Vec<&str> = fields.iter().map(|f| &*f.name).collect();
    names.sort_unstable();
    if names.windows(2).all(|w| w[0] != w[1]) {
        return Ok(());
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<Field<'_>> = Vec::with_capacity(fields.len());
    for field in fields.drain(..) {
        let place = *places.entry(field.name.to_string()).or_insert(merged.len());
        let Some(first) = merged.get_mut(place) else {
            merged.push(field);
            continue;
        };
        let types = (first.value.as_field_value().field_type(), field.value.as_field_value().field_type());
        if types.0 != types.1 {
            let field = shown(field.name.as_bytes());
            return Err(ErrorKind::DuplicateField { field, first: types.0, later: types.1 });
        }
        first.value = field.value;
    }
    *fields = merged;
    Ok(())
}

fn read_value(raw: &[u8]) -> Result<Value<'_>, ErrorKind> {
    match raw.first() {
        // What stands behind the closing quote belongs to the string, as in InfluxDB 1.x: first and last byte are cut off.
        Some(b'"') if raw.len() >= 2 => read_string(&raw[1..raw.len() - 1]).map(Value::String),
        Some(b'0'..=b'9' | b'.' | b'-') => number(raw).map(Value::Number),
        _ => boolean(raw).map(Value::Boolean),
    }
}

/// Unescapes a string value.
pub(crate) fn read_string(raw: &[u8]) -> Result<Cow<'_, str>, ErrorKind> {
    let text = unescape(raw, b"\"\\")?;
    if text.len() > STRING_LEN_MAX {
        return Err(ErrorKind::StringTooLong { len: text.len() });
    }
    Ok(text)
}

/// Takes the backslash away in front of each of `specials`; any other backslash stands for itself.
fn unescape<'a>(raw: &'a [u8], specials: &[u8]) -> Result<Cow<'a, str>, ErrorKind> {
    let text = str::from_utf8(raw).map_err(|_| ErrorKind::InvalidUtf8)?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next) if c == '\\' && next.is_ascii() && specials.contains(&(next as u8)) => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Ok(Cow::Owned(out))
}

fn check_name(name: &str) -> Result<(), ErrorKind> {
    if name.len() > NAME_LEN_MAX { Err(ErrorKind::NameTooLong { len: name.len() }) } else { Ok(()) }
}

fn check_clash(tags: &[(Cow<'_, str>, Cow<'_, str>)], fields: &[Field<'_>]) -> Result<(), ErrorKind> {
    // Few tags are the rule; with many, comparing each with each would be a way to keep a core busy.
    let many: Option<HashSet<&str>> = (tags.len() > 32).then(|| tags.iter().map(|(key, _)| &**key).collect());
    let is_tag = |name: &str| match &many {
        Some(keys) => keys.contains(name),
        None => tags.iter().any(|(key, _)| *key == name),
    };
    match fields.iter().find(|field| is_tag(&field.name)) {
        Some(field) => {
            let given = field.value.as_field_value().field_type();
            Err(ErrorKind::TagAndField { name: shown(field.name.as_bytes()), given })
        }
        None => Ok(()),
    }
}

fn shown(token: &[u8]) -> String {
    shortened(token, TOKEN_BYTES_MAX)
}
