//! The API as clients see it, against a store in memory.

mod query;
mod routes;
mod store;
mod write;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use weir_auth::{Authority, Grant, NewToken, RecordStore, RecordStoreError, Scope, Secret};
use weir_model::{Clock, TimestampNs};
use weir_netserve::{ConnectionInfo, Payload, Peer, RequestBody};
use weir_query::{Engine, EngineOptions};

use crate::{Api, Dialect, Health, HttpOptions, Program, Shared, SharedOptions};
use store::MemoryStore;

/// 2023-11-14T22:13:20.123456789Z.
pub(crate) const NOW: i64 = 1_700_000_000_123_456_789;
pub(crate) const TOKEN: &str = "weir_operator0123456789";
pub(crate) const READER: &str = "weir_reader0123456789";
pub(crate) const WRITER: &str = "weir_writer0123456789";

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> TimestampNs {
        TimestampNs(NOW)
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
}

struct NoRecords;

impl RecordStore for NoRecords {
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError> {
        Ok(Vec::new())
    }
    fn put(&self, _: &str, _: &[u8]) -> Result<(), RecordStoreError> {
        Ok(())
    }
    fn delete(&self, _: &str) -> Result<(), RecordStoreError> {
        Ok(())
    }
}

struct AllIsWell;

impl Program for AllIsWell {
    fn health(&self) -> Health {
        Health::well()
    }
    fn is_ready(&self) -> bool {
        true
    }
    fn started(&self) -> TimestampNs {
        TimestampNs(NOW - 3_661_000_000_000)
    }
    fn metrics(&self) -> String {
        "a{db=\"x\"} 1\nb 2\n".to_owned()
    }
    fn compact(&self) -> Option<Pin<Box<dyn Future<Output = Result<(), String>> + Send>>> {
        Some(Box::pin(async { Ok(()) }))
    }
}

/// A server without a socket.
pub(crate) struct Server {
    pub(crate) store: MemoryStore,
    api: Api<MemoryStore>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("not text"))
    }

    /// A key of a JSON body.
    pub(crate) fn json(&self, key: &str) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        match &value[key] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Server {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self::with(dialect, |_| {})
    }

    /// Without authentication, with database `d`, after `change` to the options.
    pub(crate) fn with(dialect: Dialect, change: impl FnOnce(&mut HttpOptions)) -> Self {
        Self::with_shared(dialect, SharedOptions::default(), change)
    }

    pub(crate) fn with_shared(
        dialect: Dialect,
        shared: SharedOptions,
        change: impl FnOnce(&mut HttpOptions),
    ) -> Self {
        let store = MemoryStore::new();
        let clock: Arc<dyn Clock> = Arc::new(Stopped);
        let authority = Authority::open(Box::new(NoRecords)).unwrap();
        let token = |name: &str, secret, database: &str, read, write, is_admin| NewToken {
            name: name.to_owned(),
            grants: vec![Grant { database: Scope::from(database.to_owned()), read, write }],
            is_admin,
            expires: None,
            secret: Some(Secret::given(secret).unwrap()),
        };
        for new in [
            token("operator", TOKEN, "*", true, true, true),
            token("reader", READER, "d", true, false, false),
            token("writer", WRITER, "d", false, true, false),
        ] {
            authority.create(new, TimestampNs(0)).unwrap();
        }
        let engine = Engine::new(store.source(), store.admin(), Arc::clone(&clock), EngineOptions::default());
        let shared = Shared::new(
            store.clone(),
            Arc::new(engine),
            Arc::new(authority),
            Arc::new(AllIsWell),
            clock,
            shared,
        );
        let mut options = HttpOptions::new(dialect);
        options.auth_enabled = false;
        options.store_id = "store-1".to_owned();
        change(&mut options);
        Self { store, api: Api::new(shared, options) }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send_pieces(method, uri, headers, vec![body.into()]).await
    }

    pub(crate) async fn send_pieces(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        pieces: Vec<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let request = request.body(RequestBody::from_pieces(pieces)).unwrap();
        let connection = ConnectionInfo { id: 1, peer: Peer::Unix };
        let response = self.api.answer(&connection, request).await;
        let (head, payload) = response.into_parts();
        let body = match payload {
            Payload::Empty => Vec::new(),
            Payload::Full(bytes) => bytes.to_vec(),
            Payload::Stream(mut pieces) => {
                let mut all = Vec::new();
                while let Some(piece) = pieces.recv().await {
                    all.extend_from_slice(&piece.expect("the answer is complete"));
                }
                all
            }
        };
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send("GET", uri, &[], "").await
    }

    pub(crate) async fn write(&self, uri: &str, body: &'static str) -> Answer {
        self.send("POST", uri, &[], body).await
    }
}
