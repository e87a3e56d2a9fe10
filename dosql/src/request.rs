//! The body of a SQL request: one statement, or a list that commits or rolls back as one.

use lake_api::limits::STATEMENTS_MAX;
use serde::Deserialize;
use serde_json::Value;

use crate::error::ShardError;
use crate::limits::REQUEST_VALUES_MAX;

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
        if value_count(body) > REQUEST_VALUES_MAX {
            return Err(ShardError::TooLarge(format!("a request has at most {REQUEST_VALUES_MAX} values")));
        }
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

/// How many values JSON has at most: one more than its commas outside of strings. Counted before parsing, because
/// two bytes of text become many of memory.
fn value_count(json: &[u8]) -> usize {
    let mut count = 1;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' => count += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
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
    fn commas_count_outside_of_strings_only() {
        assert_eq!(value_count(br#"{"sql": "a,b\",c", "params": [1, "\\", 2]}"#), 4);
        assert_eq!(value_count(b"\"\\"), 1);
    }

    #[test]
    fn a_body_of_too_many_values_is_refused_before_it_is_parsed() {
        let params = vec!["1"; REQUEST_VALUES_MAX + 1].join(",");
        check(&format!(r#"{{"sql": "x", "params": [{params}]}}"#), Err("at most"));
        let text = ",".repeat(REQUEST_VALUES_MAX + 1);
        check(&format!(r#"{{"sql": "x", "params": ["{text}"]}}"#), Ok(1));
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
