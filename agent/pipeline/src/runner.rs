//! Runs one polled input: schedule, worker thread, deadline, restart, and the way of its metrics into the store.
//!
//! The plugin lives on a thread of its own, so it may block or panic. A gather that overruns its interval is reported and further
//! ticks are skipped; one that does not come back for [`HANG_FACTOR`] intervals is given up: its thread is left behind and the input is made
//! anew. A panic does the same. Restarts back off from one second to a minute.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use metrics::{Label, counter, gauge, histogram};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use weir_model::Clock;

use crate::ingest::{BatchWriter, Ingest, WriteTarget};
use crate::input::{GatherError, PolledInput};
use crate::metric::Metric;
use crate::quiet::Quiet;
use crate::schedule::Schedule;
use crate::shape::Shape;
use crate::write::MetricWriter;

/// A gather that takes this many intervals (and at least [`HANG_MIN`]) counts as hung.
pub const HANG_FACTOR: u32 = 3;
/// Shortest time after which a gather counts as hung.
pub const HANG_MIN: Duration = Duration::from_secs(30);
/// Longest pause between restarts.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// Longest sleep, so that a clock that was set is noticed soon.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// Makes the plugin, again after a panic or a hang.
pub type Factory = Arc<dyn Fn() -> Result<Box<dyn PolledInput>, String> + Send + Sync>;

/// One input to run.
#[derive(Clone)]
pub struct InputSpec {
    /// Plugin name.
    pub name: Arc<str>,
    /// Alias, or empty.
    pub alias: Arc<str>,
    /// Makes the plugin.
    pub factory: Factory,
    /// Naming, tags, filters, rounding.
    pub shape: Shape,
    /// Gather period.
    pub interval: Duration,
    /// Shift of the schedule.
    pub offset: Duration,
    /// Random delay.
    pub jitter: Duration,
    /// Gather at multiples of the interval.
    pub aligned: bool,
    /// Metrics kept while the store takes none; the oldest are dropped first, and counted.
    pub pending_max: usize,
    /// Where the metrics go.
    pub target: WriteTarget,
}

impl fmt::Debug for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputSpec")
            .field("name", &self.name)
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

/// A running input.
#[derive(Debug)]
pub struct RunningInput {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningInput {
    /// Starts it on the current tokio runtime.
    pub fn spawn<I: Ingest>(spec: InputSpec, ingest: &I, clock: Arc<dyn Clock>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let runner = Runner {
            writer: ingest.writer(),
            metric_writer: MetricWriter::default(),
            pending: VecDeque::new(),
            labels: vec![
                Label::new("input", spec.name.to_string()),
                Label::new("alias", spec.alias.to_string()),
            ],
            random: u64::from_le_bytes(clock.now().0.to_le_bytes()) ^ (&raw const *spec.name).addr() as u64,
            spec,
            clock,
            stopped,
            quiet: Quiet::default(),
        };
        Self { stop, task: tokio::spawn(runner.run()) }
    }

    /// Asks it to stop; a gather under way is finished and written first, for at most `patience`.
    pub async fn stop(self, patience: Duration) {
        // The task may have ended already; then nobody listens.
        let _ = self.stop.send(true);
        let mut task = self.task;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
    }
}

enum Gathered {
    Done { metrics: Vec<Metric>, error: Option<GatherError>, start: i64, end: i64, took: Duration },
    Panicked,
}

/// The thread a plugin lives on.
struct Worker {
    commands: mpsc::Sender<oneshot::Sender<Gathered>>,
}

impl Worker {
    fn start(spec: &InputSpec, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut input = (spec.factory)()?;
        let (commands, receiver) = mpsc::channel::<oneshot::Sender<Gathered>>();
        let name = spec.name.clone();
        std::thread::Builder::new()
            .name(format!("in-{}", spec.name))
            .spawn(move || {
                match catch_unwind(AssertUnwindSafe(|| input.prime())) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(input = %name, %error, "first sample failed"),
                    Err(_) => return,
                }
                while let Ok(answer) = receiver.recv() {
                    let (start, began) = (clock.now().0, Instant::now());
                    let mut metrics = Vec::new();
                    let result = catch_unwind(AssertUnwindSafe(|| input.gather(&mut metrics)));
                    let (end, took) = (clock.now().0, began.elapsed());
                    let panicked = result.is_err();
                    let gathered = match result {
                        Ok(result) => Gathered::Done { metrics, error: result.err(), start, end, took },
                        Err(_) => Gathered::Panicked,
                    };
                    // Nobody waits any more when the runner gave this worker up.
                    let _ = answer.send(gathered);
                    if panicked {
                        return;
                    }
                }
            })
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        Ok(Self { commands })
    }
}

struct Runner<W: BatchWriter> {
    spec: InputSpec,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
    writer: W,
    metric_writer: MetricWriter,
    pending: VecDeque<Metric>,
    labels: Vec<Label>,
    random: u64,
    quiet: Quiet,
}

impl<W: BatchWriter> Runner<W> {
    async fn run(mut self) {
        let mut schedule = Schedule::new(
            self.clock.now().0,
            self.spec.interval,
            self.spec.offset,
            self.spec.jitter,
            self.spec.aligned,
        );
        let mut worker = None;
        let mut back_off = Duration::from_secs(1);
        loop {
            if worker.is_none() {
                match Worker::start(&self.spec, self.clock.clone()) {
                    Ok(started) => {
                        worker = Some(started);
                        gauge!("weir_input_up", self.labels.clone()).set(1.0);
                    }
                    Err(error) => {
                        gauge!("weir_input_up", self.labels.clone()).set(0.0);
                        self.complain("start", &error);
                    }
                }
            }
            self.random = next_random(self.random);
            if self.sleep_until(schedule.next_gather(self.random)).await {
                break;
            }
            let ok = match &worker {
                Some(running) => {
                    let commands = running.commands.clone();
                    self.tick(&commands).await
                }
                None => false,
            };
            if ok {
                back_off = Duration::from_secs(1);
            } else {
                worker = None;
                gauge!("weir_input_up", self.labels.clone()).set(0.0);
                counter!("weir_input_restarts_total", self.labels.clone()).increment(1);
                if self.pause(back_off).await {
                    break;
                }
                back_off = (back_off * 2).min(BACK_OFF_MAX);
            }
            let skipped = schedule.advance(self.clock.now().0);
            if skipped > 0 {
                counter!("weir_input_gather_skipped_total", self.labels.clone()).increment(skipped);
            }
            if *self.stopped.borrow() {
                break;
            }
        }
        self.write().await;
        gauge!("weir_input_up", self.labels.clone()).set(0.0);
    }

    /// One gather and its write. Returns whether the worker is still good.
    async fn tick(&mut self, commands: &mpsc::Sender<oneshot::Sender<Gathered>>) -> bool {
        let (answer, mut answered) = oneshot::channel();
        if commands.send(answer).is_err() {
            self.complain("panic", "the plugin panicked; it is started again");
            return false;
        }
        let hang = (self.spec.interval * HANG_FACTOR).max(HANG_MIN);
        let began = Instant::now();
        let gathered = loop {
            match tokio::time::timeout(self.spec.interval, &mut answered).await {
                Ok(Ok(gathered)) => break gathered,
                Ok(Err(_)) => break Gathered::Panicked,
                Err(_) if *self.stopped.borrow() => return true,
                Err(_) if began.elapsed() >= hang => {
                    self.complain("hang", &format!("no answer for {hang:?}; the plugin is started again"));
                    return false;
                }
                Err(_) => {
                    counter!("weir_input_gather_skipped_total", self.labels.clone()).increment(1);
                    let text = format!(
                        "gathering takes longer than the interval of {:?}; raise the interval or look at the plugin",
                        self.spec.interval
                    );
                    self.complain("slow", &text);
                }
            }
        };
        match gathered {
            Gathered::Panicked => {
                self.complain("panic", "the plugin panicked; it is started again");
                false
            }
            Gathered::Done { metrics, error, start, end, took } => {
                histogram!("weir_input_gather_duration_seconds", self.labels.clone())
                    .record(took.as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "seconds")]
                gauge!("weir_input_last_gather_timestamp_seconds", self.labels.clone()).set(end as f64 / 1e9);
                if let Some(error) = error {
                    counter!("weir_input_gather_errors_total", self.labels.clone()).increment(1);
                    self.complain("gather", &error.to_string());
                }
                let shaped = metrics.into_iter().filter_map(|m| self.spec.shape.apply(m, start, end));
                let before = self.pending.len();
                self.pending.extend(shaped);
                let gathered = self.pending.len() - before;
                counter!("weir_input_metrics_gathered_total", self.labels.clone()).increment(gathered as u64);
                self.write().await;
                true
            }
        }
    }

    /// Writes what is pending; keeps it, up to the limit, if the store does not take it.
    async fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.try_write().await {
            Ok(()) => self.pending.clear(),
            Err(error) => {
                self.complain("write", &format!("{error}; the metrics are kept and tried again"));
                let excess = self.pending.len().saturating_sub(self.spec.pending_max);
                if excess > 0 {
                    self.pending.drain(..excess);
                    let mut labels = self.labels.clone();
                    labels.push(Label::new("reason", "store_unavailable"));
                    counter!("weir_input_dropped_messages_total", labels).increment(excess as u64);
                }
            }
        }
    }

    async fn try_write(&mut self) -> Result<(), crate::IngestError> {
        let now = self.clock.now().0;
        self.writer.begin(&self.spec.target).await?;
        let mut refused = None;
        for i in 0..self.pending.len() {
            if self.writer.wants_commit() {
                self.writer.commit().await?;
                self.writer.begin(&self.spec.target).await?;
            }
            let Some(metric) = self.pending.get(i) else { break };
            if let Err(refusal) = self.metric_writer.write(metric, now, self.writer.sink()) {
                refused = Some(refusal);
            }
        }
        self.writer.commit().await?;
        if let Some(refusal) = refused {
            self.complain("refused", &refusal.to_string());
        }
        Ok(())
    }

    /// Sleeps until the wall clock shows `time`. Returns whether to stop.
    async fn sleep_until(&mut self, time: i64) -> bool {
        loop {
            let left = time.saturating_sub(self.clock.now().0);
            let Ok(left) = u64::try_from(left) else { return *self.stopped.borrow() };
            if left == 0 {
                return *self.stopped.borrow();
            }
            if self.pause(Duration::from_nanos(left).min(SLEEP_MAX)).await {
                return true;
            }
        }
    }

    /// Sleeps. Returns whether to stop.
    async fn pause(&mut self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => *self.stopped.borrow(),
            changed = self.stopped.changed() => changed.is_err() || *self.stopped.borrow(),
        }
    }

    /// Logs, at most once a minute for each kind of complaint.
    fn complain(&mut self, kind: &'static str, text: &str) {
        if let Some(suppressed) = self.quiet.allow(kind, self.clock.monotonic_ns()) {
            tracing::warn!(input = %self.spec.name, alias = %self.spec.alias, suppressed, "{text}");
        }
    }
}

/// A step of the splitmix64 generator: plenty for jitter.
fn next_random(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
