//! A lane: one thread, one log. Takes what is queued, writes and syncs it together, publishes it, answers.
//!
//! While the disk works, the next group of batches gathers in the queue; nothing waits for a timer. Between taking a seq and
//! publishing (or giving up) the lane waits for its own log file only; everything else that could hold it up is looked at before.
//! That is what lets a rotation wait for lanes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use weir_catalog::{GroupId, MeasurementId};
use weir_index::Presence;
use weir_wal::{Group, LaneLog, LaneSlots, WalError};

use crate::background::Work;
use crate::builder::Batch;
use crate::error::WriteError;
use crate::memtable::{Arena, Rows};
use crate::pool::Pool;
use crate::shared::Shared;
use crate::wake::{Completer, WaitList};

/// Batches a queue holds.
const QUEUE_BATCHES: usize = 256;
/// Bytes of encoded batches a queue holds.
const QUEUE_BYTES: u64 = 16 << 20;
/// Bytes written in one go.
const GROUP_BYTES: usize = 4 << 20;
/// Blocks shorter than this are copied together.
const SMALL_BLOCK: usize = 64;
/// How often an idle lane looks around.
const TICK: Duration = Duration::from_millis(200);

/// How long definitions wait for a sync when acknowledgements do not wait for one.
const DEFINITIONS_SYNC_NS: u64 = 1_000_000_000;

/// A lane's state word while it takes a seq.
const TAKING: u64 = u64::MAX;
/// A lane's state word while it works on nothing. Any other value is the seq it works on.
const IDLE: u64 = 0;

/// A batch on its way, with its records encoded.
pub(crate) struct Submission {
    pub(crate) batch: Batch,
    pub(crate) records: Group,
    /// Slots whose definitions the records carry.
    pub(crate) defined: Vec<u32>,
    pub(crate) completer: Completer<Result<(), WriteError>>,
}

/// What a lane's thread receives.
pub(crate) enum Message {
    /// A batch to write.
    Batch(Box<Submission>),
    /// Nothing; look around.
    Wake,
}

/// How writers and the background see a lane.
pub(crate) struct LaneQueue {
    pub(crate) lane: u16,
    sender: Sender<Message>,
    queued_bytes: AtomicU64,
    room: WaitList,
    state: AtomicU64,
    slots: OnceLock<Arc<LaneSlots>>,
}

impl LaneQueue {
    pub(crate) fn new(lane: u16) -> (Self, Receiver<Message>) {
        let (sender, receiver) = bounded(QUEUE_BATCHES);
        let queue = Self {
            lane,
            sender,
            queued_bytes: AtomicU64::new(0),
            room: WaitList::default(),
            state: AtomicU64::new(IDLE),
            slots: OnceLock::new(),
        };
        (queue, receiver)
    }

    /// Bytes waiting.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Tasks waiting for room.
    pub(crate) fn room(&self) -> &WaitList {
        &self.room
    }

    /// The files of its log.
    pub(crate) fn slots(&self) -> Option<&Arc<LaneSlots>> {
        self.slots.get()
    }

    pub(crate) fn set_slots(&self, slots: Arc<LaneSlots>) {
        // Set once, by open.
        let _ = self.slots.set(slots);
    }

    /// Bytes of its log that recovery would read.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.slots.get().map_or(0, |slots| slots.live_bytes())
    }

    /// Queues a batch, waiting for room.
    pub(crate) async fn submit(&self, submission: Submission) -> Result<(), WriteError> {
        let bytes = submission.records.len() as u64;
        let mut waiting = Some(Box::new(submission));
        std::future::poll_fn(move |cx| {
            for registered in [false, true] {
                if let Some(submission) = waiting.take() {
                    let queued = self.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
                    if queued == 0 || queued + bytes <= QUEUE_BYTES {
                        match self.sender.try_send(Message::Batch(submission)) {
                            Ok(()) => return Poll::Ready(Ok(())),
                            Err(TrySendError::Full(Message::Batch(back))) => waiting = Some(back),
                            Err(_) => {
                                return Poll::Ready(Err(WriteError::unavailable(
                                    "the store is shutting down",
                                )));
                            }
                        }
                    } else {
                        waiting = Some(submission);
                    }
                    self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
                }
                if !registered {
                    self.room.register(cx);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Makes the lane look around now. If its queue is full, it does so anyway.
    pub(crate) fn wake(&self) {
        let _ = self.sender.try_send(Message::Wake);
    }

    /// The lane's thread is gone: nobody waits for it any more.
    pub(crate) fn abandon(&self) {
        self.state.store(IDLE, Ordering::SeqCst);
    }

    /// Whether the lane can no longer publish anything under a generation below `generation`. Ask after the seq was raised.
    pub(crate) fn is_past(&self, generation: u32) -> bool {
        match self.state.load(Ordering::SeqCst) {
            IDLE => true,
            TAKING => false,
            seq => seq >> 32 >= u64::from(generation),
        }
    }
}

/// What the lane's thread owns.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    number: usize,
    receiver: Receiver<Message>,
    log: LaneLog,
    records: Group,
    /// Slots whose definitions are written but not synced, when acknowledgements do not wait for a sync.
    unsynced: Vec<(Arc<crate::version::PolicySeries>, Vec<u32>)>,
    /// Monotonic time of the oldest of them.
    unsynced_since: Option<u64>,
    presence: HashMap<GroupId, Arc<Presence>>,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, number: usize, receiver: Receiver<Message>, log: LaneLog) -> Self {
        Self {
            shared,
            number,
            receiver,
            log,
            records: Group::new(),
            unsynced: Vec::new(),
            unsynced_since: None,
            presence: HashMap::new(),
        }
    }

    fn queue(&self) -> &LaneQueue {
        &self.shared.lanes[self.number]
    }

    /// Runs until the store stops and the queue is empty.
    pub(crate) fn run(mut self) {
        loop {
            match self.receiver.recv_timeout(self.patience()) {
                Ok(Message::Batch(first)) => {
                    let taken = self.gather(*first);
                    self.serve(taken);
                    self.sync_if_due();
                }
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {
                    if self.shared.is_stopping() && self.receiver.is_empty() {
                        break;
                    }
                    self.sync_if_due();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(e) = self.log.sync() {
            self.shared.health.problem(format!("lane {}: last sync of the log: {e}", self.queue().lane));
        }
    }

    /// How long to wait for a batch.
    fn patience(&self) -> Duration {
        let now = self.shared.clock.monotonic_ns();
        let due = self.log.sync_due_ns().map(|due| Duration::from_nanos(due.saturating_sub(now)));
        due.map_or(TICK, |due| due.min(TICK))
    }

    /// What is queued behind `first`, up to a limit.
    fn gather(&mut self, first: Submission) -> Vec<Submission> {
        let mut bytes = first.records.len();
        let mut taken = vec![first];
        while bytes < GROUP_BYTES {
            let next = match self.receiver.try_recv() {
                Ok(Message::Batch(next)) => next,
                Ok(Message::Wake) => continue,
                Err(_) => break,
            };
            bytes += next.records.len();
            taken.push(*next);
        }
        self.queue().queued_bytes.fetch_sub(bytes as u64, Ordering::AcqRel);
        self.queue().room.wake_all();
        taken
    }

    fn serve(&mut self, taken: Vec<Submission>) {
        let mut taken = self.without_dropped(taken);
        if let Some(error) = self.wait_until_writable() {
            for submission in taken {
                submission.completer.complete(Err(error.clone()));
            }
            return;
        }
        // A group may be larger than the largest file only if one batch is; the log says so.
        while !taken.is_empty() {
            let mut bytes = 0;
            let fit = taken.iter().take_while(|s| {
                bytes += s.records.len();
                bytes <= GROUP_BYTES
            });
            let n = fit.count().max(1);
            let rest = taken.split_off(n);
            self.commit(taken);
            taken = rest;
        }
    }

    /// Answers batches whose policy is gone.
    fn without_dropped(&self, taken: Vec<Submission>) -> Vec<Submission> {
        let (gone, kept): (Vec<_>, Vec<_>) = taken.into_iter().partition(|s| s.batch.series.is_ended());
        for submission in gone {
            let name = submission.batch.series.database_name.to_string();
            submission.completer.complete(Err(WriteError::DatabaseNotFound(name)));
        }
        kept
    }

    /// Everything that may hold a write up is waited for here, before a seq is taken.
    fn wait_until_writable(&self) -> Option<WriteError> {
        let shared = &self.shared;
        let cap = shared.options.flush_wal_bytes.saturating_mul(4);
        let give_up =
            shared.clock.monotonic_ns().saturating_add(shared.options.write_wait_max.as_nanos() as u64);
        let mut polls = 0u32;
        loop {
            if let Some(why) = shared.health.read_only() {
                return Some(WriteError::unavailable(why.as_str()));
            }
            if shared.health.is_disk_low() {
                return Some(WriteError::unavailable(
                    "the disk is almost full, so no writes are taken; free some space",
                ));
            }
            if shared.wal_growth() < cap {
                return None;
            }
            shared.nudge(Work::Flush);
            polls += 1;
            // The clock may be simulated; then the number of polls ends the wait.
            if shared.clock.monotonic_ns() >= give_up || polls > 5_000 {
                return Some(WriteError::Overloaded { retry_after: Duration::from_secs(5) });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Writes some batches under one seq.
    fn commit(&mut self, taken: Vec<Submission>) {
        self.records.clear();
        for submission in &taken {
            self.records.extend(&submission.records);
        }
        let queue = &self.shared.lanes[self.number];
        queue.state.store(TAKING, Ordering::SeqCst);
        let seq = self.shared.seq.fetch_add(1, Ordering::SeqCst);
        queue.state.store(seq, Ordering::SeqCst);
        let appended = self.log.append(seq, &mut self.records);
        let result = appended.map(|a| a.synced).map_err(|e| self.failed(&e));
        let outcome = result.and_then(|synced| match self.arena((seq >> 32) as u32) {
            Some(arena) => Ok((synced, arena)),
            None => Err(WriteError::unavailable("the store has lost an arena; restart it")),
        });
        match outcome {
            Ok((synced, arena)) => self.publish(taken, seq, &arena, synced),
            Err(error) => {
                self.queue().state.store(IDLE, Ordering::SeqCst);
                for submission in taken {
                    submission.completer.complete(Err(error.clone()));
                }
            }
        }
    }

    /// The arena of this lane for a generation. The version that holds it was published before the seq could be taken.
    fn arena(&self, generation: u32) -> Option<Arc<Arena>> {
        let lane = self.queue().lane;
        let version = self.shared.version.load();
        version.arenas.iter().find(|a| a.generation == generation && a.lane == lane).cloned()
    }

    /// Links, publishes, answers.
    fn publish(&mut self, taken: Vec<Submission>, seq: u64, arena: &Arena, synced: bool) {
        let mut pending: Vec<(Arc<crate::version::PolicySeries>, Rows)> = Vec::new();
        let mut last: HashMap<(GroupId, MeasurementId), usize> = HashMap::new();
        let mut done = Vec::with_capacity(taken.len());
        let mut charges = Vec::with_capacity(taken.len());
        for submission in taken {
            let Submission { mut batch, records, defined, completer } = submission;
            self.shared.give_group(records);
            for rows in std::mem::take(&mut batch.blocks) {
                let place = (rows.group, rows.measurement);
                // Only into the newest block of the same measurement: rows in between may overwrite each other.
                match last.get(&place).and_then(|&i| pending.get_mut(i)) {
                    Some((_, into))
                        if rows.len() < SMALL_BLOCK
                            && into.len() < 16 * SMALL_BLOCK
                            && into.same_layout(&rows) =>
                    {
                        into.append(&rows);
                    }
                    _ => {
                        last.insert(place, pending.len());
                        pending.push((Arc::clone(&batch.series), rows));
                    }
                }
            }
            charges.push(batch.charge.take());
            batch.series.count_points(batch.points);
            if !defined.is_empty() {
                self.unsynced.push((Arc::clone(&batch.series), defined));
                self.unsynced_since.get_or_insert_with(|| self.shared.clock.monotonic_ns());
            }
            done.push(completer);
        }
        for (series, rows) in pending {
            if let Ok(block) = arena.append(rows, seq) {
                block.into_iter().for_each(|block| self.show(&series, &block.rows));
            } else {
                // Four billion rows in one arena; sealing starts at a few million.
                self.shared
                    .health
                    .problem("an arena has run out of row numbers; restart the store".to_owned());
            }
        }
        if synced {
            self.mark_durable();
        }
        let now = self.shared.clock.monotonic_ns().max(1);
        self.shared.last_write.store(now, Ordering::Relaxed);
        let _ = self.shared.oldest_unflushed.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        arena.publish();
        self.queue().state.store(IDLE, Ordering::SeqCst);
        // After the arena has taken over the charge, so that the sum is never too low.
        drop(charges);
        for completer in done {
            completer.complete(Ok(()));
        }
        if self.shared.arena_bytes() >= self.shared.options.seal_bytes
            || self.is_pressed(&self.shared.arena_pool)
        {
            self.shared.nudge(Work::Seal);
        }
        if self.shared.wal_growth() >= self.shared.options.flush_wal_bytes {
            self.shared.nudge(Work::Flush);
        }
    }

    fn is_pressed(&self, pool: &Pool) -> bool {
        pool.is_over(60)
    }

    /// Notes which series now have points in the group. The rows are linked already: a delete that empties a series at the same time
    /// takes it out first and looks for linked rows then, so one of the two sees the other.
    fn show(&mut self, series: &crate::version::PolicySeries, rows: &Rows) {
        const CACHED_MAX: usize = 256;
        if self.presence.len() > CACHED_MAX {
            self.presence.clear();
        }
        let presence = self.presence.entry(rows.group).or_insert_with(|| series.presence_or_make(rows.group));
        std::sync::atomic::fence(Ordering::SeqCst);
        for &slot in &rows.slots {
            presence.add(slot);
        }
    }

    /// The definitions written so far are on disk.
    fn mark_durable(&mut self) {
        self.unsynced_since = None;
        for (series, slots) in self.unsynced.drain(..) {
            series.mark_durable(&slots);
        }
    }

    /// For acknowledgements that do not wait for a sync. Until definitions are synced every batch carries them again, so new series make
    /// a sync now and then whatever the mode.
    fn sync_if_due(&mut self) {
        let definitions_due = self.unsynced_since.map(|since| since.saturating_add(DEFINITIONS_SYNC_NS));
        let due = self.log.sync_due_ns().into_iter().chain(definitions_due).min();
        if due.is_some_and(|due| self.shared.clock.monotonic_ns() >= due) {
            match self.log.sync() {
                Ok(()) => self.mark_durable(),
                Err(e) => {
                    self.failed(&e);
                }
            }
        }
    }

    /// What writers are told when the log does not take a group.
    fn failed(&self, error: &WalError) -> WriteError {
        let text = describe(error);
        match error {
            WalError::NoSlot { .. } | WalError::GroupTooLarge { .. } => {
                tracing::warn!(error = %text, "a group of batches was not written");
            }
            _ => self.shared.health.set_read_only(&text),
        }
        WriteError::unavailable(text)
    }
}

/// An error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
