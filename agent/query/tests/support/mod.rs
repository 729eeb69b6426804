//! A request's answer as JSON, and comparing it with what InfluxDB answered.

pub mod compare;
pub mod lines;
pub mod summaries;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use weir_influxql::{ParamValue, parse_query};
use weir_model::TimestampNs;
use weir_query::memory::MemoryStore;
use weir_query::{Cell, Engine, ExecContext, Piece, Zone};

/// A store, an engine, and how requests are made.
pub struct Server {
    pub store: MemoryStore,
    pub engine: Engine,
}

#[derive(Debug)]
pub struct FixedClock(pub i64);

impl weir_model::Clock for FixedClock {
    fn now(&self) -> TimestampNs {
        TimestampNs(self.0)
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
}

/// One request.
#[derive(Default)]
pub struct Request<'a> {
    pub q: &'a str,
    pub db: Option<&'a str>,
    pub rp: Option<&'a str>,
    pub epoch: Option<&'a str>,
    pub params: Option<&'a str>,
    pub read_only: bool,
}

impl Server {
    pub fn new(now: i64) -> Self {
        let store = MemoryStore::new();
        let shared = Arc::new(store.clone());
        let engine =
            Engine::new(shared.clone(), shared.clone(), Arc::new(FixedClock(now)), Default::default());
        let engine = engine.with_writer(shared);
        Self { store, engine }
    }

    /// Status and body.
    pub fn query(&self, request: &Request<'_>) -> (u64, Json) {
        let bad = |text: String| (400, json!({ "error": text }));
        if request.q.trim().is_empty() {
            return bad("missing required parameter \"q\"".to_owned());
        }
        let params = match params(request.params) {
            Ok(params) => params,
            Err(text) => return bad(text),
        };
        let query = match parse_query(request.q.trim(), &params) {
            Ok(query) => query,
            Err(e) => return bad(format!("error parsing query: {e}")),
        };
        if query.statements.is_empty() {
            return (200, json!({ "results": [{ "statement_id": 0 }] }));
        }
        let context = ExecContext {
            database: request.db.filter(|d| !d.is_empty()).map(Arc::from),
            policy: request.rp.filter(|d| !d.is_empty()).map(Arc::from),
            read_only: request.read_only,
            visible: None,
        };
        let mut stream = self.engine.execute(query, context);
        let mut results: Vec<Map<String, Json>> = Vec::new();
        let mut zone: Option<Zone> = None;
        while let Some(piece) = stream.recv() {
            match piece {
                Piece::Statement { id } => {
                    results.push(Map::from_iter([("statement_id".to_owned(), json!(id))]));
                }
                Piece::Message(m) => {
                    push(&mut results, "messages", json!({ "level": m.level.name(), "text": &*m.text }))
                }
                Piece::Series(head) => {
                    let mut series = Map::new();
                    if let Some(name) = &head.name {
                        series.insert("name".to_owned(), json!(&**name));
                    }
                    if !head.tags.is_empty() {
                        let tags: Map<String, Json> =
                            head.tags.iter().map(|(k, v)| (k.to_string(), json!(&**v))).collect();
                        series.insert("tags".to_owned(), Json::Object(tags));
                    }
                    let columns: Vec<&str> = head.columns.iter().map(|c| &**c).collect();
                    series.insert("columns".to_owned(), json!(columns));
                    zone = head.zone;
                    push(&mut results, "series", Json::Object(series));
                }
                Piece::Rows(rows) => {
                    let result = results.last_mut().unwrap();
                    let series = result.get_mut("series").unwrap().as_array_mut().unwrap();
                    let series = series.last_mut().unwrap().as_object_mut().unwrap();
                    let values = series.entry("values").or_insert_with(|| json!([]));
                    for row in 0..rows.len {
                        let cells: Vec<Json> = (0..rows.columns.len())
                            .map(|column| cell(rows.get(row, column), request.epoch, zone.as_ref()))
                            .collect();
                        values.as_array_mut().unwrap().push(Json::Array(cells));
                    }
                }
                Piece::Error(text) => {
                    results.last_mut().unwrap().insert("error".to_owned(), json!(&*text));
                }
                Piece::End => {}
            }
        }
        (200, json!({ "results": results }))
    }

    /// Stores lines; the text of the first refusal.
    pub fn write(
        &self,
        db: &str,
        rp: Option<&str>,
        precision: &str,
        text: &str,
        now: i64,
    ) -> Result<(), String> {
        let unit = match precision {
            "u" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => 1,
        };
        let mut result = Ok(());
        for line in lines::parse(text) {
            let Some(line) = line else {
                result = Err("unable to parse".to_owned());
                continue;
            };
            let tags: Vec<(&str, &str)> = line.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let fields: Vec<_> = line.fields.iter().map(|(k, v)| (k.as_str(), v.value())).collect();
            let time = line.time.map_or(now / unit * unit, |t| t * unit);
            let stored = self.store.insert(db, rp, &line.measurement, &tags, &fields, time);
            result = result.and(stored);
        }
        result
    }
}

fn push(results: &mut [Map<String, Json>], key: &str, value: Json) {
    let entry = results.last_mut().unwrap().entry(key).or_insert_with(|| json!([]));
    entry.as_array_mut().unwrap().push(value);
}

fn cell(cell: Cell<'_>, epoch: Option<&str>, zone: Option<&Zone>) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Float(x) if !x.is_finite() => Json::Null,
        Cell::Float(x) => json!(x),
        Cell::Integer(x) => json!(x),
        Cell::Unsigned(x) => json!(x),
        Cell::Boolean(x) => json!(x),
        Cell::Str(x) => json!(x),
        Cell::Time(ns) => match epoch {
            None | Some("") => json!(rfc3339(ns, zone)),
            Some("u") => json!(ns / 1_000),
            Some("ms") => json!(ns / 1_000_000),
            Some("s") => json!(ns / 1_000_000_000),
            Some("m") => json!(ns / 60_000_000_000),
            Some("h") => json!(ns / 3_600_000_000_000),
            Some(_) => json!(ns),
        },
    }
}

fn rfc3339(ns: i64, zone: Option<&Zone>) -> String {
    let offset = zone.map_or(0, |z| z.offset_seconds(ns));
    let seconds = ns.div_euclid(1_000_000_000) + i64::from(offset);
    let nanos = ns.rem_euclid(1_000_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    if nanos > 0 {
        text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
    }
    if offset == 0 {
        text.push('Z');
    } else {
        let sign = if offset < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60));
    }
    text
}

fn params(text: Option<&str>) -> Result<BTreeMap<String, ParamValue>, String> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(BTreeMap::new()) };
    let parsed: Json =
        serde_json::from_str(text).map_err(|e| format!("error parsing query parameters: {e}"))?;
    let mut out = BTreeMap::new();
    for (name, value) in parsed.as_object().into_iter().flatten() {
        let value = param(value);
        out.insert(name.clone(), value);
    }
    Ok(out)
}

fn param(value: &Json) -> ParamValue {
    match value {
        Json::Bool(b) => ParamValue::Boolean(*b),
        Json::String(s) => ParamValue::String(s.clone()),
        Json::Number(n) if n.to_string().contains(['.', 'e', 'E']) => ParamValue::Number(n.as_f64().unwrap()),
        Json::Number(n) => {
            n.as_i64().map_or_else(|| ParamValue::Number(n.as_f64().unwrap()), ParamValue::Integer)
        }
        Json::Object(map) if map.len() == 1 => {
            let (kind, inner) = map.iter().next().unwrap();
            ParamValue::of_kind(kind, param(inner))
        }
        other => ParamValue::Error(format!("unable to bind parameter: {other}")),
    }
}
