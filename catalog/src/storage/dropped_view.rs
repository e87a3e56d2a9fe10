//! The folder of a dropped view: its files are removed when its time has come.
//!
//! Rows are in order of that time, so that the first is the next.

use lake_host::{KeyRange, ShardStorage, WriteBatch};

use super::encode;
use crate::error::CatalogError;
use crate::limits::{DROPPED_VIEWS_MAX, SWEPT_ROWS_MAX};

const PREFIX: &[u8] = b"w/";

/// A folder whose objects are removed later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DroppedView {
    /// Microseconds since 1970.
    pub(crate) due_micros: i64,
    /// A key without a slash at its end.
    pub(crate) folder: String,
}

fn key(view: &DroppedView) -> Vec<u8> {
    let due = u64::try_from(view.due_micros).unwrap_or_default().to_be_bytes();
    [PREFIX, &due, view.folder.as_bytes()].concat()
}

/// The next one.
pub(crate) fn first(storage: &impl ShardStorage) -> Result<Option<DroppedView>, CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), 1).map_err(CatalogError::Storage)?;
    let Some((key, _)) = rows.into_iter().next() else { return Ok(None) };
    let corrupt = |detail: String| CatalogError::corrupt("the folder of a dropped view", detail);
    let rest = key.get(PREFIX.len()..).and_then(<[u8]>::split_first_chunk::<8>);
    let (due, folder) = rest.ok_or_else(|| corrupt("its key is too short".to_owned()))?;
    Ok(Some(DroppedView {
        due_micros: i64::try_from(u64::from_be_bytes(*due)).unwrap_or(i64::MAX),
        folder: String::from_utf8(folder.to_vec()).map_err(|error| corrupt(error.to_string()))?,
    }))
}

/// Remembers a folder, in a batch, and forgets the oldest if they are too many: their files stay.
pub(crate) fn put(batch: &mut WriteBatch, storage: &impl ShardStorage, view: &DroppedView) -> Result<(), CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), DROPPED_VIEWS_MAX + 1).map_err(CatalogError::Storage)?;
    let excess = (rows.len() + 1).saturating_sub(DROPPED_VIEWS_MAX).min(SWEPT_ROWS_MAX);
    for (old, _) in rows.into_iter().take(excess) {
        batch.delete(old);
    }
    batch.put(key(view), encode(&())?);
    Ok(())
}

/// Forgets a folder, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, view: &DroppedView) {
    batch.delete(key(view));
}
