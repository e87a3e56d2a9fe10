//! From SQLite's errors to Postgres'.

use std::fmt;

use lake_dialect::{SqlError, sqlstate};
use rusqlite::ffi;

use super::limits::MESSAGE_BYTES_MAX;
use crate::schema::{Catalog, Key, Table};

/// An error of one of our functions, on its way through SQLite, which keeps the text only.
#[derive(Debug)]
pub(super) struct Carried(pub(super) SqlError);

const MARK: char = '\u{1}';

impl fmt::Display for Carried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = &self.0;
        let (detail, hint) = (error.detail.as_deref().unwrap_or(""), error.hint.as_deref().unwrap_or(""));
        let message = &error.message[..error.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
        write!(formatter, "{MARK}{}{MARK}{message}{MARK}{detail}{MARK}{hint}", error.sqlstate)
    }
}

impl std::error::Error for Carried {}

fn uncarry(text: &str) -> Option<SqlError> {
    let mut fields = text.split_once(MARK)?.1.splitn(4, MARK);
    let mut error = SqlError::new(fields.next()?, fields.next()?);
    let optional = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    error.detail = optional(fields.next());
    error.hint = optional(fields.next());
    Some(error)
}

/// NULL in a column that has none.
pub(super) fn not_null(column: &str, table: &str) -> SqlError {
    SqlError::new(
        sqlstate::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
    )
}

/// What is known about the statement that failed.
pub(super) struct Failure<'a> {
    catalog: &'a Catalog,
    written: Option<(&'a Table, &'a str)>,
}

impl<'a> Failure<'a> {
    pub(super) fn of_query(catalog: &'a Catalog) -> Failure<'a> {
        Failure { catalog, written: None }
    }

    pub(super) fn of_write(catalog: &'a Catalog, table: &'a Table, command: &'a str) -> Failure<'a> {
        Failure { catalog, written: Some((table, command)) }
    }

    /// Postgres' error for SQLite's.
    pub(super) fn explain(&self, error: rusqlite::Error) -> SqlError {
        let (code, message) = match &error {
            rusqlite::Error::SqliteFailure(code, message) => (code.extended_code, message.clone().unwrap_or_default()),
            rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
            other => return SqlError::new(sqlstate::INTERNAL, format!("SQLite: {other}")),
        };
        if let Some(error) = uncarry(&message) {
            return error;
        }
        match code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                self.unique(&message)
            }
            ffi::SQLITE_CONSTRAINT_NOTNULL => self.not_null(&message),
            ffi::SQLITE_CONSTRAINT_CHECK => self.check(&message),
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => self.foreign_key(),
            code if code & 0xff == ffi::SQLITE_INTERRUPT => {
                SqlError::new("57014", "canceling statement due to statement timeout")
            }
            code if code & 0xff == ffi::SQLITE_FULL => SqlError::new("53100", "could not extend file: no space left"),
            code if code & 0xff == ffi::SQLITE_TOOBIG => {
                SqlError::new(sqlstate::PROGRAM_LIMIT, "a value or statement is too large")
            }
            code if code & 0xff == ffi::SQLITE_NOMEM => SqlError::new("53200", "out of memory"),
            code if code & 0xff == ffi::SQLITE_READONLY => {
                SqlError::new("25006", "cannot execute this statement in a read-only transaction")
            }
            _ if message.contains("integer overflow") => {
                SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "bigint out of range")
            }
            _ if message.contains("too many")
                || message.contains("Expression tree is too large")
                || message.contains("nested too deep")
                || message.contains("parser stack") =>
            {
                SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, format!("the statement is too complex: {message}"))
            }
            _ => SqlError::new(sqlstate::INTERNAL, format!("SQLite: {message}")),
        }
    }

    /// `UNIQUE constraint failed: t1.c2, t1.c3` or `…: index 'name'`
    fn unique(&self, message: &str) -> SqlError {
        let subject = message.split_once(": ").map_or("", |(_, subject)| subject);
        let named = |name: &str| {
            SqlError::new(
                sqlstate::UNIQUE_VIOLATION,
                format!("duplicate key value violates unique constraint \"{name}\""),
            )
        };
        if let Some(index) = subject.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
            return named(index.strip_prefix("i_").unwrap_or(index));
        }
        let mut table = None;
        let mut ids = Vec::new();
        for part in subject.split(", ") {
            let Some((table_name, column)) = part.split_once('.') else { continue };
            table = table.or_else(|| self.catalog.table_by_sqlite_name(table_name));
            ids.extend(column.strip_prefix('c').and_then(|id| id.parse::<u32>().ok()));
        }
        let Some(table) = table else {
            return SqlError::new(sqlstate::UNIQUE_VIOLATION, "duplicate key value violates a unique constraint");
        };
        let same = |key: &&Key| key.columns == ids;
        if let Some(key) = table.primary_key.iter().chain(&table.unique).find(same) {
            return named(&key.name);
        }
        let index = table.indexes.iter().find(|index| {
            index.unique
                && index.parts.len() == ids.len()
                && index.parts.iter().zip(&ids).all(|(part, id)| *part == crate::schema::IndexPart::Column(*id))
        });
        named(index.map_or("?", |index| index.name.as_str()))
    }

    /// `NOT NULL constraint failed: t1.c2`
    fn not_null(&self, message: &str) -> SqlError {
        let found =
            message.split_once(": ").and_then(|(_, subject)| subject.split_once('.')).and_then(|(table, column)| {
                let table = self.catalog.table_by_sqlite_name(table)?;
                let column = table.column_by_id(column.strip_prefix('c')?.parse().ok()?)?;
                Some(not_null(&column.name, &table.name))
            });
        found.unwrap_or_else(|| SqlError::new(sqlstate::NOT_NULL_VIOLATION, "null value violates not-null constraint"))
    }

    /// `CHECK constraint failed: name`
    fn check(&self, message: &str) -> SqlError {
        let name = message.split_once(": ").map_or("", |(_, name)| name);
        let table = self.catalog.tables().find(|table| {
            self.written.is_none_or(|(written, _)| written.id == table.id)
                && table.checks.iter().any(|check| check.name == name)
        });
        let table = table.map_or("?", |table| table.name.as_str());
        SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!("new row for relation \"{table}\" violates check constraint \"{name}\""),
        )
    }

    /// SQLite does not say which one: it is named if only one can be meant.
    fn foreign_key(&self) -> SqlError {
        let unnamed = || SqlError::new(sqlstate::FOREIGN_KEY_VIOLATION, "a row violates a foreign key constraint");
        let Some((table, command)) = self.written else {
            return unnamed();
        };
        let own = table.foreign_keys.iter().map(|key| (table, key));
        let children = self.catalog.tables().flat_map(|child| {
            child.foreign_keys.iter().filter(|key| key.parent == table.id).map(move |key| (child.as_ref(), key))
        });
        let candidates = match command {
            "INSERT" => own.collect::<Vec<_>>(),
            "DELETE" => children.collect(),
            _ => own.chain(children).collect(),
        };
        match candidates.as_slice() {
            [(child, key)] if child.id == table.id && command != "DELETE" => SqlError::new(
                sqlstate::FOREIGN_KEY_VIOLATION,
                format!(
                    "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                    table.name, key.name
                ),
            ),
            [(child, key)] => SqlError::new(
                sqlstate::FOREIGN_KEY_VIOLATION,
                format!(
                    "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                    table.name, key.name, child.name
                ),
            ),
            _ => unnamed(),
        }
    }
}
