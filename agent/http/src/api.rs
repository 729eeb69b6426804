//! The API on one listener: from a request to its answer.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_auth::{Authority, Identity};
use weir_model::Clock;
use weir_netserve::{ConnectionInfo, Handler, Payload, RequestBody};
use weir_pipeline::Ingest;
use weir_query::Engine;

use crate::access::Access;
use crate::dialect::Rules;
use crate::error::{ApiError, ErrorStyle, render};
use crate::format::Format;
use crate::headers::{CommonHeaders, RequestIds};
use crate::options::{HttpOptions, SharedOptions};
use crate::params::{pairs, redacted};
use crate::route::{Endpoint, RequestMetrics};
use crate::status::{self, Program, no_content};
use crate::write::WriterPool;
use crate::{query, write};

/// Bytes of a body that are read and forgotten so that a refused client sees the answer.
const DRAIN_BYTES_MAX: u64 = 1024 * 1024;

/// What all listeners share: the store, the engine, the limits. Make it once, after the metrics recorder is installed.
pub struct Shared<I: Ingest> {
    pool: WriterPool<I>,
    engine: Arc<Engine>,
    authority: Arc<Authority>,
    program: Arc<dyn Program>,
    clock: Arc<dyn Clock>,
    options: SharedOptions,
    writes: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    metrics: RequestMetrics,
    ids: RequestIds,
}

impl<I: Ingest> Shared<I> {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        ingest: I,
        engine: Arc<Engine>,
        authority: Arc<Authority>,
        program: Arc<dyn Program>,
        clock: Arc<dyn Clock>,
        options: SharedOptions,
    ) -> Arc<Self> {
        let permits = |max: usize| {
            let max = if max == 0 { Semaphore::MAX_PERMITS } else { max };
            Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)))
        };
        Arc::new(Self {
            pool: WriterPool::new(ingest, options.writers_kept),
            engine,
            authority,
            program,
            clock,
            writes: permits(options.writes_in_flight_max),
            queries: permits(options.queries_in_flight_max),
            options,
            metrics: RequestMetrics::default(),
            ids: RequestIds::new(),
        })
    }

    pub(crate) fn pool(&self) -> &WriterPool<I> {
        &self.pool
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn program(&self) -> &dyn Program {
        &*self.program
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn write_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.permit(&self.writes)
    }

    pub(crate) fn query_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.permit(&self.queries)
    }

    fn permit(&self, permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
        let overloaded = "this service is overloaded, please try again later";
        Arc::clone(permits).try_acquire_owned().map_err(|_| self.busy(overloaded))
    }

    /// Counts bytes of a body.
    pub(crate) fn received(&self, bytes: u64) {
        self.metrics.received(bytes);
    }

    /// 503: later it may work.
    pub(crate) fn busy(&self, text: &'static str) -> ApiError {
        ApiError::unavailable(text, self.options.retry_after)
    }

    /// Notes how long a request took that began at `started`.
    pub(crate) fn took(&self, endpoint: Endpoint, started: u64) {
        self.metrics.took(endpoint, self.clock.monotonic_ns().saturating_sub(started));
    }
}

/// The API on one listener.
pub struct Api<I: Ingest> {
    shared: Arc<Shared<I>>,
    options: HttpOptions,
    rules: &'static Rules,
    access: Access,
    headers: CommonHeaders,
}

impl<I: Ingest> Api<I> {
    /// The API with these options.
    #[must_use]
    pub fn new(shared: Arc<Shared<I>>, options: HttpOptions) -> Self {
        let rules = options.dialect.rules();
        let authority = options.auth_enabled.then(|| Arc::clone(&shared.authority));
        let headers = CommonHeaders::new(&options, rules);
        Self { shared, rules, access: Access::new(authority), headers, options }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<I>> {
        &self.shared
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.options
    }

    pub(crate) fn rules(&self) -> &'static Rules {
        self.rules
    }

    pub(crate) fn identify(
        &self,
        headers: &HeaderMap,
        user: Option<&str>,
        password: Option<&str>,
    ) -> Result<Arc<Identity>, ApiError> {
        self.access.identify(self.rules, headers, user, password, self.shared.clock())
    }

    /// The format for answers to a request with these headers.
    pub(crate) fn format(&self, headers: &HeaderMap) -> Format {
        match Format::negotiate(headers) {
            Format::MessagePack if !self.options.msgpack => Format::Json,
            format => format,
        }
    }

    /// Answers one request.
    pub async fn answer(
        &self,
        connection: &ConnectionInfo,
        request: Request<RequestBody>,
    ) -> Response<Payload> {
        let started = self.shared.clock.monotonic_ns();
        let _in_flight = self.shared.metrics.enter();
        let (parts, mut body) = request.into_parts();
        let id = self.shared.ids.of(&parts.headers, self.shared.clock());
        let endpoint = Endpoint::at(parts.uri.path());
        let dispatched = catch_panic(self.dispatch(endpoint, connection, &parts, &mut body, started)).await;
        let outcome = dispatched.unwrap_or_else(|panic| Err(self.on_panic(&id, &*panic)));
        let is_ok = outcome.is_ok();
        let mut response = match outcome {
            Ok(response) => response,
            Err(error) => {
                log_error(connection, &parts, &id, &error);
                body.drain(DRAIN_BYTES_MAX).await;
                render(&error, &self.error_style(endpoint, &parts))
            }
        };
        self.shared.metrics.count(endpoint, response.status());
        // A query that is answered notes its own time, when all is written.
        if endpoint != Endpoint::Query || !is_ok {
            self.shared.took(endpoint, started);
        }
        self.headers.add(response.headers_mut(), &parts.headers, id);
        response
    }

    async fn dispatch(
        &self,
        endpoint: Endpoint,
        connection: &ConnectionInfo,
        parts: &Parts,
        body: &mut RequestBody,
        started: u64,
    ) -> Result<Response<Payload>, ApiError> {
        if endpoint == Endpoint::Unknown {
            return Err(ApiError::no_route());
        }
        if !endpoint.allows(&parts.method) {
            return Err(ApiError::wrong_method(endpoint.allow()));
        }
        if parts.method == Method::OPTIONS {
            let mut response = Response::new(Payload::Empty);
            *response.status_mut() =
                StatusCode::from_u16(self.rules.options_status).unwrap_or(StatusCode::NO_CONTENT);
            return Ok(response);
        }
        match endpoint {
            Endpoint::Write => write::handle_v1(self, parts, body).await,
            Endpoint::WriteV2 => write::handle_v2(self, parts, body).await,
            Endpoint::Query => query::handle(self, parts, body, started).await,
            Endpoint::Ping => self.ping(parts),
            Endpoint::Health => {
                Ok(status::health(&self.shared.program.health(), &self.options.influxdb_version))
            }
            Endpoint::Ready => Ok(status::ready(&*self.shared.program, self.shared.clock.now())),
            Endpoint::Status => Ok(no_content()),
            Endpoint::Metrics => Ok(self.metrics(parts)),
            Endpoint::Compact => self.compact(connection, parts).await,
            Endpoint::Unknown => Err(ApiError::no_route()),
        }
    }

    fn ping(&self, parts: &Parts) -> Result<Response<Payload>, ApiError> {
        let url = UrlCredentials::of(parts);
        if self.options.ping_auth {
            self.identify(&parts.headers, url.user.as_deref(), url.password.as_deref())?;
        }
        let is_verbose = !matches!(url.verbose.as_deref(), None | Some("" | "0" | "false"));
        Ok(status::ping(is_verbose, &self.options.influxdb_version))
    }

    fn metrics(&self, parts: &Parts) -> Response<Payload> {
        let url = UrlCredentials::of(parts);
        let sees_all = !self.options.metrics_auth
            || self
                .identify(&parts.headers, url.user.as_deref(), url.password.as_deref())
                .is_ok_and(|identity| identity.may_read_anything());
        status::metrics(self.shared.program.metrics(), sees_all)
    }

    /// For administrators; without authentication for programs on this machine.
    async fn compact(
        &self,
        connection: &ConnectionInfo,
        parts: &Parts,
    ) -> Result<Response<Payload>, ApiError> {
        let url = UrlCredentials::of(parts);
        let identity = self.identify(&parts.headers, url.user.as_deref(), url.password.as_deref())?;
        if !identity.is_admin || !(self.options.auth_enabled || connection.peer.is_local()) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden"));
        }
        let work = self.shared.program.compact().ok_or_else(ApiError::no_route)?;
        match work.await {
            Ok(()) => Ok(no_content()),
            Err(why) => Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, why)),
        }
    }

    fn error_style(&self, endpoint: Endpoint, parts: &Parts) -> ErrorStyle {
        let query = parts.uri.query().unwrap_or_default();
        let follows_client = matches!(endpoint, Endpoint::Write | Endpoint::Query);
        ErrorStyle {
            rules: self.rules,
            is_v2: parts.uri.path().starts_with("/api/v2/"),
            format: if follows_client { self.format(&parts.headers) } else { Format::Json },
            is_pretty: follows_client && query.split('&').any(|pair| pair == "pretty=true"),
        }
    }

    fn on_panic(&self, id: &HeaderValue, panic: &(dyn Any + Send)) -> ApiError {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let id = id.to_str().unwrap_or_default();
        counter!("weir_http_panics_total").increment(1);
        tracing::error!(request = id, panic = %text, "a request made the program panic; please report this");
        let text = format!("internal error; the log has more under request {id}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl<I: Ingest> Handler for Api<I> {
    async fn handle(&self, connection: &ConnectionInfo, request: Request<RequestBody>) -> Response<Payload> {
        self.answer(connection, request).await
    }
}

/// Server errors are the operator's business, refused credentials lose data at some clients; the rest is the client's.
fn log_error(connection: &ConnectionInfo, parts: &Parts, id: &HeaderValue, error: &ApiError) {
    let peer = connection.peer;
    let path = parts.uri.path();
    let query = || redacted(parts.uri.query().unwrap_or_default());
    let id = id.to_str().unwrap_or_default();
    let status = error.status().as_u16();
    let message = &error.message()[..error.message().floor_char_boundary(300)];
    match status {
        500.. => {
            tracing::warn!(%peer, path, query = query(), status, request = id, message, "request failed")
        }
        401 | 403 => tracing::info!(%peer, path, status, request = id, message, "request refused"),
        _ => tracing::debug!(%peer, path, query = query(), status, request = id, message, "bad request"),
    }
}

/// What the simple endpoints look for in a URL.
#[derive(Default)]
struct UrlCredentials {
    user: Option<String>,
    password: Option<String>,
    verbose: Option<String>,
}

impl UrlCredentials {
    fn of(parts: &Parts) -> Self {
        let mut found = Self::default();
        for (name, value) in pairs(parts.uri.query().unwrap_or_default().as_bytes()).flatten() {
            match &*name {
                "u" => found.user = Some(value.into_owned()),
                "p" => found.password = Some(value.into_owned()),
                "verbose" => found.verbose = Some(value.into_owned()),
                _ => {}
            }
        }
        found
    }
}

/// Runs a future and catches its panic, so that a bug costs one answer and not the connection.
async fn catch_panic<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // What the future owns is dropped with it; what it shares is guarded by locks that survive a panic.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}
