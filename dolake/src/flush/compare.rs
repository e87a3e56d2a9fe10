//! Two keys with one hash: the rows themselves say which is meant.

use arrow::array::{
    Array, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, LargeBinaryArray, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use lake_cdc::{Numeric, Value, Writer};
use lake_host::ObjectStore;
use lake_table::{ReadFile, TableError, check_footer, reader_options};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};

use crate::error::FlushError;
use crate::index::Location;
use crate::ports::StoredFiles;
use crate::stored::{LakeTable, system};

/// The candidate whose row has this shard and key.
pub(crate) async fn find_row<O: ObjectStore>(
    store: &O,
    table: &LakeTable,
    database: &str,
    key: &[u8],
    candidates: &[(Location, String)],
) -> Result<Option<Location>, FlushError> {
    for (location, path) in candidates {
        let bytes = StoredFiles(store).read(path).await.map_err(TableError::Read)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, reader_options());
        let builder = builder.map_err(TableError::Parquet)?;
        check_footer(builder.metadata()).map_err(TableError::Parquet)?;
        let row = location.row as usize;
        let selection = RowSelection::from(vec![RowSelector::skip(row), RowSelector::select(1)]);
        let reader = builder.with_row_selection(selection).build().map_err(TableError::Parquet)?;
        for batch in reader {
            let batch = batch?;
            let shard = column(&batch, system::SHARD)?;
            if value(shard, 0)? != Value::Text(database.to_owned()) {
                continue;
            }
            let mut writer = Writer::new();
            for id in &table.key {
                value(column(&batch, *id)?, 0)?.encode_key(&mut writer);
            }
            if writer.into_bytes() == key {
                return Ok(Some(*location));
            }
        }
    }
    Ok(None)
}

fn column(batch: &RecordBatch, field_id: i32) -> Result<&dyn Array, TableError> {
    let text = field_id.to_string();
    let schema = batch.schema_ref();
    let index = schema.fields().iter().position(|f| f.metadata().get(PARQUET_FIELD_ID_META_KEY) == Some(&text));
    index.map(|index| batch.column(index).as_ref()).ok_or(TableError::NotFound("column of the key"))
}

/// A value of a column as the lake writes it. The width of integers does not matter for keys.
pub(crate) fn value(array: &dyn Array, row: usize) -> Result<Value, TableError> {
    fn cell<T: 'static>(array: &dyn Array) -> Result<&T, TableError> {
        array.as_any().downcast_ref().ok_or(TableError::Unsupported("a column of this type"))
    }
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(cell::<BooleanArray>(array)?.value(row)),
        DataType::Int32 => Value::Int4(cell::<Int32Array>(array)?.value(row)),
        DataType::Int64 => Value::Int8(cell::<Int64Array>(array)?.value(row)),
        DataType::Float32 => Value::Float4(cell::<Float32Array>(array)?.value(row)),
        DataType::Float64 => Value::Float8(cell::<Float64Array>(array)?.value(row)),
        DataType::Decimal128(_, scale) => {
            Value::Numeric(Numeric::new(cell::<Decimal128Array>(array)?.value(row), (*scale).unsigned_abs()))
        }
        DataType::Date32 => Value::Date(cell::<Date32Array>(array)?.value(row)),
        DataType::Time64(_) => Value::Time(cell::<Time64MicrosecondArray>(array)?.value(row)),
        DataType::Timestamp(_, None) => Value::Timestamp(cell::<TimestampMicrosecondArray>(array)?.value(row)),
        DataType::Timestamp(_, Some(_)) => Value::TimestampTz(cell::<TimestampMicrosecondArray>(array)?.value(row)),
        DataType::FixedSizeBinary(16) => {
            let bytes = cell::<FixedSizeBinaryArray>(array)?.value(row);
            Value::Uuid(bytes.try_into().map_err(|_| TableError::Unsupported("a uuid of other length"))?)
        }
        DataType::Utf8 => Value::Text(cell::<StringArray>(array)?.value(row).to_owned()),
        DataType::LargeBinary => Value::Bytea(cell::<LargeBinaryArray>(array)?.value(row).to_vec()),
        DataType::Binary => Value::Bytea(cell::<arrow::array::BinaryArray>(array)?.value(row).to_vec()),
        _ => return Err(TableError::Unsupported("a key column of this type")),
    })
}
