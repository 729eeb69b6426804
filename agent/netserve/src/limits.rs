//! What one listener allows.

use std::time::Duration;

use bytes::Bytes;

/// Limits of a listener. Each has a default that suits a public port.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time. One more is answered with [`refusal`](Self::refusal) and closed. Default 4,096.
    pub connections_max: usize,
    /// Bytes of a request's head (request line and headers); more is answered with 431. At least 8 KiB. It is also the
    /// largest piece of a body that is read at once. Default 128 KiB, which leaves room for long queries in a URL.
    pub head_bytes_max: usize,
    /// Header lines of a request; more is answered with 431. Default 100.
    pub headers_max: usize,
    /// From the first byte of a request's head to its last; then the connection is closed. Default 10 s.
    pub head_timeout: Duration,
    /// Between two pieces of a request's body; then the handler gets [`BodyError::Idle`](crate::BodyError::Idle). Default 30 s.
    pub body_idle_timeout: Duration,
    /// Between two requests of a kept connection. Default 120 s, longer than what clients that write every minute need.
    pub idle_timeout: Duration,
    /// While the client takes no byte of an answer. Default 60 s.
    pub write_timeout: Duration,
    /// Requests at one time on one HTTP/2 connection. Default 64.
    pub streams_max: u32,
    /// Whether connections are kept after an answer (HTTP/1). Default yes.
    pub keep_alive: bool,
    /// Connections over the limit that are being turned away at one time; beyond that they are closed without an
    /// answer. Default 64.
    pub refusals_max: usize,
    /// A whole HTTP/1.1 response, for connections over the limit.
    pub refusal: Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            head_bytes_max: 128 * 1024,
            headers_max: 100,
            head_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            streams_max: 64,
            keep_alive: true,
            refusals_max: 64,
            refusal: Bytes::from_static(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
        }
    }
}
