//! No input makes the parser panic, and deep or long input is refused or parsed without a deep stack.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_influxql::ast::{Expr, Statement};
use weir_influxql::{MAX_NESTING, MAX_TREE_DEPTH, ParamValue, Query, parse_query};

const DEEP: &str = "too many levels of parentheses, calls, subqueries or operators";

fn parse(text: &str) -> Result<Query, String> {
    parse_query(text, &BTreeMap::new()).map_err(|e| e.to_string())
}

/// The error of a text that is refused for its depth; everything else fails the test.
fn refused_as_deep(text: &str) {
    let error = parse(text).err().unwrap_or_default();
    assert!(error.starts_with(DEEP), "{error}");
}

#[test]
fn deep_nesting_is_refused() {
    for n in [MAX_NESTING + 1, 100_000] {
        refused_as_deep(&format!("SELECT {}v{} FROM m", "(".repeat(n), ")".repeat(n)));
        refused_as_deep(&format!("SELECT {}", "(".repeat(n)));
        refused_as_deep(&format!("SELECT {}v{} FROM m", "f(".repeat(n), ")".repeat(n)));
        refused_as_deep(&format!("SELECT {}v{} FROM m", "-(".repeat(n), ")".repeat(n)));
        refused_as_deep(&format!("SELECT v FROM m WHERE {}v = 1{}", "(".repeat(n), ")".repeat(n)));
        refused_as_deep(&format!("{}v FROM m{}", "SELECT v FROM (".repeat(n) + "SELECT ", ")".repeat(n)));
        refused_as_deep(&("SELECT v FROM (".repeat(n) + "SELECT v FROM m"));
    }
}

#[test]
fn allowed_nesting_parses_and_prints() {
    let n = MAX_NESTING;
    for text in [
        format!("SELECT {}v{} FROM m", "(".repeat(n), ")".repeat(n)),
        format!("SELECT {}v{} FROM m", "-(".repeat(n), ")".repeat(n)),
        format!("SELECT {}v{} FROM m", "f(".repeat(n), ")".repeat(n)),
        format!("{}SELECT v FROM m{}", "SELECT v FROM (".repeat(n), ")".repeat(n)),
    ] {
        let query = parse(&text).unwrap();
        assert_eq!(parse(&query.to_string()).unwrap(), query);
        assert_eq!(query.clone(), query);
    }
}

#[test]
fn long_chains_of_and_and_or_stay_shallow() {
    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::Binary(b) => 1 + depth(&b.lhs).max(depth(&b.rhs)),
            _ => 1,
        }
    }
    for op in [" OR ", " AND "] {
        let terms: Vec<String> = (0..50_000).map(|i| format!("host = 'h{i}'")).collect();
        let query = parse(&format!("SELECT v FROM m WHERE {}", terms.join(op))).unwrap();
        let Statement::Select(select) = &query.statements[0] else { panic!("no SELECT") };
        assert!(depth(select.condition.as_ref().unwrap()) < 20);
        assert_eq!(parse(&query.to_string()).unwrap(), query);
    }
}

#[test]
fn long_arithmetic_is_refused_beyond_the_limit() {
    let sum = |n: usize| format!("SELECT {}v FROM m", "v + ".repeat(n));
    let query = parse(&sum(MAX_TREE_DEPTH - 1)).unwrap();
    assert_eq!(parse(&query.to_string()).unwrap(), query);
    refused_as_deep(&sum(MAX_TREE_DEPTH));
    refused_as_deep(&sum(100_000));
    refused_as_deep(&format!("SELECT v FROM m WHERE v{} = 1", " = v".repeat(100_000)));
}

#[test]
fn a_nul_ends_the_text() {
    assert_eq!(parse("SHOW DATABASES\0; DROP DATABASE x").unwrap().statements, [Statement::ShowDatabases]);
}

/// Pieces of the language, good and bad.
fn piece() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = "SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET SLIMIT SOFFSET INTO AS AND OR IN DISTINCT SHOW \
        TAG KEYS KEY VALUES WITH FIELD MEASUREMENT MEASUREMENTS SERIES EXACT CARDINALITY CREATE DROP ALTER DATABASE RETENTION \
        POLICY POLICIES CONTINUOUS QUERY QUERIES RESAMPLE EVERY FOR BEGIN END DURATION REPLICATION SHARD DEFAULT NAME \
        SUBSCRIPTION DESTINATIONS ALL ANY USER PASSWORD SET GRANT REVOKE READ ON TO KILL EXPLAIN ANALYZE DELETE INF DESC \
        ASC STATS time fill tz null none m db v mean ( ) , ; . .. :: : + - * / % & | ^ = != =~ !~ < <= > >= <> 'x' \"y\" \
        /r/ /[/ /* */ -- $p $q $ 1 1.5 5m 1h30m 99999999999999999999 true false 'a\\'b' \" ' \\ \u{b5} \u{fc} \0 \t \n \r"
        .split(' ')
        .collect();
    prop_oneof![
        20 => proptest::sample::select(words).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

fn some_params() -> BTreeMap<String, ParamValue> {
    BTreeMap::from([
        ("p".to_owned(), ParamValue::Regex("a(b".to_owned())),
        ("q".to_owned(), ParamValue::Identifier("it is".to_owned())),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_pieces_parse_or_fail(pieces in prop::collection::vec(piece(), 0..30), glue in "[ ]{0,1}") {
        let text = pieces.join(&glue);
        if let Ok(query) = parse_query(&text, &some_params()) {
            let printed = query.to_string();
            if !printed.contains("[REDACTED]") {
                prop_assert_eq!(parse_query(&printed, &some_params()), Ok(query), "{}", printed);
            }
        }
    }

    #[test]
    fn any_text_parses_or_fails(text in "\\PC{0,80}") {
        let _ = parse_query(&text, &some_params());
    }

    #[test]
    fn any_bytes_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_query(&String::from_utf8_lossy(&bytes), &some_params());
    }

    #[test]
    fn any_cut_of_a_statement_parses_or_fails(end in 0usize..400) {
        const LONG: &str = "CREATE CONTINUOUS QUERY q ON db RESAMPLE EVERY 1m FOR 2h BEGIN SELECT mean(v) AS \"a b\", \
            top(w::field, 'x', 3), /r\\/x/ INTO db..:MEASUREMENT FROM (SELECT DISTINCT v FROM db.rp./m/, n) WHERE time > \
            now() - 1h30m AND (a =~ /x/ OR b != 'ü\\n') GROUP BY time(5m, -1s), *, /t/ fill(previous) ORDER BY time DESC \
            LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4 tz('Europe/Berlin') END";
        let cut: String = LONG.chars().take(end).collect();
        let _ = parse(&cut);
        let whole = parse(LONG).unwrap();
        prop_assert_eq!(parse(&whole.to_string()).unwrap(), whole);
    }
}
