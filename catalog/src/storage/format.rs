//! The layout of the object's storage.

use lake_host::{ShardStorage, WriteBatch, blob};

use super::FORMAT;
use crate::error::CatalogError;

const KEY: &[u8] = b"format";

/// Refuses a storage that a newer build wrote; marks an empty one.
pub(crate) fn admit(storage: &impl ShardStorage) -> Result<(), CatalogError> {
    match storage.get(KEY).map_err(CatalogError::Storage)? {
        Some(bytes) => {
            blob::open(FORMAT, &bytes).map(|_| ()).map_err(|error| CatalogError::sealed("the catalog's storage", error))
        }
        None => {
            let mut batch = WriteBatch::new();
            batch.put(KEY, blob::seal(FORMAT, b""));
            lake_host::durable!("catalog: begin", storage.apply(&batch)).map_err(CatalogError::Storage)
        }
    }
}
