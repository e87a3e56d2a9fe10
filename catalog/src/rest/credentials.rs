//! Vended storage credentials: `GET …/credentials`, and the part of a loaded table that says how to read its files.
//!
//! One entry exactly, with the same keys in `config` too: with two, DuckDB uses the wrong one; without `config`,
//! ClickHouse uses none. The endpoint ends in a slash because ClickHouse doubles the path without it, and the region is
//! never left out because DuckDB then refuses to read.

use std::collections::BTreeMap;

use lake_api::scope::Access;
use lake_api::storage_key::{Grant, derive};
use lake_host::ShardStorage;
use lake_table::TableName;
use serde_json::{Value, json};

use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::limits::CREDENTIALS_SECONDS;
use crate::location::key_of;
use crate::storage::pointer::Pointer;

/// The region of everything: any is accepted.
const REGION: &str = "auto";

/// How to read the files below one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// The location.
    pub prefix: String,
    /// The properties of an S3 client.
    pub config: BTreeMap<&'static str, String>,
}

impl StorageConfig {
    /// The single entry of `storage-credentials`.
    pub(super) fn entry(&self) -> Value {
        json!([{"prefix": self.prefix, "config": self.config}])
    }
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_credentials(&self, table: &TableName, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let pointer = self.must_read(table, caller.claims)?;
        let config = self.storage_config(&pointer, caller)?;
        Ok(RestResponse::value(&json!({"storage-credentials": config.entry()})))
    }

    /// Credentials for the table's files. Read-only whatever the token says: only the lake writes here. They end with
    /// the token, because who is locked out should be locked out.
    pub(super) fn storage_config(&self, pointer: &Pointer, caller: &Caller<'_>) -> Result<StorageConfig, RestError> {
        let prefix = key_of(&pointer.location, &self.settings.bucket)
            .ok_or_else(|| RestError::Internal(format!("{} is not in this lake's bucket", pointer.location)))?;
        let now = caller.now_micros.div_euclid(1_000_000);
        let expires_at = now.saturating_add(CREDENTIALS_SECONDS).min(caller.claims.expires_at);
        let grant = Grant { prefix: prefix.to_owned(), access: Access::Read, expires_at, is_session: true };
        let credentials = derive(caller.keys, &grant);
        let mut config = BTreeMap::from([
            ("s3.endpoint", format!("{}/", caller.request.origin)),
            ("s3.path-style-access", "true".to_owned()),
            ("s3.region", REGION.to_owned()),
            ("client.region", REGION.to_owned()),
            ("s3.access-key-id", credentials.access_key_id),
            ("s3.secret-access-key", credentials.secret_access_key),
            ("s3.session-token-expires-at-ms", expires_at.saturating_mul(1_000).to_string()),
        ]);
        if let Some(token) = credentials.session_token {
            config.insert("s3.session-token", token);
        }
        Ok(StorageConfig { prefix: format!("{}/", pointer.location), config })
    }
}
