//! Committing a flush: all its tables move in one storage write, or none does.
//!
//! The order is what makes it safe to die anywhere: the new `metadata.json` files first (unreferenced, harmless), then one
//! swap of all pointers together with the commit's own record, then the record as an object. Between reading and
//! swapping other requests run, so the swap looks again at what the plan relied on. An answer of "committed" leaves only
//! when the record exists.

use std::collections::BTreeSet;
use std::rc::Rc;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::TableUpdate;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use lake_host::{ObjectStore, Random, ShardStorage, WriteBatch, durable};
use lake_table::{CommittedFlush, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableCommit, TableName};

use crate::cache::MetadataFile;
use crate::catalog::{Catalog, metadata_location};
use crate::error::CatalogError;
use crate::limits::{
    COMMIT_TABLES_MAX, FLUSH_ID_BYTES_MAX, LAKE_METADATA_BYTES_MAX, METADATA_BYTES_MAX, WRITES_AT_ONCE,
};
use crate::metadata::{Metadata, retention};
use crate::storage::commit_record::{CommitRecord, RecordedTable};
use crate::storage::pointer::{Owner, Pointer};
use crate::storage::{commit_record, epoch, pointer};

/// One table of a commit, ready to be pointed at.
struct StagedTable {
    table: TableName,
    /// What the pointer was when this was staged.
    before: Pointer,
    after: Pointer,
    file: Rc<MetadataFile>,
}

/// Why a commit stops before its swap.
enum Stop {
    Outcome(FlushOutcome),
    Error(CatalogError),
}

impl<E: Into<CatalogError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Error(error.into())
    }
}

impl<S: ShardStorage> Catalog<S> {
    /// Commits a flush. The same flush id again is answered with what was committed under it.
    pub async fn commit_flush(
        &self,
        store: &impl ObjectStore,
        random: &impl Random,
        now_micros: i64,
        commit: &FlushCommit,
    ) -> Result<FlushOutcome, CatalogError> {
        check(commit)?;
        // The record of the commit before, so that numbers in the store have no gap.
        self.record_last_commit(store).await?;
        self.admit_bucket(store).await?;
        match self.stage_and_swap(store, random, now_micros, commit).await {
            Ok(()) => {}
            Err(Stop::Outcome(outcome)) => return Ok(outcome),
            Err(Stop::Error(CatalogError::Fenced { epoch })) => return Ok(FlushOutcome::Fenced { epoch }),
            Err(Stop::Error(error)) => return Err(error),
        }
        match self.committed(store, &commit.flush_id).await? {
            Some(committed) => Ok(FlushOutcome::Committed(committed)),
            None => Err(CatalogError::corrupt("a commit record", "it is not there after its commit")),
        }
    }

    /// What became of a flush; afterwards nothing of an earlier epoch takes effect.
    pub async fn settle_flush(
        &self,
        store: &impl ObjectStore,
        settle: &SettleFlush,
    ) -> Result<Settlement, CatalogError> {
        match epoch::raise(&self.storage, settle.epoch) {
            Ok(()) => {}
            Err(CatalogError::Fenced { epoch }) => return Ok(Settlement::Fenced { epoch }),
            Err(error) => return Err(error),
        }
        if let Some(flush_id) = &settle.flush_id
            && let Some(committed) = self.committed(store, flush_id).await?
        {
            return Ok(Settlement::Committed(committed));
        }
        self.record_last_commit(store).await?;
        Ok(Settlement::NotCommitted { position: self.position()? })
    }

    /// The lake position that all tables are at; zero before the first commit.
    pub fn position(&self) -> Result<u64, CatalogError> {
        Ok(commit_record::last(&self.storage)?.map_or(0, |record| record.position))
    }

    /// Returns when the flush is committed, by this call or an earlier one.
    async fn stage_and_swap(
        &self,
        store: &impl ObjectStore,
        random: &impl Random,
        now_micros: i64,
        commit: &FlushCommit,
    ) -> Result<(), Stop> {
        let Some(_) = self.admit(commit)? else { return Ok(()) };
        let mut staged = Vec::with_capacity(commit.tables.len());
        for table in &commit.tables {
            staged.push(self.stage_table(store, random, now_micros, table).await?);
        }
        stream::iter(&staged)
            .map(async |table| {
                let location = &table.after.metadata_location;
                durable!("catalog: put metadata", self.write_metadata(store, location, &table.file).await)
            })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;

        self.record_last_commit(store).await?;
        // No await from here to the swap.
        let Some(last_number) = self.admit(commit)? else { return Ok(()) };
        for table in &staged {
            if pointer::read(&self.storage, &table.table)?.as_ref() != Some(&table.before) {
                let message = "the table moved while its commit was staged".to_owned();
                return Err(Stop::Outcome(FlushOutcome::Conflict { table: table.table.clone(), message }));
            }
        }
        self.swap(now_micros, commit, &staged, last_number + 1)?;

        for table in &staged {
            let (old, new) = (&table.before.metadata_location, &table.after.metadata_location);
            self.cache.borrow_mut().replace(old, new, &table.file);
        }
        let hints = stream::iter(&staged)
            .map(async |table| durable!("catalog: put a hint", self.write_version_hint(store, &table.after).await))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>();
        let record = self.record_last_commit(store);
        // A hint that could not be written is made good by the next commit; nothing of ours reads it.
        let (_hints, recorded) = futures::join!(hints, record);
        // The swap holds, so this failure is not "nothing was changed".
        recorded.map_err(|error| Stop::Error(CatalogError::StateUnknown(error.to_string())))
    }

    /// Checks fence, flush id and base. The number of the last commit if the flush may go on, `None` if it is
    /// committed already.
    fn admit(&self, commit: &FlushCommit) -> Result<Option<u64>, Stop> {
        epoch::raise(&self.storage, commit.epoch)?;
        if commit_record::of_flush(&self.storage, &commit.flush_id)?.is_some() {
            return Ok(None);
        }
        let last = commit_record::last(&self.storage)?;
        let position = last.as_ref().map_or(0, |record| record.position);
        if position != commit.base && !lake_host::planted!("catalog: every commit is let in") {
            return Err(Stop::Outcome(FlushOutcome::BaseMoved { position }));
        }
        Ok(Some(last.map_or(0, |record| record.number)))
    }

    async fn stage_table(
        &self,
        store: &impl ObjectStore,
        random: &impl Random,
        now_micros: i64,
        commit: &TableCommit,
    ) -> Result<StagedTable, Stop> {
        let conflict = |message: String| Stop::Outcome(FlushOutcome::Conflict { table: commit.table.clone(), message });
        let Some(before) = pointer::read(&self.storage, &commit.table)? else {
            return Err(conflict("the table does not exist".to_owned()));
        };
        if before.owner != Owner::Lake {
            return Err(conflict("the table is another engine's".to_owned()));
        }
        let file = self.read_metadata(store, &before.metadata_location).await?;
        let metadata = file.metadata()?;
        for requirement in &commit.requirements {
            requirement.check(Some(metadata)).map_err(|error| conflict(error.to_string()))?;
        }
        let named = match commit.updates.iter().any(|update| matches!(update, TableUpdate::RemoveSnapshots { .. })) {
            true => Metadata::glance(file.json()).map(|glance| glance.heads()).unwrap_or_default(),
            false => Vec::new(),
        };
        let metadata = apply(metadata, &commit.updates, &named, now_micros)?;
        if metadata.location() != before.location {
            return Err(CatalogError::Invalid("a commit cannot move a table's location".to_owned()).into());
        }
        let version = before.version + 1;
        let after = Pointer {
            metadata_location: metadata_location(&before.location, version, random.id()),
            version,
            moved_micros: now_micros,
            ..before.clone()
        };
        let file = Rc::new(fitting(MetadataFile::of(metadata)?, &commit.table)?);
        Ok(StagedTable { table: commit.table.clone(), before, after, file })
    }

    /// The one irreversible step: every pointer and the record, together.
    fn swap(
        &self,
        now_micros: i64,
        commit: &FlushCommit,
        staged: &[StagedTable],
        number: u64,
    ) -> Result<(), CatalogError> {
        let mut batch = WriteBatch::new();
        for table in staged {
            pointer::put(&mut batch, &table.table, &table.after)?;
        }
        let moved = |name: &TableName| staged.iter().find(|table| table.table == *name);
        let tables = pointer::all(&self.storage)?.into_iter().map(|(table, pointer)| match moved(&table) {
            Some(staged) => {
                let metadata_location = staged.after.metadata_location.clone();
                RecordedTable { table, metadata_location, changed: true }
            }
            None => RecordedTable { table, metadata_location: pointer.metadata_location, changed: false },
        });
        let record = CommitRecord {
            number,
            flush_id: commit.flush_id.clone(),
            epoch: commit.epoch,
            position: commit.end,
            committed_micros: now_micros,
            watermarks: commit.watermarks.clone(),
            tables: tables.collect(),
        };
        commit_record::put(&mut batch, number, &record.encode()?);
        durable!("catalog: swap", self.apply(&batch))
    }

    /// What was committed under a flush id, once its record is in the store.
    async fn committed(
        &self,
        store: &impl ObjectStore,
        flush_id: &str,
    ) -> Result<Option<CommittedFlush>, CatalogError> {
        let Some(record) = commit_record::of_flush(&self.storage, flush_id)? else { return Ok(None) };
        let unknown = |error: CatalogError| CatalogError::StateUnknown(error.to_string());
        self.record_last_commit(store).await.map_err(unknown)?;
        let mut tables = Vec::new();
        for recorded in record.tables.iter().filter(|recorded| recorded.changed) {
            let file = self.read_metadata(store, &recorded.metadata_location).await.map_err(unknown)?;
            tables.push(self.state_of(&recorded.table, &recorded.metadata_location, &file)?);
        }
        Ok(Some(CommittedFlush { number: record.number, end: record.position, tables }))
    }
}

/// A file that can be read again: a large one forgets some of its past. One that nobody can read would stop every flush.
fn fitting(file: MetadataFile, table: &TableName) -> Result<MetadataFile, CatalogError> {
    if file.json().len() as u64 <= LAKE_METADATA_BYTES_MAX {
        return Ok(file);
    }
    let refused = |refused: &dyn std::fmt::Display| CatalogError::Invalid(refused.to_string());
    let mut tree = Metadata::parse(file.json()).map_err(|error| refused(&error))?;
    retention::shrink(&mut tree, LAKE_METADATA_BYTES_MAX).map_err(|error| refused(&error))?;
    let file = MetadataFile::of_tree(tree).map_err(|error| refused(&error))?;
    let size = file.json().len();
    if size as u64 > METADATA_BYTES_MAX {
        return Err(CatalogError::Invalid(format!("the metadata of {table:?} would have {size} bytes")));
    }
    Ok(file)
}

fn check(commit: &FlushCommit) -> Result<(), CatalogError> {
    let invalid = |why: &str| Err(CatalogError::Invalid(why.to_owned()));
    if commit.flush_id.is_empty() || commit.flush_id.len() > FLUSH_ID_BYTES_MAX {
        return invalid("a flush id has 1 to 128 bytes");
    }
    if commit.end < commit.base {
        return invalid("a flush cannot end before its base");
    }
    if commit.tables.len() > COMMIT_TABLES_MAX {
        return invalid("too many tables in one commit");
    }
    let names: BTreeSet<&TableName> = commit.tables.iter().map(|table| &table.table).collect();
    if names.len() != commit.tables.len() {
        return invalid("a table twice in one commit");
    }
    Ok(())
}

/// The metadata after `updates`. Its time is the snapshot's, or `now` where no snapshot is added. The snapshots in `named`
/// are those that a branch or tag names.
fn apply(
    metadata: &TableMetadata,
    updates: &[TableUpdate],
    named: &[i64],
    now_micros: i64,
) -> Result<TableMetadata, CatalogError> {
    let invalid = |error: iceberg::Error| CatalogError::Invalid(error.to_string());
    // No metadata log: DuckDB reads an older file from it when the newest is from after the start of its transaction, as
    // with every commit on read, and asks for it without the vended credentials. The commit records hold the same.
    let mut builder = TableMetadataBuilder::new_from_metadata(metadata.clone(), None);
    for update in updates {
        let update = match update {
            // The lake removes by age alone; what somebody has tagged since stays.
            TableUpdate::RemoveSnapshots { snapshot_ids } => {
                let unnamed = snapshot_ids.iter().copied().filter(|id| !named.contains(id));
                TableUpdate::RemoveSnapshots { snapshot_ids: unnamed.collect() }
            }
            other => other.clone(),
        };
        builder = update.apply(builder).map_err(invalid)?;
    }
    let built = builder.build().map_err(invalid)?.metadata;
    if updates.iter().any(|update| matches!(update, TableUpdate::AddSnapshot { .. })) {
        return Ok(built);
    }
    // The builder has read the machine's clock, which a core must not; its fields are private, so by way of JSON.
    let invalid = |error: serde_json::Error| CatalogError::Invalid(error.to_string());
    let mut json = serde_json::to_value(built).map_err(invalid)?;
    let now_ms = now_micros.div_euclid(1_000).max(metadata.last_updated_ms());
    if let Some(fields) = json.as_object_mut() {
        fields.insert("last-updated-ms".to_owned(), now_ms.into());
    }
    serde_json::from_value(json).map_err(invalid)
}

#[cfg(test)]
mod tests;
