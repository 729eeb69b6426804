//! A disk in memory that keeps "written" and "durable" apart. Deterministic: equal calls and seeds give equal results.
//!
//! Files have a cache (what reads see) and durable contents (what a power cut leaves); so have directories. A test
//! writes through the usual [`Fs`](crate::Fs), then [`SimFs::crash`]es or forks [`SimFs::after_crash`] and opens again. To visit every
//! moment: run once, read [`SimFs::changes`], then repeat with [`SimFs::cut_power_after`] for each number below it.
//!
//! Not modelled: links, permissions, `..`, times, sparse files (every byte of a length counts against the capacity).

mod ops;
mod state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Op;
use state::State;

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Only the process dies: everything written is there.
    KeepAll,
    /// Nothing that was not synced survives.
    LoseUnsynced,
    /// Each unsynced sector (512 bytes or 4 KiB, by seed) has any of the versions written since the last sync, each file any of its
    /// lengths, and unsynced names survive in part, in order or not.
    Tear {
        /// Chooses among the outcomes.
        seed: u64,
    },
}

/// Which error a fault gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// `ENOSPC`.
    DiskFull,
    /// `EIO`.
    Io,
}

/// What a failing operation does besides returning an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing. A failed [`Op::SyncData`] drops the unsynced writes for good, although reads still see them and a later sync
    /// succeeds, as Linux does. A failed [`Op::SyncDir`] leaves names unsynced.
    Fail(FaultError),
    /// It takes effect all the same.
    FailButDone(FaultError),
    /// A part of it takes effect: a prefix of a write, any sectors of a sync, a prefix of the names of a directory.
    FailPartly(FaultError, u64),
}

impl Fault {
    const fn error(self) -> FaultError {
        match self {
            Self::Fail(e) | Self::FailButDone(e) | Self::FailPartly(e, _) => e,
        }
    }
}

/// Which operations fail, and how.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// Only this operation; `None`: every operation that changes something ([`Op::is_change`]).
    pub op: Option<Op>,
    /// Only paths that contain this text.
    pub path_contains: String,
    /// So many matching operations succeed first.
    pub skip: u64,
    /// Then so many fail.
    pub times: u64,
    /// In this way.
    pub fault: Fault,
}

impl FaultPlan {
    /// The next operation `op`, on any path, fails once in the way `fault`.
    #[must_use]
    pub const fn once(op: Op, fault: Fault) -> Self {
        Self { op: Some(op), path_contains: String::new(), skip: 0, times: 1, fault }
    }

    /// The same plan for paths that contain `text` alone.
    #[must_use]
    pub fn on(mut self, text: &str) -> Self {
        text.clone_into(&mut self.path_contains);
        self
    }

    /// The same plan, with `skip` matching operations succeeding first.
    #[must_use]
    pub const fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// The same plan, failing `times` times.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }
}

/// One operation of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOp {
    /// What.
    pub op: Op,
    /// Where.
    pub path: PathBuf,
    /// Offset of a read or write, new length of a [`Op::SetLen`].
    pub offset: u64,
    /// Bytes of a read or write.
    pub len: u64,
    /// Whether it succeeded.
    pub ok: bool,
}

/// A simulated disk. Clones share the disk.
#[derive(Clone, Debug)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// An empty disk of unlimited size.
    #[must_use]
    pub fn new() -> Self {
        Self::from_state(State::new())
    }

    fn from_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power and starts again: open handles and locks are dead, faults are forgotten, the power is back.
    pub fn crash(&self, crash: Crash) {
        self.lock().crash(crash);
    }

    /// Another disk, as this one would be after a power cut now. This one goes on.
    #[must_use]
    pub fn after_crash(&self, crash: Crash) -> Self {
        let mut state = self.lock().clone();
        state.crash(crash);
        Self::from_state(state)
    }

    /// Adds a plan for failures. Plans are asked in the order added; the first that applies decides.
    pub fn inject(&self, plan: FaultPlan) {
        self.lock().faults.push(plan);
    }

    /// Forgets all plans for failures.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// After `changes` more operations that change something ([`Op::is_change`]) every operation fails, until [`SimFs::crash`].
    pub fn cut_power_after(&self, changes: u64) {
        let mut state = self.lock();
        state.cut_at_change = Some(state.changes.saturating_add(changes));
    }

    /// After `syncs` more successful syncs the next sync and everything after it fails, until [`SimFs::crash`].
    pub fn cut_power_at_sync(&self, syncs: u64) {
        let mut state = self.lock();
        state.cut_at_sync = Some(state.syncs.saturating_add(syncs));
    }

    /// Whether a planned power cut has happened.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().cut
    }

    /// Number of operations so far that changed something.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Number of syncs so far, of files and directories.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Number of operations of this kind so far, failed ones included.
    #[must_use]
    pub fn count(&self, op: Op) -> u64 {
        self.lock().counts.get(&op).copied().unwrap_or(0)
    }

    /// Numbers of all operations so far, failed ones included.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Op, u64> {
        self.lock().counts.clone()
    }

    /// Starts (or stops) keeping a log of operations.
    pub fn record(&self, on: bool) {
        self.lock().log = on.then(Vec::new);
    }

    /// The operations since [`SimFs::record`], oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LoggedOp> {
        self.lock().log.clone().unwrap_or_default()
    }

    /// Total bytes of all files at most; what would grow beyond fails with `ENOSPC`. `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// All files, by path, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().files()
    }

    /// Contents of a file as reads see them; `None` if there is no such file. Not counted, never fails.
    #[must_use]
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        self.lock().peek(path)
    }

    /// Overwrites (or extends) a file behind the program's back, durably, as a failing medium or another program would.
    /// Returns whether there is such a file. Not counted, never fails.
    pub fn poke(&self, path: &Path, offset: u64, bytes: &[u8]) -> bool {
        self.lock().poke(path, offset, bytes)
    }

    /// Cuts a file to `len` bytes behind the program's back, durably. Returns whether there is such a file.
    pub fn poke_len(&self, path: &Path, len: u64) -> bool {
        self.lock().poke_len(path, len)
    }
}

#[cfg(test)]
mod tests;
