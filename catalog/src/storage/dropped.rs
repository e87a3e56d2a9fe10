//! A table that was dropped and can still come back, or whose dropping somebody may ask for again.
//!
//! Rows are in order of time, so that the oldest go first.

use lake_host::{KeyRange, ShardStorage, WriteBatch};
use lake_table::TableName;
use serde::{Deserialize, Serialize};

use super::pointer::Pointer;
use super::{decode, encode};
use crate::error::CatalogError;
use crate::limits::{DROPPED_SECONDS, DROPPED_TABLES_MAX, SWEPT_ROWS_MAX};

const PREFIX: &[u8] = b"d/";

/// A dropped table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Dropped {
    /// What it was called.
    pub(crate) table: TableName,
    /// Where it was.
    pub(crate) pointer: Pointer,
    /// When: microseconds since 1970.
    pub(crate) dropped_micros: i64,
    /// True if its files are removed: it cannot come back.
    pub(crate) is_purged: bool,
}

fn time(micros: i64) -> [u8; 8] {
    u64::try_from(micros).unwrap_or_default().to_be_bytes()
}

fn key(dropped: &Dropped) -> Vec<u8> {
    let TableName { namespace, name } = &dropped.table;
    [PREFIX, &time(dropped.dropped_micros), namespace.as_bytes(), &[0], name.as_bytes()].concat()
}

/// Those of a name, the last one first.
pub(crate) fn of(storage: &impl ShardStorage, table: &TableName) -> Result<Vec<Dropped>, CatalogError> {
    let mut found = all(storage)?;
    found.retain(|dropped| dropped.table == *table);
    found.reverse();
    Ok(found)
}

/// All, the oldest first.
pub(crate) fn all(storage: &impl ShardStorage) -> Result<Vec<Dropped>, CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), DROPPED_TABLES_MAX + 1).map_err(CatalogError::Storage)?;
    rows.iter().map(|(_, value)| decode("a dropped table", value)).collect()
}

/// Remembers a dropped table, in a batch, and forgets those whose time is over or that are too many.
pub(crate) fn put(batch: &mut WriteBatch, storage: &impl ShardStorage, dropped: &Dropped) -> Result<(), CatalogError> {
    let rows = storage.scan(&KeyRange::prefix(PREFIX), DROPPED_TABLES_MAX + 1).map_err(CatalogError::Storage)?;
    let over = time(dropped.dropped_micros.saturating_sub(DROPPED_SECONDS.saturating_mul(1_000_000)));
    let over = [PREFIX, &over].concat();
    let excess = (rows.len() + 1).saturating_sub(DROPPED_TABLES_MAX);
    for (at, (old, _)) in rows.into_iter().enumerate().take(SWEPT_ROWS_MAX) {
        if at >= excess && old >= over {
            break;
        }
        batch.delete(old);
    }
    batch.put(key(dropped), encode(dropped)?);
    Ok(())
}

/// Forgets one, in a batch.
pub(crate) fn remove(batch: &mut WriteBatch, dropped: &Dropped) {
    batch.delete(key(dropped));
}
