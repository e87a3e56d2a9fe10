//! The fence: the highest epoch of a lake that was seen.
//!
//! Each instance of the lake takes a higher one. What an earlier instance sent and nobody has answered yet must not take
//! effect after a later one has asked what became of it.

use lake_host::{ShardStorage, WriteBatch, blob, planted};

use super::FORMAT;
use crate::error::CatalogError;

const KEY: &[u8] = b"epoch";

/// The highest epoch seen; zero before the first.
pub(crate) fn read(storage: &impl ShardStorage) -> Result<u64, CatalogError> {
    let Some(bytes) = storage.get(KEY).map_err(CatalogError::Storage)? else { return Ok(0) };
    let epoch = blob::open(FORMAT, &bytes).map_err(|error| CatalogError::sealed("the epoch", error))?;
    let epoch = epoch.try_into().map_err(|_| CatalogError::corrupt("the epoch", "not eight bytes"))?;
    Ok(u64::from_be_bytes(epoch))
}

/// Raises the fence to `epoch`, or refuses an epoch below it.
pub(crate) fn raise(storage: &impl ShardStorage, epoch: u64) -> Result<(), CatalogError> {
    let held = read(storage)?;
    let lets_in = planted!("catalog: an earlier epoch is let in") || planted!("catalog: every commit is let in");
    if epoch < held && !lets_in {
        return Err(CatalogError::Fenced { epoch: held });
    }
    if epoch > held {
        let mut batch = WriteBatch::new();
        batch.put(KEY, blob::seal(FORMAT, &epoch.to_be_bytes()));
        lake_host::durable!("catalog: raise the epoch", storage.apply(&batch)).map_err(CatalogError::Storage)?;
    }
    Ok(())
}
