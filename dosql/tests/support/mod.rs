//! A session on one plain connection: the SQL front without the shard around it.

use lake_api::answer::{AnswerColumn, RowWriter};
use lake_dialect::SqlError;
use lake_dosql::schema::Catalog;
use lake_dosql::sql::{Environment, PlanCache, Run, StatementKind, execute, plan, register_functions};
use rusqlite::Connection;
use serde_json::Value as Json;

/// 2025-01-14T00:00:00Z
pub(crate) const NOW: i64 = 1_736_812_800_000_000;

/// What a statement gave.
#[allow(dead_code)] // Each test file uses its part of this module.
pub(crate) struct Answer {
    pub(crate) columns: Vec<AnswerColumn>,
    pub(crate) rows: String,
    pub(crate) affected: Option<u64>,
    pub(crate) command: &'static str,
}

/// One connection and its catalog.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) catalog: Catalog,
    cache: PlanCache,
    environment: Environment,
}

impl Session {
    pub(crate) fn new() -> Session {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("a pragma");
        let environment = Environment::new();
        register_functions(&connection, &environment).expect("functions register");
        Catalog::install(&connection).expect("the catalog is made");
        let catalog = Catalog::load(&connection).expect("the catalog loads");
        Session { connection, catalog, cache: PlanCache::new(), environment }
    }

    /// Runs a statement in a transaction of its own.
    pub(crate) fn execute(&mut self, sql: &str, parameters: &[Json]) -> Result<Answer, SqlError> {
        self.connection.execute_batch("BEGIN").expect("BEGIN");
        self.environment.begin(NOW, 42);
        match self.execute_inside(sql, parameters) {
            Ok(answer) => {
                self.connection.execute_batch("COMMIT").expect("COMMIT");
                Ok(answer)
            }
            Err(error) => {
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK").expect("ROLLBACK");
                }
                self.catalog = Catalog::load(&self.connection).expect("the catalog loads");
                Err(error)
            }
        }
    }

    fn execute_inside(&mut self, sql: &str, parameters: &[Json]) -> Result<Answer, SqlError> {
        let plan = plan(sql, &self.catalog, &mut self.cache)?;
        if matches!(plan.kind(), StatementKind::Savepoint(_) | StatementKind::RollbackTo(_) | StatementKind::Release(_))
        {
            return Err(SqlError::new("0A000", "savepoints belong to the shard"));
        }
        let mut rows = RowWriter::new();
        let mut changed = None;
        let outcome = execute(
            &plan,
            &mut Run {
                connection: &self.connection,
                catalog: &self.catalog,
                parameters,
                environment: &self.environment,
                rows: &mut rows,
                schema_changed: &mut |catalog| changed = Some(catalog),
            },
        )?;
        if let Some(catalog) = changed {
            self.catalog = catalog;
        }
        let json = rows.finish(&outcome.columns, outcome.command, outcome.affected);
        let value: Json = serde_json::from_str(&(json + "}")).expect("an answer is JSON");
        Ok(Answer {
            columns: outcome.columns,
            rows: value["rows"].to_string(),
            affected: outcome.affected,
            command: outcome.command,
        })
    }

    /// The rows as JSON, or the SQLSTATE.
    #[allow(dead_code)] // Each test file uses its part of this module.
    pub(crate) fn rows(&mut self, sql: &str) -> String {
        match self.execute(sql, &[]) {
            Ok(answer) => answer.rows,
            Err(error) => format!("{}: {}", error.sqlstate, error.message),
        }
    }

    #[allow(dead_code)] // Each test file uses its part of this module.
    #[track_caller]
    pub(crate) fn run(&mut self, sql: &str) {
        if let Err(error) = self.execute(sql, &[]) {
            panic!("{sql}: {} {error}", error.sqlstate);
        }
    }
}
