//! The SQLSTATEs that our SQL answers with.

/// A feature of Postgres that is not supported here.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// A scalar subquery returned more than one row.
pub const CARDINALITY_VIOLATION: &str = "21000";
/// A text longer than its column.
pub const STRING_TOO_LONG: &str = "22001";
/// A number outside of its type.
pub const NUMERIC_OUT_OF_RANGE: &str = "22003";
/// NULL where none may be.
pub const NULL_NOT_ALLOWED: &str = "22004";
/// A text that is no date or time.
pub const INVALID_DATETIME: &str = "22007";
/// A date or time outside of its type.
pub const DATETIME_OVERFLOW: &str = "22008";
/// Division by zero.
pub const DIVISION_BY_ZERO: &str = "22012";
/// A function's argument is out of its domain.
pub const INVALID_PARAMETER: &str = "22023";
/// A substring of negative length.
pub const SUBSTRING_ERROR: &str = "22011";
/// A text that is no value of the type.
pub const INVALID_TEXT: &str = "22P02";
/// NOT NULL was violated.
pub const NOT_NULL_VIOLATION: &str = "23502";
/// A foreign key was violated.
pub const FOREIGN_KEY_VIOLATION: &str = "23503";
/// A key exists already.
pub const UNIQUE_VIOLATION: &str = "23505";
/// CHECK was violated.
pub const CHECK_VIOLATION: &str = "23514";
/// A value for a column that is always generated.
pub const GENERATED_ALWAYS: &str = "428C9";
/// Not SQL.
pub const SYNTAX_ERROR: &str = "42601";
/// A column outside of GROUP BY and aggregates.
pub const GROUPING_ERROR: &str = "42803";
/// Types that do not go together.
pub const DATATYPE_MISMATCH: &str = "42804";
/// A type or cast is not allowed here.
pub const CANNOT_COERCE: &str = "42846";
/// A name that fits several things.
pub const AMBIGUOUS_COLUMN: &str = "42702";
/// Several functions fit.
pub const AMBIGUOUS_FUNCTION: &str = "42725";
/// A column that does not exist.
pub const UNDEFINED_COLUMN: &str = "42703";
/// A function or operator that does not exist.
pub const UNDEFINED_FUNCTION: &str = "42883";
/// A table that does not exist.
pub const UNDEFINED_TABLE: &str = "42P01";
/// A parameter that was not sent.
pub const UNDEFINED_PARAMETER: &str = "42P02";
/// A named thing that does not exist.
pub const UNDEFINED_OBJECT: &str = "42704";
/// A table of that name exists.
pub const DUPLICATE_TABLE: &str = "42P07";
/// A column of that name exists.
pub const DUPLICATE_COLUMN: &str = "42701";
/// A table alias used twice.
pub const DUPLICATE_ALIAS: &str = "42712";
/// A named thing that exists.
pub const DUPLICATE_OBJECT: &str = "42710";
/// The statement refers to columns in a wrong way.
pub const INVALID_COLUMN_REFERENCE: &str = "42P10";
/// A parameter whose type cannot be known.
pub const INDETERMINATE_DATATYPE: &str = "42P18";
/// Window functions in a wrong place.
pub const WINDOWING_ERROR: &str = "42P20";
/// A definition that contradicts itself.
pub const INVALID_TABLE_DEFINITION: &str = "42P16";
/// A reference to a key that is none.
pub const INVALID_FOREIGN_KEY: &str = "42830";
/// A recursive query in a form that is not allowed.
pub const INVALID_RECURSION: &str = "42P19";
/// A name that is reserved.
pub const RESERVED_NAME: &str = "42939";
/// A thing others depend on.
pub const DEPENDENT_OBJECTS: &str = "2BP01";
/// The object is in a state that forbids it.
pub const OBJECT_NOT_IN_STATE: &str = "55000";
/// Wrong kind of thing.
pub const WRONG_OBJECT_TYPE: &str = "42809";
/// An answer, row or statement over a limit.
pub const PROGRAM_LIMIT: &str = "54000";
/// Too deeply nested.
pub const STATEMENT_TOO_COMPLEX: &str = "54001";
/// Too many columns.
pub const TOO_MANY_COLUMNS: &str = "54011";
/// Our own bug.
pub const INTERNAL: &str = "XX000";
