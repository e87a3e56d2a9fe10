//! The catalog's state: an object's storage, what it is called, and what it remembers between requests.
//!
//! Everything that counts is in storage. What is in memory is a cache of immutable files, pointers as they were read
//! last, and the number of the last commit record known to exist; an object that starts again loses nothing by losing them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use lake_host::{
    ByteRange, Object, ObjectStore, ObjectStoreError, PutCondition, PutOutcome, ShardStorage, durable, planted,
};
use lake_table::{TableName, TableState, commit_record_key};

use crate::cache::{MetadataCache, MetadataFile};
use crate::error::CatalogError;
use crate::limits::METADATA_BYTES_MAX;
use crate::location::key_of;
use crate::rest::Queue;
use crate::storage::pointer::Pointer;
use crate::storage::remembered::Remembered;
use crate::storage::{commit_record, format, pointer, used_location};
use crate::vended::VendedStorage;

/// What a lake is called and where it keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The lake's name, which is the warehouse of REST clients.
    pub lake_name: String,
    /// The bucket of its tables.
    pub bucket: String,
    /// Which storage engines get credentials for.
    pub vended: VendedStorage,
}

/// What `metadata/version-hint.text` of a table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionHint {
    /// The name of the present `metadata.json` without its ending. Readers append it themselves.
    pub text: String,
    /// When it changed last: microseconds since 1970.
    pub modified_micros: i64,
}

/// The catalog of one lake.
#[derive(Debug)]
pub struct Catalog<S> {
    pub(crate) storage: S,
    pub(crate) settings: Settings,
    pub(crate) cache: RefCell<MetadataCache>,
    pub(crate) remembered: Remembered,
    // The last commit whose record is known to be in the store.
    recorded: Cell<u64>,
    bucket_is_admitted: Cell<bool>,
    // Reports of clients taken.
    pub(crate) reports: Cell<u64>,
    // Who waits to commit to which table.
    pub(crate) queues: RefCell<BTreeMap<TableName, Rc<Queue>>>,
}

impl<S: ShardStorage> Catalog<S> {
    /// The catalog in a storage; refused if a newer build wrote it.
    pub fn open(storage: S, settings: Settings) -> Result<Catalog<S>, CatalogError> {
        format::admit(&storage)?;
        Ok(Catalog {
            storage,
            settings,
            cache: RefCell::default(),
            remembered: Remembered::default(),
            recorded: Cell::default(),
            bucket_is_admitted: Cell::default(),
            reports: Cell::default(),
            queues: RefCell::default(),
        })
    }

    /// Writes the last commit's record if dying in between has left it unwritten. For an object that wakes.
    pub async fn recover(&self, store: &impl ObjectStore) -> Result<(), CatalogError> {
        self.record_last_commit(store).await
    }

    /// A table as it is.
    pub async fn load_table(&self, store: &impl ObjectStore, table: &TableName) -> Result<TableState, CatalogError> {
        let pointer = self.must_point(table)?;
        let file = self.read_metadata(store, &pointer.metadata_location).await?;
        self.state_of(table, &pointer.metadata_location, &file)
    }

    /// What the version hint of the table at `folder` (a key without a slash at its end) says; `None` if no table is there.
    pub fn version_hint(&self, folder: &str) -> Result<Option<VersionHint>, CatalogError> {
        let Some(table) = used_location::read(&self.storage, folder)? else { return Ok(None) };
        let pointer = pointer::read(&self.storage, &table)?;
        // The location may be a former one of a table that was made again elsewhere.
        Ok(pointer.filter(|pointer| key_of(&pointer.location, &self.settings.bucket) == Some(folder)).map(|pointer| {
            VersionHint { text: hint_text(&pointer.metadata_location), modified_micros: pointer.moved_micros }
        }))
    }

    pub(crate) fn must_point(&self, table: &TableName) -> Result<Pointer, CatalogError> {
        pointer::read(&self.storage, table)?
            .ok_or_else(|| CatalogError::TableNotFound { namespace: table.namespace.clone(), name: table.name.clone() })
    }

    pub(crate) fn state_of(
        &self,
        table: &TableName,
        metadata_location: &str,
        file: &MetadataFile,
    ) -> Result<TableState, CatalogError> {
        Ok(TableState {
            table: table.clone(),
            metadata_location: metadata_location.to_owned(),
            metadata: file.metadata()?.clone(),
        })
    }

    pub(crate) async fn read_metadata(
        &self,
        store: &impl ObjectStore,
        location: &str,
    ) -> Result<Rc<MetadataFile>, CatalogError> {
        if let Some(file) = self.cache.borrow_mut().find(location) {
            return Ok(file);
        }
        let object = get_at_most(store, self.must_key(location)?, METADATA_BYTES_MAX).await?;
        let object =
            object.ok_or_else(|| CatalogError::corrupt("a metadata.json", format!("{location} is missing")))?;
        if object.info.size > METADATA_BYTES_MAX {
            return Err(CatalogError::corrupt("a metadata.json", format!("{location} is too large")));
        }
        let file = Rc::new(MetadataFile::new(object.bytes));
        self.cache.borrow_mut().keep(location, &file);
        Ok(file)
    }

    pub(crate) async fn write_metadata(
        &self,
        store: &impl ObjectStore,
        location: &str,
        file: &MetadataFile,
    ) -> Result<(), CatalogError> {
        // The name is random: nothing is there.
        store.put(self.must_key(location)?, file.json().to_vec(), PutCondition::Always).await?;
        Ok(())
    }

    pub(crate) fn must_key<'a>(&self, location: &'a str) -> Result<&'a str, CatalogError> {
        key_of(location, &self.settings.bucket)
            .ok_or_else(|| CatalogError::corrupt("a location", format!("{location} is not in this lake's bucket")))
    }

    /// Makes sure that the last commit's record is in the store. Idempotent: the bytes of a number never differ.
    pub(crate) async fn record_last_commit(&self, store: &impl ObjectStore) -> Result<(), CatalogError> {
        let last = commit_record::last_number(&self.storage)?;
        if self.recorded.get() >= last
            || (planted!("catalog: a lost commit record is not made good") && self.recorded.get() == 0)
        {
            return Ok(());
        }
        let bytes = commit_record::read_bytes(&self.storage, last)?;
        let bytes = bytes.ok_or_else(|| CatalogError::corrupt("a commit record", "its bytes are missing"))?;
        let key = commit_record_key(last);
        let put =
            durable!("catalog: put the commit record", store.put(&key, bytes.clone(), PutCondition::Absent).await)?;
        if put == PutOutcome::ConditionFailed {
            let object = store.get(&key, ByteRange::Full).await?;
            if object.is_none_or(|object| object.bytes != bytes) {
                return Err(CatalogError::corrupt("the bucket", format!("{key} is of another history of this lake")));
            }
        }
        self.recorded.set(self.recorded.get().max(last));
        Ok(())
    }

    /// Refuses a bucket that holds commits this catalog does not know: its storage was lost and the bucket was not. Going
    /// on would give their numbers to other commits. Asked once per instance, before its first commit.
    pub(crate) async fn admit_bucket(&self, store: &impl ObjectStore) -> Result<(), CatalogError> {
        if self.bucket_is_admitted.get() {
            return Ok(());
        }
        let next = commit_record_key(commit_record::last_number(&self.storage)? + 1);
        let is_taken = store.head(&next).await?.is_some();
        // A commit beside this one may have been admitted and have written that record since.
        if is_taken && !self.bucket_is_admitted.get() {
            return Err(CatalogError::corrupt("the bucket", format!("{next} is of another history of this lake")));
        }
        self.bucket_is_admitted.set(true);
        Ok(())
    }

    /// Keeps `metadata/version-hint.text` of a table, for readers of the bucket itself.
    pub(crate) async fn write_version_hint(
        &self,
        store: &impl ObjectStore,
        pointer: &Pointer,
    ) -> Result<(), CatalogError> {
        let key = format!("{}/metadata/version-hint.text", self.must_key(&pointer.location)?);
        store.put(&key, hint_text(&pointer.metadata_location).into_bytes(), PutCondition::Always).await?;
        Ok(())
    }
}

/// Readers try `v{hint}.metadata.json`, then `{hint}.metadata.json`; a line end would become part of the name.
fn hint_text(metadata_location: &str) -> String {
    let file = metadata_location.rsplit('/').next().unwrap_or_default();
    file.strip_suffix(".metadata.json").unwrap_or(file).to_owned()
}

/// The name of a new `metadata.json`.
pub(crate) fn metadata_location(location: &str, version: u32, id: [u8; 16]) -> String {
    format!("{location}/metadata/{version:05}-{}.metadata.json", uuid::Uuid::from_bytes(id))
}

/// An object; of one that is larger than `most` bytes, so many of them. Its size says which: what others put there may be
/// larger than the isolate.
pub(crate) async fn get_at_most(
    store: &impl ObjectStore,
    key: &str,
    most: u64,
) -> Result<Option<Object>, ObjectStoreError> {
    store.get(key, ByteRange::From { offset: 0, length: Some(most) }).await
}
