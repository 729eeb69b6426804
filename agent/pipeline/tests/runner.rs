//! A running input against a store that remembers: it writes, survives panics, and keeps what the store refuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_model::sink::Slot;
use weir_model::{Clock, Decimal, PointSink, Refusal, SystemClock, TemplateId};
use weir_pipeline::shape::TimeFrom;
use weir_pipeline::{
    BatchWriter, Filter, FilterSpec, GatherError, Ingest, IngestError, InputSpec, Metric, MetricKind,
    PolledInput, RunningInput, Shape, SourceId, WriteTarget,
};

#[derive(Default)]
struct Memory {
    lines: Mutex<Vec<String>>,
    refuses: AtomicBool,
}

#[derive(Clone)]
struct MemoryIngest(Arc<Memory>);

struct MemoryWriter {
    memory: Arc<Memory>,
    sink: LineSink,
}

#[derive(Default)]
struct LineSink {
    lines: Vec<String>,
    key: String,
    slots: Vec<String>,
    fields: Vec<String>,
}

impl LineSink {
    fn set(&mut self, slot: Slot, value: String) {
        self.fields.push(format!("{}={value}", self.slots[slot.0 as usize]));
    }
}

impl PointSink for LineSink {
    fn key(&mut self, raw: &[u8]) -> Option<TemplateId> {
        self.key = String::from_utf8(raw.to_vec()).unwrap();
        Some(TemplateId(0))
    }
    fn define(&mut self, _: &[u8], _: &str, _: &[(&str, &str)]) -> Result<TemplateId, Refusal> {
        Ok(TemplateId(0))
    }
    fn slot(&mut self, name: &str) -> Slot {
        self.slots.push(name.to_owned());
        Slot(u32::try_from(self.slots.len() - 1).unwrap())
    }
    fn float(&mut self, slot: Slot, value: f64, _: Option<Decimal>) {
        self.set(slot, value.to_string());
    }
    fn integer(&mut self, slot: Slot, value: i64) {
        self.set(slot, format!("{value}i"));
    }
    fn unsigned(&mut self, slot: Slot, value: u64) {
        self.set(slot, format!("{value}u"));
    }
    fn boolean(&mut self, slot: Slot, value: bool) {
        self.set(slot, value.to_string());
    }
    fn string(&mut self, slot: Slot, value: &str) {
        self.set(slot, format!("{value:?}"));
    }
    fn end(&mut self, time: i64) -> Result<(), Refusal> {
        self.lines.push(format!("{} {} {time}", self.key, self.fields.join(",")));
        self.abandon();
        Ok(())
    }
    fn abandon(&mut self) {
        self.fields.clear();
        self.slots.clear();
    }
}

impl Ingest for MemoryIngest {
    type Writer = MemoryWriter;
    fn writer(&self) -> MemoryWriter {
        MemoryWriter { memory: self.0.clone(), sink: LineSink::default() }
    }
}

impl BatchWriter for MemoryWriter {
    type Sink = LineSink;
    async fn begin(&mut self, _: &WriteTarget) -> Result<(), IngestError> {
        self.sink.lines.clear();
        Ok(())
    }
    fn sink(&mut self) -> &mut LineSink {
        &mut self.sink
    }
    fn wants_commit(&self) -> bool {
        self.sink.lines.len() >= 2
    }
    async fn commit(&mut self) -> Result<(), IngestError> {
        if self.memory.refuses.load(Ordering::SeqCst) {
            return Err(IngestError::Unavailable("the disk is full".into()));
        }
        self.memory.lines.lock().unwrap().append(&mut self.sink.lines);
        Ok(())
    }
    fn discard(&mut self) {
        self.sink.lines.clear();
    }
}

struct Counting {
    gathers: Arc<AtomicUsize>,
}

impl PolledInput for Counting {
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError> {
        let n = self.gathers.fetch_add(1, Ordering::SeqCst);
        assert!(n != 1, "the second gather panics");
        for tag in ["a", "b", "c"] {
            out.push(
                Metric::new("m", MetricKind::Gauge)
                    .tag("t", tag)
                    .tag("empty", "")
                    .field("n", i64::try_from(n).unwrap())
                    .field("nan", f64::NAN),
            );
        }
        Err(GatherError::new("a part could not be read"))
    }
}

fn spec(gathers: Arc<AtomicUsize>) -> InputSpec {
    InputSpec {
        name: "counting".into(),
        alias: "".into(),
        factory: Arc::new(move || Ok(Box::new(Counting { gathers: gathers.clone() }))),
        shape: Shape {
            name_override: None,
            name_prefix: String::new(),
            name_suffix: String::new(),
            tags: Default::default(),
            global_tags: Arc::new([("host".to_owned(), "h".to_owned())].into()),
            always_include_local_tags: false,
            always_include_global_tags: false,
            filter: Filter::new(&FilterSpec::default()).unwrap(),
            time_from: TimeFrom::Metric,
            precision_ns: 1_000_000,
        },
        interval: Duration::from_millis(20),
        offset: Duration::ZERO,
        jitter: Duration::ZERO,
        aligned: false,
        pending_max: 1_000,
        target: WriteTarget {
            database: "d".into(),
            policy: None,
            create_database: true,
            source: SourceId(1),
        },
    }
}

async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_panics_is_started_again_and_nothing_else_is_lost() {
    let memory = Arc::new(Memory::default());
    let gathers = Arc::new(AtomicUsize::new(0));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let running = RunningInput::spawn(spec(gathers.clone()), &MemoryIngest(memory.clone()), clock);
    wait_for("a gather after the panic", || memory.lines.lock().unwrap().len() >= 9).await;
    running.stop(Duration::from_secs(5)).await;
    let lines = memory.lines.lock().unwrap().clone();
    assert!(lines[0].starts_with("m,host=h,t=a n=0i "), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains(" n=2i ")), "{lines:?}");
    assert!(!lines.iter().any(|l| l.contains("nan") || l.contains(" n=1i ")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_the_store_refuses_are_written_later() {
    let memory = Arc::new(Memory::default());
    memory.refuses.store(true, Ordering::SeqCst);
    let gathers = Arc::new(AtomicUsize::new(2));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let running = RunningInput::spawn(spec(gathers.clone()), &MemoryIngest(memory.clone()), clock);
    wait_for("three gathers", || gathers.load(Ordering::SeqCst) >= 5).await;
    assert!(memory.lines.lock().unwrap().is_empty());
    memory.refuses.store(false, Ordering::SeqCst);
    wait_for("the kept metrics", || memory.lines.lock().unwrap().len() >= 9).await;
    running.stop(Duration::from_secs(5)).await;
    let lines = memory.lines.lock().unwrap().clone();
    for n in 2..5 {
        assert!(lines.iter().any(|l| l.contains(&format!(" n={n}i "))), "{n}: {lines:?}");
    }
}
