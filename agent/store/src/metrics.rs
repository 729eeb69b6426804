//! Names of what the store measures. One place, so that nothing is counted under two names.

use std::sync::Arc;
use std::time::Duration;

/// Points acknowledged, of one database.
pub(crate) fn points_counter(database: &Arc<str>) -> metrics::Counter {
    metrics::counter!("weir_write_points_total", "db" => database.to_string())
}

/// Points refused, of one database.
pub(crate) fn points_rejected(database: &Arc<str>, n: u64) {
    metrics::counter!("weir_write_points_rejected_total", "db" => database.to_string(), "reason" => "refused")
        .increment(n);
}

/// Series known, of one database.
pub(crate) fn series(database: &Arc<str>, n: u64) {
    metrics::gauge!("weir_series", "db" => database.to_string()).set(n as f64);
}

/// Segment files and their bytes.
pub(crate) fn segments(count: usize, bytes: u64) {
    metrics::gauge!("weir_segment_count").set(count as f64);
    metrics::gauge!("weir_segment_bytes").set(bytes as f64);
}

/// Memory held, by pool.
pub(crate) fn memory(pool: &'static str, bytes: u64) {
    metrics::gauge!("weir_memory_bytes", "pool" => pool).set(bytes as f64);
}

/// One seal.
pub(crate) fn sealed(took: Duration, points: u64) {
    metrics::histogram!("weir_seal_duration_seconds").record(took.as_secs_f64());
    metrics::counter!("weir_seal_points_total").increment(points);
}

/// One flush.
pub(crate) fn flushed(took: Duration, bytes: u64) {
    metrics::histogram!("weir_flush_duration_seconds").record(took.as_secs_f64());
    metrics::counter!("weir_flush_bytes_total").increment(bytes);
}

/// A flush or seal that failed; it is tried again.
pub(crate) fn flush_failed() {
    metrics::counter!("weir_flush_failures_total").increment(1);
}

/// One compaction.
pub(crate) fn compacted(why: &'static str, took: Duration, bytes_in: u64, bytes_out: u64) {
    metrics::histogram!("weir_compaction_duration_seconds", "why" => why).record(took.as_secs_f64());
    metrics::counter!("weir_compaction_bytes_in_total").increment(bytes_in);
    metrics::counter!("weir_compaction_bytes_out_total").increment(bytes_out);
}

/// A compaction that failed.
pub(crate) fn compaction_failed() {
    metrics::counter!("weir_compaction_failures_total").increment(1);
}

/// Files that are left alone because their compaction keeps failing.
pub(crate) fn compactions_parked(files: usize) {
    metrics::gauge!("weir_compaction_parked_files").set(files as f64);
}

/// A shard group that has expired and is gone.
pub(crate) fn group_expired(bytes: u64) {
    metrics::counter!("weir_retention_groups_total").increment(1);
    metrics::counter!("weir_retention_bytes_total").increment(bytes);
}

/// Groups that have expired by a clock that is not believed.
pub(crate) fn retention_paused(groups: usize) {
    metrics::gauge!("weir_retention_paused_groups").set(groups as f64);
}

/// What a replay did.
pub(crate) fn replayed(groups: u64, points: u64, unknown: u64) {
    metrics::counter!("weir_wal_replayed_records_total").increment(groups);
    metrics::counter!("weir_wal_replayed_points_total").increment(points);
    metrics::counter!("weir_wal_replay_lost_points_total").increment(unknown);
}
