//! From text to statements.
//!
//! Postgres has `?`, `?|` and `?&` as operators on jsonb; drivers have `?` as a placeholder. Which one it is
//! follows from what stands before it: after an operand it is the operator, elsewhere a placeholder. Placeholders
//! are numbered here, so that everything behind this module sees `$n` only.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::bounded::BoundedDialect;
use crate::command;
use crate::depth::{self, is_constant};
use crate::error::SqlError;
use crate::limits::{PARAMETERS_MAX, RECURSION_MAX, SQL_BYTES_MAX};
use crate::size;
use crate::sqlstate;

/// Statements of a text, with `$1…` for every placeholder, and how many parameters they name.
pub fn parse(sql: &str) -> Result<(Vec<Statement>, usize), SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(SqlError::new(
            sqlstate::PROGRAM_LIMIT,
            format!("the statement is longer than {SQL_BYTES_MAX} bytes"),
        ));
    }
    if sql.contains('\0') {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    size::check_text(sql)?;
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| SqlError::new(sqlstate::SYNTAX_ERROR, format!("syntax error: {}", error.message)))?;
    size::check_tokens(&tokens)?;
    let count = number_placeholders(&mut tokens)?;
    depth::check(&tokens)?;
    let unsupported = command::unsupported_in(&tokens);
    let dialect = BoundedDialect::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens);
    let statements = parser.parse_statements().map_err(|error| match (error, unsupported) {
        _ if dialect.is_exhausted() => describe(ParserError::RecursionLimitExceeded),
        (ParserError::ParserError(_), Some(name)) => SqlError::unsupported(name),
        (error, _) => describe(error),
    })?;
    Ok((statements, count))
}

fn describe(error: ParserError) -> SqlError {
    match error {
        ParserError::RecursionLimitExceeded => {
            SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "the statement is nested too deeply")
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            SqlError::new(sqlstate::SYNTAX_ERROR, format!("syntax error: {message}"))
        }
    }
}

fn number_placeholders(tokens: &mut [TokenWithSpan]) -> Result<usize, SqlError> {
    let mut asked = 0usize;
    let mut greatest = 0usize;
    let mut after_operand = false;
    for token in tokens.iter_mut() {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::Question if !after_operand => {
                asked += 1;
                token.token = Token::Placeholder(format!("${asked}"));
                after_operand = true;
                continue;
            }
            Token::Placeholder(name) => {
                let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                match number {
                    Some(number) if (1..=PARAMETERS_MAX).contains(&number) => greatest = greatest.max(number),
                    _ => {
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_PARAMETER,
                            format!("there is no parameter {name}"),
                        ));
                    }
                }
            }
            _ => {}
        }
        after_operand = ends_operand(&token.token);
    }
    if asked > 0 && greatest > 0 {
        return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "a statement cannot have both ? and $n placeholders"));
    }
    if asked > PARAMETERS_MAX {
        return Err(SqlError::new(
            sqlstate::PROGRAM_LIMIT,
            format!("a statement has at most {PARAMETERS_MAX} parameters"),
        ));
    }
    Ok(asked.max(greatest))
}

fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_some() || !starts_operand(word.keyword),
        Token::RParen | Token::RBracket => true,
        token => is_constant(token),
    }
}

/// Keywords after which an expression begins.
fn starts_operand(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::DISTINCT
            | Keyword::ALL
            | Keyword::ANY
            | Keyword::SOME
            | Keyword::WHERE
            | Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::TO
            | Keyword::ESCAPE
            | Keyword::BETWEEN
            | Keyword::SYMMETRIC
            | Keyword::IS
            | Keyword::FROM
            | Keyword::CASE
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::ON
            | Keyword::USING
            | Keyword::HAVING
            | Keyword::BY
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH
            | Keyword::FIRST
            | Keyword::NEXT
            | Keyword::VALUES
            | Keyword::SET
            | Keyword::RETURNING
            | Keyword::INTERVAL
            | Keyword::AS
            | Keyword::DEFAULT
            | Keyword::CHECK
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
            | Keyword::ROWS
            | Keyword::RANGE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<&str, &str>) {
        let found = parse(sql).map(|(statements, _)| statements[0].to_string()).map_err(|error| error.sqlstate);
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{sql}");
    }

    #[test]
    fn a_question_mark_after_an_operand_is_the_operator() {
        check("SELECT a ? 'k'", Ok("SELECT a ? 'k'"));
        check("SELECT '{}'::jsonb ? ?", Ok("SELECT '{}'::JSONB ? $1"));
        check("SELECT (a) ? ?", Ok("SELECT (a) ? $1"));
        check("SELECT data ?| array['k']", Ok("SELECT data ?| ARRAY['k']"));
    }

    #[test]
    fn a_question_mark_elsewhere_is_the_next_placeholder() {
        check("SELECT ? + ? WHERE a = ?", Ok("SELECT $1 + $2 WHERE a = $3"));
        check("SELECT a FROM t WHERE a IN (?, ?) LIMIT ?", Ok("SELECT a FROM t WHERE a IN ($1, $2) LIMIT $3"));
        check("INSERT INTO t VALUES (?, ?)", Ok("INSERT INTO t VALUES ($1, $2)"));
    }

    #[test]
    fn both_kinds_of_placeholders_are_a_syntax_error() {
        check("SELECT ? + $1", Err("42601"));
        check("SELECT $0", Err("42P02"));
        check("SELECT $99999", Err("42P02"));
    }

    #[test]
    fn depth_and_length_have_their_own_errors() {
        check(&format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)), Err("54001"));
        check("SELEC 1", Err("42601"));
        check("SELECT 'a", Err("42601"));
    }
}
