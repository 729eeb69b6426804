//! The running inputs, and what a reload changes among them.

use std::sync::Arc;
use std::time::Duration;

use weir_model::Clock;
use weir_pipeline::{RunningInput, SourceId};
use weir_store::Store;

use super::adapter::StoreIngest;
use crate::settings::PlannedInput;

/// How long an input may take to finish a gather when it is stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// All running inputs.
pub(super) struct Inputs {
    store: Store,
    clock: Arc<dyn Clock>,
    running: Vec<(u64, RunningInput)>,
}

impl Inputs {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, running: Vec::new() }
    }

    /// Makes the running inputs those of `planned`. An input that would run as before is left alone.
    pub(super) async fn reconcile(&mut self, planned: &[PlannedInput]) {
        let mut wanted: Vec<Option<&PlannedInput>> = planned.iter().map(Some).collect();
        let mut kept = Vec::new();
        let mut ended = Vec::new();
        for (identity, input) in self.running.drain(..) {
            // Two inputs may be alike to the letter: each takes one place.
            match wanted.iter_mut().find(|w| w.is_some_and(|w| w.identity == identity)) {
                Some(place) => {
                    *place = None;
                    kept.push((identity, input));
                }
                None => ended.push(input),
            }
        }
        let (stopped, unchanged) = (ended.len(), kept.len());
        for input in ended {
            input.stop(PATIENCE).await;
        }
        let ingest = StoreIngest(self.store.clone());
        let mut started = 0;
        for planned in wanted.into_iter().flatten() {
            let mut spec = planned.spec.clone();
            spec.target.source = self.source(&spec.name, &spec.alias).await;
            kept.push((planned.identity, RunningInput::spawn(spec, &ingest, self.clock.clone())));
            started += 1;
        }
        self.running = kept;
        tracing::info!(started, stopped, unchanged, "inputs");
    }

    /// The number that stands for an input in the log.
    async fn source(&self, name: &str, alias: &str) -> SourceId {
        let store = self.store.clone();
        let label =
            if alias.is_empty() { format!("inputs.{name}") } else { format!("inputs.{name}::{alias}") };
        match tokio::task::spawn_blocking(move || store.source(&label)).await {
            Ok(Ok(number)) => SourceId(number),
            Ok(Err(error)) => {
                tracing::warn!(%error, input = name, "no number for this input in the log; its points count as HTTP's");
                SourceId(0)
            }
            Err(_) => SourceId(0),
        }
    }

    /// Stops all.
    pub(super) async fn stop(&mut self) {
        for (_, input) in self.running.drain(..) {
            input.stop(PATIENCE).await;
        }
    }
}
