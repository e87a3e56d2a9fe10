//! Pointers as they were read last, for answers that only show a table.
//!
//! A table is loaded far more often than it moves, and asking the object's database costs as much as the rest of the
//! answer. Nobody but the catalog writes its storage, so what it writes is all that can change a pointer. What decides
//! on a change reads the storage itself: an instance that the object has left behind may remember what is no more.

use std::cell::RefCell;
use std::collections::HashMap;

use lake_host::{ShardStorage, WriteBatch, WriteOperation, planted};
use lake_table::TableName;

use super::pointer::{self, Pointer};
use crate::error::CatalogError;
use crate::limits::POINTERS_REMEMBERED_MAX;

/// The pointers, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Remembered(RefCell<HashMap<Vec<u8>, Pointer>>);

impl Remembered {
    /// A table's pointer; `None` if there is no such table.
    pub(crate) fn read(&self, storage: &impl ShardStorage, table: &TableName) -> Result<Option<Pointer>, CatalogError> {
        let key = pointer::key(table);
        if let Some(pointer) = self.0.borrow().get(&key) {
            return Ok(Some(pointer.clone()));
        }
        let pointer = pointer::read(storage, table)?;
        if let Some(pointer) = &pointer {
            let mut pointers = self.0.borrow_mut();
            if pointers.len() >= POINTERS_REMEMBERED_MAX {
                pointers.clear();
            }
            pointers.insert(key, pointer.clone());
        }
        Ok(pointer)
    }

    /// Forgets what a batch is about to change.
    pub(crate) fn forget(&self, batch: &WriteBatch) {
        if planted!("catalog: a table is shown as it was") {
            return;
        }
        let mut pointers = self.0.borrow_mut();
        for operation in &batch.operations {
            match operation {
                WriteOperation::Put(key, _) | WriteOperation::Delete(key) => {
                    pointers.remove(key);
                }
                WriteOperation::DeleteRange(range) => pointers.retain(|key, _| !range.contains(key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lake_test_host::MemoryStorage;

    use super::*;
    use crate::storage::pointer::Owner;

    fn table(name: &str) -> TableName {
        TableName { namespace: "default".into(), name: name.into() }
    }

    fn change(storage: &MemoryStorage, remembered: &Remembered, act: impl FnOnce(&mut WriteBatch)) {
        let mut batch = WriteBatch::new();
        act(&mut batch);
        remembered.forget(&batch);
        storage.apply(&batch).unwrap();
    }

    fn put(batch: &mut WriteBatch, name: &str, version: u32) {
        let pointer = Pointer {
            metadata_location: format!("s3://b/{name}/{version}"),
            location: format!("s3://b/{name}"),
            version,
            moved_micros: 0,
            owner: Owner::Engine,
        };
        pointer::put(batch, &table(name), &pointer).unwrap();
    }

    #[test]
    fn a_pointer_that_was_read_is_read_once_until_it_changes() {
        let (storage, remembered) = (MemoryStorage::new(), Remembered::default());
        let version = || remembered.read(&storage, &table("a")).unwrap().map(|pointer| pointer.version);
        assert_eq!(version(), None);
        change(&storage, &remembered, |batch| put(batch, "a", 1));
        assert_eq!(version(), Some(1));
        // Behind its back: what it remembers is what it says.
        change(&storage, &Remembered::default(), |batch| put(batch, "a", 9));
        assert_eq!(version(), Some(1));
        change(&storage, &remembered, |batch| put(batch, "b", 1));
        assert_eq!(version(), Some(1));
        change(&storage, &remembered, |batch| put(batch, "a", 2));
        assert_eq!(version(), Some(2));
        change(&storage, &remembered, |batch| pointer::remove(batch, &table("a")));
        assert_eq!(version(), None);
        change(&storage, &remembered, |batch| put(batch, "a", 3));
        assert_eq!(version(), Some(3));
        change(&storage, &remembered, |batch| {
            batch.delete_range(lake_host::KeyRange::prefix(b"t/"));
        });
        assert_eq!(version(), None);
    }

    #[test]
    fn it_remembers_so_many_and_no_more() {
        let (storage, remembered) = (MemoryStorage::new(), Remembered::default());
        for at in 0..=POINTERS_REMEMBERED_MAX {
            let name = format!("t{at}");
            change(&storage, &remembered, |batch| put(batch, &name, 1));
            remembered.read(&storage, &table(&name)).unwrap();
        }
        assert!((1..=POINTERS_REMEMBERED_MAX).contains(&remembered.0.borrow().len()));
    }
}
