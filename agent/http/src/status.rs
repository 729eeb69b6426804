//! `/ping`, `/health`, `/ready`, `/status`, `/metrics`: what the program says about itself.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use weir_model::TimestampNs;
use weir_netserve::Payload;

use crate::answer::json;

/// What only the whole program knows. The daemon implements it.
pub trait Program: Send + Sync + 'static {
    /// Whether all is well.
    fn health(&self) -> Health;
    /// Whether queries can be answered: the log is replayed.
    fn is_ready(&self) -> bool;
    /// When the program started.
    fn started(&self) -> TimestampNs;
    /// All metrics as Prometheus text.
    fn metrics(&self) -> String;
    /// Brings all data into its final form, for benchmarks and tests; `None` if that cannot be asked for.
    fn compact(&self) -> Option<Pin<Box<dyn Future<Output = Result<(), String>> + Send>>> {
        None
    }
}

/// Answer of a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether writes and queries work.
    pub is_well: bool,
    /// In words.
    pub message: String,
}

impl Health {
    /// All is well, in the words that clients know.
    #[must_use]
    pub fn well() -> Self {
        Self { is_well: true, message: "ready for queries and writes".to_owned() }
    }
}

/// 204, or the version when asked for more words.
pub(crate) fn ping(is_verbose: bool, version: &str) -> Response<Payload> {
    if !is_verbose {
        return no_content();
    }
    let mut body = b"{\"version\":".to_vec();
    json::push_str(&mut body, version);
    body.extend_from_slice(b"}\n");
    json_response(StatusCode::OK, body)
}

/// 204 with the type that clients look for even then.
pub(crate) fn no_content() -> Response<Payload> {
    let mut response = Response::new(Payload::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn health(health: &Health, version: &str) -> Response<Payload> {
    let mut body = b"{\"checks\":[],\"message\":".to_vec();
    json::push_str(&mut body, &health.message);
    body.extend_from_slice(b",\"name\":\"influxdb\",\"status\":");
    json::push_str(&mut body, if health.is_well { "pass" } else { "fail" });
    body.extend_from_slice(b",\"version\":");
    json::push_str(&mut body, version);
    body.extend_from_slice(b"}\n");
    let status = if health.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, body)
}

pub(crate) fn ready(program: &dyn Program, now: TimestampNs) -> Response<Payload> {
    let started = program.started();
    let up = Duration::from_nanos(u64::try_from(now.0.saturating_sub(started.0)).unwrap_or(0));
    let (status, word) = match program.is_ready() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
    };
    let started = jiff::Timestamp::from_nanosecond(i128::from(started.0)).unwrap_or_default();
    let seconds = up.as_secs();
    let body = format!(
        "{{\"started\":\"{started}\",\"status\":\"{word}\",\"up\":\"{}h{}m{}s\"}}\n",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    json_response(status, body.into_bytes())
}

/// Prometheus text; without lines about single databases unless `with_databases`.
pub(crate) fn metrics(text: String, with_databases: bool) -> Response<Payload> {
    let text = if with_databases { text } else { without_databases(&text) };
    let mut response = Response::new(Payload::from(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn without_databases(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with('#') || !(line.contains("{db=\"") || line.contains(",db=\"")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

pub(crate) fn json_response(status: StatusCode, body: Vec<u8>) -> Response<Payload> {
    let mut response = Response::new(Payload::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_databases_are_left_out() {
        let text = "# TYPE a counter\na{db=\"x\"} 1\na{code=\"200\",db=\"y\"} 2\nb{odb=\"z\"} 3\nc 4\n";
        assert_eq!(without_databases(text), "# TYPE a counter\nb{odb=\"z\"} 3\nc 4\n");
    }
}
