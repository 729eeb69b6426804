//! The continuous queries' clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use weir_query::Engine;

/// How often to look what is due.
const EVERY: Duration = Duration::from_secs(1);

/// Runs the continuous queries that are due, again and again, until the task is aborted; a query that runs then is finished.
pub(super) fn start(engine: Arc<Engine>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            let engine = Arc::clone(&engine);
            let round = tokio::task::spawn_blocking(move || engine.run_continuous_queries()).await;
            if let Err(error) = round {
                tracing::error!(%error, "a round of continuous queries failed");
            }
        }
    })
}
