//! Values as Postgres reads and prints them: the text input and output of every column type.
//!
//! The shard reads literals and parameters with it, answers and exports print with it, so both sides of a
//! round trip share one definition. Dates are ISO, the time zone is UTC, and what a table of the lake cannot
//! hold (infinity, years outside 1 to 9999, more than 38 digits) is refused here, before it is stored anywhere.

use thiserror::Error;

use crate::column_type::ColumnType;
use crate::limits::SHOWN_BYTES_MAX;
use crate::value::Value;

mod array;
mod bytes;
pub mod calendar;
pub mod date_part;
mod date_time;
pub mod json;
mod number;
mod scalar;

/// Why a text is no value of a type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct TextError {
    /// 22P02, 22007, 22008, 22003, 22001, 22021, 22P05, 22023, 54000, 54001, 0A000.
    pub sqlstate: &'static str,
    /// Postgres' sentence.
    pub message: String,
}

impl TextError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> TextError {
        TextError { sqlstate, message: message.into() }
    }

    /// 22P02: not in the syntax of the type.
    pub(crate) fn syntax(type_name: &str, text: &str) -> TextError {
        TextError::new("22P02", format!("invalid input syntax for type {type_name}: \"{}\"", shown(text)))
    }
}

/// As much of a text as an error message shows.
pub fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)]
}

/// Reads a value of `column_type`, as Postgres' input functions do.
pub fn parse(column_type: &ColumnType, text: &str) -> Result<Value, TextError> {
    match column_type {
        ColumnType::Array(element) => array::parse(element, text),
        scalar => scalar::parse(scalar, text),
    }
}

/// Prints a value, as Postgres' output functions do with ISO dates and UTC. NULL prints as nothing.
pub fn print(value: &Value) -> String {
    match value {
        Value::Array(elements) => array::print(elements),
        scalar => scalar::print(scalar),
    }
}

/// Prints a `double precision` with the fewest digits that read back as the same number.
pub fn print_float8(value: f64) -> String {
    number::print_float8(value)
}

/// Prints a `real` with the fewest digits that read back as the same number.
pub fn print_float4(value: f32) -> String {
    number::print_float4(value)
}

/// Prints bytes as `\x…`.
pub fn print_bytea(value: &[u8]) -> String {
    bytes::print(value)
}

#[cfg(test)]
mod tests;
