//! The options of a table: `WITH (cdc = off)`.

use lake_dialect::ast::{CreateTableOptions, SqlOption};
use lake_dialect::{SqlError, fold, sqlstate};

/// Whether the table's changes go to the lake.
pub(super) fn captured(options: &CreateTableOptions) -> Result<bool, SqlError> {
    let options = match options {
        CreateTableOptions::None => return Ok(true),
        CreateTableOptions::With(options) => options,
        _ => return Err(SqlError::unsupported("this form of table options")),
    };
    let mut captured = true;
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(SqlError::new("22023", format!("unrecognized parameter \"{option}\"")));
        };
        let value = value.to_string().trim_matches('\'').to_ascii_lowercase();
        captured = match (fold(key).as_str(), value.as_str()) {
            ("cdc", "off" | "false" | "0") => false,
            ("cdc", "on" | "true" | "1") => true,
            ("cdc", _) => return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "cdc is on or off")),
            (other, _) => {
                return Err(SqlError::new(sqlstate::INVALID_PARAMETER, format!("unrecognized parameter \"{other}\"")));
            }
        };
    }
    Ok(captured)
}
