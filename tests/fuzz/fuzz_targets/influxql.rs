//! Any text parses or fails, and what parses prints back to the same tree.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use weir_influxql::{ParamValue, parse_query};

fuzz_target!(|text: &str| {
    let params = BTreeMap::from([
        ("r".to_owned(), ParamValue::Regex("a|b".to_owned())),
        ("i".to_owned(), ParamValue::Identifier("it is".to_owned())),
    ]);
    let Ok(query) = parse_query(text, &params) else { return };
    for statement in &query.statements {
        let _ = (statement.required_privileges(), statement.is_read_only(), statement.keywords());
        statement.clone().fill_defaults(Some("db"), Some("rp"));
    }
    let printed = query.to_string();
    if !printed.contains("[REDACTED]") {
        assert_eq!(parse_query(&printed, &params).as_ref(), Ok(&query), "{printed}");
    }
});
