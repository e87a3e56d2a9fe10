//! Collects the change record while a transaction runs.
//!
//! SQLite's preupdate hook tells of each row, cascades of foreign keys included; this encodes the row as the lake
//! gets it. A mark is taken before each statement and savepoint, and the record is cut back to it when that is undone.
//! Tables without capture and the catalog's own tables leave no trace.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lake_cdc::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_TABLES_MAX};
use lake_cdc::{Change, Entry, Lsn, Micros, Relation, Row, TableId, Transaction, Value, Writer};
use rusqlite::types::ValueRef;

use crate::budget::StepBudget;
use crate::limits::{LONG_VALUE_BYTES, RECORD_GROWTH_BYTES_MAX, TRANSACTION_CHANGES_MAX};
use crate::schema::Catalog;
use crate::vfs::preupdate::{RowChange, RowObserver};

/// A place in the record to cut back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    bytes: usize,
    changes: u64,
}

/// Why the record cannot be what happened. The transaction must be rolled back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CollectError {
    /// The record is over its limit (54000).
    #[error("the transaction changes more than {} MiB of rows and tables", TRANSACTION_BYTES_MAX >> 20)]
    TooLarge,
    /// It has more changes than the limit (54000).
    #[error("the transaction has more than {TRANSACTION_CHANGES_MAX} row changes, which is the limit")]
    TooManyChanges,
    /// It changes or drops more tables than the limit (54000).
    #[error("the transaction changes more than {TRANSACTION_TABLES_MAX} tables, which is the limit")]
    TooManyTables,
    /// SQLite has no memory for the images of a row (53200).
    #[error("out of memory")]
    OutOfMemory,
    /// A row is not what the catalog says: our bug.
    #[error("a row of {table} cannot be recorded: {reason}")]
    Row {
        /// Its table in SQLite.
        table: String,
        /// What was wrong.
        reason: String,
    },
}

/// The collector of one writing connection.
pub(crate) struct Collector {
    state: RefCell<State>,
    budget: StepBudget,
}

#[derive(Default)]
struct State {
    catalog: Catalog,
    record: Option<Vec<u8>>,
    changes: u64,
    /// Tables that were changed or dropped, with where in the record each came first.
    tables: BTreeMap<TableId, usize>,
    failure: Option<CollectError>,
}

impl Collector {
    /// Collects nothing yet. A failure withdraws `budget`, which ends the statement early.
    pub(crate) fn new(budget: StepBudget) -> Collector {
        Collector { state: RefCell::default(), budget }
    }

    /// Begins a transaction on the tables of `catalog`.
    pub(crate) fn begin(&self, lsn: Lsn, stamp: Micros, catalog: Catalog) {
        let mut writer = Writer::new();
        Transaction::encode_header(lsn, stamp, &mut writer);
        *self.state.borrow_mut() = State { catalog, record: Some(writer.into_bytes()), ..State::default() };
    }

    /// Where the record stands.
    pub(crate) fn mark(&self) -> Mark {
        let state = self.state.borrow();
        Mark { bytes: state.record.as_ref().map_or(0, Vec::len), changes: state.changes }
    }

    /// Forgets what was recorded after `mark`, and returns to the tables of that moment.
    pub(crate) fn cut_back(&self, mark: Mark, catalog: Catalog) {
        if lake_host::planted!("shard: changes of what was rolled back stay") {
            return;
        }
        let mut state = self.state.borrow_mut();
        if let Some(record) = &mut state.record {
            record.truncate(mark.bytes);
        }
        state.changes = mark.changes;
        state.tables.retain(|_, at| *at < mark.bytes);
        state.catalog = catalog;
    }

    /// Records how tables changed: rows that follow have their new shape.
    pub(crate) fn schema_changed(&self, catalog: Catalog) {
        let mut state = self.state.borrow_mut();
        if state.failure.is_some() {
            // One statement can change a table thousands of times before anybody asks for the failure.
            state.catalog = catalog;
            return;
        }
        let (before, after) = (relations(&state.catalog), relations(&catalog));
        for table in before.keys().filter(|table| !after.contains_key(table)) {
            state.touch(*table);
            state.push(&Entry::DropTable(*table));
        }
        for (table, relation) in after {
            if before.get(&table) != Some(&relation) {
                state.push(&Entry::Relation(relation));
            }
        }
        state.catalog = catalog;
        if let Err(error) = state.check_size() {
            state.failure.get_or_insert(error);
        }
    }

    /// Whether the record is what happened. Asked after every statement.
    pub(crate) fn check(&self) -> Result<(), CollectError> {
        self.state.borrow().failure.clone().map_or(Ok(()), Err)
    }

    /// Ends the transaction and gives its record.
    pub(crate) fn finish(&self) -> Vec<u8> {
        std::mem::take(&mut *self.state.borrow_mut()).record.unwrap_or_default()
    }

    fn fail(&self, error: CollectError) {
        self.state.borrow_mut().failure.get_or_insert(error);
        self.budget.withdraw();
    }

    fn record(&self, table: &str, change: &RowChange<'_>) -> Result<(), CollectError> {
        let mut state = self.state.borrow_mut();
        state.make_room(change)?;
        let Some(captured) = state.catalog.captured(table) else { return Ok(()) };
        let relation = captured.relation();
        let row = |values: &[ValueRef<'_>]| {
            if values.len() != relation.columns.len() {
                let reason = format!("{} columns where {} belong", values.len(), relation.columns.len());
                return Err(CollectError::Row { table: table.to_owned(), reason });
            }
            captured
                .row(values)
                .map_err(|reason| CollectError::Row { table: table.to_owned(), reason: reason.to_string() })
        };
        let table_id = relation.table_id;
        let entries = match change {
            RowChange::Insert { after } => [Some(Change::Insert { table_id, after: row(after)? }), None],
            RowChange::Delete { before } => [Some(Change::Delete { table_id, before: row(before)? }), None],
            RowChange::Update { before, after } => {
                let (before, after) = (row(before)?, row(after)?);
                if has_same_key(relation, &before, &after) {
                    [Some(Change::Update { table_id, before, after }), None]
                } else {
                    [Some(Change::Delete { table_id, before }), Some(Change::Insert { table_id, after })]
                }
            }
        };
        state.touch(table_id);
        for change in entries.into_iter().flatten() {
            state.push(&Entry::Change(change));
            state.changes += 1;
        }
        state.check_size()
    }
}

impl State {
    /// Room for the images of a row, if the record may become so long. Growing as vectors do, to twice their length, a record
    /// of 16 MiB would take 48 for a moment.
    fn make_room(&mut self, change: &RowChange<'_>) -> Result<(), CollectError> {
        let (before, after) = match change {
            RowChange::Insert { after } => (&[][..], after.as_slice()),
            RowChange::Update { before, after } => (before.as_slice(), after.as_slice()),
            RowChange::Delete { before } => (before.as_slice(), &[][..]),
        };
        let long = before.iter().chain(after).filter_map(|value| match value {
            // Others can be shorter in the record than they are here.
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() >= LONG_VALUE_BYTES => Some(bytes.len()),
            _ => None,
        });
        let long: usize = long.sum();
        let Some(record) = &mut self.record else { return Ok(()) };
        if record.len() + long > TRANSACTION_BYTES_MAX {
            return Err(CollectError::TooLarge);
        }
        let needed = long + (before.len() + after.len() + 2) * LONG_VALUE_BYTES;
        if record.capacity() - record.len() < needed {
            record.reserve_exact(needed.max(record.len().min(RECORD_GROWTH_BYTES_MAX)));
        }
        Ok(())
    }

    /// Refuses what the lake would refuse for ever, and with it all that comes after.
    fn check_size(&self) -> Result<(), CollectError> {
        if self.record.as_ref().is_some_and(|record| record.len() > TRANSACTION_BYTES_MAX) {
            return Err(CollectError::TooLarge);
        }
        if self.tables.len() > TRANSACTION_TABLES_MAX {
            return Err(CollectError::TooManyTables);
        }
        if self.changes > TRANSACTION_CHANGES_MAX { Err(CollectError::TooManyChanges) } else { Ok(()) }
    }

    fn touch(&mut self, table: TableId) {
        let at = self.record.as_ref().map_or(0, Vec::len);
        self.tables.entry(table).or_insert(at);
    }

    fn push(&mut self, entry: &Entry) {
        if let Some(record) = self.record.take() {
            let mut writer = Writer::after(record);
            entry.encode(&mut writer);
            self.record = Some(writer.into_bytes());
        }
    }
}

fn relations(catalog: &Catalog) -> BTreeMap<TableId, Relation> {
    catalog
        .tables()
        .filter(|table| table.captured)
        .map(|table| table.relation())
        .map(|relation| (relation.table_id, relation))
        .collect()
}

/// Compared as the key index compares: by the canonical bytes, in which 0 and -0 differ and a NaN equals itself.
fn has_same_key(relation: &Relation, before: &Row, after: &Row) -> bool {
    let key = |row: &Row| {
        let mut writer = Writer::new();
        for index in &relation.key {
            row.0.get(*index).unwrap_or(&Value::Null).encode_key(&mut writer);
        }
        writer.into_bytes()
    };
    key(before) == key(after)
}

impl RowObserver for Collector {
    fn wants(&self, table: &str) -> bool {
        let state = self.state.borrow();
        state.record.is_some() && state.failure.is_none() && state.catalog.captured(table).is_some()
    }

    fn row_changes(&self, table: &str, change: RowChange<'_>) {
        if let Err(error) = self.record(table, &change) {
            self.fail(error);
        }
    }

    fn image_failed(&self) {
        self.fail(CollectError::OutOfMemory);
    }
}

#[cfg(test)]
mod tests {
    use lake_cdc::ColumnType;
    use rusqlite::Connection;

    use super::*;
    use crate::schema::{Table, TableColumn};

    /// A catalog with one wide table, whose last column has this name.
    fn catalog_of(last: &str) -> Catalog {
        let column = |id: u32| TableColumn {
            id,
            name: if id == 450 { last.to_owned() } else { format!("{id:063}") },
            former_names: Vec::new(),
            column_type: ColumnType::Int8,
            not_null: false,
            default: None,
            identity: None,
        };
        let table = Table {
            id: 1,
            name: "t".to_owned(),
            columns: (1..=450).map(column).collect(),
            next_column_id: 451,
            captured: true,
            primary_key: None,
            unique: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
        };
        let connection = Connection::open_in_memory().expect("SQLite opens");
        Catalog::install(&connection).expect("the catalog is made");
        Catalog::store(&connection, &table).expect("the table is stored");
        Catalog::load(&connection).expect("the catalog loads")
    }

    #[test]
    fn a_record_over_its_limit_does_not_grow_with_further_changes_of_tables() {
        let collector = Collector::new(StepBudget::default());
        let (one, other) = (catalog_of("one"), catalog_of("other"));
        collector.begin(Lsn::FIRST, Micros(0), one.clone());
        for _ in 0..400 {
            collector.schema_changed(other.clone());
            collector.schema_changed(one.clone());
        }
        assert_eq!(collector.check(), Err(CollectError::TooLarge));
        assert!(collector.finish().len() < TRANSACTION_BYTES_MAX + (64 << 10));
    }
}
