//! The columns of a table as DataFusion sees them, and values of the tail as Arrow arrays.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Array, Decimal128Array, FixedSizeBinaryBuilder, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, ListArray, StringBuilder, Time64MicrosecondArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use lake_cdc::{ColumnType, Value};

/// Time zone of every timestamptz column.
pub(crate) const UTC: &str = "+00:00";

/// Key of a field's metadata that holds Postgres' type name where the Arrow type does not tell.
pub(crate) const PG_TYPE: &str = "pg";

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The n-th of the user's columns.
    User(usize),
    /// The database that the row came from.
    Shard,
    /// The stamp of its transaction.
    CommitTimestamp,
    /// What the change did.
    Operation,
    /// Where the change is in the lake.
    Position,
    /// Its transaction in the shard.
    Lsn,
    /// The same, as an id of its own.
    TransactionId,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// Its field in the data files, `None` if no snapshot has it yet.
    pub(crate) field_id: Option<i32>,
    pub(crate) source: Source,
}

impl Source {
    /// The reserved columns of current rows, in order.
    pub(crate) const CURRENT: [Source; 2] = [Source::Shard, Source::CommitTimestamp];

    /// The columns that history adds, in order.
    pub(crate) const HISTORY: [Source; 6] = [
        Source::Operation,
        Source::Position,
        Source::Shard,
        Source::Lsn,
        Source::TransactionId,
        Source::CommitTimestamp,
    ];

    /// Name and type of a reserved column.
    pub(crate) fn reserved(self) -> Option<(&'static str, ColumnType)> {
        match self {
            Source::User(_) => None,
            Source::Shard => Some(("_shard", ColumnType::Text)),
            Source::CommitTimestamp => Some(("_commit_timestamp", ColumnType::TimestampTz)),
            Source::Operation => Some(("_operation", ColumnType::Text)),
            Source::Position => Some(("_position", ColumnType::Int8)),
            Source::Lsn => Some(("_lsn", ColumnType::Int8)),
            Source::TransactionId => Some(("_transaction_id", ColumnType::Text)),
        }
    }
}

/// The Arrow type of a column type.
pub(crate) fn arrow_type(column_type: &ColumnType) -> DataType {
    match column_type {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int2 => DataType::Int16,
        ColumnType::Int4 => DataType::Int32,
        ColumnType::Int8 => DataType::Int64,
        ColumnType::Float4 => DataType::Float32,
        ColumnType::Float8 => DataType::Float64,
        ColumnType::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
        ColumnType::Date => DataType::Date32,
        ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        ColumnType::Uuid => DataType::FixedSizeBinary(16),
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Json | ColumnType::Jsonb => DataType::Utf8,
        ColumnType::Bytea => DataType::Binary,
        ColumnType::Array(element) => DataType::List(element_field(element)),
    }
}

fn element_field(element: &ColumnType) -> FieldRef {
    Arc::new(Field::new("item", arrow_type(element), true).with_metadata(pg_metadata(element)))
}

fn pg_metadata(column_type: &ColumnType) -> HashMap<String, String> {
    match column_type {
        ColumnType::Varchar(_) | ColumnType::Json | ColumnType::Jsonb => {
            HashMap::from([(PG_TYPE.to_owned(), column_type.pg_name())])
        }
        _ => HashMap::new(),
    }
}

/// The Arrow field of a column. Every column may be null: a shard that lacks it has no values for it.
pub(crate) fn arrow_field(name: &str, column_type: &ColumnType) -> Field {
    Field::new(name, arrow_type(column_type), true).with_metadata(pg_metadata(column_type))
}

/// The array of `values`, which are of `column_type` or narrower.
pub(crate) fn array_of(column_type: &ColumnType, values: &[&Value]) -> Result<ArrayRef> {
    let wrong = || DataFusionError::Internal(format!("a value of the tail is no {}", column_type.pg_name()));
    macro_rules! primitive {
        ($array:ty, $($pattern:pat => $number:expr),+) => {
            values
                .iter()
                .map(|value| match value {
                    Value::Null => Ok(None),
                    $($pattern => Ok(Some($number)),)+
                    _ => Err(wrong()),
                })
                .collect::<Result<$array>>()?
        };
    }
    Ok(match column_type {
        ColumnType::Bool => {
            let mut builder = BooleanBuilder::new();
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Bool(value) => builder.append_value(*value),
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Int2 => Arc::new(primitive!(Int16Array, Value::Int2(n) => *n)),
        ColumnType::Int4 => Arc::new(primitive!(Int32Array, Value::Int4(n) => *n, Value::Int2(n) => i32::from(*n))),
        ColumnType::Int8 => Arc::new(
            primitive!(Int64Array, Value::Int8(n) => *n, Value::Int4(n) => i64::from(*n), Value::Int2(n) => i64::from(*n)),
        ),
        ColumnType::Float4 => Arc::new(primitive!(Float32Array, Value::Float4(n) => *n)),
        ColumnType::Float8 => {
            Arc::new(primitive!(Float64Array, Value::Float8(n) => *n, Value::Float4(n) => f64::from(*n)))
        }
        ColumnType::Numeric { precision, scale } => Arc::new(
            primitive!(Decimal128Array, Value::Numeric(n) => n.unscaled())
                .with_precision_and_scale(*precision, *scale as i8)?,
        ),
        ColumnType::Date => Arc::new(primitive!(Date32Array, Value::Date(n) => *n)),
        ColumnType::Time => Arc::new(primitive!(Time64MicrosecondArray, Value::Time(n) => *n)),
        ColumnType::Timestamp => Arc::new(primitive!(TimestampMicrosecondArray, Value::Timestamp(n) => *n)),
        ColumnType::TimestampTz => {
            Arc::new(primitive!(TimestampMicrosecondArray, Value::TimestampTz(n) => *n).with_timezone(UTC))
        }
        ColumnType::Uuid => {
            let mut builder = FixedSizeBinaryBuilder::new(16);
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Uuid(value) => builder.append_value(value)?,
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Json | ColumnType::Jsonb => {
            let mut builder = StringBuilder::new();
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Text(value) => builder.append_value(value),
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Bytea => {
            let mut builder = BinaryBuilder::new();
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Bytea(value) => builder.append_value(value),
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnType::Array(element) => {
            let mut elements = Vec::new();
            let mut lengths = Vec::with_capacity(values.len());
            let mut valid = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => lengths.push(0),
                    Value::Array(items) => {
                        lengths.push(items.len());
                        elements.extend(items);
                    }
                    _ => return Err(wrong()),
                }
                valid.push(!value.is_null());
            }
            let elements = array_of(element, &elements)?;
            Arc::new(ListArray::try_new(
                element_field(element),
                OffsetBuffer::from_lengths(lengths),
                elements,
                Some(NullBuffer::from(valid)),
            )?)
        }
    })
}

/// `array` as a column of `wanted`: an older file may hold a narrower type.
pub(crate) fn adapt(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    Ok(arrow::compute::cast_with_options(array, wanted, &options)?)
}

/// A column that a file does not have.
pub(crate) fn nulls(wanted: &DataType, rows: usize) -> ArrayRef {
    new_null_array(wanted, rows)
}
