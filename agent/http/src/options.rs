//! What a listener of the API is told.

use std::time::Duration;

use crate::dialect::Dialect;

/// Settings of the API on one listener. Limits are bytes or counts; 0 means no limit where said so.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Which API it speaks.
    pub dialect: Dialect,
    /// Whether credentials are looked at. Without, everybody may do everything.
    pub auth_enabled: bool,
    /// Whether `/ping` wants credentials too.
    pub ping_auth: bool,
    /// Whether `/metrics` shows figures of single databases only to those who may read something.
    pub metrics_auth: bool,
    /// Whether a first write makes its database.
    pub auto_create_database: bool,
    /// Whether one bad line refuses the whole write.
    pub strict_writes: bool,
    /// Bytes of the body of a write as it comes; 0 = no limit.
    pub body_bytes_max: u64,
    /// Bytes of the body of a write once inflated; 0 = no limit.
    pub inflated_bytes_max: u64,
    /// Bytes of the body of a query.
    pub query_bytes_max: u64,
    /// Rows of a chunk when the client asks for chunks but not for a size.
    pub chunk_rows: usize,
    /// Rows of an answer without chunks; 0 = no limit.
    pub rows_max: usize,
    /// Whether MessagePack is answered to those who ask for it; else JSON.
    pub msgpack: bool,
    /// Bytes of a MessagePack document, which is built in memory.
    pub msgpack_bytes_max: usize,
    /// Value of `X-Influxdb-Version`.
    pub influxdb_version: String,
    /// Value of `X-Weir-Version`.
    pub version: String,
    /// Value of `X-Weir-Store`; outputs recognise their own server by it.
    pub store_id: String,
}

impl HttpOptions {
    /// The defaults of a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            auth_enabled: true,
            ping_auth: false,
            metrics_auth: true,
            auto_create_database: dialect.creates_databases(),
            strict_writes: false,
            body_bytes_max: 25_000_000,
            inflated_bytes_max: 100_000_000,
            query_bytes_max: 4 * 1024 * 1024,
            chunk_rows: 10_000,
            rows_max: 0,
            msgpack: true,
            msgpack_bytes_max: 256 * 1024 * 1024,
            influxdb_version: "1.8.10".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store_id: String::new(),
        }
    }
}

/// Settings that all listeners share.
#[derive(Clone, Debug)]
pub struct SharedOptions {
    /// Writes at one time; one more is answered with 503. 0 = no limit.
    pub writes_in_flight_max: usize,
    /// Queries at one time; one more is answered with 503. 0 = no limit.
    pub queries_in_flight_max: usize,
    /// Writers that are kept for the next request.
    pub writers_kept: usize,
    /// What clients that are turned away are told to wait.
    pub retry_after: Duration,
}

impl Default for SharedOptions {
    fn default() -> Self {
        Self {
            writes_in_flight_max: 1000,
            queries_in_flight_max: 256,
            writers_kept: 32,
            retry_after: Duration::from_secs(1),
        }
    }
}
