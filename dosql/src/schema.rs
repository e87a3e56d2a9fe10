//! The shard's own catalog: tables, columns, keys, constraints, indexes and sequences as Postgres knows them.
//!
//! SQLite sees other names: table `t7` has columns `c1`, `c2`, so that RENAME touches nothing but this catalog and a
//! name can never mean something to SQLite. Definitions are rows of ordinary tables named `_lake_…` in the same
//! database, so a schema change commits and rolls back with the transaction that made it; after a rollback the
//! catalog is loaded again.

mod captured;
mod catalog;
mod table;

pub use captured::{CapturedTable, sqlite_to_value};
pub use catalog::Catalog;
pub use table::{
    Check, ColumnType, ForeignKey, Identity, Index, IndexPart, Key, ReferentialAction, Table, TableColumn,
};
