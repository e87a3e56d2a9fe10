//! `GET …/tables/{table}`: a table's metadata and how to read its files.
//!
//! The metadata is the file's own bytes: it is written by us, and parsing it to print it again would cost memory that the
//! object has better uses for.

use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::credentials::StorageConfig;
use super::query::Query;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::hex::hex;

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_load(
        &self,
        table: &TableName,
        query: &Query,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let pointer = self.must_read(table, caller.claims)?;
        let mode = match query.find("snapshots").filter(|mode| !mode.is_empty()) {
            None | Some("all") => Snapshots::All,
            Some("refs") => Snapshots::Referenced,
            Some(other) => return Err(RestError::BadRequest(format!("snapshots is all or refs, not `{other}`"))),
        };
        let tag = etag(&pointer.metadata_location, mode);
        if is_known(caller.request.headers.get("if-none-match").map(String::as_str), &tag) {
            return Ok(RestResponse { status: 304, headers: vec![("etag".to_owned(), tag)], body: Vec::new() });
        }
        let storage = self.storage_config(table, &pointer.location, pointer.owner, caller)?;
        let file = self.read_metadata(store, &pointer.metadata_location).await?;
        let only_referenced;
        let metadata = match mode {
            Snapshots::All => file.json(),
            Snapshots::Referenced => {
                only_referenced = keep_referenced(file.json())?;
                &only_referenced
            }
        };
        let mut response = table_body(Some(&pointer.metadata_location), metadata, Some(&storage));
        response.headers.retain(|(name, _)| name != "etag");
        response.headers.push(("etag".to_owned(), tag));
        Ok(response)
    }
}

/// Which snapshots an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Snapshots {
    All,
    Referenced,
}

/// Names what an answer says of the table: another metadata file or mode is another tag. Credentials are not part of it;
/// clients have an address to renew them.
fn etag(metadata_location: &str, mode: Snapshots) -> String {
    let hash = Sha256::digest(metadata_location.as_bytes());
    let digits = hex(&hash[..16]);
    match mode {
        Snapshots::All => format!("\"{digits}\""),
        Snapshots::Referenced => format!("\"{digits}-refs\""),
    }
}

/// True if the client says that it has this answer.
fn is_known(if_none_match: Option<&str>, tag: &str) -> bool {
    let tags = if_none_match.unwrap_or_default().split(',').map(str::trim);
    tags.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|known| known == tag || known == "*")
}

/// A table as clients read it: `None` for the location of one whose creation is staged, and for storage where the
/// client has it already.
pub(super) fn table_body(
    metadata_location: Option<&str>,
    metadata: &[u8],
    storage: Option<&StorageConfig>,
) -> RestResponse {
    let (before, updated, after) = said_earlier(metadata);
    let mut body = Vec::with_capacity(metadata.len() + AROUND_METADATA_BYTES);
    body.push(b'{');
    if let Some(location) = metadata_location {
        put(&mut body, "metadata-location", location);
    }
    if let Some(storage) = storage {
        put(&mut body, "config", &storage.config);
        put(&mut body, "storage-credentials", &storage.entries());
        if let Some(signing) = storage.remote_signing() {
            put(&mut body, "remote-signing-config", &signing);
        }
    }
    body.extend_from_slice(br#""metadata":"#);
    for part in [before, updated.as_bytes(), after, b"}"] {
        body.extend_from_slice(part);
    }
    let mut response = RestResponse::json(200, body);
    if let Some(location) = metadata_location {
        response.headers.push(("etag".to_owned(), etag(location, Snapshots::All)));
    }
    response
}

/// Room for what stands around the metadata, so that the answer is written in one place mostly.
const AROUND_METADATA_BYTES: usize = 4_096;

/// A member of the answer, with the comma behind it.
fn put(body: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    body.extend_from_slice(format!("\"{name}\":").as_bytes());
    // Texts and maps of them: nothing that JSON has no words for.
    body.extend(serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec()));
    body.push(b',');
}

/// How much earlier a loaded table says that it was updated. Clients take up to a minute between this time and the
/// snapshots' own for differing clocks.
const SAID_EARLIER_MS: i64 = 30_000;

/// The metadata with an earlier `last-updated-ms`: what stands before the number, the number, what follows.
///
/// DuckDB compares it with the time at which its query began, by its own clock, and reads an older snapshot if it is
/// later. Snapshots carry the time of their oldest change, so it is later only where the client's clock is behind ours;
/// such a query would miss the rows that were committed for it. Only this answer says so; the file has the true time.
fn said_earlier(json: &[u8]) -> (&[u8], String, &[u8]) {
    const FIELD: &[u8] = br#""last-updated-ms":"#;
    // Inside of a string the quotes would be escaped, and a property's value would not be a number.
    for start in memchr::memmem::find_iter(json, FIELD).map(|at| at + FIELD.len()) {
        let (before, rest) = json.split_at(start);
        let (digits, after) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        if let Some(updated) = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok()) {
            return (before, updated.saturating_sub(SAID_EARLIER_MS).max(0).to_string(), after);
        }
    }
    (json, String::new(), &[])
}

/// The metadata without the snapshots that no branch or tag names. The present one stays: a file that was registered may
/// have no branches, and clients refuse one whose present snapshot is not there.
pub(super) fn keep_referenced(json: &[u8]) -> Result<Vec<u8>, RestError> {
    let damaged = |error: serde_json::Error| RestError::Internal(format!("a metadata.json is damaged: {error}"));
    let mut metadata: Value = serde_json::from_slice(json).map_err(damaged)?;
    let id = |value: &Value| value.get("snapshot-id").and_then(Value::as_i64);
    let refs = metadata.get("refs").and_then(Value::as_object);
    let mut referenced: Vec<i64> = refs.into_iter().flat_map(|refs| refs.values()).filter_map(id).collect();
    referenced.extend(metadata.get("current-snapshot-id").and_then(Value::as_i64));
    if let Some(snapshots) = metadata.get_mut("snapshots").and_then(Value::as_array_mut) {
        snapshots.retain(|snapshot| id(snapshot).is_some_and(|id| referenced.contains(&id)));
    }
    serde_json::to_vec(&metadata).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let (before, updated, after) = said_earlier(json.as_bytes());
        let said = [before, updated.as_bytes(), after].concat();
        assert_eq!(String::from_utf8(said).expect("text"), expected);
    }

    #[test]
    fn a_table_says_that_it_was_updated_half_a_minute_earlier() {
        check(r#"{"a":1,"last-updated-ms":1767225600000,"b":2}"#, r#"{"a":1,"last-updated-ms":1767225570000,"b":2}"#);
    }

    #[test]
    fn texts_that_look_like_the_field_are_left_alone() {
        check(
            r#"{"properties":{"last-updated-ms":"x","y":"\"last-updated-ms\":5"},"last-updated-ms":30001}"#,
            r#"{"properties":{"last-updated-ms":"x","y":"\"last-updated-ms\":5"},"last-updated-ms":1}"#,
        );
    }

    #[test]
    fn metadata_without_the_field_is_as_it_was() {
        check(r#"{"a":1}"#, r#"{"a":1}"#);
    }
}
