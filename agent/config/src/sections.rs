//! Weir's own tables: `[store]`, `[http]`, `[auth]`, `[limits]`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::units::{ByteSize, Interval};

/// Table `[store]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct StoreConfig {
    /// Data directory. Default `./weir-data`.
    pub directory: Option<PathBuf>,
    /// Memory for everything the store holds. Default a quarter of the machine's, at least 64 MiB.
    pub memory_limit: Option<ByteSize>,
    /// Ingest lanes, 1 to 8. Default one per core.
    pub lanes: Option<usize>,
    /// When an acknowledged write is on disk: `"commit"` (before the answer, the default), an interval such as `"100ms"`, or `"none"`.
    pub wal_sync: Option<String>,
    /// Flush memtables when the log has grown to this. Default 128 MiB.
    pub wal_flush_bytes: Option<ByteSize>,
    /// Stop taking writes when less than this is free on the disk. Default 256 MiB or 2 %, whichever is more.
    pub disk_reserve: Option<ByteSize>,
    /// Database of the gathered metrics. Default `telegraf`.
    pub agent_database: Option<String>,
    /// Retention policy of the gathered metrics. Default: the database's default policy.
    pub agent_retention_policy: Option<String>,
}

/// Which API a listener speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DialectName {
    /// InfluxDB Cloud Dedicated's v1 API.
    #[default]
    Dedicated,
    /// InfluxDB OSS 1.x.
    Oss,
}

/// Table `[http]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct HttpConfig {
    /// Whether to listen at all. Default true.
    pub enabled: Option<bool>,
    /// Address and port. Default `127.0.0.1:8086`.
    pub address: Option<String>,
    /// A Unix socket to listen on as well.
    pub unix: Option<PathBuf>,
    /// `dedicated` (default) or `oss`.
    pub dialect: Option<DialectName>,
    /// Largest request body as sent. Default 25,000,000 bytes.
    pub max_body_bytes: Option<ByteSize>,
    /// Largest request body after inflating. Default 100,000,000 bytes.
    pub max_inflated_bytes: Option<ByteSize>,
    /// Most connections at once. Default 16,384.
    pub max_connections: Option<usize>,
    /// Most writes at once; more are answered 503. Default 1,024.
    pub max_concurrent_writes: Option<usize>,
    /// Make the database on the first write to it. Default true in dedicated, false in oss.
    pub auto_create_database: Option<bool>,
    /// Refuse a whole body if one line of it is bad. Default false.
    pub strict_writes: Option<bool>,
    /// Most rows of an answer that is not chunked; 0 = no limit. Default 0.
    pub max_row_limit: Option<usize>,
    /// What `X-Influxdb-Version` says. Default `1.8.10`.
    pub reported_version: Option<String>,
    /// Whether `/metrics` needs a token to show everything. Default true.
    pub metrics_auth: Option<bool>,
    /// More listeners, each with settings of its own; these replace `address` and `unix` above.
    pub listener: Vec<ListenerConfig>,
}

/// A listener of its own, `[[http.listener]]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerConfig {
    /// Address and port.
    pub address: Option<String>,
    /// Or a Unix socket.
    pub unix: Option<PathBuf>,
    /// Dialect; default that of `[http]`.
    pub dialect: Option<DialectName>,
}

/// Table `[auth]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct AuthConfig {
    /// Whether requests need a token. Default true; off only on loopback addresses.
    pub enabled: Option<bool>,
    /// The first operator token, instead of a random one; `@{file:PATH}` reads it from a file.
    pub operator_token: Option<String>,
}

/// Table `[limits]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct LimitsConfig {
    /// Most series in a database; 0 = as many as memory allows. Default 0.
    #[serde(alias = "max-series-per-database")]
    pub max_series_per_database: Option<u64>,
    /// Most fields of a measurement. Default 1,000.
    pub max_fields_per_measurement: Option<u64>,
    /// Most shard groups of a retention policy. Default 4,096.
    pub shard_groups_max: Option<u64>,
    /// Most new shard groups that one request may open. Default 128.
    pub new_shard_groups_per_request_max: Option<u64>,
    /// Most memory of one query. Default: the query share of the memory limit.
    pub query_memory: Option<ByteSize>,
    /// Longest time a query may take; 0 = no limit. Default 60 s in dedicated, 0 in oss.
    #[serde(alias = "query-timeout")]
    pub query_timeout: Option<Interval>,
    /// Most queries at once; 0 = no limit. Default 0.
    #[serde(alias = "max-concurrent-queries")]
    pub max_concurrent_queries: Option<usize>,
    /// Most points a SELECT may read; 0 = no limit. Default 0.
    #[serde(alias = "max-select-point")]
    pub max_select_point: Option<u64>,
    /// Most series a SELECT may touch; 0 = no limit. Default 0.
    #[serde(alias = "max-select-series")]
    pub max_select_series: Option<u64>,
    /// Most GROUP BY time buckets a SELECT may make; 0 = no limit. Default 0.
    #[serde(alias = "max-select-buckets")]
    pub max_select_buckets: Option<u64>,
}
