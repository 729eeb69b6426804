//! Bind parameters: the JSON object `params`.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::{Map, Value};
use weir_influxql::ParamValue;

use crate::error::ApiError;

/// Nested deeper than this nothing is read; values are flat or objects of one key.
const NAMES_MAX: usize = 1000;

/// The parameters in `text`. Empty text, `null` and `{}` mean none. What follows the first JSON value is ignored, as in 1.x.
///
/// # Errors
/// Text that is no JSON object, or a whole number beyond 64 bits.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, ParamValue>, ApiError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wrong = |why: String| ApiError::invalid(format!("error parsing query parameters: {why}"));
    let mut reader = serde_json::Deserializer::from_str(text);
    let object = match Value::deserialize(&mut reader) {
        Ok(Value::Object(object)) => object,
        Ok(Value::Null) => return Ok(BTreeMap::new()),
        Ok(other) => {
            let kind = go_json_kind(&other);
            let text =
                format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}");
            return Err(wrong(text));
        }
        Err(error) => return Err(wrong(go_syntax_error(text, &error))),
    };
    if object.len() > NAMES_MAX {
        return Err(wrong(format!("more than {NAMES_MAX} parameters")));
    }
    object.into_iter().map(|(name, value)| Ok((name, bind(&value)?))).collect()
}

fn bind(value: &Value) -> Result<ParamValue, ApiError> {
    Ok(match value {
        Value::Number(number) => number_value(number)?,
        Value::String(text) => ParamValue::String(text.clone()),
        Value::Bool(value) => ParamValue::Boolean(*value),
        Value::Object(object) => bind_object(object),
        Value::Null => ParamValue::Error("unable to bind parameter with type <nil>".to_owned()),
        Value::Array(_) => ParamValue::Error("unable to bind parameter with type []interface {}".to_owned()),
    })
}

fn number_value(number: &serde_json::Number) -> Result<ParamValue, ApiError> {
    if let Some(integer) = number.as_i64() {
        Ok(ParamValue::Integer(integer))
    } else if number.is_u64() {
        Err(ApiError::invalid(format!(
            "error parsing json value: strconv.ParseInt: parsing \"{number}\": value out of range"
        )))
    } else {
        Ok(ParamValue::Number(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// `{"identifier": "x"}` and its like.
fn bind_object(object: &Map<String, Value>) -> ParamValue {
    let mut entries = object.iter();
    let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
        return ParamValue::Error("bound object parameter value must have exactly one entry".to_owned());
    };
    let text = value.as_str().map(str::to_owned);
    let (bound, wanted) = match kind.as_str() {
        "ident" | "identifier" => (text.map(ParamValue::Identifier), "identifier must be a string value"),
        "regex" => (text.map(ParamValue::Regex), "regex literal must be a string value"),
        "string" => (text.map(ParamValue::String), "string literal must be a string value"),
        "float" | "number" => {
            (value.as_f64().map(ParamValue::Number), "number literal must be a float value")
        }
        "int" | "integer" => {
            (value.as_i64().map(ParamValue::Integer), "integer literal must be an integer value")
        }
        "bool" | "boolean" => {
            (value.as_bool().map(ParamValue::Boolean), "boolean literal must be a boolean value")
        }
        "duration" => {
            let nanoseconds = value.as_i64().map(|ns| format!("{ns}ns"));
            let duration = text.or(nanoseconds).map(ParamValue::Duration);
            (duration, "duration literal must be a string or integer value")
        }
        other => return ParamValue::Error(format!("unknown bind object type: {other}")),
    };
    bound.unwrap_or_else(|| ParamValue::Error(wanted.to_owned()))
}

fn go_json_kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Null | Value::Object(_) => "object",
    }
}

/// Words a syntax error as Go does, for the mistakes that are common: text that is no JSON at all, or not all of it.
fn go_syntax_error(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected EOF".to_owned();
    }
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let literal = match text.chars().next() {
        Some('n') => "null",
        Some('t') => "true",
        Some('f') => "false",
        Some('{' | '[' | '"' | '-' | '0'..='9') | None => return error.to_string(),
        Some(other) => return format!("invalid character '{other}' looking for beginning of value"),
    };
    match text.chars().zip(literal.chars()).find(|(found, expected)| found != expected) {
        Some((found, expected)) => {
            format!("invalid character '{found}' in literal {literal} (expecting '{expected}')")
        }
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(json: &str) -> ParamValue {
        parse(&format!("{{\"x\":{json}}}")).unwrap().remove("x").unwrap()
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn values_get_the_types_that_1x_gives_them() {
        let text = |s: &str| s.to_owned();
        assert_eq!(one("10"), ParamValue::Integer(10));
        assert_eq!(one("-1.5"), ParamValue::Number(-1.5));
        assert_eq!(one("8.0"), ParamValue::Number(8.0));
        assert_eq!(one("9223372036854775807"), ParamValue::Integer(i64::MAX));
        assert_eq!(one("\"it's\""), ParamValue::String(text("it's")));
        assert_eq!(one("true"), ParamValue::Boolean(true));
        assert_eq!(one("{\"duration\":\"1m\"}"), ParamValue::Duration(text("1m")));
        assert_eq!(one("{\"duration\":60}"), ParamValue::Duration(text("60ns")));
        assert_eq!(one("{\"identifier\":\"i\"}"), ParamValue::Identifier(text("i")));
        assert_eq!(one("{\"regex\":\"a|b\"}"), ParamValue::Regex(text("a|b")));
        assert_eq!(one("{\"integer\":10}"), ParamValue::Integer(10));
        assert_eq!(one("{\"number\":10}"), ParamValue::Number(10.0));
        assert_eq!(one("null"), ParamValue::Error(text("unable to bind parameter with type <nil>")));
        assert_eq!(one("{\"bogus\":1}"), ParamValue::Error(text("unknown bind object type: bogus")));
        assert!(matches!(one("{}"), ParamValue::Error(_)));
        for none in ["", "{}", "null", " null "] {
            assert!(parse(none).unwrap().is_empty(), "{none}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_in_gos_words() {
        let prefix = "error parsing query parameters: ";
        for (text, why) in [
            ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
            ("1", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
            ("\"x\"", "json: cannot unmarshal string into Go value of type map[string]interface {}"),
            ("not json", "invalid character 'o' in literal null (expecting 'u')"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("{\"a\":", "unexpected EOF"),
        ] {
            assert_eq!(error(text), format!("{prefix}{why}"));
        }
        assert!(error("{\"x\":18446744073709551615}").starts_with("error parsing json value: "));
    }

    proptest! {
        #[test]
        fn params_never_panic(text in "[{}\\[\\]\":,0-9a-z. -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
