//! Points to bytes.

use weir_model::FieldValue;

/// A point that line protocol cannot spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line protocol cannot spell this point: {0}")]
pub struct Unspellable(&'static str);

/// Appends one line, with its line feed, that parses back to this point. `time` in nanoseconds; without it the reader chooses.
///
/// # Errors
/// [`Unspellable`]; nothing is appended then. The reasons are an empty name, a name that ends in a backslash or holds a line feed, a
/// measurement that starts as a comment or a blank does, a field name with a backslash in front of a separator, a float that is not
/// finite, no fields.
pub fn write_point<'a>(
    out: &mut Vec<u8>,
    measurement: &str,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    fields: impl IntoIterator<Item = (&'a str, FieldValue<'a>)>,
    time: Option<i64>,
) -> Result<(), Unspellable> {
    let start = out.len();
    let result = write(out, measurement, tags, fields, time);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write<'a>(
    out: &mut Vec<u8>,
    measurement: &str,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    fields: impl IntoIterator<Item = (&'a str, FieldValue<'a>)>,
    time: Option<i64>,
) -> Result<(), Unspellable> {
    if measurement.starts_with(['#', '\t', '\0']) || measurement.contains('\0') {
        return Err(Unspellable("the measurement starts like a comment or a blank, or holds a NUL"));
    }
    write_name(out, measurement, b", ")?;
    for (key, value) in tags {
        out.push(b',');
        write_name(out, key, b",= ")?;
        out.push(b'=');
        write_name(out, value, b",= ")?;
    }
    let mut separator = b' ';
    for (name, value) in fields {
        out.push(separator);
        if separator == b' ' && name.starts_with(['\t', '\0']) {
            return Err(Unspellable("the first field name starts with a blank"));
        }
        if has_hidden_separator(name) {
            return Err(Unspellable("a field name has a backslash in front of a separator"));
        }
        separator = b',';
        write_name(out, name, b",= ")?;
        out.push(b'=');
        write_value(out, value)?;
    }
    if separator == b' ' {
        return Err(Unspellable("there are no fields"));
    }
    if let Some(time) = time {
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
    }
    out.push(b'\n');
    Ok(())
}

fn write_name(out: &mut Vec<u8>, name: &str, specials: &[u8]) -> Result<(), Unspellable> {
    if name.is_empty() {
        return Err(Unspellable("a name or a tag value is empty"));
    }
    if name.ends_with('\\') {
        return Err(Unspellable("a name or a tag value ends in a backslash"));
    }
    for &b in name.as_bytes() {
        if b == b'\n' {
            return Err(Unspellable("a name or a tag value holds a line feed"));
        }
        if specials.contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    Ok(())
}

fn has_hidden_separator(name: &str) -> bool {
    name.as_bytes().windows(2).any(|w| w[0] == b'\\' && matches!(w[1], b',' | b'=' | b' ' | b'\\'))
}

fn write_value(out: &mut Vec<u8>, value: FieldValue<'_>) -> Result<(), Unspellable> {
    match value {
        FieldValue::Float(x) if !x.is_finite() => return Err(Unspellable("a float is not finite")),
        FieldValue::Float(x) => out.extend_from_slice(zmij::Buffer::new().format_finite(x).as_bytes()),
        FieldValue::Integer(x) => {
            out.extend_from_slice(itoa::Buffer::new().format(x).as_bytes());
            out.push(b'i');
        }
        FieldValue::Unsigned(x) => {
            out.extend_from_slice(itoa::Buffer::new().format(x).as_bytes());
            out.push(b'u');
        }
        FieldValue::Boolean(x) => out.extend_from_slice(if x { b"true" } else { b"false" }),
        FieldValue::String(text) => {
            out.push(b'"');
            for &b in text.as_bytes() {
                if matches!(b, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(b);
            }
            out.push(b'"');
        }
    }
    Ok(())
}
