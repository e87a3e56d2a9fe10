//! What a translation collects on its way: parameter types, constants, fresh names.

use std::collections::HashMap;
use std::rc::Rc;

use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::Value as SqliteValue;

use super::input;
use super::pg_type::PgType;
use super::scope::SourceColumn;
use super::typed::{Literal, Typed, constant, quote_text};
use crate::schema::Catalog;

/// Where in a statement an expression stands: what it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    /// Output, HAVING, ORDER BY: aggregates are allowed, window functions too except in HAVING.
    Output,
    /// After aggregation, before windows.
    Having,
    /// WHERE, ON, VALUES, SET and so on, by the name that an error gives it.
    Plain(&'static str),
    /// Inside of an aggregate.
    Aggregate,
    /// Inside of a window function: aggregates are allowed.
    Window,
}

/// What one of SQLite's parameters stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Binding {
    /// `$n`, counted from 0.
    Parameter(usize),
    /// A constant that SQLite would not read exactly from text.
    Constant(SqliteValue),
    /// A cell of the row that is inserted, by its place.
    Cell(usize),
}

/// A WITH query.
#[derive(Clone, Debug)]
pub(crate) struct CommonTable {
    pub(crate) name: String,
    pub(crate) sqlite_name: String,
    pub(crate) columns: Vec<SourceColumn>,
}

/// State of one translation.
pub(crate) struct Binder<'c> {
    pub(crate) catalog: &'c Catalog,
    /// Types of `$1…` as their first use decides.
    pub(crate) parameters: Vec<Option<PgType>>,
    /// What SQLite's `?1…` are bound to.
    pub(crate) bindings: Vec<Binding>,
    /// Definitions have no bindings: every constant has to be in the text.
    pub(crate) inline: bool,
    pub(crate) common: Vec<CommonTable>,
    pub(crate) clause: Clause,
    pub(crate) uses_sequences: bool,
    /// `SELECT … FOR UPDATE` and its like.
    pub(crate) locks_rows: bool,
    pub(crate) depth: usize,
    names: usize,
    /// Where parameters are among the bindings.
    places: HashMap<usize, usize>,
}

impl<'c> Binder<'c> {
    pub(crate) fn new(catalog: &'c Catalog, parameter_count: usize) -> Binder<'c> {
        Binder {
            catalog,
            parameters: vec![None; parameter_count],
            bindings: Vec::new(),
            inline: false,
            common: Vec::new(),
            clause: Clause::Plain("expression"),
            uses_sequences: false,
            locks_rows: false,
            depth: 0,
            names: 0,
            places: HashMap::new(),
        }
    }

    /// A name that nothing else in the statement has.
    pub(crate) fn fresh(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// Runs `body` in another clause.
    pub(crate) fn within<T>(
        &mut self,
        clause: Clause,
        body: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let before = std::mem::replace(&mut self.clause, clause);
        let outcome = body(self);
        self.clause = before;
        outcome
    }

    /// The number under which SQLite has a value.
    pub(crate) fn bind(&mut self, binding: Binding) -> String {
        // A statement can have thousands of parameters: no search among them.
        let known = match &binding {
            Binding::Parameter(index) => self.places.get(index).copied(),
            _ => None,
        };
        let place = known.unwrap_or_else(|| {
            let place = self.bindings.len();
            if let Binding::Parameter(index) = &binding {
                self.places.insert(*index, place);
            }
            self.bindings.push(binding);
            place
        });
        format!("?{}", place + 1)
    }

    /// The text of a constant.
    pub(crate) fn constant(&mut self, value: SqliteValue) -> String {
        match constant(&value) {
            Some(text) => text,
            None if self.inline => match value {
                SqliteValue::Real(number) => format!("pg_float('{number:e}')"),
                _ => "NULL".to_owned(),
            },
            None => self.bind(Binding::Constant(value)),
        }
    }

    /// A literal or parameter of a type that has been decided.
    pub(crate) fn resolve(&mut self, typed: Typed, ty: &PgType) -> Result<Typed, SqlError> {
        let Some(literal) = typed.literal.clone() else {
            return Ok(typed);
        };
        match literal {
            Literal::Null => Ok(typed.becomes("NULL", ty.clone())),
            Literal::Text(text) => {
                let value = input::parse(ty, &text)?;
                let sql = self.constant(value);
                Ok(typed.becomes(sql, ty.clone()))
            }
            Literal::Parameter(index) => {
                let slot = self.parameters.get_mut(index).ok_or_else(|| {
                    SqlError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter ${}", index + 1))
                })?;
                match slot {
                    None => {
                        *slot = Some(ty.clone());
                        let sql = typed.sql.clone();
                        Ok(typed.becomes(sql, ty.clone()))
                    }
                    // Another use of it decided otherwise while this one was still open.
                    Some(known) => {
                        let known = known.clone();
                        let sql = typed.sql.clone();
                        self.coerce(typed.becomes(sql, known), ty)
                    }
                }
            }
        }
    }

    /// A literal whose surroundings leave its type open is text.
    pub(crate) fn settle(&mut self, typed: Typed) -> Result<Typed, SqlError> {
        if typed.ty == PgType::Unknown { self.resolve(typed, &PgType::Text) } else { Ok(typed) }
    }

    /// `$n`
    pub(crate) fn parameter(&mut self, name: &str) -> Result<Typed, SqlError> {
        let undefined = || SqlError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter {name}"));
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()).ok_or_else(undefined)?;
        let index = number.checked_sub(1).ok_or_else(undefined)?;
        let known = self.parameters.get(index).ok_or_else(undefined)?.clone();
        let sql = self.bind(Binding::Parameter(index));
        let typed = Typed { sql, ..Typed::literal(Literal::Parameter(index)) };
        Ok(match known {
            Some(ty) => {
                let sql = typed.sql.clone();
                typed.becomes(sql, ty)
            }
            None => typed,
        })
    }

    /// A text as an argument of a function.
    pub(crate) fn quoted(text: &str) -> String {
        quote_text(text)
    }

    /// The table of this name, for statements that write.
    pub(crate) fn table(&self, name: &sqlparser::ast::ObjectName) -> Result<Rc<crate::schema::Table>, SqlError> {
        let (schema, table) = lake_dialect::object_name(name)?;
        check_schema(schema.as_deref(), &table)?;
        self.catalog.table(&table).cloned().ok_or_else(|| undefined_table(&table))
    }
}

/// Only the schema `public` exists.
pub(crate) fn check_schema(schema: Option<&str>, name: &str) -> Result<(), SqlError> {
    match schema {
        None | Some("public") => Ok(()),
        Some("pg_catalog" | "information_schema") => Err(SqlError::unsupported(format!("the system catalog ({name})"))),
        Some(schema) => {
            Err(SqlError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{schema}.{name}\" does not exist")))
        }
    }
}

pub(crate) fn undefined_table(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}
