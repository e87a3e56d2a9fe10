//! Every bound of a shard, with its reason.
//!
//! The memory ones add up to the share of one shard: an isolate of 128 MB holds one that loads and ten that idle in
//! at most 48 MB.

/// Bytes of a page. SQLite's default elsewhere; smaller pages make longer trees, larger ones make longer deltas.
pub const PAGE_BYTES: usize = 4096;

/// Most pages of a database: 4 GiB, so that page numbers and sizes stay in 32 bits with room to spare.
pub const PAGES_MAX: u32 = 1 << 20;

/// SQLite's own cache of the writing connection, in KiB.
pub const WRITER_CACHE_KIB: u32 = 1_536;

/// SQLite's own cache of a reading connection, in KiB.
pub const READER_CACHE_KIB: u32 = 512;

/// Pages kept that are the same as their stored image: 1 MiB.
pub const CLEAN_PAGES_MAX: usize = 256;

/// Pages kept that are newer than their stored image: 4 MiB. They are in memory because the log alone holds them.
pub const UNIMAGED_PAGES_MAX: usize = 1_024;

/// The same for a shard at rest, of which there can be ten: 512 KiB.
pub const QUIET_UNIMAGED_PAGES_MAX: usize = 128;

/// Pages one transaction may change: 16 MiB, all of it in memory until its one write (54000).
pub const DIRTY_PAGES_MAX: usize = 4_096;

/// Row changes one transaction may record (54000). The lake cannot cut a transaction: it holds each of its keys, some
/// 200 bytes however small the row is, until the flush that takes it is committed.
pub const TRANSACTION_CHANGES_MAX: u64 = 150_000;

/// A value from this length on is as long in a change record as in SQLite; a shorter one takes no more than that there.
pub const LONG_VALUE_BYTES: usize = 64;

/// Most bytes by which a change record grows ahead of what it needs.
pub const RECORD_GROWTH_BYTES_MAX: usize = 1 << 20;

/// Above this many changed pages a transaction writes images instead of deltas, whose row could grow beyond 2 MB.
pub const DELTA_PAGES_MAX: usize = 192;

/// Page deltas that the log may hold after the last images, in bytes: what opening a shard reads at most.
pub const LOG_DELTA_BYTES_MAX: u64 = 4 << 20;

/// Transactions that the log may hold after the last images: what opening a shard reads at most.
pub const LOG_ENTRIES_MAX: u64 = 1_000;

/// Rows of the log that are read at a time. A row can have nearly 2 MB.
pub const LOG_SCAN_ROWS: usize = 8;

/// Change records that the lake has not accepted, in bytes. Beyond it writes are refused until the lake takes some:
/// an object holds 10 GB, and a log this long takes the lake minutes.
pub const BACKLOG_BYTES_MAX: u64 = 512 << 20;

/// Steps of SQLite's machine that one request may take (57014): some seconds of the 30 that the platform grants.
pub const STEPS_MAX: u64 = 200_000_000;

/// What a SQL function may do in a step: bytes it looks at, or comparisons of as much. One takes about a nanosecond, a
/// step eight.
pub const WORK_PER_STEP: u64 = 8;

/// Steps between two looks at the budget.
pub const STEPS_PER_CHECK: u32 = 10_000;

/// Values in the JSON of one request. A body of 16 MiB can hold eight million, which parsed are 256 MB.
pub const REQUEST_VALUES_MAX: usize = 500_000;

/// How long an `Idempotency-Key` is remembered, in microseconds: 24 hours.
pub const IDEMPOTENCY_MICROS: i64 = 24 * 3600 * 1_000_000;

/// Answers up to this size are kept whole with their key. Of a larger one its facts are kept: count, command and
/// position. Rows of a write are what RETURNING asked for, and a client that returns more can read them again.
pub const IDEMPOTENT_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Remembered keys that each new one looks at, to remove the expired ones. More than one, so that they cannot pile up.
pub const IDEMPOTENCY_SWEEP_ROWS: usize = 4;

/// Change records in flight to the lake that it has not accepted yet, in bytes; with this much no other transaction is
/// begun. One that was begun is sent to its end, because the lake accepts whole ones.
pub const IN_FLIGHT_BYTES_MAX: u64 = 8 << 20;

/// How long a connection to the lake stays open without anything to send, in milliseconds: an open outgoing socket
/// keeps the object in memory, and that is billed.
pub const IDLE_CLOSE_MS: u32 = 5_000;

/// First delay before dialling again after a connection ended early, in milliseconds. Doubled each time.
pub const REDIAL_MS_MIN: u32 = 200;

/// Longest delay before dialling again, in milliseconds.
pub const REDIAL_MS_MAX: u32 = 30_000;

/// How long after a commit the alarm looks whether the lake accepted it, in microseconds. It is the back-stop for
/// an object that was evicted; timers do the work while it is in memory.
pub const ALARM_MICROS: i64 = 10_000_000;

/// Longest time between two alarms while the lake cannot be reached or refuses, in microseconds.
pub const ALARM_MICROS_MAX: i64 = 600_000_000;

/// Bytes of a refusal of the lake that are kept for the status.
pub const REFUSAL_BYTES_MAX: usize = 500;

/// Memory of SQLite, of all shards of an isolate together (53200): its caches, and what sorts, journals and savepoints
/// keep, which has no other bound. A row of the longest text is there three times while it is written, and four times
/// while it is sorted. The rest of 128 MB is for requests, answers, changed pages and the module itself.
pub const SQLITE_MEMORY_BYTES_MAX: i64 = 64 << 20;

/// Longest text, blob or row inside SQLite, in bytes. Its own bound is a gigabyte, which an isolate does not have.
pub const SQLITE_VALUE_BYTES_MAX: i32 = 17 << 20;

/// How long a dial may take, and how long the lake may owe an answer, before the connection is taken for lost, in
/// microseconds.
pub const CONNECT_MICROS_MAX: i64 = 30_000_000;
