//! Vended storage credentials: `GET …/credentials`, and the part of a loaded table that says how to read its files.
//!
//! One entry exactly, with the same keys in `config` too: with two, DuckDB uses the wrong one; without `config`,
//! ClickHouse uses none. The endpoint ends in a slash because ClickHouse doubles the path without it, and the region is
//! never left out because DuckDB then refuses to read.
//!
//! They are for the facade, or for the bucket's own address where the deployment says so. Requests that are signed here
//! are for the facade either way: nothing of the bucket's key could be handed out one by one.

use std::collections::BTreeMap;

use lake_api::scope::{Access, Action};
use lake_api::storage_key::{Grant, derive};
use lake_host::ShardStorage;
use lake_table::TableName;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Caller, RestError, RestResponse, sign};
use crate::catalog::Catalog;
use crate::limits::CREDENTIALS_SECONDS;
use crate::location::key_of;
use crate::storage::pointer::Owner;
use crate::vended::VendedStorage;

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

/// An entry of `storage-credentials`.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    prefix: &'a str,
    config: &'a BTreeMap<&'static str, String>,
}

impl StorageConfig {
    /// What `storage-credentials` is: one entry, or none for who has requests signed.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let entry = Entry { prefix: &self.prefix, config: &self.config };
        Vec::from_iter(self.config.contains_key("s3.access-key-id").then_some(entry))
    }

    /// What a client that has its requests signed has to send along, if it is one: nothing here, but the field says that
    /// the table's own address signs.
    pub(super) fn remote_signing(&self) -> Option<Value> {
        let is_signed = self.config.contains_key("s3.remote-signing-enabled");
        is_signed.then(|| json!({"properties": {}, "headers": {}}))
    }
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_credentials(&self, table: &TableName, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let pointer = self.must_read(table, caller.claims)?;
        let config = self.storage_config(table, &pointer.location, pointer.owner, caller)?;
        Ok(RestResponse::value(&json!({"storage-credentials": config.entries()})))
    }

    /// Credentials for the files below a table's location: to write them for who may write the table, if engines write
    /// it at all. They end with the token, because who is locked out should be locked out.
    pub(super) fn storage_config(
        &self,
        table: &TableName,
        location: &str,
        owner: Owner,
        caller: &Caller<'_>,
    ) -> Result<StorageConfig, RestError> {
        let bucket = &self.settings.bucket;
        let prefix = key_of(location, bucket)
            .ok_or_else(|| RestError::Internal(format!("{location} is not in this lake's bucket")))?;
        let mut config = BTreeMap::from([
            ("s3.endpoint", format!("{}/", caller.request.origin)),
            ("s3.path-style-access", "true".to_owned()),
            ("s3.region", REGION.to_owned()),
            ("client.region", REGION.to_owned()),
        ]);
        if wants_signatures(caller) {
            config.extend(sign::client_config(table, &caller.request.origin));
            return Ok(StorageConfig { prefix: format!("{location}/"), config });
        }
        let may_write = caller.claims.may(Action::Table(&table.namespace, &table.name, Access::Write));
        let access = if may_write && owner == Owner::Engine { Access::Write } else { Access::Read };
        let now = caller.now_micros.div_euclid(1_000_000);
        let expires_at = now.saturating_add(CREDENTIALS_SECONDS).min(caller.claims.expires_at);
        let grant = Grant { prefix: prefix.to_owned(), access, expires_at, is_session: true };
        let credentials = match &self.settings.vended {
            VendedStorage::Bucket(key) => {
                config.insert("s3.endpoint", key.endpoint());
                key.sign(bucket, &grant, now)
            }
            VendedStorage::Facade | VendedStorage::Misconfigured(_) => derive(caller.keys, &grant),
        };
        config.extend([
            ("s3.access-key-id", credentials.access_key_id),
            ("s3.secret-access-key", credentials.secret_access_key),
            ("s3.session-token-expires-at-ms", expires_at.saturating_mul(1_000).to_string()),
            ("client.refresh-credentials-endpoint", credentials_path(table)),
        ]);
        if let Some(token) = credentials.session_token {
            config.insert("s3.session-token", token);
        }
        Ok(StorageConfig { prefix: format!("{location}/"), config })
    }
}

/// True if the client knows how to have its requests signed and not how to sign them.
fn wants_signatures(caller: &Caller<'_>) -> bool {
    let known = caller.request.headers.get("x-iceberg-access-delegation").map(String::as_str).unwrap_or_default();
    let knows = |way: &str| known.split(',').any(|known| known.trim().eq_ignore_ascii_case(way));
    knows("remote-signing") && !knows("vended-credentials")
}

/// Where a client gets new credentials before the old ones end, as it appends it to the catalog's address.
fn credentials_path(table: &TableName) -> String {
    format!("{}/credentials", table_path(table))
}

/// The address of a table, as a client appends it to the catalog's.
pub(super) fn table_path(table: &TableName) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!("v1/namespaces/{}/tables/{}", encode(&table.namespace), encode(&table.name))
}
