//! Every query of the conformance corpus: those that InfluxDB refuses to parse are refused in the same words, all others
//! parse, and what parses prints back to the same tree.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use weir_influxql::{ParamValue, Query, parse_query};

/// As long as the names that the corpus' runner makes: positions in errors depend on it.
const DATABASE: &str = "cf0123ab0001";

#[test]
fn the_corpus_parses_or_fails_in_the_same_words() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases");
    let (mut parsed, mut refused, mut warnings, mut problems) = (0, 0, 0, Vec::new());
    for entry in std::fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        let topic: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for case in topic["cases"].as_array().unwrap() {
            let alone = std::slice::from_ref(case);
            for step in case["steps"].as_array().map_or(alone, Vec::as_slice) {
                let Some(q) = step["q"].as_str() else { continue };
                // The server trims before it parses.
                let text = q.replace("{db}", DATABASE);
                let text = text.trim();
                let params = params(step);
                let expected = step["expect"]["body"]["error"].as_str().unwrap_or_default();
                let got = parse_query(text, &params);
                match (expected.strip_prefix("error parsing query: "), got) {
                    (Some(error), Err(got)) if got.text() == error => refused += 1,
                    (Some(error), Err(got)) => {
                        problems.push(format!("{}: {text}\n  want {error}\n  got  {got}", case["id"]))
                    }
                    (Some(error), Ok(_)) => {
                        problems.push(format!("{}: {text}\n  want {error}\n  parsed", case["id"]))
                    }
                    (None, Err(got)) if step["expect"]["status"] == 400 => {
                        // Bodies without JSON (an error in a chunked answer) and requests that fail before they parse.
                        assert!(!got.text().is_empty());
                    }
                    (None, Err(got)) => {
                        problems.push(format!("{}: {text}\n  should parse\n  got  {got}", case["id"]))
                    }
                    (None, Ok(query)) => {
                        parsed += 1;
                        warnings += check_warnings(step, &query, &mut problems);
                        let printed = query.to_string();
                        if printed.contains("[REDACTED]") {
                            continue;
                        }
                        match parse_query(&printed, &params) {
                            Ok(again) if again == query => {}
                            again => problems.push(format!(
                                "{}: {text}\n  printed {printed}\n  again {again:?}",
                                case["id"]
                            )),
                        }
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    assert!(warnings > 5, "the corpus has become small: {warnings} warnings");
    assert!(
        parsed > 2_000 && refused > 200,
        "the corpus has become small: {parsed} parsed, {refused} refused"
    );
}

/// A statement that changes something and comes by GET is answered with a warning that prints it. Returns how many there
/// were.
fn check_warnings(step: &Value, query: &Query, problems: &mut Vec<String>) -> usize {
    let mut warnings = 0;
    for result in step["expect"]["body"]["results"].as_array().into_iter().flatten() {
        let warning = result["messages"][0]["text"].as_str().unwrap_or_default();
        let Some(rest) = warning.strip_prefix("deprecated use of '") else { continue };
        let index = result["statement_id"].as_u64().and_then(|id| usize::try_from(id).ok()).unwrap_or(0);
        // The executor completes names before it prints.
        let mut statement = query.statements[index].clone();
        statement.fill_defaults(Some(DATABASE), Some("autogen"));
        let want = rest.strip_suffix("' in a read only context, please use a POST request instead");
        let printed = statement.to_string();
        if want != Some(&printed.replace(DATABASE, "{db}")) || statement.is_read_only() {
            problems.push(format!("{}: {warning}\n  printed {printed}", step["q"]));
        }
        warnings += 1;
    }
    warnings
}

/// The values of the request's `params`.
fn params(step: &Value) -> BTreeMap<String, ParamValue> {
    let given = match &step["params"]["params"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    let Value::Object(given) = given else { return BTreeMap::new() };
    given.iter().map(|(name, value)| (name.clone(), param(value))).collect()
}

fn param(value: &Value) -> ParamValue {
    match value {
        Value::Bool(b) => ParamValue::Boolean(*b),
        Value::String(s) => ParamValue::String(s.clone()),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| ParamValue::Number(n.as_f64().unwrap_or(f64::NAN)), ParamValue::Integer)
        }
        Value::Object(members) => {
            let mut members = members.iter();
            match (members.next(), members.next()) {
                (Some((kind, value)), None) => ParamValue::of_kind(kind, param(value)),
                _ => ParamValue::Error("bound object parameter value must have exactly one entry".to_owned()),
            }
        }
        Value::Array(_) => ParamValue::Error("unable to bind parameter with type []interface {}".to_owned()),
        Value::Null => ParamValue::Error("unable to bind parameter with type <nil>".to_owned()),
    }
}
