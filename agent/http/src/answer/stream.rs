//! Bytes of an answer on their way to the client.
//!
//! An answer that is complete within the first piece goes out whole, with its length. A longer one is written piece by piece by a
//! task that waits for the client; when the client goes, the query is cancelled.

use std::future::poll_fn;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use weir_netserve::{Payload, PayloadAborted, PayloadSender};
use weir_query::{Piece, ResultStream, Rows};

use super::shape::Shaper;

/// Bytes of a piece: large enough for the network, small enough to keep in cache and to be in many.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may wait for the client.
const PIECES_WAITING: usize = 2;

/// An answer that has to be complete before it can be sent, and is too long for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Writes one answer.
pub(crate) struct AnswerWriter {
    results: Option<ResultStream>,
    shaper: Shaper,
    /// Rows not yet written, and the next of them.
    rest: Option<(Rows, usize)>,
    out: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Most bytes of a document that cannot be streamed.
    document_bytes_max: usize,
}

impl AnswerWriter {
    pub(crate) fn new(results: ResultStream, shaper: Shaper, gzip: bool, document_bytes_max: usize) -> Self {
        // The fastest level: the saving of the next ones is small, their cost is not.
        let gzip = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        let results = Some(results);
        Self { results, shaper, rest: None, out: Vec::with_capacity(4096), gzip, document_bytes_max }
    }

    /// The answer's payload: complete, or a stream with its first piece ready. `done` is called when all is written.
    ///
    /// # Errors
    /// [`TooLong`].
    pub(crate) async fn payload(mut self, done: impl FnOnce() + Send + 'static) -> Result<Payload, TooLong> {
        let (first, is_last) = self.next_piece().await?;
        if is_last {
            done();
            return Ok(Payload::from(first));
        }
        let (sender, payload) = Payload::stream(PIECES_WAITING);
        tokio::spawn(async move {
            self.pump(first, sender).await;
            done();
        });
        Ok(payload)
    }

    async fn pump(mut self, first: Bytes, sender: PayloadSender) {
        // The compressor may keep what it got for now.
        if !first.is_empty() && sender.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            let next = tokio::select! {
                biased;
                // Nobody reads any more: dropping the results cancels the query.
                () = sender.closed() => return,
                next = self.next_piece() => next,
            };
            match next {
                Ok((piece, is_last)) => {
                    if !piece.is_empty() && sender.send(Ok(piece)).await.is_err() {
                        return;
                    }
                    if is_last {
                        return;
                    }
                }
                Err(TooLong) => {
                    let _ = sender.send(Err(PayloadAborted)).await;
                    return;
                }
            }
        }
    }

    /// Reads the whole answer and forgets it.
    pub(crate) async fn discard(mut self) {
        if let Some(results) = &mut self.results {
            while let Some(piece) = poll_fn(|context| results.poll_recv(context)).await {
                if let Piece::Error(text) = piece {
                    tracing::info!(error = %text, "statement of an asynchronous query failed");
                }
            }
        }
    }

    /// The next piece, and whether it is the last. Cancel-safe as far as the answer is given up afterwards.
    async fn next_piece(&mut self) -> Result<(Bytes, bool), TooLong> {
        loop {
            if let Some((rows, next)) = self.rest.take() {
                let after = self.shaper.rows(&rows, next, PIECE_BYTES, &mut self.out);
                if after < rows.len {
                    self.rest = Some((rows, after));
                }
            } else {
                match self.receive().await {
                    Some(Piece::Rows(rows)) => self.rest = Some((rows, 0)),
                    Some(piece) => self.shaper.push(piece, &mut self.out),
                    None => {
                        self.shaper.finish(&mut self.out);
                        return Ok((self.take(true), true));
                    }
                }
            }
            if self.out.len() >= PIECE_BYTES {
                if self.shaper.can_flush() {
                    return Ok((self.take(false), false));
                }
                if self.out.len() > self.document_bytes_max {
                    return Err(TooLong);
                }
            }
        }
    }

    async fn receive(&mut self) -> Option<Piece> {
        if self.shaper.is_full() {
            self.results = None;
        }
        let results = self.results.as_mut()?;
        let piece = poll_fn(|context| results.poll_recv(context)).await;
        if piece.is_none() {
            self.results = None;
        }
        piece
    }

    fn take(&mut self, is_last: bool) -> Bytes {
        let Some(gzip) = &mut self.gzip else {
            let capacity = if is_last { 0 } else { PIECE_BYTES + 4096 };
            return Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(capacity)));
        };
        // Writing into memory does not fail.
        let _ = gzip.write_all(&self.out);
        self.out.clear();
        if is_last {
            let _ = gzip.try_finish();
        }
        Bytes::from(std::mem::take(gzip.get_mut()))
    }
}
