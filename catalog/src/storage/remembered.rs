//! Storage that remembers the pointers that were read last.
//!
//! A table is loaded far more often than it moves, and asking the object's database costs as much as the rest of the
//! answer. Nobody but the catalog writes its storage, so what passes here is all that can change a pointer.

use std::cell::RefCell;
use std::collections::HashMap;

use lake_host::{KeyRange, ShardStorage, StorageError, WriteBatch, WriteOperation};

use super::pointer;
use crate::limits::POINTERS_REMEMBERED_MAX;

/// A storage, and pointers as they are in it.
#[derive(Debug)]
pub(crate) struct Remembered<S> {
    storage: S,
    pointers: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
}

impl<S> Remembered<S> {
    /// Remembers nothing of `storage` yet.
    pub(crate) fn new(storage: S) -> Remembered<S> {
        Remembered { storage, pointers: RefCell::default() }
    }

    fn forget(&self, operation: &WriteOperation) {
        let mut pointers = self.pointers.borrow_mut();
        match operation {
            WriteOperation::Put(key, _) | WriteOperation::Delete(key) => {
                pointers.remove(key);
            }
            WriteOperation::DeleteRange(range) => pointers.retain(|key, _| !range.contains(key)),
        }
    }
}

impl<S: ShardStorage> ShardStorage for Remembered<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if !key.starts_with(pointer::PREFIX) {
            return self.storage.get(key);
        }
        if let Some(value) = self.pointers.borrow().get(key) {
            return Ok(Some(value.clone()));
        }
        let value = self.storage.get(key)?;
        if let Some(value) = &value {
            let mut pointers = self.pointers.borrow_mut();
            if pointers.len() >= POINTERS_REMEMBERED_MAX {
                pointers.clear();
            }
            pointers.insert(key.to_vec(), value.clone());
        }
        Ok(value)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError> {
        self.storage.scan(range, limit)
    }

    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        self.storage.last(range)
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        // Also if it fails: whether it took effect may be unknown then.
        batch.operations.iter().for_each(|operation| self.forget(operation));
        self.storage.apply(batch)
    }

    fn alarm(&self) -> Result<Option<i64>, StorageError> {
        self.storage.alarm()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.storage.size_bytes()
    }
}

/// For tests, which look at the storage below.
#[cfg(test)]
impl<S> std::ops::Deref for Remembered<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.storage
    }
}

#[cfg(test)]
mod tests {
    use lake_test_host::MemoryStorage;

    use super::*;

    fn remembered() -> Remembered<MemoryStorage> {
        Remembered::new(MemoryStorage::new())
    }

    fn apply(storage: &Remembered<MemoryStorage>, act: impl FnOnce(&mut WriteBatch) -> &mut WriteBatch) {
        let mut batch = WriteBatch::new();
        act(&mut batch);
        storage.apply(&batch).unwrap();
    }

    #[test]
    fn a_pointer_that_was_read_is_read_once_until_it_changes() {
        let storage = remembered();
        let read = || storage.get(b"t/a").unwrap();
        apply(&storage, |batch| batch.put(*b"t/a", *b"1"));
        assert_eq!(read().as_deref(), Some(b"1".as_slice()));
        // Behind its back: what it remembers is what it says.
        let mut behind = WriteBatch::new();
        storage.storage.apply(behind.put(*b"t/a", *b"x")).unwrap();
        assert_eq!(read().as_deref(), Some(b"1".as_slice()));
        apply(&storage, |batch| batch.put(*b"t/a", *b"2"));
        assert_eq!(read().as_deref(), Some(b"2".as_slice()));
        apply(&storage, |batch| batch.delete(*b"t/a"));
        assert_eq!(read(), None);
        apply(&storage, |batch| batch.put(*b"t/a", *b"3"));
        assert_eq!(read().as_deref(), Some(b"3".as_slice()));
        apply(&storage, |batch| batch.delete_range(KeyRange::prefix(b"t/")));
        assert_eq!(read(), None);
    }

    #[test]
    fn what_is_not_a_pointer_is_read_each_time() {
        let storage = remembered();
        apply(&storage, |batch| batch.put(*b"c/1", *b"1"));
        assert_eq!(storage.get(b"c/1").unwrap().as_deref(), Some(b"1".as_slice()));
        assert!(storage.pointers.borrow().is_empty());
    }

    #[test]
    fn a_write_that_failed_leaves_nothing_remembered() {
        let storage = remembered();
        apply(&storage, |batch| batch.put(*b"t/a", *b"1"));
        storage.get(b"t/a").unwrap();
        let mut batch = WriteBatch::new();
        batch.put(*b"t/a", vec![0; lake_host::ROW_BYTES_MAX]);
        assert!(storage.apply(&batch).is_err());
        assert!(storage.pointers.borrow().is_empty());
        assert_eq!(storage.get(b"t/a").unwrap().as_deref(), Some(b"1".as_slice()));
    }

    #[test]
    fn it_remembers_so_many_and_no_more() {
        let storage = remembered();
        for at in 0..=POINTERS_REMEMBERED_MAX {
            let key = format!("t/{at}").into_bytes();
            apply(&storage, |batch| batch.put(key.clone(), *b"1"));
            storage.get(&key).unwrap();
        }
        assert!((1..=POINTERS_REMEMBERED_MAX).contains(&storage.pointers.borrow().len()));
    }
}
