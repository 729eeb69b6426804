//! `/write` and `/api/v2/write`.

mod body;
mod gzip;
mod lines;
mod params;
mod pool;
mod report;

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use weir_auth::Identity;
use weir_model::Precision;
use weir_netserve::{Payload, RequestBody};
use weir_pipeline::{Ingest, SourceId, WriteTarget};

use crate::access::check_write;
use crate::api::Api;
use crate::dialect::WriteOrder;
use crate::error::ApiError;
use crate::naming::{self, Place};
use crate::status::no_content;
use body::BodyLimits;
use lines::{Lines, WriteOptions};
use params::WriteParams;
use pool::Tools;

pub(crate) use pool::WriterPool;

/// Answers POST /write.
pub(crate) async fn handle_v1<I: Ingest>(
    api: &Api<I>,
    parts: &Parts,
    body: &mut RequestBody,
) -> Result<Response<Payload>, ApiError> {
    let rules = api.rules();
    let params = WriteParams::collect(parts)?;
    let check_params = || {
        let precision = params.precision_v1(rules)?;
        let place = naming::for_write(rules.naming, params.database.as_deref(), params.policy.as_deref())?;
        params.check_consistency(rules)?;
        Ok((place, precision))
    };
    let check_sender = || api.identify(&parts.headers, params.user.as_deref(), params.password.as_deref());
    let ((place, precision), identity) = match rules.write_order {
        WriteOrder::ParametersFirst => (check_params()?, check_sender()?),
        WriteOrder::CredentialsFirst => {
            let identity = check_sender()?;
            (check_params()?, identity)
        }
    };
    write(api, parts, body, &identity, &place, precision).await
}

/// Answers POST /api/v2/write. Credentials come in the header only.
pub(crate) async fn handle_v2<I: Ingest>(
    api: &Api<I>,
    parts: &Parts,
    body: &mut RequestBody,
) -> Result<Response<Payload>, ApiError> {
    let params = WriteParams::collect(parts)?;
    let identity = api.identify(&parts.headers, None, None)?;
    let precision = params.precision_v2()?;
    let place = naming::for_bucket(api.rules().naming, params.bucket.as_deref().unwrap_or_default())?;
    write(api, parts, body, &identity, &place, precision).await
}

async fn write<I: Ingest>(
    api: &Api<I>,
    parts: &Parts,
    body: &mut RequestBody,
    identity: &Identity,
    place: &Place,
    precision: Precision,
) -> Result<Response<Payload>, ApiError> {
    check_write(identity, &place.database)?;
    let rules = api.rules();
    let options = api.options();
    let is_gzip = params::is_gzip(rules, &parts.headers)?;
    let limits = BodyLimits { body: options.body_bytes_max, inflated: options.inflated_bytes_max };
    limits.check_declared(body.exact_len())?;
    let _permit = api.shared().write_permit()?;
    let target = WriteTarget {
        database: Arc::from(place.database.as_str()),
        policy: place.policy.as_deref().map(Arc::from),
        create_database: options.auto_create_database,
        source: SourceId::default(),
    };
    let write_options = WriteOptions {
        rules,
        precision,
        default_time: precision.truncate(api.shared().clock().now()).0,
        is_strict: options.strict_writes,
    };
    let mut tools = api.shared().pool().take(&target);
    let Tools { writer, parser, buffer, gunzip, .. } = &mut tools;
    let mut lines = Lines::new(writer, parser, &target, write_options);
    let received = body::read(body, is_gzip, &limits, buffer, gunzip, &mut lines).await;
    let outcome = match received {
        Ok(bytes) => {
            api.shared().received(bytes);
            lines.finish().await
        }
        Err(error) => {
            lines.discard();
            Err(error)
        }
    };
    // Whatever the outcome, no batch is open. (A request that is dropped half-way never comes here, and its writer goes too.)
    api.shared().pool().put(tools);
    outcome.map(|()| no_content())
}
