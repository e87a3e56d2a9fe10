//! How much memory a text can take: tokens and tree are a hundred times as large as what they were read from.
//!
//! The number of tokens is found before there are any, from bytes; that of words in the tokens. Texts of many values are
//! long and cheap, so values are not counted as words.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::SqlError;
use crate::limits::{STATEMENTS_MAX, TOKENS_MAX, WORDS_MAX};
use crate::sqlstate;

/// Refuses a text with too many tokens.
pub(crate) fn check_text(sql: &str) -> Result<(), SqlError> {
    if sql.len() <= TOKENS_MAX || tokens_at_most(sql.as_bytes()) <= TOKENS_MAX {
        return Ok(());
    }
    Err(too_large(TOKENS_MAX, "tokens", "send values as parameters, or in several statements"))
}

/// Refuses what would be a tree that is too large.
pub(crate) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let words = tokens.iter().filter(|token| is_word(&token.token)).count();
    if words > WORDS_MAX {
        return Err(too_large(WORDS_MAX, "names and keywords", "send values as parameters"));
    }
    if tokens.iter().filter(|token| token.token == Token::SemiColon).count() > STATEMENTS_MAX {
        return Err(too_large(STATEMENTS_MAX, "statements", "send them apart"));
    }
    Ok(())
}

fn too_large(limit: usize, what: &str, hint: &str) -> SqlError {
    SqlError::new(sqlstate::PROGRAM_LIMIT, format!("the statement has more than {limit} {what}")).with_hint(hint)
}

/// Words that are no values make the large nodes of the tree.
fn is_word(token: &Token) -> bool {
    let is_value = |keyword| matches!(keyword, Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DEFAULT);
    matches!(token, Token::Word(word) if !is_value(word.keyword))
}

/// At least as many as the tokenizer makes: a string or comment is one, a word is one, any other byte is one.
fn tokens_at_most(sql: &[u8]) -> usize {
    // What is between dollar quotes can be anything, also half a string, so it is counted as if it were no string.
    let has_dollar_quotes = sql.windows(2).any(|pair| pair[0] == b'$' && !pair[1].is_ascii_digit());
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let mut count = 0;
    let mut at = 0;
    while let Some(byte) = sql.get(at) {
        let rest = &sql[at..];
        count += 1;
        at += match byte {
            b'\'' | b'"' if !has_dollar_quotes => {
                let is_prefixed = at > 0 && matches!(sql[at - 1], b'e' | b'E');
                string_length(rest, *byte, is_prefixed && !(at > 1 && is_word(&sql[at - 2])))
            }
            b'-' if rest.starts_with(b"--") && !has_dollar_quotes => {
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") && !has_dollar_quotes => comment_length(rest),
            b'$' => 1 + rest[1..].iter().take_while(|byte| is_word(byte)).count(),
            byte if is_word(byte) => rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => 1,
        };
    }
    count
}

/// Bytes of a string with its quotes; a doubled quote is none, and in `E''` neither is one after a backslash.
fn string_length(text: &[u8], quote: u8, has_escapes: bool) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        let is_doubled = text.get(at + 1) == Some(&quote);
        match *byte {
            b'\\' if has_escapes => at += 2,
            byte if byte == quote && !is_doubled => return at + 1,
            byte if byte == quote => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Bytes of a comment in which others may lie.
fn comment_length(text: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use proptest::prelude::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    fn check(sql: &str, expected: Option<&str>) {
        let found = parse(sql).map_err(|error| error.sqlstate).err();
        assert_eq!(found.as_deref(), expected, "{}", &sql[..sql.len().min(60)]);
    }

    fn check_count(sql: &str, expected: usize) {
        assert_eq!(tokens_at_most(sql.as_bytes()), expected, "{sql}");
    }

    #[test]
    fn strings_and_comments_are_one() {
        check_count("SELECT 'it''s; a \"b\"'", 3);
        check_count("E'\\'' 'a'", 4);
        check_count("\"a b\"/* a /* b */ ' */'c'", 3);
        check_count("-- it's\n'c d'", 3);
        check_count("$$ ' $$", 7);
    }

    #[test]
    fn long_texts_of_few_parts_and_all_parameters_are_read() {
        check(&format!("SELECT '{}'", "a, b ".repeat(1_000_000)), None);
        let row = |row: usize| format!("(${}, ${}, NULL, true, 'x')", 2 * row + 1, 2 * row + 2);
        let rows: Vec<String> = (0..10_000).map(row).collect();
        check(&format!("INSERT INTO t VALUES {}", rows.join(", ")), None);
        let all: Vec<String> = (1..=65_535).map(|number| format!("${number}")).collect();
        check(&format!("SELECT 1 IN ({})", all.join(", ")), None);
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        check(&format!("SELECT id{}", ",id".repeat(100_000)), Some("54000"));
        check(&format!("VALUES (1){}", ",(1)".repeat(100_000)), Some("54000"));
        check(&format!("SELECT 1{}", ";SELECT 1".repeat(3_000)), Some("54000"));
        check(&format!("SELECT 1{}", " ".repeat(8_000_000)), Some("54000"));
        check(&format!("SELECT $${}$$", " ' ".repeat(100_000)), Some("54000"));
    }

    proptest! {
        #[test]
        fn the_tokenizer_never_makes_more(parts in prop::collection::vec("[a-z' \"$;-]{0,4}|E'|--|/\\*|\\*/|\\\\|\n|\\$\\$|1\\.5e3|::|'x'", 0..20)) {
            let sql = parts.concat();
            if let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, &sql).tokenize_with_location() {
                prop_assert!(tokens.len() <= tokens_at_most(sql.as_bytes()) + 1, "{} in {sql:?}", tokens.len());
            }
        }
    }
}
