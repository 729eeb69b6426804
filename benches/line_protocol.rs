//! Parsing alone: lines of the `cpu` kind (ten tags, ten fields, 4,000 series) into a sink that only counts, values per second. The series
//! look-up is left out: the sink knows every key once it has seen one.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir_lineprotocol::{ErrorList, Options, Parser, Rules};
use weir_model::sink::Slot;
use weir_model::{Decimal, PointSink, Precision, Refusal, TemplateId};

const SERIES: usize = 4_000;
const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

/// Folds everything into one number.
#[derive(Default)]
struct Counting {
    known: bool,
    sum: u64,
    slots: u32,
}

impl PointSink for Counting {
    fn key(&mut self, raw: &[u8]) -> Option<TemplateId> {
        self.sum = self.sum.wrapping_add(raw.len() as u64);
        self.known.then_some(TemplateId(0))
    }
    fn define(&mut self, _: &[u8], _: &str, _: &[(&str, &str)]) -> Result<TemplateId, Refusal> {
        self.known = true;
        Ok(TemplateId(0))
    }
    fn slot(&mut self, _: &str) -> Slot {
        self.slots += 1;
        Slot(self.slots - 1)
    }
    fn float(&mut self, slot: Slot, value: f64, decimal: Option<Decimal>) {
        let mantissa = decimal.map_or(0, |d| d.mantissa as u64);
        self.sum = self.sum.wrapping_add(value.to_bits() ^ mantissa ^ u64::from(slot.0));
    }
    fn integer(&mut self, slot: Slot, value: i64) {
        self.sum = self.sum.wrapping_add(value as u64 ^ u64::from(slot.0));
    }
    fn unsigned(&mut self, slot: Slot, value: u64) {
        self.sum = self.sum.wrapping_add(value ^ u64::from(slot.0));
    }
    fn boolean(&mut self, _: Slot, value: bool) {
        self.sum = self.sum.wrapping_add(u64::from(value));
    }
    fn string(&mut self, _: Slot, value: &str) {
        self.sum = self.sum.wrapping_add(value.len() as u64);
    }
    fn end(&mut self, time: i64) -> Result<(), Refusal> {
        self.sum = self.sum.wrapping_add(time as u64);
        Ok(())
    }
    fn abandon(&mut self) {}
}

/// A body with one line per series; `value` appends the n-th value.
fn body(fields: usize, mut value: impl FnMut(&mut String, u64)) -> String {
    let mut out = String::new();
    let mut random = 1u64;
    for series in 0..SERIES {
        let _ = write!(
            out,
            "cpu,hostname=host_{series},region=eu-central-1,datacenter=eu-central-1a,rack={},os=Ubuntu16.04LTS,arch=x64,team=SF,service={},service_version=1,service_environment=production",
            series % 100,
            series % 20
        );
        for (i, name) in FIELDS.iter().take(fields).enumerate() {
            let _ = write!(out, "{}{name}=", if i == 0 { ' ' } else { ',' });
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value(&mut out, random >> 33);
        }
        out.push_str(" 1700000000000000000\n");
    }
    out
}

fn line_protocol(c: &mut Criterion) {
    let sets = [
        ("10_ints", 10, body(10, |out, n| write!(out, "{}i", n % 101).unwrap_or_default())),
        (
            "10_two_decimals",
            10,
            body(10, |out, n| write!(out, "{}.{:02}", n % 100, n / 100 % 100).unwrap_or_default()),
        ),
        ("10_full_floats", 10, body(10, |out, n| write!(out, "{}", n as f64 / 7e7).unwrap_or_default())),
        ("10_strings", 10, body(10, |out, n| write!(out, "\"state {}\"", n % 1_000).unwrap_or_default())),
        ("1_int", 1, body(1, |out, n| write!(out, "{}i", n % 101).unwrap_or_default())),
    ];
    let options =
        Options { precision: Precision::Nanosecond, default_time: 0, rules: Rules::INFLUX1, first_line: 1 };
    let mut group = c.benchmark_group("line_protocol");
    for (name, fields, body) in &sets {
        group.throughput(Throughput::Elements((SERIES * fields) as u64));
        group.bench_function(*name, |b| {
            let (mut parser, mut sink, mut errors) = (Parser::new(), Counting::default(), ErrorList::new(1));
            b.iter(|| parser.parse(black_box(body.as_bytes()), &options, &mut sink, &mut errors));
            assert!(errors.is_empty());
            black_box(sink.sum);
        });
    }
    group.finish();
}

criterion_group!(benches, line_protocol);
criterion_main!(benches);
