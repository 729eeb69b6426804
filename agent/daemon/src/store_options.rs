//! `[store]` and `[limits]` as the store takes them.

use std::path::Path;

use weir_config::Config;
use weir_config::units::parse_duration;
use weir_store::{Limits, MEMORY_MIN, StoreOptions, WalSync};

/// The store's options.
///
/// # Errors
/// Says which value is wrong and how to write it.
pub(crate) fn of(config: &Config, data: &Path) -> Result<StoreOptions, String> {
    let (store, limits) = (&config.store, &config.limits);
    let mut options = StoreOptions::new(data);
    options.memory_limit = match store.memory_limit {
        Some(limit) if limit.0 < MEMORY_MIN => {
            return Err(format!("[store] memory_limit must be at least {MEMORY_MIN} bytes"));
        }
        Some(limit) => limit.0,
        None => (machine_memory() / 4).max(MEMORY_MIN),
    };
    if let Some(lanes) = store.lanes {
        if !(1..=8).contains(&lanes) {
            return Err("[store] lanes must be 1 to 8".to_owned());
        }
        options.lanes = lanes;
    }
    if let Some(bytes) = store.wal_flush_bytes {
        options.flush_wal_bytes = bytes.0;
    }
    if let Some(bytes) = store.disk_reserve {
        options.disk_reserve = bytes.0;
    }
    // What systemd's time service leaves once it has set the clock.
    options.clock_synchronised = || Path::new("/run/systemd/timesync/synchronized").exists();
    options.wal_sync = match store.wal_sync.as_deref() {
        None | Some("commit") => WalSync::Commit,
        Some("none") => WalSync::Never,
        Some(text) => WalSync::Every(
            parse_duration(text)
                .map_err(|why| format!("[store] wal_sync: {why}; or write \"commit\" or \"none\""))?,
        ),
    };
    let defaults = Limits::default();
    options.limits = Limits {
        series_per_database_max: limits.max_series_per_database.unwrap_or(defaults.series_per_database_max),
        fields_per_measurement_max: limits.max_fields_per_measurement.unwrap_or(1000),
        shard_groups_max: limits.shard_groups_max.unwrap_or(defaults.shard_groups_max),
        new_shard_groups_per_request_max: limits
            .new_shard_groups_per_request_max
            .unwrap_or(defaults.new_shard_groups_per_request_max),
        ..defaults
    };
    Ok(options)
}

/// Memory that this process may have: the machine's, or less where a control group says so.
fn machine_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        })
        .map_or(1 << 30, |kib| kib * 1024);
    let group =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|t| t.trim().parse::<u64>().ok());
    group.map_or(machine, |limit| limit.min(machine))
}
