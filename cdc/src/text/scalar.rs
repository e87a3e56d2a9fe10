//! Input and output of each type.

use super::TextError;
use crate::column_type::ColumnType;
use crate::value::Value;

pub(super) fn parse(column_type: &ColumnType, text: &str) -> Result<Value, TextError> {
    match column_type {
        ColumnType::Text | ColumnType::Json | ColumnType::Jsonb => Ok(Value::Text(text.to_owned())),
        other => Err(TextError {
            sqlstate: "0A000",
            message: format!("type {} cannot be read from text yet", other.pg_name()),
        }),
    }
}

pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}
