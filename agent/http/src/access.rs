//! Who sends a request, and the errors when that is not clear.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use metrics::counter;
use weir_auth::{Authority, Identity, Permission, VerifyError};
use weir_model::Clock;

use crate::credentials;
use crate::dialect::Rules;
use crate::error::ApiError;

/// Tells senders apart.
#[derive(Debug)]
pub(crate) struct Access {
    /// `None` when everybody may do everything.
    authority: Option<Arc<Authority>>,
    anybody: Arc<Identity>,
}

impl Access {
    pub(crate) fn new(authority: Option<Arc<Authority>>) -> Self {
        Self { authority, anybody: Arc::new(Identity::anybody()) }
    }

    /// The sender of a request.
    ///
    /// # Errors
    /// 401 without or with an unknown credential, 503 when it cannot be checked.
    pub(crate) fn identify(
        &self,
        rules: &Rules,
        headers: &HeaderMap,
        user: Option<&str>,
        password: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Arc<Identity>, ApiError> {
        let Some(authority) = &self.authority else {
            return Ok(Arc::clone(&self.anybody));
        };
        let Some(found) = credentials::find(rules.credentials, headers, user, password) else {
            counter!("weir_http_auth_failures_total").increment(1);
            return Err(ApiError::unauthorized("no token", "unable to parse authentication credentials"));
        };
        authority.verify(&found.secret, clock.now()).map_err(|error| match error {
            VerifyError::Unavailable(why) => {
                let text = format!("token verification not possible: {why}");
                ApiError::unavailable(text, Duration::from_secs(1))
            }
            _ => {
                counter!("weir_http_auth_failures_total").increment(1);
                let is_signed = found.is_bearer
                    && rules.bearer_is_signed
                    && !found.secret.starts_with(weir_auth::TOKEN_PREFIX);
                let in_1x = if is_signed { "bearer auth disabled" } else { "authorization failed" };
                ApiError::unauthorized("unauthorized access", in_1x)
            }
        })
    }
}

/// Refuses a write that its sender may not make.
///
/// # Errors
/// 403.
pub(crate) fn check_write(identity: &Identity, database: &str) -> Result<(), ApiError> {
    if identity.may(Permission::Write, database) {
        return Ok(());
    }
    counter!("weir_http_auth_failures_total").increment(1);
    let in_1x = format!("\"{}\" user is not authorized to write to database \"{database}\"", identity.name);
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden").in_1x(in_1x))
}
