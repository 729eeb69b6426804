//! Weir's own metrics as Prometheus text.

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use weir_store::Store;

/// Upper bounds of the duration histograms, seconds: from a cached look-up to a slow disk.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    30.0,
];

/// Collects everything that `metrics` macros report from now on.
pub(super) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    gauge!("weir_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Refreshes what is read rather than counted, and renders.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(super) fn render(handle: &PrometheusHandle, store: &Store) -> String {
    if let Some(process) = Process::read() {
        gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
        gauge!("process_open_fds").set(process.open_files as f64);
        gauge!("process_cpu_seconds_total").set(process.cpu_seconds);
        gauge!("process_start_time_seconds").set(process.start_seconds);
    }
    let stats = store.stats();
    gauge!("weir_segment_count").set(stats.segments as f64);
    gauge!("weir_segment_bytes").set(stats.segment_bytes as f64);
    gauge!("weir_memtable_bytes").set(stats.arena_bytes as f64);
    handle.run_upkeep();
    // The exporter has no counter that can be set to a fraction; the name says what it is.
    handle
        .render()
        .replace("# TYPE process_cpu_seconds_total gauge", "# TYPE process_cpu_seconds_total counter")
}

/// Notes how a reload went.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub(super) fn reloaded(ok: bool, now_ns: i64, hash: u64) {
    gauge!("weir_config_last_reload_successful").set(if ok { 1.0 } else { 0.0 });
    counter!("weir_config_reloads_total", "result" => if ok { "ok" } else { "failed" }).increment(1);
    if ok {
        gauge!("weir_config_last_reload_success_timestamp_seconds").set(now_ns as f64 / 1e9);
        // Floats hold 53 bits: enough to see that it changed.
        gauge!("weir_config_hash").set((hash >> 11) as f64);
    }
}

struct Process {
    resident_bytes: u64,
    open_files: usize,
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Process {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = boot.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            resident_bytes: number(21)? * rustix::param::page_size() as u64,
            open_files: std::fs::read_dir("/proc/self/fd").ok()?.count(),
            cpu_seconds: (number(11)? + number(12)?) as f64 / ticks,
            start_seconds: boot + number(19)? as f64 / ticks,
        })
    }
}
