//! From text to the one SELECT that it must be.

use lake_api::{ApiError, ErrorCode};
use lake_dialect::ast::{Query, SetExpr, Statement};

use super::versions;
use crate::error::from_dialect;

/// A statement that may run here.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) query: Box<Query>,
    /// True for EXPLAIN.
    pub(crate) explain: bool,
    /// How many parameters it names.
    pub(crate) parameter_count: usize,
    /// Versions of tables that the text names, by the number that stands in the table's name.
    pub(crate) versions: Vec<versions::Version>,
}

/// Reads one query.
pub(crate) fn read(sql: &str) -> Result<Read, ApiError> {
    let (sql, versions) = versions::extract(sql)?;
    let (mut statements, parameter_count) = lake_dialect::parse(&sql).map_err(from_dialect)?;
    let statement = match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => statement,
        (None, _) => return Err(sql_error("42601", "there is no statement")),
        (Some(_), false) => return Err(sql_error("42601", "one statement at a time")),
    };
    let (query, explain) = match statement {
        Statement::Query(query) => (query, false),
        Statement::Explain { statement, analyze: false, verbose: false, format: None, .. } => match *statement {
            Statement::Query(query) => (query, true),
            other => return Err(refused(&other)),
        },
        other => return Err(refused(&other)),
    };
    check_reads(&query.body)?;
    if let Some(with) = &query.with {
        for table in &with.cte_tables {
            check_reads(&table.query.body)?;
        }
    }
    if !query.locks.is_empty() {
        return Err(sql_error("0A000", "FOR UPDATE and FOR SHARE are not supported on the lake"));
    }
    Ok(Read { query, explain, parameter_count, versions })
}

fn check_reads(body: &SetExpr) -> Result<(), ApiError> {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => Err(read_only("this")),
        SetExpr::Select(select) if select.into.is_some() => Err(read_only("SELECT INTO")),
        SetExpr::SetOperation { left, right, .. } => {
            check_reads(left)?;
            check_reads(right)
        }
        SetExpr::Query(query) => check_reads(&query.body),
        _ => Ok(()),
    }
}

fn refused(statement: &Statement) -> ApiError {
    let text = statement.to_string();
    let verb = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match verb.as_str() {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "CREATE" | "ALTER" | "DROP" | "COPY" | "GRANT"
        | "REVOKE" => read_only(&verb),
        _ => sql_error("0A000", format!("{verb} is not supported on the lake")),
    }
}

fn read_only(what: &str) -> ApiError {
    sql_error("25006", format!("cannot execute {what} in a read-only transaction"))
        .hint("write through a database: POST /v1/databases/{database}/sql")
}

pub(crate) fn sql_error(state: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Sql(state), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<bool, &str>) {
        let found = read(sql).map(|read| read.explain).map_err(|error| error.code.name());
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn only_one_query_may_run() {
        check("SELECT 1", Ok(false));
        check("EXPLAIN SELECT 1", Ok(true));
        check("VALUES (1), (2)", Ok(false));
        check("SELECT 1; SELECT 2", Err("42601"));
        check("", Err("42601"));
        check("SELEC 1", Err("42601"));
    }

    #[test]
    fn what_writes_is_refused_as_in_a_read_only_transaction() {
        for sql in [
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "TRUNCATE t",
            "CREATE TABLE t (a int)",
            "DROP TABLE t",
            "SELECT 1 INTO t",
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        ] {
            check(sql, Err("25006"));
        }
        check("SET x = 1", Err("0A000"));
        check("SELECT a FROM t FOR UPDATE", Err("0A000"));
    }
}
