//! Bodies: what requests bring, with limits in time, and what answers carry.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;

use crate::watch::RequestGuard;

/// The body of a request, read piece by piece.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    idle_timeout: Duration,
}

#[derive(Debug)]
enum Source {
    Network(Incoming),
    Memory(Vec<Bytes>),
}

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client sent nothing for too long.
    #[error("the request's body paused for more than {} s", .0.as_secs())]
    Idle(Duration),
    /// The client went away or broke the protocol.
    #[error("client disconnected")]
    Disconnected(#[source] hyper::Error),
}

impl RequestBody {
    pub(crate) fn from_network(incoming: Incoming, idle_timeout: Duration) -> Self {
        Self { source: Source::Network(incoming), idle_timeout }
    }

    /// A body that is there already, in pieces; for callers without a socket.
    #[must_use]
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let mut pieces: Vec<Bytes> = pieces.into_iter().collect();
        pieces.reverse();
        Self { source: Source::Memory(pieces), idle_timeout: Duration::ZERO }
    }

    /// Bytes still to come, when the client said so.
    #[must_use]
    pub fn exact_len(&self) -> Option<u64> {
        match &self.source {
            Source::Network(incoming) => incoming.size_hint().exact(),
            Source::Memory(pieces) => Some(pieces.iter().map(|p| p.len() as u64).sum()),
        }
    }

    /// The next piece, never empty; `None` at the end. Trailers are skipped.
    ///
    /// # Errors
    /// [`BodyError`]; nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let incoming = match &mut self.source {
            Source::Memory(pieces) => {
                while let Some(piece) = pieces.pop() {
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                return Ok(None);
            }
            Source::Network(incoming) => incoming,
        };
        loop {
            // The timer is armed only when no piece is there yet.
            match tokio::time::timeout(self.idle_timeout, incoming.frame()).await {
                Err(_) => return Err(BodyError::Idle(self.idle_timeout)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(BodyError::Disconnected(error)),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads and forgets up to `bytes_max` bytes, for at most a second, before an answer that does not need the body. A client
    /// still sending when the connection closes may never see the answer.
    pub async fn drain(&mut self, bytes_max: u64) {
        if self.exact_len().is_some_and(|len| len == 0 || len > bytes_max) {
            return;
        }
        let mut read = 0_u64;
        let reading = async {
            while read <= bytes_max
                && let Ok(Some(piece)) = self.next().await
            {
                read = read.saturating_add(piece.len() as u64);
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
    }
}

/// The body of an answer.
#[derive(Debug, Default)]
pub enum Payload {
    /// None.
    #[default]
    Empty,
    /// All of it.
    Full(Bytes),
    /// Piece by piece, as the client takes them.
    Stream(mpsc::Receiver<Result<Bytes, PayloadAborted>>),
}

/// Fills a [`Payload::Stream`]. Sending fails once the client has gone.
pub type PayloadSender = mpsc::Sender<Result<Bytes, PayloadAborted>>;

/// The answer cannot be finished; the connection is cut so that the client notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut off")]
pub struct PayloadAborted;

impl Payload {
    /// A stream of which `pieces_max` pieces may wait.
    #[must_use]
    pub fn stream(pieces_max: usize) -> (PayloadSender, Self) {
        let (sender, receiver) = mpsc::channel(pieces_max.max(1));
        (sender, Self::Stream(receiver))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = PayloadAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadAborted>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// A payload on its way; tells the connection's watch when it is through.
pub(crate) struct Outgoing {
    pub(crate) payload: Payload,
    pub(crate) _request: RequestGuard,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = PayloadAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadAborted>>> {
        Pin::new(&mut self.payload).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.payload.size_hint()
    }
}
