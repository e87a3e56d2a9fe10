//! Values as Postgres reads and prints them.

use thiserror::Error;

use crate::column_type::ColumnType;
use crate::value::Value;

/// Why a text is no value of a type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct TextError {
    /// 22P02, 22007, 22008, 22003, 22001, 22021.
    pub sqlstate: &'static str,
    /// Postgres' sentence.
    pub message: String,
}

/// Reads a value of `column_type`, as Postgres' input functions do.
pub fn parse(column_type: &ColumnType, text: &str) -> Result<Value, TextError> {
    scalar::parse(column_type, text)
}

/// Prints a value that is not null, as Postgres' output functions do with ISO dates and UTC.
pub fn print(value: &Value) -> String {
    scalar::print(value)
}

mod scalar;
