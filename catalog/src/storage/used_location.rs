//! A location that is or was a table's. Kept for ever: a table of a name that was used before gets another folder, so that
//! neither a late reader nor a late clean-up of the old one ever meets the new one.

use lake_host::{KeyRange, ShardStorage, WriteBatch};
use lake_table::TableName;

use super::{decode, encode};
use crate::error::CatalogError;

const PREFIX: &[u8] = b"l/";

fn key(folder: &str) -> Vec<u8> {
    [PREFIX, folder.as_bytes()].concat()
}

/// The table that a folder was given to; `None` if it was never used.
pub(crate) fn read(storage: &impl ShardStorage, folder: &str) -> Result<Option<TableName>, CatalogError> {
    let bytes = storage.get(&key(folder)).map_err(CatalogError::Storage)?;
    bytes.map(|bytes| decode("a used location", &bytes)).transpose()
}

/// Marks a folder as used, in a batch.
pub(crate) fn put(batch: &mut WriteBatch, folder: &str, table: &TableName) -> Result<(), CatalogError> {
    batch.put(key(folder), encode(table)?);
    Ok(())
}

/// True if no table is or was at a folder, in it, or above it: who may write one would else write the other too.
pub(crate) fn is_unused(storage: &impl ShardStorage, folder: &str) -> Result<bool, CatalogError> {
    let mut above = folder;
    loop {
        if read(storage, above)?.is_some() {
            return Ok(false);
        }
        match above.rsplit_once('/') {
            Some((parent, _)) => above = parent,
            None => break,
        }
    }
    let below = KeyRange::prefix(&key(&format!("{folder}/")));
    Ok(storage.scan(&below, 1).map_err(CatalogError::Storage)?.is_empty())
}
