//! Telling listeners to end: first politely, then for good.

use std::time::Duration;

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Serving.
    Running,
    /// No new connection; running requests may take this long to finish.
    Draining(Duration),
}

/// Ends the listeners that hold a [`Stop`] of it. Dropping it ends them as well, at once.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Phase>);

/// Heard by a listener; clone it for each.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Phase>);

/// A new pair.
#[must_use]
pub fn stop_channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Lets listeners accept nothing more, idle connections close, and running requests finish within `deadline`; what
    /// runs then is cut off. [`serve`](crate::serve) returns when all is over.
    pub fn stop(&self, deadline: Duration) {
        self.0.send_replace(Phase::Draining(deadline));
    }
}

impl Stop {
    /// Waits for the stop and gives its deadline. Cancel-safe.
    pub async fn requested(&mut self) -> Duration {
        loop {
            if let Phase::Draining(deadline) = *self.0.borrow_and_update() {
                return deadline;
            }
            if self.0.changed().await.is_err() {
                return Duration::ZERO;
            }
        }
    }
}
