//! What a client is told about lines that were not stored, in the words of both families.

use http::StatusCode;
use weir_lineprotocol::{ErrorKind, ErrorList, LineError};
use weir_model::Refusal;
use weir_pipeline::IngestError;

use crate::dialect::Rules;
use crate::error::ApiError;

/// Bad lines that an answer lists.
pub(crate) const LINES_LISTED: usize = 100;

/// The answer when some lines are bad; `stored` counts the good ones.
pub(crate) fn partial_write(rules: &Rules, errors: &ErrorList, stored: u64) -> ApiError {
    let list = errors.iox_text();
    let in_1x = text_of_1x(errors, stored);
    let first = errors.kept().first();
    let error = match first.and_then(too_old_text) {
        Some(text) if stored == 0 && errors.kept().iter().all(|e| too_old_text(e).is_some()) => {
            let status = StatusCode::from_u16(rules.all_too_old_status).unwrap_or(StatusCode::BAD_REQUEST);
            ApiError::new(status, text)
        }
        _ if stored == 0 => {
            ApiError::invalid(format!("no data written, errors encountered on line(s):\n{list}"))
        }
        _ => ApiError::invalid(format!("partial write has occurred, errors encountered on line(s):\n{list}")),
    };
    error.in_1x(in_1x).at_line(first.map_or(1, |line| line.line))
}

/// The answer in strict mode: nothing was stored.
pub(crate) fn strict_refusal(errors: &ErrorList) -> ApiError {
    let first = errors.kept().first().map_or(1, |line| line.line);
    let list = errors.iox_text();
    ApiError::invalid(format!("failed to parse line protocol: errors encountered on line(s):\n{list}"))
        .in_1x(text_of_1x(errors, 0))
        .at_line(first)
}

/// 1.x names points that it dropped before lines that it could not parse, and lists the latter only. A line that contradicts itself
/// fails its whole write there, without the prefix.
fn text_of_1x(errors: &ErrorList, stored: u64) -> String {
    if let Some(dropped) = errors.kept().iter().find(|error| error.kind.is_dropped()) {
        if stored == 0 && matches!(dropped.kind, ErrorKind::DuplicateField { .. }) {
            return dropped.kind.influx1_reason();
        }
        return format!("partial write: {} dropped={}", dropped.kind.influx1_reason(), errors.dropped());
    }
    let list = errors.influx1_parse_text();
    if stored == 0 { list } else { format!("partial write: {list} dropped=0") }
}

fn too_old_text(error: &LineError) -> Option<String> {
    match &error.kind {
        ErrorKind::Refused(Refusal::BeyondRetention { measurement, oldest, time }) => Some(format!(
            "data in table {measurement} is outside of the retention period: minimum acceptable timestamp is {}, \
             but observed timestamp {} is older.",
            rfc3339(*oldest),
            rfc3339(*time)
        )),
        _ => None,
    }
}

fn rfc3339(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| ns.to_string(), |time| time.to_string())
}

/// The answer when the store takes no batch.
pub(crate) fn ingest_error(error: IngestError) -> ApiError {
    let text = error.to_string();
    match error {
        IngestError::DatabaseNotFound(_) => ApiError::new(StatusCode::NOT_FOUND, text),
        // Telegraf drops a batch that is answered with this text, as it should: the policy will not appear by itself.
        IngestError::PolicyNotFound(_) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        IngestError::Overloaded { retry_after } => ApiError::unavailable(text, retry_after),
        _ => ApiError::unavailable(text, std::time::Duration::from_secs(5)),
    }
}
