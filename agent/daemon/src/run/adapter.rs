//! The store as the pipeline sees it: thin, so that neither knows the other.

use std::sync::Mutex;
use std::time::Duration;

use weir_model::{PointSink, SeriesKey};
use weir_pipeline::{BatchWriter, Ingest, IngestError, WriteTarget};
use weir_query::{IntoPoint, PointWriter, Value};
use weir_store::{BatchBuilder, Store, Target, WriteError, Writer, block_on};

/// How long a write may wait for memory before it is turned away.
const RESERVE_WAIT: Duration = Duration::from_secs(6);
/// What turned-away clients are told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Hands out the store's writers.
#[derive(Clone)]
pub(super) struct StoreIngest(pub(super) Store);

impl Ingest for StoreIngest {
    type Writer = StoreWriter;

    fn writer(&self) -> StoreWriter {
        StoreWriter { writer: self.0.writer(), target: None }
    }
}

/// One of the store's writers.
pub(super) struct StoreWriter {
    writer: Writer,
    /// The last target in both spellings: most requests repeat it.
    target: Option<(WriteTarget, Target)>,
}

impl BatchWriter for StoreWriter {
    type Sink = BatchBuilder;

    async fn begin(&mut self, target: &WriteTarget) -> Result<(), IngestError> {
        let known = matches!(&self.target, Some((ours, _)) if ours == target);
        if !known {
            let theirs = Target {
                database: target.database.clone(),
                policy: target.policy.clone(),
                create_database: target.create_database,
                source: target.source.0,
            };
            self.target = Some((target.clone(), theirs));
        }
        let Some((_, theirs)) = &self.target else { return Ok(()) };
        match tokio::time::timeout(RESERVE_WAIT, self.writer.begin(theirs)).await {
            Ok(result) => result.map_err(translate),
            Err(_) => Err(IngestError::Overloaded { retry_after: RETRY_AFTER }),
        }
    }

    fn sink(&mut self) -> &mut BatchBuilder {
        self.writer.sink()
    }

    fn wants_commit(&self) -> bool {
        self.writer.wants_commit()
    }

    async fn commit(&mut self) -> Result<(), IngestError> {
        self.writer.commit().await.map_err(translate)
    }

    fn discard(&mut self) {
        self.writer.discard();
    }
}

fn translate(error: WriteError) -> IngestError {
    match error {
        WriteError::DatabaseNotFound(name) => IngestError::DatabaseNotFound(name),
        WriteError::PolicyNotFound(name) => IngestError::PolicyNotFound(name),
        WriteError::Overloaded { retry_after } => IngestError::Overloaded { retry_after },
        other => IngestError::Unavailable(other.to_string()),
    }
}

/// Where `SELECT … INTO` writes: one writer, since its batches come from query threads one after the other.
pub(super) struct IntoWriter {
    store: Store,
    writer: Mutex<Writer>,
}

impl IntoWriter {
    pub(super) fn new(store: &Store) -> Self {
        Self { writer: Mutex::new(store.writer()), store: store.clone() }
    }
}

impl PointWriter for IntoWriter {
    fn write(&self, database: &str, policy: &str, points: &[IntoPoint]) -> Result<(), String> {
        // A writer whose user panicked may hold half a batch: a fresh one takes its place.
        let mut writer = self.writer.lock().unwrap_or_else(|poisoned| {
            let mut writer = poisoned.into_inner();
            *writer = self.store.writer();
            writer
        });
        let target = Target {
            database: database.into(),
            policy: Some(policy.into()),
            create_database: false,
            source: 0,
        };
        block_on(put(&mut writer, &target, points))
    }
}

/// Writes points in as many batches as they need. What is refused is counted, the rest is stored.
async fn put(writer: &mut Writer, target: &Target, points: &[IntoPoint]) -> Result<(), String> {
    let text = |e: WriteError| e.to_string();
    let (mut refused, mut why) = (0_usize, String::new());
    writer.begin(target).await.map_err(text)?;
    for point in points {
        if writer.wants_commit() {
            writer.commit().await.map_err(text)?;
            writer.begin(target).await.map_err(text)?;
        }
        if let Err(refusal) = put_point(writer.sink(), point) {
            refused += 1;
            if why.is_empty() {
                why = refusal.to_string();
            }
        }
    }
    writer.commit().await.map_err(text)?;
    if refused == 0 { Ok(()) } else { Err(format!("partial write: {why} dropped={refused}")) }
}

fn put_point(sink: &mut BatchBuilder, point: &IntoPoint) -> Result<(), weir_model::Refusal> {
    let mut tags: Vec<(&str, &str)> = point.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
    let key = SeriesKey::new(&point.measurement, &mut tags);
    if sink.key(key.as_str().as_bytes()).is_none() {
        sink.define(key.as_str().as_bytes(), &point.measurement, &tags)?;
    }
    for (name, value) in &point.fields {
        let slot = sink.slot(name);
        match value {
            Value::Float(x) => sink.float(slot, *x, None),
            Value::Integer(n) => sink.integer(slot, *n),
            Value::Unsigned(n) => sink.unsigned(slot, *n),
            Value::Boolean(b) => sink.boolean(slot, *b),
            Value::Str(text) => sink.string(slot, text),
            Value::Time(ns) => sink.integer(slot, *ns),
            Value::Null => {}
        }
    }
    sink.end(point.time)
}
