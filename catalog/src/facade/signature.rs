//! AWS Signature Version 4, the verifying side: in an `Authorization` header, or in the query of a presigned URL.
//!
//! A request is rebuilt in canonical form and signed again with the secret that belongs to its access key id. One header is
//! not as the client sent it: the platform replaces `Accept-Encoding` by its own, and some SDKs sign it, so the usual
//! originals are tried. What cannot be known is not guessed: every other signed header must be there.

mod key;
mod make;

pub(super) use key::{ChunkSigner, SigningKey, hex};
pub(crate) use make::{Unsigned, sign};

use std::collections::BTreeMap;

use key::{EMPTY_HASH, unhex};
use lake_api::storage_key::{Grant, claimed};
use lake_api::token::Keys;
use sha2::{Digest, Sha256};

use super::path::{Target, canonical_query};
use super::time::parse_amz;
use super::{FacadeError, FacadeRequest};
use crate::limits::{PRESIGNED_SECONDS_MAX, SIGNATURE_WINDOW_SECONDS, SIGNED_HEADERS_MAX};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What `Accept-Encoding` may have been before the platform replaced it: Go's SDK, Java's, Python's, browsers'.
const ACCEPT_ENCODINGS: [&str; 9] = [
    "identity",
    "gzip",
    "",
    "gzip, deflate",
    "gzip,deflate",
    "gzip, x-gzip, deflate",
    "gzip, deflate, br",
    "gzip, deflate, br, zstd",
    "*",
];

/// The parts of a signature, wherever they were.
struct Authorization {
    access_key_id: String,
    /// `20251121/auto/s3/aws4_request`.
    scope: String,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
    time: String,
    /// For how long, in seconds; `None` in a header.
    expires: Option<i64>,
    session_token: Option<String>,
    payload_hash: String,
}

/// A request whose signature is right.
pub(super) struct Verified {
    /// What its signer may do.
    pub(super) grant: Grant,
    authorization: Authorization,
    key: SigningKey,
}

/// What a signature says of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Nothing.
    Unsigned,
    /// It has this SHA-256.
    Hash([u8; 32]),
    /// It comes in chunks, signed ones if there is a signer.
    Chunks { signer: Option<ChunkSigner>, has_trailer: bool },
}

impl Verified {
    /// What was signed of the body.
    pub(super) fn payload(&self) -> Result<Payload, FacadeError> {
        let Authorization { time, scope, signature, .. } = &self.authorization;
        let signer = || Some(ChunkSigner::new(self.key.clone(), time.clone(), scope.clone(), hex(signature)));
        Ok(match self.authorization.payload_hash.as_str() {
            UNSIGNED_PAYLOAD => Payload::Unsigned,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::Chunks { signer: None, has_trailer: true },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Chunks { signer: signer(), has_trailer: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::Chunks { signer: signer(), has_trailer: true },
            hash => {
                let invalid = FacadeError::InvalidArgument("x-amz-content-sha256");
                let bytes = unhex(hash).ok().and_then(|bytes| bytes.try_into().ok());
                Payload::Hash(bytes.ok_or(invalid)?)
            }
        })
    }
}

/// True if a request carries a signature of the kind that is verified here.
pub(super) fn is_signed(request: &FacadeRequest<'_>, query: &[(String, String)]) -> bool {
    request.headers.get("authorization").is_some_and(|header| header.starts_with(ALGORITHM))
        || query.iter().any(|(name, _)| name == "X-Amz-Algorithm")
}

/// Who signed, if the signature is right.
pub(super) fn verify(
    request: &FacadeRequest<'_>,
    target: &Target,
    query: &[(String, String)],
    keys: &Keys,
    now_micros: i64,
) -> Result<Verified, FacadeError> {
    let authorization = read(request.headers, query)?;
    let claimed = claimed(keys, &authorization.access_key_id)?;
    check_time(&authorization, now_micros)?;
    check_signed_headers(&authorization, request.headers)?;

    if !is_signed_with(&claimed.secret_access_key, &authorization, request, target, query) {
        return Err(FacadeError::SignatureDoesNotMatch);
    }

    // From here on the grant is true.
    let now = now_micros.div_euclid(1_000_000);
    if claimed.grant.expires_at <= now {
        return Err(FacadeError::ExpiredToken);
    }
    match (&claimed.session_token, &authorization.session_token) {
        (None, None) => {}
        (Some(expected), Some(sent)) if is_equal(expected, sent) => {}
        _ => return Err(FacadeError::InvalidToken),
    }
    let key = SigningKey::new(&claimed.secret_access_key, &authorization.scope);
    Ok(Verified { grant: claimed.grant, authorization, key })
}

/// Signs the request again with `secret` and compares.
fn is_signed_with(
    secret: &str,
    authorization: &Authorization,
    request: &FacadeRequest<'_>,
    target: &Target,
    query: &[(String, String)],
) -> bool {
    let signing_key = SigningKey::new(secret, &authorization.scope);
    let canonical_query = canonical_query(query);
    let matches = |accept_encoding: Option<&str>| {
        let headers = canonical_headers(&authorization.signed_headers, request.headers, accept_encoding);
        let signed_headers = authorization.signed_headers.join(";");
        let hash = &authorization.payload_hash;
        let canonical =
            [request.method, &target.canonical, &canonical_query, &headers, &signed_headers, hash].join("\n");
        let to_sign = text_to_sign(&authorization.time, &authorization.scope, &canonical);
        signing_key.verifies(&to_sign, &authorization.signature)
    };
    let is_replaced = authorization.signed_headers.iter().any(|name| name == "accept-encoding");
    matches(None) || (is_replaced && ACCEPT_ENCODINGS.iter().any(|original| matches(Some(original))))
}

/// What is signed of a request in its canonical form.
fn text_to_sign(time: &str, scope: &str, canonical: &str) -> String {
    [ALGORITHM, time, scope, &hex(&Sha256::digest(canonical))].join("\n")
}

fn read(headers: &BTreeMap<String, String>, query: &[(String, String)]) -> Result<Authorization, FacadeError> {
    match headers.get("authorization") {
        Some(header) => read_header(header, headers),
        None => read_query(query),
    }
}

fn read_header(header: &str, headers: &BTreeMap<String, String>) -> Result<Authorization, FacadeError> {
    let malformed = FacadeError::AuthorizationMalformed;
    let fields = header.strip_prefix(ALGORITHM).ok_or(malformed("another algorithm than AWS4-HMAC-SHA256"))?;
    let mut credential = None;
    let mut signed_headers = None;
    let mut signature = None;
    for field in fields.split(',') {
        match field.trim().split_once('=') {
            Some(("Credential", value)) => credential = Some(value),
            Some(("SignedHeaders", value)) => signed_headers = Some(value),
            Some(("Signature", value)) => signature = Some(value),
            _ => return Err(malformed("an unknown field")),
        }
    }
    let time = headers.get("x-amz-date").cloned().ok_or(malformed("x-amz-date is missing"))?;
    let (access_key_id, scope) = read_credential(credential.ok_or(malformed("Credential is missing"))?, &time)?;
    Ok(Authorization {
        access_key_id,
        scope,
        signed_headers: read_signed_headers(signed_headers.ok_or(malformed("SignedHeaders is missing"))?)?,
        signature: unhex(signature.ok_or(malformed("Signature is missing"))?)?,
        time,
        expires: None,
        session_token: headers.get("x-amz-security-token").cloned(),
        // The bodies of reads are never looked at: whatever hash was signed is taken as it is until a body is.
        payload_hash: headers.get("x-amz-content-sha256").cloned().unwrap_or_else(|| EMPTY_HASH.to_owned()),
    })
}

fn read_query(query: &[(String, String)]) -> Result<Authorization, FacadeError> {
    let malformed = FacadeError::AuthorizationMalformed;
    let find = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if find("X-Amz-Algorithm") != Some(ALGORITHM) {
        return Err(malformed("another algorithm than AWS4-HMAC-SHA256"));
    }
    let time = find("X-Amz-Date").ok_or(malformed("X-Amz-Date is missing"))?.to_owned();
    let credential = find("X-Amz-Credential").ok_or(malformed("X-Amz-Credential is missing"))?;
    let (access_key_id, scope) = read_credential(credential, &time)?;
    let signed_headers = find("X-Amz-SignedHeaders").ok_or(malformed("X-Amz-SignedHeaders is missing"))?;
    let expires = find("X-Amz-Expires").and_then(|seconds| seconds.parse::<i64>().ok());
    let expires = expires.filter(|seconds| (1..=PRESIGNED_SECONDS_MAX).contains(seconds));
    Ok(Authorization {
        access_key_id,
        scope,
        signed_headers: read_signed_headers(signed_headers)?,
        signature: unhex(find("X-Amz-Signature").ok_or(malformed("X-Amz-Signature is missing"))?)?,
        time,
        expires: Some(expires.ok_or(malformed("X-Amz-Expires is not 1 to 604800"))?),
        session_token: find("X-Amz-Security-Token").map(str::to_owned),
        payload_hash: UNSIGNED_PAYLOAD.to_owned(),
    })
}

/// The access key id and the scope of `id/date/region/s3/aws4_request`. Any region is good.
fn read_credential(credential: &str, time: &str) -> Result<(String, String), FacadeError> {
    let malformed = FacadeError::AuthorizationMalformed;
    let (access_key_id, scope) = credential.split_once('/').ok_or(malformed("a bad Credential"))?;
    let parts: Vec<&str> = scope.split('/').collect();
    match parts.as_slice() {
        [date, region, "s3", "aws4_request"] if !region.is_empty() => {
            if time.get(..8) != Some(*date) {
                return Err(malformed("the date of Credential is not the request's"));
            }
            Ok((access_key_id.to_owned(), scope.to_owned()))
        }
        _ => Err(malformed("Credential is not for s3")),
    }
}

fn read_signed_headers(text: &str) -> Result<Vec<String>, FacadeError> {
    let names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
    if names.len() > SIGNED_HEADERS_MAX {
        return Err(FacadeError::AuthorizationMalformed("too many signed headers"));
    }
    Ok(names)
}

fn check_time(authorization: &Authorization, now_micros: i64) -> Result<(), FacadeError> {
    let time = parse_amz(&authorization.time).ok_or(FacadeError::AuthorizationMalformed("a bad date"))?;
    let age = now_micros.div_euclid(1_000_000) - time;
    let greatest = authorization.expires.unwrap_or(SIGNATURE_WINDOW_SECONDS);
    if age < -SIGNATURE_WINDOW_SECONDS || age > greatest {
        return match authorization.expires {
            Some(_) if age > greatest => Err(FacadeError::AccessDenied("The URL has expired.")),
            _ => Err(FacadeError::RequestTimeTooSkewed),
        };
    }
    Ok(())
}

/// As in S3: the host and all `x-amz-` headers are covered, so that nobody in between can add one.
fn check_signed_headers(authorization: &Authorization, headers: &BTreeMap<String, String>) -> Result<(), FacadeError> {
    let is_signed = |name: &str| authorization.signed_headers.iter().any(|signed| signed == name);
    if !is_signed("host") {
        return Err(FacadeError::AccessDenied("The host is not signed."));
    }
    if headers.keys().any(|name| name.starts_with("x-amz-") && !is_signed(name)) {
        return Err(FacadeError::AccessDenied("There were headers present in the request which were not signed."));
    }
    Ok(())
}

/// `name:value` lines, each ended by a line feed.
fn canonical_headers(names: &[String], headers: &BTreeMap<String, String>, accept_encoding: Option<&str>) -> String {
    let mut lines = String::new();
    for name in names {
        let value = match accept_encoding {
            Some(original) if name == "accept-encoding" => original,
            _ => headers.get(name).map(String::as_str).unwrap_or_default(),
        };
        lines.push_str(name);
        lines.push(':');
        lines.push_str(&value.split_ascii_whitespace().collect::<Vec<&str>>().join(" "));
        lines.push('\n');
    }
    lines
}

/// Takes as long for any two texts of a length.
fn is_equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
