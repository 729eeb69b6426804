//! Parameters of `/write` and `/api/v2/write`.

use std::borrow::Cow;

use http::HeaderMap;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use weir_model::Precision;

use crate::dialect::{Rules, Unknown, V2_PRECISIONS, find_precision};
use crate::error::ApiError;
use crate::params::pairs;

/// What the URL says. Of several values the first counts; unknown names mean nothing.
#[derive(Debug, Default)]
pub(crate) struct WriteParams<'a> {
    pub(crate) database: Option<Cow<'a, str>>,
    pub(crate) policy: Option<Cow<'a, str>>,
    pub(crate) bucket: Option<Cow<'a, str>>,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) password: Option<Cow<'a, str>>,
    precision: Option<Cow<'a, str>>,
    consistency: Option<Cow<'a, str>>,
}

impl<'a> WriteParams<'a> {
    /// Reads the query string.
    ///
    /// # Errors
    /// Text that is not UTF-8.
    pub(crate) fn collect(parts: &'a Parts) -> Result<Self, ApiError> {
        let mut found = Self::default();
        for pair in pairs(parts.uri.query().unwrap_or_default().as_bytes()) {
            let (name, value) = pair.map_err(|error| {
                ApiError::invalid(format!("failed to deserialize db/rp/precision in request: {error}"))
            })?;
            let place = match &*name {
                "db" => &mut found.database,
                "rp" => &mut found.policy,
                "bucket" => &mut found.bucket,
                "precision" => &mut found.precision,
                "consistency" => &mut found.consistency,
                "u" => &mut found.user,
                "p" => &mut found.password,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        Ok(found)
    }

    /// Unit of times on /write.
    ///
    /// # Errors
    /// A unit that the dialect does not have.
    pub(crate) fn precision_v1(&self, rules: &Rules) -> Result<Precision, ApiError> {
        let text = self.precision.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Ok(Precision::Nanosecond);
        }
        // The list names four of the six units; it is what clients have been told for years.
        find_precision(rules.write_precisions, text).ok_or_else(|| {
            ApiError::invalid(format!(
                "failed to deserialize db/rp/precision in request: unknown variant `{text}`, expected one of `s`, `ms`, `us`, `ns`"
            ))
            .in_1x(format!("invalid precision \"{text}\" (use n, u, ms, s, m or h)"))
        })
    }

    /// Unit of times on /api/v2/write.
    ///
    /// # Errors
    /// A unit that the v2 API does not have.
    pub(crate) fn precision_v2(&self) -> Result<Precision, ApiError> {
        let text = self.precision.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Ok(Precision::Nanosecond);
        }
        find_precision(V2_PRECISIONS, text).ok_or_else(|| {
            ApiError::invalid(format!(
                "failed to deserialize org/bucket/precision in request: unknown variant `{text}`, expected one of `s`, `ms`, `us`, `ns`"
            ))
            .in_1x(format!("invalid precision \"{text}\" (use ns, us, ms or s)"))
        })
    }

    /// # Errors
    /// A level that does not exist, where the dialect cares.
    pub(crate) fn check_consistency(&self, rules: &Rules) -> Result<(), ApiError> {
        let level = self.consistency.as_deref().unwrap_or_default().to_ascii_lowercase();
        if rules.unknown_consistency == Unknown::Ignore
            || matches!(level.as_str(), "" | "any" | "one" | "quorum" | "all")
        {
            return Ok(());
        }
        Err(ApiError::invalid("invalid consistency level"))
    }
}

/// Whether the body is gzip.
///
/// # Errors
/// Another encoding, where the dialect cares.
pub(crate) fn is_gzip(rules: &Rules, headers: &HeaderMap) -> Result<bool, ApiError> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Ok(false);
    };
    let refuses = rules.unknown_encoding == Unknown::Refuse;
    let text = match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.trim(),
        Err(_) if !refuses => return Ok(false),
        Err(error) => return Err(ApiError::invalid(format!("invalid content-encoding header: {error}"))),
    };
    if text.eq_ignore_ascii_case("gzip") {
        return Ok(true);
    }
    if !refuses || text.is_empty() || text.eq_ignore_ascii_case("identity") {
        return Ok(false);
    }
    let shown: String = text.chars().take(100).collect();
    let message = format!("unacceptable content-encoding: {shown}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}
