//! Where a table is: the one thing about it that moves.

use lake_host::{KeyRange, ShardStorage, WriteBatch};
use lake_table::TableName;
use serde::{Deserialize, Serialize};

use super::{decode, encode};
use crate::error::CatalogError;
use crate::limits::LIST_MAX;

const PREFIX: &[u8] = b"t/";
const SEPARATOR: u8 = 0;

/// Who writes a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Owner {
    /// The lake, from the changes of its shards: read-only to everybody else, so that the key index stays true.
    Lake,
    /// Foreign engines, through the REST protocol.
    Engine,
}

/// Where a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Pointer {
    /// Where its present `metadata.json` is.
    pub(crate) metadata_location: String,
    /// Its root, without a slash at the end.
    pub(crate) location: String,
    /// How many `metadata.json` came before.
    pub(crate) version: u32,
    /// When the pointer moved last: microseconds since 1970.
    pub(crate) moved_micros: i64,
    /// Who writes it.
    pub(crate) owner: Owner,
}

pub(super) fn key(table: &TableName) -> Vec<u8> {
    [PREFIX, table.namespace.as_bytes(), &[SEPARATOR], table.name.as_bytes()].concat()
}

fn table_of(key: &[u8]) -> Result<TableName, CatalogError> {
    let corrupt = || CatalogError::corrupt("a table's name", "not a namespace and a name");
    let text = std::str::from_utf8(key.get(PREFIX.len()..).unwrap_or_default()).map_err(|_| corrupt())?;
    let (namespace, name) = text.split_once(char::from(SEPARATOR)).ok_or_else(corrupt)?;
    Ok(TableName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// A table's pointer; `None` if there is no such table.
pub(crate) fn read(storage: &impl ShardStorage, table: &TableName) -> Result<Option<Pointer>, CatalogError> {
    let bytes = storage.get(&key(table)).map_err(CatalogError::Storage)?;
    bytes.map(|bytes| decode("a table's pointer", &bytes)).transpose()
}

/// Adds a pointer to a batch.
pub(crate) fn put(batch: &mut WriteBatch, table: &TableName, pointer: &Pointer) -> Result<(), CatalogError> {
    batch.put(key(table), encode(pointer)?);
    Ok(())
}

/// Removes a pointer, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, table: &TableName) {
    batch.delete(key(table));
}

/// All tables in order of their names.
pub(crate) fn all(storage: &impl ShardStorage) -> Result<Vec<(TableName, Pointer)>, CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), LIST_MAX).map_err(CatalogError::Storage)?;
    rows.iter().map(|(key, value)| Ok((table_of(key)?, decode("a table's pointer", value)?))).collect()
}

/// The tables of one namespace in order.
pub(crate) fn names(storage: &impl ShardStorage, namespace: &str) -> Result<Vec<TableName>, CatalogError> {
    let prefix = [PREFIX, namespace.as_bytes(), &[SEPARATOR]].concat();
    let rows = storage.scan(&KeyRange::prefix(&prefix), LIST_MAX).map_err(CatalogError::Storage)?;
    rows.iter().map(|(key, _)| table_of(key)).collect()
}
