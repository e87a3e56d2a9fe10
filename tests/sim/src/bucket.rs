//! Reading tables as an engine does, from metadata in the bucket to rows, behind the product's back.

use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use iceberg::spec::TableMetadata;
use lake_table::{ReadError, ReadFile, plan_scan, read_position_deletes};
use lake_test_host::{MemoryObjectStore, run};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The store behind the product's back: no faults, nothing counted.
struct Files<'a>(&'a MemoryObjectStore);

impl ReadFile for Files<'_> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        let key = location.strip_prefix("s3://lakehouse/").expect("a location in the bucket");
        self.0.bytes(key).map(Bytes::from).ok_or_else(|| ReadError::Missing(location.to_owned()))
    }
}

/// The metadata of a table, from its place in the bucket.
pub(crate) fn read_metadata(store: &MemoryObjectStore, location: &str) -> Result<TableMetadata, String> {
    let bytes = run(Files(store).read(location)).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{location}: {error}"))
}

/// The values of these columns in all rows of a snapshot, as text. A column that the snapshot's files lack is empty.
pub(crate) fn read_snapshot(
    store: &MemoryObjectStore,
    metadata: &TableMetadata,
    snapshot_id: Option<i64>,
    columns: &[&str],
) -> Result<Vec<Vec<String>>, String> {
    run(read(&Files(store), metadata, snapshot_id, columns))
}

async fn read(
    files: &Files<'_>,
    metadata: &TableMetadata,
    snapshot_id: Option<i64>,
    columns: &[&str],
) -> Result<Vec<Vec<String>>, String> {
    let scan = plan_scan(files, metadata, snapshot_id, &[]).await.map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for file in scan {
        let path = file.data.file_path();
        if file.deletes.len() > 1 {
            return Err(format!("{path} has {} live delete files", file.deletes.len()));
        }
        let mut dead = Vec::new();
        for delete in &file.deletes {
            let bytes = files.read(delete.file_path()).await.map_err(|error| error.to_string())?;
            dead.extend(read_position_deletes(bytes, path).map_err(|error| error.to_string())?);
        }
        if !dead.is_sorted() || dead.iter().any(|at| *at >= file.data.record_count()) {
            return Err(format!("the deletes of {path} are out of order or out of range"));
        }
        let bytes = files.read(path).await.map_err(|error| error.to_string())?;
        if bytes.len() as u64 != file.data.file_size_in_bytes() {
            return Err(format!("{path} has another size than its manifest says"));
        }
        let found = read_rows(bytes, columns).map_err(|error| format!("{path}: {error}"))?;
        if found.len() as u64 != file.data.record_count() {
            return Err(format!("{path} has another number of rows than its manifest says"));
        }
        let live = found.into_iter().enumerate().filter(|(at, _)| dead.binary_search(&(*at as u64)).is_err());
        rows.extend(live.map(|(_, row)| row));
    }
    Ok(rows)
}

fn read_rows(bytes: Bytes, columns: &[&str]) -> Result<Vec<Vec<String>>, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        let arrays: Result<Vec<_>, _> =
            columns.iter().map(|name| batch.column_by_name(name).ok_or(format!("no column {name}"))).collect();
        let arrays = arrays?;
        for at in 0..batch.num_rows() {
            let row: Result<Vec<_>, _> = arrays.iter().map(|array| array_value_to_string(array, at)).collect();
            rows.push(row?);
        }
    }
    Ok(rows)
}
