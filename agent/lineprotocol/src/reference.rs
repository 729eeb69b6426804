//! The same bodies read without haste: no fast path, no templates, no wide loads, numbers by the standard library.
//! Tests and fuzzing hold it against [`Parser`](crate::Parser); nothing else uses it.

use weir_model::{FieldType, FieldValue, PointSink, Refusal};

use crate::errors::{ErrorKind, ErrorList};
use crate::number::Number;
use crate::parser::Options;
use crate::plain::{self, Value};

/// Reads `body` into `sink` as [`Parser::parse`](crate::Parser::parse) does.
pub fn parse<S: PointSink>(body: &[u8], options: &Options, sink: &mut S, errors: &mut ErrorList) {
    let mut at = 0;
    let mut number = options.first_line;
    while at < body.len() {
        let first = number;
        let end = line_end(body, at);
        number += body[at..end].iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        let mut line = &body[at..end];
        while let [b' ' | b'\t' | 0, rest @ ..] = line {
            line = rest;
        }
        if let [rest @ .., b'\r'] = line
            && end < body.len()
        {
            line = rest;
        }
        if let [rest @ .., b'\n'] = line {
            line = rest;
        }
        at = end + 1;
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        if let Err(kind) = read(line, options, sink) {
            errors.push(first, kind, line);
        }
    }
}

fn read<S: PointSink>(line: &[u8], options: &Options, sink: &mut S) -> Result<(), ErrorKind> {
    let parsed = plain::parse(line, options.rules, options.precision)?;
    if parsed.fields.is_empty() {
        return Err(ErrorKind::Refused(Refusal::OnlyTimeFields {
            measurement: (*parsed.measurement).into(),
        }));
    }
    if sink.key(parsed.key).is_none() {
        let tags: Vec<(&str, &str)> = parsed.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
        sink.define(parsed.key, &parsed.measurement, &tags).map_err(ErrorKind::Refused)?;
    }
    for field in &parsed.fields {
        let slot = sink.slot(&field.name);
        match (&field.value, field.value.as_field_value()) {
            (Value::Number(Number::Float(value, decimal)), _) => sink.float(slot, *value, *decimal),
            (_, FieldValue::Float(_)) => {}
            (_, FieldValue::Integer(value)) => sink.integer(slot, value),
            (_, FieldValue::Unsigned(value)) => sink.unsigned(slot, value),
            (_, FieldValue::Boolean(value)) => sink.boolean(slot, value),
            (_, FieldValue::String(value)) => sink.string(slot, value),
        }
    }
    sink.end(parsed.time.unwrap_or(options.default_time)).map_err(ErrorKind::Refused)
}

/// End of the line at `at`, byte by byte.
fn line_end(body: &[u8], at: usize) -> usize {
    let blanks = body[at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | 0)).count();
    let start = at + blanks;
    let comment = body.get(start) == Some(&b'#');
    let (mut in_fields, mut quoted, mut balance) = (false, false, 0i64);
    let mut hidden = false;
    for (i, &b) in body.iter().enumerate().skip(start) {
        if comment {
            if b == b'\n' {
                return i;
            }
            continue;
        }
        if hidden {
            hidden = false;
            continue;
        }
        match b {
            b'\\' => hidden = true,
            b'\n' if !quoted => return i,
            b' ' => in_fields = true,
            b'=' if in_fields && !quoted => balance += 1,
            b',' if in_fields && !quoted => balance -= 1,
            b'"' if in_fields && balance > 0 => quoted = !quoted,
            _ => {}
        }
    }
    body.len()
}

/// What a sink was given: series as spelled, fields by name, time. For comparing readings.
#[derive(Debug, Default)]
pub struct Collected {
    /// Complete points in order.
    pub points: Vec<CollectedPoint>,
    keys: Vec<(Vec<u8>, usize)>,
    measurements: Vec<(String, Vec<String>)>,
    current: Option<(CollectedPoint, usize)>,
}

/// One point of [`Collected`].
#[derive(Clone, Debug, PartialEq)]
pub struct CollectedPoint {
    /// Key as spelled.
    pub key: Vec<u8>,
    /// Name, type, value as text (floats as bits), decimal spelling.
    pub fields: Vec<(String, FieldType, String)>,
    /// Nanoseconds.
    pub time: i64,
}

impl Collected {
    fn put(&mut self, slot: weir_model::sink::Slot, field_type: FieldType, text: String) {
        if let Some((point, measurement)) = &mut self.current {
            let names =
                self.measurements.get(*measurement).map(|(_, names)| names.as_slice()).unwrap_or_default();
            let name = names.get(slot.0 as usize).cloned().unwrap_or_default();
            point.fields.push((name, field_type, text));
        }
    }

    fn start(&mut self, key: &[u8], measurement: usize) -> weir_model::TemplateId {
        self.current = Some((CollectedPoint { key: key.to_vec(), fields: Vec::new(), time: 0 }, measurement));
        weir_model::TemplateId(measurement as u32)
    }
}

impl PointSink for Collected {
    fn key(&mut self, raw: &[u8]) -> Option<weir_model::TemplateId> {
        let measurement = self.keys.iter().find(|(key, _)| key == raw)?.1;
        Some(self.start(raw, measurement))
    }

    fn define(
        &mut self,
        raw: &[u8],
        measurement: &str,
        _tags: &[(&str, &str)],
    ) -> Result<weir_model::TemplateId, Refusal> {
        let known = self.measurements.iter().position(|(name, _)| name == measurement);
        let number = known.unwrap_or_else(|| {
            self.measurements.push((measurement.to_owned(), Vec::new()));
            self.measurements.len() - 1
        });
        self.keys.push((raw.to_vec(), number));
        Ok(self.start(raw, number))
    }

    fn slot(&mut self, name: &str) -> weir_model::sink::Slot {
        let Some((_, measurement)) = &self.current else { return weir_model::sink::Slot(u32::MAX) };
        let Some((_, names)) = self.measurements.get_mut(*measurement) else {
            return weir_model::sink::Slot(u32::MAX);
        };
        let index = names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        weir_model::sink::Slot(index as u32)
    }

    fn float(&mut self, slot: weir_model::sink::Slot, value: f64, decimal: Option<weir_model::Decimal>) {
        self.put(slot, FieldType::Float, format!("{:x} {decimal:?}", value.to_bits()));
    }
    fn integer(&mut self, slot: weir_model::sink::Slot, value: i64) {
        self.put(slot, FieldType::Integer, value.to_string());
    }
    fn unsigned(&mut self, slot: weir_model::sink::Slot, value: u64) {
        self.put(slot, FieldType::Unsigned, value.to_string());
    }
    fn boolean(&mut self, slot: weir_model::sink::Slot, value: bool) {
        self.put(slot, FieldType::Boolean, value.to_string());
    }
    fn string(&mut self, slot: weir_model::sink::Slot, value: &str) {
        self.put(slot, FieldType::String, value.to_owned());
    }

    fn end(&mut self, time: i64) -> Result<(), Refusal> {
        if let Some((mut point, _)) = self.current.take() {
            point.time = time;
            self.points.push(point);
        }
        Ok(())
    }

    fn abandon(&mut self) {
        self.current = None;
    }
}
