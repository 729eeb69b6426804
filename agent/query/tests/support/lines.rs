//! Reads line protocol for set-ups: enough of it for well-formed lines.

use weir_model::FieldValue;

/// A field as written.
#[derive(Clone, Debug)]
pub enum Field {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(String),
}

impl Field {
    pub fn value(&self) -> FieldValue<'_> {
        match self {
            Self::Float(x) => FieldValue::Float(*x),
            Self::Integer(x) => FieldValue::Integer(*x),
            Self::Unsigned(x) => FieldValue::Unsigned(*x),
            Self::Boolean(x) => FieldValue::Boolean(*x),
            Self::Text(x) => FieldValue::String(x),
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    pub measurement: String,
    pub tags: Vec<(String, String)>,
    pub fields: Vec<(String, Field)>,
    pub time: Option<i64>,
}

/// The lines of `text`; `None` for a line that is broken.
pub fn parse(text: &str) -> Vec<Option<Line>> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = line_end(rest);
        let line = rest[..end].trim_start();
        if !line.is_empty() && !line.starts_with('#') {
            out.push(parse_line(line.trim_end()));
        }
        rest = rest.get(end + 1..).unwrap_or("");
    }
    out
}

fn line_end(text: &str) -> usize {
    let mut quoted = false;
    let mut fields = false;
    let mut escaped = false;
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        let last = std::mem::replace(&mut before, c);
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            ' ' if !quoted => fields = true,
            '"' if fields && (quoted || last == '=') => quoted = !quoted,
            '\n' if !quoted => return i,
            _ => {}
        }
    }
    text.len()
}

fn parse_line(line: &str) -> Option<Line> {
    let (head, rest) = split(line, ' ', false)?;
    let mut parts = pieces(head, ',', false).into_iter();
    let measurement = unescape(parts.next()?, ", =");
    let tags = parts
        .map(|p| split(p, '=', false).map(|(k, v)| (unescape(k, ", ="), unescape(v, ", ="))))
        .collect::<Option<Vec<_>>>()?;
    let (fields, time) =
        split(rest.trim_start(), ' ', true).map_or((rest, None), |(f, t)| (f, Some(t.trim())));
    let fields = pieces(fields, ',', true)
        .into_iter()
        .map(|p| split(p, '=', false).and_then(|(k, v)| Some((unescape(k, ", ="), value(v)?))))
        .collect::<Option<Vec<_>>>()?;
    let fields: Vec<_> = fields.into_iter().filter(|(k, _)| k != "time").collect();
    let time = match time {
        Some("") | None => None,
        Some(t) => Some(t.parse().ok()?),
    };
    (!measurement.is_empty() && !fields.is_empty()).then_some(Line { measurement, tags, fields, time })
}

fn value(text: &str) -> Option<Field> {
    if let Some(inner) = text.strip_prefix('"') {
        let inner = inner.strip_suffix('"')?;
        return Some(Field::Text(inner.replace("\\\"", "\"").replace("\\\\", "\\")));
    }
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(Field::Boolean(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(Field::Boolean(false)),
        _ => {}
    }
    if let Some(number) = text.strip_suffix('i') {
        return number.parse().ok().map(Field::Integer);
    }
    if let Some(number) = text.strip_suffix('u') {
        return number.parse().ok().map(Field::Unsigned);
    }
    text.parse().ok().filter(|x: &f64| x.is_finite()).map(Field::Float)
}

fn find(text: &str, separator: char, strings: bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        let last = std::mem::replace(&mut before, c);
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' && strings && (quoted || last == '=') {
            quoted = !quoted;
        } else if c == separator && !quoted {
            return Some(i);
        }
    }
    None
}

fn split(text: &str, separator: char, strings: bool) -> Option<(&str, &str)> {
    let at = find(text, separator, strings)?;
    Some((&text[..at], &text[at + 1..]))
}

fn pieces(text: &str, separator: char, strings: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((head, tail)) = split(rest, separator, strings) {
        out.push(head);
        rest = tail;
    }
    out.push(rest);
    out
}

fn unescape(text: &str, special: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && special.contains(*next) => {
                out.extend(chars.next());
            }
            _ => out.push(c),
        }
    }
    out
}
