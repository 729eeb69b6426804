//! The listener: sockets, limits, timeouts and an orderly end, for whatever speaks HTTP here.
//!
//! [`Listener::bind`] takes an [`Address`], [`serve`] runs it with a [`Handler`] until its [`Stop`] says so. HTTP/1.0, HTTP/1.1
//! and HTTP/2 with prior knowledge come over the same port. No routes, no dialects: a handler gets a request whose body has
//! a time limit already, and gives back a [`Payload`]. A connection is served by a function over any byte stream, so that TLS
//! is one more stream and nothing else.

mod body;
mod connection;
mod limits;
mod listener;
mod serve;
mod stop;
mod watch;

pub use body::{BodyError, Payload, PayloadAborted, PayloadSender, RequestBody};
pub use connection::{ConnectionInfo, Handler, Peer};
pub use limits::Limits;
pub use listener::{Address, AddressError, BindError, Listener};
pub use serve::serve;
pub use stop::{Stop, Stopper, stop_channel};
