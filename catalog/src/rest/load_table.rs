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
            metadata,
            b"}",
        ];
        Ok(RestResponse::json(200, body.concat()))
    }
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
