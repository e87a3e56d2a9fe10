//! A batch on its way into the tail: put into the lake's terms, and stored together with the shard's new position in one
//! write. It has no `await`; memory follows only after that write.

mod fill;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lake_cdc::{
    Change, DecodeError, Entry, Lsn, Reader, Relation, Row, TableId, TimelineId, Transaction, TransactionPart, limits,
};
use lake_host::{AlarmChange, ShardStorage, WriteBatch, blob};

use crate::admission::{Admission, admit};
use crate::error::LakeError;
use crate::index::KeyHasher;
use crate::limits::{BLOB_BYTES_MAX, FLUSH_AGE_MICROS, FLUSH_TABLES_MAX, SOURCE_CACHE_TABLES, TABLES_BYTES_MAX};
use crate::schema;
use crate::state::{Pending, State};
use crate::stored::{
    DeadLetter, ENTRIES_FORMAT, LakeMeta, LakeTable, Point, Removal, Shape, Shard, SourceTable, TablePast, TailBlob,
    TailEntry, TailRow, keys, seal_json,
};
use crate::tail::TailIndex;

/// Why a message was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    Malformed(String),
    Lake(LakeError),
}

impl<E: Into<LakeError>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal::Lake(error.into())
    }
}

/// A batch on its way into the tail: copies of what it changes, and the write that makes them true.
pub(crate) struct Stage<'a, S> {
    state: &'a State,
    storage: &'a S,
    now: i64,
    pub(crate) shard: Shard,
    pub(crate) meta: LakeMeta,
    pub(crate) pending: Pending,
    tables: BTreeMap<u32, LakeTable>,
    /// What all tables count, these included.
    tables_bytes: usize,
    sources: BTreeMap<u32, SourceTable>,
    /// Shape of each source's rows, once looked up: there are many rows for each look-up.
    routes: BTreeMap<u32, Option<u32>>,
    /// Sources that were read and not changed.
    seen: BTreeMap<u32, SourceTable>,
    shapes: BTreeMap<u32, Rc<Shape>>,
    /// With the entries as they came.
    letters: Vec<(DeadLetter, Vec<u8>)>,
    /// Blobs that are full; their bytes are in the batch already.
    blobs: Vec<(TailIndex, Option<Rc<TailBlob>>)>,
    batch: WriteBatch,
    open: Option<(TailBlob, usize)>,
    /// Position of the last change.
    position: u64,
    /// Position before the open transaction, and its stamp.
    start: u64,
    stamp: i64,
    /// The open transaction did what is no change of a row and shows in states before and after it.
    is_turn: bool,
    /// Tables of the open transaction.
    touched: BTreeSet<u32>,
    /// Tables that its blob had before it.
    others: Vec<u32>,
    pub(crate) duplicates: u64,
    changes: u64,
}

/// What a stage leads to, once its batch is applied.
pub(crate) struct Staged {
    pub(crate) batch: WriteBatch,
    pub(crate) shard: Shard,
    pub(crate) meta: LakeMeta,
    tables: BTreeMap<u32, LakeTable>,
    sources: BTreeMap<u32, SourceTable>,
    seen: BTreeMap<u32, SourceTable>,
    shapes: BTreeMap<u32, Rc<Shape>>,
    blobs: Vec<(TailIndex, Option<Rc<TailBlob>>)>,
    changes: u64,
}

impl<'a, S: ShardStorage> Stage<'a, S> {
    pub(crate) fn new(state: &'a State, storage: &'a S, shard: Shard, now: i64) -> Stage<'a, S> {
        Stage {
            state,
            storage,
            now,
            shard,
            meta: state.meta.clone(),
            pending: Pending::default(),
            tables: BTreeMap::new(),
            tables_bytes: state.tables_bytes,
            sources: BTreeMap::new(),
            routes: BTreeMap::new(),
            seen: BTreeMap::new(),
            shapes: BTreeMap::new(),
            letters: Vec::new(),
            blobs: Vec::new(),
            batch: WriteBatch::new(),
            open: None,
            position: state.meta.position,
            start: state.meta.position,
            stamp: 0,
            is_turn: false,
            touched: BTreeSet::new(),
            others: Vec::new(),
            duplicates: 0,
            changes: 0,
        }
    }

    fn timeline(&self) -> TimelineId {
        self.shard.timeline()
    }

    /// True if there is nothing to store.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none() && self.blobs.is_empty()
    }

    /// Takes a part. With the last one the transaction is staged.
    pub(crate) fn part(&mut self, part: TransactionPart) -> Result<Admission, Refusal> {
        let admission = admit(self.shard.expected(), &self.pending, part.lsn, part.part);
        match admission {
            Admission::Duplicate => self.duplicates += 1,
            Admission::Gap { .. } => {}
            Admission::Fresh => {
                if part.part == 0 {
                    self.pending = Pending { lsn: Some(part.lsn), ..Pending::default() };
                }
                self.pending.next_part += 1;
                self.pending.bytes.extend_from_slice(&part.bytes);
                if self.pending.bytes.len() > limits::TRANSACTION_BYTES_MAX {
                    return Err(Refusal::Malformed(format!("transaction {} is over its limit", part.lsn)));
                }
                if part.last {
                    let pending = std::mem::take(&mut self.pending);
                    self.transaction(part.lsn, &pending.bytes)?;
                }
            }
        }
        Ok(admission)
    }

    fn transaction(&mut self, lsn: Lsn, bytes: &[u8]) -> Result<(), Refusal> {
        let malformed = |error: DecodeError| Refusal::Malformed(format!("transaction {lsn}: {error}"));
        let header = header_length(bytes).map_err(malformed)?;
        let (head, entries) = bytes.split_at_checked(header).unwrap_or((bytes, &[]));
        let transaction = Transaction::decode(head).map_err(malformed)?;
        if transaction.lsn != lsn {
            return Err(Refusal::Malformed(format!("the record of transaction {lsn} is of {}", transaction.lsn)));
        }
        // Tables are as old as their first row, and Iceberg has no snapshot before 1970: a flush would fail for ever.
        if transaction.stamp.0 < 0 {
            return Err(Refusal::Malformed(format!("transaction {lsn} is stamped before 1970")));
        }
        if transaction.stamp.0 <= self.shard.stamp {
            return Err(Refusal::Malformed(format!("transaction {lsn} is not stamped after the one before it")));
        }
        self.begin(lsn, transaction.stamp.0);
        if self.shard.accepted().is_none() {
            self.begin_timeline(transaction.stamp.0);
        }
        let mut letters: BTreeMap<u32, (u64, lake_cdc::Writer)> = BTreeMap::new();
        // One entry at a time: the rows of a large transaction, decoded, are many times its bytes.
        let mut entries = Reader::new(entries);
        while entries.remaining() > 0 {
            match Entry::decode(&mut entries).map_err(malformed)? {
                Entry::Relation(relation) => self.relation(relation)?,
                Entry::DropTable(table_id) => self.drop_table(table_id)?,
                Entry::Change(change) => {
                    let table_id = change.table_id();
                    match self.route(lsn, table_id)? {
                        Some(shape) => self.change(lsn, shape, change)?,
                        None => {
                            let (changes, writer) = letters.entry(table_id.0).or_default();
                            *changes += 1;
                            Entry::Change(change).encode(writer);
                        }
                    }
                }
            }
        }
        if self.touched.len() > limits::TRANSACTION_TABLES_MAX {
            // A shard refuses more itself; one that does not stops only itself.
            let count = self.touched.len();
            let message = format!(
                "transaction {lsn} changes {count} tables, and the lake takes {}",
                limits::TRANSACTION_TABLES_MAX
            );
            return Err(Refusal::Malformed(message));
        }
        self.take_turn();
        for (table_id, (changes, writer)) in letters {
            let source = self.source(TableId(table_id))?.unwrap_or_else(|| SourceTable::new(""));
            let entries = writer.into_bytes();
            let letter = DeadLetter {
                database: self.shard.database.clone(),
                timeline: self.timeline().to_string(),
                lsn: lsn.get(),
                table: source.name,
                reason: source.contradiction.unwrap_or_default(),
                changes,
                entries: String::new(),
                parts: entries.len().div_ceil(BLOB_BYTES_MAX) as u32,
            };
            self.letters.push((letter, entries));
            self.shard.dead_letters += changes;
        }
        self.shard.accept(lsn);
        self.shard.stamp = transaction.stamp.0;
        Ok(())
    }

    /// The database was deleted after its last transaction: its rows go, and its timeline takes no more.
    ///
    /// Nobody stamps that, so it happens when the lake hears of it. It is no transaction of the shard, and may take
    /// several flushes: all of its removals have one position, so that states of the lake do not show parts of it.
    pub(crate) fn end(&mut self) -> Result<(), Refusal> {
        let lsn = self.shard.accepted().unwrap_or(Lsn::FIRST);
        self.begin(lsn, self.now.max(self.shard.stamp.saturating_add(1)));
        let mut ids = Vec::new();
        crate::stored::scan_all(self.storage, keys::sources(&self.timeline().0), |key, _| {
            ids.extend(key.get(18..22).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes));
            Ok(())
        })?;
        for id in ids {
            self.drop_table(TableId(id))?;
            if self.touched.len() >= FLUSH_TABLES_MAX {
                self.cut();
                self.touched.clear();
            }
        }
        self.push(TailEntry::EndOfShard, None);
        self.take_turn();
        self.shard.ended = true;
        Ok(())
    }

    /// Whatever clock the new timeline has: it comes after the end of the old one.
    fn begin_timeline(&mut self, stamp: i64) {
        let number = self.shard.number;
        for table in self.state.tables.values().filter(|table| table.past.ends_after(number, stamp)) {
            let mut table = table.clone();
            table.past.end_before(number, stamp);
            self.tables.insert(table.number, table);
        }
    }

    /// The shape of a source's rows; `None` while it contradicts the lake's table.
    fn route(&mut self, lsn: Lsn, table_id: TableId) -> Result<Option<u32>, Refusal> {
        if let Some(shape) = self.routes.get(&table_id.0) {
            return Ok(*shape);
        }
        let source = self.source(table_id)?.filter(|source| !source.dropped);
        let source = source.ok_or_else(|| unknown_table(lsn, table_id))?;
        let shape = source.shape;
        self.routes.insert(table_id.0, shape);
        self.seen.insert(table_id.0, source);
        Ok(shape)
    }

    fn source(&self, table_id: TableId) -> Result<Option<SourceTable>, LakeError> {
        match self.sources.get(&table_id.0) {
            Some(source) => Ok(Some(source.clone())),
            None => self.state.source(self.storage, self.timeline(), table_id.0),
        }
    }

    fn table(&self, number: u32) -> Option<LakeTable> {
        self.tables.get(&number).or_else(|| self.state.tables.get(&number)).cloned()
    }

    fn shape(&self, number: u32) -> Result<Rc<Shape>, LakeError> {
        self.shapes.get(&number).cloned().map_or_else(|| self.state.shape(self.storage, number), Ok)
    }

    fn table_number(&self, name: &str) -> Option<u32> {
        let namespace = self.shard.namespace.as_str();
        self.state.table_number(namespace, name).or_else(|| {
            let mut fresh = self.tables.values();
            fresh.find(|t| t.namespace == namespace && t.name.eq_ignore_ascii_case(name)).map(|t| t.number)
        })
    }

    /// A table was created or altered.
    fn relation(&mut self, relation: Relation) -> Result<(), Refusal> {
        let mut source = self.source(relation.table_id)?.unwrap_or_else(|| SourceTable::new(&relation.name));
        let previous = source.shape.map(|shape| self.shape(shape)).transpose()?;
        let number = source.table.or_else(|| self.table_number(&relation.name));
        let known = number.and_then(|number| self.table(number));
        let mut table = known
            .clone()
            .unwrap_or_else(|| LakeTable::new(self.meta.next_table, &self.shard.namespace, &relation.name));
        if let Some(previous) = &previous {
            schema::release(&mut table, previous, self.stamp);
            self.tables.insert(table.number, table.clone());
        }
        let columns = source.columns.clone();
        let joined = if table.name == relation.name {
            schema::join(&mut table, &mut source, &relation, previous.as_deref())
        } else if table.name.eq_ignore_ascii_case(&relation.name) {
            Err(format!("the name {} differs from {} only by case", relation.name, table.name))
        } else {
            // Shards refuse it. Whoever lets them: the source still stands for its old rows, and so for those of a new
            // table of the old name, whose key space is the same; dropping the one would remove the rows of both.
            Err(format!("table {} was renamed to {}, which is not supported", table.name, relation.name))
        };
        let joined = joined.and_then(|shape| {
            TablePast::note_user(&mut table, &shape, previous.as_deref(), self.stamp);
            let is_altered = match &known {
                Some(before) => TablePast::note_alterations(before, &mut table, self.point()),
                None => {
                    // No rows before it and none at it: it needs no position of its own.
                    table.past.created = Some(Point(self.start, self.stamp));
                    false
                }
            };
            if is_altered || known.is_none() {
                self.take_room(known.as_ref(), &table)?;
            }
            self.is_turn |= is_altered;
            Ok(shape)
        });
        match joined {
            Ok(shape) => {
                self.meta.next_table = self.meta.next_table.max(table.number + 1);
                source.table = Some(table.number);
                source.shape = Some(self.number_shape(shape)?);
                source.contradiction = None;
                self.tables.insert(table.number, table);
            }
            Err(reason) => {
                source.shape = None;
                // Fields that were not made have no ids: others will have these.
                source.columns = columns;
                source.contradiction = Some(reason);
            }
        }
        source.dropped = false;
        self.routes.remove(&relation.table_id.0);
        source.name = relation.name;
        self.sources.insert(relation.table_id.0, source);
        Ok(())
    }

    /// Counts a table that is new or has other columns; the contradiction if all tables would take too much.
    fn take_room(&mut self, before: Option<&LakeTable>, table: &LakeTable) -> Result<(), String> {
        let (before, after) = (before.map_or(0, LakeTable::bytes), table.bytes());
        let all = self.tables_bytes.saturating_sub(before) + after;
        if all > TABLES_BYTES_MAX && after > before {
            return Err(format!(
                "the lake's tables would take {all} bytes, and {TABLES_BYTES_MAX} is what there is for them"
            ));
        }
        self.tables_bytes = all;
        Ok(())
    }

    /// The number of a shape. Shards that have the same tables share it.
    fn number_shape(&mut self, shape: Shape) -> Result<u32, LakeError> {
        if let Some((number, _)) = self.shapes.iter().find(|(_, known)| ***known == shape) {
            return Ok(*number);
        }
        let stored = self.storage.get(&self.key_of_shape(&shape)?)?;
        if let Some(number) = stored.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
            && *self.state.shape(self.storage, number)? == shape
        {
            return Ok(number);
        }
        let number = self.meta.next_shape;
        self.meta.next_shape += 1;
        self.shapes.insert(number, Rc::new(shape));
        Ok(number)
    }

    /// Where the number of a shape is stored. Of two shapes with one hash the later one has the place.
    fn key_of_shape(&self, shape: &Shape) -> Result<Vec<u8>, LakeError> {
        let json = serde_json::to_vec(shape).map_err(|error| LakeError::damaged("shape", error))?;
        let hash = KeyHasher::new(self.meta.hash_key, u64::MAX).hash(shape.table, &json);
        Ok(keys::shape_number(shape.table, hash))
    }

    fn drop_table(&mut self, table_id: TableId) -> Result<(), Refusal> {
        if let Some(number) = self.forget_source(table_id)? {
            self.push(TailEntry::DropTable { table: number }, Some(number));
            if let Some(mut table) = self.table(number) {
                let removal = Removal { shard: self.shard.number, upto: self.position, at: self.point() };
                table.past.note_removal(removal);
                self.tables.insert(number, table);
                self.is_turn = true;
            }
        }
        Ok(())
    }

    /// Takes a source off its table; the table it fed, if any.
    fn forget_source(&mut self, table_id: TableId) -> Result<Option<u32>, Refusal> {
        let Some(mut source) = self.source(table_id)? else { return Ok(None) };
        if source.dropped {
            return Ok(None);
        }
        if let Some(shape) = source.shape.take() {
            let shape = self.shape(shape)?;
            if let Some(mut table) = self.table(shape.table) {
                let before = table.clone();
                schema::release(&mut table, &shape, self.stamp);
                schema::drop_unused(&mut table);
                self.is_turn |= TablePast::note_alterations(&before, &mut table, self.point());
                self.tables.insert(table.number, table);
            }
        }
        source.dropped = true;
        self.routes.remove(&table_id.0);
        let table = source.table;
        self.sources.insert(table_id.0, source);
        Ok(table)
    }

    fn change(&mut self, lsn: Lsn, number: u32, change: Change) -> Result<(), Refusal> {
        let shape = self.shape(number)?;
        let check = |row: &Row| match shape.admits(row) {
            true => Ok(TailRow::of(row)),
            false => Err(Refusal::Malformed(format!("transaction {lsn} has a row that its relation does not allow"))),
        };
        let entry = match &change {
            Change::Insert { after, .. } => TailEntry::Insert { shape: number, after: check(after)? },
            Change::Delete { before, .. } => TailEntry::Delete { shape: number, before: check(before)? },
            Change::Update { before, after, .. } => {
                if shape.key_bytes(&before.0) != shape.key_bytes(&after.0) {
                    return Err(Refusal::Malformed(format!("transaction {lsn} has an update that changes the key")));
                }
                TailEntry::Update { shape: number, before: check(before)?, after: check(after)? }
            }
        };
        self.changes += 1;
        self.push(entry, Some(shape.table));
        self.position += 1;
        Ok(())
    }

    /// The one write. What no storage takes is refused here, and so stops only the shard that sent it: a write that fails
    /// ends the instance for all of them.
    pub(crate) fn finish(mut self) -> Result<Staged, Refusal> {
        if let Some((blob, _)) = self.open.take() {
            self.seal(blob, true);
        }
        let mut batch = std::mem::take(&mut self.batch);
        if self.meta.oldest.is_none() && !self.blobs.is_empty() {
            self.meta.oldest = Some(self.now);
            batch.alarm = Some(AlarmChange::NoLaterThan(self.now + FLUSH_AGE_MICROS));
        }
        for (letter, entries) in &self.letters {
            self.meta.dead_letters += letter.changes;
            let head = seal_json("dead letter", letter)?;
            self.meta.dead_letter_bytes += (head.len() + entries.len()) as u64;
            // Its key goes on counting.
            let number = self.meta.dead_letter_bytes;
            batch.put(keys::dead_letter(number), head);
            for (index, part) in entries.chunks(BLOB_BYTES_MAX).enumerate() {
                batch.put(keys::dead_letter_part(number, index as u32), blob::seal(ENTRIES_FORMAT, part));
            }
        }
        for (number, table) in &self.tables {
            batch.put(keys::table(*number), seal_json("table", table)?);
        }
        for (number, shape) in &self.shapes {
            batch.put(keys::shape(*number), seal_json("shape", shape.as_ref())?);
            batch.put(self.key_of_shape(shape)?, number.to_be_bytes());
        }
        for (table_id, source) in &self.sources {
            batch.put(keys::source(&self.shard.timeline().0, *table_id), seal_json("source", source)?);
        }
        batch.put(keys::shard(&self.shard.database), seal_json("shard", &self.shard)?);
        batch.put(keys::META, seal_json("meta", &self.meta)?);
        if let Some(bytes) = batch.oversized_row() {
            return Err(Refusal::Malformed(format!("the lake would have to store a row of {bytes} bytes")));
        }
        Ok(Staged {
            batch,
            shard: self.shard,
            meta: self.meta,
            tables: self.tables,
            sources: self.sources,
            seen: self.seen,
            shapes: self.shapes,
            blobs: self.blobs,
            changes: self.changes,
        })
    }
}

/// Bytes of a change record before its entries.
fn header_length(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.u8("a change record")?;
    reader.varint("an lsn")?;
    reader.signed("a stamp")?;
    Ok(bytes.len() - reader.remaining())
}

fn unknown_table(lsn: Lsn, table_id: TableId) -> Refusal {
    Refusal::Malformed(format!("transaction {lsn} changes table {} without a relation", table_id.0))
}

impl Staged {
    /// Memory follows the write.
    pub(crate) fn adopt(self, state: &mut State) {
        let timeline = self.shard.timeline().0;
        state.meta = self.meta;
        state.shards.insert(self.shard.database.clone(), self.shard);
        for (number, table) in self.tables {
            state.files.entry(number).or_default();
            state.put_table(table);
        }
        for (number, shape) in self.shapes {
            state.shapes.get_mut().insert(number, shape);
        }
        if state.sources.len() >= SOURCE_CACHE_TABLES {
            state.sources.clear();
        }
        for (table_id, source) in self.seen {
            state.sources.entry((timeline, table_id)).or_insert(source);
        }
        for (table_id, source) in self.sources {
            state.sources.insert((timeline, table_id), source);
        }
        for (index, blob) in self.blobs {
            if let Some(blob) = blob {
                state.cache.insert(index.blob, index.bytes as usize, blob);
            }
            state.tail.push_back(index);
            state.counters.batches += 1;
        }
        state.counters.changes += self.changes;
        state.wake();
    }
}
