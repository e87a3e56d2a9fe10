//! `POST /v1/oauth/tokens`: for engines that only know client id and client secret.
//!
//! The client secret is one of our bearer tokens; the answer is a token of at most an hour, with the scopes asked for that
//! the secret includes. So there are no accounts to keep, and what an engine stores is what `cargo xtask token` made.
//! Scopes of other worlds that clients send by themselves (`catalog`, `PRINCIPAL_ROLE:ALL`, none) mean all the
//! secret has. Errors are of the shape that OAuth2 wants, which is not the catalog's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lake_api::scope::Scope;
use lake_api::token::{Claims, Keys, mint, verify};
use serde_json::json;

use super::query::Query;
use super::{RestRequest, RestResponse};
use crate::limits::{OAUTH_BODY_BYTES_MAX, OAUTH_TOKEN_SECONDS};

/// Scopes that clients send unless told otherwise.
const SENT_BY_DEFAULT: [&str; 2] = ["catalog", "PRINCIPAL_ROLE:ALL"];

/// True if this request is for the address.
pub fn is_token_request(method: &str, path: &str) -> bool {
    method == "POST" && path == "/v1/oauth/tokens"
}

/// Answers it.
pub fn token(request: &RestRequest, keys: &Keys, now_micros: i64) -> RestResponse {
    let mut response = match narrow(request, keys, now_micros) {
        Ok((claims, seconds)) => {
            let scope: Vec<String> = claims.scopes.iter().map(Scope::to_string).collect();
            RestResponse::value(&json!({
                "access_token": mint(&claims, keys),
                "token_type": "bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "expires_in": seconds,
                "scope": scope.join(" "),
            }))
        }
        Err((status, code, description)) => {
            let body = json!({"error": code, "error_description": description});
            RestResponse::json(status, body.to_string().into_bytes())
        }
    };
    // RFC 6749, 5.1 and 5.2.
    response.headers.push(("pragma".to_owned(), "no-cache".to_owned()));
    if response.status == 401 {
        response.headers.push(("www-authenticate".to_owned(), "Basic realm=\"lake\"".to_owned()));
    }
    response
}

type Refusal = (u16, &'static str, String);

fn narrow(request: &RestRequest, keys: &Keys, now_micros: i64) -> Result<(Claims, i64), Refusal> {
    let invalid = |why: &str| (400, "invalid_request", why.to_owned());
    if request.body.len() > OAUTH_BODY_BYTES_MAX {
        return Err((413, "invalid_request", "the form is too large".to_owned()));
    }
    let form = std::str::from_utf8(&request.body).map_err(|_| invalid("the form is not UTF-8"))?;
    let form = Query::parse(form).map_err(|_| invalid("the form is not UTF-8"))?;
    match form.find("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err((400, "unsupported_grant_type", "only client_credentials is known".to_owned())),
        None => return Err(invalid("grant_type is missing")),
    }
    let secret = match basic_credentials(request) {
        Some(encoded) => secret_in(encoded)
            .ok_or_else(|| (401, "invalid_client", "the Basic authorization cannot be read".to_owned()))?,
        None => form.find("client_secret").map(str::to_owned).ok_or_else(|| invalid("client_secret is missing"))?,
    };
    let held = verify(&secret, keys, now_micros).map_err(|error| (401, "invalid_client", error.to_string()))?;
    let now = now_micros.div_euclid(1_000_000);
    let expires_at = held.expires_at.min(now.saturating_add(OAUTH_TOKEN_SECONDS));
    let wanted = form.find("scope").unwrap_or_default();
    let scopes = narrow_scopes(&held.scopes, wanted)?;
    let seconds = expires_at.saturating_sub(now).max(0);
    Ok((Claims { subject: held.subject, issued_at: now, expires_at, scopes }, seconds))
}

fn narrow_scopes(held: &[Scope], wanted: &str) -> Result<Vec<Scope>, Refusal> {
    let wanted: Vec<&str> = wanted.split_whitespace().filter(|scope| !SENT_BY_DEFAULT.contains(scope)).collect();
    if wanted.is_empty() {
        return Ok(held.to_vec());
    }
    let mut scopes = Vec::new();
    for text in wanted {
        let scope: Scope = text.parse().map_err(|error| (400, "invalid_scope", format!("{error}")))?;
        if !held.iter().any(|own| own.includes(&scope)) {
            return Err((400, "invalid_scope", format!("the client does not have `{text}`")));
        }
        scopes.push(scope);
    }
    Ok(scopes)
}

/// What a Basic authorization says; `None` if the request has none.
fn basic_credentials(request: &RestRequest) -> Option<&str> {
    let header = request.headers.get("authorization")?;
    let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("basic").then_some(encoded)
}

/// The password in it.
fn secret_in(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (_, secret) = text.split_once(':')?;
    // Both parts are form-encoded before they are joined (RFC 6749, 2.3.1); a token has nothing to decode.
    Some(secret.to_owned())
}
