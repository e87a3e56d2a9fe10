//! All tables of a shard, in memory, and their rows in SQLite.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use lake_dialect::{SqlError, sqlstate};
use rusqlite::{Connection, OptionalExtension};

use super::captured::CapturedTable;
use super::table::Table;
use crate::error::sqlite_error;

/// The tables as of one moment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    tables: BTreeMap<String, Rc<Table>>,
    captured: Rc<BTreeMap<String, CapturedTable>>,
    fingerprint: u64,
}

fn internal(error: rusqlite::Error) -> SqlError {
    sqlite_error(UNREADABLE, &error)
}

fn corrupt(error: serde_json::Error) -> SqlError {
    SqlError::new(sqlstate::INTERNAL, format!("{UNREADABLE}: {error}"))
}

const UNREADABLE: &str = "the catalog cannot be read or written";

impl Catalog {
    /// Makes the catalog's tables where they are missing. Once per database, before anything else.
    pub fn install(connection: &Connection) -> Result<(), SqlError> {
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS _lake_table (id INTEGER PRIMARY KEY, definition TEXT NOT NULL);
                 CREATE TABLE IF NOT EXISTS _lake_sequence
                   (name TEXT PRIMARY KEY, next_value INTEGER, increment INTEGER NOT NULL, max INTEGER NOT NULL);
                 CREATE TABLE IF NOT EXISTS _lake_counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);",
            )
            .map_err(internal)
    }

    /// True if the catalog's tables are there.
    pub(crate) fn is_installed(connection: &Connection) -> Result<bool, SqlError> {
        connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_lake_table')", [], |row| row.get(0))
            .map_err(internal)
    }

    /// Reads the catalog as the connection sees it.
    pub fn load(connection: &Connection) -> Result<Catalog, SqlError> {
        let mut statement = connection.prepare("SELECT definition FROM _lake_table ORDER BY id").map_err(internal)?;
        let definitions = statement.query_map([], |row| row.get::<_, String>(0)).map_err(internal)?;
        let mut hasher = DefaultHasher::new();
        let mut tables = BTreeMap::new();
        let mut captured = BTreeMap::new();
        for definition in definitions {
            let definition = definition.map_err(internal)?;
            definition.hash(&mut hasher);
            let table: Table = serde_json::from_str(&definition).map_err(corrupt)?;
            if table.captured {
                captured.insert(table.sqlite_name(), CapturedTable::new(&table));
            }
            tables.insert(table.name.clone(), Rc::new(table));
        }
        Ok(Catalog { tables, captured: Rc::new(captured), fingerprint: hasher.finish() })
    }

    /// Equal for equal schemas. Plans are cached under it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// A table by name.
    pub fn table(&self, name: &str) -> Option<&Rc<Table>> {
        self.tables.get(name)
    }

    /// A table by id.
    pub fn table_by_id(&self, id: u32) -> Option<&Rc<Table>> {
        self.tables.values().find(|table| table.id == id)
    }

    /// A table by its name in SQLite.
    pub fn table_by_sqlite_name(&self, name: &str) -> Option<&Rc<Table>> {
        self.table_by_id(name.strip_prefix('t')?.parse().ok()?)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Rc<Table>> {
        self.tables.values()
    }

    /// How to read the rows of a table that is captured, by its name in SQLite: what the preupdate hook asks.
    pub fn captured(&self, sqlite_table: &str) -> Option<&CapturedTable> {
        self.captured.get(sqlite_table)
    }

    /// The table that has an index of this name.
    pub(crate) fn table_of_index(&self, name: &str) -> Option<&Rc<Table>> {
        self.tables.values().find(|table| table.indexes.iter().any(|index| index.name == name))
    }

    /// True if a table, index or key has this name: they share one name space.
    pub(crate) fn has_relation(&self, name: &str) -> bool {
        self.tables.values().any(|table| {
            table.name == name
                || table.indexes.iter().any(|index| index.name == name)
                || table.primary_key.iter().chain(&table.unique).any(|key| key.name == name)
                || table.columns.iter().any(|c| c.identity.as_ref().is_some_and(|i| i.sequence == name))
        })
    }

    /// A table id that no table ever had.
    pub(crate) fn next_table_id(connection: &Connection) -> Result<u32, SqlError> {
        connection
            .query_row(
                "INSERT INTO _lake_counter (name, value) VALUES ('table', 1)
                 ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                [],
                |row| row.get(0),
            )
            .map_err(internal)
    }

    /// Writes a definition.
    pub(crate) fn store(connection: &Connection, table: &Table) -> Result<(), SqlError> {
        let definition = serde_json::to_string(table).map_err(corrupt)?;
        connection
            .execute(
                "INSERT INTO _lake_table (id, definition) VALUES (?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
                (table.id, definition),
            )
            .map_err(internal)?;
        Ok(())
    }

    /// Forgets a definition and the sequences of its columns.
    pub(crate) fn forget(connection: &Connection, table: &Table) -> Result<(), SqlError> {
        connection.execute("DELETE FROM _lake_table WHERE id = ?1", [table.id]).map_err(internal)?;
        for identity in table.columns.iter().filter_map(|column| column.identity.as_ref()) {
            Catalog::drop_sequence(connection, &identity.sequence)?;
        }
        Ok(())
    }

    /// Makes a sequence that starts at 1.
    pub(crate) fn create_sequence(
        connection: &Connection,
        name: &str,
        start: i64,
        increment: i64,
        max: i64,
    ) -> Result<(), SqlError> {
        connection
            .execute(
                "INSERT INTO _lake_sequence (name, next_value, increment, max) VALUES (?1, ?2, ?3, ?4)",
                (name, start, increment, max),
            )
            .map_err(internal)?;
        Ok(())
    }

    pub(crate) fn drop_sequence(connection: &Connection, name: &str) -> Result<(), SqlError> {
        connection.execute("DELETE FROM _lake_sequence WHERE name = ?1", [name]).map_err(internal)?;
        Ok(())
    }

    /// True if a sequence has this name.
    pub(crate) fn has_sequence(connection: &Connection, name: &str) -> Result<bool, SqlError> {
        connection
            .query_row("SELECT 1 FROM _lake_sequence WHERE name = ?1", [name], |_| Ok(()))
            .optional()
            .map(|found| found.is_some())
            .map_err(internal)
    }
}
