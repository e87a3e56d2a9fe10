//! Rows into columns: one pass, one builder a field.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, LargeBinaryBuilder, ListArray, NullBufferBuilder, RecordBatch, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use iceberg::spec::Schema;
use lake_cdc::Value;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::limits::{COLUMN_BATCH_BYTES, COLUMN_BATCH_ROWS};
use crate::stored::{Shape, system};

/// Values of the columns that the lake adds, by field id less one.
pub(crate) type SystemValues = [Value; 6];

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The row, at this index.
    Row(usize),
    /// The lake, at this index of its values.
    System(usize),
    /// The row's shard does not have the column.
    Null,
}

/// Where the columns of `schema` come from in rows of `shape`.
pub(crate) fn sources(schema: &Schema, shape: &Shape) -> Vec<Source> {
    let source = |id: i32| match shape.index_of(id) {
        Some(index) => Source::Row(index),
        None if (system::SHARD..=system::TRANSACTION_ID).contains(&id) => Source::System(id as usize - 1),
        None => Source::Null,
    };
    schema.as_struct().fields().iter().map(|field| source(field.id)).collect()
}

/// A batch of rows under construction.
pub(crate) struct Columns {
    schema: SchemaRef,
    field_ids: Vec<i32>,
    columns: Vec<Column>,
    rows: usize,
    pub(super) bytes: usize,
    /// Fields that held a NaN.
    pub(crate) with_nan: BTreeSet<i32>,
}

impl Columns {
    pub(crate) fn new(schema: SchemaRef) -> Result<Columns, ArrowError> {
        let field_id = |field: &FieldRef| {
            field.metadata().get(PARQUET_FIELD_ID_META_KEY).and_then(|id| id.parse().ok()).unwrap_or_default()
        };
        let field_ids = schema.fields().iter().map(field_id).collect();
        let columns = schema.fields().iter().map(|f| Column::new(f.data_type())).collect::<Result<_, _>>()?;
        Ok(Columns { schema, field_ids, columns, rows: 0, bytes: 0, with_nan: BTreeSet::new() })
    }

    /// Appends a row, each value from where `sources` says.
    pub(crate) fn push(&mut self, sources: &[Source], row: &[Value], system: &SystemValues) -> Result<(), ArrowError> {
        for ((source, column), id) in sources.iter().zip(&mut self.columns).zip(&self.field_ids) {
            let value = match source {
                Source::Row(index) => row.get(*index).unwrap_or(&Value::Null),
                Source::System(index) => &system[*index],
                Source::Null => &Value::Null,
            };
            if is_nan(value) {
                self.with_nan.insert(*id);
            }
            self.bytes += column.push(value)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// True if the batch should go into the file.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= COLUMN_BATCH_ROWS || self.bytes >= COLUMN_BATCH_BYTES
    }

    /// The rows, `None` if there are none.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        RecordBatch::try_new(self.schema.clone(), arrays).map(Some)
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float4(number) if number.is_nan())
        || matches!(value, Value::Float8(number) if number.is_nan())
}

enum Column {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, i8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Text(StringBuilder),
    Binary(LargeBinaryBuilder),
    List { element: FieldRef, values: Box<Column>, lengths: Vec<usize>, nulls: NullBufferBuilder },
}

impl Column {
    /// Without room for rows: a flush has columns in the thousands, and most of its tables have few rows.
    fn new(data_type: &DataType) -> Result<Column, ArrowError> {
        Ok(match data_type {
            DataType::Boolean => Column::Bool(BooleanBuilder::with_capacity(0)),
            DataType::Int32 => Column::Int(Int32Builder::with_capacity(0)),
            DataType::Int64 => Column::Long(Int64Builder::with_capacity(0)),
            DataType::Float32 => Column::Float(Float32Builder::with_capacity(0)),
            DataType::Float64 => Column::Double(Float64Builder::with_capacity(0)),
            DataType::Decimal128(_, scale) => {
                Column::Decimal(Decimal128Builder::with_capacity(0).with_data_type(data_type.clone()), *scale)
            }
            DataType::Date32 => Column::Date(Date32Builder::with_capacity(0)),
            DataType::Time64(TimeUnit::Microsecond) => Column::Time(Time64MicrosecondBuilder::with_capacity(0)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Column::Timestamp(TimestampMicrosecondBuilder::with_capacity(0).with_data_type(data_type.clone()))
            }
            DataType::FixedSizeBinary(16) => Column::Uuid(FixedSizeBinaryBuilder::with_capacity(0, 16)),
            DataType::Utf8 => Column::Text(StringBuilder::with_capacity(0, 0)),
            DataType::LargeBinary => Column::Binary(LargeBinaryBuilder::with_capacity(0, 0)),
            DataType::List(element) => Column::List {
                element: element.clone(),
                values: Box::new(Column::new(element.data_type())?),
                lengths: Vec::new(),
                nulls: NullBufferBuilder::new(0),
            },
            other => return Err(ArrowError::NotYetImplemented(format!("a column of type {other}"))),
        })
    }

    /// Appends a value, widened where the field is wider; about how many bytes it takes.
    fn push(&mut self, value: &Value) -> Result<usize, ArrowError> {
        let width = if matches!(self, Column::Decimal(..) | Column::Uuid(_)) { 16 } else { 8 };
        match (self, value) {
            (Column::Bool(b), Value::Null) => b.append_null(),
            (Column::Int(b), Value::Null) => b.append_null(),
            (Column::Long(b), Value::Null) => b.append_null(),
            (Column::Float(b), Value::Null) => b.append_null(),
            (Column::Double(b), Value::Null) => b.append_null(),
            (Column::Decimal(b, _), Value::Null) => b.append_null(),
            (Column::Date(b), Value::Null) => b.append_null(),
            (Column::Time(b), Value::Null) => b.append_null(),
            (Column::Timestamp(b), Value::Null) => b.append_null(),
            (Column::Uuid(b), Value::Null) => b.append_null(),
            (Column::Text(b), Value::Null) => b.append_null(),
            (Column::Binary(b), Value::Null) => b.append_null(),
            (Column::List { lengths, nulls, .. }, Value::Null) => {
                lengths.push(0);
                nulls.append_null();
            }
            (Column::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Column::Int(b), Value::Int2(v)) => b.append_value(i32::from(*v)),
            (Column::Int(b), Value::Int4(v)) => b.append_value(*v),
            (Column::Long(b), Value::Int2(v)) => b.append_value(i64::from(*v)),
            (Column::Long(b), Value::Int4(v)) => b.append_value(i64::from(*v)),
            (Column::Long(b), Value::Int8(v)) => b.append_value(*v),
            (Column::Float(b), Value::Float4(v)) => b.append_value(*v),
            (Column::Double(b), Value::Float4(v)) => b.append_value(f64::from(*v)),
            (Column::Double(b), Value::Float8(v)) => b.append_value(*v),
            (Column::Decimal(b, scale), Value::Numeric(v)) if i16::from(*scale) == i16::from(v.scale()) => {
                b.append_value(v.unscaled());
            }
            (Column::Date(b), Value::Date(v)) => b.append_value(*v),
            (Column::Time(b), Value::Time(v)) => b.append_value(*v),
            (Column::Timestamp(b), Value::Timestamp(v) | Value::TimestampTz(v)) => b.append_value(*v),
            (Column::Uuid(b), Value::Uuid(v)) => b.append_value(v)?,
            (Column::Text(b), Value::Text(v)) => {
                b.append_value(v);
                return Ok(v.len() + 4);
            }
            (Column::Binary(b), Value::Bytea(v)) => {
                b.append_value(v);
                return Ok(v.len() + 8);
            }
            (Column::List { values, lengths, nulls, .. }, Value::Array(elements)) => {
                let mut bytes = 4;
                for element in elements {
                    bytes += values.push(element)?;
                }
                lengths.push(elements.len());
                nulls.append_non_null();
                return Ok(bytes);
            }
            (_, value) => return Err(ArrowError::InvalidArgumentError(format!("{value:?} does not fit its column"))),
        }
        Ok(width)
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Column::Bool(b) => Arc::new(b.finish()),
            Column::Int(b) => Arc::new(b.finish()),
            Column::Long(b) => Arc::new(b.finish()),
            Column::Float(b) => Arc::new(b.finish()),
            Column::Double(b) => Arc::new(b.finish()),
            Column::Decimal(b, _) => Arc::new(b.finish()),
            Column::Date(b) => Arc::new(b.finish()),
            Column::Time(b) => Arc::new(b.finish()),
            Column::Timestamp(b) => Arc::new(b.finish()),
            Column::Uuid(b) => Arc::new(b.finish()),
            Column::Text(b) => Arc::new(b.finish()),
            Column::Binary(b) => Arc::new(b.finish()),
            Column::List { element, values, lengths, nulls } => {
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                Arc::new(ListArray::try_new(element.clone(), offsets, values.finish()?, nulls.finish())?)
            }
        })
    }
}
