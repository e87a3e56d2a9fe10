//! Staging and committing: once per attempt, because every attempt follows another state of the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::TableUpdate;
use iceberg::spec::{Schema, TableMetadata, UnboundPartitionSpec};
use lake_host::{ShardStorage, WriteBatch, durable, planted};
use lake_table::{
    EnsureTable, FlushCommit, FlushOutcome, RowDelta, TableCommit, TableName, Watermark, apply_updates,
    commit_record_key, plan_schema, stage_row_delta,
};

use super::write::{Written, put};
use crate::error::{CatalogError, FlushError};
use crate::lake::Lake;
use crate::limits::{BLOB_BYTES_MAX, STAGE_ATTEMPTS_MAX};
use crate::ports::{LakePorts, StoredFiles, TableCatalog};
use crate::stored::{Intent, LakeTable, Outcome, keys, seal_json};

impl<S: ShardStorage> Lake<S> {
    /// The metadata of a table and its history, made if they are not there, with the schemas of the flush.
    pub(super) async fn load_tables<P: LakePorts>(
        &self,
        ports: &P,
        table: &LakeTable,
    ) -> Result<(Arc<TableMetadata>, Arc<TableMetadata>), FlushError> {
        let unpartitioned = UnboundPartitionSpec::builder().build();
        let current = self.load(ports, table.table_name(), table.current_schema()?, unpartitioned).await?;
        let spec = LakeTable::history_spec()?;
        let history = self.load(ports, table.history_name(), table.history_schema()?, spec).await?;
        Ok((current, history))
    }

    /// The time of the snapshots of the flush under way.
    fn snapshot_time_ms<P: LakePorts>(&self, ports: &P) -> i64 {
        let stamp = self.state().intent.as_ref().map_or_else(|| ports.now_micros(), |intent| intent.oldest_stamp);
        stamp.div_euclid(1_000)
    }

    /// The metadata of one table with `schema` as the current one. The change itself is committed with the flush.
    async fn load<P: LakePorts>(
        &self,
        ports: &P,
        table: TableName,
        schema: Schema,
        partition_spec: UnboundPartitionSpec,
    ) -> Result<Arc<TableMetadata>, FlushError> {
        let epoch = self.state().meta.epoch;
        let created_ms = self.snapshot_time_ms(ports);
        let properties = BTreeMap::from([("lake.managed".to_owned(), "true".to_owned())]);
        let request = EnsureTable { table, schema, partition_spec, properties, created_ms, epoch };
        let metadata = self.present_metadata(ports, &request).await?;
        match plan_schema(&metadata, &request.schema)? {
            Some((_, updates)) => Ok(Arc::new(apply_updates(&metadata, &updates)?)),
            None => Ok(metadata),
        }
    }

    /// The metadata of a table, from memory or the catalog.
    async fn present_metadata<P: LakePorts>(
        &self,
        ports: &P,
        request: &EnsureTable,
    ) -> Result<Arc<TableMetadata>, FlushError> {
        let known = self.state().metadata.get(&request.table).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let table = durable!("flush: make a table", ports.catalog().ensure_table(request).await)?;
        let metadata = Arc::new(table.metadata);
        self.state_mut().remember(request.table.clone(), metadata.clone());
        Ok(metadata)
    }

    /// Stages and sends until the commit holds or the flush has failed.
    pub(super) async fn commit<P: LakePorts>(
        &self,
        ports: &P,
        mut intent: Intent,
        outcome: &Outcome,
        writes: &BTreeMap<u32, Written>,
    ) -> Result<(), FlushError> {
        for attempt in 0..STAGE_ATTEMPTS_MAX {
            let commit = self.stage(ports, &intent, outcome, writes, attempt).await?;
            if !intent.sent {
                intent.sent = true;
                self.store_outcome(&intent, outcome)?;
            }
            let answer = durable!("flush: commit", ports.catalog().commit(&commit).await);
            match answer {
                Ok(FlushOutcome::Committed(committed)) => {
                    return Ok(self.apply(ports.now_micros(), &intent, outcome, &committed)?);
                }
                // What is in memory is not what the catalog has.
                Ok(FlushOutcome::Conflict { .. }) => self.state_mut().metadata.clear(),
                Ok(FlushOutcome::BaseMoved { .. }) => return self.settle_sent(ports, &intent).await,
                Ok(FlushOutcome::Fenced { epoch }) => return Err(FlushError::Fenced(epoch)),
                Err(CatalogError::StateUnknown(_)) => return self.settle_sent(ports, &intent).await,
                Err(error @ CatalogError::Failed(_)) => return Err(error.into()),
            }
        }
        Err(FlushError::LostRaces)
    }

    /// The answer does not say that the commit holds: ask. If it does not, the flush has failed and is planned anew.
    async fn settle_sent<P: LakePorts>(&self, ports: &P, intent: &Intent) -> Result<(), FlushError> {
        self.settle(ports, intent).await?;
        if self.state().meta.flushed_blob < intent.end_blob {
            return Err(FlushError::LostRaces);
        }
        Ok(())
    }

    async fn stage<P: LakePorts>(
        &self,
        ports: &P,
        intent: &Intent,
        outcome: &Outcome,
        writes: &BTreeMap<u32, Written>,
        attempt: u32,
    ) -> Result<FlushCommit, FlushError> {
        let mut tables = Vec::new();
        for write in writes.values() {
            let delta = |added_data| RowDelta {
                snapshot_id: intent.snapshot_id,
                now_ms: intent.oldest_stamp.div_euclid(1_000),
                attempt: format!("{}-{attempt}", intent.flush_id),
                added_data,
                summary: self.summary(intent, outcome),
                ..RowDelta::default()
            };
            let current = RowDelta {
                added_deletes: write.added_deletes.clone(),
                removed_deletes: write.removed_deletes.clone(),
                removed_data: write.removed_data.clone(),
                ..delta(write.added.clone())
            };
            let history = delta(write.added_history.clone());
            let table = &write.table;
            let spec = UnboundPartitionSpec::builder().build();
            tables.extend(self.stage_table(ports, table.table_name(), table.current_schema()?, spec, current).await?);
            let spec = LakeTable::history_spec()?;
            tables.extend(self.stage_table(ports, table.history_name(), table.history_schema()?, spec, history).await?);
        }
        let watermarks = self.watermarks_after(outcome);
        if planted!("flush: one table of a transaction waits") && tables.len() > 2 {
            tables.pop();
        }
        let epoch = self.state().meta.epoch;
        let (base, end) = (intent.base, intent.end);
        Ok(FlushCommit { flush_id: intent.flush_id.clone(), epoch, base, end, watermarks, tables })
    }

    /// One table's schema change and snapshot, from the state that the catalog has now.
    async fn stage_table<P: LakePorts>(
        &self,
        ports: &P,
        table: TableName,
        schema: Schema,
        partition_spec: UnboundPartitionSpec,
        delta: RowDelta,
    ) -> Result<Option<TableCommit>, FlushError> {
        let epoch = self.state().meta.epoch;
        let (properties, created_ms) = (BTreeMap::new(), self.snapshot_time_ms(ports));
        let request = EnsureTable { table: table.clone(), schema, partition_spec, properties, created_ms, epoch };
        let mut metadata = self.present_metadata(ports, &request).await?;
        let (mut requirements, mut updates) = (Vec::new(), Vec::new());
        if let Some((requirement, changes)) = plan_schema(&metadata, &request.schema)? {
            metadata = Arc::new(apply_updates(&metadata, &changes)?);
            requirements.push(requirement);
            updates.extend(changes);
        }
        let has_files = !(delta.added_data.is_empty()
            && delta.added_deletes.is_empty()
            && delta.removed_data.is_empty()
            && delta.removed_deletes.is_empty());
        if has_files {
            let staged = stage_row_delta(&StoredFiles(ports.store()), &metadata, delta).await?;
            for (location, bytes) in staged.files {
                durable!("flush: put a manifest", put(ports.store(), &location, bytes.to_vec()).await)?;
            }
            requirements.extend(staged.requirements);
            updates.extend::<Vec<TableUpdate>>(staged.updates);
        }
        Ok((!updates.is_empty()).then_some(TableCommit { table, requirements, updates }))
    }

    /// The durable positions of all shards once the flush holds.
    fn watermarks_after(&self, outcome: &Outcome) -> Vec<Watermark> {
        let mut watermarks = BTreeMap::new();
        for shard in self.state().shards.values() {
            if let Some(lsn) = shard.durable() {
                watermarks.insert((shard.database.clone(), shard.timeline().to_string()), lsn.get());
            }
        }
        let ahead = u64::from(planted!("flush: the watermark is ahead of the rows"));
        for (database, timeline, lsn) in &outcome.watermarks {
            let lsn = &(lsn + ahead);
            watermarks.insert((database.clone(), timeline.clone()), *lsn);
        }
        let all = watermarks.into_iter();
        all.map(|((database, timeline), lsn)| Watermark { database, timeline, lsn }).collect()
    }

    /// Our keys in the summary of every snapshot of a flush. Commits are numbered without gaps and only flushes are
    /// numbered, so the number of this one is known before the catalog gives it.
    fn summary(&self, intent: &Intent, outcome: &Outcome) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("lake.position".to_owned(), intent.end.to_string()),
            ("lake.max-stamp".to_owned(), outcome.max_stamp.to_string()),
            ("lake.flush-id".to_owned(), intent.flush_id.clone()),
            ("lake.commit".to_owned(), commit_record_key(self.state().meta.commit + 1)),
        ])
    }

    /// From here on only the catalog knows whether the flush holds.
    fn store_outcome(&self, intent: &Intent, outcome: &Outcome) -> Result<(), FlushError> {
        let mut batch = WriteBatch::new();
        batch.delete_range(keys::outcomes());
        for (index, part) in seal_json("outcome", outcome)?.chunks(BLOB_BYTES_MAX).enumerate() {
            batch.put(keys::outcome(index as u32), part);
        }
        batch.put(keys::INTENT, seal_json("intent", intent)?);
        durable!("flush: store the outcome", self.write_batch(&batch))?;
        self.state_mut().intent = Some(intent.clone());
        Ok(())
    }
}
