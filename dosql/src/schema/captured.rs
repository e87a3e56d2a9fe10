//! From what SQLite stores back to typed values: what the change log records.

use lake_cdc::{ColumnType, Numeric, Reader, Relation, Row, Value};
use rusqlite::types::ValueRef;
use thiserror::Error;

use super::table::Table;

/// A stored value is not what its column's type allows. A bug: the translator types every write.
#[derive(Debug, Error)]
#[error("column {column} holds {found}, which is no {type_name}")]
pub struct MistypedValue {
    column: String,
    found: String,
    type_name: String,
}

/// How to read the rows of one captured table.
#[derive(Clone, Debug)]
pub struct CapturedTable {
    relation: Relation,
}

impl CapturedTable {
    pub(super) fn new(table: &Table) -> CapturedTable {
        CapturedTable { relation: table.relation() }
    }

    /// The schema as the lake gets it. Its columns are in the order of SQLite's.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    /// A row, from the values of all columns in SQLite's order.
    pub fn row(&self, values: &[ValueRef<'_>]) -> Result<Row, MistypedValue> {
        let columns = &self.relation.columns;
        let mut row = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let stored = values.get(index).copied().unwrap_or(ValueRef::Null);
            row.push(sqlite_to_value(stored, &column.column_type).ok_or_else(|| MistypedValue {
                column: column.name.clone(),
                found: format!("{stored:?}"),
                type_name: column.column_type.pg_name(),
            })?);
        }
        Ok(Row(row))
    }
}

/// The value of a column, from how SQLite holds it; `None` if it is none of the type.
pub fn sqlite_to_value(stored: ValueRef<'_>, column_type: &ColumnType) -> Option<Value> {
    use ColumnType as T;
    Some(match (column_type, stored) {
        (_, ValueRef::Null) => Value::Null,
        (T::Bool, ValueRef::Integer(value)) => Value::Bool(value != 0),
        (T::Int2, ValueRef::Integer(value)) => Value::Int2(value.try_into().ok()?),
        (T::Int4, ValueRef::Integer(value)) => Value::Int4(value.try_into().ok()?),
        (T::Int8, ValueRef::Integer(value)) => Value::Int8(value),
        (T::Float4, ValueRef::Real(value)) => Value::Float4(value as f32),
        (T::Float8, ValueRef::Real(value)) => Value::Float8(value),
        // SQLite has no NaN.
        (T::Float4, ValueRef::Text(b"NaN")) => Value::Float4(f32::NAN),
        (T::Float8, ValueRef::Text(b"NaN")) => Value::Float8(f64::NAN),
        (T::Numeric { precision, scale }, ValueRef::Text(text)) => {
            Value::Numeric(Numeric::parse(std::str::from_utf8(text).ok()?, *precision, *scale).ok()?)
        }
        (T::Date, ValueRef::Integer(value)) => Value::Date(value.try_into().ok()?),
        (T::Time, ValueRef::Integer(value)) => Value::Time(value),
        (T::Timestamp, ValueRef::Integer(value)) => Value::Timestamp(value),
        (T::TimestampTz, ValueRef::Integer(value)) => Value::TimestampTz(value),
        (T::Uuid, ValueRef::Blob(bytes)) => Value::Uuid(bytes.try_into().ok()?),
        (T::Text | T::Varchar(_) | T::Json | T::Jsonb, ValueRef::Text(text)) => {
            Value::Text(std::str::from_utf8(text).ok()?.to_owned())
        }
        (T::Bytea, ValueRef::Blob(bytes)) => Value::Bytea(bytes.to_vec()),
        (T::Array(_), ValueRef::Blob(bytes)) => Value::decode(&mut Reader::new(bytes)).ok()?,
        _ => return None,
    })
}
