//! The signing side, for requests that the catalog signs on behalf of a client.

use std::collections::BTreeMap;

use lake_api::storage_key::Credentials;

use super::key::SigningKey;
use super::{ALGORITHM, FacadeError, UNSIGNED_PAYLOAD, canonical_headers, text_to_sign};
use crate::facade::path::{self, Target, canonical_query};
use crate::facade::time::{amz, parse_amz};

/// A storage request that somebody wants to send.
#[derive(Clone, Debug)]
pub(crate) struct Unsigned {
    method: String,
    host: String,
    target: Target,
    query: Vec<(String, String)>,
    /// Header lines by their names in lower case.
    headers: BTreeMap<String, String>,
}

impl Unsigned {
    /// Reads what will be sent.
    pub(crate) fn read(
        method: &str,
        uri: &str,
        headers: &BTreeMap<String, Vec<String>>,
    ) -> Result<Unsigned, FacadeError> {
        let invalid = FacadeError::InvalidUri("it is not an address");
        let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).ok_or(invalid.clone())?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = address.split_at(address.find('/').ok_or(invalid.clone())?);
        if host.is_empty() || host.contains('@') {
            return Err(invalid);
        }
        let headers = headers.iter().map(|(name, values)| (name.to_ascii_lowercase(), values.join(",")));
        Ok(Unsigned {
            method: method.to_owned(),
            host: host.to_owned(),
            target: path::parse(path)?,
            query: path::parse_query(query)?,
            headers: headers.collect(),
        })
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.target.bucket
    }

    /// `None` for requests of the bucket itself.
    pub(crate) fn key(&self) -> Option<&str> {
        self.target.key.as_deref()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True if it copies another object.
    pub(crate) fn is_copy(&self) -> bool {
        self.headers.contains_key("x-amz-copy-source")
    }
}

/// The header lines that the request has to carry besides its own.
///
/// Signed are the host and all that begins with `x-amz-`, as the facade wants it; other headers can be changed by what
/// is between. The body is not: who asks for signatures of others has no key for its chunks.
pub(crate) fn sign(
    request: &Unsigned,
    region: &str,
    credentials: &Credentials,
    now_micros: i64,
) -> Result<BTreeMap<String, String>, FacadeError> {
    if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(FacadeError::InvalidArgument("region"));
    }
    let given = |name: &str| request.headers.get(name);
    if given("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-AWS4-")) {
        return Err(FacadeError::InvalidRequest("Chunks cannot be signed for another."));
    }
    // What a client sends already it sends again in any case.
    let time = given("x-amz-date").filter(|time| parse_amz(time).is_some()).cloned().unwrap_or_else(|| amz(now_micros));
    let mut added = BTreeMap::from([("x-amz-date".to_owned(), time.clone())]);
    added.insert("x-amz-content-sha256".to_owned(), UNSIGNED_PAYLOAD.to_owned());
    if let Some(token) = &credentials.session_token {
        added.insert("x-amz-security-token".to_owned(), token.clone());
    }
    added.retain(|name, _| name == "x-amz-security-token" || given(name).is_none());

    let mut headers: BTreeMap<String, String> = request
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .map(|(a, b)| (a.clone(), b.clone()))
        .collect();
    headers.extend(added.clone());
    headers.insert("host".to_owned(), request.host.clone());
    let names: Vec<String> = headers.keys().cloned().collect();
    let hash = headers.get("x-amz-content-sha256").map_or(UNSIGNED_PAYLOAD, String::as_str);
    let lines = canonical_headers(&names, &headers, None);
    let (query, signed) = (canonical_query(&request.query), names.join(";"));
    let canonical = [&request.method, &request.target.canonical, &query, &lines, &signed, hash].join("\n");
    let day = time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/s3/aws4_request");
    let key = SigningKey::new(&credentials.secret_access_key, &scope);
    let signature = key.sign(&text_to_sign(&time, &scope, &canonical));
    let credential = format!("{}/{scope}", credentials.access_key_id);
    added.insert(
        "authorization".to_owned(),
        format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"),
    );
    Ok(added)
}
