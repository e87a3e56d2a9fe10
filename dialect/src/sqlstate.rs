//! The SQLSTATEs that our SQL answers with.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $state:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $state;)*

        /// All of them.
        pub const ALL: &[&str] = &[$($state),*];
    };
}

/// The state of `ALL` that equals `text`, or the general one of its class: functions of SQLite carry theirs as text.
pub fn known(text: &str) -> &'static str {
    match ALL.iter().find(|state| **state == text) {
        Some(state) => state,
        None if text.starts_with("22") => DATA_EXCEPTION,
        None if text.starts_with("42") => RULE_VIOLATION,
        None => INTERNAL,
    }
}

states! {
    /// A feature of Postgres that is not supported here.
    FEATURE_NOT_SUPPORTED = "0A000";
    /// A scalar subquery returned more than one row.
    CARDINALITY_VIOLATION = "21000";
    /// A text longer than its column.
    STRING_TOO_LONG = "22001";
    /// A number outside of its type.
    NUMERIC_OUT_OF_RANGE = "22003";
    /// NULL where none may be.
    NULL_NOT_ALLOWED = "22004";
    /// A text that is no date or time.
    INVALID_DATETIME = "22007";
    /// A date or time outside of its type.
    DATETIME_OVERFLOW = "22008";
    /// Division by zero.
    DIVISION_BY_ZERO = "22012";
    /// A function's argument is out of its domain.
    INVALID_PARAMETER = "22023";
    /// A substring of negative length.
    SUBSTRING_ERROR = "22011";
    /// A text that is no value of the type.
    INVALID_TEXT = "22P02";
    /// NOT NULL was violated.
    NOT_NULL_VIOLATION = "23502";
    /// A foreign key was violated.
    FOREIGN_KEY_VIOLATION = "23503";
    /// A key exists already.
    UNIQUE_VIOLATION = "23505";
    /// CHECK was violated.
    CHECK_VIOLATION = "23514";
    /// A value for a column that is always generated.
    GENERATED_ALWAYS = "428C9";
    /// Not SQL.
    SYNTAX_ERROR = "42601";
    /// The token does not allow the statement.
    INSUFFICIENT_PRIVILEGE = "42501";
    /// A column outside of GROUP BY and aggregates.
    GROUPING_ERROR = "42803";
    /// Types that do not go together.
    DATATYPE_MISMATCH = "42804";
    /// A type or cast is not allowed here.
    CANNOT_COERCE = "42846";
    /// A name that fits several things.
    AMBIGUOUS_COLUMN = "42702";
    /// Several functions fit.
    AMBIGUOUS_FUNCTION = "42725";
    /// A column that does not exist.
    UNDEFINED_COLUMN = "42703";
    /// A function or operator that does not exist.
    UNDEFINED_FUNCTION = "42883";
    /// A table that does not exist.
    UNDEFINED_TABLE = "42P01";
    /// A parameter that was not sent.
    UNDEFINED_PARAMETER = "42P02";
    /// A named thing that does not exist.
    UNDEFINED_OBJECT = "42704";
    /// A table of that name exists.
    DUPLICATE_TABLE = "42P07";
    /// A column of that name exists.
    DUPLICATE_COLUMN = "42701";
    /// A table alias used twice.
    DUPLICATE_ALIAS = "42712";
    /// A named thing that exists.
    DUPLICATE_OBJECT = "42710";
    /// The statement refers to columns in a wrong way.
    INVALID_COLUMN_REFERENCE = "42P10";
    /// A parameter whose type cannot be known.
    INDETERMINATE_DATATYPE = "42P18";
    /// Window functions in a wrong place.
    WINDOWING_ERROR = "42P20";
    /// A definition that contradicts itself.
    INVALID_TABLE_DEFINITION = "42P16";
    /// A reference to a key that is none.
    INVALID_FOREIGN_KEY = "42830";
    /// A recursive query in a form that is not allowed.
    INVALID_RECURSION = "42P19";
    /// A name that is reserved.
    RESERVED_NAME = "42939";
    /// A thing others depend on.
    DEPENDENT_OBJECTS = "2BP01";
    /// The object is in a state that forbids it.
    OBJECT_NOT_IN_STATE = "55000";
    /// Wrong kind of thing.
    WRONG_OBJECT_TYPE = "42809";
    /// An answer, row or statement over a limit.
    PROGRAM_LIMIT = "54000";
    /// Too deeply nested.
    STATEMENT_TOO_COMPLEX = "54001";
    /// Too many columns.
    TOO_MANY_COLUMNS = "54011";
    /// A text with a character that is not allowed.
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    /// A wrong escape in a pattern.
    INVALID_ESCAPE_SEQUENCE = "22025";
    /// A character that cannot be translated.
    UNTRANSLATABLE_CHARACTER = "22P05";
    /// A regular expression that is none.
    INVALID_REGULAR_EXPRESSION = "2201B";
    /// A sequence is used up.
    SEQUENCE_LIMIT = "2200H";
    /// A savepoint that does not exist.
    INVALID_SAVEPOINT = "3B001";
    /// A logarithm of what has none.
    INVALID_LOGARITHM = "2201E";
    /// A power that is no number.
    INVALID_POWER = "2201F";
    /// A value that is not allowed where it stands, of the class without a closer name.
    DATA_EXCEPTION = "22000";
    /// A statement that writes where only reading is possible.
    READ_ONLY_TRANSACTION = "25006";
    /// An object whose definition is not valid.
    INVALID_OBJECT_DEFINITION = "42P17";
    /// A statement that breaks a rule, of the class without a closer name.
    RULE_VIOLATION = "42000";
    /// The number of parameters is not that of the statement.
    PROTOCOL_VIOLATION = "08P01";
    /// No room in storage.
    DISK_FULL = "53100";
    /// No room in memory.
    OUT_OF_MEMORY = "53200";
    /// The statement took too many steps.
    QUERY_CANCELED = "57014";
    /// Our own bug.
    INTERNAL = "XX000";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_by_its_text_or_by_its_class() {
        assert_eq!(known("23505"), UNIQUE_VIOLATION);
        assert_eq!(known("22999"), DATA_EXCEPTION);
        assert_eq!(known("hello"), INTERNAL);
    }

    #[test]
    fn no_state_is_named_twice() {
        let mut states = ALL.to_vec();
        states.sort_unstable();
        states.dedup();
        assert_eq!(states.len(), ALL.len());
    }
}
