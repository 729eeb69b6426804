//! The daemon's side.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use weir_auth::Authority;
use weir_model::Clock;
use weir_netserve::{ConnectionInfo, Handler, Payload, RequestBody};

use super::{Failed, TokenRequest};

/// Bytes of a request body.
const BODY_MAX: usize = 64 << 10;

/// Answers the commands.
pub(crate) struct Control {
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Control {
    async fn answer(&self, request: Request<RequestBody>) -> Result<Response<Payload>, (StatusCode, String)> {
        let (head, mut body) = request.into_parts();
        let path = head.uri.path().trim_start_matches('/');
        match (head.method, path.split_once('/').unwrap_or((path, ""))) {
            (Method::GET, ("tokens", "")) => json(StatusCode::OK, &super::list(&self.authority)),
            (Method::POST, ("tokens", "")) => {
                let mut bytes = Vec::new();
                while let Some(piece) =
                    body.next().await.map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))?
                {
                    bytes.extend_from_slice(&piece);
                    if bytes.len() > BODY_MAX {
                        return Err((StatusCode::PAYLOAD_TOO_LARGE, "the request is too large".to_owned()));
                    }
                }
                let wanted: TokenRequest =
                    serde_json::from_slice(&bytes).map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))?;
                let (authority, now) = (self.authority.clone(), self.clock.now());
                let made = tokio::task::spawn_blocking(move || super::create(&authority, &wanted, now)).await;
                match made {
                    Ok(Ok(made)) => json(StatusCode::OK, &made),
                    Ok(Err(why)) => Err((StatusCode::BAD_REQUEST, why)),
                    Err(why) => Err((StatusCode::INTERNAL_SERVER_ERROR, why.to_string())),
                }
            }
            (Method::DELETE, ("tokens", id)) if !id.is_empty() => {
                let (authority, id) = (self.authority.clone(), id.to_owned());
                match tokio::task::spawn_blocking(move || authority.revoke(&id)).await {
                    Ok(Ok(())) => json(StatusCode::OK, &()),
                    Ok(Err(why)) => Err((StatusCode::BAD_REQUEST, why.to_string())),
                    Err(why) => Err((StatusCode::INTERNAL_SERVER_ERROR, why.to_string())),
                }
            }
            _ => {
                Err((StatusCode::NOT_FOUND, "no such command; are both programs of one version?".to_owned()))
            }
        }
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Payload>, (StatusCode, String)> {
    let bytes = serde_json::to_vec(value).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    let mut response = Response::new(Payload::from(Bytes::from(bytes)));
    *response.status_mut() = status;
    Ok(response)
}

impl Handler for Control {
    async fn handle(&self, _connection: &ConnectionInfo, request: Request<RequestBody>) -> Response<Payload> {
        match self.answer(request).await {
            Ok(response) => response,
            Err((status, error)) => json(status, &Failed { error }).unwrap_or_else(|(status, _)| {
                let mut response = Response::new(Payload::Empty);
                *response.status_mut() = status;
                response
            }),
        }
    }
}
