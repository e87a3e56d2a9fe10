//! An object store in memory.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    rc::Rc,
};

use lake_host::{
    ByteRange, Clock, ETag, ListPage, ListedObject, Object, ObjectInfo, ObjectStore, ObjectStoreError, PutCondition,
    PutOutcome,
};

use crate::{ManualClock, object_store_faults::Faults, yield_now};

/// What was asked of a store since it was made or since [`MemoryObjectStore::reset_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Puts and lists: class A, the dear ones. A put whose condition failed is one too.
    pub class_a: u64,
    /// Gets and heads: class B.
    pub class_b: u64,
    /// Deletes, which cost nothing.
    pub deletes: u64,
    /// Bytes given out.
    pub bytes_read: u64,
    /// Bytes taken in.
    pub bytes_written: u64,
}

/// One request to the store, as a test's observer sees it just before it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectOperation {
    /// Of this key.
    Get(String),
    /// Of this key.
    Head(String),
    /// Of this key.
    Put(String),
    /// Of this prefix.
    List(String),
    /// Of this key.
    Delete(String),
}

#[derive(Clone)]
struct Stored {
    bytes: Rc<Vec<u8>>,
    info: ObjectInfo,
}

type Observer = Box<dyn FnMut(&ObjectOperation)>;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    counts: ObjectCounts,
    overwritten: Vec<String>,
    yields: u32,
    observer: Option<Observer>,
}

/// Objects in memory. A clone is another handle on the same objects.
#[derive(Clone, Default)]
pub struct MemoryObjectStore {
    state: Rc<RefCell<State>>,
    pub(crate) faults: Rc<RefCell<Faults>>,
    clock: ManualClock,
}

impl MemoryObjectStore {
    /// An empty store.
    pub fn new() -> MemoryObjectStore {
        MemoryObjectStore::default()
    }

    /// An empty store whose objects are stamped by `clock`.
    pub fn with_clock(clock: ManualClock) -> MemoryObjectStore {
        MemoryObjectStore { clock, ..MemoryObjectStore::default() }
    }

    /// What was asked of it.
    pub fn counts(&self) -> ObjectCounts {
        self.state.borrow().counts
    }

    /// Starts counting again.
    pub fn reset_counts(&self) {
        self.state.borrow_mut().counts = ObjectCounts::default();
    }

    /// Every key, in order.
    pub fn keys(&self) -> Vec<String> {
        self.state.borrow().objects.keys().cloned().collect()
    }

    /// The bytes of an object, for a test to look at: not counted, never failing.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().objects.get(key).map(|stored| stored.bytes.to_vec())
    }

    /// How many bytes an object has, for a test to look at.
    pub fn size(&self, key: &str) -> Option<usize> {
        self.state.borrow().objects.get(key).map(|stored| stored.bytes.len())
    }

    /// When an object was put, for a test to look at: microseconds since 1970.
    pub fn modified_micros(&self, key: &str) -> Option<i64> {
        self.state.borrow().objects.get(key).map(|stored| stored.info.modified_micros)
    }

    /// Keys of objects that were put over one that was there: the product does so with `version-hint.text` only.
    pub fn overwritten(&self) -> Vec<String> {
        self.state.borrow().overwritten.clone()
    }

    /// Puts an object behind the product's back.
    pub fn place(&self, key: &str, bytes: &[u8]) {
        self.insert(key, bytes.to_vec());
    }

    /// Removes an object behind the product's back; true if it was there.
    pub fn lose(&self, key: &str) -> bool {
        self.state.borrow_mut().objects.remove(key).is_some()
    }

    /// Every request is pending this many times before it takes effect and as many times after, so that other tasks of
    /// a simulation come in between.
    pub fn set_yields(&self, yields: u32) {
        self.state.borrow_mut().yields = yields;
    }

    /// Calls `observer` just before each request takes effect. What it does (commit something, kill an object) is what
    /// happened at that `await`. It may use this store.
    pub fn on_await(&self, observer: impl FnMut(&ObjectOperation) + 'static) {
        self.state.borrow_mut().observer = Some(Box::new(observer));
    }

    /// Writes every object as a file below `directory`, for engines that read files.
    pub fn dump(&self, directory: &Path) -> io::Result<()> {
        for (key, stored) in &self.state.borrow().objects {
            let path = directory.join(key);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, stored.bytes.as_slice())?;
        }
        Ok(())
    }

    /// Places every file below `directory` as an object.
    pub fn load(&self, directory: &Path) -> io::Result<()> {
        self.load_below(directory, "")
    }

    fn load_below(&self, directory: &Path, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.load_below(&entry.path(), &format!("{key}/"))?;
            } else {
                self.place(&key, &std::fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    fn insert(&self, key: &str, bytes: Vec<u8>) -> ETag {
        let etag = etag_of(&bytes);
        let info =
            ObjectInfo { size: bytes.len() as u64, etag: etag.clone(), modified_micros: self.clock.now_micros() };
        let stored = Stored { bytes: Rc::new(bytes), info };
        self.state.borrow_mut().objects.insert(key.to_owned(), stored);
        etag
    }

    async fn before(&self, operation: ObjectOperation) {
        self.pause().await;
        let repeat = self.faults.borrow_mut().take_repeat();
        if let Some((key, bytes, condition)) = repeat {
            // The same bytes once more are the same object.
            if self.find(&key).is_none_or(|stored| *stored.bytes != bytes) {
                self.put_now(&key, bytes, &condition);
            }
        }
        // Taken out while it runs: it may use this store, also to be replaced.
        let observer = self.state.borrow_mut().observer.take();
        if let Some(mut observer) = observer {
            observer(&operation);
            self.state.borrow_mut().observer.get_or_insert(observer);
        }
    }

    async fn pause(&self) {
        let yields = self.state.borrow().yields;
        for _ in 0..yields {
            yield_now().await;
        }
    }

    fn put_now(&self, key: &str, bytes: Vec<u8>, condition: &PutCondition) -> PutOutcome {
        let existing = self.find(key);
        let holds = match condition {
            PutCondition::Always => true,
            PutCondition::Absent => existing.is_none(),
            PutCondition::Unchanged(etag) => existing.as_ref().is_some_and(|stored| stored.info.etag == *etag),
        };
        if !holds {
            return PutOutcome::ConditionFailed;
        }
        let mut state = self.state.borrow_mut();
        state.counts.bytes_written += bytes.len() as u64;
        if existing.is_some() {
            state.overwritten.push(key.to_owned());
        }
        drop(state);
        PutOutcome::Written(self.insert(key, bytes))
    }

    fn find(&self, key: &str) -> Option<Stored> {
        self.state.borrow().objects.get(key).cloned()
    }
}

impl ObjectStore for MemoryObjectStore {
    async fn get(&self, key: &str, range: ByteRange) -> Result<Option<Object>, ObjectStoreError> {
        self.before(ObjectOperation::Get(key.to_owned())).await;
        self.state.borrow_mut().counts.class_b += 1;
        self.faults.borrow_mut().check_read()?;
        let found = self.find(key).map(|stored| {
            let bytes = slice(&stored.bytes, range).to_vec();
            Object { info: stored.info, bytes }
        });
        self.state.borrow_mut().counts.bytes_read += found.as_ref().map_or(0, |object| object.bytes.len() as u64);
        self.pause().await;
        Ok(found)
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectStoreError> {
        self.before(ObjectOperation::Head(key.to_owned())).await;
        self.state.borrow_mut().counts.class_b += 1;
        self.faults.borrow_mut().check_read()?;
        let found = self.find(key).map(|stored| stored.info);
        self.pause().await;
        Ok(found)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutCondition) -> Result<PutOutcome, ObjectStoreError> {
        self.before(ObjectOperation::Put(key.to_owned())).await;
        self.state.borrow_mut().counts.class_a += 1;
        self.faults.borrow_mut().check_write()?;
        if key.len() > KEY_BYTES_MAX || key.is_empty() {
            return Err(ObjectStoreError::Failed(format!("a key of {} bytes", key.len())));
        }
        self.faults.borrow_mut().note_put(key, &bytes, &condition);
        let outcome = self.put_now(key, bytes, &condition);
        self.faults.borrow_mut().check_answer()?;
        self.pause().await;
        Ok(outcome)
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<ListPage, ObjectStoreError> {
        self.before(ObjectOperation::List(prefix.to_owned())).await;
        self.state.borrow_mut().counts.class_a += 1;
        self.faults.borrow_mut().check_read()?;
        let page = {
            let state = self.state.borrow();
            let after = |key: &str| start_after.is_none_or(|start_after| key > start_after);
            let mut found = state.objects.iter().filter(|(key, _)| key.starts_with(prefix) && after(key));
            let listed =
                |(key, stored): (&String, &Stored)| ListedObject { key: key.clone(), info: stored.info.clone() };
            let objects = found.by_ref().take(limit.min(LIST_MAX)).map(listed).collect();
            ListPage { objects, truncated: found.next().is_some() }
        };
        self.pause().await;
        Ok(page)
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectStoreError> {
        self.before(ObjectOperation::Delete(key.to_owned())).await;
        self.state.borrow_mut().counts.deletes += 1;
        self.faults.borrow_mut().check_write()?;
        self.lose(key);
        self.faults.borrow_mut().check_answer()?;
        self.pause().await;
        Ok(())
    }
}

/// Longest key, as R2 documents it.
const KEY_BYTES_MAX: usize = 1_024;
/// Longest page of a listing, as R2 documents it.
const LIST_MAX: usize = 1_000;

/// Made from the content as R2 does it: the same bytes put again have the same tag.
fn etag_of(bytes: &[u8]) -> ETag {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        bytes.hash(&mut hasher);
        hasher.finish()
    };
    ETag(format!("{:016x}{:016x}", half(0), half(1)))
}

fn slice(bytes: &[u8], range: ByteRange) -> &[u8] {
    let size = bytes.len() as u64;
    let (start, end) = match range {
        ByteRange::Full => (0, size),
        ByteRange::From { offset, length } => {
            let start = offset.min(size);
            (start, length.map_or(size, |length| start.saturating_add(length).min(size)))
        }
        ByteRange::Suffix { length } => (size.saturating_sub(length), size),
    };
    &bytes[start as usize..end as usize]
}

#[cfg(test)]
mod tests;
