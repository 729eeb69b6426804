//! The store: lanes, memtables, flush, manifest, recovery, snapshots.
