//! Paths, their methods, and the figures kept about each.

use std::sync::OnceLock;

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// A path that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Write,
    WriteV2,
    Query,
    Ping,
    Health,
    Ready,
    Status,
    Metrics,
    Compact,
    /// Any other path.
    Unknown,
}

impl Endpoint {
    const COUNT: usize = Self::Unknown as usize + 1;

    /// The endpoint at `path`; a slash at its end means nothing.
    pub(crate) fn at(path: &str) -> Self {
        match path.strip_suffix('/').unwrap_or(path) {
            "/write" => Self::Write,
            "/api/v2/write" => Self::WriteV2,
            "/query" => Self::Query,
            "/ping" => Self::Ping,
            "/health" | "/api/v2/health" => Self::Health,
            "/ready" | "/api/v2/ready" => Self::Ready,
            "/status" => Self::Status,
            "/metrics" => Self::Metrics,
            "/debug/weir/compact" => Self::Compact,
            _ => Self::Unknown,
        }
    }

    /// Its methods, as the header `Allow` lists them.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Write | Self::WriteV2 | Self::Compact => "OPTIONS, POST",
            Self::Query => "GET, OPTIONS, POST",
            Self::Ping | Self::Health | Self::Ready | Self::Status | Self::Metrics => "GET, HEAD, OPTIONS",
            Self::Unknown => "",
        }
    }

    pub(crate) fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::WriteV2 => "write_v2",
            Self::Query => "query",
            Self::Ping => "ping",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::Compact => "compact",
            Self::Unknown => "unknown",
        }
    }
}

/// Status codes that are counted apart; others count as the last.
const CODES: [u16; 14] = [200, 204, 400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, 0];

/// Counters by endpoint and status, looked up once and kept.
#[derive(Default)]
pub(crate) struct RequestMetrics {
    requests: [[OnceLock<Counter>; CODES.len()]; Endpoint::COUNT],
    seconds: [OnceLock<Histogram>; Endpoint::COUNT],
    in_flight: OnceLock<Gauge>,
    body_bytes: OnceLock<Counter>,
}

impl RequestMetrics {
    /// Counts a request as running until the guard goes.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        let gauge = self.in_flight.get_or_init(|| gauge!("weir_http_requests_in_flight"));
        gauge.increment(1);
        InFlight(gauge)
    }

    /// Counts bytes of bodies as they came over the network.
    pub(crate) fn received(&self, bytes: u64) {
        self.body_bytes.get_or_init(|| counter!("weir_http_request_bytes_total")).increment(bytes);
    }

    pub(crate) fn count(&self, endpoint: Endpoint, status: StatusCode) {
        let status = status.as_u16();
        let column = CODES.iter().position(|&code| code == status).unwrap_or(CODES.len() - 1);
        self.requests[endpoint as usize][column]
            .get_or_init(|| {
                let code = match CODES[column] {
                    0 => "other".to_owned(),
                    code => code.to_string(),
                };
                counter!("weir_http_requests_total", "endpoint" => endpoint.label(), "code" => code)
            })
            .increment(1);
    }

    pub(crate) fn took(&self, endpoint: Endpoint, nanoseconds: u64) {
        self.seconds[endpoint as usize]
            .get_or_init(|| histogram!("weir_http_request_duration_seconds", "endpoint" => endpoint.label()))
            .record(nanoseconds as f64 / 1e9);
    }
}

/// A running request.
pub(crate) struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints_with_or_without_a_slash() {
        for (path, endpoint) in [
            ("/write", Endpoint::Write),
            ("/write/", Endpoint::Write),
            ("/query/", Endpoint::Query),
            ("/api/v2/write", Endpoint::WriteV2),
            ("/", Endpoint::Unknown),
            ("", Endpoint::Unknown),
            ("/write//", Endpoint::Unknown),
            ("/WRITE", Endpoint::Unknown),
        ] {
            assert_eq!(Endpoint::at(path), endpoint, "{path}");
        }
        assert!(Endpoint::Query.allows(&Method::GET) && !Endpoint::Query.allows(&Method::HEAD));
        assert!(Endpoint::Ping.allows(&Method::HEAD) && !Endpoint::Ping.allows(&Method::POST));
        assert!(!Endpoint::Unknown.allows(&Method::GET));
    }
}
