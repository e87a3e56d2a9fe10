//! Definitions: CREATE, ALTER and DROP.
//!
//! A definition changes SQLite's tables and the catalog's rows in the same transaction. Whoever runs it is told of
//! the new schema before rows are changed for it, so that the change log has the new columns first.

mod alter;
mod create;
mod index;
mod options;

use lake_cdc::ColumnType;
use lake_dialect::ast::{ObjectType, Statement};
use lake_dialect::{SqlError, object_name, sqlstate};
use rusqlite::Connection;

use super::binder::{Binder, check_schema};
use super::execute::Run;
use super::failure::Failure;
use crate::schema::{Catalog, Table};

/// Runs a definition and gives its command tag.
pub(super) fn define(statement: &Statement, run: &mut Run<'_>) -> Result<&'static str, SqlError> {
    match statement {
        Statement::CreateTable(create) => create::create_table(create, run).map(|()| "CREATE TABLE"),
        Statement::CreateIndex(create) => index::create_index(create, run).map(|()| "CREATE INDEX"),
        Statement::AlterTable(alter) => alter::alter_table(alter, run).map(|()| "ALTER TABLE"),
        Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            for name in names {
                let (schema, name) = object_name(name)?;
                check_schema(schema.as_deref(), &name)?;
                match object_type {
                    ObjectType::Table => drop_table(&name, *if_exists, *cascade, run)?,
                    _ => index::drop_index(&name, *if_exists, run)?,
                }
            }
            Ok(if *object_type == ObjectType::Table { "DROP TABLE" } else { "DROP INDEX" })
        }
        other => Err(SqlError::unsupported(other)),
    }
}

/// Runs SQLite statements of a definition.
fn apply(connection: &Connection, catalog: &Catalog, table: &Table, sql: &str) -> Result<(), SqlError> {
    connection.execute_batch(sql).map_err(|error| Failure::of_write(catalog, table, "ALTER").explain(error))
}

/// Stores a definition and tells of it. The caller's catalog is of the past from here on.
fn publish(table: &Table, run: &mut Run<'_>) -> Result<Catalog, SqlError> {
    check_elements(table)?;
    Catalog::store(run.connection, table)?;
    let catalog = Catalog::load(run.connection)?;
    (run.schema_changed)(catalog.clone());
    Ok(catalog)
}

/// The catalog as it is now, which an earlier part of the same statement may have changed.
fn current(run: &Run<'_>) -> Result<Catalog, SqlError> {
    Catalog::load(run.connection)
}

fn drop_table(name: &str, if_exists: bool, cascade: bool, run: &mut Run<'_>) -> Result<(), SqlError> {
    let catalog = current(run)?;
    let Some(table) = catalog.table(name).cloned() else {
        return if if_exists {
            Ok(())
        } else {
            Err(SqlError::new(sqlstate::UNDEFINED_TABLE, format!("table \"{name}\" does not exist")))
        };
    };
    let child = catalog
        .tables()
        .find(|other| other.id != table.id && other.foreign_keys.iter().any(|key| key.parent == table.id));
    if let Some(child) = child {
        if cascade {
            return Err(SqlError::unsupported("DROP TABLE … CASCADE of a table that others reference"));
        }
        return Err(SqlError::new(
            sqlstate::DEPENDENT_OBJECTS,
            format!("cannot drop table {name} because other objects depend on it"),
        )
        .with_detail(format!("A constraint on table {} depends on table {name}.", child.name)));
    }
    Catalog::forget(run.connection, &table)?;
    let changed = Catalog::load(run.connection)?;
    (run.schema_changed)(changed);
    apply(run.connection, &catalog, &table, &format!("DROP TABLE {}", table.sqlite_name()))
}

/// Refuses names that the lake keeps for itself, and those that only case tells apart.
fn check_name<'n>(kind: &str, name: &str, others: impl Iterator<Item = &'n str>) -> Result<(), SqlError> {
    let reserved =
        |why: &str| Err(SqlError::new(sqlstate::RESERVED_NAME, format!("{kind} name \"{name}\" is reserved: {why}")));
    if name.is_empty() {
        return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "zero-length delimited identifier"));
    }
    if kind == "column" && lake_cdc::is_reserved_column(&name.to_lowercase()) {
        return reserved("the lake adds a column of this name");
    }
    if let Some(why) = lake_cdc::refuse_table_name(name).filter(|_| kind == "table") {
        return reserved(why);
    }
    for other in others {
        if other != name && other.to_lowercase() == name.to_lowercase() {
            return reserved(&format!("it differs from \"{other}\" by case only, which other engines cannot tell"));
        }
    }
    Ok(())
}

/// Refuses an array `a` beside a column `"a.element"`, which is what other engines call the elements of the array.
fn check_elements(table: &Table) -> Result<(), SqlError> {
    let arrays = table.columns.iter().filter(|column| matches!(column.column_type, ColumnType::Array(_)));
    for array in arrays {
        let elements = format!("{}.element", array.name.to_lowercase());
        if let Some(column) = table.columns.iter().find(|column| column.name.to_lowercase() == elements) {
            let message = format!("column name \"{}\" is reserved beside the array \"{}\"", column.name, array.name);
            return Err(SqlError::new(sqlstate::RESERVED_NAME, message)
                .with_detail("Other engines call the elements of the array so."));
        }
    }
    Ok(())
}

/// A name that Postgres makes up: `table_column_suffix`, cut to 63 bytes, with a number if it is taken.
fn made_up_name(table: &str, columns: &[String], suffix: &str, taken: impl Fn(&str) -> bool) -> String {
    let middle = columns.join("_");
    for number in 0.. {
        let suffix = if number == 0 { suffix.to_owned() } else { format!("{suffix}{number}") };
        let (mut first, mut second) = (table.to_owned(), middle.clone());
        let overhead = suffix.len() + 1 + usize::from(!second.is_empty());
        while first.len() + second.len() + overhead > lake_dialect::limits::NAME_BYTES_MAX {
            // The longer part gives way.
            if first.len() > second.len() {
                first.pop()
            } else {
                second.pop()
            };
        }
        let name = if second.is_empty() { format!("{first}_{suffix}") } else { format!("{first}_{second}_{suffix}") };
        if !taken(&name) {
            return name;
        }
    }
    unreachable!("some number is free")
}

/// A binder for expressions of definitions.
fn definition_binder(catalog: &Catalog) -> Binder<'_> {
    let mut binder = Binder::new(catalog, 0);
    binder.inline = true;
    binder
}

/// `"name"` for SQLite.
fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
