//! What a handler sees of a connection.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;

use http::{Request, Response};

use crate::body::{Payload, RequestBody};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address.
    Tcp(SocketAddr),
    /// Somebody on this machine, by a Unix socket.
    Unix,
}

impl Peer {
    /// Whether it is on this machine.
    #[must_use]
    pub fn is_local(self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// One connection, as long as it lives.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// Its number, never used again in this process.
    pub id: u64,
    /// Who is at the other end.
    pub peer: Peer,
}

/// Answers requests. Requests of one connection come one after the other in HTTP/1 and side by side in HTTP/2.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the client goes away; a payload that is being sent then is dropped too.
    fn handle(
        &self,
        connection: &ConnectionInfo,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Payload>> + Send;
}
