//! Making a table the first time its first row comes.

use std::rc::Rc;

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_host::{ObjectStore, Random, ShardStorage, StorageError, WriteBatch, durable};
use lake_table::{EnsureTable, TableName, TableState, create_metadata};

use crate::cache::MetadataFile;
use crate::catalog::{Catalog, metadata_location};
use crate::error::CatalogError;
use crate::limits::NAME_BYTES_MAX;
use crate::location::folder;
use crate::storage::pointer::{Owner, Pointer};
use crate::storage::{epoch, namespace, pointer, used_location};

impl<S: ShardStorage> Catalog<S> {
    /// The table as it is; made, with its namespace, if it is not there. Asking again is harmless.
    pub async fn ensure_table(
        &self,
        store: &impl ObjectStore,
        random: &impl Random,
        now_micros: i64,
        wanted: &EnsureTable,
    ) -> Result<TableState, CatalogError> {
        check_name(&wanted.table.namespace)?;
        check_name(&wanted.table.name)?;
        epoch::raise(&self.storage, wanted.epoch)?;
        loop {
            if let Some(pointer) = pointer::read(&self.storage, &wanted.table)? {
                if pointer.owner != Owner::Lake {
                    let TableName { namespace, name } = &wanted.table;
                    let message = format!("{namespace}.{name} is the table of another engine: drop or rename it");
                    return Err(CatalogError::Invalid(message));
                }
                return self.load_table(store, &wanted.table).await;
            }
            let folder = self.find_unused_folder(store, &wanted.table).await?;
            let location = format!("s3://{}/{folder}", self.settings.bucket);
            let now_ms = now_micros.div_euclid(1_000).min(wanted.created_ms);
            let metadata = create_metadata(wanted, &location, random.id(), now_ms)
                .map_err(|error| CatalogError::Invalid(error.to_string()))?;
            let file = Rc::new(MetadataFile::of(metadata)?);
            let metadata_location = metadata_location(&location, 0, random.id());
            durable!("catalog: put the first metadata", self.write_metadata(store, &metadata_location, &file).await)?;

            // Other requests ran during the writes: look again at everything the swap relies on.
            epoch::raise(&self.storage, wanted.epoch)?;
            let taken = used_location::read(&self.storage, &folder)?.is_some();
            if taken || pointer::read(&self.storage, &wanted.table)?.is_some() {
                continue;
            }
            let pointer =
                Pointer { metadata_location, location, version: 0, moved_micros: now_micros, owner: Owner::Lake };
            self.swap_new(&wanted.table, &folder, &pointer)?;
            self.cache.borrow_mut().keep(&pointer.metadata_location, &file);
            // A missing hint is made good by the table's next commit; nothing of ours reads it.
            let _hint = durable!("catalog: put the first hint", self.write_version_hint(store, &pointer).await);
            return self.state_of(&wanted.table, &pointer.metadata_location, &file);
        }
    }

    fn swap_new(&self, table: &TableName, folder: &str, pointer: &Pointer) -> Result<(), CatalogError> {
        let mut batch = WriteBatch::new();
        if namespace::read(&self.storage, &table.namespace)?.is_none() {
            namespace::put(&mut batch, &table.namespace, &namespace::Namespace::default())?;
        }
        used_location::put(&mut batch, folder, table)?;
        pointer::put(&mut batch, table, pointer)?;
        durable!("catalog: make a table", self.apply(&batch))
    }

    /// The one irreversible step of every change.
    pub(crate) fn apply(&self, batch: &WriteBatch) -> Result<(), CatalogError> {
        self.storage.apply(batch).map_err(|error| match error {
            StorageError::Full => CatalogError::Storage(error),
            StorageError::Failed(detail) => CatalogError::StateUnknown(detail),
        })
    }

    /// Asks the store too: the catalog's own memory of locations can be lost, the files are still there then.
    pub(crate) async fn find_unused_folder(
        &self,
        store: &impl ObjectStore,
        table: &TableName,
    ) -> Result<String, CatalogError> {
        let mut attempt = 1;
        loop {
            let folder = folder(table, attempt);
            if used_location::read(&self.storage, &folder)?.is_none()
                && store.list(&format!("{folder}/"), None, 1).await?.objects.is_empty()
            {
                return Ok(folder);
            }
            attempt += 1;
        }
    }
}

/// Refuses what cannot be the name of a namespace or table.
pub(crate) fn check_name(name: &str) -> Result<(), CatalogError> {
    let invalid = |why: &str| Err(CatalogError::Invalid(format!("the name {name:?} {why}")));
    if name.is_empty() || name.split(NAMESPACE_SEPARATOR).any(str::is_empty) {
        return invalid("is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return invalid("is too long");
    }
    if name.contains('\0') {
        return invalid("has a zero character");
    }
    Ok(())
}
