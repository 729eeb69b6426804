//! What exists: names and ids, schema, policies, shard groups, files; kept in the manifest.
//!
//! [`Catalog`] owns `store.toml`, `CURRENT`, `MANIFEST-*` and `LOCK` of a data directory. Its contents are a [`CatalogState`],
//! an immutable value that readers hold as long as they like. A change is a list of [`Edit`]s that happen together or
//! not at all; it gives a [`Ticket`] to wait for, and whoever waits first writes everything that is pending with one
//! sync. What cannot be made durable is taken back, and everyone waiting for it is told.
//!
//! The batch builder claims measurements, fields and shard groups (`claim_*`): they can be used to build a batch at
//! once, but the batch is queued only when its tickets are durable, so no point in the log ever refers to something that
//! a crash may take away.

mod admin;
mod apply;
mod catalog;
mod codec;
mod edit;
mod error;
mod ids;
mod layout;
mod manifest;
mod pmap;
mod schema;
mod state;

pub use admin::shard_group_duration_for;
pub use catalog::{Catalog, CatalogOptions, Claimed, Durable, Ticket};
pub use edit::Edit;
pub use error::{CatalogError, ClaimError};
pub use ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId, StoreId, TombstoneId};
pub use layout::{group_dir, segment_name, series_file_name};
pub use pmap::PMap;
pub use schema::GroupBudget;
pub use state::{
    CatalogState, Claims, Database, Field, FieldsOfName, Group, Measurement, Policy, SegmentInfo,
    SeriesFileInfo, SeriesFileKind, Tombstone, TombstoneTarget, WalFloor,
};
