//! Making a table the first time its first row comes.

use std::rc::Rc;

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_host::{ObjectStore, Random, ShardStorage, StorageError, WriteBatch, durable};
use lake_table::{EnsureTable, TableName, TableState, create_metadata};

use crate::cache::MetadataFile;
use crate::catalog::{Catalog, metadata_location};
use crate::error::CatalogError;
use crate::limits::NAME_BYTES_MAX;
use crate::location::{folder, is_mark};
use crate::storage::pointer::{Owner, Pointer};
use crate::storage::{epoch, namespace, pointer, used_location, view};

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
                if pointer.owner == Owner::Engine {
                    self.move_aside(&wanted.table, &pointer)?;
                    continue;
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
            let is_free = used_location::is_unused(&self.storage, &folder)?;
            if !is_free || pointer::read(&self.storage, &wanted.table)?.is_some() {
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

    /// Gives an engine's table another name, because a database has a table of its name: all tables of a flush are
    /// committed together, and none of them may wait for a stranger. It stays where it is and loses nothing.
    fn move_aside(&self, table: &TableName, pointer: &Pointer) -> Result<(), CatalogError> {
        let mut number = 1_u32;
        let aside = loop {
            let suffix = if number == 1 { "_moved".to_owned() } else { format!("_moved{number}") };
            let mut end = table.name.len().min(NAME_BYTES_MAX - suffix.len());
            while !table.name.is_char_boundary(end) {
                end -= 1;
            }
            let name = format!("{}{suffix}", table.name.get(..end).unwrap_or_default());
            let aside = TableName { namespace: table.namespace.clone(), name };
            let is_free = pointer::read(&self.storage, &aside)?.is_none() && !view::view_exists(&self.storage, &aside)?;
            if is_free {
                break aside;
            }
            number += 1;
        };
        let mut batch = WriteBatch::new();
        pointer::remove(&mut batch, table);
        pointer::put(&mut batch, &aside, pointer)?;
        used_location::put(&mut batch, self.must_key(&pointer.location)?, &aside)?;
        durable!("catalog: move an engine's table aside", self.apply(&batch))
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
        // Also if it fails: whether it took effect may be unknown then.
        self.remembered.forget(batch);
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
        // A place of its own that another table may have been promised, while its creation is staged.
        let is_promised = folder(table, 1).rsplit_once('-').is_some_and(|(_, end)| is_mark(end));
        let mut attempt = if is_promised { 2 } else { 1 };
        loop {
            let folder = folder(table, attempt);
            if used_location::is_unused(&self.storage, &folder)?
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
    if name.split(NAMESPACE_SEPARATOR).any(is_step) {
        return invalid("is a step in a path");
    }
    Ok(())
}

/// True for what a path has for the folder itself or the one above it. Nothing can have it for a name: a URL with it is
/// another one to who parses it.
pub(crate) fn is_step(name: &str) -> bool {
    matches!(name, "." | "..")
}
