//! The end of a flush: one write makes index, positions and tail what the commit made of the tables.

use std::sync::Arc;

use lake_cdc::{Frame, Lsn};
use lake_host::{ShardStorage, WriteBatch, durable, planted};
use lake_table::CommittedFlush;

use super::FlushError;
use crate::error::LakeError;
use crate::index::{merge_runs, plan_merge};
use crate::lake::Lake;
use crate::limits::{RETENTION_BYTES_MAX, RETENTION_MICROS};
use crate::stored::{Intent, LakeMeta, Outcome, Shard, TailBlob, keys, open_json, scan_all, seal_json};
use crate::tail::{delete_blobs_before, read_next};

impl<S: ShardStorage> Lake<S> {
    /// What was stored before the commit was sent.
    pub(super) fn stored_outcome(&self) -> Result<Outcome, LakeError> {
        let mut bytes = Vec::new();
        scan_all(&self.storage, keys::outcomes(), |_, part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        open_json("outcome", &bytes)
    }

    /// Applies a flush that holds.
    pub(super) fn apply(
        &self,
        now: i64,
        intent: &Intent,
        outcome: &Outcome,
        committed: &CommittedFlush,
    ) -> Result<(), LakeError> {
        let mut batch = WriteBatch::new();
        let (mut meta, mut shards) = {
            let state = self.state();
            (state.meta.clone(), Vec::<Shard>::new())
        };
        let mut all_files = Vec::new();
        for table in &outcome.tables {
            let mut files = table.files.clone();
            let before = self.state().files.get(&table.table).cloned().unwrap_or_default();
            let history = format!("{}_history", table.name);
            let location = |name: &str| {
                let mut tables = committed.tables.iter();
                let found = tables.find(|state| state.table.namespace == table.namespace && state.table.name == name);
                found.map(|state| state.metadata_location.clone())
            };
            files.metadata_location = location(&table.name).or(before.metadata_location);
            files.history_metadata_location = location(&history).or(before.history_metadata_location);
            for row in &table.rows {
                let key = keys::file(table.table, row.number);
                if row.deleted >= row.records {
                    batch.delete(key);
                } else {
                    batch.put(key, seal_json("file", row)?);
                }
            }
            batch.put(keys::files(table.table), seal_json("files", &files)?);
            all_files.push((table.table, files));
        }
        for (database, timeline, lsn) in &outcome.watermarks {
            let shard = self.state().shards.get(database).cloned();
            let shard = shard.filter(|shard| shard.timeline().to_string() == *timeline);
            if let (Some(mut shard), Some(lsn)) = (shard, Lsn::new(*lsn)) {
                shard.make_durable(lsn);
                batch.put(keys::shard(database), seal_json("shard", &shard)?);
                shards.push(shard);
            }
        }
        if !committed.tables.is_empty() {
            batch.put(keys::snapshot(intent.snapshot_id), intent.end.to_be_bytes());
        }
        meta.flushed = intent.end;
        meta.flushed_blob = intent.end_blob;
        meta.flushed_stamp = outcome.max_stamp;
        if planted!("flush: the tail keeps what is flushed") {
            meta.flushed_blob = meta.flushed_blob.saturating_sub(1).max(intent.first_blob);
        }
        meta.commit = committed.number;
        meta.tail_bytes = meta.tail_bytes.saturating_sub(outcome.tail_bytes);
        meta.retained_bytes += outcome.tail_bytes;
        meta.missing_rows += outcome.missing_rows;
        meta.oldest = self.oldest_after(intent.end_blob)?;
        self.trim(&mut meta, &mut batch, now)?;
        batch.delete(keys::INTENT).delete_range(keys::outcomes());
        batch.put(keys::META, seal_json("meta", &meta)?);
        durable!("flush: apply", self.write_batch(&batch))?;
        {
            let mut state = self.state_mut();
            state.meta = meta;
            for table in &committed.tables {
                state.remember(table.table.clone(), Arc::new(table.metadata.clone()));
            }
            state.intent = None;
            state.last_commit_at = now;
            state.counters.commits += 1;
            state.files.extend(all_files);
            state.tail.retain(|blob| blob.blob >= intent.end_blob);
            for shard in &shards {
                state.shards.insert(shard.database.clone(), shard.clone());
            }
        }
        for shard in shards {
            if let Some(lsn) = shard.durable() {
                self.notify(shard.database.clone(), shard.timeline(), Frame::Durable { lsn });
            }
        }
        Ok(())
    }

    /// When the oldest blob from `blob` on was accepted.
    fn oldest_after(&self, blob: u64) -> Result<Option<i64>, LakeError> {
        let next = self.state().tail.iter().find(|index| index.blob >= blob).cloned();
        next.map(|index| self.blob(&index).map(|blob| blob.accepted_at)).transpose()
    }

    /// Lets go of flushed batches that are too old or too many.
    fn trim(&self, meta: &mut LakeMeta, batch: &mut WriteBatch, now: i64) -> Result<(), LakeError> {
        let (mut end, mut number) = (0, 0);
        let mut trimmed = false;
        while let Some((found_end, found, bytes)) = read_next(&self.storage, end, number)? {
            if found >= meta.flushed_blob {
                break;
            }
            let old = TailBlob::decode(&bytes)?.accepted_at + RETENTION_MICROS < now;
            if !old && meta.retained_bytes <= RETENTION_BYTES_MAX {
                break;
            }
            meta.retained_bytes = meta.retained_bytes.saturating_sub(bytes.len() as u64);
            meta.earliest = found_end;
            (end, number, trimmed) = (found_end, found + 1, true);
        }
        if trimmed {
            delete_blobs_before(batch, end, number);
        }
        Ok(())
    }

    /// Merges runs of the key index of these tables where there are too many.
    pub(super) fn merge_index(&self, tables: impl Iterator<Item = u32>) -> Result<(), FlushError> {
        for table in tables {
            loop {
                let plan = self.state().files.get(&table).and_then(|files| plan_merge(&files.runs));
                let Some(runs) = plan else { break };
                self.merge_table(table, &runs)?;
            }
        }
        Ok(())
    }

    fn merge_table(&self, table: u32, runs: &[crate::stored::IndexRun]) -> Result<(), LakeError> {
        let mut files = self.state().files.get(&table).cloned().unwrap_or_default();
        let mut batch = WriteBatch::new();
        batch.delete_range(keys::runs_from(table, files.next_run));
        durable!("index: make room for a merged run", self.write_batch(&batch))?;
        let merged = merge_runs(&self.storage, table, runs, files.next_run)?;
        let mut batch = WriteBatch::new();
        files.next_run += 1;
        files.runs.retain(|run| !runs.iter().any(|old| old.number == run.number));
        files.runs.extend(merged);
        for run in runs {
            batch.delete_range(keys::run(table, run.number));
        }
        batch.put(keys::files(table), seal_json("files", &files)?);
        durable!("index: take up a merged run", self.write_batch(&batch))?;
        self.state_mut().files.insert(table, files);
        Ok(())
    }
}
