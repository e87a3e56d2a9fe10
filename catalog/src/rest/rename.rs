//! `POST tables/rename`: another name, the same table, where it was.

use lake_api::scope::Access;
use lake_host::{ShardStorage, WriteBatch, durable};
use serde::Deserialize;

use super::commit_table::Identifier;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::storage::pointer::{self, Owner};
use crate::storage::{used_location, view};

#[derive(Deserialize)]
struct RenameTable {
    source: Identifier,
    destination: Identifier,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_rename(&self, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let body: RenameTable = caller.body()?;
        let (source, destination) = (body.source.table()?, body.destination.table()?);
        self.must_be_allowed(&source, caller.claims, Access::Write)?;
        self.must_be_allowed(&destination, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        let pointer = pointer::read(&self.storage, &source)?;
        let pointer = pointer.ok_or_else(|| RestError::NoSuchTable(name(&source)))?;
        if pointer.owner == Owner::Lake {
            return Err(self.refuse_write(&source));
        }
        if view::view_exists(&self.storage, &destination)? {
            let (source, destination) = (name(&source), name(&destination));
            let message = format!("Cannot rename {source} to {destination}. View already exists");
            return Err(RestError::AlreadyExists(message));
        }
        self.must_be_unnamed(&destination)?;
        let mut batch = WriteBatch::new();
        pointer::remove(&mut batch, &source);
        pointer::put(&mut batch, &destination, &pointer)?;
        used_location::put(&mut batch, self.must_key(&pointer.location)?, &destination)?;
        self.put_if_once(&mut batch, once.as_ref(), 204, caller)?;
        durable!("catalog: rename a table", self.apply(&batch))?;
        Ok(RestResponse::no_content())
    }
}
