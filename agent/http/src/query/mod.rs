//! `/query`.

mod bind;
mod params;
mod policy;

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use weir_netserve::{Payload, RequestBody};
use weir_pipeline::Ingest;
use weir_query::ExecContext;

use crate::answer::Emitter;
use crate::answer::csv::Csv;
use crate::answer::json::Json;
use crate::answer::msgpack::MessagePack;
use crate::answer::shape::{Shape, Shaper};
use crate::answer::stream::{AnswerWriter, TooLong};
use crate::api::Api;
use crate::error::ApiError;
use crate::format::{Format, accepts_gzip};
use crate::naming;
use crate::route::Endpoint;
use crate::status::no_content;
use params::QueryParams;

/// Answers one request.
pub(crate) async fn handle<I: Ingest>(
    api: &Api<I>,
    parts: &Parts,
    body: &mut RequestBody,
    started: u64,
) -> Result<Response<Payload>, ApiError> {
    let rules = api.rules();
    let body = params::read_body(parts, body, api.options().query_bytes_max).await?;
    let params = QueryParams::collect(rules, parts, &body)?;
    let identity = api.identify(&parts.headers, params.user.as_deref(), params.password.as_deref())?;
    let permit = api.shared().query_permit()?;
    let text = params.query.as_deref().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Err(ApiError::invalid("missing required parameter \"q\""));
    }
    let epoch = params.epoch(rules)?;
    let binds = bind::parse(params.binds.as_deref().unwrap_or_default())?;
    let mut query = weir_influxql::parse_query(text, &binds)
        .map_err(|error| ApiError::invalid(format!("error parsing query: {error}")))?;
    policy::check_statements(rules.statements, &query)?;
    let db = params.database.as_deref().filter(|db| !db.is_empty());
    let place = naming::for_query(rules.naming, db, params.policy.as_deref())?;
    policy::resolve_names(rules.naming, &mut query, db, place.as_ref());
    let database = place.as_ref().map(|place| place.database.as_str());
    policy::authorize(&identity, &mut query, database)?;
    if !api.shared().program().is_ready() {
        return Err(api.shared().busy("the store is still replaying its log; try again later"));
    }

    let cut_by_rows = query.statements.iter().map(|s| matches!(s, weir_influxql::Statement::Select(_)));
    let shape = Shape {
        chunk_rows: params.chunk_rows(rules, api.options().chunk_rows),
        cut_by_rows: cut_by_rows.collect(),
        rows_max: api.options().rows_max,
    };
    let visible = (!identity.is_admin).then(|| {
        let identity = Arc::clone(&identity);
        Arc::new(move |database: &str| identity.may_see(database)) as weir_query::engine::Visible
    });
    let context = ExecContext {
        database: database.map(Arc::from),
        policy: place.as_ref().and_then(|place| place.policy.as_deref()).map(Arc::from),
        read_only: parts.method == Method::GET,
        visible,
    };
    let results = api.shared().engine().execute(query, context);

    let format = api.format(&parts.headers);
    let is_pretty = rules.client_shapes_answer && params.is_pretty;
    let emitter: Box<dyn Emitter> = match format {
        Format::Json => Box::new(Json::new(epoch, is_pretty)),
        Format::Csv => Box::new(Csv::new(epoch)),
        Format::MessagePack => Box::new(MessagePack::new(epoch)),
    };
    let is_gzip = accepts_gzip(&parts.headers);
    let shaper = Shaper::new(emitter, shape);
    let writer = AnswerWriter::new(results, shaper, is_gzip, api.options().msgpack_bytes_max);
    let shared = Arc::clone(api.shared());
    let done = move || {
        shared.took(Endpoint::Query, started);
        drop(permit);
    };
    if rules.client_shapes_answer && params.is_async {
        tokio::spawn(async move {
            writer.discard().await;
            done();
        });
        return Ok(no_content());
    }
    let payload = writer.payload(done).await.map_err(|TooLong| {
        ApiError::invalid(format!(
            "the answer is longer than {} bytes of MessagePack; ask for chunked=true, for JSON, or for less",
            api.options().msgpack_bytes_max
        ))
    })?;
    let mut response = Response::new(payload);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
