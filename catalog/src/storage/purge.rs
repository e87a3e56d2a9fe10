//! A folder whose objects are being removed. It is here until the last of them is gone.

use lake_host::{KeyRange, ShardStorage, WriteBatch};

use super::encode;
use crate::error::CatalogError;

const PREFIX: &[u8] = b"p/";

/// Adds a folder (a key without a slash at its end) to those being removed, in a batch.
pub(crate) fn put(batch: &mut WriteBatch, folder: &str) -> Result<(), CatalogError> {
    batch.put([PREFIX, folder.as_bytes()].concat(), encode(&())?);
    Ok(())
}

/// Takes a folder away whose objects are gone, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, folder: &str) {
    batch.delete([PREFIX, folder.as_bytes()].concat());
}

/// True if an object is in a folder that is being removed.
pub(crate) fn takes(storage: &impl ShardStorage, key: &str) -> Result<bool, CatalogError> {
    for (slash, _) in key.match_indices('/') {
        let folder = [PREFIX, key.get(..slash).unwrap_or_default().as_bytes()].concat();
        if storage.get(&folder).map_err(CatalogError::Storage)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first folder that is being removed, and whether there is another.
pub(crate) fn next(storage: &impl ShardStorage) -> Result<Option<(String, bool)>, CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), 2).map_err(CatalogError::Storage)?;
    let has_another = rows.len() > 1;
    let Some((key, _)) = rows.into_iter().next() else { return Ok(None) };
    let folder = String::from_utf8(key.get(PREFIX.len()..).unwrap_or_default().to_vec());
    let folder = folder.map_err(|error| CatalogError::corrupt("a folder to remove", error))?;
    Ok(Some((folder, has_another)))
}
