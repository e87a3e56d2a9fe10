//! Remote signing: a client that holds no storage credentials has each of its storage requests signed here.
//!
//! What is signed is what the caller may do: reading for who may read the table, changing for who may write it if
//! engines write it at all, and only objects below its location. The facade checks it again when the request arrives.

use std::collections::BTreeMap;

use lake_api::scope::Access;
use lake_api::storage_key::{Grant, derive};
use lake_host::ShardStorage;
use lake_table::TableName;
use serde::Deserialize;
use serde_json::json;

use super::credentials::table_path;
use super::route::SignRoute;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::facade::FacadeError;
use crate::facade::delete;
use crate::facade::signature::{Unsigned, sign};
use crate::limits::SIGNATURE_WINDOW_SECONDS;
use crate::location::{folder, key_of};
use crate::storage::pointer::Owner;
use crate::storage::{pointer, used_location};

/// A storage request to sign. What else clients say of it does not matter.
#[derive(Debug, Deserialize)]
struct SignRequest {
    region: String,
    uri: String,
    method: String,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    provider: Option<String>,
}

/// What tells a client to ask here: the properties of Java's clients, and of PyIceberg's.
pub(super) fn client_config(table: &TableName, origin: &str) -> [(&'static str, String); 5] {
    [
        ("s3.remote-signing-enabled", "true".to_owned()),
        ("s3.signer.uri", format!("{origin}/iceberg")),
        ("s3.signer.endpoint", format!("{}/sign", table_path(table))),
        ("s3.signer", "S3V4RestSigner".to_owned()),
        // Its usual one cannot be told to ask.
        ("py-io-impl", "pyiceberg.io.fsspec.FsspecFileIO".to_owned()),
    ]
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_sign(&self, route: &SignRoute, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let asked: SignRequest = caller.body()?;
        if asked.provider.as_deref().is_some_and(|provider| provider != "s3") {
            return Err(RestError::BadRequest("Only requests of S3 are signed".to_owned()));
        }
        let access = match asked.method.as_str() {
            "GET" | "HEAD" => Access::Read,
            "PUT" | "POST" | "DELETE" => Access::Write,
            other => return Err(RestError::BadRequest(format!("A request to {other} is not signed"))),
        };
        let unsigned = Unsigned::read(&asked.method, &asked.uri, &asked.headers)?;
        let keys = touched(&unsigned, &asked)?;
        let table = match route {
            SignRoute::Table(table) => {
                self.must_be_allowed(table, caller.claims, access)?;
                table.clone()
            }
            SignRoute::Any => {
                let table = self.table_at(keys.first().map(String::as_str).unwrap_or_default())?;
                // Who may not does not learn whose file it is.
                table.filter(|table| self.must_be_allowed(table, caller.claims, access).is_ok()).ok_or_else(|| {
                    RestError::Forbidden(format!("The address is of no table's file that the caller may {access}"))
                })?
            }
        };
        let folder = self.folder_of(&table, &keys, access)?;
        let is_inside = |key: &String| key.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'));
        if unsigned.bucket() != self.settings.bucket || !keys.iter().all(is_inside) {
            return Err(RestError::Forbidden(format!("Only files of table {} are signed here", name(&table))));
        }
        // As long as the signature itself.
        let now = caller.now_micros.div_euclid(1_000_000);
        let expires_at = now.saturating_add(2 * SIGNATURE_WINDOW_SECONDS).min(caller.claims.expires_at);
        let grant = Grant { prefix: folder, access, expires_at, is_session: true };
        let headers = sign(&unsigned, &asked.region, &derive(caller.keys, &grant), caller.now_micros)?;
        let headers: BTreeMap<String, Vec<String>> =
            headers.into_iter().map(|(name, value)| (name, vec![value])).collect();
        let mut response = RestResponse::value(&json!({"uri": asked.uri, "headers": headers}));
        // A client may use a signature again for the same request, which for a change it would not want to.
        let cached = if access == Access::Read { "private" } else { "no-cache" };
        response.headers.retain(|(name, _)| name != "cache-control");
        response.headers.push(("cache-control".to_owned(), cached.to_owned()));
        Ok(response)
    }

    /// The table whose folder a key is in.
    fn table_at(&self, key: &str) -> Result<Option<TableName>, RestError> {
        let slashes = key.char_indices().filter(|(_, character)| *character == '/');
        for (at, _) in slashes {
            if let Some(table) = used_location::read(&self.storage, key.get(..at).unwrap_or_default())? {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }

    /// The key of a table's location. A table that is being made has one that only it can get.
    fn folder_of(&self, table: &TableName, keys: &[String], access: Access) -> Result<String, RestError> {
        let Some(pointer) = pointer::read(&self.storage, table)? else {
            let staged = keys.first().and_then(|key| staged(table, key));
            return match staged {
                Some(folder) if used_location::read(&self.storage, folder)?.is_none() => Ok(folder.to_owned()),
                _ => Err(RestError::NoSuchTable(name(table))),
            };
        };
        if access == Access::Write && pointer.owner == Owner::Lake {
            return Err(RestError::Forbidden(format!(
                "Table {} is written by the databases that feed it and is read-only here",
                name(table)
            )));
        }
        let folder = key_of(&pointer.location, &self.settings.bucket);
        folder.map(str::to_owned).ok_or_else(|| RestError::Internal("A table is in another bucket".to_owned()))
    }
}

/// The keys that a request touches: at least one.
fn touched(unsigned: &Unsigned, asked: &SignRequest) -> Result<Vec<String>, RestError> {
    let refused = || RestError::Forbidden("Requests of the bucket itself are not signed".to_owned());
    if unsigned.is_copy() {
        return Err(RestError::Forbidden("Copies are not signed".to_owned()));
    }
    let keys = match (unsigned.key(), asked.method.as_str()) {
        (Some(key), _) => vec![key.to_owned()],
        (None, "GET") => vec![unsigned.parameter("prefix").ok_or_else(refused)?.to_owned()],
        (None, "POST") if unsigned.parameter("delete").is_some() => {
            delete::keys(asked.body.as_deref().unwrap_or_default().as_bytes())?
        }
        (None, _) => return Err(refused()),
    };
    if keys.is_empty() { Err(refused()) } else { Ok(keys) }
}

/// The folder of a key, if it is one that is given to a table of this name while it is made: its own, a dot or a hyphen,
/// and 32 hexadecimal digits.
fn staged<'a>(table: &TableName, key: &'a str) -> Option<&'a str> {
    let own = folder(table, 1);
    let digits = key.strip_prefix(&own)?.strip_prefix(['-', '.'])?.get(..32)?;
    let is_staged = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_staged { key.get(..own.len() + 33) } else { None }
}

impl From<FacadeError> for RestError {
    fn from(error: FacadeError) -> RestError {
        RestError::BadRequest(error.to_string())
    }
}
