//! `[agent]`: Telegraf's table, key for key.

use serde::Deserialize;

use crate::units::{ByteSize, Interval};

/// Table `[agent]`. Keys that have no meaning here are accepted, so that an existing file loads; `ignored` below says which.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default)]
pub struct AgentConfig {
    /// How often inputs gather. Default 10 s, more than 0.
    pub interval: Interval,
    /// Gather at multiples of the interval on the wall clock. Default true.
    pub round_interval: bool,
    /// Delay each gather by up to this, at random. Default 0.
    pub collection_jitter: Interval,
    /// Shift the schedule by this. Default 0.
    pub collection_offset: Interval,
    /// Round timestamps of polled inputs to this; 0 = by the interval (1 s from 1 s on). Default 0.
    pub precision: Interval,
    /// How often outputs flush. Default 10 s.
    pub flush_interval: Interval,
    /// Delay each flush by up to this, at random. Default 0.
    pub flush_jitter: Interval,
    /// Most metrics in one write of an output. Default 1,000.
    pub metric_batch_size: usize,
    /// Accepted; Weir's buffers are bounded in bytes and do not drop at this number.
    pub metric_buffer_limit: usize,
    /// Accepted; Weir's buffers are always on disk.
    pub buffer_strategy: Option<String>,
    /// Accepted; buffers are part of the store.
    pub buffer_directory: Option<String>,
    /// Accepted; see `[store] wal_sync`.
    pub buffer_disk_sync: Option<bool>,
    /// Log debug messages.
    pub debug: bool,
    /// Log errors only.
    pub quiet: bool,
    /// `text` or `structured` (JSON lines).
    pub logformat: LogFormat,
    /// Log into this file instead of standard error.
    pub logfile: String,
    /// Accepted: rotate with the system's own tools.
    pub logfile_rotation_interval: Option<Interval>,
    /// Accepted: rotate with the system's own tools.
    pub logfile_rotation_max_size: Option<ByteSize>,
    /// Accepted: rotate with the system's own tools.
    pub logfile_rotation_max_archives: Option<i64>,
    /// Accepted.
    pub structured_log_message_key: Option<String>,
    /// Accepted.
    pub log_with_timezone: Option<String>,
    /// Accepted, deprecated.
    pub logtarget: Option<String>,
    /// Value of tag `host`; empty = the system's name.
    pub hostname: String,
    /// Do not add tag `host`.
    pub omit_hostname: bool,
    /// Accepted; state is kept in the store.
    pub statefile: Option<String>,
    /// Re-add a plugin's `tags` after `taginclude` and `tagexclude`.
    pub always_include_local_tags: bool,
    /// Re-add the global tags after `taginclude` and `tagexclude`.
    pub always_include_global_tags: bool,
    /// Do not send aggregates through the processors again.
    pub skip_processors_after_aggregators: Option<bool>,
    /// Do not send metrics through the processors before the aggregators.
    pub skip_processors_before_aggregators: Option<bool>,
    /// Accepted.
    pub snmp_translator: Option<String>,
    /// Accepted.
    pub config_url_retry_attempts: Option<i64>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// JSON, a line each.
    Structured,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            interval: Interval::seconds(10),
            round_interval: true,
            collection_jitter: Interval::default(),
            collection_offset: Interval::default(),
            precision: Interval::default(),
            flush_interval: Interval::seconds(10),
            flush_jitter: Interval::default(),
            metric_batch_size: 1000,
            metric_buffer_limit: 10_000,
            buffer_strategy: None,
            buffer_directory: None,
            buffer_disk_sync: None,
            debug: false,
            quiet: false,
            logformat: LogFormat::Text,
            logfile: String::new(),
            logfile_rotation_interval: None,
            logfile_rotation_max_size: None,
            logfile_rotation_max_archives: None,
            structured_log_message_key: None,
            log_with_timezone: None,
            logtarget: None,
            hostname: String::new(),
            omit_hostname: false,
            statefile: None,
            always_include_local_tags: false,
            always_include_global_tags: false,
            skip_processors_after_aggregators: None,
            skip_processors_before_aggregators: None,
            snmp_translator: None,
            config_url_retry_attempts: None,
        }
    }
}
