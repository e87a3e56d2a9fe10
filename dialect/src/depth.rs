//! How deep the tree of a statement will be, found out in its tokens, before there is a tree.
//!
//! The parser's own limit is about brackets and subqueries. Operators it chains in a loop: `1 + 1 + …` becomes a tree as
//! deep as it has operators, which translators, planner and even the destructor walk by recursion. On wasm an overflow
//! of the stack ends every object of the isolate, so such a text is refused while it is still flat.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::SqlError;
use crate::limits::{EXPRESSION_DEPTH_MAX, SET_OPERATIONS_MAX};
use crate::sqlstate;

/// What is open between two brackets. OR binds loosest, then AND, then everything else: a chain of one kind is as deep
/// as it is long, and its operands add the depth of the deepest among them.
#[derive(Default)]
struct Level {
    ors: usize,
    ands: usize,
    ands_max: usize,
    others: usize,
    others_max: usize,
    /// The deepest bracket inside the expression that is open.
    inner_max: usize,
    /// The deepest expression that has ended at this level.
    ended_max: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.ors + self.ands.max(self.ands_max) + self.others.max(self.others_max) + self.inner_max
    }

    fn end_expression(&mut self) {
        *self = Level { ended_max: self.ended_max.max(self.depth()), ..Level::default() };
    }

    fn end_operand_of_and(&mut self) {
        self.others_max = self.others_max.max(std::mem::take(&mut self.others));
    }

    fn end_operand_of_or(&mut self) {
        self.end_operand_of_and();
        self.ands_max = self.ands_max.max(std::mem::take(&mut self.ands));
    }
}

/// Refuses what would be walked deeper than the stack allows.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let mut set_operations = 0usize;
    for token in tokens {
        match role(&token.token) {
            Role::Opens => outer.push(std::mem::take(&mut level)),
            Role::Closes => {
                // A bracket too many is the parser's to refuse.
                let Some(around) = outer.pop() else { continue };
                let inside = std::mem::replace(&mut level, around);
                level.inner_max = level.inner_max.max(inside.ended_max.max(inside.depth()) + 1);
            }
            Role::Separates => level.end_expression(),
            Role::EndsStatement => {
                level.end_expression();
                set_operations = 0;
            }
            Role::CombinesQueries => {
                level.end_expression();
                set_operations += 1;
            }
            Role::Or => {
                level.end_operand_of_or();
                level.ors += 1;
            }
            Role::And => {
                level.end_operand_of_and();
                level.ands += 1;
            }
            Role::Operates => level.others += 1,
            Role::Nothing => continue,
        }
        if level.depth() > EXPRESSION_DEPTH_MAX {
            return Err(too_deep("an expression of more than", EXPRESSION_DEPTH_MAX, "operators in a row"));
        }
        if set_operations > SET_OPERATIONS_MAX {
            return Err(too_deep("more than", SET_OPERATIONS_MAX, "set operations"));
        }
    }
    Ok(())
}

fn too_deep(before: &str, limit: usize, after: &str) -> SqlError {
    let message = format!("the statement has {before} {limit} {after}: write a list with IN, ANY or VALUES");
    SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, message)
}

/// What a token does to the depth.
enum Role {
    Opens,
    Closes,
    Separates,
    EndsStatement,
    CombinesQueries,
    Or,
    And,
    Operates,
    Nothing,
}

fn role(token: &Token) -> Role {
    match token {
        Token::LParen | Token::LBracket => Role::Opens,
        Token::RParen | Token::RBracket => Role::Closes,
        Token::Comma => Role::Separates,
        Token::SemiColon => Role::EndsStatement,
        Token::Word(word) if word.quote_style.is_none() => role_of_keyword(word.keyword),
        Token::EOF | Token::Whitespace(_) | Token::Word(_) | Token::Period => Role::Nothing,
        token if is_constant(token) => Role::Nothing,
        _ => Role::Operates,
    }
}

/// A value that is written out, or one that comes later.
pub(crate) fn is_constant(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_)
    )
}

fn role_of_keyword(keyword: Keyword) -> Role {
    match keyword {
        Keyword::CASE => Role::Opens,
        Keyword::END => Role::Closes,
        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => Role::CombinesQueries,
        Keyword::OR => Role::Or,
        Keyword::AND => Role::And,
        Keyword::IS
        | Keyword::IN
        | Keyword::NOT
        | Keyword::LIKE
        | Keyword::ILIKE
        | Keyword::SIMILAR
        | Keyword::BETWEEN
        | Keyword::COLLATE
        | Keyword::NOTNULL
        | Keyword::AT => Role::Operates,
        Keyword::SELECT
        | Keyword::FROM
        | Keyword::JOIN
        | Keyword::ON
        | Keyword::WHERE
        | Keyword::GROUP
        | Keyword::HAVING
        | Keyword::WINDOW
        | Keyword::ORDER
        | Keyword::LIMIT
        | Keyword::OFFSET
        | Keyword::VALUES
        | Keyword::SET
        | Keyword::RETURNING
        | Keyword::WHEN
        | Keyword::THEN
        | Keyword::ELSE => Role::Separates,
        _ => Role::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn check(sql: &str, expected: Result<(), &str>) {
        let found = parse(sql).map(|_| ()).map_err(|error| error.sqlstate);
        assert_eq!(found, expected.map_err(str::to_owned), "{} bytes: {sql:.60}…", sql.len());
    }

    #[test]
    fn a_chain_of_operators_has_an_end() {
        let links = ["+1", "||'x'", " AND a", " OR a = 1 AND b = 2", "::text", " IS NULL", "->'k'"];
        for link in links {
            check(&format!("SELECT a{}", link.repeat(150)), Ok(()));
            check(&format!("SELECT a{}", link.repeat(250)), Err("54001"));
            check(&format!("SELECT a{}", link.repeat(4_000)), Err("54001"));
        }
    }

    #[test]
    fn a_chain_of_queries_has_an_end() {
        check(&format!("SELECT 1{}", " UNION SELECT 1".repeat(60)), Ok(()));
        check(&format!("SELECT 1{}", " UNION SELECT 1".repeat(61)), Err("54001"));
    }

    #[test]
    fn chains_in_brackets_add_up() {
        let chain = "+1".repeat(120);
        check(&format!("SELECT (1{chain}), (1{chain})"), Ok(()));
        check(&format!("SELECT (1{chain}){chain}"), Err("54001"));
        check(&format!("SELECT CASE WHEN a THEN 1{chain} END{chain}"), Err("54001"));
        check(&format!("SELECT f(2, 1{chain}){chain}"), Err("54001"));
    }

    #[test]
    fn a_long_list_is_not_deep() {
        check(&format!("SELECT {}", vec!["a + 1"; 5_000].join(", ")), Ok(()));
        check(&format!("SELECT a IN ({})", vec!["-1"; 5_000].join(", ")), Ok(()));
        check(&format!("INSERT INTO t VALUES {}", vec!["(1 + 1, -1, 'x', ARRAY[1, 2])"; 5_000].join(", ")), Ok(()));
        check(&format!("SELECT CASE {} END", vec!["WHEN a = 1 AND b > 2 THEN c + 1"; 2_000].join(" ")), Ok(()));
        check(&vec!["SELECT 1 UNION SELECT 1 + 1"; 2_000].join(";"), Ok(()));
    }
}
