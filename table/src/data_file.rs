//! Data files: Parquet with field ids, and their description for a manifest.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Schema, Struct};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, LogicalType, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use crate::error::TableError;
use crate::limits::{DICTIONARY_BYTES, PAGE_BYTES, ROW_GROUP_BYTES, ROW_GROUP_ROWS, ZSTD_LEVEL};
use crate::statistics::FileStatistics;

/// A file to write, and what a manifest says about it.
#[derive(Debug)]
pub struct NewFile {
    /// For the manifest. Its path is where the bytes go.
    pub file: DataFile,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The Arrow schema of a table: field ids in the metadata, uuid as 16 fixed bytes, timestamps in microseconds.
pub fn arrow_schema(schema: &Schema) -> Result<ArrowSchemaRef, TableError> {
    Ok(Arc::new(iceberg::arrow::schema_to_arrow_schema(schema)?))
}

pub(crate) fn writer_properties() -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("lake.do".to_owned())
        .build()
}

/// Writes one data file in memory.
///
/// Rows of the open row group are kept as they come, and its columns are encoded one after the other when it ends: a
/// column that is being encoded takes half a megabyte (a dictionary, a page, and a compressor with its tables), and a row
/// can have hundreds.
pub struct DataFileWriter {
    location: String,
    partition: Struct,
    partition_spec_id: i32,
    schema: Arc<Schema>,
    arrow_schema: ArrowSchemaRef,
    writer: SerializedFileWriter<Vec<u8>>,
    open: Vec<RecordBatch>,
    open_bytes: usize,
    record_count: u64,
}

impl DataFileWriter {
    /// A writer of a file that will lie at `location`.
    pub fn new(
        location: String,
        schema: Arc<Schema>,
        partition: Struct,
        partition_spec_id: i32,
    ) -> Result<DataFileWriter, TableError> {
        let arrow_schema = arrow_schema(&schema)?;
        let parquet_schema = ArrowSchemaConverter::new().convert(&arrow_schema)?;
        // Readers go by the Parquet schema and field ids; an embedded Arrow schema would only make files larger.
        let root = with_uuids(&parquet_schema.root_schema_ptr())?;
        let writer = SerializedFileWriter::new(Vec::new(), root, Arc::new(writer_properties()))?;
        Ok(DataFileWriter {
            location,
            partition,
            partition_spec_id,
            schema,
            arrow_schema,
            writer,
            open: Vec::new(),
            open_bytes: 0,
            record_count: 0,
        })
    }

    /// The schema that batches must have.
    pub fn arrow_schema(&self) -> &ArrowSchemaRef {
        &self.arrow_schema
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.record_count += batch.num_rows() as u64;
        self.open_bytes += batch.get_array_memory_size();
        self.open.push(batch.clone());
        let rows = self.open.iter().map(RecordBatch::num_rows).sum::<usize>();
        if rows >= ROW_GROUP_ROWS || self.open_bytes >= ROW_GROUP_BYTES { self.end_row_group() } else { Ok(()) }
    }

    /// Bytes of the rows that are not encoded yet.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Encodes the rows so far; others go into another row group.
    pub fn end_row_group(&mut self) -> Result<(), TableError> {
        let batches = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        if batches.is_empty() {
            return Ok(());
        }
        let (root, properties) = (self.writer.schema_descr().root_schema_ptr(), self.writer.properties().clone());
        // What is encoded is let go of.
        let mut columns = batches.into_iter().map(|batch| batch.columns().to_vec().into_iter()).collect::<Vec<_>>();
        let mut group = self.writer.next_row_group()?;
        for (field, parquet_field) in self.arrow_schema.fields().iter().zip(root.get_fields()) {
            let mut writers = column_writers(field, &root, parquet_field, &properties)?;
            for array in columns.iter_mut().filter_map(Iterator::next) {
                for (leaf, writer) in compute_leaves(field, &array)?.iter().zip(&mut writers) {
                    writer.write(leaf)?;
                }
            }
            for writer in writers {
                writer.close()?.append_to_row_group(&mut group)?;
            }
        }
        group.close()?;
        Ok(())
    }

    /// Rows so far, which is the position of the next one.
    pub fn record_count(&self) -> u64 {
        self.record_count
    }

    /// Ends the file. Fields in `without_bounds` (they hold NaN, which has no place in an order) get no bounds.
    pub fn finish(mut self, without_bounds: &BTreeSet<i32>) -> Result<NewFile, TableError> {
        self.end_row_group()?;
        let metadata = self.writer.finish()?;
        let bytes = std::mem::take(self.writer.inner_mut());
        let statistics = FileStatistics::collect(&self.schema, &metadata, without_bounds);
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(self.location)
            .file_format(DataFileFormat::Parquet)
            .partition(self.partition)
            .partition_spec_id(self.partition_spec_id)
            .record_count(self.record_count)
            .file_size_in_bytes(bytes.len() as u64)
            .column_sizes(statistics.column_sizes)
            .value_counts(statistics.value_counts)
            .null_value_counts(statistics.null_value_counts)
            .lower_bounds(statistics.lower_bounds)
            .upper_bounds(statistics.upper_bounds)
            .split_offsets(Some(statistics.split_offsets))
            .build()
            .map_err(|_| TableError::NotFound("complete description of a data file"))?;
        Ok(NewFile { file, bytes })
    }
}

/// Writers of one field's columns alone, by way of a file that has no other.
fn column_writers(
    field: &FieldRef,
    root: &TypePtr,
    parquet_field: &TypePtr,
    properties: &WriterPropertiesPtr,
) -> Result<Vec<ArrowColumnWriter>, TableError> {
    let alone = Type::group_type_builder(root.name()).with_fields(vec![parquet_field.clone()]).build()?;
    let file = SerializedFileWriter::new(std::io::sink(), Arc::new(alone), properties.clone())?;
    let schema = Arc::new(ArrowSchema::new(vec![field.clone()]));
    Ok(ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(0)?)
}

/// Marks the 16-byte columns as UUIDs. Of the types that tables have, only uuid is stored so, and readers that go by
/// the Parquet type would see raw bytes.
fn with_uuids(node: &TypePtr) -> Result<TypePtr, TableError> {
    let info = node.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if node.is_group() {
        let fields = node.get_fields().iter().map(with_uuids).collect::<Result<Vec<TypePtr>, TableError>>()?;
        let mut builder = Type::group_type_builder(node.name())
            .with_fields(fields)
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_id(id);
        if info.has_repetition() {
            builder = builder.with_repetition(info.repetition());
        }
        return Ok(Arc::new(builder.build()?));
    }
    match node.as_ref() {
        Type::PrimitiveType { physical_type: PhysicalType::FIXED_LEN_BYTE_ARRAY, type_length: 16, .. }
            if info.logical_type_ref().is_none() =>
        {
            let builder = Type::primitive_type_builder(node.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
                .with_length(16)
                .with_repetition(info.repetition())
                .with_logical_type(Some(LogicalType::Uuid))
                .with_id(id);
            Ok(Arc::new(builder.build()?))
        }
        _ => Ok(node.clone()),
    }
}
