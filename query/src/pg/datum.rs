//! One value between Arrow and a function that works row by row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, IntervalMonthDayNanoArray, NullArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    UInt64Type, i256,
};
use datafusion::error::Result;
use lake_cdc::{ColumnType, Value};

use super::numeric::{DYNAMIC_SCALE, Number};
use crate::error::{refuse, unsupported};
use crate::scan::columns::array_of;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    /// NULL.
    Null,
    /// Anything but a numeric or an interval.
    Value(Value),
    /// A numeric.
    Number(Number),
    /// An interval.
    Interval(IntervalMonthDayNano),
}

impl Datum {
    /// The value at a row.
    pub(crate) fn read(array: &ArrayRef, at: usize) -> Result<Datum> {
        if array.is_null(at) || array.data_type() == &DataType::Null {
            return Ok(Datum::Null);
        }
        Ok(match array.data_type() {
            DataType::Decimal128(_, scale) => {
                let scale = u32::try_from(*scale).map_err(|_| unsupported("a numeric of negative scale"))?;
                let unscaled = i256::from_i128(array.as_primitive::<Decimal128Type>().value(at));
                Datum::Number(Number::scaled(unscaled, scale).ok_or_else(out_of_range)?)
            }
            DataType::Decimal256(_, DYNAMIC_SCALE) => {
                Datum::Number(Number::unpack(array.as_primitive::<Decimal256Type>().value(at)))
            }
            DataType::Decimal256(_, scale) => {
                let scale = u32::try_from(*scale).map_err(|_| unsupported("a numeric of negative scale"))?;
                let unscaled = array.as_primitive::<Decimal256Type>().value(at);
                Datum::Number(Number::scaled(unscaled, scale).ok_or_else(out_of_range)?)
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Datum::Interval(array.as_primitive::<IntervalMonthDayNanoType>().value(at))
            }
            DataType::UInt64 => Datum::Value(Value::Int8(
                i64::try_from(array.as_primitive::<UInt64Type>().value(at)).map_err(|_| out_of_range())?,
            )),
            DataType::Utf8View => Datum::Value(Value::Text(array.as_string_view().value(at).to_owned())),
            DataType::List(_) => {
                let items = array.as_list::<i32>().value(at);
                let items = (0..items.len())
                    .map(|at| Datum::read(&items, at).map(Datum::into_value))
                    .collect::<Result<Vec<_>>>()?;
                Datum::Value(Value::Array(items))
            }
            _ => Datum::Value(crate::answer::value(array, at)?),
        })
    }

    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Datum {
        Datum::Value(Value::Text(text.into()))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// As a column's value. A numeric has its own scale; an interval has none and is NULL.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Datum::Value(value) => value,
            Datum::Number(number) => number.to_value(),
            Datum::Null | Datum::Interval(_) => Value::Null,
        }
    }

    /// As Postgres casts it to text.
    pub(crate) fn print(&self) -> String {
        match self {
            Datum::Null => String::new(),
            // A cast writes it out; the output function says t and f.
            Datum::Value(Value::Bool(value)) => value.to_string(),
            Datum::Value(value) => lake_cdc::text::print(value),
            Datum::Number(number) => number.to_string(),
            Datum::Interval(interval) => super::interval::print(*interval),
        }
    }

    /// The text of a text.
    pub(crate) fn as_text(&self) -> &str {
        match self {
            Datum::Value(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// Any integer type.
    pub(crate) fn as_i64(&self) -> i64 {
        match self {
            Datum::Value(Value::Int2(value)) => i64::from(*value),
            Datum::Value(Value::Int4(value)) => i64::from(*value),
            Datum::Value(Value::Int8(value)) => *value,
            _ => 0,
        }
    }

    /// Any number.
    pub(crate) fn as_f64(&self) -> f64 {
        match self {
            Datum::Value(Value::Float8(value)) => *value,
            Datum::Value(Value::Float4(value)) => f64::from(*value),
            Datum::Number(number) => number.to_f64(),
            other => other.as_i64() as f64,
        }
    }

    /// An integer or numeric as a numeric.
    pub(crate) fn as_number(&self) -> Number {
        match self {
            Datum::Number(number) => *number,
            other => Number::integer(other.as_i64()),
        }
    }

    /// Microseconds of a timestamp, or of midnight of a date.
    pub(crate) fn as_micros(&self) -> i64 {
        match self {
            Datum::Value(Value::Timestamp(micros) | Value::TimestampTz(micros) | Value::Time(micros)) => *micros,
            Datum::Value(Value::Date(days)) => i64::from(*days) * lake_cdc::text::calendar::DAY_MICROS,
            _ => 0,
        }
    }
}

fn out_of_range() -> datafusion::error::DataFusionError {
    refuse("22003", "numeric value out of range")
}

/// The array of `values` as `data_type`.
pub(crate) fn build(values: Vec<Datum>, data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Null => Arc::new(NullArray::new(values.len())),
        DataType::Decimal128(precision, scale) => {
            let scale_digits = u32::try_from(*scale).map_err(|_| unsupported("a numeric of negative scale"))?;
            let values = values
                .iter()
                .map(|value| match value {
                    Datum::Null => Ok(None),
                    other => {
                        let unscaled = other.as_number().unscaled(scale_digits).and_then(i256::to_i128);
                        let fits = |unscaled: &i128| {
                            unscaled.unsigned_abs() < 10u128.checked_pow(u32::from(*precision)).unwrap_or(u128::MAX)
                        };
                        unscaled.filter(fits).map(Some).ok_or_else(|| refuse("22003", "numeric field overflow"))
                    }
                })
                .collect::<Result<Decimal128Array>>()?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal256(precision, scale) => {
            let values = values
                .iter()
                .map(|value| match value {
                    Datum::Null => Ok(None),
                    other if *scale == DYNAMIC_SCALE => other.as_number().pack().map(Some).ok_or_else(out_of_range),
                    other => {
                        let digits = u32::try_from(*scale).map_err(|_| out_of_range())?;
                        other.as_number().unscaled(digits).map(Some).ok_or_else(out_of_range)
                    }
                })
                .collect::<Result<Decimal256Array>>()?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => Arc::new(
            values
                .iter()
                .map(|value| match value {
                    Datum::Interval(interval) => Some(*interval),
                    _ => None,
                })
                .collect::<IntervalMonthDayNanoArray>(),
        ),
        other => {
            let column_type = column_type(other)?;
            let values: Vec<Value> = values.into_iter().map(Datum::into_value).collect();
            let array = array_of(&column_type, &values.iter().collect::<Vec<_>>())?;
            if array.data_type() == other { array } else { arrow::compute::cast(&array, other)? }
        }
    })
}

/// The column type whose values an Arrow array of this type holds.
pub(crate) fn column_type(data_type: &DataType) -> Result<ColumnType> {
    Ok(match data_type {
        DataType::Boolean => ColumnType::Bool,
        DataType::Int16 => ColumnType::Int2,
        DataType::Int32 => ColumnType::Int4,
        DataType::Int64 => ColumnType::Int8,
        DataType::Float32 => ColumnType::Float4,
        DataType::Float64 => ColumnType::Float8,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Numeric { precision: *precision, scale: u8::try_from(*scale).unwrap_or_default() }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Time64(TimeUnit::Microsecond) => ColumnType::Time,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::TimestampTz,
        DataType::FixedSizeBinary(16) => ColumnType::Uuid,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => ColumnType::Text,
        DataType::Binary => ColumnType::Bytea,
        DataType::List(element) => ColumnType::Array(Box::new(column_type(element.data_type())?)),
        DataType::Decimal256(_, scale) if *scale == DYNAMIC_SCALE => ColumnType::NUMERIC,
        other => return Err(unsupported(format!("a value of type {other}"))),
    })
}
