//! Running a plan.

use std::collections::HashSet;

use lake_api::answer::{AnswerColumn, AnswerTooLarge, RowWriter};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};
use rusqlite::{Connection, Statement};
use serde_json::Value as Json;

use super::binder::Binding;
use super::environment::Environment;
use super::failure::Failure;
use super::input;
use super::insert::{Cell, InsertPlan, Rows};
use super::pg_type::PgType;
use super::plan::{Plan, PlanBody, Prepared, answer_columns};
use super::select::OutputColumn;
use crate::error::sqlite_error;
use crate::schema::{Catalog, Table};

/// What a statement did.
#[derive(Debug)]
pub struct Outcome {
    /// Columns of its rows; empty if it has none.
    pub columns: Vec<AnswerColumn>,
    /// How many rows it changed; `None` for a query, whose rows are counted as they are written.
    pub affected: Option<u64>,
    /// Its command tag without counts: `SELECT`, `INSERT`, `CREATE TABLE`.
    pub command: &'static str,
}

/// Where a plan runs.
pub struct Run<'r> {
    /// The connection, inside of a transaction.
    pub connection: &'r Connection,
    /// The schema the plan was made for.
    pub catalog: &'r Catalog,
    /// Parameters as JSON.
    pub parameters: &'r [Json],
    /// The same that the connection's functions have.
    pub environment: &'r Environment,
    /// Takes the rows.
    pub rows: &'r mut RowWriter,
    /// Told of a changed schema, before any row is changed for it: rows that follow have the new columns.
    pub schema_changed: &'r mut dyn FnMut(Catalog),
}

/// Runs a plan. Savepoints are not run here: they are the caller's, together with its change log.
pub fn execute(plan: &Plan, run: &mut Run<'_>) -> Result<Outcome, SqlError> {
    if run.parameters.len() != plan.parameters.len() {
        return Err(SqlError::new(
            "08P01",
            format!(
                "bind message supplies {} parameters, but prepared statement requires {}",
                run.parameters.len(),
                plan.parameters.len()
            ),
        ));
    }
    if plan.uses_sequences {
        run.environment.load_sequences(run.connection)?;
    }
    let outcome = execute_body(plan, run)?;
    if plan.uses_sequences {
        run.environment.store_sequences(run.connection)?;
    }
    Ok(outcome)
}

fn execute_body(plan: &Plan, run: &mut Run<'_>) -> Result<Outcome, SqlError> {
    match &plan.body {
        PlanBody::Query { prepared, outputs } => {
            let failure = Failure::of_query(run.catalog);
            let mut statement = bound(prepared, plan, run, &failure)?;
            write_rows(&mut statement, outputs, 0, run.rows, &failure, &mut |_| Ok(()))?;
            Ok(Outcome { columns: answer_columns(outputs), affected: None, command: "SELECT" })
        }
        PlanBody::Insert(insert) => execute_insert(insert, plan, run),
        PlanBody::Modify { command, table, prepared, returning } => {
            let failure = Failure::of_write(run.catalog, table, command);
            let mut statement = bound(prepared, plan, run, &failure)?;
            let outputs = returning.as_deref().unwrap_or_default();
            write_rows(&mut statement, outputs, 0, run.rows, &failure, &mut |_| Ok(()))?;
            drop(statement);
            Ok(Outcome { columns: answer_columns(outputs), affected: Some(run.connection.changes()), command })
        }
        PlanBody::Truncate { tables, restart_identity } => {
            for table in tables {
                let failure = Failure::of_write(run.catalog, table, "TRUNCATE");
                run.connection
                    .execute(&format!("DELETE FROM {}", table.sqlite_name()), [])
                    .map_err(|error| failure.explain(error))?;
                if *restart_identity {
                    restart(table, run)?;
                }
            }
            Ok(Outcome { columns: Vec::new(), affected: Some(0), command: "TRUNCATE TABLE" })
        }
        PlanBody::Definition(statement) => {
            let command = super::ddl::define(statement, run)?;
            Ok(Outcome { columns: Vec::new(), affected: Some(0), command })
        }
        PlanBody::Explain { prepared } => {
            let failure = Failure::of_query(run.catalog);
            let mut statement = bound(prepared, plan, run, &failure)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|error| failure.explain(error))? {
                run.rows.begin_row();
                run.rows.text(row.get_ref(3).ok().and_then(|text| text.as_str().ok()).unwrap_or(""));
                run.rows.end_row().map_err(too_large)?;
            }
            let columns = vec![AnswerColumn { name: "QUERY PLAN".to_owned(), type_name: "text".to_owned() }];
            Ok(Outcome { columns, affected: None, command: "EXPLAIN" })
        }
        PlanBody::Savepoint(_) => Ok(Outcome { columns: Vec::new(), affected: Some(0), command: "SAVEPOINT" }),
        PlanBody::RollbackTo(_) => Ok(Outcome { columns: Vec::new(), affected: Some(0), command: "ROLLBACK" }),
        PlanBody::Release(_) => Ok(Outcome { columns: Vec::new(), affected: Some(0), command: "RELEASE" }),
        PlanBody::Nothing => Ok(Outcome { columns: Vec::new(), affected: Some(0), command: "" }),
    }
}

fn too_large(error: AnswerTooLarge) -> SqlError {
    SqlError::new(sqlstate::PROGRAM_LIMIT, error.to_string()).with_hint("Ask for fewer rows, with LIMIT and OFFSET.")
}

fn restart(table: &Table, run: &Run<'_>) -> Result<(), SqlError> {
    for identity in table.columns.iter().filter_map(|column| column.identity.as_ref()) {
        run.connection
            .execute("UPDATE _lake_sequence SET next_value = 1 WHERE name = ?1", [&identity.sequence])
            .map_err(|error| sqlite_error("sequences", &error))?;
    }
    Ok(())
}

/// The values of SQLite's parameters, but for cells.
fn bind_all(
    statement: &mut Statement<'_>,
    prepared: &Prepared,
    plan: &Plan,
    parameters: &[Json],
    failure: &Failure<'_>,
) -> Result<(), SqlError> {
    for (index, binding) in prepared.bindings.iter().enumerate() {
        let value = match binding {
            Binding::Constant(value) => value.clone(),
            Binding::Parameter(number) => {
                let ty = plan.parameters.get(*number).unwrap_or(&PgType::Text);
                input::parameter(ty, parameters.get(*number).unwrap_or(&Json::Null))?
            }
            Binding::Cell(_) => continue,
        };
        statement.raw_bind_parameter(index + 1, value).map_err(|error| failure.explain(error))?;
    }
    Ok(())
}

fn bound<'c>(
    prepared: &Prepared,
    plan: &Plan,
    run: &Run<'c>,
    failure: &Failure<'_>,
) -> Result<Statement<'c>, SqlError> {
    let mut statement = run.connection.prepare(&prepared.sql).map_err(|error| failure.explain(error))?;
    bind_all(&mut statement, prepared, plan, run.parameters, failure)?;
    Ok(statement)
}

/// Steps a statement to its end and writes its rows, the first `skipped` columns apart, which `look` gets.
fn write_rows(
    statement: &mut Statement<'_>,
    outputs: &[OutputColumn],
    skipped: usize,
    writer: &mut RowWriter,
    failure: &Failure<'_>,
    look: &mut dyn FnMut(ValueRef<'_>) -> Result<(), SqlError>,
) -> Result<u64, SqlError> {
    let mut rows = statement.raw_query();
    let mut count = 0;
    while let Some(row) = rows.next().map_err(|error| failure.explain(error))? {
        count += 1;
        if skipped > 0 {
            look(row.get_ref(0).map_err(|error| failure.explain(error))?)?;
        }
        if outputs.is_empty() {
            continue;
        }
        writer.begin_row();
        for (index, output) in outputs.iter().enumerate() {
            let value = row.get_ref(index + skipped).map_err(|error| failure.explain(error))?;
            super::output::write(writer, value, &output.ty).map_err(too_large)?;
        }
        writer.end_row().map_err(too_large)?;
    }
    Ok(count)
}

fn execute_insert(insert: &InsertPlan, plan: &Plan, run: &mut Run<'_>) -> Result<Outcome, SqlError> {
    let failure = Failure::of_write(run.catalog, &insert.table, "INSERT");
    let mut statement = bound(&insert.prepared, plan, run, &failure)?;
    let outputs = insert.returning.as_deref().unwrap_or_default();
    let mut touched = HashSet::new();
    let mut look = |rowid: ValueRef<'_>| match rowid {
        ValueRef::Integer(rowid) if !touched.insert(rowid) => Err(SqlError::new(
            sqlstate::CARDINALITY_VIOLATION,
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        )
        .with_hint(
            "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
        )),
        _ => Ok(()),
    };
    let skipped = usize::from(insert.updates_on_conflict);
    let mut affected = 0;
    match &insert.rows {
        Rows::InStatement => {
            write_rows(&mut statement, outputs, skipped, run.rows, &failure, &mut look)?;
            affected = run.connection.changes();
        }
        Rows::Cells { slots, cells } => {
            // Where SQLite has each slot.
            let places = (0..slots.len())
                .map(|slot| {
                    insert.prepared.bindings.iter().position(|b| *b == Binding::Cell(slot)).map_or(0, |at| at + 1)
                })
                .collect::<Vec<_>>();
            let has_rows = insert.returning.is_some() || insert.updates_on_conflict;
            let row_count = if slots.is_empty() { 1 } else { cells.len() / slots.len() };
            for row in 0..row_count {
                for (index, slot) in slots.iter().enumerate() {
                    let value = match &cells[row * slots.len() + index] {
                        Cell::Constant(value) => value.clone(),
                        Cell::Parameter(number) => {
                            let json = run.parameters.get(*number).unwrap_or(&Json::Null);
                            input::to_sqlite(input::column_value(&slot.column_type, json)?)
                        }
                    };
                    if slot.is_rowid && value == SqliteValue::Null {
                        return Err(super::failure::not_null(&slot.name, &insert.table.name));
                    }
                    statement.raw_bind_parameter(places[index], value).map_err(|error| failure.explain(error))?;
                }
                if has_rows {
                    write_rows(&mut statement, outputs, skipped, run.rows, &failure, &mut look)?;
                    affected += run.connection.changes();
                } else {
                    affected += statement.raw_execute().map_err(|error| failure.explain(error))? as u64;
                }
            }
        }
    }
    drop(statement);
    Ok(Outcome { columns: answer_columns(outputs), affected: Some(affected), command: "INSERT" })
}
