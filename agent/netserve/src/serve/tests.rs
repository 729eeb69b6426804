//! A listener and its clients, over real sockets.

use super::*;
use crate::body::{BodyError, Payload};
use crate::stop::{Stopper, stop_channel};

use http::Response;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// `/echo` gives the body back, `/slow` waits for `go`, `/stream` never ends.
#[derive(Default)]
struct Echo {
    go: Notify,
    entered: Notify,
    stream_cancelled: Notify,
    request_dropped: Notify,
}

/// Tells when the future that holds it goes.
struct Tell<'a>(&'a Notify);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Handler for Arc<Echo> {
    async fn handle(&self, _: &ConnectionInfo, request: Request<RequestBody>) -> Response<Payload> {
        let (head, mut body) = request.into_parts();
        match head.uri.path() {
            "/slow" => {
                let _tell = Tell(&self.request_dropped);
                self.entered.notify_one();
                self.go.notified().await;
                Response::new(Bytes::from_static(b"done").into())
            }
            "/stream" => {
                let (sender, payload) = Payload::stream(1);
                let state = Arc::clone(self);
                tokio::spawn(async move {
                    while sender.send(Ok(Bytes::from_static(&[b'x'; 1024]))).await.is_ok() {}
                    state.stream_cancelled.notify_one();
                });
                Response::new(payload)
            }
            _ => {
                let mut all = Vec::new();
                loop {
                    match body.next().await {
                        Ok(Some(piece)) => all.extend_from_slice(&piece),
                        Ok(None) => return Response::new(Bytes::from(all).into()),
                        Err(BodyError::Idle(_)) => return Response::new(Bytes::from_static(b"idle").into()),
                        Err(BodyError::Disconnected(_)) => return Response::default(),
                    }
                }
            }
        }
    }
}

struct Running {
    address: std::net::SocketAddr,
    echo: Arc<Echo>,
    stopper: Stopper,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.tcp_address().unwrap();
    let echo = Arc::new(Echo::default());
    let (stopper, stop) = stop_channel();
    let task = tokio::spawn(serve(listener, Arc::new(Arc::clone(&echo)), limits, stop));
    Running { address, echo, stopper, task }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_and_stop_closes_it() {
    let running = start(Limits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for word in ["one", "two"] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{word}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, word).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nDate: "), "{answer}");
    }
    running.stopper.stop(Duration::from_secs(5));
    assert_eq!(read_all(&mut stream).await, "");
    running.task.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_running_request_finishes_before_the_deadline() {
    let running = start(Limits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    running.echo.entered.notified().await;
    running.stopper.stop(Duration::from_secs(20));
    running.echo.go.notify_one();
    assert!(read_all(&mut stream).await.ends_with("done"));
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_request_that_runs_on_is_cut_off_at_the_deadline() {
    let running = start(Limits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    running.echo.entered.notified().await;
    running.stopper.stop(SOON);
    assert_eq!(read_all(&mut stream).await, "");
    running.task.await.unwrap();
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let running = start(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    running.echo.entered.notified().await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_all(&mut second).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let limits = Limits { head_timeout: SOON, idle_timeout: SOON * 2, ..Limits::default() };
    let running = start(limits).await;
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET /echo HT").await.unwrap();
    assert_eq!(read_all(&mut slow).await, "");
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_all(&mut idle).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_body_that_pauses_is_reported_to_the_handler() {
    let running = start(Limits { body_idle_timeout: SOON, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    assert!(read_until(&mut stream, "idle").await.ends_with("idle"));
}

#[tokio::test]
async fn a_stream_ends_when_the_client_goes_and_a_stuck_client_is_cut_off() {
    let running = start(Limits { write_timeout: SOON, ..Limits::default() }).await;
    let mut gone = TcpStream::connect(running.address).await.unwrap();
    gone.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut gone, "xxxx").await;
    drop(gone);
    running.echo.stream_cancelled.notified().await;
    let mut stuck = TcpStream::connect(running.address).await.unwrap();
    stuck.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    running.echo.stream_cancelled.notified().await;
}

#[tokio::test]
async fn a_request_is_dropped_when_its_client_goes() {
    let running = start(Limits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    running.echo.entered.notified().await;
    drop(stream);
    running.echo.request_dropped.notified().await;
}

#[tokio::test]
async fn large_heads_are_refused() {
    let running = start(Limits { head_bytes_max: 8192, headers_max: 10, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(10_000));
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 414 ") || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn garbage_gets_an_error_or_a_closed_connection() {
    let running = start(Limits { head_timeout: SOON, ..Limits::default() }).await;
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\r\n\r\n\0\0"]
    {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let _ = read_all(&mut stream).await;
    }
    running.stopper.stop(SOON);
    running.task.await.unwrap();
}
