//! What statements print as.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::ast::*;
use crate::parser::fold;
use crate::regex::Regex;
use crate::{Expr, parse_query};

fn check(text: &str, printed: &str) {
    let query = parse_query(text, &BTreeMap::new()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(query.to_string(), printed);
    if !printed.contains("[REDACTED]") {
        assert_eq!(parse_query(printed, &BTreeMap::new()), Ok(query), "{printed}");
    }
}

/// A statement that prints as it was written.
fn same(text: &str) {
    check(text, text);
}

#[test]
fn select_prints_as_in_1x() {
    check("select V from M", "SELECT V FROM M");
    check(
        r#"select mean("value") as "m", "select" from "db"."rp"."cpu load" where host='a\'b' and time>now()-1h group by time(5m,1m),"host" fill(0) order by time desc limit 1 offset 2 slimit 3 soffset 4 tz('Europe/Berlin')"#,
        r#"SELECT mean(value) AS m, "select" FROM db.rp."cpu load" WHERE host = 'a\'b' AND time > now() - 1h GROUP BY time(5m, 1m), host fill(0) ORDER BY time DESC LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4 TZ('Europe/Berlin')"#,
    );
    check("SELECT v FROM m LIMIT 0 fill(1)".split(" fill").next().unwrap(), "SELECT v FROM m");
    check("SELECT v FROM m fill(null)", "SELECT v FROM m");
    check("SELECT v FROM m fill(1.50)", "SELECT v FROM m fill(1.5)");
    check("SELECT v FROM m fill(2.)", "SELECT v FROM m fill(2.0)");
    check("SELECT v * 1.5, w + 0.0001, 1.0 FROM m", "SELECT v * 1.500, w + 0.0001, 1.000 FROM m");
    check(
        "SELECT a/-b, -a*b, +(c), -5, - 2.5, a - -1 FROM m",
        "SELECT a / -b, -1 * a * b, 1 * (c), -5, -2.500, a - -1 FROM m",
    );
    check(
        "SELECT v FROM m WHERE a = 1 OR b <> 2 AND c =~ /x\\/y/",
        "SELECT v FROM m WHERE a = 1 OR b != 2 AND c =~ /x\\/y/",
    );
    check(
        "SELECT DISTINCT v, DISTINCT(w), count(distinct \"a b\") FROM m",
        "SELECT DISTINCT v, distinct(w), count(DISTINCT \"a b\") FROM m",
    );
    check(
        "SELECT * , *::tag, *::field, v::FLOAT, t::tag, /x/ FROM /m/, db../n/, rp./o/",
        "SELECT *, *::tag, *::field, v::float, t::tag, /x/ FROM /m/, db../n/, rp./o/",
    );
    check("SELECT v INTO db.rp.:MEASUREMENT FROM m", "SELECT v INTO db.rp.:MEASUREMENT FROM m");
    check(
        "SELECT v INTO db..x FROM (SELECT v FROM (SELECT v FROM m))",
        "SELECT v INTO db..x FROM (SELECT v FROM (SELECT v FROM m))",
    );
    check("SELECT v FROM m ORDER BY ASC", "SELECT v FROM m ORDER BY ASC");
    check(
        "SELECT 9223372036854775808, -9223372036854775808, 1h30m, 1500u FROM m",
        "SELECT 9223372036854775808, -9223372036854775808, 90m, 1500u FROM m",
    );
    check("SELECT a.b FROM m;;SHOW DATABASES ;", "SELECT \"a.b\" FROM m;\nSHOW DATABASES");
    check("EXPLAIN ANALYZE SELECT v FROM m", "EXPLAIN ANALYZE SELECT v FROM m");
}

#[test]
fn every_other_statement_prints_as_in_1x() {
    for text in [
        "EXPLAIN SELECT v FROM m",
        "DELETE FROM m, /n/ WHERE time < '2020-01-01'",
        "DELETE WHERE host = 'a'",
        "DROP SERIES FROM m WHERE host = 'a'",
        "DROP MEASUREMENT \"a b\"",
        "DROP SHARD 3",
        "CREATE DATABASE db",
        "CREATE DATABASE \"my-db\" WITH DURATION 1w REPLICATION 1 SHARD DURATION 1d NAME rp",
        "CREATE DATABASE db WITH NAME rp",
        "DROP DATABASE db",
        "CREATE RETENTION POLICY rp ON db DURATION 1w REPLICATION 1 SHARD DURATION 1d DEFAULT",
        "CREATE RETENTION POLICY rp ON db DURATION 1h REPLICATION 2",
        "ALTER RETENTION POLICY rp ON db DURATION 1w REPLICATION 1 SHARD DURATION 1d DEFAULT",
        "ALTER RETENTION POLICY \"default\" ON db DEFAULT",
        "DROP RETENTION POLICY rp ON db",
        "CREATE SUBSCRIPTION s ON db.rp DESTINATIONS ALL 'udp://a:1', 'udp://b:2'",
        "DROP SUBSCRIPTION s ON db.rp",
        "CREATE CONTINUOUS QUERY q ON db RESAMPLE EVERY 1m FOR 1h BEGIN SELECT mean(v) INTO n FROM m GROUP BY time(5m) END",
        "CREATE CONTINUOUS QUERY q ON db BEGIN SELECT v INTO n FROM m END",
        "DROP CONTINUOUS QUERY q ON db",
        "DROP USER u",
        "GRANT READ ON db TO u",
        "GRANT ALL PRIVILEGES ON db TO u",
        "GRANT ALL PRIVILEGES TO u",
        "REVOKE WRITE ON db FROM u",
        "REVOKE ALL PRIVILEGES FROM u",
        "KILL QUERY 5",
        "KILL QUERY 5 ON \"host:8088\"",
        "SHOW DATABASES",
        "SHOW RETENTION POLICIES",
        "SHOW RETENTION POLICIES ON db",
        "SHOW MEASUREMENTS ON db WITH MEASUREMENT =~ /m/ WHERE a = 'b' ORDER BY ASC LIMIT 1 OFFSET 2",
        "SHOW MEASUREMENTS WITH MEASUREMENT = rp.m",
        "SHOW SERIES ON db FROM m WHERE a = 'b' LIMIT 1",
        "SHOW TAG KEYS ON db FROM m WHERE a = 'b' LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4",
        "SHOW TAG VALUES ON db FROM m WITH KEY = a WHERE b = 'c' LIMIT 1 OFFSET 2",
        "SHOW TAG VALUES WITH KEY IN (a, \"b c\")",
        "SHOW TAG VALUES WITH KEY !~ /a/",
        "SHOW TAG VALUES WITH KEY != a",
        "SHOW FIELD KEYS ON db FROM m LIMIT 1",
        "SHOW SERIES EXACT CARDINALITY ON db FROM m WHERE a = 'b' GROUP BY c LIMIT 1 OFFSET 2",
        "SHOW SERIES CARDINALITY",
        "SHOW MEASUREMENT CARDINALITY ON db",
        "SHOW MEASUREMENT EXACT CARDINALITY",
        "SHOW TAG KEY CARDINALITY",
        "SHOW TAG KEY EXACT CARDINALITY FROM m",
        "SHOW TAG VALUES CARDINALITY WITH KEY = a",
        "SHOW TAG VALUES EXACT CARDINALITY ON db FROM m WITH KEY =~ /a/ WHERE b = 'c'",
        "SHOW FIELD KEY CARDINALITY",
        "SHOW FIELD KEY EXACT CARDINALITY",
        "SHOW CONTINUOUS QUERIES",
        "SHOW GRANTS FOR u",
        "SHOW USERS",
        "SHOW QUERIES",
        "SHOW SHARDS",
        "SHOW SHARD GROUPS",
        "SHOW STATS",
        "SHOW STATS FOR 'indexes'",
        "SHOW DIAGNOSTICS FOR 'build'",
        "SHOW SUBSCRIPTIONS",
    ] {
        same(text);
    }
    check("CREATE DATABASE db WITH SHARD DURATION INF", "CREATE DATABASE db WITH SHARD DURATION 0s");
    check(
        "ALTER RETENTION POLICY default ON db DURATION INF",
        "ALTER RETENTION POLICY \"default\" ON db DURATION 0s",
    );
}

#[test]
fn passwords_are_never_printed() {
    check(
        "CREATE USER u WITH PASSWORD 'secret' WITH ALL PRIVILEGES",
        "CREATE USER u WITH PASSWORD [REDACTED] WITH ALL PRIVILEGES",
    );
    check("SET PASSWORD FOR u = 'secret'", "SET PASSWORD FOR u = [REDACTED]");
    let query = parse_query("SET PASSWORD FOR u = 'secret'", &BTreeMap::new()).unwrap();
    assert!(!format!("{query:?}").contains("secret"));
}

#[test]
fn times_print_in_utc() {
    assert_eq!(Expr::Time(0).to_string(), "'1970-01-01T00:00:00Z'");
    assert_eq!(Expr::Time(1_500_000_000).to_string(), "'1970-01-01T00:00:01.5Z'");
    assert_eq!(Expr::Time(i64::MAX).to_string(), "'2262-04-11T23:47:16.854775807Z'");
    assert_eq!(Expr::BoundParameter("a b".to_owned()).to_string(), "$\"a b\"");
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,5}",
        "[ -~äµ🙂\n]{1,6}",
        Just("select".to_owned()),
        Just("9a".to_owned())
    ]
}

fn regex() -> impl Strategy<Value = Regex> {
    "[a-z./|]{1,6}".prop_map(|pattern| Regex::new(&pattern).unwrap())
}

fn leaf() -> impl Strategy<Value = Expr> {
    let cast = prop::option::of(proptest::sample::select(vec![
        DataType::Float,
        DataType::Integer,
        DataType::Unsigned,
        DataType::String,
        DataType::Boolean,
        DataType::AnyField,
        DataType::Tag,
    ]));
    prop_oneof![
        (name(), cast).prop_map(|(name, cast)| Expr::VarRef(VarRef { name, cast })),
        name().prop_map(Expr::Distinct),
        proptest::sample::select(vec![None, Some(WildcardKind::Field), Some(WildcardKind::Tag)])
            .prop_map(Expr::Wildcard),
        (-1e20..1e20f64).prop_map(Expr::Number),
        (-2.0..2.0f64).prop_map(Expr::Number),
        any::<i64>().prop_map(Expr::Integer),
        ((1u64 << 63)..).prop_map(Expr::Unsigned),
        "[ -~ä\n]{0,8}".prop_map(Expr::String),
        any::<bool>().prop_map(Expr::Boolean),
        (-i64::MAX..).prop_map(Expr::Duration),
    ]
}

/// An operand: anything but two operands with an operator, which stand in parentheses or behind a sign.
fn operand() -> BoxedStrategy<Expr> {
    leaf()
        .prop_recursive(4, 32, 4, |inner| {
            let arg = prop_oneof![4 => inner.clone(), 1 => regex().prop_map(Expr::Regex)];
            prop_oneof![
                (name(), prop::collection::vec(arg, 0..4))
                    .prop_map(|(name, args)| Expr::Call(Call { name: name.to_lowercase(), args })),
                chain(inner.clone().boxed()).prop_map(|e| Expr::Paren(Box::new(e))),
                (any::<bool>(), chain(inner.boxed())).prop_map(|(minus, e)| {
                    let factor = Expr::Integer(if minus { -1 } else { 1 });
                    Expr::binary(BinaryOp::Mul, factor, Expr::Paren(Box::new(e)))
                }),
            ]
        })
        .boxed()
}

/// Operands with operators between them, as the parser would build the tree.
fn chain(operand: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    let ops = vec![
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Mod,
        BinaryOp::BitAnd,
        BinaryOp::BitOr,
        BinaryOp::BitXor,
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Eq,
        BinaryOp::NotEq,
        BinaryOp::Lt,
        BinaryOp::LtEq,
        BinaryOp::Gt,
        BinaryOp::GtEq,
    ];
    let rest = prop_oneof![
        8 => (proptest::sample::select(ops), operand.clone()),
        1 => (Just(BinaryOp::EqRegex), regex().prop_map(Expr::Regex)),
        1 => (Just(BinaryOp::NotEqRegex), regex().prop_map(Expr::Regex)),
    ];
    (operand, prop::collection::vec(rest, 0..6))
        .prop_map(|(first, rest)| {
            let rest = rest.into_iter().map(|(op, operand)| (op, (operand, 1))).collect();
            fold((first, 1), rest).unwrap().0
        })
        .boxed()
}

/// As [`chain`], with arithmetic alone, for a SELECT list.
fn selectable() -> impl Strategy<Value = Expr> {
    operand().prop_filter("truth values cannot be selected", |e| {
        !crate::walk::any_expr(e, &mut |e| matches!(e, Expr::Binary(b) if !b.op.is_arithmetic()))
    })
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let name = prop_oneof![name().prop_map(MeasurementName::Name), regex().prop_map(MeasurementName::Regex)];
    (prop::option::of(super::tests::name()), prop::option::of(super::tests::name()), name)
        .prop_map(|(database, retention_policy, name)| Measurement { database, retention_policy, name })
}

fn target() -> impl Strategy<Value = Target> {
    let measurement =
        prop_oneof![name().prop_map(TargetMeasurement::Name), Just(TargetMeasurement::Backreference)];
    (prop::option::of(name()), prop::option::of(name()), measurement).prop_map(
        |(database, retention_policy, measurement)| Target { database, retention_policy, measurement },
    )
}

fn select() -> impl Strategy<Value = SelectStatement> {
    let fill = prop_oneof![
        Just(Fill::Null),
        Just(Fill::None),
        Just(Fill::Previous),
        Just(Fill::Linear),
        any::<i64>().prop_map(Fill::Integer),
        (-1e6..1e6f64).prop_map(Fill::Number),
        Just(Fill::Number(3.0)),
    ];
    let field = prop_oneof![4 => selectable(), 1 => regex().prop_map(Expr::Regex)];
    let field = (field, prop::option::of(name())).prop_map(|(expr, alias)| Field { expr, alias });
    let dimension = prop_oneof![4 => operand(), 1 => regex().prop_map(Expr::Regex)].prop_map(Dimension);
    let order_by =
        (any::<bool>(), any::<bool>()).prop_map(|(names_time, ascending)| OrderBy { names_time, ascending });
    let numbers = prop::array::uniform4(0..=i64::MAX as u64);
    let tz = proptest::sample::select(vec![None, Some("UTC"), Some("America/New_York"), Some("Local")]);
    (
        prop::collection::vec(field, 1..4),
        prop::option::of(target()),
        prop::collection::vec(measurement().prop_map(Source::Measurement), 1..3),
        prop::option::of(chain(operand())),
        prop::collection::vec(dimension, 0..3),
        fill,
        prop::option::of(order_by),
        numbers,
        tz,
    )
        .prop_map(
            |(
                fields,
                target,
                sources,
                condition,
                dimensions,
                fill,
                order_by,
                [limit, offset, slimit, soffset],
                tz,
            )| {
                SelectStatement {
                    fields,
                    target,
                    sources,
                    condition,
                    dimensions,
                    fill,
                    order_by,
                    limit,
                    offset,
                    slimit,
                    soffset,
                    tz: tz.map(str::to_owned),
                }
            },
        )
        .prop_recursive(3, 8, 2, |inner| {
            (inner.clone(), inner).prop_map(|(mut outer, inner)| {
                outer.sources.push(Source::Subquery(Box::new(inner)));
                outer
            })
        })
}

proptest! {
    #[test]
    fn printed_expressions_parse_to_the_same_tree(condition in chain(operand())) {
        let text = format!("SELECT v FROM m WHERE {condition}");
        let query = parse_query(&text, &BTreeMap::new());
        let Ok([Statement::Select(select)]) = query.as_ref().map(|q| q.statements.as_slice()) else {
            panic!("{text}: {query:?}");
        };
        prop_assert_eq!(select.condition.as_ref(), Some(&condition), "{}", text);
    }

    #[test]
    fn printed_selects_parse_to_the_same_tree(select in select()) {
        let query = Query { statements: vec![Statement::Select(Box::new(select))] };
        let text = query.to_string();
        prop_assert_eq!(parse_query(&text, &BTreeMap::new()), Ok(query), "{}", text);
    }
}
