//! The storage of one Durable Object: an ordered map from keys to blobs whose one write is atomic.

use thiserror::Error;

/// Greatest size of a key and its value together. The platform documents 2 MB and its local runtime does not hold it, so
/// every implementation checks it by itself.
pub const ROW_BYTES_MAX: usize = 2_000_000;

/// Why storage did not do it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StorageError {
    /// There is no room. Nothing was written; reads go on.
    #[error("the storage of this object is full")]
    Full,
    /// The platform refused or failed. For a write, whether it took effect is unknown: drop what is in memory and read again.
    #[error("storage failed: {0}")]
    Failed(String),
}

/// Keys from `start` (inclusive) to `end` (exclusive), in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub start: Vec<u8>,
    /// First key that is not in the range; `None` for no upper bound.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return KeyRange { start: prefix.to_vec(), end: Some(end) };
            }
        }
        KeyRange { start: prefix.to_vec(), end: None }
    }

    /// True if `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOperation {
    /// Sets a key. Key and value together are at most [`ROW_BYTES_MAX`].
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key if it is there.
    Delete(Vec<u8>),
    /// Removes all keys of a range.
    DeleteRange(KeyRange),
}

/// What a batch does to the object's one alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmChange {
    /// Sets it to this time (microseconds since 1970), or leaves an earlier one.
    NoLaterThan(i64),
    /// Sets it to this time, whatever it was.
    Set(i64),
    /// Removes it.
    Clear,
}

/// Operations that take effect together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// The operations.
    pub operations: Vec<WriteOperation>,
    /// The alarm, in the same atomic step.
    pub alarm: Option<AlarmChange>,
}

impl WriteBatch {
    /// A batch that does nothing yet.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// Adds a put.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut WriteBatch {
        self.operations.push(WriteOperation::Put(key.into(), value.into()));
        self
    }

    /// Adds a delete.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut WriteBatch {
        self.operations.push(WriteOperation::Delete(key.into()));
        self
    }

    /// Adds the deletion of a range.
    pub fn delete_range(&mut self, range: KeyRange) -> &mut WriteBatch {
        self.operations.push(WriteOperation::DeleteRange(range));
        self
    }

    /// Size of a row that is greater than [`ROW_BYTES_MAX`], if there is one: no storage takes it.
    pub fn oversized_row(&self) -> Option<usize> {
        let sizes = self.operations.iter().map(|operation| match operation {
            WriteOperation::Put(key, value) => key.len() + value.len(),
            WriteOperation::Delete(_) | WriteOperation::DeleteRange(_) => 0,
        });
        sizes.max().filter(|bytes| *bytes > ROW_BYTES_MAX)
    }

    /// True if it would do nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.alarm.is_none()
    }
}

/// Storage of one object. Calls are synchronous: nothing else of the object runs in between.
///
/// What `apply` wrote is seen by reads at once, and is durable before any answer or message that was sent after it
/// leaves the object (the platform's output gate).
pub trait ShardStorage {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// At most `limit` pairs of a range in ascending key order.
    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError>;

    /// The last pair of a range.
    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError>;

    /// Does all of a batch or nothing.
    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError>;

    /// When the alarm goes off, if it is set: microseconds since 1970.
    ///
    /// It goes off at that time or later, also for an object that is not in memory, and at least once: one that the
    /// object fails to take comes again. While it is taken it is not set any more, and may be set anew.
    fn alarm(&self) -> Result<Option<i64>, StorageError>;

    /// Bytes in use, as the platform counts them.
    fn size_bytes(&self) -> Result<u64, StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_too_large_with_its_key() {
        let mut batch = WriteBatch::new();
        batch.put([7; 10], vec![7; ROW_BYTES_MAX - 10]);
        assert_eq!(batch.oversized_row(), None);
        batch.put([7; 11], vec![7; ROW_BYTES_MAX - 10]);
        assert_eq!(batch.oversized_row(), Some(ROW_BYTES_MAX + 1));
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_starts() {
        assert_eq!(KeyRange::prefix(b"a").end, Some(b"b".to_vec()));
        assert_eq!(KeyRange::prefix(&[1, 255]).end, Some(vec![2]));
        assert_eq!(KeyRange::prefix(&[255]).end, None);
        assert!(KeyRange::prefix(b"ab").contains(b"ab\xff"));
        assert!(!KeyRange::prefix(b"ab").contains(b"ac"));
    }
}
