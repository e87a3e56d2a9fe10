//! Bounds of the SQL front, with their reasons.

/// Most digits of a numeric in an expression: Postgres allows 131,072 before the point; arithmetic is quadratic.
pub(crate) const NUMERIC_DIGITS_MAX: usize = 20_000;

/// Most digits after the point in an expression, as in Postgres.
pub(crate) const NUMERIC_SCALE_MAX: u32 = 16_383;

/// Plans kept by text. A loader has one, an application some dozens.
pub(crate) const PLANS_MAX: usize = 64;

/// Text of all kept plans: a bulk INSERT's is some tens of kilobytes, the isolate shares its memory with other shards.
pub(crate) const PLAN_BYTES_MAX: usize = 1 << 20;

/// Most columns of a table; what the change stream carries.
pub(crate) const COLUMNS_MAX: usize = lake_cdc::limits::COLUMNS_MAX;

/// Longest text that a function may build: the size of an answer.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// Memory of the elements that an aggregate gathers. They are copied, printed and stored by SQLite, four times in all, in
/// an isolate of 128 MB that other shards share.
pub(crate) const ARRAY_BYTES_MAX: usize = 8 << 20;

/// Most members of UNION chains and deepest subqueries: the translator recurses on a stack of one megabyte.
pub(crate) const QUERY_DEPTH_MAX: usize = 40;

/// Deepest nesting of a regular expression: its reader recurses.
pub(crate) const REGEX_DEPTH_MAX: u32 = 50;

/// Largest compiled regular expression.
pub(crate) const REGEX_BYTES_MAX: usize = 256 << 10;
