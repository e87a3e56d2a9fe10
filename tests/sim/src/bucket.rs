//! Reading tables as an engine does, from metadata in the bucket to rows, behind the product's back.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use iceberg::spec::{ManifestFile, Snapshot, TableMetadata};
use lake_table::{Entry, ReadError, ReadFile, read_manifest, read_manifest_list, read_position_deletes, scan_of};
use lake_test_host::{MemoryObjectStore, run};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The values of a row as text.
pub(crate) type Row = Rc<[String]>;

/// What was made of a file, by its location: nothing is put over a file, so it is decoded once. That it is still there,
/// as long as it was, is asked each time.
type Decoded<T> = RefCell<HashMap<String, (usize, Rc<T>)>>;

/// The store behind the product's back: no faults, nothing counted.
pub(crate) struct Bucket {
    store: MemoryObjectStore,
    metadata: Decoded<TableMetadata>,
    lists: Decoded<Vec<ManifestFile>>,
    manifests: Decoded<Vec<Entry>>,
    rows: Decoded<Vec<Row>>,
}

impl ReadFile for Bucket {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        self.store.bytes(key(location)).map(Bytes::from).ok_or_else(|| ReadError::Missing(location.to_owned()))
    }
}

fn key(location: &str) -> &str {
    location.strip_prefix("s3://lakehouse/").unwrap_or(location)
}

impl Bucket {
    pub(crate) fn new(store: &MemoryObjectStore) -> Bucket {
        Bucket {
            store: store.clone(),
            metadata: Decoded::default(),
            lists: Decoded::default(),
            manifests: Decoded::default(),
            rows: Decoded::default(),
        }
    }

    fn decoded<T>(
        &self,
        cache: &Decoded<T>,
        (location, of): (&str, &str),
        decode: impl FnOnce(Bytes) -> Result<T, String>,
    ) -> Result<Rc<T>, String> {
        let size = self.store.size(key(location)).ok_or_else(|| format!("{location} is missing"))?;
        let name = format!("{location} {of}");
        if let Some((before, decoded)) = cache.borrow().get(&name) {
            return if *before == size { Ok(decoded.clone()) } else { Err(format!("{location} has changed")) };
        }
        let bytes = run(self.read(location)).map_err(|error| error.to_string())?;
        let decoded = Rc::new(decode(bytes).map_err(|error| format!("{location}: {error}"))?);
        cache.borrow_mut().insert(name, (size, decoded.clone()));
        Ok(decoded)
    }

    /// The metadata of a table, from its place in the bucket.
    pub(crate) fn metadata(&self, location: &str) -> Result<Rc<TableMetadata>, String> {
        self.decoded(&self.metadata, (location, ""), |bytes| {
            serde_json::from_slice(&bytes).map_err(|error| error.to_string())
        })
    }

    /// Everything that a table's metadata names is there: earlier metadata, lists, manifests, and the files in them.
    pub(crate) fn is_whole(&self, metadata: &TableMetadata) -> Result<(), String> {
        let must_be =
            |location: &str| self.store.size(key(location)).map(|_| ()).ok_or_else(|| format!("{location} is missing"));
        metadata.metadata_log().iter().try_for_each(|log| must_be(&log.metadata_file))?;
        let mut seen = HashSet::new();
        for snapshot in metadata.snapshots() {
            for manifest in self.list(metadata, snapshot)?.iter() {
                if seen.insert(manifest.manifest_path.clone()) {
                    self.manifest(manifest)?.iter().try_for_each(|entry| must_be(entry.file_path()))?;
                }
            }
        }
        Ok(())
    }

    fn list(&self, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<Rc<Vec<ManifestFile>>, String> {
        self.decoded(&self.lists, (snapshot.manifest_list(), ""), |_| {
            let read = run(read_manifest_list(self, metadata, Some(snapshot.snapshot_id())));
            read.map_err(|error| error.to_string())
        })
    }

    fn manifest(&self, manifest: &ManifestFile) -> Result<Rc<Vec<Entry>>, String> {
        // An entry inherits from the list, and a later list names the same manifest in the same way.
        self.decoded(&self.manifests, (&manifest.manifest_path, ""), |_| {
            run(read_manifest(self, manifest)).map_err(|error| error.to_string())
        })
    }

    /// The values of these columns in all rows of a snapshot. A column that the snapshot's files lack is an error.
    pub(crate) fn snapshot(
        &self,
        metadata: &TableMetadata,
        snapshot_id: Option<i64>,
        columns: &[&str],
    ) -> Result<Vec<Row>, String> {
        let Some(snapshot_id) = snapshot_id else { return Ok(Vec::new()) };
        let snapshot = metadata.snapshot_by_id(snapshot_id).ok_or_else(|| format!("no snapshot {snapshot_id}"))?;
        let mut entries = Vec::new();
        for manifest in self.list(metadata, snapshot)?.iter() {
            entries.push((manifest.clone(), self.manifest(manifest)?.to_vec()));
        }
        let mut rows = Vec::new();
        for file in scan_of(entries, &[]).map_err(|error| error.to_string())? {
            let path = file.data.file_path();
            if file.deletes.len() > 1 {
                return Err(format!("{path} has {} live delete files", file.deletes.len()));
            }
            let mut dead = Vec::new();
            for delete in &file.deletes {
                let bytes = run(self.read(delete.file_path())).map_err(|error| error.to_string())?;
                dead.extend(read_position_deletes(bytes, path).map_err(|error| error.to_string())?);
            }
            if !dead.is_sorted() || dead.iter().any(|at| *at >= file.data.record_count()) {
                return Err(format!("the deletes of {path} are out of order or out of range"));
            }
            let found = self.decoded(&self.rows, (path, &columns.join(" ")), |bytes| {
                if bytes.len() as u64 != file.data.file_size_in_bytes() {
                    return Err("it has another size than its manifest says".to_owned());
                }
                read_rows(bytes, columns).map_err(|error| error.to_string())
            })?;
            if found.len() as u64 != file.data.record_count() {
                return Err(format!("{path} has another number of rows than its manifest says"));
            }
            let live = found.iter().enumerate().filter(|(at, _)| dead.binary_search(&(*at as u64)).is_err());
            rows.extend(live.map(|(_, row)| row.clone()));
        }
        Ok(rows)
    }
}

fn read_rows(bytes: Bytes, columns: &[&str]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        let arrays: Result<Vec<_>, _> =
            columns.iter().map(|name| batch.column_by_name(name).ok_or(format!("no column {name}"))).collect();
        let arrays = arrays?;
        for at in 0..batch.num_rows() {
            let row: Result<Row, _> = arrays.iter().map(|array| array_value_to_string(array, at)).collect();
            rows.push(row?);
        }
    }
    Ok(rows)
}
