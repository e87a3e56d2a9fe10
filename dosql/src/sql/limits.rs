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

/// Longest message of a function's error. It can show a text of 16 MiB, and SQLite copies it some times.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_000;

/// Longest text that a function may build: the size of an answer.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// From this length on a text is looked at before it is written to an answer: it could be long enough to matter.
pub(crate) const LONG_TEXT_BYTES: usize = 64 << 10;

/// Longest text of an interval. Its words are gathered before they are read; Postgres' own buffer for them is shorter.
pub(crate) const INTERVAL_BYTES_MAX: usize = 1_000;

/// Memory of the elements that an aggregate gathers. They are copied, printed and stored by SQLite, four times in all, in
/// an isolate of 128 MB that other shards share.
pub(crate) const ARRAY_BYTES_MAX: usize = 8 << 20;

/// Most members of UNION chains and deepest subqueries: the translator recurses on a stack of one megabyte.
pub(crate) const QUERY_DEPTH_MAX: usize = 40;

/// Deepest nesting of a regular expression: its reader recurses.
pub(crate) const REGEX_DEPTH_MAX: u32 = 50;

/// Largest compiled regular expression.
pub(crate) const REGEX_BYTES_MAX: usize = 256 << 10;

/// Smallest size that a regular expression is compiled to, doubled until it fits. What matching costs depends on it.
pub(crate) const REGEX_BYTES_MIN: usize = 1 << 10;

/// Longest regular expression: its tree takes a hundred bytes for each of its characters before its size can be known, and
/// a longer one of plain characters is too large when it is compiled.
pub(crate) const REGEX_TEXT_BYTES_MAX: usize = 32 << 10;

/// Compiled bytes of a regular expression for which a byte of text is one unit of work: of the states that the engine
/// could be in at each byte it is in few.
pub(crate) const REGEX_BYTES_PER_WORK: u64 = 16;

/// Work of reading one byte of a regular expression, once for each size that is tried: its tree is built anew.
pub(crate) const REGEX_WORK_PER_BYTE: u64 = 64;

/// Groups of a regular expression times its compiled size. The engine has room for the ends of every group in every
/// state: some 6 MB of memory at this bound, where a thousand groups would take 80.
pub(crate) const REGEX_GROUP_BYTES_MAX: usize = 8 << 20;

/// Digits of a numeric that, multiplied with as many, are one unit of work: they are read, multiplied and printed in
/// words of nineteen.
pub(crate) const DIGIT_PAIRS_PER_WORK: u64 = 64;
