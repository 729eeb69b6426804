//! A store in memory behind [`Ingest`], [`Source`] and [`Admin`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_model::admin::Admin;
use weir_model::read::Source;
use weir_model::sink::Slot;
use weir_model::{Decimal, FieldType, FieldValue, PointSink, Refusal, TemplateId};
use weir_pipeline::{BatchWriter, Ingest, IngestError, WriteTarget};
use weir_query::memory::MemoryStore as Points;

/// Points older than this are beyond what the policy keeps.
pub(crate) const OLDEST: i64 = -1_000_000_000_000;

#[derive(Clone)]
pub(crate) struct MemoryStore {
    points: Points,
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Points stored, and batches committed.
    pub(crate) stored: u64,
    pub(crate) commits: u64,
    pub(crate) writers: u64,
    /// Answers every batch with this.
    pub(crate) failure: Option<IngestError>,
    /// Points after which a writer wants to commit.
    pub(crate) batch_points: Option<usize>,
    types: HashMap<(Arc<str>, String, String), FieldType>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        let store = Self { points: Points::new(), shared: Arc::default() };
        store.points.create_database("d", None).unwrap();
        store
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    pub(crate) fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.points.clone())
    }

    pub(crate) fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.points.clone())
    }

    pub(crate) fn databases(&self) -> Vec<String> {
        self.points.snapshot().unwrap().databases().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn overload(&self) {
        self.state().failure = Some(IngestError::Overloaded { retry_after: Duration::from_secs(7) });
    }
}

impl Ingest for MemoryStore {
    type Writer = MemoryWriter;

    fn writer(&self) -> MemoryWriter {
        self.state().writers += 1;
        MemoryWriter { sink: MemorySink::empty(self.clone()) }
    }
}

pub(crate) struct MemoryWriter {
    sink: MemorySink,
}

struct Point {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, Owned)>,
    time: i64,
}

#[derive(Clone)]
enum Owned {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    String(String),
}

impl Owned {
    fn value(&self) -> FieldValue<'_> {
        match self {
            Self::Float(x) => FieldValue::Float(*x),
            Self::Integer(x) => FieldValue::Integer(*x),
            Self::Unsigned(x) => FieldValue::Unsigned(*x),
            Self::Boolean(x) => FieldValue::Boolean(*x),
            Self::String(x) => FieldValue::String(x),
        }
    }
}

pub(crate) struct MemorySink {
    store: MemoryStore,
    target: Option<WriteTarget>,
    keys: HashMap<Vec<u8>, (usize, Vec<(String, String)>)>,
    /// Measurements by template, with their fields by slot.
    templates: Vec<(String, Vec<String>)>,
    open: Option<(usize, Vec<(String, String)>, Vec<(String, Owned)>)>,
    batch: Vec<Point>,
}

impl MemorySink {
    fn empty(store: MemoryStore) -> Self {
        Self {
            store,
            target: None,
            keys: HashMap::new(),
            templates: Vec::new(),
            open: None,
            batch: Vec::new(),
        }
    }

    fn push(&mut self, slot: Slot, value: Owned) {
        let (template, _, fields) = self.open.as_mut().expect("a point is open");
        fields.push((self.templates[*template].1[slot.0 as usize].clone(), value));
    }
}

impl BatchWriter for MemoryWriter {
    type Sink = MemorySink;

    async fn begin(&mut self, target: &WriteTarget) -> Result<(), IngestError> {
        assert!(self.sink.batch.is_empty(), "no batch is open");
        if self.sink.target.as_ref() != Some(target) {
            self.sink.keys.clear();
            self.sink.templates.clear();
            self.sink.target = Some(target.clone());
        }
        if let Some(failure) = self.sink.store.state().failure.clone() {
            return Err(failure);
        }
        let snapshot = self.sink.store.points.snapshot().unwrap();
        let Some(policies) = snapshot.policies(&target.database) else {
            if !target.create_database {
                return Err(IngestError::DatabaseNotFound(target.database.to_string()));
            }
            self.sink.store.points.create_database(&target.database, None).unwrap();
            return Ok(());
        };
        match &target.policy {
            Some(policy) if !policies.iter().any(|p| p.name == *policy) => {
                Err(IngestError::PolicyNotFound(policy.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn sink(&mut self) -> &mut MemorySink {
        &mut self.sink
    }

    fn wants_commit(&self) -> bool {
        self.sink.store.state().batch_points.is_some_and(|points| self.sink.batch.len() >= points)
    }

    async fn commit(&mut self) -> Result<(), IngestError> {
        tokio::task::yield_now().await;
        let target = self.sink.target.clone().unwrap();
        for point in self.sink.batch.drain(..) {
            let tags: Vec<_> = point.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let fields: Vec<_> = point.fields.iter().map(|(k, v)| (k.as_str(), v.value())).collect();
            let policy = target.policy.as_deref();
            let store = &self.sink.store;
            let inserted =
                store.points.insert(&target.database, policy, &point.measurement, &tags, &fields, point.time);
            inserted.unwrap();
            store.state().stored += 1;
        }
        self.sink.store.state().commits += 1;
        Ok(())
    }

    fn discard(&mut self) {
        self.sink.batch.clear();
    }
}

impl PointSink for MemorySink {
    fn key(&mut self, raw: &[u8]) -> Option<TemplateId> {
        let (template, tags) = self.keys.get(raw)?;
        self.open = Some((*template, tags.clone(), Vec::new()));
        Some(TemplateId(*template as u32))
    }

    fn define(
        &mut self,
        raw: &[u8],
        measurement: &str,
        tags: &[(&str, &str)],
    ) -> Result<TemplateId, Refusal> {
        let template = match self.templates.iter().position(|(name, _)| name == measurement) {
            Some(found) => found,
            None => {
                self.templates.push((measurement.to_owned(), Vec::new()));
                self.templates.len() - 1
            }
        };
        let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.keys.insert(raw.to_vec(), (template, tags.clone()));
        self.open = Some((template, tags, Vec::new()));
        Ok(TemplateId(template as u32))
    }

    fn slot(&mut self, name: &str) -> Slot {
        let fields = &mut self.templates[self.open.as_ref().expect("a point is open").0].1;
        let at = fields.iter().position(|field| field == name).unwrap_or_else(|| {
            fields.push(name.to_owned());
            fields.len() - 1
        });
        Slot(at as u32)
    }

    fn float(&mut self, slot: Slot, value: f64, _: Option<Decimal>) {
        self.push(slot, Owned::Float(value));
    }

    fn integer(&mut self, slot: Slot, value: i64) {
        self.push(slot, Owned::Integer(value));
    }

    fn unsigned(&mut self, slot: Slot, value: u64) {
        self.push(slot, Owned::Unsigned(value));
    }

    fn boolean(&mut self, slot: Slot, value: bool) {
        self.push(slot, Owned::Boolean(value));
    }

    fn string(&mut self, slot: Slot, value: &str) {
        self.push(slot, Owned::String(value.to_owned()));
    }

    fn end(&mut self, time: i64) -> Result<(), Refusal> {
        let (template, tags, fields) = self.open.take().expect("a point is open");
        let measurement = self.templates[template].0.clone();
        if time < OLDEST {
            return Err(Refusal::BeyondRetention { measurement: measurement.into(), oldest: OLDEST, time });
        }
        let database = Arc::clone(&self.target.as_ref().expect("a batch is open").database);
        for (field, value) in &fields {
            let given = value.value().field_type();
            let key = (Arc::clone(&database), measurement.clone(), field.clone());
            let existing = *self.store.state().types.entry(key).or_insert(given);
            if existing != given {
                let (measurement, field) = (measurement.into(), field.as_str().into());
                return Err(Refusal::FieldType { measurement, field, given, existing });
            }
        }
        self.batch.push(Point { measurement, tags, fields, time });
        Ok(())
    }

    fn abandon(&mut self) {
        self.open = None;
    }
}
