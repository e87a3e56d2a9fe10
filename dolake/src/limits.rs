//! Every bound of the lake, with its reason.

/// Bytes of one stored row: the platform allows 2 MB for key and value together.
pub const BLOB_BYTES_MAX: usize = 1 << 20;

/// Tail bytes that no snapshot holds yet. Beyond, shards are told to wait: a wake-up reads the whole tail.
pub const TAIL_BYTES_MAX: u64 = 64 << 20;

/// Tail bytes from which on shards are asked to slow down, so that the bound above is seldom met.
pub const TAIL_BYTES_SLOW: u64 = 32 << 20;

/// The delay asked of a shard between the two bounds above, per MiB over the first.
pub const SLOW_DELAY_MS_PER_MIB: u32 = 25;

/// When a refused shard should try again.
pub const BUSY_RETRY_MS: u32 = 1_000;

/// Tail bytes of one commit, unless a single transaction is larger: rows, keys and encoded columns of a flush are in
/// memory together, about six times this, in 128 MB that others share.
pub const FLUSH_BYTES_MAX: u64 = 8 << 20;

/// Changes of one commit, unless a single transaction has more: a narrow row is ten bytes in the tail and a few hundred
/// with its key and its place while it is flushed.
pub const FLUSH_CHANGES_MAX: u64 = 100_000;

/// Tables of one commit, unless a single transaction has more: each is two of the catalog's, with metadata of up to 350 KB
/// in memory on either side. A transaction of more is written in turns of as many.
pub const FLUSH_TABLES_MAX: usize = 32;

/// Tail bytes that a flush reads before other events of the object get a turn: a shard or a reader that comes meanwhile
/// waits for that much.
pub const FLUSH_TURN_BYTES: u64 = 1 << 20;

/// Tail bytes at which a flush starts without anybody asking.
pub const FLUSH_BYTES: u64 = 6 << 20;

/// Age of the oldest row in the tail at which a flush starts without anybody asking. Each commit costs about a dozen
/// class A operations however few rows it holds; whoever reads through the catalog gets a commit first anyway.
pub const FLUSH_AGE_MICROS: i64 = 10_000_000;

/// When the alarm looks after a flush that was started: its end sets the next alarm, unless it died with its instance.
pub const FLUSH_BACKSTOP_MICROS: i64 = 10_000_000;

/// When a failed flush is tried again.
pub const FLUSH_RETRY_MICROS: i64 = 2_000_000;

/// Least time between two commits: a reader in a loop must not turn every read into a commit.
pub const COMMIT_INTERVAL_MICROS: i64 = 250_000;

/// How often a commit is staged again after a lost race before the flush fails.
pub const STAGE_ATTEMPTS_MAX: u32 = 5;

/// Tail bytes of the tables of one view. Beyond, the caller flushes first: a view is decoded and sent in one piece.
pub const VIEW_TAIL_BYTES_MAX: u64 = 8 << 20;

/// Ended timelines of a database that are remembered, so that nobody speaks for them again. One who still could is an
/// instance that its object left behind, and such a one does not outlive many deletions of its database.
pub const FORMER_TIMELINES_MAX: usize = 64;

/// Changes of the tables of one view, for the same reason: each is a row with its own strings.
pub const VIEW_CHANGES_MAX: u64 = 50_000;

/// Removals (a table dropped, a database deleted) that a table remembers for past states. About 60 bytes each in a row
/// of at most 2 MB, and sent with each view of the past. Beyond, moments that would need a forgotten one are refused.
pub const REMOVALS_MAX: usize = 8_192;

/// Changes of columns that a table remembers for past states: each can carry a name. Beyond, moments before the oldest
/// one kept are refused.
pub const ALTERATIONS_MAX: usize = 1_024;

/// Bytes of those changes, for the same reason as below: one can carry a key of many columns.
pub const ALTERATION_BYTES_MAX: usize = 256 << 10;

/// Bytes of a table's fields in its stored row of at most 2 MB, next to the alterations and removals above, of which all
/// together are less than 1.1 MB. Beyond, the shard that would add to it contradicts the table.
pub const FIELD_BYTES_MAX: usize = 768 << 10;

/// Former names that a field keeps, by which a shard that was not heard of for some renames is joined to it. Beyond, one
/// that comes with an older name for the first time gets a column of its own.
pub const FORMER_NAMES_MAX: usize = 16;

/// How long flushed batches are kept for subscribers.
pub const RETENTION_MICROS: i64 = 24 * 3_600_000_000;

/// How many bytes of flushed batches are kept for subscribers.
pub const RETENTION_BYTES_MAX: u64 = 64 << 20;

/// Bytes of transactions whose last part has not come yet, over all shards.
pub const PENDING_BYTES_MAX: usize = 32 << 20;

/// Bytes of dead letters. Beyond, the shard that sends more is told to wait until somebody has looked.
pub const DEAD_LETTER_BYTES_MAX: u64 = 64 << 20;

/// Bytes of rows in all open data files of a flush that are not encoded yet: a value of one byte in the tail, like a null,
/// takes up to sixteen here, in a file of current rows and in one of history.
pub const FLUSH_OPEN_BYTES_MAX: usize = 16 << 20;

/// Rows of a column batch on its way into Parquet.
pub const COLUMN_BATCH_ROWS: usize = 4_096;

/// Bytes of a column batch on its way into Parquet, for wide rows.
pub const COLUMN_BATCH_BYTES: usize = 4 << 20;

/// Entries of one block of the key index: 16 bytes each, so half of a blob.
pub const INDEX_BLOCK_ENTRIES: usize = 32_768;

/// Runs of one level of the key index before they are merged into one of the next level.
pub const INDEX_RUNS_PER_LEVEL: usize = 8;

/// Open Parquet files of one table in a flush: history has one a day, and a load of old rows can touch many days.
pub const OPEN_DAYS_MAX: usize = 4;

/// Bytes of a subscriber's message: fifty tables with each byte of their names written as `\u0000`, and some. It is
/// parsed in memory that others share.
pub const SUBSCRIBER_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Bytes of a subscriber's state as JSON, with everything at its bound: names, relations, and 800 for the rest. It lies
/// in the attachment of its socket, which has 16,000, beside the end of its token.
pub const SUBSCRIBER_BYTES_MAX: usize = 13_000;

/// Tables that a subscription may name: the names must fit its state.
pub const SUBSCRIBED_TABLES_MAX: usize = 50;

/// Bytes of those names as JSON: fifty of the longest, unless JSON escapes many of their characters.
pub const SUBSCRIBED_NAMES_BYTES_MAX: usize = 7 << 10;

/// Tables whose relation a subscriber was told, 24 bytes each in its state. Beyond, relations are told again, which is
/// harmless.
pub const TOLD_RELATIONS_MAX: usize = 200;

/// Events of a subscriber's batch if it does not say.
pub const SUBSCRIBER_BATCH_EVENTS: u32 = 500;

/// Most events of a subscriber's batch. Who asks for more gets batches of this many.
pub const SUBSCRIBER_BATCH_EVENTS_MAX: u32 = 5_000;

/// Bytes of events after which a subscriber's batch ends: a message must stay far below the platform's 32 MiB.
pub const SUBSCRIBER_BATCH_BYTES: usize = 1 << 20;

/// Bytes of the images of one event, as JSON and as the values that the JSON is written from: both are in memory at once,
/// and a row of the tail can have sixteen times this as JSON. Of a larger one only the key is sent.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

/// Bytes of messages after which a subscriber's turn ends: they are in memory until they are sent, and its
/// acknowledgements fetch what comes next.
pub const SUBSCRIBER_TURN_BYTES: usize = 2 << 20;

/// Batches that are read for one subscriber before others get their turn.
pub const FEED_BLOBS_MAX: usize = 16;

/// Tables without a row that are made for one reader: each costs a request to the catalog, and the reader waits.
pub const MADE_TABLES_MAX: usize = 32;

/// Stored bytes of tail blobs that are kept decoded in memory: what queries and subscribers read again and again is the
/// newest, and decoded it is some times larger.
pub const TAIL_CACHE_BYTES_MAX: usize = 2 << 20;

/// Tables whose metadata stays in memory between flushes: a hundred snapshots take about 100 KB.
pub const METADATA_CACHE_TABLES: usize = 32;

/// Shards' tables that are kept in memory, up to 8 KB each: with thousands of tenants they are read again instead.
pub const SOURCE_CACHE_TABLES: usize = 1_024;

/// Bytes of shapes that are kept in memory. Each rename makes one, of up to 64 KB: they are read again instead.
pub const SHAPE_CACHE_BYTES_MAX: usize = 2 << 20;

/// Shapes of one table whose places in both of its files a flush keeps in memory, for the same reason.
pub const FLUSH_SHAPES_MAX: usize = 32;

/// Bytes of all tables, which are in memory as a whole and read at each wake-up: thousands of 20 columns. Beyond, a table
/// that is new or gets another column contradicts the lake.
pub const TABLES_BYTES_MAX: usize = 16 << 20;

/// What a table counts towards the bound above besides its columns: its files, and its place in maps.
pub const TABLE_EXTRA_BYTES: usize = 1 << 10;
