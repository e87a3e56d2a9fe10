//! Batches as the JSON of an answer.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Schema, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use datafusion::error::Result;
use lake_api::answer::{AnswerColumn, RowWriter};
use lake_cdc::{Numeric, Value, text};

use crate::error::{refuse, unsupported};
use crate::pg::numeric;
use crate::scan::columns::PG_TYPE;

/// What Postgres calls the type of a column.
pub(crate) fn pg_type(field: &Field) -> Result<String> {
    if let Some(name) = field.metadata().get(PG_TYPE) {
        return Ok(name.clone());
    }
    Ok(match field.data_type() {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 => "int2",
        DataType::Int32 => "int4",
        DataType::Int64 | DataType::UInt64 => "int8",
        DataType::Float32 => "float4",
        DataType::Float64 => "float8",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric",
        DataType::Date32 => "date",
        DataType::Time64(TimeUnit::Microsecond) => "time",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamptz",
        DataType::Interval(_) => "interval",
        DataType::FixedSizeBinary(16) => "uuid",
        DataType::Binary => "bytea",
        DataType::List(element) => return Ok(format!("_{}", pg_type(element)?)),
        other => return Err(unsupported(format!("a column of type {other}"))),
    }
    .to_owned())
}

/// The columns of an answer.
pub(crate) fn columns(schema: &Schema, names: &[String]) -> Result<Vec<AnswerColumn>> {
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let name = names.get(at).cloned().unwrap_or_else(|| field.name().clone());
            Ok(AnswerColumn { name, type_name: pg_type(field)? })
        })
        .collect()
}

/// Appends the rows of `batch`.
pub(crate) fn write_rows(batch: &RecordBatch, columns: &[AnswerColumn], rows: &mut RowWriter) -> Result<()> {
    for at in 0..batch.num_rows() {
        rows.begin_row();
        for (array, column) in batch.columns().iter().zip(columns) {
            write_value(array, at, &column.type_name, rows)?;
        }
        rows.end_row().map_err(|error| refuse("54000", error.to_string()))?;
    }
    Ok(())
}

fn write_value(array: &ArrayRef, at: usize, type_name: &str, rows: &mut RowWriter) -> Result<()> {
    if array.is_null(at) || array.data_type() == &DataType::Null {
        rows.null();
        return Ok(());
    }
    match array.data_type() {
        DataType::Boolean => rows.bool(array.as_boolean().value(at)),
        DataType::Int16 => rows.int4(i32::from(array.as_primitive::<Int16Type>().value(at))),
        DataType::Int32 => rows.int4(array.as_primitive::<Int32Type>().value(at)),
        DataType::Int64 => rows.int8(array.as_primitive::<Int64Type>().value(at)),
        DataType::UInt64 => match i64::try_from(array.as_primitive::<UInt64Type>().value(at)) {
            Ok(value) => rows.int8(value),
            Err(_) => return Err(refuse("22003", "bigint out of range")),
        },
        DataType::Float32 => rows.float4(array.as_primitive::<Float32Type>().value(at)),
        DataType::Float64 => rows.float8(array.as_primitive::<Float64Type>().value(at)),
        DataType::Utf8 if type_name == "json" || type_name == "jsonb" => rows.json(array.as_string::<i32>().value(at)),
        DataType::Utf8 => rows.text(array.as_string::<i32>().value(at)),
        _ => rows.text(&text_of(array, at)?),
    }
    Ok(())
}

/// A value that is not null, as Postgres prints it in an answer: timestamps in ISO 8601.
fn text_of(array: &ArrayRef, at: usize) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(at);
            iso(micros, zone.is_some())
        }
        DataType::List(_) => print_list(array, at)?,
        _ => print(array, at)?,
    })
}

fn iso(micros: i64, zoned: bool) -> String {
    let zone = if zoned { "Z" } else { "" };
    format!("{}{zone}", text::calendar::iso(micros))
}

/// A value that is not null, as Postgres casts it to text.
pub(crate) fn print(array: &ArrayRef, at: usize) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(at).to_owned(),
        DataType::Utf8View => array.as_string_view().value(at).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(at).to_owned(),
        DataType::Interval(_) => crate::pg::interval::print(array.as_primitive::<IntervalMonthDayNanoType>().value(at)),
        DataType::Decimal256(_, scale) if *scale == numeric::DYNAMIC_SCALE => {
            numeric::Number::unpack(array.as_primitive::<Decimal256Type>().value(at)).to_string()
        }
        DataType::Decimal256(_, scale) => {
            numeric::print_scaled(array.as_primitive::<Decimal256Type>().value(at), u32::try_from(*scale).unwrap_or(0))
        }
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(at).to_string(),
        DataType::List(_) => print_list(array, at)?,
        _ => text::print(&value(array, at)?),
    })
}

fn print_list(array: &ArrayRef, at: usize) -> Result<String> {
    let items = array.as_list::<i32>().value(at);
    let items = (0..items.len())
        .map(|at| if items.is_null(at) { Ok(Value::Null) } else { value(&items, at) })
        .collect::<Result<Vec<_>>>()?;
    Ok(text::print(&Value::Array(items)))
}

/// A value that is not null.
pub(crate) fn value(array: &ArrayRef, at: usize) -> Result<Value> {
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(at)),
        DataType::Int16 => Value::Int2(array.as_primitive::<Int16Type>().value(at)),
        DataType::Int32 => Value::Int4(array.as_primitive::<Int32Type>().value(at)),
        DataType::Int64 => Value::Int8(array.as_primitive::<Int64Type>().value(at)),
        DataType::Float32 => Value::Float4(array.as_primitive::<Float32Type>().value(at)),
        DataType::Float64 => Value::Float8(array.as_primitive::<Float64Type>().value(at)),
        DataType::Decimal128(_, scale) => Value::Numeric(Numeric::new(
            array.as_primitive::<Decimal128Type>().value(at),
            u8::try_from(*scale).unwrap_or_default(),
        )),
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(at)),
        DataType::Time64(TimeUnit::Microsecond) => Value::Time(array.as_primitive::<Time64MicrosecondType>().value(at)),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Value::TimestampTz(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::FixedSizeBinary(16) => {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(array.as_fixed_size_binary().value(at));
            Value::Uuid(bytes)
        }
        DataType::Binary => Value::Bytea(array.as_binary::<i32>().value(at).to_vec()),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(at).to_owned()),
        other => return Err(unsupported(format!("a value of type {other}"))),
    })
}
