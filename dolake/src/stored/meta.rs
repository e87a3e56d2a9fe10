//! The lake's own counters and positions. One row, part of every write.

use serde::{Deserialize, Serialize};

/// The storage format this build writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// Counters and positions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeMeta {
    /// Format of the whole storage.
    pub(crate) format: u32,
    /// Grows with each instance that flushes.
    pub(crate) epoch: u64,
    /// Key of the hash of the key index.
    pub(crate) hash_key: [u64; 2],
    /// Last position given to a change.
    pub(crate) position: u64,
    /// Number of the next tail blob.
    pub(crate) next_blob: u64,
    /// All tables contain everything up to here.
    pub(crate) flushed: u64,
    /// Tail blobs below this number are in committed snapshots.
    pub(crate) flushed_blob: u64,
    /// Greatest stamp in committed snapshots.
    pub(crate) flushed_stamp: i64,
    /// Number of the last commit record.
    pub(crate) commit: u64,
    /// Bytes of the blobs that are not flushed.
    pub(crate) tail_bytes: u64,
    /// Bytes of the blobs that are flushed and kept for subscribers.
    pub(crate) retained_bytes: u64,
    /// Subscribers can start from here on.
    pub(crate) earliest: u64,
    /// When the oldest blob that is not flushed was accepted.
    pub(crate) oldest: Option<i64>,
    /// Next numbers.
    pub(crate) next_shard: u32,
    pub(crate) next_table: u32,
    pub(crate) next_shape: u32,
    /// Dead letters so far, and their bytes.
    pub(crate) dead_letters: u64,
    pub(crate) dead_letter_bytes: u64,
    /// Changes whose old row was not found in the index.
    pub(crate) missing_rows: u64,
}

impl LakeMeta {
    pub(crate) fn new(hash_key: [u64; 2]) -> LakeMeta {
        LakeMeta {
            format: FORMAT,
            epoch: 0,
            hash_key,
            position: 0,
            next_blob: 1,
            flushed: 0,
            flushed_blob: 1,
            flushed_stamp: i64::MIN,
            commit: 0,
            tail_bytes: 0,
            retained_bytes: 0,
            earliest: 0,
            oldest: None,
            next_shard: 1,
            next_table: 1,
            next_shape: 1,
            dead_letters: 0,
            dead_letter_bytes: 0,
            missing_rows: 0,
        }
    }
}
