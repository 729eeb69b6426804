//! A small HTTP client: one request, one whole answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error>;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server to ask.
pub(super) struct Server {
    host: String,
    port: u16,
    base: String,
    token: Option<String>,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let uri: Uri = url
            .parse()
            .map_err(|e| format!("{url:?} is no URL ({e}); write for example http://127.0.0.1:8086"))?;
        if uri.scheme_str().is_some_and(|s| s != "http") {
            return Err(format!(
                "{url:?}: only http:// is spoken; put a tunnel or a proxy in between for TLS"
            )
            .into());
        }
        let host = uri.host().ok_or_else(|| format!("{url:?} names no host"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(8086),
            base: uri.path().trim_end_matches('/').to_owned(),
            token,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Asks, and gives the body of the answer.
    pub(super) fn query(&self, db: &str, statement: &str, accept: &str) -> Result<String, Failure> {
        let form = [("db", db), ("q", statement)].map(|(k, v)| format!("{k}={}", encode(v))).join("&");
        let mut request = Request::post(format!("{}/query", self.base))
            .header("Host", format!("{}:{}", self.host, self.port))
            .header("Accept", accept)
            .header("Content-Type", "application/x-www-form-urlencoded");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Token {token}"));
        }
        let (status, _, body) = self.send(request.body(Full::new(Bytes::from(form)))?)?;
        if status == 200 {
            return Ok(body);
        }
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let text =
            parsed["error"].as_str().or_else(|| parsed["message"].as_str()).unwrap_or(&body).to_owned();
        if status == 401 {
            let hint = match self.token {
                Some(_) => "the token is not known there",
                None => {
                    "give a token with --token or WEIR_TOKEN, or the data directory of a local Weir with --data"
                }
            };
            return Err(format!("{text} ({hint})").into());
        }
        Err(format!("{text} (HTTP {status})").into())
    }

    /// The version that the server reports.
    pub(super) fn ping(&self) -> Result<String, Failure> {
        let request = Request::get(format!("{}/ping", self.base))
            .header("Host", format!("{}:{}", self.host, self.port))
            .body(Full::new(Bytes::new()))?;
        let (_, headers, _) = self.send(request)?;
        let get = |name| {
            headers.get(name).and_then(|v: &hyper::header::HeaderValue| v.to_str().ok()).map(str::to_owned)
        };
        Ok(get("x-weir-version")
            .or_else(|| get("x-influxdb-version"))
            .unwrap_or_else(|| "unknown".to_owned()))
    }

    fn send(&self, request: Request<Full<Bytes>>) -> Result<(u16, hyper::HeaderMap, String), Failure> {
        self.runtime.block_on(async {
            let address = (self.host.as_str(), self.port);
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
                .await
                .map_err(|_| format!("{}:{} does not answer", self.host, self.port))?
                .map_err(|e| {
                    format!("cannot reach {}:{}: {e}; is `weir run` running there?", self.host, self.port)
                })?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await?.to_bytes();
            driver.abort();
            Ok((head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned()))
        })
    }
}

/// Percent-encodes a form value.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
