//! The schema of a table as its shard has it.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::column_type::ColumnType;
use crate::limits::{COLUMNS_MAX, NAME_BYTES_MAX};

/// Identity of a table in its timeline. Never reused, also not by a table of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// Identity of a column in its table. Never reused: RENAME keeps it, DROP and ADD make a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u32);

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Identity.
    pub id: ColumnId,
    /// Present name, lower case unless it was quoted.
    pub name: String,
    /// Names it had before, oldest first. The lake joins a column to a field by any of them.
    pub former_names: Vec<String>,
    /// Type.
    pub column_type: ColumnType,
    /// False under NOT NULL and in the key.
    pub nullable: bool,
}

/// A table's schema at one LSN. Rows that follow have their values in the order of `columns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Identity.
    pub table_id: TableId,
    /// Present name.
    pub name: String,
    /// Columns in order. The hidden key of a table without a primary key is one of them, named `_key`, `bigint`.
    pub columns: Vec<Column>,
    /// Indexes into `columns` of the primary key, in key order; of `_key` alone where there is none. Never empty.
    pub key: Vec<usize>,
}

/// Name of the hidden key column.
pub(crate) const HIDDEN_KEY: &str = "_key";

/// True for the names that the lake adds to tables; users cannot create columns of these names (42939).
pub fn is_reserved_column(name: &str) -> bool {
    matches!(name, "_shard" | "_key" | "_commit_timestamp" | "_operation" | "_position" | "_lsn" | "_transaction_id")
}

/// Why no table of the lake can be called `name`; users cannot create one (42939). `None` if one can.
pub fn refuse_table_name(name: &str) -> Option<&'static str> {
    if name.to_lowercase().ends_with("_history") {
        return Some("the lake keeps the history of another table under it");
    }
    if matches!(name, "." | "..") {
        return Some("it is a step in a path, so that no address of the catalog can name it");
    }
    // The catalog separates names with one of them, and refuses others.
    name.contains(char::is_control).then_some("it has a control character")
}

impl Relation {
    /// True if the key is the hidden one.
    pub fn has_hidden_key(&self) -> bool {
        self.key.len() == 1
            && self.key.first().and_then(|index| self.columns.get(*index)).is_some_and(|c| c.name == HIDDEN_KEY)
    }

    /// Appends the relation.
    pub fn encode(&self, writer: &mut Writer) {
        writer.varint(u64::from(self.table_id.0));
        writer.text(&self.name);
        writer.varint(self.columns.len() as u64);
        for column in &self.columns {
            writer.varint(u64::from(column.id.0));
            writer.text(&column.name);
            writer.varint(column.former_names.len() as u64);
            for name in &column.former_names {
                writer.text(name);
            }
            column.column_type.encode(writer);
            writer.u8(u8::from(column.nullable));
        }
        writer.varint(self.key.len() as u64);
        for index in &self.key {
            writer.varint(*index as u64);
        }
    }

    /// Takes a relation and checks that its key names columns of it.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Relation, DecodeError> {
        let table_id = TableId(decode_id(reader, "a table id")?);
        let name = decode_name(reader, "a table name")?;
        let count = reader.count("a relation's columns")?;
        if count > COLUMNS_MAX {
            return Err(DecodeError::TooLarge("the number of columns"));
        }
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let id = ColumnId(decode_id(reader, "a column id")?);
            let name = decode_name(reader, "a column name")?;
            let former = reader.count("former names")?;
            let mut former_names = Vec::new();
            for _ in 0..former {
                former_names.push(decode_name(reader, "a former name")?);
            }
            let column_type = ColumnType::decode(reader)?;
            columns.push(Column { id, name, former_names, column_type, nullable: reader.bool("nullable")? });
        }
        let key_count = reader.count("a key")?;
        let mut key = Vec::new();
        for _ in 0..key_count {
            let index = reader.varint("a key column")?;
            match usize::try_from(index) {
                Ok(index) if index < columns.len() && !key.contains(&index) => key.push(index),
                _ => return Err(DecodeError::Invalid("a key column")),
            }
        }
        if key.is_empty() {
            return Err(DecodeError::Invalid("a key"));
        }
        Ok(Relation { table_id, name, columns, key })
    }
}

fn decode_id(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(reader.varint(what)?).map_err(|_| DecodeError::Invalid(what))
}

fn decode_name(reader: &mut Reader<'_>, what: &'static str) -> Result<String, DecodeError> {
    let name = reader.text(what)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(DecodeError::TooLarge(what));
    }
    Ok(name.to_owned())
}
