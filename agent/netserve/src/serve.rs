//! Accepting and serving connections.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use metrics::{counter, gauge};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::body::{Outgoing, RequestBody};
use crate::connection::{ConnectionInfo, Handler, Peer};
use crate::limits::Limits;
use crate::listener::{Accepted, Listener};
use crate::stop::Stop;
use crate::watch::{Verdict, Watch, Watched};

/// How long an idle connection that was asked to close may take.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Pause after the system refused to give a connection (out of files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Serves connections until `stop`, then waits for the running requests as long as that allows. Socket and socket file are gone
/// when this returns.
pub async fn serve<H: Handler>(listener: Listener, handler: Arc<H>, limits: Limits, mut stop: Stop) {
    let name = listener.address().to_string();
    let limits = Arc::new(limits);
    let builder = Arc::new(builder(&limits));
    let places = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(limits.refusals_max));
    // Connections hold the sender; when all are gone, receiving ends.
    let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
    let (closing, close) = watch::channel(Closing::No);
    let deadline = loop {
        let accepted = tokio::select! {
            deadline = stop.requested() => break deadline,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                on_accept_error(&name, &error).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            counter!("weir_http_connections_refused_total").increment(1);
            if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                let refusal = limits.refusal.clone();
                match stream {
                    Accepted::Tcp(stream) => tokio::spawn(refuse(stream, refusal, permit)),
                    Accepted::Unix(stream) => tokio::spawn(refuse(stream, refusal, permit)),
                };
            }
            continue;
        };
        counter!("weir_http_connections_accepted_total").increment(1);
        let task = ConnectionTask {
            info: ConnectionInfo { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), peer },
            handler: Arc::clone(&handler),
            limits: Arc::clone(&limits),
            builder: Arc::clone(&builder),
            close: close.clone(),
            _place: place,
            _alive: alive.clone(),
        };
        match stream {
            Accepted::Tcp(stream) => tokio::spawn(task.run(stream)),
            Accepted::Unix(stream) => tokio::spawn(task.run(stream)),
        };
    };
    drop(listener);
    drop(alive);
    closing.send_replace(Closing::Politely);
    if timeout(deadline, all_gone.recv()).await.is_err() {
        let left = limits.connections_max.saturating_sub(places.available_permits());
        tracing::warn!(listener = name, connections = left, "cutting off connections at the deadline");
        closing.send_replace(Closing::Now);
        let _ = timeout(CLOSE_GRACE, all_gone.recv()).await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    Politely,
    Now,
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head_bytes_max = limits.head_bytes_max.max(8192);
    builder
        .http1()
        .timer(TokioTimer::new())
        // The watch does this, and tells a slow head from an idle connection.
        .header_read_timeout(None)
        .keep_alive(limits.keep_alive)
        // As servers in Go spell them; scripts that search an answer for a header by its case find it.
        .title_case_headers(true)
        .max_headers(limits.headers_max)
        .max_buf_size(head_bytes_max)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Some(limits.idle_timeout / 2))
        .keep_alive_timeout(limits.head_timeout);
    builder
}

async fn on_accept_error(listener: &str, error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // The client's affair, gone before it was accepted.
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    counter!("weir_http_accept_errors_total").increment(1);
    tracing::warn!(listener, %error, "cannot accept a connection; trying again");
    sleep(ACCEPT_PAUSE).await;
}

/// Answers a connection that is one too many, and lets the client read that before closing.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: Bytes,
    permit: OwnedSemaphorePermit,
) {
    let _ = timeout(Duration::from_secs(1), async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut sink = [0_u8; 4096];
        while stream.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
    drop(permit);
}

struct ConnectionTask<H> {
    info: ConnectionInfo,
    handler: Arc<H>,
    limits: Arc<Limits>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    close: watch::Receiver<Closing>,
    _place: OwnedSemaphorePermit,
    _alive: mpsc::Sender<Infallible>,
}

impl<H: Handler> ConnectionTask<H> {
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: S) {
        let _open = GaugeGuard::new();
        let peer = self.info.peer;
        let watch = Arc::new(Watch::new(&self.limits));
        let io = TokioIo::new(Watched { stream, watch: Arc::clone(&watch) });
        let service = service_fn(|request: Request<Incoming>| {
            let guard = watch.begin_request(request.version() == Version::HTTP_2);
            let handler = Arc::clone(&self.handler);
            let info = self.info;
            let request = request.map(|body| RequestBody::from_network(body, self.limits.body_idle_timeout));
            async move {
                let response = handler.handle(&info, request).await;
                Ok::<_, Infallible>(response.map(|payload| Outgoing { payload, _request: guard }))
            }
        });
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut timer = pin!(sleep(Duration::ZERO));
        let mut asked_to_close = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, error = %Chain(&*error), "connection ended early");
                    }
                    return;
                }
                changed = self.close.changed() => {
                    let wish = *self.close.borrow_and_update();
                    if changed.is_err() || wish == Closing::Now {
                        return;
                    }
                    if wish == Closing::Politely {
                        connection.as_mut().graceful_shutdown();
                    }
                }
                () = timer.as_mut() => match watch.judge() {
                    Verdict::Wait(pause) => timer.as_mut().reset(Instant::now() + pause),
                    Verdict::Idle if !asked_to_close => {
                        asked_to_close = true;
                        connection.as_mut().graceful_shutdown();
                        timer.set(sleep_until(Instant::now() + CLOSE_GRACE));
                    }
                    verdict => {
                        note_timeout(verdict, peer);
                        return;
                    }
                }
            }
        }
    }
}

fn note_timeout(verdict: Verdict, peer: Peer) {
    let reason = match verdict {
        Verdict::SlowHead => "head",
        Verdict::Stuck => "write",
        Verdict::Idle | Verdict::Wait(_) => "idle",
    };
    counter!("weir_http_connection_timeouts_total", "reason" => reason).increment(1);
    tracing::debug!(%peer, reason, "connection cut off");
}

struct GaugeGuard;

impl GaugeGuard {
    fn new() -> Self {
        gauge!("weir_http_connections").increment(1);
        Self
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        gauge!("weir_http_connections").decrement(1);
    }
}

/// An error with all its causes, in one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self.0, f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
