//! Times of one connection: how long a head takes, how long it idles, how long a client takes nothing.
//!
//! The byte stream and the request handling leave marks in a [`Watch`]; the connection's task sleeps until the
//! earliest moment at which one of them can be too old, looks, and sleeps again. There is one timer for a connection, and
//! a busy connection pays two clock reads for a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::Limits;

/// No mark.
const NEVER: u64 = 0;

/// Marks of one connection; times are milliseconds since `started`, plus one.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    head_timeout: u64,
    idle_timeout: u64,
    write_timeout: u64,
    /// Requests whose answer is not through yet.
    requests: AtomicU32,
    /// When the first byte came after which no request has begun.
    head_since: AtomicU64,
    /// When the last answer was through, or the connection began.
    idle_since: AtomicU64,
    /// Since when the client has taken nothing.
    blocked_since: AtomicU64,
    /// In HTTP/2 bytes come between requests too (pings, windows).
    is_http2: AtomicBool,
}

/// What the marks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well; look again after this long.
    Wait(Duration),
    /// Nothing has happened for long.
    Idle,
    /// A head does not come to its end.
    SlowHead,
    /// The client takes nothing.
    Stuck,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX).max(1);
        Self {
            started: Instant::now(),
            head_timeout: ms(limits.head_timeout),
            idle_timeout: ms(limits.idle_timeout),
            write_timeout: ms(limits.write_timeout),
            requests: AtomicU32::new(0),
            head_since: AtomicU64::new(NEVER),
            idle_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(NEVER),
            is_http2: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    pub(crate) fn judge(&self) -> Verdict {
        self.judge_at(self.now())
    }

    fn judge_at(&self, now: u64) -> Verdict {
        let mut wait = self.idle_timeout.min(self.head_timeout).min(self.write_timeout);
        let mut late = |since: u64, limit: u64| {
            let age = now.saturating_sub(since);
            if age < limit {
                wait = wait.min(limit - age);
            }
            age >= limit
        };
        let blocked = self.blocked_since.load(Ordering::Relaxed);
        if blocked != NEVER && late(blocked, self.write_timeout) {
            return Verdict::Stuck;
        }
        if self.requests.load(Ordering::Relaxed) == 0 {
            let head = self.head_since.load(Ordering::Relaxed);
            if head != NEVER && !self.is_http2.load(Ordering::Relaxed) && late(head, self.head_timeout) {
                return Verdict::SlowHead;
            }
            if late(self.idle_since.load(Ordering::Relaxed), self.idle_timeout) {
                return Verdict::Idle;
            }
        }
        Verdict::Wait(Duration::from_millis(wait))
    }

    /// A request's head is complete.
    pub(crate) fn begin_request(self: &Arc<Self>, is_http2: bool) -> RequestGuard {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
        if is_http2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        RequestGuard(Arc::clone(self))
    }

    fn bytes_came(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == NEVER {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }
}

/// Stands for a request until its answer is through.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Watch>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A byte stream that leaves marks.
pub(crate) struct Watched<S> {
    pub(crate) stream: S,
    pub(crate) watch: Arc<Watch>,
}

impl<S> Watched<S> {
    fn mark_write<T>(&self, outcome: &Poll<io::Result<T>>) {
        let blocked = &self.watch.blocked_since;
        let marked = blocked.load(Ordering::Relaxed) != NEVER;
        match outcome {
            Poll::Pending if !marked => blocked.store(self.watch.now(), Ordering::Relaxed),
            Poll::Ready(_) if marked => blocked.store(NEVER, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watch.bytes_came();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.mark_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.mark_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<Watch> {
        let second = Duration::from_secs(1);
        Arc::new(Watch::new(&Limits {
            head_timeout: second,
            idle_timeout: second * 10,
            write_timeout: second * 5,
            ..Limits::default()
        }))
    }

    #[test]
    fn an_idle_connection_is_told_so_and_a_working_one_is_not() {
        let w = watch();
        assert_eq!(w.judge_at(1), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(w.judge_at(10_001), Verdict::Idle);
        let request = w.begin_request(false);
        assert_eq!(w.judge_at(1_000_000), Verdict::Wait(Duration::from_secs(1)));
        drop(request);
        assert_ne!(w.judge_at(5_000), Verdict::Idle);
    }

    #[test]
    fn a_head_that_never_ends_is_cut_off_but_not_in_http2() {
        let w = watch();
        w.bytes_came();
        assert!(matches!(w.judge_at(900), Verdict::Wait(_)));
        assert_eq!(w.judge_at(2_000), Verdict::SlowHead);
        drop(w.begin_request(false));
        assert!(matches!(w.judge_at(2_000), Verdict::Wait(_)), "the head came to its end");
        drop(w.begin_request(true));
        w.bytes_came();
        assert!(matches!(w.judge_at(2_000), Verdict::Wait(_)));
    }

    #[test]
    fn a_client_that_takes_nothing_is_stuck() {
        let w = watch();
        let _request = w.begin_request(false);
        w.blocked_since.store(1, Ordering::Relaxed);
        assert!(matches!(w.judge_at(4_000), Verdict::Wait(_)));
        assert_eq!(w.judge_at(6_000), Verdict::Stuck);
    }
}
