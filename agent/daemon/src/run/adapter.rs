//! The store as the pipeline sees it: thin, so that neither knows the other.

use std::time::Duration;

use weir_pipeline::{BatchWriter, Ingest, IngestError, WriteTarget};
use weir_store::{BatchBuilder, Store, Target, WriteError, Writer};

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
