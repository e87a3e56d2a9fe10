//! Where a view is. Views share their names with tables: no name has both.

use lake_host::{KeyRange, ShardStorage, WriteBatch};
use lake_table::TableName;
use serde::{Deserialize, Serialize};

use super::{decode, encode};
use crate::error::CatalogError;
use crate::limits::{LIST_MAX, ROWS_AT_ONCE};

const PREFIX: &[u8] = b"v/";
const SEPARATOR: u8 = 0;

/// Where a view is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ViewPointer {
    /// Where its present `metadata.json` is.
    pub(crate) metadata_location: String,
    /// Where the next ones are put, without a slash at the end. Not the location that the view says it has: that is a
    /// client's text.
    pub(crate) folder: String,
    /// How many `metadata.json` came before.
    pub(crate) version: u32,
}

fn prefix_of(namespace: &str) -> Vec<u8> {
    [PREFIX, namespace.as_bytes(), &[SEPARATOR]].concat()
}

fn key(view: &TableName) -> Vec<u8> {
    [prefix_of(&view.namespace), view.name.as_bytes().to_vec()].concat()
}

/// A view's pointer; `None` if there is no such view.
pub(crate) fn read(storage: &impl ShardStorage, view: &TableName) -> Result<Option<ViewPointer>, CatalogError> {
    let bytes = storage.get(&key(view)).map_err(CatalogError::Storage)?;
    bytes.map(|bytes| decode("a view's pointer", &bytes)).transpose()
}

/// True if there is a view of the name, which no table can have then.
pub(crate) fn view_exists(storage: &impl ShardStorage, name: &TableName) -> Result<bool, CatalogError> {
    Ok(storage.get(&key(name)).map_err(CatalogError::Storage)?.is_some())
}

/// Adds a pointer to a batch.
pub(crate) fn put(batch: &mut WriteBatch, view: &TableName, pointer: &ViewPointer) -> Result<(), CatalogError> {
    batch.put(key(view), encode(pointer)?);
    Ok(())
}

/// Removes a pointer, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, view: &TableName) {
    batch.delete(key(view));
}

/// True if a view's present `metadata.json` is below a location, which ends without a slash.
pub(crate) fn any_below(storage: &impl ShardStorage, location: &str) -> Result<bool, CatalogError> {
    let mut range = KeyRange::prefix(PREFIX);
    loop {
        let rows = storage.scan(&range, ROWS_AT_ONCE).map_err(CatalogError::Storage)?;
        for (_, value) in &rows {
            let pointer: ViewPointer = decode("a view's pointer", value)?;
            let below = pointer.metadata_location.strip_prefix(location);
            if below.is_some_and(|rest| rest.starts_with('/')) {
                return Ok(true);
            }
        }
        match rows.into_iter().nth(ROWS_AT_ONCE - 1) {
            Some((last, _)) => range.start = [last, vec![0]].concat(),
            None => return Ok(false),
        }
    }
}

/// The names of the views of one namespace in order.
pub(crate) fn names(storage: &impl ShardStorage, namespace: &str) -> Result<Vec<String>, CatalogError> {
    let prefix = prefix_of(namespace);
    let rows = storage.scan(&KeyRange::prefix(&prefix), LIST_MAX).map_err(CatalogError::Storage)?;
    let name = |key: &[u8]| {
        let name = key.get(prefix.len()..).unwrap_or_default().to_vec();
        String::from_utf8(name).map_err(|error| CatalogError::corrupt("a view's name", error))
    };
    rows.iter().map(|(key, _)| name(key)).collect()
}
