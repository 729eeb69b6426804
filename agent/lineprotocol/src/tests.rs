//! The grammar as InfluxDB 1.x was recorded to answer, and the fast path against the reference.

use proptest::prelude::*;
use serde_json::Value as Json;
use weir_model::{FieldType, FieldValue, Precision, Refusal};

use crate::reference::{self, Collected, CollectedPoint};
use crate::{ErrorList, LineError, Options, Parser, Rules, Stats, find_cut, write_point};

const INFLUX1: Options =
    Options { precision: Precision::Nanosecond, default_time: 42, rules: Rules::INFLUX1, first_line: 1 };
const IOX: Options = Options { rules: Rules::IOX, ..INFLUX1 };

/// Points and errors of a body, read once cold and once with everything learnt.
fn read(body: &[u8], options: &Options) -> (Vec<CollectedPoint>, Vec<LineError>, Stats) {
    let (mut parser, mut sink, mut errors) = (Parser::new(), Collected::default(), ErrorList::new(1_000));
    let cold = parser.parse(body, options, &mut sink, &mut errors);
    let points = std::mem::take(&mut sink.points);
    let mut again = ErrorList::new(1_000);
    let warm = parser.parse(body, options, &mut sink, &mut again);
    assert_eq!(warm, cold);
    assert_eq!(sink.points, points);
    assert_eq!(again.kept(), errors.kept());
    (points, errors.kept().to_vec(), cold)
}

fn texts(body: &[u8], options: &Options) -> Vec<String> {
    let (_, errors, _) = read(body, options);
    errors
        .iter()
        .map(if options.rules == Rules::IOX { LineError::iox_text } else { LineError::influx1_text })
        .collect()
}

/// Name, type and text of the fields of the one point in `body`.
fn fields(body: &str) -> Vec<(String, FieldType, String)> {
    let (points, errors, _) = read(body.as_bytes(), &INFLUX1);
    assert_eq!(errors, [], "{body}");
    assert_eq!(points.len(), 1, "{body}");
    points[0].fields.clone()
}

#[test]
fn recorded_writes_are_answered_as_recorded() {
    let mut checked = 0;
    for file in ["write_lines", "write_partial", "write_precision", "write_values"] {
        let path = format!("{}/../../tests/conformance/cases/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let topic: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in topic["cases"].as_array().unwrap() {
            let alone = vec![case.clone()];
            for step in case["steps"].as_array().unwrap_or(&alone) {
                checked += u32::from(check_step(step));
            }
        }
    }
    assert!(checked > 120, "{checked}");
}

/// Whether the step is a write that the parser alone decides.
fn check_step(step: &Json) -> bool {
    let Some(body) = step["write"].as_str() else { return false };
    if step["quirk"] == true || body.contains("{x*") || body.contains("{y*") || step["gzip"] == true {
        return false;
    }
    let precision = match step["params"]["precision"].as_str() {
        None | Some("" | "n" | "ns") => Precision::Nanosecond,
        Some("u" | "us" | "µ") => Precision::Microsecond,
        Some("ms") => Precision::Millisecond,
        Some("s") => Precision::Second,
        Some("m") => Precision::Minute,
        Some("h") => Precision::Hour,
        Some(_) => return false,
    };
    let (_, errors, _) = read(body.as_bytes(), &Options { precision, ..INFLUX1 });
    let text: Vec<_> = errors.iter().filter(|e| !e.kind.is_dropped()).map(LineError::influx1_text).collect();
    if step["expect"]["status"] == 204 {
        assert_eq!(errors, [], "{body:?}");
        return true;
    }
    let Some(answer) = step["expect"]["body"]["error"].as_str() else { return false };
    if answer.contains("unable to parse") {
        let answer = answer.trim_start_matches("partial write: ").trim_end_matches(" dropped=0");
        assert_eq!(text.join("\n"), answer, "{body:?}");
    } else {
        // A refusal of the store: the parser may know it, but then in these words.
        for error in &errors {
            if error.kind.is_dropped() {
                assert!(answer.contains(&error.influx1_text()), "{answer} / {error:?}");
            }
        }
    }
    true
}

#[test]
fn values_have_the_types_and_spellings_of_the_grammar() {
    let check = |text: &str, expected: FieldValue<'_>| {
        let found = &fields(&format!("m v={text} 1"))[0];
        assert_eq!(found.1, expected.field_type(), "{text}");
        let expected = match expected {
            FieldValue::Float(x) => format!("{:x}", x.to_bits()),
            FieldValue::Integer(x) => x.to_string(),
            FieldValue::Unsigned(x) => x.to_string(),
            FieldValue::Boolean(x) => x.to_string(),
            FieldValue::String(x) => x.to_owned(),
        };
        assert_eq!(
            found.2.split(if found.1 == FieldType::Float { ' ' } else { '\u{1}' }).next(),
            Some(&*expected)
        );
    };
    for (text, value) in
        [("1", 1.0), ("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("1E3", 1e3), ("007", 7.0), ("1e+3", 1e3)]
    {
        check(text, FieldValue::Float(value));
    }
    check("1.7976931348623157e308", FieldValue::Float(f64::MAX));
    check("5e-324", FieldValue::Float(5e-324));
    check("-0", FieldValue::Float(-0.0));
    check("9223372036854775807i", FieldValue::Integer(i64::MAX));
    check("-9223372036854775808i", FieldValue::Integer(i64::MIN));
    check("18446744073709551615u", FieldValue::Unsigned(u64::MAX));
    check("T", FieldValue::Boolean(true));
    check("False", FieldValue::Boolean(false));
    check(r#""a \"b\\c\d ,=""#, FieldValue::String(r#"a "b\c\d ,="#));
    check("\"two\nlines\"", FieldValue::String("two\nlines"));
    check("\"\"", FieldValue::String(""));
}

#[test]
fn wrong_values_are_named_in_both_dialects() {
    let check = |text: &str, influx1: &str, iox: &str| {
        let line = format!("m v={text} 1");
        assert_eq!(texts(line.as_bytes(), &INFLUX1), [format!("unable to parse '{line}': {influx1}")]);
        assert_eq!(texts(line.as_bytes(), &IOX), [format!("error parsing line 1 (1-based): {iox}")]);
    };
    check("1x", "invalid number", "Unable to parse floating-point value `1x`");
    check("1_0", "invalid number", "Unable to parse floating-point value `1_0`");
    check("1e400", "invalid float", "Unable to parse floating-point value `1e400`");
    check("+1", "invalid boolean", "Could not parse entire line. Found trailing content: `+1`");
    check(
        "99999999999999999999i",
        "unable to parse integer 99999999999999999999: strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
        "Unable to parse integer value `99999999999999999999`",
    );
    check(
        "18446744073709551616u",
        "unable to parse unsigned 18446744073709551616: strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
        "Unable to parse unsigned integer value `18446744073709551616`",
    );
}

#[test]
fn lines_end_and_are_numbered_as_an_editor_shows_them() {
    let body = b"# c \"x=\"\n\nm v=1 1\r\nbad\n  m s=\"a\nb\" 2\nworse\nm v=3";
    let (points, errors, stats) = read(body, &INFLUX1);
    assert_eq!(points.iter().map(|p| p.time).collect::<Vec<_>>(), [1, 2, 42]);
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [4, 7]);
    assert_eq!(stats, Stats { lines: 8, points: 3, values: 3, time_fields: 0 });
    let hidden = b"m,k=a\\\nb v=1,\\\ng=\"x\\\ny\" 1\nbad";
    assert_eq!(read(hidden, &INFLUX1).1[0].line, 5);
    // Slice by slice the same.
    let (mut parser, mut sink, mut list) = (Parser::new(), Collected::default(), ErrorList::new(10));
    let (mut at, mut sum) = (0, Stats::default());
    while at < body.len() {
        let cut = at + find_cut(&body[at..], 5);
        let options = Options { first_line: 1 + sum.lines, ..INFLUX1 };
        sum.add(parser.parse(&body[at..cut], &options, &mut sink, &mut list));
        at = cut;
    }
    assert_eq!((sum, sink.points, list.kept()), (stats, points, &errors[..]));
}

#[test]
fn times_have_units_and_bounds() {
    let check = |precision, text: &str| {
        let options = Options { precision, ..INFLUX1 };
        let (points, errors, _) = read(format!("m v=1 {text}").as_bytes(), &options);
        points.first().map(|p| p.time).ok_or_else(|| errors[0].kind.influx1_reason())
    };
    let outside = Err("time outside range -9223372036854775806 - 9223372036854775806".to_owned());
    assert_eq!(check(Precision::Second, "1700000000  "), Ok(1_700_000_000_000_000_000));
    assert_eq!(check(Precision::Hour, "-1"), Ok(-3_600_000_000_000));
    assert_eq!(check(Precision::Second, "9223372037"), outside);
    assert_eq!(check(Precision::Nanosecond, "9223372036854775807"), outside);
    assert_eq!(check(Precision::Nanosecond, "9223372036854775806"), Ok(i64::MAX - 1));
    assert_eq!(check(Precision::Nanosecond, "0000000000000000000000001"), Ok(1));
    assert_eq!(check(Precision::Nanosecond, ""), Ok(42));
    let syntax = |text: &str, why: &str| Err(format!("strconv.ParseInt: parsing \"{text}\": {why}"));
    assert_eq!(check(Precision::Nanosecond, "-"), syntax("-", "invalid syntax"));
    assert_eq!(
        check(Precision::Nanosecond, "9223372036854775808"),
        syntax("9223372036854775808", "value out of range")
    );
    assert_eq!(check(Precision::Nanosecond, "1.5"), Err("bad timestamp".into()));
    assert_eq!(texts(b"m v=1 9223372036854775807", &IOX), ["timestamp overflows i64 on line 1 (1-based)"]);
}

#[test]
fn time_is_no_name_for_a_tag_and_no_field() {
    assert_eq!(
        texts(b"m,time=x v=2", &INFLUX1),
        ["invalid tag key: input tag \"time\" on measurement \"m\" is invalid"]
    );
    let (points, errors, stats) = read(b"m time=1,v=2 5", &INFLUX1);
    assert_eq!((points[0].fields.len(), errors.len(), stats.time_fields), (1, 0, 1));
    let refused = texts(b"m time=1", &INFLUX1);
    assert_eq!(refused, ["invalid field name: input field \"time\" on measurement \"m\" is invalid"]);
}

#[test]
fn a_field_twice_has_its_last_value_and_one_type() {
    assert_eq!(
        fields("m v=1i,w=2i,v=3i 1"),
        [("v".into(), FieldType::Integer, "3".into()), ("w".into(), FieldType::Integer, "2".into())]
    );
    assert_eq!(texts(b"m v=1,v=2i", &INFLUX1), ["field type conflict"]);
    assert_eq!(
        texts(b"m v=1,v=2i", &IOX),
        ["error writing line 1 (1-based): the field 'v' is specified more than once with conflicting types"]
    );
}

#[test]
fn the_dialects_differ_where_the_rules_say_so() {
    assert_eq!(texts(b"m,k=a=b v=1", &INFLUX1), ["unable to parse 'm,k=a=b v=1': invalid tag format"]);
    assert!(texts(b"m,k=a=b v=1", &IOX).is_empty());
    assert!(texts(b"m,k=a k=1", &INFLUX1).is_empty());
    let clash = [
        "error writing line 3 (1-based): Unable to insert iox::column_type::field::float type into column k with type iox::column_type::tag",
    ];
    assert_eq!(texts(b"m,k=a v=1\nm k=1\nm,k=a k=1\nm k=2", &IOX), clash);
}

#[test]
fn lengths_are_limited() {
    let name = "x".repeat(65_535);
    let reason = |body: &str| read(body.as_bytes(), &INFLUX1).1.first().map(|e| e.kind.influx1_reason());
    assert_eq!(reason(&format!("{name}x v=1")), Some("max key length exceeded: 65536 > 65535".into()));
    assert_eq!(reason(&format!("{name} v=1")), Some("max key length exceeded: 65540 > 65535".into()));
    assert_eq!(reason(&format!("{} v=1", &name[5..])), None);
    assert_eq!(reason(&format!("m {name}=1")), Some("max key length exceeded: 65540 > 65535".into()));
    let text = "y".repeat(1 << 20);
    assert_eq!(reason(&format!("m v=\"{text}\"")), None);
    assert_eq!(
        reason(&format!("m v=\"{text}y\"")),
        Some("max string length exceeded: 1048577 > 1048576".into())
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_line_by_line() {
    let (points, errors, _) =
        read(b"m v=1 1\nm\xff v=1 2\nm,k=\xff v=1\nm \xff=1\nm v=\"\xff\"\nm\0x v=1\nm v=2 3", &INFLUX1);
    assert_eq!(points.len(), 2);
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(errors[0].excerpt, "m\u{fffd} v=1 2");
}

#[test]
fn a_refusal_of_the_sink_is_an_error_of_its_line() {
    struct Refusing(Collected);
    impl weir_model::PointSink for Refusing {
        fn key(&mut self, raw: &[u8]) -> Option<weir_model::TemplateId> {
            self.0.key(raw)
        }
        fn define(
            &mut self,
            raw: &[u8],
            m: &str,
            tags: &[(&str, &str)],
        ) -> Result<weir_model::TemplateId, Refusal> {
            if m == "no" {
                return Err(Refusal::SeriesLimit { limit: 1, measurement: m.into() });
            }
            self.0.define(raw, m, tags)
        }
        fn slot(&mut self, name: &str) -> weir_model::sink::Slot {
            self.0.slot(name)
        }
        fn float(&mut self, slot: weir_model::sink::Slot, value: f64, decimal: Option<weir_model::Decimal>) {
            self.0.float(slot, value, decimal);
        }
        fn integer(&mut self, _: weir_model::sink::Slot, _: i64) {}
        fn unsigned(&mut self, _: weir_model::sink::Slot, _: u64) {}
        fn boolean(&mut self, _: weir_model::sink::Slot, _: bool) {}
        fn string(&mut self, _: weir_model::sink::Slot, _: &str) {}
        fn end(&mut self, time: i64) -> Result<(), Refusal> {
            if time == 13 { Err(Refusal::TargetDropped) } else { self.0.end(time) }
        }
        fn abandon(&mut self) {
            self.0.abandon();
        }
    }
    let (mut parser, mut sink, mut errors) =
        (Parser::new(), Refusing(Collected::default()), ErrorList::new(9));
    let body = b"m v=1 1\nm v=1 13\nno v=1 1\nm v=2 2\nm v=1 13\r\n";
    let stats = parser.parse(body, &INFLUX1, &mut sink, &mut errors);
    assert_eq!((stats.points, errors.total(), errors.dropped()), (2, 3, 3));
    let lines: Vec<_> = errors.kept().iter().map(|e| (e.line, e.excerpt.as_str())).collect();
    assert_eq!(lines, [(2, "m v=1 13"), (3, "no v=1 1"), (5, "m v=1 13")]);
}

#[test]
fn wide_lines_take_time_in_proportion() {
    use std::fmt::Write as _;
    let mut body = String::from("m,k=a v=0");
    (0..3_000).for_each(|i| write!(body, ",f{}=1,dup=2", i * 7 % 3_000).unwrap());
    body.push_str(" 1\nm,k=a v=0");
    (0..3_000).for_each(|i| write!(body, ",f{}=1", i * 11 % 3_000).unwrap());
    body.push_str(" 2\nm v=0");
    (0..300_000).for_each(|i| write!(body, ",g{i}=1,dup=2").unwrap());
    body.push_str(" 3\nm");
    (0..7_000).for_each(|i| write!(body, ",t{i}=1").unwrap());
    (0..7_000).for_each(|i| write!(body, "{}h{i}=1", if i == 0 { ' ' } else { ',' }).unwrap());
    let (mut parser, mut sink, mut errors) = (Parser::new(), Counting::default(), ErrorList::new(9));
    for _ in 0..2 {
        parser.parse(body.as_bytes(), &IOX, &mut sink, &mut errors);
    }
    assert_eq!((errors.total(), sink.ended), (0, 2 * (3_002 + 3_001 + 300_002 + 7_000)));
}

/// Counts values; knows no keys.
#[derive(Default)]
struct Counting {
    started: u32,
    ended: u32,
}

impl weir_model::PointSink for Counting {
    fn key(&mut self, raw: &[u8]) -> Option<weir_model::TemplateId> {
        (raw == b"m,k=a").then_some(weir_model::TemplateId(0))
    }
    fn define(&mut self, _: &[u8], _: &str, _: &[(&str, &str)]) -> Result<weir_model::TemplateId, Refusal> {
        Ok(weir_model::TemplateId(0))
    }
    fn slot(&mut self, _: &str) -> weir_model::sink::Slot {
        weir_model::sink::Slot(0)
    }
    fn float(&mut self, _: weir_model::sink::Slot, _: f64, _: Option<weir_model::Decimal>) {
        self.started += 1;
    }
    fn integer(&mut self, _: weir_model::sink::Slot, _: i64) {}
    fn unsigned(&mut self, _: weir_model::sink::Slot, _: u64) {}
    fn boolean(&mut self, _: weir_model::sink::Slot, _: bool) {}
    fn string(&mut self, _: weir_model::sink::Slot, _: &str) {}
    fn end(&mut self, _: i64) -> Result<(), Refusal> {
        self.ended += std::mem::take(&mut self.started);
        Ok(())
    }
    fn abandon(&mut self) {
        self.started = 0;
    }
}

/// Pieces that make lines, sound and broken.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "m",
        "cpu",
        ",host=a",
        ",host=b",
        ",k=a\\ b",
        ",k=a\\\\",
        ",k=a=b",
        ",=",
        ",t",
        " ",
        "  ",
        "\t",
        "v=",
        "w=",
        "time=",
        "usage_user_long_name=",
        "a\\ b=",
        "a\\\\=",
        "\"q\"=",
        "1",
        "-1.5",
        "12345678.25",
        "0.1234567890123456789",
        "1e5",
        "1e",
        ".",
        "7i",
        "-8i",
        "99999999999999999999i",
        "9u",
        "t",
        "FALSE",
        "tru",
        "\"s\"",
        "\"a,b =c\"",
        "\"a\\\"b\"",
        "\"a\\\\\"",
        "\"a\nb\"",
        "\"",
        "\\",
        ",",
        "=",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "#",
        "\0",
        "é",
        " 1700000000000000000",
        " 5",
        " -5",
        " x",
        "m v=1\n",
        "m v=2 5\n",
        "m,host=a v=1i,w=2 7\n",
        "cpu,host=b w=\"x y\",v=t 8\r\n",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|p| p.concat().into_bytes())
}

/// Bodies of whole lines with a few bytes changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(
            "cpu,hostname=host_0,region=eu usage_user=58i,usage_system=2i,usage_idle=24i 1451606400000000000\n"
        ),
        Just(
            "cpu,hostname=host_0,region=eu usage_user=58.25,usage_idle=0.123456789012345678 1451606400000000000\n"
        ),
        Just("cpu,hostname=host_1 usage_idle=1e-7,usage_user=5\r\n"),
        Just("log,k=a\\ b msg=\"x \\\"y\\\" z\",ok=true,n=5u 17\n"),
        Just("# comment\n"),
        Just("log,k=a\\ b ok=f,msg=\"two\nlines\"\n"),
    ];
    let change =
        (any::<prop::sample::Index>(), prop::sample::select(b"\\\", =\n\r\ti1x.-\xff\0#".to_vec()), 0u8..3);
    (prop::collection::vec(line, 1..12), prop::collection::vec(change, 0..6)).prop_map(|(lines, changes)| {
        let mut body = lines.concat().into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ if body.len() > 1 => {
                    body.remove(at);
                }
                _ => {}
            }
        }
        body
    })
}

fn same_as_reference(body: &[u8], options: &Options) -> Result<(), TestCaseError> {
    let (mut sink, mut errors) = (Collected::default(), ErrorList::new(1_000));
    reference::parse(body, options, &mut sink, &mut errors);
    let (points, kept, stats) = read(body, options);
    prop_assert_eq!(&points, &sink.points);
    prop_assert_eq!(&kept[..], errors.kept());
    prop_assert_eq!(stats.points, points.len() as u64);
    prop_assert_eq!(stats.values, points.iter().map(|p| p.fields.len() as u64).sum::<u64>());
    for error in &kept {
        let _ = (error.influx1_text(), error.iox_text());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn fast_and_reference_agree_on_pieces(body in pieces(), iox: bool) {
        same_as_reference(&body, if iox { &IOX } else { &INFLUX1 })?;
    }

    #[test]
    fn fast_and_reference_agree_on_changed_lines(body in mutated(), iox: bool) {
        same_as_reference(&body, if iox { &IOX } else { &INFLUX1 })?;
    }

    #[test]
    fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..80)) {
        same_as_reference(&body, &INFLUX1)?;
    }

    #[test]
    fn slices_read_as_the_whole(body in prop_oneof![pieces(), mutated()], target in 1usize..80) {
        let (mut parser, mut sink, mut errors) = (Parser::new(), Collected::default(), ErrorList::new(1_000));
        let (mut at, mut sum) = (0, Stats::default());
        while at < body.len() {
            let cut = at + find_cut(&body[at..], target);
            sum.add(parser.parse(&body[at..cut], &Options { first_line: 1 + sum.lines, ..INFLUX1 }, &mut sink, &mut errors));
            at = cut;
        }
        let (points, kept, stats) = read(&body, &INFLUX1);
        prop_assert_eq!((sink.points, errors.kept(), sum), (points, &kept[..], stats));
    }

    #[test]
    fn written_points_parse_back(
        measurement in ".{1,8}",
        tags in prop::collection::btree_map("[a-e ,=\\\\\"ü]{1,5}", "[a-e ,=\\\\\"ü\t]{1,5}", 0..4),
        fields in prop::collection::btree_map("[a-e ,=\\\\\"ü]{1,5}", value(), 1..5),
        time in prop::option::of(-i64::MAX + 1..i64::MAX),
    ) {
        let mut out = b"before".to_vec();
        let tag_list = tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let field_list = fields.iter().map(|(k, v)| (k.as_str(), v.as_field_value()));
        if write_point(&mut out, &measurement, tag_list, field_list, time).is_err() {
            prop_assert_eq!(out, b"before");
            return Ok(());
        }
        let line = &out[6..out.len() - 1];
        let parsed = crate::plain::parse(line, Rules::INFLUX1, Precision::Nanosecond).unwrap();
        prop_assert_eq!(&*parsed.measurement, &measurement);
        let found: Vec<_> = parsed.tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        prop_assert_eq!(found, tags.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(parsed.time, time);
        prop_assert_eq!(parsed.fields.len(), fields.len());
        for (field, (name, value)) in parsed.fields.iter().zip(&fields) {
            prop_assert_eq!(&*field.name, name);
            prop_assert_eq!(field.value.as_field_value(), value.as_field_value());
        }
        same_as_reference(&out[6..], &INFLUX1)?;
    }
}

#[derive(Clone, Debug)]
enum Owned {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    String(String),
}

impl Owned {
    fn as_field_value(&self) -> FieldValue<'_> {
        match self {
            Self::Float(x) => FieldValue::Float(*x),
            Self::Integer(x) => FieldValue::Integer(*x),
            Self::Unsigned(x) => FieldValue::Unsigned(*x),
            Self::Boolean(x) => FieldValue::Boolean(*x),
            Self::String(x) => FieldValue::String(x),
        }
    }
}

fn value() -> impl Strategy<Value = Owned> {
    prop_oneof![
        any::<f64>().prop_map(Owned::Float),
        (any::<i32>(), 0i32..6).prop_map(|(n, scale)| Owned::Float(f64::from(n) / 10f64.powi(scale))),
        any::<i64>().prop_map(Owned::Integer),
        any::<u64>().prop_map(Owned::Unsigned),
        any::<bool>().prop_map(Owned::Boolean),
        "[a-c \\\\\",=\n\r\tü]{0,8}".prop_map(Owned::String),
    ]
}
