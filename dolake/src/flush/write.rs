//! Writing the files of a flush: data of current rows, history by day, and delete files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use iceberg::spec::{DataFile, Literal, Struct, TableMetadata};
use lake_cdc::{Row, TimelineId, Value};
use lake_host::{ObjectStore, PutCondition, ShardStorage, WriteBatch, durable, planted};
use lake_table::{DataFileWriter, NewFile, ReadFile, read_position_deletes, write_position_deletes};

use super::columns::{Columns, Source, SystemValues, sources};
use super::plan::TableFold;
use crate::error::{FlushError, LakeError};
use crate::index::{Entry, Location, RunWriter, find};
use crate::lake::Lake;
use crate::limits::{FLUSH_SHAPES_MAX, OPEN_DAYS_MAX};
use crate::ports::{StoredFiles, key_of};
use crate::stored::{FileRow, LakeTable, Shape, TableFiles, keys, system};

const DAY_MICROS: i64 = 86_400_000_000;

/// One open Parquet file.
struct OpenFile {
    columns: Columns,
    writer: DataFileWriter,
}

impl OpenFile {
    fn new(location: String, metadata: &TableMetadata, partition: Struct) -> Result<OpenFile, FlushError> {
        let spec_id = metadata.default_partition_spec_id();
        let writer = DataFileWriter::new(location, metadata.current_schema().clone(), partition, spec_id)?;
        Ok(OpenFile { columns: Columns::new(writer.arrow_schema().clone())?, writer })
    }

    fn push(&mut self, sources: &[Source], row: &Row, system: &SystemValues) -> Result<(), FlushError> {
        self.columns.push(sources, &row.0, system)?;
        if self.columns.is_full() {
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), FlushError> {
        if let Some(batch) = self.columns.take()? {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    /// Bytes of the rows that are not encoded yet.
    fn open_bytes(&self) -> usize {
        self.columns.bytes + self.writer.open_bytes()
    }

    /// Encodes them.
    fn encode(&mut self) -> Result<(), FlushError> {
        self.drain()?;
        Ok(self.writer.end_row_group()?)
    }

    fn finish(mut self) -> Result<NewFile, FlushError> {
        self.drain()?;
        Ok(self.writer.finish(&self.columns.with_nan)?)
    }
}

/// What a change carries besides its row. One for a transaction, moved on from change to change.
pub(crate) struct ChangeMark {
    pub(crate) shard: u32,
    position: u64,
    stamp: i64,
    values: SystemValues,
}

impl ChangeMark {
    pub(crate) fn new(shard: u32, database: &str, timeline: TimelineId, lsn: u64, stamp: i64) -> ChangeMark {
        let mut values = std::array::from_fn(|_| Value::Null);
        let mut set = |id: i32, value| values[id as usize - 1] = value;
        set(system::SHARD, Value::Text(database.to_owned()));
        set(system::COMMIT_TIMESTAMP, Value::TimestampTz(stamp));
        set(system::LSN, Value::Int8(lsn as i64));
        set(system::TRANSACTION_ID, Value::Text(transaction_id(timeline, lsn)));
        ChangeMark { shard, position: 0, stamp, values }
    }

    /// Moves on to the next change.
    pub(crate) fn set(&mut self, operation: &str, position: u64) {
        self.position = position;
        self.values[system::POSITION as usize - 1] = Value::Int8(position as i64);
        match &mut self.values[system::OPERATION as usize - 1] {
            Value::Text(text) if text == operation => {}
            other => *other = Value::Text(operation.to_owned()),
        }
    }
}

/// Where the columns of both tables come from in rows of one shape.
struct Projection {
    shape: Rc<Shape>,
    current: Vec<Source>,
    history: Vec<Source>,
}

/// The name of a transaction: its timeline and place in it.
pub(crate) fn transaction_id(timeline: TimelineId, lsn: u64) -> String {
    format!("{timeline}-{lsn}")
}

/// One table's part of a flush, once its files are written: what is left of it in memory until the commit.
pub(crate) struct Written {
    pub(crate) table: LakeTable,
    pub(crate) files: TableFiles,
    /// What the commit adds and removes.
    pub(crate) added: Vec<DataFile>,
    pub(crate) added_history: Vec<DataFile>,
    pub(crate) added_deletes: Vec<DataFile>,
    pub(crate) removed_deletes: BTreeSet<String>,
    pub(crate) removed_data: BTreeSet<String>,
    /// Data files that are new or changed.
    pub(crate) rows: BTreeMap<u32, FileRow>,
    pub(crate) missing: u64,
    pub(crate) ambiguous: u64,
}

/// One table's part of a flush, while its files are written.
pub(crate) struct TableWrite {
    written: Written,
    metadata: Arc<TableMetadata>,
    history_metadata: Arc<TableMetadata>,
    fold: TableFold,
    flush_id: String,
    current: Option<OpenFile>,
    current_number: u32,
    current_shards: Vec<(u32, u32)>,
    current_rows: u32,
    projections: HashMap<u32, Rc<Projection>>,
    history: BTreeMap<i32, OpenFile>,
    history_count: u32,
    /// Index entries of the rows written.
    entries: Vec<Entry>,
}

impl TableWrite {
    pub(crate) fn new(
        table: LakeTable,
        metadata: Arc<TableMetadata>,
        history_metadata: Arc<TableMetadata>,
        fold: TableFold,
        mut files: TableFiles,
        flush_id: &str,
    ) -> TableWrite {
        let current_number = files.next_file;
        files.next_file += 1;
        let written = Written {
            table,
            files,
            added: Vec::new(),
            added_history: Vec::new(),
            added_deletes: Vec::new(),
            removed_deletes: BTreeSet::new(),
            removed_data: BTreeSet::new(),
            rows: BTreeMap::new(),
            missing: 0,
            ambiguous: 0,
        };
        TableWrite {
            written,
            metadata,
            history_metadata,
            fold,
            flush_id: flush_id.to_owned(),
            current: None,
            current_number,
            current_shards: Vec::new(),
            current_rows: 0,
            projections: HashMap::new(),
            history: BTreeMap::new(),
            history_count: 0,
            entries: Vec::new(),
        }
    }

    fn projection<S: ShardStorage>(&mut self, lake: &Lake<S>, number: u32) -> Result<Rc<Projection>, LakeError> {
        if let Some(known) = self.projections.get(&number) {
            return Ok(known.clone());
        }
        let shape = lake.shape(number)?;
        let current = sources(self.metadata.current_schema(), &shape);
        let history = sources(self.history_metadata.current_schema(), &shape);
        let projection = Rc::new(Projection { shape, current, history });
        if self.projections.len() >= FLUSH_SHAPES_MAX {
            self.projections.clear();
        }
        self.projections.insert(number, projection.clone());
        Ok(projection)
    }

    /// Appends a change to history, and its image to the current rows if it is the last of its key.
    pub(crate) async fn push<S: ShardStorage, O: ObjectStore>(
        &mut self,
        lake: &Lake<S>,
        store: &O,
        shape: u32,
        row: &Row,
        mark: &ChangeMark,
    ) -> Result<(), FlushError> {
        let projection = self.projection(lake, shape)?;
        let day = mark.stamp.div_euclid(DAY_MICROS) as i32;
        if !self.history.contains_key(&day) {
            if self.history.len() >= OPEN_DAYS_MAX
                && let Some((_, oldest)) = self.history.pop_first()
            {
                self.close_history(store, oldest).await?;
            }
            let (root, count) = (self.history_metadata.location(), self.history_count);
            let name = format!("{root}/data/{}-{count}.parquet", self.flush_id);
            self.history_count += 1;
            let partition = Struct::from_iter([Some(Literal::date(day))]);
            self.history.insert(day, OpenFile::new(name, &self.history_metadata, partition)?);
        }
        if let Some(open) = self.history.get_mut(&day) {
            open.push(&projection.history, row, &mark.values)?;
            self.written.files.history_rows += 1;
        }
        let key = projection.shape.key_bytes(&row.0);
        let fold = self.fold.keys.get(&mark.shard).and_then(|keys| keys.get(&key));
        if fold.is_some_and(|fold| fold.last == Some(mark.position)) {
            self.push_current(&projection, row, mark, lake.hasher().hash(mark.shard, &key))?;
        }
        Ok(())
    }

    fn push_current(
        &mut self,
        projection: &Projection,
        row: &Row,
        mark: &ChangeMark,
        hash: u64,
    ) -> Result<(), FlushError> {
        if self.current.is_none() {
            let name = format!("{}/data/{}.parquet", self.metadata.location(), self.flush_id);
            self.current = Some(OpenFile::new(name, &self.metadata, Struct::empty())?);
        }
        let Some(open) = &mut self.current else { return Ok(()) };
        open.push(&projection.current, row, &mark.values)?;
        match self.current_shards.last_mut() {
            Some((owner, rows)) if *owner == mark.shard => *rows += 1,
            _ => self.current_shards.push((mark.shard, 1)),
        }
        let location = Location { file: self.current_number, row: self.current_rows };
        self.current_rows += 1;
        self.entries.push(Entry { hash, location, dead: false });
        self.written.files.rows += 1;
        Ok(())
    }

    /// Bytes of rows that are not encoded yet, over all open files.
    pub(crate) fn open_bytes(&self) -> usize {
        self.history.values().chain(&self.current).map(OpenFile::open_bytes).sum()
    }

    /// Encodes the rows of all open files.
    pub(crate) fn encode(&mut self) -> Result<(), FlushError> {
        self.history.values_mut().chain(&mut self.current).try_for_each(OpenFile::encode)
    }

    async fn close_history<O: ObjectStore>(&mut self, store: &O, open: OpenFile) -> Result<(), FlushError> {
        let new = open.finish()?;
        durable!("flush: put a history file", put(store, new.file.file_path(), new.bytes).await)?;
        self.written.added_history.push(new.file);
        Ok(())
    }

    /// Closes the data files.
    pub(crate) async fn close<O: ObjectStore>(&mut self, store: &O) -> Result<(), FlushError> {
        while let Some((_, open)) = self.history.pop_first() {
            self.close_history(store, open).await?;
        }
        if let Some(open) = self.current.take() {
            let new = open.finish()?;
            let row = FileRow {
                number: self.current_number,
                path: new.file.file_path().to_owned(),
                records: new.file.record_count(),
                deleted: 0,
                delete_file: None,
                shards: std::mem::take(&mut self.current_shards),
                dropped: Vec::new(),
            };
            durable!("flush: put a data file", put(store, new.file.file_path(), new.bytes).await)?;
            self.written.rows.insert(self.current_number, row);
            self.written.added.push(new.file);
        }
        Ok(())
    }

    /// Finds the old rows of updated and deleted keys, and those of shards that go, and writes the delete files.
    pub(crate) async fn delete_old_rows<S: ShardStorage, O: ObjectStore>(
        &mut self,
        lake: &Lake<S>,
        store: &O,
    ) -> Result<(), FlushError> {
        let mut gone: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        let mut known: HashMap<u32, Option<FileRow>> = HashMap::new();
        let wanted = self.wanted(lake);
        let mut hashes = wanted.iter().map(|(hash, _, _)| *hash).collect::<Vec<u64>>();
        hashes.sort_unstable();
        hashes.dedup();
        let found = find(&lake.storage, self.written.table.number, &self.written.files.runs, &hashes)?;
        for (hash, shard, key) in wanted {
            let mut live = Vec::new();
            for location in found.get(&hash).into_iter().flatten() {
                let row = load_file(lake, &mut known, self.written.table.number, location.file)?;
                if row.is_some_and(|row| !row.has_dropped(location.row)) {
                    live.push(*location);
                }
            }
            let location = match live.as_slice() {
                [] => None,
                [one] => Some(*one),
                many => {
                    self.written.ambiguous += 1;
                    let database = lake.state().shard_name(shard).unwrap_or_default().to_owned();
                    let paths = many
                        .iter()
                        .filter_map(|at| Some((*at, known.get(&at.file)?.as_ref()?.path.clone())))
                        .collect::<Vec<(Location, String)>>();
                    super::compare::find_row(store, &self.written.table, &database, &key, &paths).await?
                }
            };
            match location {
                Some(location) => {
                    gone.entry(location.file).or_default().push(u64::from(location.row));
                    self.entries.push(Entry { hash, location, dead: true });
                }
                None => {
                    let fold = self.fold.keys.get(&shard).and_then(|keys| keys.get(&key));
                    self.written.missing += u64::from(fold.is_some_and(|fold| fold.expected));
                }
            }
        }
        for shard in std::mem::take(&mut self.fold.dropped) {
            self.drop_shard(lake, &mut known, shard, &mut gone)?;
        }
        for (file, positions) in gone {
            if let Some(Some(row)) = known.remove(&file) {
                self.write_deletes(store, row, positions).await?;
            }
        }
        Ok(())
    }

    /// (hash, shard, key) of the keys whose old row must go.
    fn wanted<S: ShardStorage>(&self, lake: &Lake<S>) -> Vec<(u64, u32, Vec<u8>)> {
        let hasher = lake.hasher();
        let mut wanted = Vec::new();
        for (shard, keys) in &self.fold.keys {
            // Rows from before a drop go with the shard; only earlier flushes' rows of other shards are looked for.
            if self.fold.dropped.contains(shard) {
                continue;
            }
            let old = keys.iter().filter(|(_, fold)| fold.existed);
            wanted.extend(old.map(|(key, _)| (hasher.hash(*shard, key), *shard, key.clone())));
        }
        wanted.sort_unstable();
        wanted
    }

    fn drop_shard<S: ShardStorage>(
        &mut self,
        lake: &Lake<S>,
        known: &mut HashMap<u32, Option<FileRow>>,
        shard: u32,
        gone: &mut BTreeMap<u32, Vec<u64>>,
    ) -> Result<(), LakeError> {
        let mut all = Vec::new();
        crate::stored::scan_all(&lake.storage, keys::files_of(self.written.table.number), |_, value| {
            all.push(crate::stored::open_json::<FileRow>("file", value)?);
            Ok(())
        })?;
        for stored in all {
            let number = stored.number;
            let Some(row) = known.entry(number).or_insert(Some(stored)) else { continue };
            let ranges = row.ranges_of(shard);
            for (from, to) in &ranges {
                gone.entry(number).or_default().extend(u64::from(*from)..u64::from(*to));
            }
            row.dropped.extend(ranges);
        }
        Ok(())
    }

    /// Replaces a data file's delete file by one that names `positions` too.
    async fn write_deletes<O: ObjectStore>(
        &mut self,
        store: &O,
        mut row: FileRow,
        mut positions: Vec<u64>,
    ) -> Result<(), FlushError> {
        if let Some(old) =
            row.delete_file.as_ref().filter(|_| !planted!("flush: older deletes of a file are forgotten"))
        {
            let bytes = StoredFiles(store).read(old).await.map_err(lake_table::TableError::Read)?;
            positions.extend(read_position_deletes(bytes, &row.path)?);
            self.written.removed_deletes.insert(old.clone());
        }
        positions.sort_unstable();
        positions.dedup();
        let deleted = positions.len() as u64;
        self.written.files.rows = self.written.files.rows.saturating_sub(deleted.saturating_sub(row.deleted));
        if deleted >= row.records {
            // Nothing of the file is left: it goes, and its deletes with it.
            self.written.removed_data.insert(row.path.clone());
            row.delete_file = None;
        } else {
            let name = format!("{}/data/{}-{}-deletes.parquet", self.metadata.location(), self.flush_id, row.number);
            let spec_id = self.metadata.default_partition_spec_id();
            let new = write_position_deletes(&name, &row.path, Struct::empty(), spec_id, &positions)?;
            durable!("flush: put a delete file", put(store, &name, new.bytes).await)?;
            self.written.added_deletes.push(new.file);
            row.delete_file = Some(name);
        }
        row.deleted = deleted;
        self.written.rows.insert(row.number, row);
        Ok(())
    }

    /// Stores the run of the key index, to which nothing refers before the flush is applied.
    pub(crate) fn finish<S: ShardStorage>(mut self, lake: &Lake<S>) -> Result<Written, LakeError> {
        let mut entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(self.written);
        }
        entries.sort_unstable();
        let mut batch = WriteBatch::new();
        batch.delete_range(keys::runs_from(self.written.table.number, self.written.files.next_run));
        let mut writer = RunWriter::new(self.written.table.number, self.written.files.next_run, 0);
        self.written.files.next_run += 1;
        entries.into_iter().for_each(|entry| writer.push(entry, &mut batch));
        let run = writer.finish(&mut batch);
        let is_kept = !(planted!("index: a run is one flush behind") && self.written.files.next_run.is_multiple_of(4));
        self.written.files.runs.extend(run.filter(|_| is_kept));
        durable!("flush: store an index run", lake.write_batch(&batch))?;
        Ok(self.written)
    }
}

fn load_file<'k, S: ShardStorage>(
    lake: &Lake<S>,
    known: &'k mut HashMap<u32, Option<FileRow>>,
    table: u32,
    file: u32,
) -> Result<Option<&'k FileRow>, LakeError> {
    if let std::collections::hash_map::Entry::Vacant(slot) = known.entry(file) {
        slot.insert(crate::stored::get_json(&lake.storage, "file", &keys::file(table, file))?);
    }
    Ok(known.get(&file).and_then(Option::as_ref))
}

/// Writes a new object. Names are never used twice, so that one which is there is our own from a request whose
/// answer was lost.
pub(crate) async fn put<O: ObjectStore>(store: &O, location: &str, bytes: Vec<u8>) -> Result<(), FlushError> {
    store.put(key_of(location), bytes, PutCondition::Absent).await?;
    Ok(())
}
