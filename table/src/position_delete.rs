//! Position delete files: the rows of one data file that are gone.
//!
//! All engines read them correctly if a file is sorted, about one data file only, and says so twice: in
//! `referenced_data_file` and by equal bounds of the path column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use bytes::Bytes;
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Struct};
use parquet::arrow::ArrowWriter;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::data_file::{NewFile, writer_properties};
use crate::error::TableError;
use crate::reader_options::{check_footer, reader_options};

/// Reserved field id of `file_path`.
const FILE_PATH_ID: i32 = i32::MAX - 101;
/// Reserved field id of `pos`.
const POSITION_ID: i32 = i32::MAX - 102;

fn schema() -> Arc<ArrowSchema> {
    let field = |name: &str, data_type, id: i32| {
        Field::new(name, data_type, false)
            .with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]))
    };
    Arc::new(ArrowSchema::new(vec![
        field("file_path", DataType::Utf8, FILE_PATH_ID),
        field("pos", DataType::Int64, POSITION_ID),
    ]))
}

/// Writes the delete file of `data_file` at `location`. `positions` are strictly ascending and not empty.
pub fn write_position_deletes(
    location: &str,
    data_file: &str,
    partition: Struct,
    partition_spec_id: i32,
    positions: &[u64],
) -> Result<NewFile, TableError> {
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
        return Err(TableError::NotFound("row to delete"));
    };
    let (first, last) = (*first as i64, *last as i64);
    let batch = RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(data_file, positions.len()))),
            Arc::new(Int64Array::from_iter_values(positions.iter().map(|position| *position as i64))),
        ],
    )?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema(), Some(writer_properties()))?;
    writer.write(&batch)?;
    let bytes = writer.into_inner()?;
    let path = || Datum::string(data_file);
    let counts = HashMap::from([(FILE_PATH_ID, positions.len() as u64), (POSITION_ID, positions.len() as u64)]);
    let file = DataFileBuilder::default()
        .content(DataContentType::PositionDeletes)
        .file_path(location.to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(partition)
        .partition_spec_id(partition_spec_id)
        .record_count(positions.len() as u64)
        .file_size_in_bytes(bytes.len() as u64)
        .value_counts(counts)
        .null_value_counts(HashMap::from([(FILE_PATH_ID, 0), (POSITION_ID, 0)]))
        .lower_bounds(HashMap::from([(FILE_PATH_ID, path()), (POSITION_ID, Datum::long(first))]))
        .upper_bounds(HashMap::from([(FILE_PATH_ID, path()), (POSITION_ID, Datum::long(last))]))
        .referenced_data_file(Some(data_file.to_owned()))
        .build()
        .map_err(|_| TableError::NotFound("complete description of a delete file"))?;
    Ok(NewFile { file, bytes })
}

/// The positions in a delete file that are about `data_file`, ascending.
pub fn read_position_deletes(bytes: Bytes, data_file: &str) -> Result<Vec<u64>, TableError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, reader_options())?;
    check_footer(builder.metadata())?;
    let reader = builder.build()?;
    let mut positions = Vec::new();
    for batch in reader {
        let batch = batch?;
        let paths = batch.column_by_name("file_path").map(|column| arrow::compute::cast(column, &DataType::Utf8));
        let rows = batch.column_by_name("pos");
        let (Some(paths), Some(rows)) = (paths, rows) else {
            return Err(TableError::NotFound("column file_path or pos"));
        };
        let paths = paths?;
        let (Some(paths), Some(rows)) =
            (paths.as_any().downcast_ref::<StringArray>(), rows.as_any().downcast_ref::<Int64Array>())
        else {
            return Err(TableError::Unsupported("a delete file with other column types"));
        };
        for index in 0..batch.num_rows() {
            if paths.value(index) == data_file {
                positions.push(rows.value(index) as u64);
            }
        }
    }
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

/// The data file that a delete file is about, if it says.
pub fn referenced_data_file(file: &DataFile) -> Option<String> {
    file.referenced_data_file().or_else(|| {
        let bound = |bounds: &HashMap<i32, Datum>| bounds.get(&FILE_PATH_ID).cloned();
        let (lower, upper) = (bound(file.lower_bounds())?, bound(file.upper_bounds())?);
        match (lower == upper, lower.literal()) {
            (true, iceberg::spec::PrimitiveLiteral::String(path)) => Some(path.clone()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::arrow::arrow_writer::ArrowWriterOptions;
    use parquet::file::metadata::{KeyValue, ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter};
    use parquet::file::properties::WriterProperties;

    #[test]
    fn positions_read_back() {
        let new = write_position_deletes(
            "s3://b/t/data/d.parquet",
            "s3://b/t/data/a.parquet",
            Struct::empty(),
            0,
            &[0, 3, 70_000],
        )
        .unwrap();
        assert_eq!(new.file.record_count(), 3);
        assert_eq!(referenced_data_file(&new.file).as_deref(), Some("s3://b/t/data/a.parquet"));
        let bytes = Bytes::from(new.bytes);
        assert_eq!(read_position_deletes(bytes.clone(), "s3://b/t/data/a.parquet").unwrap(), [0, 3, 70_000]);
        assert_eq!(read_position_deletes(bytes, "s3://b/t/data/b.parquet").unwrap(), Vec::<u64>::new());
    }

    /// Of an Arrow schema in the footer nothing is decoded, so nothing of it can be wrong.
    #[test]
    fn a_footer_with_nonsense_for_an_arrow_schema_is_read() {
        let footer = KeyValue::new("ARROW:schema".to_owned(), "/////wAAAAAQAAAA".to_owned());
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![footer])).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema(), options).unwrap();
        let columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(StringArray::from(vec!["a"])), Arc::new(Int64Array::from(vec![4]))];
        writer.write(&RecordBatch::try_new(schema(), columns).unwrap()).unwrap();
        let bytes = Bytes::from(writer.into_inner().unwrap());
        assert!(ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).is_err(), "nonsense");
        assert_eq!(read_position_deletes(bytes, "a").unwrap(), [4]);
    }

    /// The reader would panic.
    #[test]
    fn a_footer_with_a_column_of_negative_length_is_refused() {
        let location = "s3://b/t/data/d.parquet";
        let bytes =
            write_position_deletes(location, "s3://b/t/data/a.parquet", Struct::empty(), 0, &[3]).unwrap().bytes;
        let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(bytes.clone())).unwrap();
        let group = metadata.row_group(0);
        let columns = group
            .columns()
            .iter()
            .cloned()
            .map(|column| column.into_builder().set_total_compressed_size(-1).build().unwrap());
        let group = group.clone().into_builder().set_column_metadata(columns.collect()).build().unwrap();
        let metadata = ParquetMetaDataBuilder::new(metadata.file_metadata().clone()).add_row_group(group).build();
        let mut changed = bytes[..bytes.len() - 8 - footer].to_vec();
        ParquetMetaDataWriter::new(&mut changed, &metadata).finish().unwrap();
        let read = read_position_deletes(changed.into(), "s3://b/t/data/a.parquet");
        assert!(matches!(&read, Err(TableError::Parquet(error)) if error.to_string().contains("nonsense")), "{read:?}");
    }

    #[test]
    fn bytes_that_are_no_parquet_are_refused() {
        assert!(matches!(read_position_deletes(Bytes::from_static(b"PAR1nonsense"), "a"), Err(TableError::Parquet(_))));
    }
}
