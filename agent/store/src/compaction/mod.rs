//! Compaction: joins files of a shard group, so that each moment lies in few of them, and writes what will stay in dense form.
//!
//! [`plan`] says what to do, [`execute`] does it, this module decides when and deals with what goes wrong. It works on the background thread,
//! after sealing and flushing and giving way to them at every stripe; writes never wait for it. A plan that fails twice is parked for
//! an hour, and the others go on.

pub(crate) mod execute;
pub(crate) mod plan;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_catalog::{CatalogError, CatalogState, FileId, GroupId};

use crate::lane::describe;
use crate::metrics;
use crate::shared::Shared;
use crate::tombstones::filter_for;
use crate::version::{Home, Run, Version};

use execute::CompactionError;
use plan::{FileMeta, GroupMeta, Plan, Rules};

/// Failures after which a plan is parked.
const FAILURES_MAX: u32 = 2;
/// How long it stays so.
const PARKED_NS: u64 = 3_600_000_000_000;
/// Least time between two looks for something to do when nothing has changed.
const LOOK_NS: u64 = 1_000_000_000;

/// What a compaction asks whoever lets it run, at every stripe. Seals and flushes come first; false = the store ends.
pub(crate) type Attend<'a> = dyn FnMut() -> bool + 'a;

/// See the module. Owned by the background thread.
pub(crate) struct Compactor {
    shared: Arc<Shared>,
    rules: Rules,
    /// What is known of the times of groups.
    times: HashMap<GroupId, GroupTimes>,
    /// Files of plans that keep failing, and until when they are left alone.
    parked: HashMap<FileId, u64>,
    failures: HashMap<Vec<FileId>, u32>,
    /// Files made by the compaction under way.
    created: Vec<PathBuf>,
    /// Files that a failed manifest edit names.
    doubtful: Vec<PathBuf>,
    looked: Option<(u64, u64)>,
}

/// Monotonic times of a group.
#[derive(Clone, Copy, Debug, Default)]
struct GroupTimes {
    /// Highest generation seen.
    generation: u64,
    /// When points last came.
    changed: u64,
    /// Since when there is a file of level 0.
    waiting: Option<u64>,
}

impl Compactor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            rules: Rules::default(),
            times: HashMap::new(),
            parked: HashMap::new(),
            failures: HashMap::new(),
            created: Vec::new(),
            doubtful: Vec::new(),
            looked: None,
        }
    }

    /// Does the next compaction that is due, if there is one; whether there was.
    pub(crate) fn step(&mut self, attend: &mut Attend<'_>) -> bool {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.monotonic_ns();
        let version = shared.version.load_full();
        let is_known = |(number, at)| number == version.number && now.saturating_sub(at) < LOOK_NS;
        if self.looked.is_some_and(is_known) || shared.health.read_only().is_some() {
            return false;
        }
        self.looked = Some((version.number, now));
        let groups = self.groups(&version);
        let Some(plan) = plan::next(&groups, &self.rules, shared.clock.now().0) else { return false };
        let _ = self.run(&plan, false, attend);
        self.looked = None;
        true
    }

    /// Brings every group into its final form, whatever the time; what failed, if something did.
    pub(crate) fn finish(&mut self, deadline: Option<u64>, attend: &mut Attend<'_>) -> Result<(), Arc<str>> {
        self.parked.clear();
        let clock = Arc::clone(&self.shared.clock);
        let is_late = || deadline.is_some_and(|at| clock.monotonic_ns() >= at);
        let mut failed: Option<Arc<str>> = None;
        let mut given_up: HashSet<GroupId> = HashSet::new();
        while !is_late() {
            let version = self.shared.version.load_full();
            let groups = self.groups(&version);
            let open = groups.iter().filter(|g| !given_up.contains(&g.group));
            let Some(plan) = open.into_iter().find_map(plan::finish) else {
                return failed.map_or(Ok(()), Err);
            };
            match self.run(&plan, true, &mut || attend() && !is_late()) {
                Ok(()) => {}
                Err(CompactionError::Stopping) if is_late() => break,
                Err(CompactionError::Stopping) => return Err("the store is shutting down".into()),
                Err(e) => {
                    failed = Some(describe(&e).into());
                    given_up.insert(plan.group);
                }
            }
        }
        Err("the time given is over before everything is compacted".into())
    }

    fn run(&mut self, plan: &Plan, hurry: bool, attend: &mut Attend<'_>) -> Result<(), CompactionError> {
        self.created.clear();
        let started = std::time::Instant::now();
        let done = self.execute(plan, hurry, attend);
        let created = std::mem::take(&mut self.created);
        match &done {
            Ok(done) => {
                self.failures.remove(&plan.inputs);
                let doubtful = std::mem::take(&mut self.doubtful);
                self.remove_files(&doubtful);
                metrics::compacted(plan.why.name(), started.elapsed(), done.bytes_in, done.bytes_out);
                tracing::debug!(
                    group = plan.group.0,
                    why = plan.why.name(),
                    inputs = plan.inputs.len(),
                    bytes_in = done.bytes_in,
                    bytes_out = done.bytes_out,
                    points = done.points,
                    millis = started.elapsed().as_millis() as u64,
                    "compacted"
                );
            }
            Err(CompactionError::Catalog(e @ (CatalogError::NotDurable(_) | CatalogError::ReadOnly(_)))) => {
                self.doubtful.extend(created);
                self.note_failure(plan, &CompactionError::Catalog(e.clone()));
            }
            Err(e) => {
                self.remove_files(&created);
                let is_gone = self.shared.catalog.state().group(plan.group).is_none();
                if !is_gone && !matches!(e, CompactionError::Stopping | CompactionError::Gone) {
                    self.note_failure(plan, e);
                }
            }
        }
        done.map(|_| ())
    }

    fn note_failure(&mut self, plan: &Plan, error: &CompactionError) {
        metrics::compaction_failed();
        let text = describe(error);
        let failures = self.failures.entry(plan.inputs.clone()).or_default();
        *failures += 1;
        if *failures < FAILURES_MAX {
            tracing::warn!(group = plan.group.0, error = %text, "a compaction failed; it is tried again");
            return;
        }
        self.failures.remove(&plan.inputs);
        let until = self.shared.clock.monotonic_ns().saturating_add(PARKED_NS);
        let at_fault = match error {
            CompactionError::Input { file, .. } => std::slice::from_ref(file),
            _ => plan.inputs.as_slice(),
        };
        self.parked.extend(at_fault.iter().map(|&file| (file, until)));
        metrics::compactions_parked(self.parked.len());
        let what = format!("shard group {} is not compacted for an hour: {text}", plan.group);
        if matches!(error, CompactionError::NoSpace { .. }) {
            // It mends itself when space is freed, and low space is reported elsewhere.
            tracing::warn!("{what}");
        } else {
            self.shared.health.problem(what);
        }
    }

    /// What plans are made from.
    fn groups(&mut self, version: &Version) -> Vec<GroupMeta> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.monotonic_ns();
        let state = shared.catalog.state();
        let before = self.parked.len();
        self.parked.retain(|_, until| *until > now);
        if self.parked.len() != before {
            metrics::compactions_parked(self.parked.len());
        }
        self.times.retain(|group, _| state.group(*group).is_some());
        let last_write = shared.last_write.load(Ordering::Relaxed);
        let mut out = Vec::new();
        for group in state.groups() {
            let runs = version.runs(group.id);
            let generation = runs.iter().map(|r| r.gen_hi).max().unwrap_or(0);
            let known = self.times.entry(group.id).or_default();
            if generation > known.generation || known.changed == 0 {
                // What comes to light now was written before the last write to the store.
                let changed = if last_write == 0 { now } else { last_write.min(now) };
                *known = GroupTimes { generation, changed: changed.max(1), ..*known };
            }
            let files = files_of(version, &state, group, runs, &self.parked);
            let fresh = files.iter().any(|f| f.level == 0);
            known.waiting = fresh.then(|| known.waiting.unwrap_or(now));
            if files.is_empty() {
                continue;
            }
            out.push(GroupMeta {
                group: group.id,
                window: group.window,
                files,
                quiet_ns: now.saturating_sub(known.changed),
                waiting_ns: known.waiting.map_or(0, |since| now.saturating_sub(since)),
            });
        }
        out
    }

    fn remove_files(&self, paths: &[PathBuf]) {
        for path in paths {
            if let Err(e) = weir_fs::remove_file_if_exists(self.shared.fs.as_ref(), path) {
                tracing::warn!(path = %path.display(), error = %e, "a useless file stays until the next start");
            }
        }
    }
}

/// The files of a group in the order of generations, damaged ones included.
fn files_of(
    version: &Version,
    state: &CatalogState,
    group: &weir_catalog::Group,
    runs: &[Arc<Run>],
    parked: &HashMap<FileId, u64>,
) -> Vec<FileMeta> {
    let has_tombstones = !version.tombstones.is_empty() && state.policy(group.policy).is_some();
    let meta = |info: &Arc<weir_catalog::SegmentInfo>| {
        let run = runs.iter().find(|r| r.home == Home::File(info.file));
        FileMeta {
            file: info.file,
            gen_lo: info.gen_lo,
            gen_hi: info.gen_hi,
            level: info.level,
            bytes: info.bytes,
            span: weir_model::TimeRange::new(info.t_min, info.t_max),
            set_aside: info.quarantined || run.is_none() || parked.contains_key(&info.file),
            deleted: has_tombstones
                && run.is_some_and(|run| !filter_for(version, group.policy, group.id, run).is_empty()),
        }
    };
    group.segments.iter().map(meta).collect()
}

/// Work in relation to its pauses, so that a compaction neither reads faster than it may nor takes the processor from writes.
#[derive(Debug)]
pub(crate) struct Pace {
    hurry: bool,
    started: std::time::Instant,
    worked: std::time::Instant,
    allowed: f64,
}

impl Pace {
    /// Bytes of input per second while points are being written.
    const BYTES_PER_SECOND: f64 = (32u64 << 20) as f64;
    /// A store without a write for so long is idle.
    const IDLE_NS: u64 = 2_000_000_000;
    const PAUSE_MAX: Duration = Duration::from_millis(50);

    pub(crate) fn new(hurry: bool) -> Self {
        let now = std::time::Instant::now();
        Self { hurry, started: now, worked: now, allowed: 0.0 }
    }

    /// Whether nobody has written for a moment.
    fn is_idle(shared: &Shared) -> bool {
        let quiet = shared.clock.monotonic_ns().saturating_sub(shared.last_write.load(Ordering::Relaxed));
        quiet >= Self::IDLE_NS
    }

    /// Pauses after `bytes` of input; false = the store ends.
    pub(crate) fn pause(&mut self, shared: &Shared, bytes: u64, attend: &mut Attend<'_>) -> bool {
        if !attend() {
            return false;
        }
        if self.hurry {
            return true;
        }
        let idle = Self::is_idle(shared);
        self.allowed += bytes as f64 / (Self::BYTES_PER_SECOND * if idle { 2.0 } else { 1.0 });
        let ahead = self.allowed - self.started.elapsed().as_secs_f64();
        let mut pause = Duration::from_secs_f64(ahead.clamp(0.0, 10.0));
        if !idle {
            // Half as long as it has worked: others get their turn.
            pause = pause.max((self.worked.elapsed() / 2).min(Self::PAUSE_MAX));
        }
        while !pause.is_zero() {
            let part = pause.min(Self::PAUSE_MAX);
            std::thread::sleep(part);
            pause -= part;
            if !attend() {
                return false;
            }
        }
        self.worked = std::time::Instant::now();
        true
    }
}
