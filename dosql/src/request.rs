//! The body of a SQL request: one statement, or a list that commits or rolls back as one.

use lake_api::limits::STATEMENTS_MAX;
use serde::Deserialize;
use serde_json::Value;

use crate::error::ShardError;

/// A statement with its parameters.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// Its text.
    pub(crate) sql: String,
    /// Its parameters in order.
    #[serde(default)]
    pub(crate) params: Vec<Value>,
}

/// A request.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// One statement; the answer is its result.
    One(Statement),
    /// Several; the answer is the list of their results.
    List(Vec<Statement>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sql: Option<String>,
    params: Option<Vec<Value>>,
    statements: Option<Vec<Statement>>,
}

impl Request {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Request, ShardError> {
        let body = serde_json::from_slice::<Body>(body)
            .map_err(|error| ShardError::Invalid(format!("the body is not a SQL request: {error}")))?;
        match (body.sql, body.params, body.statements) {
            (Some(sql), params, None) => Ok(Request::One(Statement { sql, params: params.unwrap_or_default() })),
            (None, None, Some(list)) if list.is_empty() => {
                Err(ShardError::Invalid("the list of statements is empty".to_owned()))
            }
            (None, None, Some(list)) if list.len() > STATEMENTS_MAX => {
                Err(ShardError::Invalid(format!("a list has at most {STATEMENTS_MAX} statements")))
            }
            (None, None, Some(list)) => Ok(Request::List(list)),
            _ => Err(ShardError::Invalid(
                "the body must have either \"sql\" (and \"params\") or \"statements\"".to_owned(),
            )),
        }
    }

    /// The statements.
    pub(crate) fn statements(&self) -> &[Statement] {
        match self {
            Request::One(statement) => std::slice::from_ref(statement),
            Request::List(statements) => statements,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<usize, &str>) {
        match (Request::parse(body.as_bytes()), expected) {
            (Ok(request), Ok(count)) => assert_eq!(request.statements().len(), count, "{body}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{body}: {error}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    }

    #[test]
    fn a_body_is_one_statement_or_a_list() {
        check(r#"{"sql": "SELECT 1"}"#, Ok(1));
        check(r#"{"sql": "SELECT $1", "params": [1]}"#, Ok(1));
        check(r#"{"statements": [{"sql": "SELECT 1"}, {"sql": "SELECT $1", "params": [null]}]}"#, Ok(2));
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        check("", Err("not a SQL request"));
        check("[]", Err("not a SQL request"));
        check("{}", Err("either"));
        check(r#"{"sql": "SELECT 1", "statements": []}"#, Err("either"));
        check(r#"{"statements": []}"#, Err("empty"));
        check(r#"{"statements": [], "params": [1]}"#, Err("either"));
        check(r#"{"sql": "SELECT 1", "parameters": []}"#, Err("parameters"));
        check(&format!(r#"{{"statements": [{}]}}"#, vec![r#"{"sql":"x"}"#; 1_001].join(",")), Err("at most"));
    }
}
