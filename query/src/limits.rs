//! Every bound of a query, with its reason.

/// Most bytes that operators of one query may hold (53200).
///
/// The isolate has 128 MB; the module, decoded pages and the answer need the rest.
pub const MEMORY_BYTES_MAX: usize = 48 << 20;

/// Most tables of WITH in one statement: each is planned inside of the one that names it, by recursion. In workerd the
/// stack ended between 60 and 150.
pub const WITH_TABLES_MAX: usize = 50;

/// Deepest WITH inside of WITH: the planner looks for the tables of each level twice, so every level doubles the time.
pub const WITH_DEPTH_MAX: usize = 8;

/// Most tables one statement may name: each costs reads before the first row.
pub const TABLES_MAX: usize = 32;

/// Longest SQL text of a query, in bytes.
pub const SQL_BYTES_MAX: usize = lake_api::limits::SQL_BYTES_MAX;

/// Most reads of the object store in flight for one query: the platform allows six connections per request.
pub const READS_AT_ONCE_MAX: usize = 6;

/// Objects up to this size are read whole, in one request, instead of footer first.
pub const WHOLE_READ_BYTES_MAX: u64 = 1 << 20;

/// How much of the end of a larger Parquet file is read at once in the hope that it holds the footer.
pub const FOOTER_READ_BYTES: u64 = 64 << 10;

/// Two wanted ranges of a file that are at most this far apart are read together: a request costs more than the gap.
pub const READ_GAP_BYTES_MAX: u64 = 128 << 10;

/// Largest metadata, manifest list or manifest that is read, in bytes.
pub const METADATA_BYTES_MAX: u64 = 16 << 20;

/// Most rows of a batch between operators.
pub const BATCH_ROWS: usize = 8_192;

/// Most rows of one scan before the query is stopped (57014).
pub const SCAN_ROWS_MAX: u64 = 200_000_000;

/// Most bytes of keys that reconstructing a past state may hold (53200): one entry per row that ever changed.
pub const PAST_KEYS_BYTES_MAX: usize = 40 << 20;

/// How far into the future `asOf` may lie, in microseconds: clocks differ.
pub const FUTURE_MICROS_MAX: i64 = 60_000_000;

/// Longest text that a function may make, in bytes: an answer ends there too.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

/// Most bytes of objects that are kept between queries: the isolate's memory is for the queries.
pub const CACHE_BYTES_MAX: usize = 6 << 20;

/// Largest part of an object that is kept between queries.
pub const CACHE_ENTRY_BYTES_MAX: usize = 256 << 10;

/// How many data files are opened before the first of them is read to its end: their footers arrive together.
pub const FILES_AHEAD: usize = 4;

/// Most rows that the joins and recursions of one statement may make, batches counted as [`BATCH_STEPS`] each (57014).
/// A few seconds of the one thread that all queries of an instance share.
pub const STEPS_MAX: u64 = 100_000_000;

/// What a batch counts besides its rows: an endless recursion makes one row at a time.
pub const BATCH_STEPS: u64 = 1_000;
