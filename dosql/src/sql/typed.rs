//! A translated expression: its SQLite text, its type, and what the rules of Postgres need to know about it.

use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::Value as SqliteValue;

use super::pg_type::PgType;

/// A literal or parameter that can still take any type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    /// `NULL`
    Null,
    /// `'…'`
    Text(String),
    /// `$n`, counted from 0
    Parameter(usize),
}

/// A column that an expression reads outside of aggregates, with the level of the query it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnUse {
    pub(crate) level: usize,
    /// As an error message names it.
    pub(crate) name: String,
}

/// A translated expression.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// SQLite's text. Safe to put next to any operator.
    pub(crate) sql: String,
    pub(crate) ty: PgType,
    /// Set while the type is unknown.
    pub(crate) literal: Option<Literal>,
    /// Columns that GROUP BY does not cover.
    pub(crate) columns: Vec<ColumnUse>,
    pub(crate) has_aggregate: bool,
    pub(crate) has_window: bool,
}

impl Typed {
    pub(crate) fn new(sql: impl Into<String>, ty: PgType) -> Typed {
        Typed { sql: sql.into(), ty, literal: None, columns: Vec::new(), has_aggregate: false, has_window: false }
    }

    pub(crate) fn literal(literal: Literal) -> Typed {
        let sql = match &literal {
            Literal::Null => "NULL".to_owned(),
            Literal::Text(text) => quote_text(text),
            // The binder knows under which number SQLite has it.
            Literal::Parameter(_) => String::new(),
        };
        Typed { literal: Some(literal), ..Typed::new(sql, PgType::Unknown) }
    }

    /// The same value in another SQLite text and type.
    pub(crate) fn becomes(self, sql: impl Into<String>, ty: PgType) -> Typed {
        Typed { sql: sql.into(), ty, literal: None, ..self }
    }

    /// An expression over others.
    pub(crate) fn over(parts: &[&Typed], sql: impl Into<String>, ty: PgType) -> Typed {
        let mut result = Typed::new(sql, ty);
        for part in parts {
            result.absorb(part);
        }
        result
    }

    /// Takes over what a part reads.
    pub(crate) fn absorb(&mut self, part: &Typed) {
        for column in &part.columns {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
            }
        }
        self.has_aggregate |= part.has_aggregate;
        self.has_window |= part.has_window;
    }

    /// The text with the collation of its type, so that comparing and ordering it is Postgres'.
    pub(crate) fn collated(&self) -> String {
        match self.ty.collation() {
            Some(collation) => format!("{} COLLATE {collation}", self.sql),
            None => self.sql.clone(),
        }
    }

    /// Refuses types without an order.
    pub(crate) fn check_ordered(&self) -> Result<(), SqlError> {
        match &self.ty {
            PgType::Json => Err(SqlError::new(
                sqlstate::UNDEFINED_FUNCTION,
                "could not identify an ordering operator for type json",
            )),
            PgType::Array(_) => Err(SqlError::unsupported("ordering of arrays")),
            _ => Ok(()),
        }
    }
}

/// `'…'`
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A constant as SQLite reads it. Floats are not among them: SQLite's reading of their digits is not exact.
pub(crate) fn constant(value: &SqliteValue) -> Option<String> {
    Some(match value {
        SqliteValue::Null => "NULL".to_owned(),
        SqliteValue::Integer(value) => {
            // The smallest integer has no positive counterpart to negate.
            if *value == i64::MIN {
                "(-9223372036854775807-1)".to_owned()
            } else if *value < 0 {
                format!("({value})")
            } else {
                value.to_string()
            }
        }
        SqliteValue::Text(text) => quote_text(text),
        SqliteValue::Blob(bytes) => {
            let mut text = String::from("X'");
            for byte in bytes {
                text.push_str(&format!("{byte:02x}"));
            }
            text.push('\'');
            text
        }
        SqliteValue::Real(_) => return None,
    })
}
