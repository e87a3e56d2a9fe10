//! From what SQLite returns to the JSON of an answer.

use lake_api::answer::RowWriter;
use lake_cdc::Value;
use rusqlite::types::ValueRef;

use super::input::{print, to_value};
use super::limits::LONG_TEXT_BYTES;
use super::pg_type::PgType;

/// How long a value is in an answer at least. In a text of control characters each is six bytes.
pub(super) fn bytes_at_least(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(text) if text.len() > LONG_TEXT_BYTES => {
            text.len() + 5 * text.iter().filter(|byte| matches!(byte, 0..=8 | 11 | 12 | 14..=31)).count()
        }
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    }
}

/// Writes one value.
pub(super) fn write(writer: &mut RowWriter, value: ValueRef<'_>, ty: &PgType) {
    match (value, ty) {
        (ValueRef::Null, _) => writer.null(),
        (ValueRef::Integer(value), PgType::Bool) => writer.bool(value != 0),
        (ValueRef::Integer(value), PgType::Int2 | PgType::Int4) => writer.int4(value as i32),
        (ValueRef::Integer(value), PgType::Int8) => writer.int8(value),
        (ValueRef::Integer(value), PgType::Float8 | PgType::Float4) => writer.float8(value as f64),
        (ValueRef::Real(value), PgType::Float4) => writer.float4(value as f32),
        (ValueRef::Real(value), _) => writer.float8(value),
        (ValueRef::Text(_), PgType::Float4 | PgType::Float8) => writer.float8(f64::NAN),
        (ValueRef::Text(text), PgType::Json | PgType::Jsonb) => match std::str::from_utf8(text) {
            Ok(json) => writer.json(json),
            Err(_) => writer.null(),
        },
        (ValueRef::Integer(_), PgType::Timestamp | PgType::TimestampTz) => writer.text(&iso(value, ty)),
        (ValueRef::Text(text), PgType::Text | PgType::Varchar | PgType::Numeric) => match std::str::from_utf8(text) {
            Ok(text) => writer.text(text),
            Err(_) => writer.text(&String::from_utf8_lossy(text)),
        },
        _ => writer.text(&print(value, ty)),
    }
}

/// ISO 8601 with six digits of microseconds.
fn iso(value: ValueRef<'_>, ty: &PgType) -> String {
    let micros = match to_value(value, ty) {
        Value::Timestamp(micros) | Value::TimestampTz(micros) => micros,
        other => return lake_cdc::text::print(&other),
    };
    let whole = lake_cdc::text::print(&Value::Timestamp(micros - micros.rem_euclid(1_000_000)));
    let zone = if *ty == PgType::TimestampTz { "Z" } else { "" };
    format!("{}.{:06}{zone}", whole.replacen(' ', "T", 1), micros.rem_euclid(1_000_000))
}
