//! `GET …/tables/{table}`: a table's metadata and how to read its files.
//!
//! The metadata is the file's own bytes: it is written by us, and parsing it to print it again would cost memory that the
//! object has better uses for.

use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;
use serde_json::{Value, json};

use super::query::Query;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_load(
        &self,
        table: &TableName,
        query: &Query,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let pointer = self.must_read(table, caller.claims)?;
        let storage = self.storage_config(&pointer, caller)?;
        let file = self.read_metadata(store, &pointer.metadata_location).await?;
        let only_referenced;
        let metadata = match query.find("snapshots").filter(|mode| !mode.is_empty()) {
            None | Some("all") => file.json(),
            Some("refs") => {
                only_referenced = keep_referenced(file.json())?;
                &only_referenced
            }
            Some(other) => return Err(RestError::BadRequest(format!("snapshots is all or refs, not `{other}`"))),
        };
        let (before, updated, after) = said_earlier(metadata);
        let location = json!(pointer.metadata_location).to_string();
        let (config, entry) = (json!(storage.config).to_string(), storage.entry().to_string());
        let body = [
            br#"{"metadata-location":"#,
            location.as_bytes(),
            br#","config":"#,
            config.as_bytes(),
            br#","storage-credentials":"#,
            entry.as_bytes(),
            br#","metadata":"#,
            before,
            updated.as_bytes(),
            after,
            b"}",
        ];
        Ok(RestResponse::json(200, body.concat()))
    }
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
    let fields = json.windows(FIELD.len()).enumerate().filter(|(_, window)| *window == FIELD);
    for start in fields.map(|(at, _)| at + FIELD.len()) {
        let (before, rest) = json.split_at(start);
        let (digits, after) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        if let Some(updated) = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok()) {
            return (before, updated.saturating_sub(SAID_EARLIER_MS).max(0).to_string(), after);
        }
    }
    (json, String::new(), &[])
}

/// The metadata without the snapshots that no branch or tag names.
pub(super) fn keep_referenced(json: &[u8]) -> Result<Vec<u8>, RestError> {
    let damaged = |error: serde_json::Error| RestError::Internal(format!("a metadata.json is damaged: {error}"));
    let mut metadata: Value = serde_json::from_slice(json).map_err(damaged)?;
    let id = |value: &Value| value.get("snapshot-id").and_then(Value::as_i64);
    let referenced: Vec<i64> = match metadata.get("refs").and_then(Value::as_object) {
        Some(refs) => refs.values().filter_map(id).collect(),
        None => Vec::new(),
    };
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
