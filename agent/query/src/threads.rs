//! Threads that drive queries. They wait for slow readers, so they are many and cheap; computing is limited elsewhere.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// A query to drive.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How long an idle thread waits for the next query before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Hands queries to idle threads, or starts one.
pub(crate) struct Threads {
    idle: Sender<Job>,
    jobs: Receiver<Job>,
}

impl Default for Threads {
    fn default() -> Self {
        // Without room: a job is taken only by a thread that waits for one.
        let (idle, jobs) = bounded(0);
        Self { idle, jobs }
    }
}

impl Threads {
    /// Runs `job` soon.
    pub(crate) fn run(&self, job: Job) {
        let Err(
            crossbeam_channel::TrySendError::Full(job) | crossbeam_channel::TrySendError::Disconnected(job),
        ) = self.idle.try_send(job)
        else {
            return;
        };
        let jobs = self.jobs.clone();
        let started = std::thread::Builder::new().name("weir-query".to_owned()).spawn(move || {
            job();
            while let Ok(job) = jobs.recv_timeout(IDLE) {
                job();
            }
        });
        if let Err(error) = started {
            // The job is dropped with the closure; its reader sees the end of the stream.
            tracing::error!(%error, "no thread for a query");
        }
    }
}
