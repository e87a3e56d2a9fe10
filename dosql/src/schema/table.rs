//! The definition of one table.

use lake_cdc::{Column, ColumnId, Relation, TableId, Writer};
use serde::{Deserialize, Serialize};

pub use lake_cdc::ColumnType;

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Identity, never reused.
    pub id: u32,
    /// Present name.
    pub name: String,
    /// Columns in order of their ids, which is also their order in SQLite.
    pub columns: Vec<TableColumn>,
    /// The next column id.
    pub next_column_id: u32,
    /// True unless it was created `WITH (cdc = off)`.
    pub captured: bool,
    /// The primary key.
    pub primary_key: Option<Key>,
    /// UNIQUE constraints.
    pub unique: Vec<Key>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// REFERENCES.
    pub foreign_keys: Vec<ForeignKey>,
    /// Indexes made by CREATE INDEX.
    pub indexes: Vec<Index>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Identity in its table, from 1, never reused.
    pub id: u32,
    /// Present name.
    pub name: String,
    /// Names it had before, oldest first.
    #[serde(default)]
    pub former_names: Vec<String>,
    /// Its type, in the bytes of `cdc`.
    #[serde(with = "type_bytes")]
    pub column_type: ColumnType,
    /// NOT NULL, of its own or through the primary key.
    pub not_null: bool,
    /// DEFAULT, as Postgres SQL.
    pub default: Option<String>,
    /// SERIAL or GENERATED … AS IDENTITY.
    pub identity: Option<Identity>,
}

/// Where a column's numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The sequence's name, as `currval` and `nextval` know it.
    pub sequence: String,
    /// GENERATED ALWAYS: explicit values are refused.
    pub always: bool,
}

/// Columns that are unique together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Name of the constraint.
    pub name: String,
    /// Column ids in key order.
    pub columns: Vec<u32>,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Name of the constraint.
    pub name: String,
    /// Ids of the columns it reads.
    pub columns: Vec<u32>,
}

/// What happens to a row whose parent changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReferentialAction {
    /// Refused at the end of the statement.
    NoAction,
    /// Refused at once.
    Restrict,
    /// Changes with it.
    Cascade,
    /// Becomes NULL.
    SetNull,
    /// Becomes its default.
    SetDefault,
}

/// A REFERENCES constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Name of the constraint.
    pub name: String,
    /// Column ids here.
    pub columns: Vec<u32>,
    /// Id of the parent table.
    pub parent: u32,
    /// Column ids there.
    pub parent_columns: Vec<u32>,
    /// ON DELETE
    pub on_delete: ReferentialAction,
    /// ON UPDATE
    pub on_update: ReferentialAction,
}

/// An index made by CREATE INDEX.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// CREATE UNIQUE INDEX.
    pub unique: bool,
    /// What it is over.
    pub parts: Vec<IndexPart>,
    /// Column ids that its expressions and its WHERE read, next to the plain columns.
    pub reads: Vec<u32>,
    /// It has a WHERE.
    pub partial: bool,
}

/// One part of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IndexPart {
    /// A column, by id.
    Column(u32),
    /// An expression.
    Expression,
}

impl Table {
    /// The table's name in SQLite.
    pub fn sqlite_name(&self) -> String {
        format!("t{}", self.id)
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A column by id.
    pub fn column_by_id(&self, id: u32) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// The column that SQLite keeps as the row's own id: an integer that is the whole primary key.
    pub fn rowid_column(&self) -> Option<u32> {
        match self.primary_key.as_ref()?.columns.as_slice() {
            [id] => match self.column_by_id(*id)?.column_type {
                ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 => Some(*id),
                _ => None,
            },
            _ => None,
        }
    }

    /// True if the lake knows its rows by a hidden key.
    pub fn has_hidden_key(&self) -> bool {
        self.primary_key.is_none()
    }

    /// Names of a constraint's columns.
    pub fn column_names(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().filter_map(|id| self.column_by_id(*id)).map(|column| column.name.clone()).collect()
    }

    /// The schema as the lake gets it.
    pub fn relation(&self) -> Relation {
        let mut columns = Vec::with_capacity(self.columns.len() + 1);
        if self.has_hidden_key() {
            columns.push(Column {
                id: ColumnId(0),
                name: "_key".to_owned(),
                former_names: Vec::new(),
                column_type: ColumnType::Int8,
                nullable: false,
            });
        }
        columns.extend(self.columns.iter().map(|column| Column {
            id: ColumnId(column.id),
            name: column.name.clone(),
            former_names: column.former_names.clone(),
            column_type: column.column_type.clone(),
            nullable: !column.not_null,
        }));
        let key = match &self.primary_key {
            None => vec![0],
            Some(key) => {
                key.columns.iter().filter_map(|id| self.columns.iter().position(|column| column.id == *id)).collect()
            }
        };
        Relation { table_id: TableId(self.id), name: self.name.clone(), columns, key }
    }
}

impl TableColumn {
    /// The column's name in SQLite.
    pub fn sqlite_name(&self) -> String {
        format!("c{}", self.id)
    }
}

/// A column type in JSON: the hexadecimal of its bytes.
mod type_bytes {
    use lake_cdc::{ColumnType, Reader};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Writer;

    pub(super) fn serialize<S: Serializer>(column_type: &ColumnType, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = Writer::new();
        column_type.encode(&mut writer);
        let text = writer.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = (0..text.len() / 2)
            .map(|index| text.get(index * 2..index * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| D::Error::custom("a column type"))?;
        ColumnType::decode(&mut Reader::new(&bytes)).map_err(D::Error::custom)
    }
}
