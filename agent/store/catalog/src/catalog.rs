//! The catalog itself: the current state, the changes that are not durable yet, and who waits for them.

use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use weir_fs::Fs;
use weir_model::{FieldType, TimeRange};

use crate::edit::Edit;
use crate::error::{CatalogError, ClaimError};
use crate::ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId, StoreId};
use crate::state::CatalogState;

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

/// Changes to wait for: default = none. Cheap to copy; [`join`](Self::join) collects the tickets of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    low: u64,
    high: u64,
}

impl Ticket {
    /// Waits for `other` too from now on.
    pub fn join(&mut self, other: Self) {
        let _ = other;
        todo!()
    }

    /// Whether there is nothing to wait for.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.high == 0
    }
}

/// Something claimed: usable at once for building a batch, but the batch may be queued only once its ticket is durable.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<T> {
    /// What was claimed.
    pub value: T,
    /// What to wait for.
    pub ticket: Ticket,
}

/// How many shard groups a request may still open.
#[derive(Clone, Copy, Debug)]
pub struct GroupBudget {
    /// Groups left.
    pub left: u64,
}

/// The catalog of one data directory. Shared as `Arc<Catalog>`.
pub struct Catalog {
    dir: PathBuf,
    store_id: StoreId,
}

impl Catalog {
    /// Opens the data directory `dir`, making it if it is absent or empty.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, options: CatalogOptions) -> Result<Arc<Self>, CatalogError> {
        let _ = (fs, dir, options);
        todo!()
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which store this is.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// The state as of the last sync; for queries, flush, recovery.
    #[must_use]
    pub fn state(&self) -> Arc<CatalogState> {
        todo!()
    }

    /// The state including changes that are not durable yet; for planning further changes.
    #[must_use]
    pub fn visible(&self) -> Arc<CatalogState> {
        todo!()
    }

    /// Makes `edits` durable as one atomic change and waits for that.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing has changed then.
    pub fn apply(&self, edits: Vec<Edit>) -> Result<(), CatalogError> {
        let _ = edits;
        todo!()
    }

    /// As [`apply`](Self::apply), but does not wait.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], [`CatalogError::ReadOnly`].
    pub fn submit(&self, edits: Vec<Edit>) -> Result<Ticket, CatalogError> {
        let _ = edits;
        todo!()
    }

    /// Waits until a ticket is durable; writes the pending changes itself if nobody else is about to.
    ///
    /// # Errors
    /// [`CatalogError::NotDurable`], [`CatalogError::ReadOnly`]: the changes were taken back.
    pub fn wait_durable(&self, ticket: Ticket) -> Result<(), CatalogError> {
        let _ = ticket;
        todo!()
    }

    /// As [`wait_durable`](Self::wait_durable), for tasks: never blocks, a thread of the catalog writes.
    #[must_use]
    pub fn durable(self: &Arc<Self>, ticket: Ticket) -> Durable {
        Durable { catalog: Arc::clone(self), ticket }
    }

    /// The measurement of this name, made if it is new.
    ///
    /// # Errors
    /// [`ClaimError`]; [`Refusal::TargetDropped`](weir_model::Refusal::TargetDropped) if the database is gone.
    pub fn claim_measurement(
        &self,
        database: DatabaseId,
        name: &str,
    ) -> Result<Claimed<MeasurementId>, ClaimError> {
        let _ = (database, name);
        todo!()
    }

    /// The shard group for `time` with its window, made if it is new and `budget` allows it.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn claim_group(
        &self,
        policy: PolicyId,
        time: i64,
        budget: &mut GroupBudget,
    ) -> Result<Claimed<(GroupId, TimeRange)>, ClaimError> {
        let _ = (policy, time, budget);
        todo!()
    }

    /// The field that stands for `name` in a group, claimed if nobody did before.
    ///
    /// # Errors
    /// [`ClaimError`]; [`Refusal::FieldType`](weir_model::Refusal::FieldType) if the name has another type in this group.
    pub fn claim_field(
        &self,
        group: GroupId,
        measurement: MeasurementId,
        name: &str,
        field_type: FieldType,
    ) -> Result<Claimed<FieldId>, ClaimError> {
        let _ = (group, measurement, name, field_type);
        todo!()
    }

    /// What a new request may open.
    #[must_use]
    pub fn group_budget(&self) -> GroupBudget {
        todo!()
    }

    /// Durable series ids for the caller alone, usable at once in memory; a batch that uses them waits for the ticket.
    ///
    /// # Errors
    /// [`CatalogError::ReadOnly`].
    pub fn reserve_series_ids(&self) -> Result<Claimed<Range<u64>>, CatalogError> {
        todo!()
    }

    /// A new file number, durably never given again.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn new_file_id(&self) -> Result<FileId, CatalogError> {
        todo!()
    }

    /// The number that stands for source `alias` in log records, given if it is new. Waits until it is durable.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn source(&self, alias: &str) -> Result<u16, CatalogError> {
        let _ = alias;
        todo!()
    }

    /// Why nothing can be changed until a restart, if so.
    #[must_use]
    pub fn read_only(&self) -> Option<Arc<str>> {
        todo!()
    }
}

/// Waits for a ticket. See [`Catalog::durable`].
pub struct Durable {
    catalog: Arc<Catalog>,
    ticket: Ticket,
}

impl Future for Durable {
    type Output = Result<(), CatalogError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = (&self.catalog, self.ticket, cx);
        todo!()
    }
}
