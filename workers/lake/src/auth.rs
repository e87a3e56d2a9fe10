//! Bearer tokens of requests: from the header, or from a WebSocket's subprotocol, because browsers cannot set headers there.

use lake_api::token::{Claims, Keys, verify};
use lake_api::{ApiError, ErrorCode};
use worker::{Env, Request, Result};

/// The subprotocol that this service speaks and answers with.
pub(crate) const SUBPROTOCOL: &str = "lake.v1";

/// The keys of this deployment.
pub(crate) fn keys(env: &Env) -> Result<std::result::Result<Keys, ApiError>> {
    let text = match env.secret("LAKE_KEYS") {
        Ok(secret) => secret.to_string(),
        Err(_) => match env.var("LAKE_KEYS") {
            Ok(var) => var.to_string(),
            Err(_) => return Ok(Err(misconfigured("LAKE_KEYS is not set"))),
        },
    };
    Ok(Keys::parse(&text).map_err(|reason| misconfigured(&reason.to_string())))
}

fn misconfigured(reason: &str) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the deployment's keys cannot be used: {reason}"))
        .hint("set the secret LAKE_KEYS; `cargo xtask token` makes keys and tokens")
}

/// The token that a request carries.
pub(crate) fn bearer(request: &Request) -> Result<Option<String>> {
    if let Some(header) = request.headers().get("authorization")? {
        let token =
            header.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).and_then(|_| header.get(7..));
        return Ok(token.map(|token| token.trim().to_owned()));
    }
    let offered = request.headers().get("sec-websocket-protocol")?.unwrap_or_default();
    Ok(offered.split(',').find_map(|name| name.trim().strip_prefix("bearer.")).map(str::to_owned))
}

/// Checks the token of a request.
pub(crate) fn authenticate(
    request: &Request,
    keys: &Keys,
    now_micros: i64,
) -> Result<std::result::Result<Claims, ApiError>> {
    let Some(token) = bearer(request)? else {
        return Ok(Err(ApiError::new(ErrorCode::Unauthorized, "the request carries no bearer token")
            .hint("send `Authorization: Bearer …`; `cargo xtask token` makes one")));
    };
    Ok(verify(&token, keys, now_micros).map_err(|reason| ApiError::new(ErrorCode::Unauthorized, reason.to_string())))
}
