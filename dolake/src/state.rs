//! What the lake has in memory: a copy of its storage, read once on waking and kept in step by every write.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use futures::channel::oneshot;
use iceberg::spec::TableMetadata;
use lake_cdc::{Lsn, TimelineId};
use lake_host::{ShardStorage, WriteBatch};
use lake_table::TableName;

use crate::error::LakeError;
use crate::limits::METADATA_CACHE_TABLES;
use crate::shapes::ShapeCache;
use crate::stored::{
    FORMAT, Intent, LakeMeta, LakeTable, Shape, Shard, SourceTable, TableFiles, TailBlob, get_json, keys, open_json,
    scan_all, seal_json,
};
use crate::tail::{TailCache, TailIndex, read_next};

/// A transaction whose last part has not come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) lsn: Option<Lsn>,
    pub(crate) next_part: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Counters since this instance woke.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: u64,
    pub(crate) changes: u64,
    pub(crate) duplicates: u64,
    pub(crate) gaps: u64,
    pub(crate) refusals: u64,
    pub(crate) commits: u64,
    pub(crate) failed_flushes: u64,
    pub(crate) views: u64,
    pub(crate) ambiguous_keys: u64,
    pub(crate) last_flush_error: Option<String>,
}

/// The copy.
pub(crate) struct State {
    pub(crate) meta: LakeMeta,
    pub(crate) shards: BTreeMap<String, Shard>,
    pub(crate) tables: BTreeMap<u32, LakeTable>,
    /// What they count towards `TABLES_BYTES_MAX`.
    pub(crate) tables_bytes: usize,
    pub(crate) files: BTreeMap<u32, TableFiles>,
    pub(crate) shapes: RefCell<ShapeCache>,
    pub(crate) sources: HashMap<([u8; 16], u32), SourceTable>,
    pub(crate) tail: VecDeque<TailIndex>,
    pub(crate) cache: TailCache,
    pub(crate) pending: HashMap<[u8; 16], Pending>,
    pub(crate) intent: Option<Intent>,
    /// Metadata as of the last commit. The lake is the only writer of these tables, so it is almost always the present
    /// one; a commit staged from an older one is refused by its requirements.
    pub(crate) metadata: HashMap<TableName, Arc<TableMetadata>>,
    pub(crate) counters: Counters,
    /// Woken at every accepted batch.
    pub(crate) waiters: Vec<oneshot::Sender<()>>,
    /// When the last commit was made by this instance.
    pub(crate) last_commit_at: i64,
    /// This instance has taken an epoch.
    pub(crate) has_epoch: bool,
    /// Tables that had no row yet and were made all the same.
    pub(crate) made: HashSet<u32>,
}

impl State {
    /// Reads the storage; a storage without anything becomes an empty lake. `hash_key` is random.
    pub(crate) fn open<S: ShardStorage>(storage: &S, hash_key: [u64; 2]) -> Result<State, LakeError> {
        let meta = match get_json::<S, LakeMeta>(storage, "meta", keys::META)? {
            Some(meta) if meta.format > FORMAT => return Err(LakeError::NewerFormat(meta.format)),
            Some(meta) => meta,
            None => {
                let meta = LakeMeta::new(hash_key);
                let mut batch = WriteBatch::new();
                batch.put(keys::META, seal_json("meta", &meta)?);
                lake_host::durable!("lake: begin", storage.apply(&batch))?;
                meta
            }
        };
        let mut state = State {
            meta,
            shards: BTreeMap::new(),
            tables: BTreeMap::new(),
            tables_bytes: 0,
            files: BTreeMap::new(),
            shapes: RefCell::default(),
            sources: HashMap::new(),
            tail: VecDeque::new(),
            cache: TailCache::default(),
            pending: HashMap::new(),
            intent: get_json(storage, "intent", keys::INTENT)?,
            metadata: HashMap::new(),
            counters: Counters::default(),
            waiters: Vec::new(),
            last_commit_at: i64::MIN,
            has_epoch: false,
            made: HashSet::new(),
        };
        scan_all(storage, keys::shards(), |_, value| {
            let shard: Shard = open_json("shard", value)?;
            state.shards.insert(shard.database.clone(), shard);
            Ok(())
        })?;
        scan_all(storage, keys::tables(), |_, value| {
            state.put_table(open_json("table", value)?);
            Ok(())
        })?;
        for number in state.tables.keys() {
            let files = get_json(storage, "files", &keys::files(*number))?.unwrap_or_default();
            state.files.insert(*number, files);
        }
        state.index_tail(storage)?;
        Ok(state)
    }

    fn index_tail<S: ShardStorage>(&mut self, storage: &S) -> Result<(), LakeError> {
        let (mut end, mut number) = (self.meta.flushed, self.meta.flushed_blob);
        while let Some((found_end, found, bytes)) = read_next(storage, end, number)? {
            if found >= self.meta.flushed_blob {
                let blob = TailBlob::decode(&bytes)?;
                self.tail.push_back(TailIndex::of(found, &blob, bytes.len()));
                self.cache.insert(found, bytes.len(), Rc::new(blob));
            }
            (end, number) = (found_end, found + 1);
        }
        Ok(())
    }

    /// A table as it is now.
    pub(crate) fn put_table(&mut self, table: LakeTable) {
        self.tables_bytes += table.bytes();
        if let Some(before) = self.tables.insert(table.number, table) {
            self.tables_bytes -= before.bytes();
        }
    }

    /// A shape, from memory or storage.
    pub(crate) fn shape<S: ShardStorage>(&self, storage: &S, number: u32) -> Result<Rc<Shape>, LakeError> {
        let known = self.shapes.borrow().get(number);
        if let Some(shape) = known {
            return Ok(shape);
        }
        let stored = get_json(storage, "shape", &keys::shape(number))?;
        let shape: Rc<Shape> =
            stored.map(Rc::new).ok_or_else(|| LakeError::damaged("shape", "a row has an unknown shape"))?;
        self.shapes.borrow_mut().insert(number, shape.clone());
        Ok(shape)
    }

    /// A shard's table, from memory or storage.
    pub(crate) fn source<S: ShardStorage>(
        &self,
        storage: &S,
        timeline: TimelineId,
        table_id: u32,
    ) -> Result<Option<SourceTable>, LakeError> {
        match self.sources.get(&(timeline.0, table_id)) {
            Some(source) => Ok(Some(source.clone())),
            None => get_json(storage, "source", &keys::source(&timeline.0, table_id)),
        }
    }

    /// The lake's table of this name. Names that differ only by case are one.
    pub(crate) fn table_number(&self, namespace: &str, name: &str) -> Option<u32> {
        self.tables
            .values()
            .find(|table| table.namespace == namespace && table.name.eq_ignore_ascii_case(name))
            .map(|table| table.number)
    }

    pub(crate) fn shard_name(&self, number: u32) -> Option<&str> {
        self.shards.values().find(|shard| shard.number == number).map(|shard| shard.database.as_str())
    }

    /// Remembers the metadata of a table.
    pub(crate) fn remember(&mut self, table: TableName, metadata: Arc<TableMetadata>) {
        if self.metadata.len() >= METADATA_CACHE_TABLES {
            self.metadata.clear();
        }
        self.metadata.insert(table, metadata);
    }

    /// Wakes everybody who waits for the tail to grow.
    pub(crate) fn wake(&mut self) {
        for waiter in self.waiters.drain(..) {
            // Whoever stopped waiting does not need to know.
            let _ = waiter.send(());
        }
    }

    /// The timeline with the most bytes of an unfinished transaction.
    pub(crate) fn greatest_pending(&self) -> Option<[u8; 16]> {
        let sizes = self.pending.iter().map(|(timeline, pending)| (pending.bytes.len(), *timeline));
        sizes.max().map(|(_, timeline)| timeline)
    }

    /// Bytes of unfinished transactions.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.values().map(|pending| pending.bytes.len()).sum()
    }
}
