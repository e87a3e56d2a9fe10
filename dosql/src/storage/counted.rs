//! Counts what a shard asks of its storage: rows written are what the platform bills most for.

use std::cell::Cell;

use lake_host::{KeyRange, ShardStorage, StorageError, WriteBatch, WriteOperation};

/// A storage that counts.
pub(crate) struct CountedStorage<S> {
    storage: S,
    counts: Cell<StorageCounts>,
}

/// Operations since the object woke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StorageCounts {
    /// Reads of one key and of ranges.
    pub(crate) reads: u64,
    /// Rows that reads returned.
    pub(crate) rows_read: u64,
    /// Batches applied.
    pub(crate) batches: u64,
    /// Rows that batches wrote. A removed range counts as one, whatever it held.
    pub(crate) rows_written: u64,
    /// Bytes of keys and values that batches wrote.
    pub(crate) bytes_written: u64,
    /// Times that the alarm was set.
    pub(crate) alarms: u64,
}

impl<S> CountedStorage<S> {
    /// Counts from zero.
    pub(crate) fn new(storage: S) -> CountedStorage<S> {
        CountedStorage { storage, counts: Cell::default() }
    }

    fn count(&self, change: impl FnOnce(&mut StorageCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }
}

/// A storage whose operations are counted, whatever it is.
pub(crate) trait Counted: ShardStorage {
    /// Operations since the object woke.
    fn counts(&self) -> StorageCounts;
}

impl<S: ShardStorage> Counted for CountedStorage<S> {
    fn counts(&self) -> StorageCounts {
        self.counts.get()
    }
}

impl<S: ShardStorage> ShardStorage for CountedStorage<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.storage.get(key)?;
        self.count(|counts| {
            counts.reads += 1;
            counts.rows_read += u64::from(value.is_some());
        });
        Ok(value)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError> {
        let rows = self.storage.scan(range, limit)?;
        self.count(|counts| {
            counts.reads += 1;
            counts.rows_read += rows.len() as u64;
        });
        Ok(rows)
    }

    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        let row = self.storage.last(range)?;
        self.count(|counts| {
            counts.reads += 1;
            counts.rows_read += u64::from(row.is_some());
        });
        Ok(row)
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        self.storage.apply(batch)?;
        self.count(|counts| {
            counts.batches += 1;
            counts.rows_written += batch.operations.len() as u64;
            counts.alarms += u64::from(batch.alarm.is_some());
            for operation in &batch.operations {
                if let WriteOperation::Put(key, value) = operation {
                    counts.bytes_written += (key.len() + value.len()) as u64;
                }
            }
        });
        Ok(())
    }

    fn alarm(&self) -> Result<Option<i64>, StorageError> {
        self.storage.alarm()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.storage.size_bytes()
    }
}
