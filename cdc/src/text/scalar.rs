//! Input and output of each type that is not an array.

use super::{TextError, bytes, date_time, json, number};
use crate::column_type::ColumnType;
use crate::numeric::{Numeric, NumericError};
use crate::value::Value;

pub(super) fn parse(column_type: &ColumnType, text: &str) -> Result<Value, TextError> {
    Ok(match column_type {
        ColumnType::Bool => Value::Bool(parse_bool(text)?),
        ColumnType::Int2 => Value::Int2(number::parse_integer(text, "smallint")?),
        ColumnType::Int4 => Value::Int4(number::parse_integer(text, "integer")?),
        ColumnType::Int8 => Value::Int8(number::parse_integer(text, "bigint")?),
        ColumnType::Float4 => Value::Float4(number::parse_float4(text)?),
        ColumnType::Float8 => Value::Float8(number::parse_float8(text)?),
        ColumnType::Numeric { precision, scale } => {
            Value::Numeric(Numeric::parse(text, *precision, *scale).map_err(|error| match error {
                NumericError::Syntax => TextError::syntax("numeric", text),
                NumericError::Overflow => TextError::new("22003", "numeric field overflow"),
            })?)
        }
        ColumnType::Date => Value::Date(date_time::parse_date(text)?),
        ColumnType::Time => Value::Time(date_time::parse_time(text)?),
        ColumnType::Timestamp => Value::Timestamp(date_time::parse_timestamp(text)?),
        ColumnType::TimestampTz => Value::TimestampTz(date_time::parse_timestamptz(text)?),
        ColumnType::Uuid => Value::Uuid(bytes::parse_uuid(text)?),
        ColumnType::Text => Value::Text(without_nul(text)?.to_owned()),
        ColumnType::Varchar(limit) => Value::Text(parse_varchar(without_nul(text)?, *limit)?),
        ColumnType::Bytea => Value::Bytea(bytes::parse(text)?),
        ColumnType::Json => {
            json::check(without_nul(text)?)?;
            Value::Text(text.to_owned())
        }
        ColumnType::Jsonb => Value::Text(json::canonical(without_nul(text)?)?),
        ColumnType::Array(_) => return Err(TextError::new("0A000", "arrays have one dimension")),
    })
}

pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Null | Value::Array(_) => String::new(),
        Value::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Value::Int2(value) => value.to_string(),
        Value::Int4(value) => value.to_string(),
        Value::Int8(value) => value.to_string(),
        Value::Float4(value) => number::print_float4(*value),
        Value::Float8(value) => number::print_float8(*value),
        Value::Numeric(value) => value.to_string(),
        Value::Date(days) => date_time::print_date(*days),
        Value::Time(micros) => date_time::print_time(*micros),
        Value::Timestamp(micros) => date_time::print_timestamp(*micros),
        Value::TimestampTz(micros) => format!("{}+00", date_time::print_timestamp(*micros)),
        Value::Uuid(value) => bytes::print_uuid(value),
        Value::Text(value) => value.clone(),
        Value::Bytea(value) => bytes::print(value),
    }
}

fn without_nul(text: &str) -> Result<&str, TextError> {
    if text.contains('\0') {
        return Err(TextError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text)
}

/// Any unambiguous prefix of the words, in any case.
fn parse_bool(text: &str) -> Result<bool, TextError> {
    let word = text.trim_matches(number::SPACES).to_ascii_lowercase();
    let is_prefix = |of: &str, at_least: usize| word.len() >= at_least && of.starts_with(word.as_str());
    if is_prefix("true", 1) || is_prefix("yes", 1) || word == "on" || word == "1" {
        return Ok(true);
    }
    if is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(TextError::syntax("boolean", text))
}

/// Spaces beyond the limit are cut off, anything else there is an error.
fn parse_varchar(text: &str, limit: u32) -> Result<String, TextError> {
    match text.char_indices().nth(limit as usize) {
        None => Ok(text.to_owned()),
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => Ok(text[..end].to_owned()),
        Some(_) => Err(TextError::new("22001", format!("value too long for type character varying({limit})"))),
    }
}
