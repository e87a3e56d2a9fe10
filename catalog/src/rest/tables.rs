//! Listing tables and asking for one; who may do what.

use lake_api::scope::{Access, Action, NAMESPACE_SEPARATOR};
use lake_api::token::Claims;
use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;
use serde_json::{Value, json};

use super::query::Query;
use super::route::{Shown, TableRoute, display, shows};
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::storage::pointer::{self, Owner, Pointer};

impl<S: ShardStorage> Catalog<S> {
    /// True if the request may show what the lake has not committed yet: anything but one table that is there and that
    /// engines own.
    pub fn shows_lakes(&self, method: &str, path: &str) -> Result<bool, CatalogError> {
        let table = match shows(method, path) {
            None => return Ok(false),
            Some(Shown::Listing) => return Ok(true),
            Some(Shown::Table(table)) => table,
        };
        Ok(self.remembered.read(&self.storage, &table)?.is_none_or(|pointer| pointer.owner != Owner::Engine))
    }

    pub(super) async fn answer_table(
        &self,
        route: &TableRoute,
        query: &Query,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        match route {
            TableRoute::List(namespace) => self.list_tables(namespace, query, caller.claims),
            TableRoute::Create(namespace) => self.answer_create(namespace, caller, store).await,
            TableRoute::Register(namespace) => self.answer_register(namespace, caller, store).await,
            TableRoute::Dropped(namespace) => self.list_dropped(namespace, caller),
            TableRoute::Load(table) => self.answer_load(table, query, caller, store).await,
            TableRoute::Exists(table) => self.table_exists(table, caller.claims),
            TableRoute::Commit(table) => self.answer_commit(table, caller, store).await,
            TableRoute::Drop(table) => self.answer_drop(table, query, caller, store).await,
            TableRoute::Unregister(table) => self.answer_unregister(table, caller, store).await,
            TableRoute::Undrop(table) => self.answer_undrop(table, caller, store).await,
            TableRoute::Credentials(table) => self.answer_credentials(table, caller),
            TableRoute::Rename => self.answer_rename(caller),
            TableRoute::Transaction => self.answer_transaction(caller, store).await,
        }
    }

    /// Those of a namespace that the caller may read.
    fn list_tables(&self, namespace: &str, query: &Query, claims: &Claims) -> Result<RestResponse, RestError> {
        self.must_see(namespace, claims)?;
        let tables = pointer::names(&self.storage, namespace)?;
        let readable = tables.into_iter().map(|table| table.name);
        let readable = readable.filter(|name| claims.may(Action::Table(namespace, name, Access::Read)));
        let (names, next) = query.page()?.cut(readable.collect());
        let levels: Vec<&str> = namespace.split(NAMESPACE_SEPARATOR).collect();
        let identifiers: Vec<Value> = names.iter().map(|name| json!({"namespace": levels, "name": name})).collect();
        Ok(RestResponse::value(&json!({"identifiers": identifiers, "next-page-token": next})))
    }

    fn table_exists(&self, table: &TableName, claims: &Claims) -> Result<RestResponse, RestError> {
        self.must_read(table, claims).map(|_| RestResponse::no_content())
    }

    /// The table's pointer, if the caller may read it. Who may not does not learn whether it is there.
    pub(super) fn must_read(&self, table: &TableName, claims: &Claims) -> Result<Pointer, RestError> {
        self.must_be_allowed(table, claims, Access::Read)?;
        let pointer = self.remembered.read(&self.storage, table)?;
        pointer.ok_or_else(|| RestError::NoSuchTable(name(table)))
    }

    /// Refuses who may not do this to the table. They do not learn whether it is there.
    pub(super) fn must_be_allowed(&self, table: &TableName, claims: &Claims, access: Access) -> Result<(), RestError> {
        if claims.may(Action::Table(&table.namespace, &table.name, access)) {
            return Ok(());
        }
        Err(RestError::Forbidden(format!("The token does not allow to {access} table {}", name(table))))
    }
}

/// A table as people read it.
pub(super) fn name(table: &TableName) -> String {
    format!("{}.{}", display(&table.namespace), table.name)
}
