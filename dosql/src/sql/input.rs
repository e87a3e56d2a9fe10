//! From texts, JSON parameters and typed values to what SQLite holds, and back.

use lake_cdc::limits::ARRAY_ELEMENTS_MAX;
use lake_cdc::text::TextError;
use lake_cdc::{ColumnType, Reader, Value, Writer};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};
use serde_json::Value as Json;

use super::decimal::Decimal;
use super::interval::Interval;
use super::pg_type::PgType;

pub(crate) fn from_text_error(error: TextError) -> SqlError {
    SqlError::new(error.sqlstate, error.message)
}

/// NaN is a text, every other float a REAL.
pub(crate) fn float(value: f64) -> SqliteValue {
    if value.is_nan() { SqliteValue::Text("NaN".to_owned()) } else { SqliteValue::Real(value) }
}

/// How SQLite holds a value.
pub(crate) fn to_sqlite(value: Value) -> SqliteValue {
    match value {
        Value::Null => SqliteValue::Null,
        Value::Bool(value) => SqliteValue::Integer(i64::from(value)),
        Value::Int2(value) => SqliteValue::Integer(i64::from(value)),
        Value::Int4(value) | Value::Date(value) => SqliteValue::Integer(i64::from(value)),
        Value::Int8(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => {
            SqliteValue::Integer(value)
        }
        Value::Float4(value) => float(f64::from(value)),
        Value::Float8(value) => float(value),
        Value::Numeric(value) => SqliteValue::Text(value.to_string()),
        Value::Uuid(value) => SqliteValue::Blob(value.to_vec()),
        Value::Text(value) => SqliteValue::Text(value),
        Value::Bytea(value) => SqliteValue::Blob(value),
        array @ Value::Array(_) => {
            let mut writer = Writer::new();
            array.encode(&mut writer);
            SqliteValue::Blob(writer.into_bytes())
        }
    }
}

/// The value of an expression, from how SQLite holds it. Numerics and intervals are given as their text.
pub(crate) fn to_value(stored: ValueRef<'_>, ty: &PgType) -> Value {
    match (stored, ty) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(value), PgType::Bool) => Value::Bool(value != 0),
        (ValueRef::Integer(value), PgType::Int2) => Value::Int2(value as i16),
        (ValueRef::Integer(value), PgType::Int4) => Value::Int4(value as i32),
        (ValueRef::Integer(value), PgType::Date) => Value::Date(value as i32),
        (ValueRef::Integer(value), PgType::Time) => Value::Time(value),
        (ValueRef::Integer(value), PgType::Timestamp) => Value::Timestamp(value),
        (ValueRef::Integer(value), PgType::TimestampTz) => Value::TimestampTz(value),
        (ValueRef::Integer(value), PgType::Float4 | PgType::Float8) => Value::Float8(value as f64),
        (ValueRef::Integer(value), _) => Value::Int8(value),
        (ValueRef::Real(value), PgType::Float4) => Value::Float4(value as f32),
        (ValueRef::Real(value), _) => Value::Float8(value),
        (ValueRef::Text(_), PgType::Float4) => Value::Float4(f32::NAN),
        (ValueRef::Text(_), PgType::Float8) => Value::Float8(f64::NAN),
        (ValueRef::Text(text), PgType::Interval) => {
            let text = String::from_utf8_lossy(text);
            Value::Text(Interval::decode(&text).map_or_else(|| text.to_string(), Interval::print))
        }
        (ValueRef::Text(text), _) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        (ValueRef::Blob(bytes), PgType::Uuid) => {
            bytes.try_into().map_or_else(|_| Value::Bytea(bytes.to_vec()), Value::Uuid)
        }
        (ValueRef::Blob(bytes), PgType::Array(_)) => Value::decode(&mut Reader::new(bytes)).unwrap_or(Value::Null),
        (ValueRef::Blob(bytes), _) => Value::Bytea(bytes.to_vec()),
    }
}

/// How long a value is at least when it is printed. Most bytes of a long one are in texts, of which none is left out, and
/// in those of a `bytea`, each of which is two digits.
pub(crate) fn printed_bytes_at_least(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytea(bytes) => 2 + bytes.len() * 2,
        Value::Array(elements) => elements.iter().map(printed_bytes_at_least).sum(),
        _ => 0,
    }
}

/// As Postgres prints it.
pub(crate) fn print(stored: ValueRef<'_>, ty: &PgType) -> String {
    lake_cdc::text::print(&to_value(stored, ty))
}

/// Reads the text of a value of a type in an expression.
pub(crate) fn parse(ty: &PgType, text: &str) -> Result<SqliteValue, SqlError> {
    match ty {
        PgType::Numeric => Ok(SqliteValue::Text(Decimal::parse(text)?.to_string())),
        PgType::Interval => Ok(SqliteValue::Text(Interval::parse(text)?.encode())),
        other => {
            let column_type =
                other.column_type().ok_or_else(|| SqlError::unsupported(format!("type {}", other.display())))?;
            lake_cdc::text::parse(&column_type, text).map(to_sqlite).map_err(from_text_error)
        }
    }
}

/// Refuses an array that is too long.
pub(crate) fn expect_elements(count: usize) -> Result<(), SqlError> {
    if count > ARRAY_ELEMENTS_MAX {
        let message = format!("an array has at most {ARRAY_ELEMENTS_MAX} elements");
        return Err(SqlError::new(sqlstate::PROGRAM_LIMIT, message));
    }
    Ok(())
}

fn mismatch(json: &Json, type_name: &str) -> SqlError {
    let kind = match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    SqlError::new(sqlstate::DATATYPE_MISMATCH, format!("a parameter of type {type_name} cannot be {kind} in JSON"))
}

/// Reads a parameter for an expression.
pub(crate) fn parameter(ty: &PgType, json: &Json) -> Result<SqliteValue, SqlError> {
    match (ty, json) {
        (_, Json::Null) => Ok(SqliteValue::Null),
        (PgType::Json | PgType::Jsonb, Json::String(text)) => parse(ty, text),
        (PgType::Json | PgType::Jsonb, other) => parse(ty, &other.to_string()),
        (PgType::Bool, Json::Bool(value)) => Ok(SqliteValue::Integer(i64::from(*value))),
        (PgType::Int8, Json::Number(number)) if number.is_i64() => {
            Ok(SqliteValue::Integer(number.as_i64().unwrap_or(0)))
        }
        (PgType::Float8, Json::Number(number)) => Ok(float(number.as_f64().unwrap_or(f64::NAN))),
        (_, Json::String(text)) => parse(ty, text),
        (_, Json::Number(number)) if ty.is_number() || ty.is_text() || *ty == PgType::Unknown => {
            parse(ty, &number_text(number, ty))
        }
        (PgType::Text | PgType::Varchar | PgType::Unknown, Json::Bool(value)) => {
            Ok(SqliteValue::Text(value.to_string()))
        }
        (PgType::Text | PgType::Varchar | PgType::Unknown, Json::Object(_) | Json::Array(_)) => {
            Ok(SqliteValue::Text(json.to_string()))
        }
        (PgType::Array(element), Json::Array(items)) => {
            let element = element.column_type().ok_or_else(|| mismatch(json, &ty.display()))?;
            expect_elements(items.len())?;
            items
                .iter()
                .map(|item| column_value(&element, item))
                .collect::<Result<Vec<_>, _>>()
                .map(|v| to_sqlite(Value::Array(v)))
        }
        _ => Err(mismatch(json, &ty.display())),
    }
}

/// A whole number written `1.0` or `1e3` in JSON is still an integer.
fn number_text(number: &serde_json::Number, ty: &PgType) -> String {
    match number.as_f64() {
        Some(value) if ty.is_integer() && number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 => {
            format!("{value:.0}")
        }
        _ => number.to_string(),
    }
}

/// Reads a parameter for a column: with its length, precision and scale, as an assignment does.
pub(crate) fn column_value(column_type: &ColumnType, json: &Json) -> Result<Value, SqlError> {
    use ColumnType as T;
    let parse = |text: &str| lake_cdc::text::parse(column_type, text).map_err(from_text_error);
    match (column_type, json) {
        (_, Json::Null) => Ok(Value::Null),
        (T::Json | T::Jsonb, Json::String(text)) => parse(text),
        (T::Json | T::Jsonb, other) => parse(&other.to_string()),
        (T::Bool, Json::Bool(value)) => Ok(Value::Bool(*value)),
        (T::Int8, Json::Number(number)) if number.is_i64() => Ok(Value::Int8(number.as_i64().unwrap_or(0))),
        (T::Int4, Json::Number(number)) if number.as_i64().is_some_and(|v| i32::try_from(v).is_ok()) => {
            Ok(Value::Int4(number.as_i64().unwrap_or(0) as i32))
        }
        (T::Int2, Json::Number(number)) if number.as_i64().is_some_and(|v| i16::try_from(v).is_ok()) => {
            Ok(Value::Int2(number.as_i64().unwrap_or(0) as i16))
        }
        (T::Float8, Json::Number(number)) => Ok(Value::Float8(number.as_f64().unwrap_or(f64::NAN))),
        (T::Float4, Json::Number(number)) => parse(&number.to_string()),
        (_, Json::String(text)) => parse(text),
        (T::Int2 | T::Int4 | T::Int8, Json::Number(number)) => parse(&number_text(number, &PgType::Int8)),
        (T::Numeric { .. } | T::Text | T::Varchar(_), Json::Number(number)) => parse(&number.to_string()),
        (T::Text | T::Varchar(_), Json::Bool(value)) => parse(&value.to_string()),
        (T::Text | T::Varchar(_), Json::Object(_) | Json::Array(_)) => parse(&json.to_string()),
        (T::Array(element), Json::Array(items)) => {
            expect_elements(items.len())?;
            items.iter().map(|item| column_value(element, item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        _ => Err(mismatch(json, &PgType::of_column(column_type).display())),
    }
}
