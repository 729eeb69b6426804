//! The command's side.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::Failed;

type Failure = Box<dyn std::error::Error>;

/// Calls the daemon of a data directory. `Ok(None)`: none is running there.
pub(crate) fn call<T: DeserializeOwned>(
    data: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<Option<T>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Ok(stream) = UnixStream::connect(super::socket(data)).await else { return Ok(None) };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let body = Bytes::from(serde_json::to_vec(body)?);
        let request =
            Request::builder().method(method).uri(path).header("Host", "weir").body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        driver.abort();
        if status.is_success() {
            return Ok(Some(serde_json::from_slice(&bytes)?));
        }
        let failed: Failed = serde_json::from_slice(&bytes)?;
        Err(failed.error.into())
    })
}
