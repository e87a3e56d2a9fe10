//! Bearer tokens of requests: from the header, or from a WebSocket's subprotocol, because browsers cannot set headers there.

use lake_api::token::{Claims, Keys, verify};
use lake_api::{ApiError, ErrorCode};
use worker::{Request, Result};

/// The subprotocol that this service speaks and answers with.
pub(crate) const SUBPROTOCOL: &str = "lake.v1";

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
