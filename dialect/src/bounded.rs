//! Postgres' dialect for the parser, with a bound on how often it starts over.
//!
//! Where a text can go on in several ways, the parser tries one and, if that fails, reads the same text again. Nested,
//! each level doubles the work: `abs(abs(…` forty deep would take days, and so would `ARRAY[ARRAY[…` or an error in the
//! innermost of many brackets. Every operand asks the dialect first, which counts.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::parser::{Parser, ParserError};

use crate::limits::OPERANDS_PER_TOKEN_MAX;

/// The dialect of one text.
#[derive(Debug)]
pub(crate) struct BoundedDialect {
    postgres: PostgreSqlDialect,
    /// How many operands may still be read, and read again.
    operands: Cell<usize>,
}

impl BoundedDialect {
    /// For a text of so many tokens.
    pub(crate) fn new(tokens: usize) -> BoundedDialect {
        let operands = Cell::new(tokens.saturating_add(1).saturating_mul(OPERANDS_PER_TOKEN_MAX));
        BoundedDialect { postgres: PostgreSqlDialect {}, operands }
    }

    /// True if the parser was stopped because it started over too often. Its error may be about anything then.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.operands.get() == 0
    }
}

/// Answers of Postgres' dialect that depend on nothing.
macro_rules! as_postgres {
    ($($answer:ident)*) => {
        $(fn $answer(&self) -> bool {
            self.postgres.$answer()
        })*
    };
}

impl Dialect for BoundedDialect {
    fn dialect(&self) -> TypeId {
        self.postgres.dialect()
    }

    fn parse_prefix(&self, _parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.operands.get().checked_sub(1) {
            Some(left) if left > 0 => {
                self.operands.set(left);
                None
            }
            _ => {
                self.operands.set(0);
                Some(Err(ParserError::RecursionLimitExceeded))
            }
        }
    }

    /// Names of arguments are identifiers. With expressions for names every argument is read twice.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.postgres.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.postgres.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.postgres.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        self.postgres.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.postgres.prec_value(precedence)
    }

    as_postgres! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        allow_extract_custom
        allow_extract_single_quotes
        supports_create_index_with_clause
        supports_explain_with_utility_options
        supports_listen_notify
        supports_factorial_operator
        supports_bitwise_shift_operators
        supports_comment_on
        supports_load_extension
        supports_named_fn_args_with_colon_operator
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_numeric_literal_underscores
        supports_array_typedef_with_brackets
        supports_geometric_types
        supports_set_names
        supports_alter_column_type_using
        supports_notnull_operator
        supports_interval_options
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    /// The code of the refusal; with a parser that is not stopped most of these would not end in a day. A build for tests
    /// has large frames, so it gets a large stack.
    fn check(sql: &str, expected: Option<&str>) {
        let text = sql.to_owned();
        let parsed = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || parse(&text).map_err(|error| error.sqlstate).err())
            .unwrap();
        assert_eq!(parsed.join().unwrap().as_deref(), expected, "{sql}");
    }

    fn nested(open: &str, depth: usize, inner: &str, close: &str) -> String {
        format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
    }

    #[test]
    fn calls_in_calls_are_read_once() {
        check(&nested("abs(", 40, "1", ")"), None);
        check(&nested("coalesce(a, ", 40, "1", ")"), None);
        check(&nested("f(x => ", 20, "1", ")"), None);
    }

    #[test]
    fn what_would_be_read_again_on_every_level_is_refused() {
        check(&nested("ARRAY[", 60, "1", "]"), Some("54001"));
        check(&nested("ARRAY[", 40, "1 2", "]"), Some("54001"));
        check(&nested("position(", 40, "1", ")"), Some("54001"));
        check(&nested("CASE WHEN ", 40, "1", " THEN 1 END"), None);
        check(&nested("CASE WHEN ", 40, "1 2", " THEN 1 END"), Some("42601"));
    }

    #[test]
    fn sensible_nesting_and_long_lists_are_read() {
        check(&nested("position('a' IN trim(both 'x' from substring(", 4, "a", " from 1)))"), None);
        check(&nested("ARRAY[", 10, "1", "]"), None);
        check(&format!("SELECT 1 IN ({}1)", "1,".repeat(20_000)), None);
        check(&format!("VALUES {}(1, position('a' IN 'b'))", "(1, position('a' IN 'b')), ".repeat(5_000)), None);
    }
}
