//! The catalog itself: the current state, the changes that are not durable yet, and who waits for them.
//!
//! Changes are applied to the *visible* state at once and collected. Whoever waits first takes all that were collected,
//! writes them as one record with one sync, and publishes the state they lead to as the *durable* one; the others sleep
//! meanwhile, and their changes form the next record. When a record cannot be made durable, the visible state falls back
//! to the durable one and everything issued since then fails.
//!
//! Locks: `core` is never held while a file is touched. The manifest is taken out of `core` by the one who writes.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use weir_fs::{Fs, LockGuard};

use crate::edit::Edit;
use crate::error::CatalogError;
use crate::ids::{FileId, StoreId};
use crate::layout::take_directory;
use crate::manifest::{Manifest, WriteError};
use crate::state::CatalogState;

/// Durable series ids reserved at a time.
const SERIES_IDS_STEP: u64 = 1 << 20;
/// File numbers reserved at a time.
const FILE_IDS_STEP: u64 = 256;
/// Failures remembered exactly; a ticket older than all of them counts as failed.
const FAILURES_MAX: usize = 64;

/// Limits of the catalog.
#[derive(Clone, Debug)]
pub struct CatalogOptions {
    /// Most shard groups of one policy.
    pub shard_groups_max: u64,
    /// Most shard groups one request may open.
    pub new_shard_groups_per_request_max: u64,
    /// Most field names of one measurement.
    pub fields_per_measurement_max: u64,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self {
            shard_groups_max: 4_096,
            new_shard_groups_per_request_max: 128,
            fields_per_measurement_max: 10_000,
        }
    }
}

/// Changes to wait for; by default none. [`join`](Self::join) collects the tickets of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// First change, counted from 1; 0 = none.
    low: u64,
    /// Last change.
    high: u64,
}

impl Ticket {
    /// Nothing to wait for.
    pub const NONE: Self = Self { low: 0, high: 0 };

    const fn of(change: u64) -> Self {
        Self { low: change, high: change }
    }

    /// Waits for `other` too from now on.
    pub fn join(&mut self, other: Self) {
        if self.is_none() {
            *self = other;
        } else if !other.is_none() {
            self.low = self.low.min(other.low);
            self.high = self.high.max(other.high);
        }
    }

    /// Whether there is nothing to wait for.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.high == 0
    }
}

/// Something claimed: usable at once for building a batch, but the batch may be queued only once its ticket is durable.
#[derive(Clone, Debug)]
pub struct Claimed<T> {
    /// What was claimed.
    pub value: T,
    /// What to wait for.
    pub ticket: Ticket,
}

/// The catalog of one data directory.
pub struct Catalog {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

pub(crate) struct Shared {
    dir: PathBuf,
    store_id: StoreId,
    pub(crate) options: CatalogOptions,
    durable: ArcSwap<CatalogState>,
    core: Mutex<Core>,
    /// Something settled, or the writing right became free.
    settled: Condvar,
    /// A task waits for changes and nobody writes them yet.
    work: Condvar,
    /// Last, so that it is released after everything else is gone.
    _lock: LockGuard,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) visible: CatalogState,
    /// Changes not taken for writing yet.
    pending: Vec<Edit>,
    /// Number of the last change.
    issued: u64,
    /// All changes up to this one are durable or failed.
    done: u64,
    failures: VecDeque<Failure>,
    /// `None` while someone writes.
    manifest: Option<Manifest>,
    read_only: Option<Arc<str>>,
    wakers: Vec<Waker>,
    wants_writer: bool,
    stop: bool,
    file_ids: Range<u64>,
}

/// Changes `first..=last` were taken back.
struct Failure {
    first: u64,
    last: u64,
    error: CatalogError,
}

impl Catalog {
    /// Opens the data directory `dir`, making it if it is absent or empty, and takes its lock until the last handle is gone.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, options: CatalogOptions) -> Result<Arc<Self>, CatalogError> {
        let (lock, store_id) = take_directory(&*fs, dir)?;
        let (manifest, state) = Manifest::open(&fs, dir, store_id)?;
        let files = state.counters.files_reserved;
        let core = Core {
            visible: state.clone(),
            pending: Vec::new(),
            issued: 0,
            done: 0,
            failures: VecDeque::new(),
            manifest: Some(manifest),
            read_only: None,
            wakers: Vec::new(),
            wants_writer: false,
            stop: false,
            file_ids: files..files,
        };
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            store_id,
            options,
            durable: ArcSwap::from_pointee(state),
            core: Mutex::new(core),
            settled: Condvar::new(),
            work: Condvar::new(),
            _lock: lock,
        });
        let weak = Arc::downgrade(&shared);
        let writer =
            std::thread::Builder::new().name("catalog".to_owned()).spawn(move || write_for_tasks(&weak));
        let writer = writer.map_err(|e| weir_fs::FsError::new(weir_fs::Op::Open, dir, e))?;
        Ok(Arc::new(Self { shared, writer: Some(writer) }))
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Which store this is.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
        self.shared.store_id
    }

    /// The limits it was opened with.
    #[must_use]
    pub fn options(&self) -> &CatalogOptions {
        &self.shared.options
    }

    /// The state as of the last sync; for queries, flush, recovery. Takes no lock.
    #[must_use]
    pub fn state(&self) -> Arc<CatalogState> {
        self.shared.durable.load_full()
    }

    /// The state including changes that are not durable yet; for planning further changes.
    #[must_use]
    pub fn visible(&self) -> CatalogState {
        self.shared.core().visible.clone()
    }

    /// Makes `edits` durable as one atomic change and waits for that.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing has changed then. After [`CatalogError::NotDurable`] or [`CatalogError::ReadOnly`] keep every file the
    /// edits name until the next successful change, or for good.
    pub fn apply(&self, edits: Vec<Edit>) -> Result<(), CatalogError> {
        let ticket = self.submit(edits)?;
        self.wait_durable(ticket)
    }

    /// As [`apply`](Self::apply), but does not wait.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], [`CatalogError::ReadOnly`].
    pub fn submit(&self, edits: Vec<Edit>) -> Result<Ticket, CatalogError> {
        self.change(|_| Ok(edits))
    }

    /// Plans edits on the visible state and submits them; no other change comes in between.
    pub(crate) fn change<E: From<CatalogError>>(
        &self,
        plan: impl FnOnce(&CatalogState) -> Result<Vec<Edit>, E>,
    ) -> Result<Ticket, E> {
        let mut core = self.shared.core();
        let edits = plan(&core.visible)?;
        if edits.is_empty() {
            // What made it unnecessary may not be durable yet.
            return Ok(core.ticket_of_visible());
        }
        Ok(core.submit(edits)?)
    }

    /// Waits until a ticket is durable; writes the pending changes itself if nobody else is about to.
    ///
    /// # Errors
    /// [`CatalogError::NotDurable`], [`CatalogError::ReadOnly`]: the changes were taken back.
    pub fn wait_durable(&self, ticket: Ticket) -> Result<(), CatalogError> {
        if ticket.is_none() {
            return Ok(());
        }
        let mut core = self.shared.core();
        loop {
            if let Some(outcome) = core.outcome(ticket) {
                return outcome;
            }
            core = match core.manifest.take() {
                Some(manifest) => self.shared.write_pending(core, manifest),
                None => self.shared.settled.wait(core).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// As [`wait_durable`](Self::wait_durable), for tasks: never blocks, a thread of the catalog writes.
    pub fn durable(&self, ticket: Ticket) -> Durable {
        Durable { shared: Arc::clone(&self.shared), ticket }
    }

    /// Durable series ids for the caller alone, usable at once in memory; a batch that uses them waits for the ticket.
    ///
    /// # Errors
    /// [`CatalogError::ReadOnly`].
    pub fn reserve_series_ids(&self) -> Result<Claimed<Range<u64>>, CatalogError> {
        let mut range = 0..0;
        let ticket = self.change(|state| {
            let start = state.counters.series_reserved.max(1);
            let end = start.checked_add(SERIES_IDS_STEP);
            let end = end.ok_or_else(|| CatalogError::Invalid("all series ids are used up".to_owned()))?;
            range = start..end;
            Ok::<_, CatalogError>(vec![Edit::ReserveSeriesIds { end }])
        })?;
        Ok(Claimed { value: range, ticket })
    }

    /// A new file number, durably never given again.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn new_file_id(&self) -> Result<FileId, CatalogError> {
        loop {
            if let Some(id) = self.shared.core().file_ids.next() {
                return Ok(FileId(id));
            }
            let mut range = 0..0;
            let ticket = self.change(|state| {
                let start = state.counters.files_reserved.max(1);
                let end = start.checked_add(FILE_IDS_STEP);
                let end =
                    end.ok_or_else(|| CatalogError::Invalid("all file numbers are used up".to_owned()))?;
                range = start..end;
                Ok::<_, CatalogError>(vec![Edit::ReserveFileIds { end }])
            })?;
            self.wait_durable(ticket)?;
            let mut core = self.shared.core();
            // When two reserve at once, the numbers of one of them are skipped.
            if range.start >= core.file_ids.end {
                core.file_ids = range;
            }
        }
    }

    /// The number that stands for source `alias` in log records, given if it is new. Waits until it is durable.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn source(&self, alias: &str) -> Result<u16, CatalogError> {
        let mut number = 0;
        let ticket = self.change(|state| {
            if let Some((id, _)) = state.sources().iter().find(|(_, name)| &***name == alias) {
                number = *id;
                return Ok::<_, CatalogError>(Vec::new());
            }
            let id = state.counters.source.checked_add(1);
            number = id.ok_or_else(|| CatalogError::Invalid("all source numbers are used up".to_owned()))?;
            Ok(vec![Edit::AddSource { id: number, alias: alias.into() }])
        })?;
        self.wait_durable(ticket)?;
        Ok(number)
    }

    /// Sets an opaque record of another part and waits until it is durable.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn put_record(&self, key: &str, value: &[u8]) -> Result<(), CatalogError> {
        self.apply(vec![Edit::PutRecord { key: key.into(), value: value.into() }])
    }

    /// Removes an opaque record, if there is one, and waits until that is durable.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn remove_record(&self, key: &str) -> Result<(), CatalogError> {
        self.apply(vec![Edit::RemoveRecord { key: key.into() }])
    }

    /// Why nothing can be changed until a restart, if so.
    #[must_use]
    pub fn read_only(&self) -> Option<Arc<str>> {
        self.shared.core().read_only.clone()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        self.shared.core().stop = true;
        self.shared.work.notify_all();
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != std::thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the catalog's thread has panicked");
        }
    }
}

impl Core {
    /// Applies edits to the visible state and collects them.
    pub(crate) fn submit(&mut self, edits: Vec<Edit>) -> Result<Ticket, CatalogError> {
        if let Some(reason) = &self.read_only {
            return Err(CatalogError::ReadOnly(Arc::clone(reason)));
        }
        let mut next = self.visible.clone();
        next.apply_all(&edits).map_err(CatalogError::Invalid)?;
        self.visible = next;
        self.pending.extend(edits);
        self.issued += 1;
        Ok(Ticket::of(self.issued))
    }

    /// What to wait for before relying on anything seen in the visible state.
    pub(crate) fn ticket_of_visible(&self) -> Ticket {
        if self.done == self.issued { Ticket::NONE } else { Ticket::of(self.issued) }
    }

    /// How a ticket ended; `None` while it is open.
    fn outcome(&self, ticket: Ticket) -> Option<Result<(), CatalogError>> {
        let failure = self.failures.iter().find(|f| f.first <= ticket.high && ticket.low <= f.last);
        if let Some(failure) = failure {
            return Some(Err(failure.error.clone()));
        }
        (ticket.high <= self.done).then_some(Ok(()))
    }

    /// Forgets all changes that are not durable.
    fn roll_back(&mut self, durable: &CatalogState, error: CatalogError) {
        let counters = self.visible.counters;
        let (version, invalidations) = (self.visible.version, self.visible.invalidations);
        self.visible = durable.clone();
        // Numbers that were given out are never given again, not even those that came to nothing.
        self.visible.counters = counters;
        self.visible.version = version + 1;
        self.visible.invalidations = invalidations + 1;
        self.pending.clear();
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
            if let Some(oldest) = self.failures.front_mut() {
                oldest.first = 1;
            }
        }
        self.failures.push_back(Failure { first: self.done + 1, last: self.issued, error });
        self.done = self.issued;
    }
}

impl Shared {
    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> arc_swap::Guard<Arc<CatalogState>> {
        self.durable.load()
    }

    /// Writes what is pending. The caller took `manifest` out of `core`, which gives the right to write.
    fn write_pending<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        mut manifest: Manifest,
    ) -> MutexGuard<'a, Core> {
        let edits = std::mem::take(&mut core.pending);
        let upto = core.issued;
        let next = Arc::new(core.visible.clone());
        core.wants_writer = false;
        drop(core);

        let written = if edits.is_empty() { Ok(()) } else { manifest.append(&edits) };
        let mut core = match written {
            Ok(()) => {
                let mut core = self.core();
                self.durable.store(Arc::clone(&next));
                core.done = upto;
                drop(self.wake_all(core));
                let rewritten = if manifest.wants_rewrite() { manifest.rewrite(&next) } else { Ok(()) };
                let mut core = self.core();
                match rewritten {
                    Ok(()) => {}
                    Err(WriteError::NotWritten(error)) => {
                        tracing::warn!(%error, "the manifest cannot be rewritten now");
                    }
                    Err(WriteError::Unknown(error)) => self.become_read_only(&mut core, &error),
                }
                core
            }
            Err(WriteError::NotWritten(error)) => {
                let mut core = self.core();
                let durable = self.durable();
                core.roll_back(&durable, CatalogError::NotDurable(error.to_string().into()));
                self.publish_invalidation(&core);
                core
            }
            Err(WriteError::Unknown(error)) => {
                // The record may be on the disk after all. Only when a file without it is the current one is its outcome known.
                tracing::error!(%error, "a manifest record failed; writing a new manifest without it");
                let durable = self.durable.load_full();
                let rewritten = manifest.rewrite(&durable);
                let mut core = self.core();
                match rewritten {
                    Ok(()) => {
                        core.roll_back(&durable, CatalogError::NotDurable(error.to_string().into()));
                        self.publish_invalidation(&core);
                    }
                    Err(second) => self.become_read_only(&mut core, &second.into_inner()),
                }
                core
            }
        };
        core.manifest = Some(manifest);
        self.wake_all(core)
    }

    /// Lets those who look at the durable state see that something was taken back.
    fn publish_invalidation(&self, core: &Core) {
        let mut state = (**self.durable()).clone();
        state.version = core.visible.version;
        state.invalidations = core.visible.invalidations;
        self.durable.store(Arc::new(state));
    }

    fn become_read_only(&self, core: &mut Core, error: &CatalogError) {
        let reason: Arc<str> =
            format!("the manifest can no longer be written ({error}); check the disk").into();
        tracing::error!(%reason, "the catalog is read-only now");
        metrics::gauge!("weir_catalog_read_only").set(1.0);
        core.read_only = Some(Arc::clone(&reason));
        if core.done < core.issued {
            let durable = self.durable();
            core.roll_back(&durable, CatalogError::ReadOnly(reason));
            self.publish_invalidation(core);
        }
    }

    /// Wakes everyone, without the lock: a waker may run the task at once.
    fn wake_all<'a>(&'a self, mut core: MutexGuard<'a, Core>) -> MutexGuard<'a, Core> {
        self.settled.notify_all();
        if core.wakers.is_empty() {
            return core;
        }
        let wakers = std::mem::take(&mut core.wakers);
        drop(core);
        wakers.into_iter().for_each(Waker::wake);
        self.core()
    }
}

/// Body of the catalog's thread: writes for tasks, which must not block.
fn write_for_tasks(shared: &Weak<Shared>) {
    // Holding the data strongly is fine: dropping the catalog sets `stop`.
    let Some(shared) = shared.upgrade() else { return };
    let mut core = shared.core();
    while !core.stop {
        core = if core.wants_writer
            && let Some(manifest) = core.manifest.take()
        {
            shared.write_pending(core, manifest)
        } else if core.wants_writer {
            shared.settled.wait(core).unwrap_or_else(PoisonError::into_inner)
        } else {
            shared.work.wait(core).unwrap_or_else(PoisonError::into_inner)
        };
    }
}

/// Waits for a ticket. See [`Catalog::durable`].
#[must_use = "futures do nothing unless polled"]
pub struct Durable {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Future for Durable {
    type Output = Result<(), CatalogError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ticket.is_none() {
            return Poll::Ready(Ok(()));
        }
        let mut core = self.shared.core();
        if let Some(outcome) = core.outcome(self.ticket) {
            return Poll::Ready(outcome);
        }
        if !core.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            core.wakers.push(cx.waker().clone());
        }
        core.wants_writer = true;
        self.shared.work.notify_one();
        Poll::Pending
    }
}

#[cfg(test)]
pub(crate) mod tests;
