//! Pieces of an answer in every format, whole and in chunks.

use super::csv::Csv;
use super::json::Json;
use super::msgpack::MessagePack;
use super::shape::{Shape, Shaper};
use super::*;
use std::sync::Arc;
use weir_model::Precision;
use weir_model::read::{Strings, Validity};
use weir_query::{Cells, Level, Piece};

fn head(name: &str, tags: &[(&str, &str)], columns: &[&str]) -> Piece {
    Piece::Series(SeriesHead {
        name: (!name.is_empty()).then(|| name.into()),
        tags: tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        columns: columns.iter().map(|c| Arc::from(*c)).collect(),
        zone: None,
    })
}

fn rows(times: &[i64], values: &[f64]) -> Piece {
    let columns = vec![Cells::Time(times.to_vec()), Cells::Float(values.to_vec(), Validity::All)];
    Piece::Rows(Rows { len: times.len(), columns })
}

fn statement(id: usize) -> Piece {
    Piece::Statement { id }
}

fn write(emitter: Box<dyn Emitter>, shape: Shape, pieces: &[Piece]) -> Vec<u8> {
    let mut shaper = Shaper::new(emitter, shape);
    let mut out = Vec::new();
    for piece in pieces {
        if !shaper.is_full() {
            shaper.push(piece.clone(), &mut out);
        }
    }
    shaper.finish(&mut out);
    out
}

fn json(shape: Shape, pieces: &[Piece]) -> String {
    String::from_utf8(write(Box::new(Json::new(Some(Precision::Nanosecond), false)), shape, pieces)).unwrap()
}

fn chunks(chunk_rows: usize) -> Shape {
    Shape { chunk_rows: Some(chunk_rows), cut_by_rows: vec![true; 3], rows_max: 0 }
}

#[test]
fn an_answer_is_one_document_with_all_results() {
    let pieces = [
        statement(0),
        head("m", &[("t", "a"), ("u", "")], &["time", "f"]),
        rows(&[1, 2], &[1.0, 2.5]),
        rows(&[3], &[f64::NAN]),
        head("", &[], &["k"]),
        Piece::End,
        statement(1),
        Piece::Message(Message { level: Level::Warning, text: "careful".into() }),
        Piece::End,
        statement(2),
        Piece::Error("no".into()),
        Piece::End,
    ];
    let expected = concat!(
        r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"a","u":""},"columns":["time","f"],"#,
        r#""values":[[1,1],[2,2.5],[3,null]]},{"columns":["k"]}]},"#,
        r#"{"statement_id":1,"messages":[{"level":"warning","text":"careful"}]},"#,
        r#"{"statement_id":2,"error":"no"}]}"#,
        "\n"
    );
    assert_eq!(json(Shape::default(), &pieces), expected);
}

#[test]
fn there_is_always_one_result() {
    for shape in [Shape::default(), chunks(1)] {
        assert_eq!(json(shape, &[]), "{\"results\":[{\"statement_id\":0}]}\n");
    }
    let interrupted = [statement(0), head("m", &[], &["time", "f"]), rows(&[1], &[1.0])];
    assert!(json(Shape::default(), &interrupted).ends_with("\"error\":\"query interrupted\"}]}\n"));
}

#[test]
fn every_type_of_cell_has_its_spelling() {
    let bits = Validity::Bits(vec![0b01]);
    let columns = vec![
        Cells::Time(vec![1_500_000_000, -1]),
        Cells::Integer(vec![i64::MIN, 0], bits.clone()),
        Cells::Unsigned(vec![u64::MAX, 0], bits.clone()),
        Cells::Boolean(vec![true, false], Validity::All),
        Cells::String(["a\"<", ""].into_iter().collect::<Strings>(), bits),
        Cells::Same("tag".into()),
        Cells::Null,
        Cells::Mixed(vec![weir_query::Value::Integer(7), weir_query::Value::Null]),
    ];
    let names = ["time", "i", "u", "b", "s", "t", "n", "m"];
    let pieces = [statement(0), head("m", &[], &names), Piece::Rows(Rows { len: 2, columns }), Piece::End];
    let text = write(Box::new(Json::new(None, false)), Shape::default(), &pieces);
    let text = String::from_utf8(text).unwrap();
    let values = concat!(
        r#"[["1970-01-01T00:00:01.5Z",-9223372036854775808,18446744073709551615,true,"a\"\u003c","tag",null,7],"#,
        r#"["1969-12-31T23:59:59.999999999Z",null,null,false,null,"tag",null,null]]"#
    );
    assert!(text.contains(values), "{text}");
    let csv = write(Box::new(Csv::new(Some(Precision::Second))), Shape::default(), &pieces);
    let expected = "name,tags,time,i,u,b,s,t,n,m\nm,,1,-9223372036854775808,18446744073709551615,true,\"a\"\"<\",tag,,7\nm,,0,,,false,,tag,,\n";
    assert_eq!(String::from_utf8(csv).unwrap(), expected);
}

#[test]
fn pretty_answers_are_indented_by_four_blanks() {
    let pieces = [statement(0), head("m", &[("t", "a")], &["time", "f"]), rows(&[1], &[1.5]), Piece::End];
    let emitter = Box::new(Json::new(Some(Precision::Nanosecond), true));
    let text = String::from_utf8(write(emitter, Shape::default(), &pieces)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut reference = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut reference, formatter);
    serde::Serialize::serialize(&value, &mut serializer).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|l| l.trim_end_matches(',').to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&text), sorted(std::str::from_utf8(&reference).unwrap()));
    assert!(text.starts_with(
        "{\n    \"results\": [\n        {\n            \"statement_id\": 0,\n            \"series\": [\n"
    ));
    assert!(text.ends_with("            ]\n        }\n    ]\n}\n"), "{text}");
}

/// As recorded with 1.6.7 (and 1.8: a complete series is not marked).
#[test]
fn chunks_say_whether_more_follows() {
    let pieces = [
        statement(0),
        head("m", &[("t", "a")], &["time", "f"]),
        rows(&[1, 2, 3], &[1.0, 2.0, 3.0]),
        rows(&[4], &[4.0]),
        head("m", &[("t", "b")], &["time", "f"]),
        rows(&[1], &[5.0]),
        Piece::End,
        statement(1),
        Piece::End,
        statement(2),
        head("m", &[], &["time", "f"]),
        rows(&[1], &[6.0]),
        Piece::Error("late".into()),
        Piece::End,
    ];
    let a = r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"a"},"columns":["time","f"],"values":"#;
    let b = r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"b"},"columns":["time","f"],"values":"#;
    let expected = format!(
        "{a}[[1,1],[2,2]],\"partial\":true}}],\"partial\":true}}]}}\n\
         {a}[[3,3],[4,4]]}}],\"partial\":true}}]}}\n\
         {b}[[1,5]]}}]}}]}}\n\
         {{\"results\":[{{\"statement_id\":1}}]}}\n\
         {{\"results\":[{{\"statement_id\":2,\"series\":[{{\"name\":\"m\",\"columns\":[\"time\",\"f\"],\"values\":[[1,6]]}}],\"partial\":true}}]}}\n\
         {{\"results\":[{{\"statement_id\":2,\"error\":\"late\"}}]}}\n"
    );
    assert_eq!(json(chunks(2), &pieces), expected);
}

#[test]
fn rows_of_show_statements_stay_together() {
    let shape = Shape { chunk_rows: Some(1), cut_by_rows: vec![false], rows_max: 0 };
    let pieces = [statement(0), head("m", &[], &["time", "f"]), rows(&[1, 2], &[1.0, 2.0]), Piece::End];
    let expected = r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"values":[[1,1],[2,2]]}]}]}"#;
    assert_eq!(json(shape, &pieces), format!("{expected}\n"));
}

#[test]
fn a_row_limit_cuts_the_last_series() {
    let shape = Shape { rows_max: 2, ..Shape::default() };
    let pieces = [
        statement(0),
        head("m", &[], &["time", "f"]),
        rows(&[1, 2, 3], &[1.0, 2.0, 3.0]),
        Piece::End,
        statement(1),
        Piece::End,
    ];
    let expected = r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"values":[[1,1],[2,2]],"partial":true}]}]}"#;
    assert_eq!(json(shape.clone(), &pieces), format!("{expected}\n"));
    let exact = [statement(0), head("m", &[], &["time", "f"]), rows(&[1, 2], &[1.0, 2.0]), Piece::End];
    assert!(!json(shape, &exact).contains("partial"));
}

#[test]
fn rows_come_out_the_same_however_they_are_portioned() {
    let times: Vec<i64> = (0..1000).collect();
    let values: Vec<f64> = times.iter().map(|t| *t as f64 / 3.0).collect();
    let whole = [statement(0), head("m", &[], &["time", "f"]), rows(&times, &values), Piece::End];
    for shape in [Shape::default(), chunks(7), Shape { rows_max: 333, ..Shape::default() }] {
        let expected = json(shape.clone(), &whole);
        let mut shaper = Shaper::new(Box::new(Json::new(Some(Precision::Nanosecond), false)), shape);
        let mut out = Vec::new();
        let mut all = Vec::new();
        for piece in whole.clone() {
            match piece {
                Piece::Rows(rows) => {
                    let mut next = 0;
                    while next < rows.len {
                        next = shaper.rows(&rows, next, 50, &mut out);
                        all.append(&mut out);
                    }
                }
                piece if !shaper.is_full() => shaper.push(piece, &mut out),
                _ => {}
            }
        }
        shaper.finish(&mut out);
        all.append(&mut out);
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }
}

#[test]
fn csv_repeats_the_header_when_columns_or_statements_change() {
    let pieces = [
        statement(0),
        Piece::End,
        statement(1),
        head("m", &[("t", "a,b"), ("u", "")], &["time", "f"]),
        rows(&[1], &[1e21]),
        head("n", &[], &["time", "f"]),
        rows(&[2], &[2.0]),
        head("n", &[], &["time", "g"]),
        rows(&[3], &[f64::INFINITY]),
        Piece::End,
        statement(2),
        head("n", &[], &["time", "g"]),
        rows(&[4], &[4.0]),
        Piece::Error("vanishes".into()),
        Piece::End,
    ];
    let expected = "name,tags,time,f\nm,\"t=a\\,b\",1,1000000000000000000000\nn,,2,2\n\nname,tags,time,g\nn,,3,\n\nname,tags,time,g\nn,,4,4\n";
    let out = write(Box::new(Csv::new(None)), Shape::default(), &pieces);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(write(Box::new(Csv::new(None)), Shape::default(), &[]).is_empty());
}

/// A reader of the little MessagePack that is written here.
fn unpack(bytes: &mut &[u8]) -> serde_json::Value {
    fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
        let (head, rest) = bytes.split_at(len);
        *bytes = rest;
        head
    }
    fn number(bytes: &mut &[u8], len: usize) -> u64 {
        take(bytes, len).iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }
    fn text(bytes: &mut &[u8], len: usize) -> serde_json::Value {
        String::from_utf8(take(bytes, len).to_vec()).unwrap().into()
    }
    let list = |bytes: &mut &[u8], len: u64| (0..len).map(|_| unpack(bytes)).collect::<Vec<_>>().into();
    let map = |bytes: &mut &[u8], len: u64| {
        let pairs = (0..len).map(|_| (unpack(bytes).as_str().unwrap().to_owned(), unpack(bytes)));
        serde_json::Value::Object(pairs.collect())
    };
    let kind = take(bytes, 1)[0];
    match kind {
        0..=0x7f => kind.into(),
        0x80..=0x8f => map(bytes, u64::from(kind & 15)),
        0x90..=0x9f => list(bytes, u64::from(kind & 15)),
        0xa0..=0xbf => text(bytes, usize::from(kind & 31)),
        0xc0 => serde_json::Value::Null,
        0xc2 | 0xc3 => (kind == 0xc3).into(),
        0xc7 => {
            assert_eq!(take(bytes, 2), [12, 5]);
            let seconds = number(bytes, 8) as i64;
            serde_json::json!({"$time": seconds * 1_000_000_000 + number(bytes, 4) as i64})
        }
        0xcb => f64::from_bits(number(bytes, 8)).into(),
        0xcc => number(bytes, 1).into(),
        0xcd => number(bytes, 2).into(),
        0xce => number(bytes, 4).into(),
        0xcf => number(bytes, 8).into(),
        0xd0 => (number(bytes, 1) as i8).into(),
        0xd1 => (number(bytes, 2) as i16).into(),
        0xd2 => (number(bytes, 4) as i32).into(),
        0xd3 => (number(bytes, 8) as i64).into(),
        0xd9 => {
            let len = number(bytes, 1) as usize;
            text(bytes, len)
        }
        0xda => {
            let len = number(bytes, 2) as usize;
            text(bytes, len)
        }
        0xdc => {
            let len = number(bytes, 2);
            list(bytes, len)
        }
        0xdd => {
            let len = number(bytes, 4);
            list(bytes, len)
        }
        0xe0..=0xff => (kind as i8).into(),
        _ => panic!("{kind:#x}"),
    }
}

#[test]
fn msgpack_holds_what_json_holds() {
    let integers = [0, 127, 128, 255, 256, 65_536, i64::MAX, -1, -32, -33, -129, -40_000, i64::MIN];
    let many: Vec<String> = (0..20).map(|i| format!("column {i} {}", "x".repeat(i * 20))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let pieces = [
        statement(0),
        head("m", &[("t", "a")], &["time", "f"]),
        rows(&[1_500_000_000, -1], &[1.0, f64::NAN]),
        Piece::Message(Message { level: Level::Info, text: "hi".into() }),
        Piece::End,
        statement(1),
        head("", &[], &many),
        Piece::Rows(Rows {
            len: integers.len(),
            columns: vec![Cells::Integer(integers.to_vec(), Validity::All)],
        }),
        Piece::End,
        statement(2),
        head("m", &[], &["f"]),
        Piece::Error("no".into()),
        Piece::End,
        statement(3),
        Piece::End,
    ];
    let out = write(Box::new(MessagePack::new(None)), Shape::default(), &pieces);
    let mut rest = out.as_slice();
    let found = unpack(&mut rest);
    assert!(rest.is_empty());
    let rows: Vec<Vec<i64>> = integers.iter().map(|&i| vec![i]).collect();
    let expected = serde_json::json!({"results": [
        {
            "statement_id": 0,
            "series": [{
                "name": "m", "tags": {"t": "a"}, "columns": ["time", "f"],
                "values": [[{"$time": 1_500_000_000}, 1.0], [{"$time": -1}, null]],
            }],
            "messages": [{"level": "info", "text": "hi"}],
        },
        {"statement_id": 1, "series": [{"columns": many, "values": rows}]},
        {"error": "no"},
        {"statement_id": 3, "series": []},
    ]});
    assert_eq!(found, expected);
    let out = write(Box::new(MessagePack::new(Some(Precision::Second))), chunks(1), &pieces[..3]);
    let mut rest = out.as_slice();
    let first = unpack(&mut rest);
    assert_eq!(first["results"][0]["partial"], true);
    assert_eq!(first["results"][0]["series"][0]["values"], serde_json::json!([[1, 1.0]]));
    assert_eq!(unpack(&mut rest)["results"][0]["error"], "query interrupted");
}
