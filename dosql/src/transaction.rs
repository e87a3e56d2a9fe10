//! Runs the statements of one request as one transaction: all of them, or nothing.
//!
//! The collector is marked at each savepoint and cut back when that is rolled back to, so the change record is always
//! what the pages are. Once SQLite has committed to the page store, the store writes the record with the pages.

use std::rc::Rc;

use lake_api::answer::RowWriter;
use lake_api::limits::ANSWER_BYTES_MAX;
use lake_cdc::{Lsn, Micros};
use lake_dialect::{SqlError, sqlstate};
use lake_host::{StorageError, WriteBatch};

use crate::answer::Answer;
use crate::collector::{CollectError, Mark};
use crate::engine::Engine;
use crate::error::ShardError;
use crate::page_store::{Committed, PageError, Sealed};
use crate::request::{Request, Statement};
use crate::schema::Catalog;
use crate::sql::{self, Outcome, Plan, Run, StatementKind};

/// Position and time that a transaction will have if it writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Its lsn.
    pub(crate) lsn: Lsn,
    /// Its stamp.
    pub(crate) at: Micros,
}

/// A transaction that ran and is not committed yet.
pub(crate) struct Ran {
    /// What its statements answered.
    pub(crate) answer: Answer,
    /// True if one of them may have written.
    pub(crate) has_written: bool,
    record: Vec<u8>,
}

struct Savepoint {
    name: String,
    mark: Mark,
    catalog: Catalog,
}

/// Answers a request whose statements only read, with their plans in order, on the connection that cannot write.
///
/// Nothing commits in between, so all of them see one state, and savepoints are names only.
pub(crate) fn read(engine: &Engine, request: &Request, plans: &[Rc<Plan>]) -> Result<Answer, ShardError> {
    let mut answer = Answer::new(matches!(request, Request::List(_)));
    let mut savepoints: Vec<String> = Vec::new();
    for (statement, plan) in request.statements().iter().zip(plans) {
        let mut rows = RowWriter::with_room(ANSWER_BYTES_MAX.saturating_sub(answer.len()));
        match plan.kind() {
            StatementKind::Savepoint(name) => savepoints.push(name),
            StatementKind::RollbackTo(name) => {
                let index = find_savepoint(savepoints.iter().map(String::as_str), &name)?;
                savepoints.truncate(index + 1);
            }
            StatementKind::Release(name) => {
                let index = find_savepoint(savepoints.iter().map(String::as_str), &name)?;
                savepoints.truncate(index);
            }
            StatementKind::Read | StatementKind::Write | StatementKind::Definition | StatementKind::Nothing => {}
        }
        let mut run = Run {
            connection: &engine.connections.reader,
            catalog: &engine.catalog,
            parameters: &statement.params,
            environment: &engine.environment,
            rows: &mut rows,
            schema_changed: &mut |_| {},
        };
        let outcome = sql::execute(plan, &mut run);
        if let Some(cause) = engine.cause() {
            return Err(cause);
        }
        let outcome = outcome?;
        answer.push(rows, outcome);
    }
    Ok(answer)
}

/// Runs a request up to its commit. On an error everything is rolled back.
pub(crate) fn run(engine: &mut Engine, request: &Request, stamp: Stamp) -> Result<Ran, ShardError> {
    match engine.begin(stamp).and_then(|()| run_statements(engine, request)) {
        Ok((answer, has_written)) => {
            let record = engine.collector.finish();
            Ok(Ran { answer, has_written, record })
        }
        Err(error) => {
            engine.roll_back()?;
            Err(error)
        }
    }
}

fn run_statements(engine: &mut Engine, request: &Request) -> Result<(Answer, bool), ShardError> {
    let mut answer = Answer::new(matches!(request, Request::List(_)));
    let mut savepoints = Vec::new();
    let mut has_written = false;
    for statement in request.statements() {
        let plan = engine.plan(&statement.sql)?;
        let mut rows = RowWriter::with_room(ANSWER_BYTES_MAX.saturating_sub(answer.len()));
        let kind = plan.kind();
        let outcome = match &kind {
            StatementKind::Savepoint(name) => set_savepoint(engine, name, &mut savepoints)?,
            StatementKind::RollbackTo(name) => roll_back_to(engine, name, &mut savepoints)?,
            StatementKind::Release(name) => release(engine, name, &mut savepoints)?,
            StatementKind::Write | StatementKind::Definition => {
                has_written = true;
                run_statement(engine, &plan, statement, &mut rows)?
            }
            StatementKind::Read | StatementKind::Nothing => run_statement(engine, &plan, statement, &mut rows)?,
        };
        answer.push(rows, outcome);
    }
    Ok((answer, has_written))
}

fn run_statement(
    engine: &mut Engine,
    plan: &Plan,
    statement: &Statement,
    rows: &mut RowWriter,
) -> Result<Outcome, ShardError> {
    let collector = Rc::clone(&engine.collector);
    let mut changed = None;
    let mut run = Run {
        connection: &engine.connections.writer,
        catalog: &engine.catalog,
        parameters: &statement.params,
        environment: &engine.environment,
        rows,
        schema_changed: &mut |catalog: Catalog| {
            collector.schema_changed(catalog.clone());
            changed = Some(catalog);
        },
    };
    let outcome = sql::execute(plan, &mut run);
    if let Some(cause) = engine.cause() {
        return Err(cause);
    }
    let outcome = outcome?;
    if let Some(catalog) = changed {
        engine.catalog = catalog;
    }
    Ok(outcome)
}

fn find_savepoint<'n>(
    mut names: impl DoubleEndedIterator<Item = &'n str> + ExactSizeIterator,
    name: &str,
) -> Result<usize, ShardError> {
    names.rposition(|savepoint| savepoint == name).ok_or_else(|| {
        SqlError::new(sqlstate::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist")).into()
    })
}

fn done(command: &'static str) -> Outcome {
    Outcome { columns: Vec::new(), affected: Some(0), command }
}

/// What SQLite knows a savepoint by: names that differ in case alone would be one to it, and are two to Postgres.
fn sqlite_name(depth: usize) -> String {
    format!("s{depth}")
}

fn set_savepoint(engine: &Engine, name: &str, savepoints: &mut Vec<Savepoint>) -> Result<Outcome, ShardError> {
    engine.run_sql(&format!("SAVEPOINT {}", sqlite_name(savepoints.len())))?;
    let (mark, catalog) = (engine.collector.mark(), engine.catalog.clone());
    savepoints.push(Savepoint { name: name.to_owned(), mark, catalog });
    Ok(done("SAVEPOINT"))
}

fn roll_back_to(engine: &mut Engine, name: &str, savepoints: &mut Vec<Savepoint>) -> Result<Outcome, ShardError> {
    let index = find_savepoint(savepoints.iter().map(|savepoint| savepoint.name.as_str()), name)?;
    engine.run_sql(&format!("ROLLBACK TO {}", sqlite_name(index)))?;
    // The savepoint itself stays, as in Postgres.
    savepoints.truncate(index + 1);
    if let Some(savepoint) = savepoints.last() {
        engine.catalog = savepoint.catalog.clone();
        engine.collector.cut_back(savepoint.mark, savepoint.catalog.clone());
    }
    Ok(done("ROLLBACK"))
}

fn release(engine: &Engine, name: &str, savepoints: &mut Vec<Savepoint>) -> Result<Outcome, ShardError> {
    let index = find_savepoint(savepoints.iter().map(|savepoint| savepoint.name.as_str()), name)?;
    engine.run_sql(&format!("RELEASE {}", sqlite_name(index)))?;
    savepoints.truncate(index);
    Ok(done("RELEASE"))
}

/// Commits what ran, with `extra` in the same batch.
pub(crate) fn commit(
    engine: &mut Engine,
    ran: &mut Ran,
    stamp: Stamp,
    extra: WriteBatch,
) -> Result<Committed, CommitError> {
    if !ran.has_written {
        // SQLite begins a file with its first transaction, whatever that is: reading makes no database.
        return engine.roll_back().map(|()| Committed::Nothing).map_err(CommitError::RolledBack);
    }
    let record = std::mem::take(&mut ran.record);
    let failure = match engine.connections.writer.execute_batch("COMMIT") {
        Ok(()) => engine.cause(),
        Err(error) => Some(engine.explain_sqlite(error)),
    };
    if let Some(error) = failure {
        return Err(CommitError::RolledBack(error));
    }
    engine.store.commit(Sealed { stamp: stamp.at, record, extra }).map_err(|error| match error {
        PageError::Storage(StorageError::Full) => CommitError::RolledBack(ShardError::Full),
        error => CommitError::Unknown(error.to_string()),
    })
}

/// Why a commit failed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing was written. What is in memory has to be dropped.
    RolledBack(ShardError),
    /// Storage has to be read to know.
    Unknown(String),
}

pub(crate) fn collect_error(error: CollectError) -> ShardError {
    match error {
        CollectError::TooLarge | CollectError::TooManyChanges | CollectError::TooManyTables => {
            ShardError::TooLarge(error.to_string())
        }
        CollectError::OutOfMemory => ShardError::Sql(SqlError::new(sqlstate::OUT_OF_MEMORY, error.to_string())),
        CollectError::Row { .. } => ShardError::Internal(error.to_string()),
    }
}
