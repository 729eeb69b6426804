//! The store: lanes, memtables, flush, manifest, recovery, snapshots.

mod append;
pub mod memtable;
pub mod options;
mod pool;
pub mod version;
mod wake;

pub use wake::block_on;
