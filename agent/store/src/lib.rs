//! The store: lanes, memtables, flush, manifest, recovery, snapshots.
//!
//! **In.** A [`Writer`] (one per connection) builds a batch (`builder`) and takes it to a lane (`lane`): one thread with one log,
//! which writes and syncs what is queued together, publishes it in its arena ([`memtable`]) and answers. **Down.** The background
//! thread seals arenas into sorted runs in RAM (`seal`) and flushes runs to segment files (`flush`, `merge`). **Out.** A [`View`](version::View) lists the runs and
//! arenas of a moment; the read path works on nothing else. **Back.** After a crash, `recovery` brings manifest, series files and
//! logs together again.
//!
//! No async runtime, no line protocol and no query language here; files behind [`weir_fs::Fs`], time behind [`weir_model::Clock`].

mod admin;
mod append;
mod background;
mod builder;
mod compaction;
mod delete;
mod drop_group;
mod error;
mod file_out;
mod flush;
mod health;
mod lane;
pub mod memtable;
mod merge;
mod metrics;
mod options;
mod pool;
pub mod read;
mod recovery;
mod removal;
mod retention;
mod seal;
mod series_file;
mod shared;
mod store;
mod stripe;
pub mod tombstones;
pub mod version;
mod wake;
mod writer;

#[cfg(test)]
mod tests;

pub use builder::BatchBuilder;
pub use error::{FlushError, OpenError, WriteError};
pub use health::HealthReport;
pub use options::{Limits, MEMORY_MIN, StoreOptions, WalSync};
pub use store::{Store, StoreStats};
pub use wake::block_on;
pub use writer::{Target, Writer};
