//! What an operator can set. Defaults and minimums stand beside each field.

use std::path::PathBuf;
use std::time::Duration;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalSync {
    /// After its bytes were synced to the disk. The default.
    #[default]
    Commit,
    /// After its bytes were handed to the operating system; synced at least this often. A power cut may lose what was
    /// acknowledged since the last sync; a killed process loses nothing.
    Every(Duration),
    /// After its bytes were handed to the operating system; synced only when a file ends and at shutdown.
    Never,
}

/// Limits on what clients may bring. 0 = no limit, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series per database. Default 0.
    pub series_per_database_max: u64,
    /// Values per tag key of a measurement. Default 0.
    pub values_per_tag_max: u64,
    /// Fields per measurement. Default 0.
    pub fields_per_measurement_max: u64,
    /// Shard groups per policy. Default 4,096.
    pub shard_groups_max: u64,
    /// Shard groups one request may open. Default 128.
    pub new_shard_groups_per_request_max: u64,
    /// Bytes of a canonical series key. Default and most: 65,535.
    pub key_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series_per_database_max: 0,
            values_per_tag_max: 0,
            fields_per_measurement_max: 0,
            shard_groups_max: 4_096,
            new_shard_groups_per_request_max: 128,
            key_bytes_max: 65_535,
        }
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where it lives. Made if absent; a non-empty directory that is no store is refused.
    pub data_dir: PathBuf,
    /// Ingest paths, each with its own log and thread; 0 = one per core, at most 8. Use 1 on SD cards and spinning disks.
    pub lanes: usize,
    /// Bytes of memory for everything the store holds. Default 1 GiB, at least 64 MiB.
    pub memory_limit: u64,
    /// When a write is acknowledged.
    pub wal_sync: WalSync,
    /// New points in memory (all lanes) that make them be sealed. Default 32 MiB, at least 64 KiB; also bounded by
    /// a third of the arena pool (15 % of `memory_limit`).
    pub seal_bytes: u64,
    /// Bytes of live log (all lanes) that make a flush. Default 128 MiB, at least 1 MiB. Writes wait at four times this.
    pub flush_wal_bytes: u64,
    /// Age of the oldest unflushed point that makes a flush. Default 30 min.
    pub flush_age: Duration,
    /// Silence after which a flush happens, at most once a minute and not for less than 1 MiB of log. Default 5 s.
    pub flush_idle: Duration,
    /// How long a write may wait for memory or for the log before it is refused. Default 5 s.
    pub write_wait_max: Duration,
    /// Free bytes on the disk below which writes are refused; default and least: 2 % of nothing known, hence 256 MiB.
    pub disk_reserve: u64,
    /// Tells whether the system's clock is known to be synchronised; retention then believes it whatever it was before. By default it is not known.
    pub clock_synchronised: fn() -> bool,
    /// Limits on what clients may bring.
    pub limits: Limits,
}

/// Least memory a store works with.
pub const MEMORY_MIN: u64 = 64 << 20;

impl StoreOptions {
    /// Defaults for a store in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            lanes: 0,
            memory_limit: 1 << 30,
            wal_sync: WalSync::Commit,
            seal_bytes: 32 << 20,
            flush_wal_bytes: 128 << 20,
            flush_age: Duration::from_secs(30 * 60),
            flush_idle: Duration::from_secs(5),
            write_wait_max: Duration::from_secs(5),
            disk_reserve: 256 << 20,
            clock_synchronised: || false,
            limits: Limits::default(),
        }
    }

    /// The same with every value raised to its minimum and automatic ones filled in.
    #[must_use]
    pub(crate) fn effective(mut self) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.lanes = if self.lanes == 0 { cores.min(8) } else { self.lanes.min(64) };
        self.memory_limit = self.memory_limit.max(MEMORY_MIN);
        self.seal_bytes = self.seal_bytes.max(64 << 10).min(self.arena_pool() / 3);
        self.flush_wal_bytes = self.flush_wal_bytes.max(1 << 20);
        self.limits.key_bytes_max = self.limits.key_bytes_max.clamp(1, 65_535);
        self
    }

    /// Bytes for new points, batches in preparation included.
    pub(crate) fn arena_pool(&self) -> u64 {
        self.memory_limit / 100 * 15
    }

    /// Bytes for sealed memtables.
    pub(crate) fn sealed_pool(&self) -> u64 {
        self.memory_limit / 4
    }

    /// Bytes for series indexes.
    pub(crate) fn index_pool(&self) -> u64 {
        self.memory_limit / 4
    }

    /// Bytes of arena after which a request is submitted in part.
    pub(crate) fn cut_bytes(&self) -> u64 {
        (self.arena_pool() / 16).min(1 << 20)
    }
}
