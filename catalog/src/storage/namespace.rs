//! A namespace.

use std::collections::BTreeMap;

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_host::{KeyRange, ShardStorage, WriteBatch};
use serde::{Deserialize, Serialize};

use super::{decode, encode};
use crate::error::CatalogError;
use crate::limits::LIST_MAX;

const PREFIX: &[u8] = b"n/";

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Namespace {
    /// Its properties.
    pub(crate) properties: BTreeMap<String, String>,
}

fn key(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes()].concat()
}

/// A namespace; `None` if there is none of the name.
pub(crate) fn read(storage: &impl ShardStorage, name: &str) -> Result<Option<Namespace>, CatalogError> {
    let bytes = storage.get(&key(name)).map_err(CatalogError::Storage)?;
    bytes.map(|bytes| decode("a namespace", &bytes)).transpose()
}

/// Adds a namespace to a batch.
pub(crate) fn put(batch: &mut WriteBatch, name: &str, namespace: &Namespace) -> Result<(), CatalogError> {
    batch.put(key(name), encode(namespace)?);
    Ok(())
}

/// Removes a namespace, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, name: &str) {
    batch.delete(key(name));
}

/// True if the namespace is there: by itself, or as a level above one that is.
pub(crate) fn exists(storage: &impl ShardStorage, name: &str) -> Result<bool, CatalogError> {
    Ok(storage.get(&key(name)).map_err(CatalogError::Storage)?.is_some() || has_children(storage, name)?)
}

/// True if there is a namespace below this one.
pub(crate) fn has_children(storage: &impl ShardStorage, name: &str) -> Result<bool, CatalogError> {
    let below = key(&format!("{name}{NAMESPACE_SEPARATOR}"));
    Ok(!storage.scan(&KeyRange::prefix(&below), 1).map_err(CatalogError::Storage)?.is_empty())
}

/// All names in order.
pub(crate) fn names(storage: &impl ShardStorage) -> Result<Vec<String>, CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), LIST_MAX).map_err(CatalogError::Storage)?;
    let name = |key: Vec<u8>| {
        let name = key.get(PREFIX.len()..).unwrap_or_default().to_vec();
        String::from_utf8(name).map_err(|error| CatalogError::corrupt("a namespace's name", error))
    };
    rows.into_iter().map(|(key, _)| name(key)).collect()
}
