//! `DELETE …/tables/{table}`, `POST …/unregister`, and taking a drop back: `POST …/undrop`, which is ours.
//!
//! A dropped table is remembered for a week with its files, unless the client asked to purge it: then its files are
//! removed, in steps that go on after any death, because the folder is in storage until it is empty.

use lake_api::scope::Access;
use lake_host::{AlarmChange, ObjectStore, ShardStorage, WriteBatch, durable};
use lake_table::TableName;
use serde_json::json;

use super::query::Query;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::limits::{COMMIT_ATTEMPTS_MAX, DROPPED_SECONDS, PURGE_PAUSE_MICROS, PURGE_REPEATED_SECONDS};
use crate::storage::dropped::{self, Dropped};
use crate::storage::pointer::{self, Owner, Pointer};
use crate::storage::purge;

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_drop(
        &self,
        table: &TableName,
        query: &Query,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        self.must_be_allowed(table, caller.claims, Access::Write)?;
        // PyIceberg writes it as Python does.
        let is_purged = match query.find("purgeRequested").unwrap_or_default().to_ascii_lowercase().as_str() {
            "true" => true,
            "false" | "" => false,
            other => return Err(RestError::BadRequest(format!("purgeRequested is true or false, not `{other}`"))),
        };
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        let Some(pointer) = pointer::read(&self.storage, table)? else {
            if is_purged && self.was_just_purged(table, caller)? {
                return Ok(RestResponse::no_content());
            }
            return Err(RestError::NoSuchTable(name(table)));
        };
        if pointer.owner == Owner::Lake {
            return Err(self.refuse_write(table));
        }
        let mut batch = WriteBatch::new();
        self.put_drop(&mut batch, table, &pointer, is_purged, caller)?;
        self.put_if_once(&mut batch, once.as_ref(), 204, caller)?;
        durable!("catalog: drop a table", self.apply(&batch))?;
        if is_purged {
            // What is not removed now is by the alarm.
            let _begun = self.purge_step(store, caller.now_micros).await;
        }
        Ok(RestResponse::no_content())
    }

    pub(super) async fn answer_unregister(
        &self,
        table: &TableName,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        self.must_be_allowed(table, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if let Some(done) = self.done(once.as_ref(), caller)? {
            return self.answer_done(done, table, false, caller, store).await;
        }
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let pointer = pointer::read(&self.storage, table)?.ok_or_else(|| RestError::NoSuchTable(name(table)))?;
            if pointer.owner == Owner::Lake {
                return Err(self.refuse_write(table));
            }
            let file = self.read_metadata(store, &pointer.metadata_location).await?;
            // A commit may have come in between, and the answer has to be the last one.
            if pointer::read(&self.storage, table)?.as_ref() != Some(&pointer) {
                continue;
            }
            let mut batch = WriteBatch::new();
            self.put_drop(&mut batch, table, &pointer, false, caller)?;
            if let Some(once) = &once {
                self.put_once_at(&mut batch, once, &pointer.location, caller)?;
            }
            durable!("catalog: unregister a table", self.apply(&batch))?;
            return Ok(super::load_table::table_body(Some(&pointer.metadata_location), file.json(), None));
        }
        // The protocol knows no 409 here. Nothing was changed.
        Err(RestError::Unavailable("Other changes of the table were first, again and again".to_owned()))
    }

    pub(super) async fn answer_undrop(
        &self,
        table: &TableName,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        self.must_be_allowed(table, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if let Some(done) = self.done(once.as_ref(), caller)? {
            return self.answer_done(done, table, true, caller, store).await;
        }
        let last = self.must_be_dropped(table, caller)?;
        // Before the change: after it nothing may be refused any more.
        let file = self.read_metadata(store, &last.pointer.metadata_location).await?;
        let storage = self.storage_config(table, &last.pointer.location, last.pointer.owner, caller)?;
        // Other requests ran during the read.
        if self.must_be_dropped(table, caller)? != last {
            return Err(RestError::Unavailable("The table was dropped again meanwhile".to_owned()));
        }
        let mut batch = WriteBatch::new();
        dropped::remove(&mut batch, &last);
        pointer::put(&mut batch, table, &last.pointer)?;
        if let Some(once) = &once {
            self.put_once_at(&mut batch, once, &last.pointer.location, caller)?;
        }
        durable!("catalog: undrop a table", self.apply(&batch))?;
        Ok(super::load_table::table_body(Some(&last.pointer.metadata_location), file.json(), Some(&storage)))
    }

    /// The last table of a free name that was dropped and can come back.
    fn must_be_dropped(&self, table: &TableName, caller: &Caller<'_>) -> Result<Dropped, RestError> {
        self.must_be_unnamed(table)?;
        let since = caller.now_micros.saturating_sub(DROPPED_SECONDS * 1_000_000);
        let last = dropped::of(&self.storage, table)?.into_iter().find(|dropped| !dropped.is_purged);
        last.filter(|last| last.dropped_micros >= since).ok_or_else(|| RestError::NoSuchTable(name(table)))
    }

    fn put_drop(
        &self,
        batch: &mut WriteBatch,
        table: &TableName,
        pointer: &Pointer,
        is_purged: bool,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        pointer::remove(batch, table);
        let dropped =
            Dropped { table: table.clone(), pointer: pointer.clone(), dropped_micros: caller.now_micros, is_purged };
        dropped::put(batch, &self.storage, &dropped)?;
        if is_purged {
            purge::put(batch, self.must_key(&pointer.location)?)?;
            batch.alarm = Some(AlarmChange::NoLaterThan(caller.now_micros.saturating_add(PURGE_PAUSE_MICROS)));
        }
        Ok(())
    }

    /// True if the table of this name was purged a moment ago: the client asks again because it did not get the answer.
    fn was_just_purged(&self, table: &TableName, caller: &Caller<'_>) -> Result<bool, RestError> {
        let since = caller.now_micros.saturating_sub(PURGE_REPEATED_SECONDS * 1_000_000);
        let last = dropped::of(&self.storage, table)?.into_iter().next();
        Ok(last.is_some_and(|last| last.is_purged && last.dropped_micros >= since))
    }

    /// Why a table of the lake cannot be dropped or written by others.
    pub(super) fn refuse_write(&self, table: &TableName) -> RestError {
        RestError::Forbidden(format!(
            "Table {} is written by the databases that feed it and is read-only here",
            name(table)
        ))
    }

    /// `GET …/dropped-tables`: those of a namespace that can come back.
    pub(super) fn list_dropped(&self, namespace: &str, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        self.must_see(namespace, caller.claims)?;
        let since = caller.now_micros.saturating_sub(DROPPED_SECONDS * 1_000_000);
        let mut tables = Vec::new();
        for dropped in dropped::all(&self.storage)? {
            let is_shown = dropped.table.namespace == namespace
                && !dropped.is_purged
                && dropped.dropped_micros >= since
                && self.must_be_allowed(&dropped.table, caller.claims, Access::Read).is_ok();
            if is_shown {
                let dropped_ms = dropped.dropped_micros.div_euclid(1_000);
                let location = dropped.pointer.metadata_location;
                tables.push(
                    json!({"name": dropped.table.name, "dropped-at-ms": dropped_ms, "metadata-location": location}),
                );
            }
        }
        Ok(RestResponse::value(&json!({"dropped": tables})))
    }
}
