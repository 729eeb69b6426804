//! Errors of a whole request, and the one place that renders them.
//!
//! An error carries both wordings: `message` as the Dedicated API says it, `error` as InfluxDB 1.x says it where the case exists
//! there. In the dedicated dialect the body holds both, since clients of either family look for their own words in it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use weir_netserve::Payload;

use crate::answer::{json, msgpack};
use crate::dialect::{ErrorBody, Rules};
use crate::format::Format;

/// Most bytes of a text that goes into a header.
const HEADER_TEXT_MAX: usize = 1024;

type Text = Cow<'static, str>;

/// Why a request gets no answer. Boxed, so that results stay small.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Details>);

#[derive(Debug)]
struct Details {
    status: StatusCode,
    message: Text,
    error: Option<Text>,
    line: Option<u64>,
    retry_after: Option<Duration>,
    is_challenge: bool,
    /// Methods of the path, and a sign that path or method are to blame.
    route: Option<&'static str>,
}

/// How the client wants errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorStyle {
    pub(crate) rules: &'static Rules,
    /// The v2 routes speak the larger body in both dialects.
    pub(crate) is_v2: bool,
    pub(crate) format: Format,
    pub(crate) is_pretty: bool,
}

impl ApiError {
    /// An error with this status and message.
    pub(crate) fn new(status: StatusCode, message: impl Into<Text>) -> Self {
        Self(Box::new(Details {
            status,
            message: message.into(),
            error: None,
            line: None,
            retry_after: None,
            is_challenge: false,
            route: None,
        }))
    }

    /// 400.
    pub(crate) fn invalid(message: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 503 with `Retry-After`.
    pub(crate) fn unavailable(message: impl Into<Text>, retry_after: Duration) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.0.retry_after = Some(retry_after);
        error
    }

    /// 401 with a challenge.
    pub(crate) fn unauthorized(message: impl Into<Text>, in_1x: impl Into<Text>) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, message).in_1x(in_1x);
        error.0.is_challenge = true;
        error
    }

    /// 404 for a path that does not exist.
    pub(crate) fn no_route() -> Self {
        let mut error = Self::new(StatusCode::NOT_FOUND, "not found").in_1x("404 page not found");
        error.0.route = Some("");
        error
    }

    /// 405 for a method that the path does not have.
    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let message = "method not allowed";
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, message).in_1x("Method Not Allowed");
        error.0.route = Some(allow);
        error
    }

    /// How 1.x words it.
    pub(crate) fn in_1x(mut self, text: impl Into<Text>) -> Self {
        self.0.error = Some(text.into());
        self
    }

    /// First line of the body that is to blame.
    pub(crate) fn at_line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The Dedicated wording.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The wording of 1.x, or the message where 1.x has none.
    pub(crate) fn in_1x_text(&self) -> &str {
        self.0.error.as_ref().unwrap_or(&self.0.message)
    }
}

/// Renders an error: the only place that does.
pub(crate) fn render(error: &ApiError, style: &ErrorStyle) -> Response<Payload> {
    let details = &*error.0;
    let is_superset = style.is_v2 || style.rules.error_body == ErrorBody::Superset;
    let text = error.in_1x_text();
    let (content_type, body) = if is_superset {
        (Format::Json.content_type(), superset_body(details, text))
    } else if details.route.is_some() {
        ("text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    } else {
        (style.format.content_type(), small_body(text, style))
    };
    let mut response = Response::new(Payload::from(Bytes::from(body)));
    *response.status_mut() = details.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if details.is_challenge {
        let challenge = format!("Basic realm=\"{}\"", style.rules.realm);
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
    } else if let Some(value) = header_text(text) {
        headers.insert("x-influxdb-error", value);
    }
    if let Some(pause) = details.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
    }
    if let Some(allow) = details.route.filter(|allow| !allow.is_empty()) {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

fn superset_body(details: &Details, text: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(80 + details.message.len() + text.len());
    body.extend_from_slice(b"{\"code\":");
    json::push_str(&mut body, code(details.status));
    body.extend_from_slice(b",\"message\":");
    json::push_str(&mut body, &details.message);
    body.extend_from_slice(b",\"error\":");
    json::push_str(&mut body, text);
    if let Some(line) = details.line {
        body.extend_from_slice(b",\"line\":");
        body.extend_from_slice(itoa::Buffer::new().format(line).as_bytes());
    }
    body.extend_from_slice(b"}\n");
    body
}

fn small_body(text: &str, style: &ErrorStyle) -> Vec<u8> {
    let mut body = Vec::with_capacity(32 + text.len());
    match style.format {
        Format::Json => {
            body.extend_from_slice(if style.is_pretty { b"{\n    \"error\": " } else { b"{\"error\":" });
            json::push_str(&mut body, text);
            body.extend_from_slice(if style.is_pretty { b"\n}\n" } else { b"}\n" });
        }
        Format::Csv => {
            body.extend_from_slice(b"error\n");
            crate::answer::csv::push_cell(&mut body, text);
            body.push(b'\n');
        }
        Format::MessagePack => msgpack::push_error(&mut body, text),
    }
    body
}

/// Word for a status, as the v2 and v3 APIs have it.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "invalid",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        409 => "conflict",
        413 => "request too large",
        415 => "unsupported media type",
        422 => "unprocessable entity",
        429 => "too many requests",
        503 => "unavailable",
        _ => "internal error",
    }
}

/// `text` as the value of a header: cut, and without control characters, which libraries refuse.
fn header_text(text: &str) -> Option<HeaderValue> {
    let end = text.floor_char_boundary(HEADER_TEXT_MAX);
    let clean: Vec<u8> =
        text.as_bytes()[..end].iter().map(|&b| if b < 0x20 || b == 0x7f { b' ' } else { b }).collect();
    HeaderValue::from_bytes(&clean).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    fn body(response: Response<Payload>) -> String {
        match response.into_body() {
            Payload::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn style(dialect: Dialect) -> ErrorStyle {
        ErrorStyle { rules: dialect.rules(), is_v2: false, format: Format::Json, is_pretty: false }
    }

    #[test]
    fn dedicated_carries_both_wordings_and_oss_its_own() {
        let error = ApiError::invalid("new \"words\"").in_1x("old words").at_line(2);
        let response = render(&error, &style(Dialect::Dedicated));
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["x-influxdb-error"], "old words");
        let expected = r#"{"code":"invalid","message":"new \"words\"","error":"old words","line":2}"#;
        assert_eq!(body(response), format!("{expected}\n"));
        assert_eq!(body(render(&error, &style(Dialect::Oss))), "{\"error\":\"old words\"}\n");
        let v2 = ErrorStyle { is_v2: true, ..style(Dialect::Oss) };
        assert!(body(render(&error, &v2)).starts_with("{\"code\":\"invalid\""));
    }

    #[test]
    fn oss_renders_errors_in_the_format_asked_for() {
        let error = ApiError::invalid("unable to parse 'a, b': missing fields");
        let with = |format, is_pretty| {
            let style = ErrorStyle { format, is_pretty, ..style(Dialect::Oss) };
            let response = render(&error, &style);
            (response.headers()["content-type"].to_str().unwrap().to_owned(), body(response))
        };
        let (kind, text) = with(Format::Csv, false);
        assert_eq!(
            (kind.as_str(), text.as_str()),
            ("text/csv", "error\n\"unable to parse 'a, b': missing fields\"\n")
        );
        let (_, text) = with(Format::Json, true);
        assert_eq!(text, "{\n    \"error\": \"unable to parse 'a, b': missing fields\"\n}\n");
    }

    #[test]
    fn a_challenge_replaces_the_error_header() {
        let error = ApiError::unauthorized("no token", "unable to parse authentication credentials");
        let response = render(&error, &style(Dialect::Oss));
        assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"InfluxDB\"");
        assert!(!response.headers().contains_key("x-influxdb-error"));
    }

    #[test]
    fn header_texts_are_cut_and_cleaned() {
        assert_eq!(header_text("a\nb\u{7f}c").unwrap(), "a b c");
        let long = "ü".repeat(1000);
        assert_eq!(header_text(&long).unwrap().len(), 1024);
        let odd = format!("a{}", "ü".repeat(1000));
        assert_eq!(header_text(&odd).unwrap().len(), 1023);
    }

    #[test]
    fn routes_that_do_not_exist_are_text_in_oss() {
        let response = render(&ApiError::wrong_method("OPTIONS, POST"), &style(Dialect::Oss));
        assert_eq!(response.headers()["allow"], "OPTIONS, POST");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(body(response), "Method Not Allowed\n");
        assert_eq!(body(render(&ApiError::no_route(), &style(Dialect::Oss))), "404 page not found\n");
        let dedicated = body(render(&ApiError::no_route(), &style(Dialect::Dedicated)));
        assert!(dedicated.starts_with(r#"{"code":"not found","message":"not found""#), "{dedicated}");
    }
}
