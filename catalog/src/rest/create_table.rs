//! `POST …/tables`: a new table, at once or staged.
//!
//! A staged creation stores nothing: its answer has the metadata to begin with and credentials for a folder that nobody
//! else gets, and the commit that follows makes the table.

use lake_api::scope::{Access, Action};
use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;

use super::idempotency::Once;
use super::load_table::table_body;
use super::stage::Swap;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::create::check_name;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::metadata::create::{CreateTable, first_metadata};
use crate::storage::pointer::Owner;

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_create(
        &self,
        namespace: &str,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let wanted: CreateTable = caller.body()?;
        check_name(namespace)?;
        check_name(&wanted.name)?;
        let table = TableName { namespace: namespace.to_owned(), name: wanted.name.clone() };
        self.must_be_allowed(&table, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if let Some(done) = self.done(once.as_ref(), caller)? {
            return self.answer_done(done, &table, true, caller, store).await;
        }
        self.must_be_unnamed(&table)?;
        if wanted.stage_create == Some(true) {
            return self.stage_creation(&table, &wanted, caller);
        }
        self.create_table(&table, &wanted, once.as_ref(), caller, store).await
    }

    /// The folder that the client asked for, if it can have it.
    fn wanted_place(&self, table: &TableName, wanted: &CreateTable, places: bool) -> Result<Option<String>, RestError> {
        match wanted.location.as_deref().filter(|location| !location.is_empty()) {
            None => Ok(None),
            Some(location) => self.find_place(table, location, places),
        }
    }

    fn stage_creation(
        &self,
        table: &TableName,
        wanted: &CreateTable,
        caller: &Caller<'_>,
    ) -> Result<RestResponse, RestError> {
        let folder = self.wanted_place(table, wanted, false)?;
        let folder = folder.unwrap_or_else(|| self.staged_folder(table, caller));
        let location = format!("s3://{}/{folder}", self.settings.bucket);
        let now_ms = caller.now_micros.div_euclid(1_000);
        let metadata = first_metadata(wanted, &location, &random_uuid(caller), now_ms)?;
        let storage = self.storage_config(table, &location, Owner::Engine, caller)?;
        Ok(table_body(None, &metadata.to_json()?, Some(&storage)))
    }

    async fn create_table(
        &self,
        table: &TableName,
        wanted: &CreateTable,
        once: Option<&Once>,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let once: Vec<&Once> = once.into_iter().collect();
        let places = caller.claims.may(Action::Namespace(&table.namespace, Access::Write));
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let folder = match self.wanted_place(table, wanted, places)? {
                Some(folder) if store_is_empty(store, &folder).await? => folder,
                _ => self.find_unused_folder(store, table).await?,
            };
            let location = format!("s3://{}/{folder}", self.settings.bucket);
            let now_ms = caller.now_micros.div_euclid(1_000);
            let metadata = first_metadata(wanted, &location, &random_uuid(caller), now_ms)?;
            let mut stages = [self.stage_new(table, folder, metadata)];
            self.write_stages(store, &mut stages, caller).await?;
            match self.swap_stages(&stages, &once, 200, caller)? {
                Swap::Done => {
                    let made = stages[0].pointer().zip(stages[0].file());
                    let (pointer, file) = made.ok_or_else(|| RestError::Internal("no table was made".to_owned()))?;
                    let storage = self.storage_config(table, &pointer.location, pointer.owner, caller)?;
                    return Ok(table_body(Some(&pointer.metadata_location), file.json(), Some(&storage)));
                }
                // Another table of the name, or the folder was given away.
                Swap::LostRace => self.must_be_unnamed(table)?,
            }
        }
        Err(RestError::Unavailable(format!("No folder was found for table {}", name(table))))
    }
}

async fn store_is_empty(store: &impl ObjectStore, folder: &str) -> Result<bool, RestError> {
    let page = store.list(&format!("{folder}/"), None, 1).await.map_err(crate::CatalogError::from)?;
    Ok(page.objects.is_empty())
}

/// A new identity.
pub(super) fn random_uuid(caller: &Caller<'_>) -> String {
    uuid::Builder::from_random_bytes(caller.random.id()).into_uuid().to_string()
}
