//! What a shard needs to run SQL: connections, catalog, plans, and who watches them.
//!
//! Made at the first statement and dropped whole when a commit fails: what is in memory is then not what is stored.

use std::rc::Rc;

use lake_dialect::{SqlError, sqlstate};

use crate::collector::Collector;
use crate::connections::Connections;
use crate::error::{ShardError, sqlite_error};
use crate::page_store::{PageError, PageStore};
use crate::schema::Catalog;
use crate::sql::{self, Environment, Plan, PlanCache};
use crate::storage::OpenError;
use crate::transaction::{Stamp, collect_error};

/// The engine.
pub(crate) struct Engine {
    pub(crate) connections: Connections,
    pub(crate) store: Rc<PageStore>,
    pub(crate) collector: Rc<Collector>,
    pub(crate) environment: Environment,
    /// As of the last statement.
    pub(crate) catalog: Catalog,
    plans: PlanCache,
    /// False once the catalog could not be read again.
    knows_catalog: bool,
}

impl Engine {
    /// Opens SQLite on the pages of a shard.
    pub(crate) fn open(store: Rc<PageStore>) -> Result<Engine, OpenError> {
        let environment = Environment::new();
        let budget = environment.budget();
        budget.grant();
        let collector = Rc::new(Collector::new(budget.clone()));
        let mut connections = Connections::open(Rc::clone(&store), Rc::<Collector>::clone(&collector))?;
        for connection in [&mut connections.writer, &mut connections.reader] {
            budget.watch(connection).map_err(|error| OpenError::Engine(error.to_string()))?;
            sql::register_functions(connection, &environment).map_err(|error| OpenError::Engine(error.to_string()))?;
        }
        let mut engine = Engine {
            connections,
            store,
            collector,
            environment,
            catalog: Catalog::default(),
            plans: PlanCache::default(),
            knows_catalog: false,
        };
        engine.reload_catalog().map_err(|error| OpenError::Engine(error.to_string()))?;
        Ok(engine)
    }

    /// Begins a request: its time, randomness and steps.
    pub(crate) fn prepare(&mut self, now_micros: i64, seed: &[u8; 32]) {
        let mut word = [0; 8];
        word.copy_from_slice(&seed[..8]);
        self.environment.begin(now_micros, u64::from_le_bytes(word));
        self.connections.set_environment(now_micros, seed);
        // Of a failure in an earlier request nobody asks any more.
        self.store.take_failure();
    }

    /// The plan of a statement on the tables of the moment.
    pub(crate) fn plan(&mut self, sql: &str) -> Result<Rc<Plan>, ShardError> {
        Ok(sql::plan(sql, &self.catalog, &mut self.plans)?)
    }

    /// Begins a transaction. The catalog's own tables are there before its first statement: the first savepoint of a
    /// database can be rolled back to.
    pub(crate) fn begin(&mut self, stamp: Stamp) -> Result<(), ShardError> {
        self.store.discard();
        self.run_sql("BEGIN IMMEDIATE")?;
        self.collector.begin(stamp.lsn, stamp.at, self.catalog.clone());
        if self.catalog.tables().next().is_none() {
            Catalog::install(&self.connections.writer).map_err(|error| self.explain(error))?;
        }
        Ok(())
    }

    /// True if no transaction is open and the catalog is that of the last one: another can begin.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.knows_catalog && self.connections.writer.is_autocommit()
    }

    /// Undoes the open transaction.
    pub(crate) fn roll_back(&mut self) -> Result<(), ShardError> {
        // SQLite has already rolled back after some errors, such as a full disk; there is nothing left to undo then.
        if !self.connections.writer.is_autocommit() {
            self.run_sql("ROLLBACK")?;
        }
        self.store.discard();
        self.collector.finish();
        self.reload_catalog()
    }

    /// Reads the catalog, which a database has from its first transaction on.
    fn reload_catalog(&mut self) -> Result<(), ShardError> {
        self.knows_catalog = false;
        let writer = &self.connections.writer;
        let loaded = match Catalog::is_installed(writer) {
            Ok(true) => Catalog::load(writer),
            Ok(false) => Ok(Catalog::default()),
            Err(error) => Err(error),
        };
        self.catalog = loaded.map_err(|error| self.explain(error))?;
        self.knows_catalog = true;
        Ok(())
    }

    /// Runs a statement of ours on the writing connection.
    pub(crate) fn run_sql(&self, sql: &str) -> Result<(), ShardError> {
        self.connections.writer.execute_batch(sql).map_err(|error| self.explain_sqlite(error))
    }

    /// The error of a statement, or what lies behind it: storage and the budget speak through SQLite's codes.
    pub(crate) fn explain(&self, error: SqlError) -> ShardError {
        self.cause().unwrap_or(ShardError::Sql(error))
    }

    /// The same for an error of SQLite.
    pub(crate) fn explain_sqlite(&self, error: rusqlite::Error) -> ShardError {
        self.cause().unwrap_or_else(|| match error.sqlite_error_code() {
            // A constraint that is checked at the end of the transaction.
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                let message = "a row violates a foreign key constraint";
                ShardError::Sql(SqlError::new(sqlstate::FOREIGN_KEY_VIOLATION, message))
            }
            _ => ShardError::Sql(sqlite_error("SQLite", &error)),
        })
    }

    /// Why nothing of the open transaction may stay, whatever SQLite says.
    pub(crate) fn cause(&self) -> Option<ShardError> {
        if let Some(failure) = self.store.take_failure() {
            return Some(match failure {
                PageError::TooManyDirtyPages => ShardError::TooLarge(failure.to_string()),
                PageError::Storage(error) => error.into(),
                PageError::Unreadable(error) => ShardError::Open(error),
            });
        }
        if let Err(error) = self.collector.check() {
            return Some(collect_error(error));
        }
        self.environment.budget().is_spent().then_some(ShardError::OutOfSteps)
    }
}

#[cfg(test)]
mod tests {
    use lake_api::scope::Access;
    use lake_cdc::{Lsn, Micros, TimelineId};
    use lake_host::WriteBatch;
    use lake_test_host::MemoryStorage;

    use super::*;
    use crate::Shard;
    use crate::page_store::{Committed, Sealed};
    use crate::request::{Request, Statement};
    use crate::storage::counted::CountedStorage;
    use crate::storage::keys::BranchId;
    use crate::transaction;

    fn open() -> Engine {
        let counted = Rc::new(CountedStorage::new(MemoryStorage::new()));
        Engine::open(Rc::new(PageStore::open(counted, BranchId::MAIN).expect("opens"))).expect("opens")
    }

    #[test]
    fn a_statement_that_has_ended_without_steps_for_its_comparisons_is_refused() {
        let mut engine = open();
        let documents = (0..16).map(|index| format!("('[\"{}\", {index}]')", "x".repeat(8_000))).collect::<Vec<_>>();
        let mut outcome = |steps: u64| {
            let rows = documents.join(",");
            let statements = [
                "CREATE TABLE j (a jsonb)".to_owned(),
                format!("INSERT INTO j VALUES {rows}"),
                "SELECT length(CAST(a AS text)) FROM j ORDER BY a".to_owned(),
            ];
            let statements = statements.map(|sql| Statement { sql, params: Vec::new() });
            engine.prepare(1, &[0; 32]);
            engine.environment.budget().grant_steps(steps);
            let stamp = Stamp { lsn: Lsn::FIRST, at: Micros(1) };
            let ran = transaction::run(&mut engine, &Request::List(statements.into()), stamp);
            engine.roll_back().expect("rolls back");
            ran.map(|_| ())
        };
        assert_eq!(outcome(1_000_000), Ok(()));
        let least = (1..100).find(|thousands| outcome(thousands * 1_000).is_ok()).expect("some are enough");
        for thousands in 0..least {
            assert_eq!(outcome(thousands * 1_000), Err(ShardError::OutOfSteps), "{thousands} of {least}");
        }
    }

    #[test]
    fn a_file_that_was_begun_without_a_catalog_gets_one() {
        let storage = MemoryStorage::new();
        let counted = Rc::new(CountedStorage::new(storage.clone()));
        let engine = Engine::open(Rc::new(PageStore::open(counted, BranchId::MAIN).expect("opens"))).expect("opens");
        engine.run_sql("BEGIN IMMEDIATE; COMMIT").expect("begins the file");
        let sealed = Sealed { stamp: Micros(1), record: Vec::new(), extra: WriteBatch::new() };
        assert_eq!(engine.store.commit(sealed).expect("commits"), Committed::Written);
        drop(engine);
        let mut shard = Shard::open(storage, "shop", Micros(2), [0; 32]).expect("opens");
        let mut send = |sql: &str| {
            let body = format!("{{\"sql\": \"{sql}\"}}");
            shard.sql(body.as_bytes(), None, Access::Write, TimelineId([2; 16]), Micros(2), [0; 32])
        };
        send("SELECT 1").expect("reads");
        send("CREATE TABLE t (id bigint)").expect("creates");
        send("INSERT INTO t VALUES (1)").expect("inserts");
    }
}
