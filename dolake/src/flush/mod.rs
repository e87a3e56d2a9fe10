//! A flush: the oldest part of the tail becomes files, files become snapshots of all its tables in one commit.
//!
//! Plan (what to take, what remains of it), write (Parquet, delete files; once), stage and commit (per attempt), apply
//! (index, positions, tail; one write). Before anything goes to the object store an intent is stored, and before the
//! commit is sent, what it leads to. So whatever dies, the next instance asks the catalog what became of the commit, and
//! either applies what was computed or forgets it.

mod apply;
mod columns;
mod commit;
mod compare;
mod plan;
mod write;

pub(crate) use write::transaction_id;

use std::collections::BTreeMap;

use futures::channel::oneshot;
use lake_cdc::TimelineId;
use lake_host::{ShardStorage, WriteBatch, durable, planted};
use lake_table::{CommittedFlush, SettleFlush, Settlement};

use crate::error::{FlushError, LakeError};
use crate::lake::Lake;
use crate::limits::{
    COMMIT_INTERVAL_MICROS, FLUSH_OPEN_BYTES_MAX, FLUSH_RETRY_MICROS, FLUSH_TABLES_MAX, FLUSH_TURN_BYTES,
    MADE_TABLES_MAX,
};
use crate::ports::{LakePorts, TableCatalog};
use crate::stored::{Intent, LakeTable, Outcome, TableFiles, TableOutcome, TailBlob, TailEntry, keys, seal_json};
use plan::{Cut, FlushFold, plan_cut};
use write::{ChangeMark, TableWrite, Written};

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Commits made by this call; 0 if others had made them or there was nothing to do.
    pub commits: u32,
}

/// Encodes rows of the tables that have the most until those of all are within their bound.
fn encode_largest(writes: &mut BTreeMap<u32, TableWrite>) -> Result<(), FlushError> {
    let mut bytes = writes.values().map(TableWrite::open_bytes).sum::<usize>();
    while bytes > FLUSH_OPEN_BYTES_MAX
        && let Some(largest) = writes.values_mut().max_by_key(|write| write.open_bytes())
    {
        bytes -= largest.open_bytes();
        largest.encode()?;
    }
    Ok(())
}

/// Frees the gate however the flush ends, also when its future is dropped.
struct Turn<'a, S: ShardStorage>(&'a Lake<S>);

impl<S: ShardStorage> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        let mut gate = self.0.gate.borrow_mut();
        gate.running = false;
        for waiter in gate.waiting.drain(..) {
            // Whoever gave up waiting does not need to know.
            let _ = waiter.send(());
        }
    }
}

impl<S: ShardStorage> Lake<S> {
    /// Brings everything that was accepted before this call into committed snapshots.
    ///
    /// One flush runs at a time. A call that finds one running waits for it and flushes again if that one was cut before
    /// this call; so a load that arrives during a commit gets the next one.
    pub async fn flush<P: LakePorts>(&self, ports: &P) -> Result<Flushed, FlushError> {
        let (target, mut flushed) = (self.state().meta.next_blob, Flushed::default());
        loop {
            {
                let state = self.state();
                if state.meta.flushed_blob >= target && state.intent.is_none() {
                    break;
                }
            }
            let waiting = {
                let mut gate = self.gate.borrow_mut();
                if gate.running {
                    let (sender, receiver) = oneshot::channel();
                    gate.waiting.push(sender);
                    Some(receiver)
                } else {
                    gate.running = true;
                    None
                }
            };
            if let Some(receiver) = waiting {
                // An error means that the flush was dropped: look again.
                let _ = receiver.await;
                continue;
            }
            let _turn = Turn(self);
            match self.flush_once(ports).await {
                Ok(true) => flushed.commits += 1,
                Ok(false) => {
                    if self.state().meta.flushed_blob < target {
                        return Err(LakeError::damaged("tail", "it lacks what is not flushed yet").into());
                    }
                }
                Err(error) => {
                    let mut state = self.state_mut();
                    state.counters.failed_flushes += 1;
                    state.counters.last_flush_error = Some(error.to_string());
                    state.last_commit_at = ports.now_micros() + FLUSH_RETRY_MICROS;
                    return Err(error);
                }
            }
        }
        self.make_empty_tables(ports).await;
        Ok(flushed)
    }

    /// Makes the tables of which no row has been committed yet: whoever created one expects to find it empty. One that
    /// cannot be made is tried again by the next call and keeps nobody else waiting.
    async fn make_empty_tables<P: LakePorts>(&self, ports: &P) {
        let unmade: Vec<LakeTable> = {
            let state = self.state();
            let is_unmade = |table: &&LakeTable| {
                let has_commit = |files: &TableFiles| files.metadata_location.is_some();
                table.users > 0
                    && !state.made.contains(&table.number)
                    && !state.files.get(&table.number).is_some_and(has_commit)
            };
            state.tables.values().filter(is_unmade).take(MADE_TABLES_MAX).cloned().collect()
        };
        for table in unmade {
            let made = self.load_tables(ports, &table).await;
            let mut state = self.state_mut();
            match made {
                Ok(_) => drop(state.made.insert(table.number)),
                Err(error) => state.counters.last_flush_error = Some(format!("{}: {error}", table.name)),
            }
        }
    }

    /// One commit; false if a settled intent was all there was to do.
    async fn flush_once<P: LakePorts>(&self, ports: &P) -> Result<bool, FlushError> {
        let open = self.state().intent.clone();
        if let Some(intent) = open {
            self.settle(ports, &intent).await?;
        }
        let cut = plan_cut(self.state().tail.iter());
        let Some(cut) = cut else { return Ok(false) };
        self.pace(ports).await;
        let (intent, fold) = self.begin(ports, &cut)?;
        let writes = self.write(ports, &cut, &intent, fold.tables).await?;
        let outcome = self.outcome(&cut, &fold.lsns, fold.max_stamp, &writes)?;
        self.commit(ports, intent, &outcome, &writes).await?;
        self.merge_index(outcome.tables.iter().map(|table| table.table))?;
        Ok(true)
    }

    /// Keeps commits apart.
    async fn pace<P: LakePorts>(&self, ports: &P) {
        let earliest = self.state().last_commit_at.saturating_add(COMMIT_INTERVAL_MICROS);
        let wait = earliest.saturating_sub(ports.now_micros());
        if wait > 0 {
            ports.pause_ms((wait.min(COMMIT_INTERVAL_MICROS) / 1_000) as u32 + 1).await;
        }
    }

    /// Decides, and writes the intent down.
    fn begin<P: LakePorts>(&self, ports: &P, cut: &Cut) -> Result<(Intent, FlushFold), FlushError> {
        let mut fold = FlushFold { max_stamp: self.state().meta.flushed_stamp, ..FlushFold::default() };
        for index in &cut.blobs {
            let blob = self.blob(index)?;
            fold.add(self, &blob)?;
        }
        let mut random = [0; 24];
        ports.fill_random(&mut random);
        let snapshot_id = i64::from_le_bytes([
            random[16], random[17], random[18], random[19], random[20], random[21], random[22], random[23],
        ]) & i64::MAX;
        let meta = self.state().meta.clone();
        let intent = Intent {
            flush_id: random[..16].iter().map(|byte| format!("{byte:02x}")).collect(),
            base: meta.flushed,
            end: cut.end(),
            first_blob: meta.flushed_blob,
            end_blob: cut.end_blob(),
            snapshot_id: snapshot_id.max(1),
            oldest_stamp: fold.oldest_stamp.unwrap_or(ports.now_micros()),
            sent: false,
        };
        let is_new_instance = !self.state().has_epoch;
        self.store_intent(&intent, WriteBatch::new(), is_new_instance)?;
        Ok((intent, fold))
    }

    fn store_intent(&self, intent: &Intent, mut batch: WriteBatch, new_epoch: bool) -> Result<(), LakeError> {
        let mut meta = self.state().meta.clone();
        if new_epoch {
            meta.epoch += 1;
            batch.put(keys::META, seal_json("meta", &meta)?);
        }
        batch.put(keys::INTENT, seal_json("intent", intent)?);
        durable!("flush: store the intent", self.write_batch(&batch))?;
        let mut state = self.state_mut();
        state.meta = meta;
        state.has_epoch = true;
        state.intent = Some(intent.clone());
        Ok(())
    }

    /// Writes the files of all tables, in turns of as many as are open at the same time.
    async fn write<P: LakePorts>(
        &self,
        ports: &P,
        cut: &Cut,
        intent: &Intent,
        mut folds: BTreeMap<u32, plan::TableFold>,
    ) -> Result<BTreeMap<u32, Written>, FlushError> {
        let mut written = BTreeMap::new();
        while !folds.is_empty() {
            let most = if lake_host::rarely!("flush: one table at a time") { 1 } else { FLUSH_TABLES_MAX };
            let later = folds.keys().nth(most).copied().map(|next| folds.split_off(&next)).unwrap_or_default();
            written.extend(self.write_tables(ports, cut, intent, folds).await?);
            folds = later;
        }
        Ok(written)
    }

    /// Writes the files of these tables.
    async fn write_tables<P: LakePorts>(
        &self,
        ports: &P,
        cut: &Cut,
        intent: &Intent,
        folds: BTreeMap<u32, plan::TableFold>,
    ) -> Result<BTreeMap<u32, Written>, FlushError> {
        let mut writes = BTreeMap::new();
        for (number, fold) in folds {
            let (table, files) = {
                let state = self.state();
                let table = state.tables.get(&number).cloned();
                (table, state.files.get(&number).cloned().unwrap_or_default())
            };
            let table = table.ok_or_else(|| LakeError::damaged("table", "the tail names an unknown table"))?;
            let (current, history) = self.load_tables(ports, &table).await?;
            let write = TableWrite::new(table, current, history, fold, files, &intent.flush_id);
            writes.insert(number, write);
        }
        let mut bytes = 0;
        for index in &cut.blobs {
            if !index.tables.iter().any(|table| writes.contains_key(table)) {
                continue;
            }
            let blob = self.blob(index)?;
            self.write_blob(ports, &blob, &mut writes).await?;
            encode_largest(&mut writes)?;
            bytes += index.bytes;
            if bytes >= FLUSH_TURN_BYTES {
                bytes = 0;
                ports.pause_ms(0).await;
            }
        }
        let mut written = BTreeMap::new();
        for (number, mut write) in writes {
            write.close(ports.store()).await?;
            write.delete_old_rows(self, ports.store()).await?;
            written.insert(number, write.finish(self)?);
        }
        Ok(written)
    }

    /// Writes the rows of a blob that are of these tables.
    async fn write_blob<P: LakePorts>(
        &self,
        ports: &P,
        blob: &TailBlob,
        writes: &mut BTreeMap<u32, TableWrite>,
    ) -> Result<(), FlushError> {
        let database = self.database_of(blob.shard)?;
        let mut position = blob.base;
        for transaction in &blob.transactions {
            let (lsn, stamp) = (transaction.lsn.get(), transaction.stamp.0);
            let mut mark = ChangeMark::new(blob.shard, &database, blob.timeline, lsn, stamp);
            for entry in &transaction.entries {
                position += u64::from(entry.is_change());
                let (operation, shape, row) = match entry {
                    TailEntry::Insert { shape, after } => ("INSERT", shape, after),
                    TailEntry::Update { shape, after, .. } => ("UPDATE", shape, after),
                    TailEntry::Delete { shape, before } => ("DELETE", shape, before),
                    TailEntry::DropTable { .. } | TailEntry::EndOfShard => continue,
                };
                let table = self.shape(*shape)?.table;
                if let Some(write) = writes.get_mut(&table) {
                    mark.set(operation, position);
                    let row = row.decode().map_err(LakeError::from)?;
                    write.push(self, ports.store(), *shape, &row, &mark).await?;
                }
            }
        }
        Ok(())
    }

    /// The database of a shard's number.
    fn database_of(&self, number: u32) -> Result<String, LakeError> {
        let state = self.state();
        let name = state.shard_name(number).map(str::to_owned);
        name.ok_or_else(|| LakeError::damaged("shard", "the tail names an unknown shard"))
    }

    /// What the commit leads to.
    fn outcome(
        &self,
        cut: &Cut,
        lsns: &BTreeMap<(u32, TimelineId), u64>,
        max_stamp: i64,
        writes: &BTreeMap<u32, Written>,
    ) -> Result<Outcome, LakeError> {
        let mut outcome = Outcome { max_stamp, tail_bytes: cut.bytes, ..Outcome::default() };
        for ((number, timeline), lsn) in lsns {
            outcome.watermarks.push((self.database_of(*number)?, timeline.to_string(), *lsn));
        }
        for (number, write) in writes {
            outcome.missing_rows += write.missing;
            self.state_mut().counters.ambiguous_keys += write.ambiguous;
            outcome.tables.push(TableOutcome {
                table: *number,
                namespace: write.table.namespace.clone(),
                name: write.table.name.clone(),
                files: write.files.clone(),
                rows: write.rows.values().cloned().collect(),
            });
        }
        Ok(outcome)
    }

    /// Finds out what became of a flush that did not end, and ends it.
    async fn settle<P: LakePorts>(&self, ports: &P, intent: &Intent) -> Result<(), FlushError> {
        if !intent.sent || planted!("flush: what is not known is taken for failed") {
            return Ok(self.forget_intent()?);
        }
        self.state_mut().metadata.clear();
        // A higher epoch first: the commit may still be under way and must not be applied after the answer.
        self.store_intent(intent, WriteBatch::new(), !planted!("lake: a settlement takes no epoch"))?;
        let epoch = self.state().meta.epoch;
        let request = SettleFlush { flush_id: Some(intent.flush_id.clone()), epoch };
        if planted!("flush: what is not known is taken for committed") {
            let outcome = self.stored_outcome()?;
            let committed =
                CommittedFlush { number: self.state().meta.commit + 1, end: intent.end, tables: Vec::new() };
            return Ok(self.apply(ports.now_micros(), intent, &outcome, &committed)?);
        }
        match durable!("flush: settle", ports.catalog().settle(&request).await)? {
            Settlement::Committed(committed) => {
                let outcome = self.stored_outcome()?;
                Ok(self.apply(ports.now_micros(), intent, &outcome, &committed)?)
            }
            Settlement::NotCommitted { position } if position == intent.base => Ok(self.forget_intent()?),
            Settlement::NotCommitted { position } => {
                Err(FlushError::PositionConflict { catalog: position, lake: intent.base })
            }
            Settlement::Fenced { epoch } => Err(FlushError::Fenced(epoch)),
        }
    }

    /// A flush that was not committed leaves nothing but objects that nobody refers to.
    fn forget_intent(&self) -> Result<(), LakeError> {
        let mut batch = WriteBatch::new();
        batch.delete(keys::INTENT).delete_range(keys::outcomes());
        durable!("flush: forget the intent", self.write_batch(&batch))?;
        self.state_mut().intent = None;
        Ok(())
    }
}
