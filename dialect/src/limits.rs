//! Bounds of statement texts, with their reasons.

/// Longest text of one request's SQL. A multi-row INSERT of literals is the longest sensible one; bodies end at 16 MiB.
pub const SQL_BYTES_MAX: usize = 8 << 20;

/// Most tokens of a text, white space among them: the 65,535 parameters of a statement, with commas and spaces, are
/// 200,000. On wasm so many values take 60 MB of the isolate's 128 while they are read.
pub const TOKENS_MAX: usize = 250_000;

/// Most names and keywords of a text. On wasm a selected column takes 1.5 kB while it is read, a derived table 7 kB.
pub const WORDS_MAX: usize = 20_000;

/// Most statements of a text, of which one at most is run: each takes 8 kB.
pub const STATEMENTS_MAX: usize = 2_000;

/// Deepest nesting of an expression or query. The parser and the translators recurse, on a stack of one megabyte.
pub const RECURSION_MAX: usize = 50;

/// How often each token may be read as the start of an operand, on average. The parser reads what is ambiguous again, twice
/// as often on each level of brackets; sensible statements need two or three.
pub const OPERANDS_PER_TOKEN_MAX: usize = 32;

/// Deepest tree of operators in one expression: it is walked by recursion on a stack of one megabyte. In workerd a
/// shard's stack ended between 400 and 600, and the lake's planner takes a second for 200.
pub const EXPRESSION_DEPTH_MAX: usize = 200;

/// Most UNION, EXCEPT and INTERSECT of one text. In workerd the lake's planner overflowed its stack between 60 and 150.
pub const SET_OPERATIONS_MAX: usize = 60;

/// Most parameters of one statement: what Postgres' protocol can number.
pub const PARAMETERS_MAX: usize = 65_535;

/// Longest name in bytes; longer ones are cut, as Postgres does.
pub const NAME_BYTES_MAX: usize = 63;
