//! What a shard needs to run SQL: connections, catalog, plans, and who watches them.
//!
//! Made at the first statement and dropped whole when a commit fails: what is in memory is then not what is stored.

use std::rc::Rc;

use lake_dialect::{SqlError, sqlstate};

use crate::budget::StepBudget;
use crate::collector::Collector;
use crate::connections::Connections;
use crate::error::ShardError;
use crate::limits::STEPS_MAX;
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
    budget: StepBudget,
}

impl Engine {
    /// Opens SQLite on the pages of a shard.
    pub(crate) fn open(store: Rc<PageStore>) -> Result<Engine, OpenError> {
        let budget = StepBudget::default();
        budget.grant(STEPS_MAX);
        let collector = Rc::new(Collector::new(budget.clone()));
        let mut connections = Connections::open(Rc::clone(&store), Rc::<Collector>::clone(&collector))?;
        let environment = Environment::new();
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
            budget,
        };
        engine.reload_catalog().map_err(|error| OpenError::Engine(error.to_string()))?;
        Ok(engine)
    }

    /// Begins a request: its time, randomness and budget.
    pub(crate) fn prepare(&mut self, now_micros: i64, seed: &[u8; 32]) {
        let mut word = [0; 8];
        word.copy_from_slice(&seed[..8]);
        self.environment.begin(now_micros, u64::from_le_bytes(word));
        self.connections.set_environment(now_micros, seed);
        self.budget.grant(STEPS_MAX);
    }

    /// The plan of a statement on the tables of the moment.
    pub(crate) fn plan(&mut self, sql: &str) -> Result<Rc<Plan>, ShardError> {
        Ok(sql::plan(sql, &self.catalog, &mut self.plans)?)
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, stamp: Stamp) -> Result<(), ShardError> {
        self.run_sql("BEGIN IMMEDIATE")?;
        self.collector.begin(stamp.lsn, stamp.at, self.catalog.clone());
        Ok(())
    }

    /// True if no transaction is open.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.connections.writer.is_autocommit()
    }

    /// Undoes the open transaction.
    pub(crate) fn roll_back(&mut self) -> Result<(), ShardError> {
        // SQLite has already rolled back after some errors, such as a full disk; there is nothing left to undo then.
        if !self.is_at_rest() {
            self.run_sql("ROLLBACK")?;
        }
        self.store.discard();
        self.collector.finish();
        self.reload_catalog()
    }

    /// Makes the catalog's own tables in a database that has none.
    pub(crate) fn install_catalog(&self) -> Result<(), ShardError> {
        if self.store.committed().page_count == 0 {
            Catalog::install(&self.connections.writer).map_err(|error| self.explain(error))?;
        }
        Ok(())
    }

    /// Reads the catalog as the open transaction sees it.
    pub(crate) fn reload_catalog(&mut self) -> Result<(), ShardError> {
        self.catalog =
            if self.store.page_count(crate::page_store::View::Writer) == 0 && self.connections.writer.is_autocommit() {
                Catalog::default()
            } else {
                Catalog::load(&self.connections.writer).map_err(|error| self.explain(error))?
            };
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
            _ => ShardError::Internal(format!("SQLite: {error}")),
        })
    }

    fn cause(&self) -> Option<ShardError> {
        if let Some(failure) = self.store.take_failure() {
            return Some(match failure {
                PageError::TooManyDirtyPages => ShardError::TooLarge(failure.to_string()),
                PageError::Storage(error) => error.into(),
                PageError::Unreadable(error) => ShardError::Open(error),
                PageError::NotSealed => ShardError::Internal(failure.to_string()),
            });
        }
        if let Err(error) = self.collector.check() {
            return Some(collect_error(error));
        }
        self.budget.is_spent().then_some(ShardError::OutOfSteps)
    }
}
