//! From a statement's text to a plan, kept by text and schema.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use lake_api::answer::AnswerColumn;
use lake_dialect::ast::{ObjectType, Statement};
use lake_dialect::{SqlError, fold, parse, sqlstate, unsupported_command};

use super::binder::{Binder, Binding, Clause};
use super::insert::InsertPlan;
use super::limits::{PLAN_BYTES_MAX, PLANS_MAX};
use super::pg_type::PgType;
use super::select::OutputColumn;
use crate::schema::{Catalog, Table};

/// What a statement does to its transaction, before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Reads only.
    Read,
    /// Changes rows.
    Write,
    /// Changes the schema.
    Definition,
    /// `SAVEPOINT name`
    Savepoint(String),
    /// `ROLLBACK TO name`
    RollbackTo(String),
    /// `RELEASE name`
    Release(String),
    /// An empty statement.
    Nothing,
}

/// A statement, ready to run under the schema it was planned for.
#[derive(Debug)]
pub struct Plan {
    pub(crate) body: PlanBody,
    /// Types of the parameters, text where nothing decided.
    pub(crate) parameters: Vec<PgType>,
    pub(crate) uses_sequences: bool,
    /// `SELECT … FOR UPDATE` and its like.
    pub(crate) locks_rows: bool,
}

/// Values of a prepared statement and where they come from.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sql: String,
    pub(crate) bindings: Vec<Binding>,
}

#[derive(Debug)]
pub(crate) enum PlanBody {
    Query {
        prepared: Prepared,
        outputs: Vec<OutputColumn>,
    },
    Insert(InsertPlan),
    /// UPDATE and DELETE.
    Modify {
        command: &'static str,
        table: Rc<Table>,
        prepared: Prepared,
        returning: Option<Vec<OutputColumn>>,
    },
    Truncate {
        tables: Vec<Rc<Table>>,
        restart_identity: bool,
    },
    Definition(Box<Statement>),
    Explain {
        prepared: Prepared,
    },
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    Nothing,
}

impl Plan {
    /// What the statement does to its transaction.
    pub fn kind(&self) -> StatementKind {
        match &self.body {
            // nextval() in a query writes the sequence.
            PlanBody::Query { .. } if self.uses_sequences => StatementKind::Write,
            PlanBody::Query { .. } | PlanBody::Explain { .. } => StatementKind::Read,
            PlanBody::Insert(_) | PlanBody::Modify { .. } | PlanBody::Truncate { .. } => StatementKind::Write,
            PlanBody::Definition(_) => StatementKind::Definition,
            PlanBody::Savepoint(name) => StatementKind::Savepoint(name.clone()),
            PlanBody::RollbackTo(name) => StatementKind::RollbackTo(name.clone()),
            PlanBody::Release(name) => StatementKind::Release(name.clone()),
            PlanBody::Nothing => StatementKind::Nothing,
        }
    }

    /// True if who may only read may run it. As in Postgres, that does not include locking the rows that are read.
    pub fn only_reads(&self) -> bool {
        match self.kind() {
            StatementKind::Write | StatementKind::Definition => false,
            StatementKind::Read => !self.locks_rows,
            StatementKind::Savepoint(_)
            | StatementKind::RollbackTo(_)
            | StatementKind::Release(_)
            | StatementKind::Nothing => true,
        }
    }

    /// How many parameters it needs.
    pub fn parameter_count(&self) -> usize {
        self.parameters.len()
    }
}

/// Plans by the text they were made from.
#[derive(Debug, Default)]
pub struct PlanCache {
    plans: HashMap<String, (u64, Rc<Plan>)>,
    /// Oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl PlanCache {
    /// No plans.
    pub fn new() -> PlanCache {
        PlanCache::default()
    }

    fn get(&self, sql: &str, fingerprint: u64) -> Option<Rc<Plan>> {
        self.plans.get(sql).filter(|(of, _)| *of == fingerprint).map(|(_, plan)| plan.clone())
    }

    fn put(&mut self, sql: &str, fingerprint: u64, plan: &Rc<Plan>) {
        if sql.len() > PLAN_BYTES_MAX / 4 {
            return;
        }
        if self.plans.insert(sql.to_owned(), (fingerprint, plan.clone())).is_none() {
            self.order.push_back(sql.to_owned());
            self.bytes += sql.len();
        }
        while self.order.len() > PLANS_MAX || self.bytes > PLAN_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= oldest.len();
            self.plans.remove(&oldest);
        }
    }
}

/// Parses and types one statement. The texts of a list come one by one: a text of several statements is refused.
pub fn plan(sql: &str, catalog: &Catalog, cache: &mut PlanCache) -> Result<Rc<Plan>, SqlError> {
    if let Some(plan) = cache.get(sql, catalog.fingerprint()) {
        return Ok(plan);
    }
    let (mut statements, parameter_count) = parse(sql)?;
    if statements.len() > 1 {
        return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement")
            .with_hint("Send them as a list of statements: {\"statements\": [{\"sql\": …}, …]}."));
    }
    let plan = match statements.pop() {
        None => Plan { body: PlanBody::Nothing, parameters: Vec::new(), uses_sequences: false, locks_rows: false },
        Some(statement) => plan_statement(statement, catalog, parameter_count)?,
    };
    let plan = Rc::new(plan);
    if !matches!(plan.body, PlanBody::Definition(_)) {
        cache.put(sql, catalog.fingerprint(), &plan);
    }
    Ok(plan)
}

fn plan_statement(statement: Statement, catalog: &Catalog, parameter_count: usize) -> Result<Plan, SqlError> {
    let mut binder = Binder::new(catalog, parameter_count);
    let body = match statement {
        Statement::Query(query) => {
            binder.clause = Clause::Output;
            let translated = binder.query(&query, None)?;
            PlanBody::Query { prepared: binder.prepared(translated.sql), outputs: translated.columns }
        }
        Statement::Insert(insert) => PlanBody::Insert(binder.insert(&insert)?),
        Statement::Update(update) => binder.update(&update)?,
        Statement::Delete(delete) => binder.delete(&delete)?,
        Statement::Truncate(truncate) => binder.truncate(&truncate)?,
        Statement::Savepoint { name } => PlanBody::Savepoint(fold(&name)),
        Statement::ReleaseSavepoint { name } => PlanBody::Release(fold(&name)),
        Statement::Rollback { chain: false, savepoint: Some(name) } => PlanBody::RollbackTo(fold(&name)),
        Statement::StartTransaction { .. } | Statement::Commit { .. } | Statement::Rollback { .. } => {
            return Err(SqlError::unsupported("BEGIN, COMMIT or ROLLBACK")
                .with_hint("A list of statements is one transaction: it commits at its end, or not at all."));
        }
        Statement::CreateTable(_) | Statement::AlterTable(_) | Statement::CreateIndex(_) => {
            PlanBody::Definition(Box::new(statement))
        }
        Statement::Drop { object_type: ObjectType::Table | ObjectType::Index, .. } => {
            PlanBody::Definition(Box::new(statement))
        }
        Statement::Explain { analyze: false, verbose: false, options: None, format: None, statement, .. } => {
            let Statement::Query(query) = statement.as_ref() else {
                return Err(SqlError::unsupported("EXPLAIN of a statement that writes"));
            };
            binder.clause = Clause::Output;
            let translated = binder.query(query, None)?;
            PlanBody::Explain { prepared: binder.prepared(format!("EXPLAIN QUERY PLAN {}", translated.sql)) }
        }
        Statement::Explain { .. } => return Err(SqlError::unsupported("EXPLAIN with options")),
        other => {
            let text = other.to_string();
            let first_words = || text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            return Err(SqlError::unsupported(unsupported_command(&text).unwrap_or_else(first_words)));
        }
    };
    let parameters = binder.parameters.into_iter().map(|ty| ty.unwrap_or(PgType::Text)).collect();
    Ok(Plan { body, parameters, uses_sequences: binder.uses_sequences, locks_rows: binder.locks_rows })
}

impl Binder<'_> {
    pub(crate) fn prepared(&mut self, sql: String) -> Prepared {
        Prepared { sql, bindings: std::mem::take(&mut self.bindings) }
    }
}

/// The columns of an answer.
pub(crate) fn answer_columns(outputs: &[OutputColumn]) -> Vec<AnswerColumn> {
    outputs.iter().map(|output| AnswerColumn { name: output.name.clone(), type_name: output.ty.name() }).collect()
}
