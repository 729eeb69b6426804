//! Parameters of `/query`, from the URL and from the body.

use std::borrow::Cow;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, StatusCode};
use weir_model::Precision;
use weir_netserve::{BodyError, RequestBody};

use crate::dialect::{Rules, Unknown, find_precision};
use crate::error::ApiError;
use crate::params::{self, multipart_boundary, pairs};

/// What a request asks for. A value in the body beats one in the URL; of several the first counts.
#[derive(Debug, Default)]
pub(crate) struct QueryParams<'a> {
    pub(crate) query: Option<Cow<'a, str>>,
    pub(crate) database: Option<Cow<'a, str>>,
    pub(crate) policy: Option<Cow<'a, str>>,
    pub(crate) binds: Option<Cow<'a, str>>,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) password: Option<Cow<'a, str>>,
    pub(crate) is_pretty: bool,
    pub(crate) is_async: bool,
    epoch: Option<Cow<'a, str>>,
    chunked: Option<Cow<'a, str>>,
    chunk_size: Option<Cow<'a, str>>,
}

/// The body, if it can hold parameters.
///
/// # Errors
/// A body that is too long, or does not come.
pub(crate) async fn read_body(
    parts: &Parts,
    body: &mut RequestBody,
    bytes_max: u64,
) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    if parts.method != Method::POST || Carrier::of(parts) == Carrier::None {
        return Ok(bytes);
    }
    let too_long = || {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("max request size ({bytes_max} bytes) exceeded"))
            .in_1x("Request Entity Too Large")
    };
    if body.exact_len().is_some_and(|len| len > bytes_max) {
        return Err(too_long());
    }
    loop {
        match body.next().await {
            Ok(Some(piece)) if (bytes.len() + piece.len()) as u64 > bytes_max => return Err(too_long()),
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes),
            Err(error @ BodyError::Idle(_)) => {
                return Err(ApiError::unavailable(error.to_string(), Duration::from_secs(1)));
            }
            Err(_) => return Err(ApiError::invalid("client disconnected")),
        }
    }
}

/// What a body is, by its declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier<'a> {
    Form,
    Multipart(&'a str),
    /// The query itself.
    Query,
    /// No type is declared.
    Untyped,
    /// Something that holds no parameters.
    None,
}

impl<'a> Carrier<'a> {
    fn of(parts: &'a Parts) -> Self {
        let Some(value) = parts.headers.get(CONTENT_TYPE) else {
            return Self::Untyped;
        };
        let text = value.to_str().unwrap_or_default();
        if let Some(boundary) = multipart_boundary(text) {
            return Self::Multipart(boundary);
        }
        match text.split(';').next().unwrap_or_default().trim() {
            kind if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Form,
            kind if kind.eq_ignore_ascii_case("application/vnd.influxql") => Self::Query,
            _ => Self::None,
        }
    }
}

impl<'a> QueryParams<'a> {
    /// Reads all parameters.
    ///
    /// # Errors
    /// Text that is not UTF-8, or a damaged multipart body.
    pub(crate) fn collect(rules: &Rules, parts: &'a Parts, body: &'a [u8]) -> Result<Self, ApiError> {
        let mut found = Self::default();
        let wrong =
            |error: params::BadText| ApiError::invalid(format!("error decoding params from url: {error}"));
        let text = || {
            std::str::from_utf8(body)
                .map_err(|error| ApiError::invalid(format!("body content is not valid utf8: {error}")))
        };
        let mut whole_body = None;
        if parts.method == Method::POST {
            match Carrier::of(parts) {
                Carrier::Form => {
                    for pair in pairs(body) {
                        let (name, value) = pair.map_err(wrong)?;
                        found.take(&name, value);
                    }
                }
                Carrier::Multipart(boundary) => {
                    let fields = params::multipart(text()?, boundary)
                        .map_err(|error| ApiError::invalid(error.to_string()))?;
                    for (name, value) in fields {
                        found.take(&name, Cow::Owned(value));
                    }
                }
                Carrier::Query => whole_body = Some(text()?),
                Carrier::Untyped if rules.untyped_body_is_query => whole_body = Some(text()?),
                Carrier::Untyped | Carrier::None => {}
            }
        }
        for pair in pairs(parts.uri.query().unwrap_or_default().as_bytes()) {
            let (name, value) = pair.map_err(wrong)?;
            if name == "pretty" {
                found.is_pretty |= value == "true";
            }
            found.take(&name, value);
        }
        if found.query.as_deref().is_none_or(str::is_empty) {
            found.query = whole_body.map(Cow::Borrowed);
        }
        Ok(found)
    }

    fn take(&mut self, name: &str, value: Cow<'a, str>) {
        let place = match name {
            "q" => &mut self.query,
            "db" => &mut self.database,
            "rp" => &mut self.policy,
            "params" => &mut self.binds,
            "u" => &mut self.user,
            "p" => &mut self.password,
            "epoch" => &mut self.epoch,
            "chunked" => &mut self.chunked,
            "chunk_size" => &mut self.chunk_size,
            "async" => {
                self.is_async |= value == "true";
                return;
            }
            _ => return,
        };
        place.get_or_insert(value);
    }

    /// Unit of times; `None` means text.
    ///
    /// # Errors
    /// A unit that does not exist, where the dialect cares.
    pub(crate) fn epoch(&self, rules: &Rules) -> Result<Option<Precision>, ApiError> {
        match self.epoch.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => match find_precision(rules.epochs, text) {
                Some(unit) => Ok(Some(unit)),
                None if rules.unknown_epoch == Unknown::Ignore => Ok(Some(Precision::Nanosecond)),
                None => Err(ApiError::invalid(format!(
                    "error decoding params from url: unknown variant `{text}`, expected one of `ns`, `us`, `ms`, `s`, `m`, `h`"
                ))),
            },
        }
    }

    /// Rows of a chunk; `None` without chunks.
    pub(crate) fn chunk_rows(&self, rules: &Rules, default: usize) -> Option<usize> {
        if !rules.client_shapes_answer || self.chunked.as_deref() != Some("true") {
            return None;
        }
        let wanted = self.chunk_size.as_deref().and_then(|text| text.parse::<usize>().ok());
        Some(wanted.filter(|&rows| rows > 0).unwrap_or(default).max(1))
    }
}
