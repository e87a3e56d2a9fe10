//! What surrounds the columns of a table: its form, and options such as `WITH (cdc = off)`.

use lake_dialect::ast::helpers::stmt_create_table::CreateTableBuilder;
use lake_dialect::ast::{CreateTable, CreateTableOptions, SqlOption};
use lake_dialect::{SqlError, fold, sqlstate};

/// Refuses every form but `CREATE TABLE [IF NOT EXISTS] name (columns and constraints) [WITH (…)]`.
///
/// The parser takes what a dozen databases know, so that a list of what is refused would never be complete.
pub(super) fn check_form(create: &CreateTable) -> Result<(), SqlError> {
    let known = CreateTableBuilder::new(create.name.clone())
        .if_not_exists(create.if_not_exists)
        .columns(create.columns.clone())
        .constraints(create.constraints.clone())
        .table_options(create.table_options.clone())
        .build();
    // `(LIKE t)` is read as a column of type t.
    let is_like = |name: &lake_dialect::ast::Ident| name.quote_style.is_none() && fold(name) == "like";
    if *create != known || create.columns.iter().any(|column| is_like(&column.name)) {
        return Err(SqlError::unsupported(
            "CREATE TABLE with more than columns, constraints and WITH (TEMPORARY, AS, LIKE, INHERITS, PARTITION and others)",
        ));
    }
    Ok(())
}

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
