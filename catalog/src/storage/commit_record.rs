//! The commit record: what the whole lake was at the end of one commit, as one immutable object.
//!
//! It lies in the object store, outside of any Durable Object, so that a lake whose objects were lost is rebuilt from the
//! last one. It is written after the swap; its bytes are kept in the swap's own batch, so that who wakes after dying
//! in between writes exactly the same ones.

use lake_host::{KeyRange, ShardStorage, WriteBatch, blob};
use lake_table::{TableName, Watermark, decimal};
use serde::{Deserialize, Serialize};

use crate::error::CatalogError;
use crate::limits::{COMMIT_RECORD_BYTES_MAX, COMMITS_KEPT, PART_BYTES_MAX};

const PREFIX: &[u8] = b"c/";
const NUMBER_BYTES: usize = 8;
const FORMAT: u8 = 1;

/// A table in a commit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordedTable {
    /// Which.
    pub table: TableName,
    /// Where its `metadata.json` is at this commit.
    pub metadata_location: String,
    /// True if this commit moved it.
    pub changed: bool,
}

/// All pointers and positions of a lake after one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommitRecord {
    /// 1 for the first; without gaps.
    #[serde(with = "decimal")]
    pub number: u64,
    /// The flush that made it.
    pub flush_id: String,
    /// Epoch of the lake that sent it.
    #[serde(with = "decimal")]
    pub epoch: u64,
    /// The lake position of all tables.
    #[serde(with = "decimal")]
    pub position: u64,
    /// When: microseconds since 1970.
    pub committed_micros: i64,
    /// All shards' positions.
    pub watermarks: Vec<Watermark>,
    /// All tables.
    pub tables: Vec<RecordedTable>,
}

impl CommitRecord {
    /// The bytes of the object.
    pub fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        let json = serde_json::to_vec(self).map_err(|error| CatalogError::Invalid(error.to_string()))?;
        if json.len() > COMMIT_RECORD_BYTES_MAX {
            return Err(CatalogError::Invalid(format!("a commit record of {} bytes is too large", json.len())));
        }
        Ok(blob::seal(FORMAT, &json))
    }

    /// Reads the bytes of the object.
    pub fn decode(bytes: &[u8]) -> Result<CommitRecord, CatalogError> {
        let json = blob::open(FORMAT, bytes).map_err(|error| CatalogError::sealed("a commit record", error))?;
        serde_json::from_slice(json).map_err(|error| CatalogError::corrupt("a commit record", error))
    }
}

fn key(number: u64, part: u16) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes(), &part.to_be_bytes()].concat()
}

fn range(number: u64) -> KeyRange {
    KeyRange::prefix(&[PREFIX, &number.to_be_bytes()].concat())
}

/// Adds a record's bytes to a batch, and takes away the oldest one.
pub(crate) fn put(batch: &mut WriteBatch, number: u64, bytes: &[u8]) {
    for (part, chunk) in (0u16..).zip(bytes.chunks(PART_BYTES_MAX)) {
        batch.put(key(number, part), chunk);
    }
    if let Some(old) = number.checked_sub(COMMITS_KEPT).filter(|old| *old > 0) {
        batch.delete_range(range(old));
    }
}

/// The number of the last commit; zero before the first.
pub(crate) fn last_number(storage: &impl ShardStorage) -> Result<u64, CatalogError> {
    let Some((key, _)) = storage.last(&KeyRange::prefix(PREFIX)).map_err(CatalogError::Storage)? else { return Ok(0) };
    let number = key.get(PREFIX.len()..PREFIX.len() + NUMBER_BYTES).and_then(|bytes| bytes.try_into().ok());
    let number = number.ok_or_else(|| CatalogError::corrupt("a commit's number", "not eight bytes"))?;
    Ok(u64::from_be_bytes(number))
}

/// The bytes of a record that is still kept.
pub(crate) fn read_bytes(storage: &impl ShardStorage, number: u64) -> Result<Option<Vec<u8>>, CatalogError> {
    let parts_max = COMMIT_RECORD_BYTES_MAX / PART_BYTES_MAX + 1;
    let parts = storage.scan(&range(number), parts_max).map_err(CatalogError::Storage)?;
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(parts.into_iter().flat_map(|(_, chunk)| chunk).collect()))
}

/// The last record; `None` before the first commit.
pub(crate) fn last(storage: &impl ShardStorage) -> Result<Option<CommitRecord>, CatalogError> {
    read(storage, last_number(storage)?)
}

/// A record that is still kept.
fn read(storage: &impl ShardStorage, number: u64) -> Result<Option<CommitRecord>, CatalogError> {
    read_bytes(storage, number)?.map(|bytes| CommitRecord::decode(&bytes)).transpose()
}

/// The record of a flush, if it was one of the last.
pub(crate) fn of_flush(storage: &impl ShardStorage, flush_id: &str) -> Result<Option<CommitRecord>, CatalogError> {
    let last = last_number(storage)?;
    for number in (last.saturating_sub(COMMITS_KEPT - 1).max(1)..=last).rev() {
        match read(storage, number)? {
            Some(record)
                if record.flush_id == flush_id && !lake_host::planted!("catalog: a flush is not recognised") =>
            {
                return Ok(Some(record));
            }
            Some(_) | None => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake_table::commit_record_key;
    use lake_test_host::MemoryStorage;
    use proptest::prelude::*;

    fn record() -> CommitRecord {
        let table = |name: &str| TableName { namespace: "default".into(), name: name.into() };
        let metadata_location = "s3://lakehouse/warehouse/default/orders/metadata/00007-x.metadata.json".to_owned();
        CommitRecord {
            number: 7,
            flush_id: "f7".into(),
            epoch: 3,
            position: 9_007_199_254_740_993,
            committed_micros: 1_763_696_544_000_001,
            watermarks: vec![Watermark { database: "shop".into(), timeline: "0f".repeat(16), lsn: u64::MAX }],
            tables: vec![
                RecordedTable { table: table("orders"), metadata_location, changed: true },
                RecordedTable { table: table("quiet"), metadata_location: "s3://b/m".into(), changed: false },
            ],
        }
    }

    /// The bytes of format 1: they are in buckets.
    fn golden() -> Vec<u8> {
        let hex = include_str!("../../../tests/fixtures/catalog/commit_record_v1.hex").trim();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_bytes_of_format_1_stay() {
        assert_eq!(CommitRecord::decode(&golden()), Ok(record()));
        assert_eq!(record().encode(), Ok(golden()), "{}", String::from_utf8_lossy(&record().encode().unwrap()));
    }

    #[test]
    fn keys_are_in_order_of_numbers() {
        assert_eq!(commit_record_key(7), "_lake/commits/00000000000000000007");
        assert!(commit_record_key(9) < commit_record_key(10));
        assert!(commit_record_key(u64::MAX) > commit_record_key(u64::MAX / 2));
    }

    #[test]
    fn a_record_of_several_parts_reads_back() {
        let storage = MemoryStorage::new();
        let bytes: Vec<u8> = (0..PART_BYTES_MAX * 2 + 5).map(|at| at as u8).collect();
        let mut batch = WriteBatch::new();
        put(&mut batch, 1, b"older");
        put(&mut batch, 2, &bytes);
        storage.apply(&batch).unwrap();
        assert_eq!(last_number(&storage), Ok(2));
        assert_eq!(read_bytes(&storage, 2), Ok(Some(bytes)));
        assert_eq!(read_bytes(&storage, 1), Ok(Some(b"older".to_vec())));
        assert_eq!(read_bytes(&storage, 3), Ok(None));
    }

    #[test]
    fn a_record_of_a_newer_build_is_named() {
        let newer = CommitRecord::decode(&blob::seal(2, b"{}"));
        assert_eq!(newer, Err(CatalogError::Newer { what: "a commit record", format: 2 }));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _read_or_refused = (CommitRecord::decode(&bytes), CommitRecord::decode(&blob::seal(FORMAT, &bytes)));
        }

        #[test]
        fn a_changed_byte_is_refused(at in 0usize..1_000, flip in 1u8..) {
            let mut bytes = golden();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert!(CommitRecord::decode(&bytes).is_err());
        }
    }
}
