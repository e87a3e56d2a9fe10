//! `POST …/register`: a table that has its metadata already.
//!
//! Its location is what its credentials will open, and it comes out of a file that somebody wrote. So it has to be a place
//! that a table can have, below which the file itself lies, and who registers it must be allowed to write whatever
//! table was there.

use std::rc::Rc;

use lake_api::scope::{Access, Action};
use lake_host::{ObjectStore, ShardStorage, WriteBatch, durable};
use lake_table::TableName;
use serde::Deserialize;

use super::stage::is_below;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::cache::MetadataFile;
use crate::catalog::{Catalog, get_at_most};
use crate::create::check_name;
use crate::limits::{METADATA_BYTES_MAX, PLACE_BYTES_MAX};
use crate::location::{key_of, namespace_folder};
use crate::metadata::Metadata;
use crate::storage::pointer::{self, Owner, Pointer};
use crate::storage::{dropped, used_location};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegisterTable {
    name: String,
    metadata_location: String,
    overwrite: Option<bool>,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_register(
        &self,
        namespace: &str,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let body: RegisterTable = caller.body()?;
        check_name(namespace)?;
        check_name(&body.name)?;
        let table = TableName { namespace: namespace.to_owned(), name: body.name };
        self.must_be_allowed(&table, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if let Some(done) = self.done(once.as_ref(), caller)? {
            return self.answer_done(done, &table, true, caller, store).await;
        }
        self.replaced(&table, body.overwrite)?;
        let file = self.read_foreign(store, &table, &body.metadata_location, caller).await?;
        let tree = file.tree().map_err(|error| RestError::BadRequest(error.to_string()))?;
        let location = tree.location().to_owned();
        let folder = self.admit_place(&table, tree, &body.metadata_location, caller)?;

        // The file was read meanwhile: look again at everything the swap relies on.
        let before = self.replaced(&table, body.overwrite)?;
        let owner = used_location::read(&self.storage, &folder)?;
        if self.is_alive_elsewhere(&table, owner.as_ref(), &folder)? {
            return Err(RestError::BadRequest(format!("Another table lies at {location}")));
        }
        let mut batch = WriteBatch::new();
        for dropped in dropped::all(&self.storage)? {
            if key_of(&dropped.pointer.location, &self.settings.bucket) == Some(folder.as_str()) {
                if dropped.is_purged {
                    return Err(RestError::BadRequest(format!("The files at {location} are purged")));
                }
                // Its files are another table's now.
                dropped::remove(&mut batch, &dropped);
            }
        }
        let pointer = Pointer {
            version: version_of(&body.metadata_location).max(before.map_or(0, |before| before.version)),
            metadata_location: body.metadata_location,
            location,
            moved_micros: caller.now_micros,
            owner: Owner::Engine,
        };
        used_location::put(&mut batch, &folder, &table)?;
        pointer::put(&mut batch, &table, &pointer)?;
        if let Some(once) = &once {
            self.put_once_at(&mut batch, once, &pointer.location, caller)?;
        }
        durable!("catalog: register a table", self.apply(&batch))?;
        self.cache.borrow_mut().keep(&pointer.metadata_location, &file);
        let storage = self.storage_config(&table, &pointer.location, pointer.owner, caller)?;
        Ok(super::load_table::table_body(Some(&pointer.metadata_location), file.json(), Some(&storage)))
    }

    /// What the new table replaces: nothing, or an engine's table if the client says so.
    fn replaced(&self, table: &TableName, overwrite: Option<bool>) -> Result<Option<Pointer>, RestError> {
        match pointer::read(&self.storage, table)? {
            Some(before) if overwrite == Some(true) => match before.owner {
                Owner::Lake => Err(self.refuse_write(table)),
                Owner::Engine => Ok(Some(before)),
            },
            _ => self.must_be_unnamed(table).map(|()| None),
        }
    }

    async fn read_foreign(
        &self,
        store: &impl ObjectStore,
        table: &TableName,
        location: &str,
        caller: &Caller<'_>,
    ) -> Result<Rc<MetadataFile>, RestError> {
        let unknown = || RestError::BadRequest(format!("There is no metadata file at {location}"));
        let key = key_of(location, &self.settings.bucket).filter(|_| is_below(location, "s3:")).ok_or_else(unknown)?;
        // Before it is read: who may not must not learn that it is there.
        self.must_reach_key(table, key, caller)?;
        let object = get_at_most(store, key, METADATA_BYTES_MAX).await.map_err(crate::CatalogError::from)?;
        let object = object.filter(|object| object.info.size <= METADATA_BYTES_MAX).ok_or_else(unknown)?;
        Ok(Rc::new(MetadataFile::new(object.bytes)))
    }

    /// Refuses a key that the caller could not write by other means.
    fn must_reach_key(&self, table: &TableName, key: &str, caller: &Caller<'_>) -> Result<(), RestError> {
        let mut above = key;
        while let Some((parent, _)) = above.rsplit_once('/') {
            above = parent;
            if let Some(owner) = used_location::read(&self.storage, above)? {
                return self.must_be_allowed(&owner, caller.claims, Access::Write);
            }
        }
        let in_namespace = key.strip_prefix(&namespace_folder(&table.namespace)).is_some_and(|k| k.starts_with('/'));
        let all = caller.claims.may(Action::Lake(Access::Write));
        let here = in_namespace && caller.claims.may(Action::Namespace(&table.namespace, Access::Write));
        if all || here {
            return Ok(());
        }
        Err(RestError::Forbidden(format!("The token does not allow to register files outside of {}", name(table))))
    }

    /// The folder of a registered table, if a table can lie there.
    fn admit_place(
        &self,
        table: &TableName,
        tree: &Metadata,
        metadata_location: &str,
        caller: &Caller<'_>,
    ) -> Result<String, RestError> {
        let location = tree.location();
        let refused = |why: &str| RestError::BadRequest(format!("The table's location {location} {why}"));
        let folder = key_of(location, &self.settings.bucket).ok_or_else(|| refused("is not in this lake's bucket"))?;
        let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
        let is_deep = folder.starts_with("warehouse/") && folder.split('/').count() >= 3;
        if folder.len() > PLACE_BYTES_MAX {
            return Err(refused(&format!("is longer than {PLACE_BYTES_MAX} bytes behind the bucket")));
        }
        if !is_deep || !folder.split('/').all(is_plain) || !is_below(metadata_location, location) {
            return Err(refused("does not hold its metadata file, or cannot be a table's"));
        }
        self.must_reach_key(table, &format!("{folder}/x"), caller)?;
        let is_used = used_location::read(&self.storage, folder)?.is_some();
        if !is_used && !used_location::is_unused(&self.storage, folder)? {
            return Err(refused("lies in another table's, or around it"));
        }
        let lists = tree.list("snapshots").iter().filter_map(|snapshot| snapshot.get("manifest-list")?.as_str());
        if lists.into_iter().any(|list| !is_below(list, location)) {
            return Err(refused("does not hold all its manifest lists"));
        }
        Ok(folder.to_owned())
    }

    fn is_alive_elsewhere(
        &self,
        table: &TableName,
        owner: Option<&TableName>,
        folder: &str,
    ) -> Result<bool, RestError> {
        let Some(owner) = owner.filter(|owner| *owner != table) else { return Ok(false) };
        let pointer = pointer::read(&self.storage, owner)?;
        Ok(pointer.is_some_and(|pointer| key_of(&pointer.location, &self.settings.bucket) == Some(folder)))
    }
}

/// The version in a file's name, by which its successors are counted.
fn version_of(metadata_location: &str) -> u32 {
    let file = metadata_location.rsplit('/').next().unwrap_or_default();
    let digits = file.trim_start_matches('v');
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
