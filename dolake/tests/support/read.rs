//! Reading the tables back as any engine would: metadata, manifests, Parquet, position deletes.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use lake_host::{ByteRange, ObjectStore};
use lake_table::{ReadError, ReadFile, ScanFile, plan_scan, read_position_deletes};
use lake_test_host::{MemoryObjectStore, run};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::World;

/// A row: column name to value as text, NULL left out.
pub type TextRow = BTreeMap<String, String>;

pub struct Files(pub MemoryObjectStore);

impl ReadFile for Files {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        match self.0.get(super::key_of(location), ByteRange::Full).await {
            Ok(Some(object)) => Ok(Bytes::from(object.bytes)),
            Ok(None) => Err(ReadError::Missing(location.to_owned())),
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }
}

/// The live rows of a table's current snapshot, sorted.
pub fn rows(world: &World, namespace: &str, name: &str) -> Vec<TextRow> {
    let Some(metadata) = world.catalog.metadata(namespace, name) else { return Vec::new() };
    let files = Files(world.store.clone());
    let snapshot = metadata.current_snapshot_id();
    let scan = run(plan_scan(&files, &metadata, snapshot, &[])).expect("a table that reads");
    let mut rows = scan.iter().flat_map(|file| file_rows(&files, &metadata, file)).collect::<Vec<TextRow>>();
    rows.sort();
    rows
}

fn file_rows(files: &Files, metadata: &iceberg::spec::TableMetadata, file: &ScanFile) -> Vec<TextRow> {
    let schema = metadata.current_schema();
    assert!(file.deletes.len() <= 1, "one live delete file a data file");
    let mut deleted = Vec::new();
    for delete in &file.deletes {
        let bytes = run(files.read(delete.file_path())).expect("a delete file");
        deleted.extend(read_position_deletes(bytes, file.data.file_path()).expect("a delete file that reads"));
    }
    let bytes = run(files.read(file.data.file_path())).expect("a data file");
    assert_eq!(bytes.len() as u64, file.data.file_size_in_bytes());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file").build().expect("a reader");
    let (mut rows, mut position) = (Vec::new(), 0u64);
    for batch in reader {
        let batch = batch.expect("rows");
        for index in 0..batch.num_rows() {
            if deleted.binary_search(&position).is_err() {
                rows.push(text_row(&batch, index, schema));
            }
            position += 1;
        }
    }
    assert_eq!(position, file.data.record_count());
    rows
}

fn text_row(batch: &RecordBatch, index: usize, schema: &iceberg::spec::Schema) -> TextRow {
    let mut row = TextRow::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY).and_then(|id| id.parse().ok()).expect("a field id");
        // A field that was dropped since is not read.
        if let Some(field) = schema.field_by_id(id)
            && !column.is_null(index)
        {
            row.insert(field.name.clone(), text(column, index));
        }
    }
    row
}

fn text(column: &ArrayRef, index: usize) -> String {
    // Names of time zones need a table of them; the number is as good.
    let column = &match column.data_type() {
        DataType::Timestamp(_, Some(_)) => arrow::compute::cast(column, &DataType::Int64).expect("a number"),
        _ => column.clone(),
    };
    let options = FormatOptions::default();
    ArrayFormatter::try_new(column.as_ref(), &options).expect("a type that prints").value(index).to_string()
}
