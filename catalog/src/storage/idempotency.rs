//! What became of a request under an `Idempotency-Key`: the same one again changes nothing.
//!
//! Rows begin with the hour in which they were written, so that those whose time is over are found without looking at
//! the others.

use lake_host::{KeyRange, ShardStorage, WriteBatch};
use serde::{Deserialize, Serialize};

use super::{decode, encode};
use crate::error::CatalogError;
use crate::limits::{IDEMPOTENCY_SECONDS, SWEPT_ROWS_MAX};

const PREFIX: &[u8] = b"i/";
const HOUR_MICROS: i64 = 3_600_000_000;
/// Hours in which a key that is still alive can have been written, before the present one.
const HOURS_BACK: u64 = (IDEMPOTENCY_SECONDS as u64).div_ceil(3_600);

/// What became of the request of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Done {
    /// Of the request.
    pub(crate) digest: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// The folder of the table that the answer showed, if it showed one: its name may be another's by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<String>,
    /// Why it was refused; `None` if it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Refusal>,
}

/// A refusal as clients know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Refusal {
    /// Java's name of the exception.
    pub(crate) exception: String,
    /// For people.
    pub(crate) message: String,
}

fn key(hour: u64, id: &[u8; 16]) -> Vec<u8> {
    [PREFIX, &hour.to_be_bytes(), id].concat()
}

fn hour(now_micros: i64) -> u64 {
    u64::try_from(now_micros.div_euclid(HOUR_MICROS)).unwrap_or_default()
}

/// What was done under a key; `None` if nothing was, or too long ago.
pub(crate) fn read(storage: &impl ShardStorage, id: &[u8; 16], now_micros: i64) -> Result<Option<Done>, CatalogError> {
    let now = hour(now_micros);
    for hour in now.saturating_sub(HOURS_BACK)..=now {
        if let Some(bytes) = storage.get(&key(hour, id)).map_err(CatalogError::Storage)? {
            return decode("an idempotency key", &bytes).map(Some);
        }
    }
    Ok(None)
}

/// Notes what is done under a key, in the batch that does it, and takes away some of those whose time is over.
pub(crate) fn put(
    batch: &mut WriteBatch,
    storage: &impl ShardStorage,
    id: &[u8; 16],
    done: &Done,
    now_micros: i64,
) -> Result<(), CatalogError> {
    let now = hour(now_micros);
    let alive = [PREFIX, &now.saturating_sub(HOURS_BACK).to_be_bytes()].concat();
    let over = KeyRange { start: PREFIX.to_vec(), end: Some(alive) };
    for (old, _) in storage.scan(&over, SWEPT_ROWS_MAX).map_err(CatalogError::Storage)? {
        batch.delete(old);
    }
    batch.put(key(now, id), encode(done)?);
    Ok(())
}
