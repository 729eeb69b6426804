//! The queue between a query's thread and whoever writes its answer.
//!
//! The query thread waits when more than 512 KiB are under way. The reader either blocks ([`ResultStream::recv`]) or
//! polls from a task ([`ResultStream::poll_recv`], which needs no particular runtime). Dropping the stream cancels the query.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use weir_model::read::{ReadContext, ReadError};

use crate::result::Piece;

/// Bytes that may wait for the reader: enough for one batch being written and one being made.
const QUEUE_BYTES: usize = 512 * 1024;
/// Bytes gathered before they are handed over.
const GATHER_BYTES: usize = 32 * 1024;

#[derive(Default)]
struct State {
    pieces: VecDeque<(usize, Piece)>,
    bytes: usize,
    /// The sender is gone: nothing follows.
    done: bool,
    /// The reader is gone: nothing is wanted.
    closed: bool,
    waker: Option<Waker>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when pieces arrive or leave, and when either side goes.
    changed: Condvar,
    context: Arc<ReadContext>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the change of `state` and tells the reader.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The pieces of a running query, in order.
pub struct ResultStream {
    shared: Arc<Shared>,
}

/// The query's end of the queue.
///
/// Small pieces are gathered before they are handed over, since each hand-over may wake the reader: an answer of thousands of
/// series with a row each is as cheap as one series of thousands of rows.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    gathered: RefCell<(usize, Vec<(usize, Piece)>)>,
}

/// A queue for one query; `context` is cancelled when the reader goes.
pub(crate) fn queue(context: Arc<ReadContext>) -> (Sender, ResultStream) {
    let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), context });
    (Sender { shared: Arc::clone(&shared), gathered: RefCell::default() }, ResultStream { shared })
}

impl Sender {
    /// Hands over one piece, waiting while the queue is full.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`] when the reader has gone or the query was cancelled while waiting.
    pub(crate) fn send(&self, piece: Piece) -> Result<(), ReadError> {
        if self.gather(piece) < GATHER_BYTES {
            return Ok(());
        }
        let mut state = self.shared.lock();
        while state.bytes >= QUEUE_BYTES && !state.closed {
            if self.shared.context.is_cancelled() {
                return Err(ReadError::Cancelled);
            }
            // A timeout or KILL sets a flag without a signal, so look at it now and then.
            let wait = std::time::Duration::from_millis(50);
            state = self.shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(ReadError::Cancelled);
        }
        self.hand_over(state);
        Ok(())
    }

    /// Hands over a piece, and all before it, whatever is waiting already: for the few that begin and end a statement.
    pub(crate) fn send_always(&self, piece: Piece) {
        self.gather(piece);
        self.hand_over(self.shared.lock());
    }

    /// Adds a piece to those gathered; how many bytes they are.
    fn gather(&self, piece: Piece) -> usize {
        let bytes = if let Piece::Rows(rows) = &piece { rows.bytes() } else { 128 };
        let mut gathered = self.gathered.borrow_mut();
        gathered.0 += bytes;
        gathered.1.push((bytes, piece));
        gathered.0
    }

    fn hand_over(&self, mut state: MutexGuard<'_, State>) {
        let (bytes, pieces) = std::mem::take(&mut *self.gathered.borrow_mut());
        if !state.closed {
            state.bytes += bytes;
            state.pieces.extend(pieces);
        }
        self.shared.wake(state);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.hand_over(self.shared.lock());
        let mut state = self.shared.lock();
        state.done = true;
        self.shared.wake(state);
    }
}

impl ResultStream {
    /// Waits for the next piece; `None` after the last. Not for async code: see [`poll_recv`](Self::poll_recv).
    pub fn recv(&mut self) -> Option<Piece> {
        let mut state = self.shared.lock();
        loop {
            if let Some((bytes, piece)) = state.pieces.pop_front() {
                state.bytes -= bytes;
                drop(state);
                self.shared.changed.notify_all();
                return Some(piece);
            }
            if state.done {
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next piece if there is one, `None` after the last; else wakes the task when one arrives. Never blocks. Use it as
    /// `std::future::poll_fn(|cx| stream.poll_recv(cx)).await`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let mut state = self.shared.lock();
        if let Some((bytes, piece)) = state.pieces.pop_front() {
            state.bytes -= bytes;
            drop(state);
            self.shared.changed.notify_all();
            return Poll::Ready(Some(piece));
        }
        if state.done {
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            slot => *slot = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Asks the query to stop soon, as dropping does; an error piece `query interrupted` may still arrive.
    pub fn cancel(&self) {
        self.shared.context.cancel();
    }
}

impl Drop for ResultStream {
    fn drop(&mut self) {
        self.shared.context.cancel();
        let mut state = self.shared.lock();
        state.closed = true;
        state.pieces.clear();
        state.bytes = 0;
        drop(state);
        self.shared.changed.notify_all();
    }
}
