//! `POST …/tables/{table}`: a commit of one table, and `POST transactions/commit`: of several, all or none.

use std::collections::BTreeMap;

use lake_api::scope::{Access, Action, NAMESPACE_SEPARATOR};
use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;
use serde::Deserialize;
use serde_json::Value;

use super::idempotency::Once;
use super::load_table::table_body;
use super::stage::{Stage, Swap, TableChange};
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::create::check_name;
use crate::limits::{COMMIT_ATTEMPTS_MAX, COMMIT_TABLES_MAX};
use crate::metadata::requirement::Requirement;
use crate::metadata::update::Update;

/// A table in a body.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Identifier {
    namespace: Vec<String>,
    name: String,
}

impl Identifier {
    /// Its name here.
    pub(super) fn table(&self) -> Result<TableName, RestError> {
        if self.namespace.iter().any(|level| level.contains(NAMESPACE_SEPARATOR)) {
            return Err(RestError::BadRequest("A level of the namespace has the separator in it".to_owned()));
        }
        let namespace = self.namespace.join(&NAMESPACE_SEPARATOR.to_string());
        check_name(&namespace)?;
        check_name(&self.name)?;
        Ok(TableName { namespace, name: self.name.clone() })
    }
}

#[derive(Deserialize)]
struct CommitTable {
    identifier: Option<Identifier>,
    requirements: Vec<Value>,
    updates: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CommitTransaction {
    table_changes: Vec<CommitTable>,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_commit(
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
        let body: CommitTable = caller.body()?;
        let change = read_change(table, &body, caller)?;
        let (pointer, file) = self.commit_change(store, change, once, caller).await?;
        Ok(table_body(Some(&pointer.metadata_location), file.json(), None))
    }

    pub(super) async fn answer_transaction(
        &self,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let body: CommitTransaction = caller.body()?;
        if body.table_changes.len() > COMMIT_TABLES_MAX {
            return Err(RestError::BadRequest(format!("A transaction has at most {COMMIT_TABLES_MAX} tables")));
        }
        let mut changes: BTreeMap<TableName, Vec<TableChange>> = BTreeMap::new();
        for change in &body.table_changes {
            let Some(identifier) = &change.identifier else {
                return Err(RestError::BadRequest("A table change has no identifier".to_owned()));
            };
            let table = identifier.table()?;
            self.must_be_allowed(&table, caller.claims, Access::Write)?;
            changes.entry(table.clone()).or_default().push(read_change(&table, change, caller)?);
        }
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        // In the order of names, so that no two transactions wait for each other.
        let queues: Vec<_> = changes.keys().map(|table| self.queue_of(table)).collect();
        let mut turns = Vec::with_capacity(queues.len());
        for queue in &queues {
            turns.push(queue.turn.lock().await);
        }
        let once: Vec<&Once> = once.iter().collect();
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let mut stages = self.stage_transaction(store, &changes, caller).await?;
            self.write_stages(store, &mut stages, caller).await?;
            if self.swap_stages(&stages, &once, 204, caller)? == Swap::Done {
                self.remove_obsolete(store, &stages).await;
                return Ok(RestResponse::no_content());
            }
        }
        Err(RestError::CommitFailed("Other changes of these tables were first, again and again".to_owned()))
    }

    async fn stage_transaction(
        &self,
        store: &impl ObjectStore,
        changes: &BTreeMap<TableName, Vec<TableChange>>,
        caller: &Caller<'_>,
    ) -> Result<Vec<Stage>, RestError> {
        let mut stages = Vec::with_capacity(changes.len());
        for table in changes.keys() {
            stages.push(self.begin_stage(store, table).await?);
        }
        // Tables move together: if all that adds snapshots has been done, the rest has been too.
        let mut marks = Vec::new();
        for (stage, changes) in stages.iter().zip(changes.values()) {
            for change in changes {
                marks.extend(stage.replays(change)?);
            }
        }
        if !marks.is_empty() && marks.iter().all(|replayed| *replayed) {
            return Ok(Vec::new());
        }
        for (stage, changes) in stages.iter_mut().zip(changes.values()) {
            for change in changes {
                self.admit_change(store, stage, change, caller).await?;
            }
        }
        Ok(stages)
    }
}

fn read_change(table: &TableName, body: &CommitTable, caller: &Caller<'_>) -> Result<TableChange, RestError> {
    Ok(TableChange {
        table: table.clone(),
        requirements: Requirement::parse_all(&body.requirements)?,
        updates: Update::parse_all(&body.updates)?,
        places: caller.claims.may(Action::Namespace(&table.namespace, Access::Write)),
    })
}
