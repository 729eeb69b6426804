//! Error texts that the conformance corpus does not hold, and the corners of the grammar.

use std::collections::BTreeMap;

use super::*;
use crate::ast::{Expr, Fill, Statement};

fn error(text: &str) -> String {
    match parse_query(text, &BTreeMap::new()) {
        Ok(query) => panic!("{text} parses as {query:?}"),
        Err(e) => e.to_string(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(error(text), *expected, "{text}");
    }
}

#[test]
fn tokens_are_placed_as_in_1x() {
    check(&[
        ("SELECT 'abc", "found abc, expected identifier, string, number, bool at line 1, char 7"),
        ("SELECT \"abc", "found abc, expected identifier, string, number, bool at line 1, char 7"),
        ("SELECT '", "found BADSTRING, expected identifier, string, number, bool at line 1, char 7"),
        ("SELECT 'a\\qb'", "found \\q, expected identifier, string, number, bool at line 1, char 11"),
        ("SELECT 'a\nb'", "found a, expected identifier, string, number, bool at line 1, char 7"),
        (
            "'",
            "found BADSTRING, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1",
        ),
        ("SELECT\tv\tFRM", "found FRM, expected FROM at line 1, char 10"),
        ("SELECT v\r\nFRM", "found FRM, expected FROM at line 2, char 1"),
        ("SELECT v\rFRM", "found FRM, expected FROM at line 2, char 1"),
        ("SELECT \"ü🙂\" FRM", "found FRM, expected FROM at line 1, char 13"),
        ("SELECT v FROM m WHERE a ! b", "found !, expected ; at line 1, char 25"),
        ("SELECT v FROM m WHERE k =~ /abc", "bad regex:  at line 1, char 27"),
        ("SELECT v FROM m /* x", "found  , expected regex at line 1, char 16"),
        (
            "/* x",
            "found ILLEGAL, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1",
        ),
        ("SELECT v FROM m -- x\n LIMIT a", "found a, expected integer at line 2, char 8"),
    ]);
}

#[test]
fn expressions_fail_as_in_1x() {
    check(&[
        (
            "SELECT v = 1 FROM m",
            "invalid operator = in SELECT clause at line 1, char 8; operator is intended for WHERE clause",
        ),
        ("SELECT -18446744073709551615 FROM m", "constant -18446744073709551615 underflows int64"),
        ("SELECT $x FROM m", "missing parameter: x"),
        ("SELECT $ FROM m", "empty bound parameter"),
        ("SELECT 99999999999999999999 FROM m", "unable to parse integer at line 1, char 8"),
        ("SELECT 300000w FROM m", "overflowed duration 300000w: choose a smaller duration or INF"),
        ("SELECT DISTINCT* FROM m", "found *, expected (, identifier at line 1, char 16"),
        ("SELECT - 'a' FROM m", "found a, expected identifier, number, duration, ( at line 1, char 9"),
        (
            "SELECT v::5 FROM m",
            "found 5, expected float, integer, string, boolean, field, tag at line 1, char 11",
        ),
    ]);
    let long = format!("SELECT {}.5 FROM m", "9".repeat(400));
    assert_eq!(error(&long), "unable to parse number at line 1, char 8");
}

#[test]
fn clauses_fail_as_in_1x() {
    check(&[
        ("SELECT v FROM m ORDER BY v", "only ORDER BY time supported at this time"),
        ("SELECT v FROM m ORDER BY time, time", "only ORDER BY time supported at this time"),
        ("SELECT v FROM m ORDER BY 1", "found 1, expected identifier, ASC, DESC at line 1, char 26"),
        ("SELECT v FROM m fill", "fill must be a function call"),
        ("SELECT v FROM m tz", "tz must be a function call"),
        ("SELECT v FROM m LIMIT -1", "found -, expected integer at line 1, char 23"),
        ("SELECT v FROM m GROUP k", "found k, expected BY at line 1, char 23"),
        ("SELECT v INTO a:MEASUREMENT FROM m", "found :, expected FROM at line 1, char 16"),
        ("SELECT v INTO FROM m", "found FROM, expected identifier at line 1, char 15"),
    ]);
}

#[test]
fn management_statements_fail_as_in_1x() {
    check(&[
        ("CREATE DATABASE d WITH SHARD 1h", "found 1h, expected DURATION at line 1, char 30"),
        (
            "CREATE RETENTION POLICY p ON d DURATION 1h REPLICATION 99999999999999999999",
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range at line 1, char 56",
        ),
        (
            "CREATE RETENTION POLICY p ON d DURATION 1h REPLICATION 1 SHARD DURATION INF",
            "invalid duration INF for shard duration at line 1, char 73",
        ),
        (
            "ALTER RETENTION POLICY p ON d",
            "found EOF, expected DURATION, REPLICATION, SHARD, DEFAULT at line 1, char 31",
        ),
        (
            "ALTER RETENTION POLICY p ON d DEFAULT DEFAULT",
            "found duplicate DEFAULT option at line 1, char 39",
        ),
        (
            "DROP SHARD 99999999999999999999",
            "strconv.ParseUint: parsing \"99999999999999999999\": value out of range at line 1, char 12",
        ),
        ("DROP SERIES FROM d..m", "database not supported at line 1, char 1"),
        (
            "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT mean(v) FROM m END",
            "found FROM, expected INTO at line 1, char 53",
        ),
        (
            "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT mean(v) INTO n FROM m END",
            "found m, expected GROUP BY time(...) at line 1, char 65",
        ),
        (
            "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT mean(v) INTO n FROM m GROUP BY time(a) END",
            "found ), expected GROUP BY time(...), time dimension must have duration argument at line 1, char 82",
        ),
        (
            "CREATE CONTINUOUS QUERY q ON d RESAMPLE BEGIN SELECT v INTO n FROM m END",
            "found BEGIN, expected EVERY, FOR at line 1, char 41",
        ),
        (
            "CREATE CONTINUOUS QUERY q ON d RESAMPLE FOR 1m BEGIN SELECT mean(v) INTO n FROM m GROUP BY time(5m) END",
            "FOR duration must be >= GROUP BY time duration: must be a minimum of 5m, got 1m",
        ),
        ("GRANT ALL d TO u", "found d, expected ON, TO at line 1, char 11"),
        ("REVOKE READ FROM u", "found FROM, expected ON at line 1, char 13"),
        ("CREATE USER u WITH PASSWORD 'p' WITH READ", "found READ, expected ALL at line 1, char 38"),
        ("SHOW TAG VALUES WITH KEY < a", "found <, expected IN, =, =~ at line 1, char 26"),
        ("SHOW TAG VALUES WITH KEY =~ a", "found a, expected regex at line 1, char 29"),
        ("SHOW FIELD KEYS ON 'x'", "found x, expected identifier at line 1, char 19"),
        (
            "CREATE x",
            "found x, expected CONTINUOUS, DATABASE, USER, RETENTION, SUBSCRIPTION at line 1, char 8",
        ),
        (
            "DROP x",
            "found x, expected CONTINUOUS, DATABASE, MEASUREMENT, RETENTION, SERIES, SHARD, SUBSCRIPTION, USER at line 1, char 6",
        ),
        ("KILL 1", "found 1, expected QUERY at line 1, char 6"),
    ]);
}

#[test]
fn parameters_take_the_place_of_tokens() {
    let params = BTreeMap::from([
        ("m".to_owned(), ParamValue::Identifier("my m".to_owned())),
        ("re".to_owned(), ParamValue::Regex("a/b".to_owned())),
        ("n".to_owned(), ParamValue::Integer(-3)),
        ("l".to_owned(), ParamValue::Integer(7)),
        ("f".to_owned(), ParamValue::Number(1e21)),
        ("s".to_owned(), ParamValue::String("it's".to_owned())),
        ("b".to_owned(), ParamValue::Boolean(true)),
        ("d".to_owned(), ParamValue::of_kind("duration", ParamValue::Integer(60_000_000_000))),
        ("bad".to_owned(), ParamValue::of_kind("regex", ParamValue::Integer(1))),
    ]);
    let text = "SELECT $m, $f FROM $m, $re WHERE a = $s AND b = $b AND c = $n AND t =~ $re GROUP BY time($d) LIMIT $l";
    assert_eq!(
        parse_query(text, &params).unwrap().to_string(),
        r#"SELECT "my m", 1000000000000000000000.000 FROM "my m", /a\/b/ WHERE a = 'it\'s' AND b = true AND c = -3 AND t =~ /a\/b/ GROUP BY time(1m) LIMIT 7"#
    );
    let error = |text: &str| parse_query(text, &params).unwrap_err().to_string();
    assert_eq!(error("SELECT v FROM m LIMIT $n"), "LIMIT must be >= 0 at line 1, char 23");
    assert_eq!(error("SELECT $bad FROM m"), "missing parameter: regex literal must be a string value");
    assert_eq!(error("SELECT v FROM m LIMIT $b"), "found TRUE, expected integer at line 1, char 23");
}

fn condition(text: &str) -> Expr {
    let query = parse_query(&format!("SELECT v FROM m WHERE {text}"), &BTreeMap::new()).unwrap();
    match query.statements.into_iter().next() {
        Some(Statement::Select(select)) => select.condition.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The expression with parentheses around each pair of operands.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(b) => format!("[{} {} {}]", grouped(&b.lhs), b.op.symbol(), grouped(&b.rhs)),
        other => other.to_string(),
    }
}

#[test]
fn operators_group_by_strength_and_from_the_left() {
    for (text, tree) in [
        ("a + b * c - d", "[[a + [b * c]] - d]"),
        ("a - b - c", "[[a - b] - c]"),
        ("a / b * c % d & e", "[[[[a / b] * c] % d] & e]"),
        ("a | b & c ^ d", "[[a | [b & c]] ^ d]"),
        ("a = b AND c > d + 1 OR e < f", "[[[a = b] AND [c > [d + 1]]] OR [e < f]]"),
        ("a OR b AND c OR d", "[[a OR [b AND c]] OR d]"),
        ("a OR b OR c OR d", "[[a OR b] OR [c OR d]]"),
        ("a = b = c", "[[a = b] = c]"),
        ("a * -b + c", "[[a * [-1 * b]] + c]"),
        ("a -1", "[a - 1]"),
        ("a =~ /x/ AND b !~ /y/", "[[a =~ /x/] AND [b !~ /y/]]"),
    ] {
        assert_eq!(grouped(&condition(text)), tree, "{text}");
    }
}

#[test]
fn corners_of_the_grammar_parse() {
    for text in [
        "",
        ";;",
        "SELECT v FROM m;",
        "select v from m where time > now()-1h",
        "SELECT v FROM m LIMIT 99999999999999999999",
        "SHOW SERIES EXACT FROM m",
        "SELECT time, v FROM db.rp.m",
        "SELECT v FROM b\"a\"",
        "SELECT \"SELECT\", f(), top(v, host, 3) FROM m GROUP BY time(1h), *, /h/, host fill(-1)",
        "DELETE FROM /m/",
        "SHOW MEASUREMENTS WITH MEASUREMENT =~ m",
    ] {
        if let Err(e) = parse_query(text, &BTreeMap::new()) {
            panic!("{text}: {e}");
        }
    }
    let query = parse_query("SELECT v FROM m fill( -2.5 )", &BTreeMap::new()).unwrap();
    let Statement::Select(select) = &query.statements[0] else { panic!("no SELECT") };
    assert_eq!(select.fill, Fill::Number(-2.5));
    assert!(select.is_raw() && select.is_ascending() && select.time_dimension().is_none());
}
