//! A writer: one per connection or input. Keeps what makes the next batch cheap, and takes batches to a lane.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use weir_catalog::CatalogState;
use weir_wal::{ColumnView, Definition, Group, PointsView};

use crate::admin;
use crate::builder::{Batch, BatchBuilder, Destination};
use crate::error::WriteError;
use crate::lane::Submission;
use crate::memtable::NO_SCALE;
use crate::metrics;
use crate::pool::Charge;
use crate::shared::Shared;
use crate::wake::completion;

/// Bytes reserved for a batch before its first point; more is taken as it grows.
const FIRST_RESERVATION: u64 = 64 << 10;

/// Where a batch goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Database name.
    pub database: Arc<str>,
    /// Retention policy; `None` or empty = the default one.
    pub policy: Option<Arc<str>>,
    /// Make the database if it is absent.
    pub create_database: bool,
    /// Who brings the points: 0 = HTTP, else a number from [`Store::source`](crate::Store::source).
    pub source: u16,
}

/// Writes batch after batch. Begin, put points into the sink, commit; commit and begin again whenever
/// [`wants_commit`](Self::wants_commit) says so.
pub struct Writer {
    shared: Arc<Shared>,
    builder: BatchBuilder,
    target: Option<Target>,
    /// Catalog invalidations as of the last begin.
    invalidations: u64,
    lane: usize,
    /// Whether the next begin goes on with the request of the last one.
    is_cut: bool,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let least = shared.lanes.iter().enumerate().min_by_key(|(_, lane)| lane.queued_bytes());
        let idle: Vec<usize> = match least {
            Some((_, lane)) => {
                let bytes = lane.queued_bytes();
                (0..shared.lanes.len()).filter(|&i| shared.lanes[i].queued_bytes() == bytes).collect()
            }
            None => Vec::new(),
        };
        let lane = idle.get(shared.next_writer() % idle.len().max(1)).copied().unwrap_or(0);
        let invalidations = shared.catalog.visible().invalidations();
        let builder = BatchBuilder::new(Arc::clone(&shared));
        Self { shared, builder, target: None, invalidations, lane, is_cut: false }
    }

    /// Starts a batch: finds (or makes) the database and reserves memory, waiting a bounded time for it. Templates and slots learnt
    /// from the sink stay valid if the target equals that of the batch before; otherwise the driver forgets them.
    ///
    /// # Errors
    /// [`WriteError`]; no batch is open then.
    pub async fn begin(&mut self, target: &Target) -> Result<(), WriteError> {
        self.check_writable()?;
        let invalidations = self.shared.catalog.visible().invalidations();
        let destination = self.destination(target).await?;
        let charge = self.reserve().await?;
        // Nothing is forgotten before it is certain that this batch begins: the driver compares with the last one that did.
        if self.target.as_ref() != Some(target) {
            self.builder.forget_templates();
            self.target = Some(target.clone());
        } else if invalidations != self.invalidations || !self.builder.is_for(&destination.series) {
            self.builder.forget_ids();
        }
        self.invalidations = invalidations;
        if !std::mem::take(&mut self.is_cut) {
            self.builder.renew_budget();
        }
        self.builder.begin(destination, charge);
        Ok(())
    }

    /// The open batch.
    pub fn sink(&mut self) -> &mut BatchBuilder {
        &mut self.builder
    }

    /// Whether the open batch has reached the size at which it should be committed.
    #[must_use]
    pub fn wants_commit(&self) -> bool {
        self.builder.wants_commit()
    }

    /// Submits the open batch and waits until it is durable and visible. Dropping the future does not take back a batch that was
    /// queued. An empty batch is fine.
    ///
    /// # Errors
    /// [`WriteError`]. After [`WriteError::Unavailable`] the outcome may be unknown; sending the same points again is
    /// harmless.
    pub async fn commit(&mut self) -> Result<(), WriteError> {
        self.is_cut = self.builder.wants_commit();
        let rejected = self.builder.take_rejected();
        let finished = self.builder.finish();
        let ticket = self.builder.ticket();
        if rejected > 0
            && let Some(target) = &self.target
        {
            metrics::points_rejected(&target.database, rejected);
        }
        if !ticket.is_none() {
            let settled = self.shared.catalog.durable(ticket).await;
            // If it failed, the claims were taken back, and the next begin forgets them.
            self.builder.settled();
            settled?;
        }
        let Some(batch) = finished? else { return Ok(()) };
        let mut records = self.shared.take_group();
        let defined = encode(&batch, &mut records);
        let gone = Err(WriteError::unavailable("the store stopped before the batch was written"));
        let (completer, completion) = completion(gone);
        let submission = Submission { batch, records, defined, completer };
        self.shared.lanes[self.lane].submit(submission).await?;
        completion.await
    }

    /// Forgets the open batch.
    pub fn discard(&mut self) {
        self.is_cut = false;
        self.builder.discard();
    }

    fn check_writable(&self) -> Result<(), WriteError> {
        if self.shared.is_stopping() {
            return Err(WriteError::unavailable("the store is shutting down"));
        }
        if let Some(why) = self.shared.health.read_only() {
            return Err(WriteError::unavailable(why.as_str()));
        }
        if self.shared.health.is_disk_low() {
            let text = "the disk is almost full, so no writes are taken; free some space";
            return Err(WriteError::unavailable(text));
        }
        Ok(())
    }

    async fn destination(&mut self, target: &Target) -> Result<Destination, WriteError> {
        let mut state = self.shared.catalog.visible();
        if state.database(&target.database).is_none() && target.create_database {
            let ticket = admin::submit_database(&self.shared, &target.database)?;
            self.shared.catalog.durable(ticket).await?;
            state = self.shared.catalog.visible();
        }
        self.resolve(&state, target)
    }

    fn resolve(&self, state: &CatalogState, target: &Target) -> Result<Destination, WriteError> {
        let Some(database) = state.database(&target.database) else {
            return Err(WriteError::DatabaseNotFound(target.database.to_string()));
        };
        let Some(policy) = state.policy_by_name(database, target.policy.as_deref()) else {
            let name = target.policy.as_deref().unwrap_or(&database.default_policy);
            return Err(WriteError::PolicyNotFound(name.to_owned()));
        };
        let oldest = match policy.duration_ns {
            0 => i64::MIN,
            duration => self.shared.clock.now().0.saturating_sub(duration),
        };
        let series = self.shared.policy_series(policy.id, database.id, &database.name);
        // A drop ends the series of the policy after it has left the catalog; ours may have been made in between.
        if self.shared.catalog.visible().policy(policy.id).is_none() {
            admin::end_policies(&self.shared, &[policy.id]);
            return Err(WriteError::DatabaseNotFound(target.database.to_string()));
        }
        Ok(Destination { series, oldest, source: target.source })
    }

    /// Waits for memory to build a batch in.
    async fn reserve(&self) -> Result<Charge, WriteError> {
        let shared = &self.shared;
        let pool = &shared.arena_pool;
        let wait_max = shared.options.write_wait_max;
        let give_up = shared.clock.monotonic_ns().saturating_add(wait_max.as_nanos() as u64);
        let mut polls = 0u32;
        std::future::poll_fn(|cx| {
            if let Some(charge) = pool.try_charge(FIRST_RESERVATION) {
                return Poll::Ready(Ok(charge));
            }
            shared.nudge(crate::background::Work::Seal);
            pool.waiting().register(cx);
            if let Some(charge) = pool.try_charge(FIRST_RESERVATION) {
                return Poll::Ready(Ok(charge));
            }
            polls += 1;
            if shared.clock.monotonic_ns() >= give_up || polls > 10_000 || shared.is_stopping() {
                let retry_after = Duration::from_secs(1).max(wait_max);
                return Poll::Ready(Err(WriteError::Overloaded { retry_after }));
            }
            Poll::Pending
        })
        .await
    }
}

/// Encodes the records of a batch: definitions that are not durable yet, then the points. Gives the slots defined.
fn encode(batch: &Batch, records: &mut Group) -> Vec<u32> {
    let series = &batch.series;
    let mut defined = Vec::new();
    let durable_below = series.durable_below();
    if durable_below < series.index.slots_len() {
        for rows in &batch.blocks {
            let unknown = |slot: &u32| *slot >= durable_below && !series.is_durable(*slot);
            defined.extend(rows.slots.iter().copied().filter(unknown));
        }
        defined.sort_unstable();
        defined.dedup();
        push_definitions(series, &defined, records);
    }
    let ids: Vec<Vec<u64>> = batch.blocks.iter().map(|rows| series.durable_ids(&rows.slots)).collect();
    let columns: Vec<Vec<ColumnView<'_>>> = batch
        .blocks
        .iter()
        .map(|rows| {
            let view = |c: &crate::memtable::Column| c.scale != NO_SCALE;
            rows.columns
                .iter()
                .map(|c| ColumnView {
                    field: c.field.0,
                    values: &c.values,
                    valid: &c.valid,
                    scale: view(c).then_some(c.scale),
                })
                .collect()
        })
        .collect();
    let views: Vec<PointsView<'_>> = batch
        .blocks
        .iter()
        .zip(ids.iter().zip(&columns))
        .map(|(rows, (series, columns))| PointsView {
            group: rows.group.0,
            measurement: rows.measurement.0,
            series,
            times: &rows.times,
            columns,
        })
        .collect();
    records.push_points(series.policy.0, batch.source, &views);
    defined
}

/// Encodes definitions of some slots.
pub(crate) fn push_definitions(series: &crate::version::PolicySeries, slots: &[u32], records: &mut Group) {
    let index = &series.index;
    let entries: Vec<_> = slots
        .iter()
        .filter_map(|&slot| {
            Some((index.durable_id(slot)?, index.measurement_id(slot)?, index.canonical_key(slot)?))
        })
        .collect();
    let definitions = entries.iter().map(|(series, measurement, key)| Definition {
        series: *series,
        measurement: *measurement,
        key: key.as_str(),
    });
    records.push_definitions(series.policy.0, definitions);
}
