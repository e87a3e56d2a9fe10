//! Every bound of a table, with its reason.

/// Most snapshots kept in the metadata: it is written anew by every commit, so its size is what a commit costs.
pub const SNAPSHOTS_MAX: usize = 100;

/// Most manifests of one kind before the small ones are merged: a scan reads all of them.
pub const MANIFESTS_MAX: usize = 16;

/// Manifests from this size on are not merged again, which bounds how often an entry is rewritten.
pub const MANIFEST_BYTES_TARGET: i64 = 2 << 20;

/// Rows of one Parquet row group: the unit that a reader holds in memory.
pub const ROW_GROUP_ROWS: usize = 65_536;

/// Bytes of rows in memory at which a row group is closed early, so that wide rows do not fill the writer's memory.
pub const ROW_GROUP_BYTES: usize = 8 << 20;

/// Characters of a text bound, and bytes of a binary one, in a manifest.
pub const BOUND_LENGTH: usize = 16;

/// Level of zstd for data and delete files: higher ones cost time and save a few per cent.
pub const ZSTD_LEVEL: i32 = 1;

/// Bytes of a page before compression. The compressor's tables grow with it: 300 KB for these, 600 KB for pages of 1 MiB.
pub const PAGE_BYTES: usize = 64 << 10;

/// Bytes of a column's dictionary before it is given up. A column with more distinct values gains little from it.
pub const DICTIONARY_BYTES: usize = 64 << 10;

/// Memory that reading an Avro file may take, as it is estimated before, with pointers of 64 bits; a script's are half as
/// wide; bytes count twice, because they are as wide there. A manifest of ours at its target size takes 46 MB if little in
/// it repeats itself; of files with five columns 30,000 fit, however well they compress. A few kilobytes that somebody made
/// up can stand for gigabytes.
pub const AVRO_HELD_BYTES_MAX: u64 = 128 << 20;

/// Bytes of one block of it without its compression. Java, and we, end one after some tens of kilobytes; others put all
/// that they have into one.
pub const AVRO_BLOCK_BYTES_MAX: usize = 16 << 20;

/// Bytes of one text or bound in it: errors spell them out.
pub const AVRO_VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes in front of the first block: two schemas and a partition spec. That of a table with 10,000 columns has one.
pub const AVRO_HEADER_BYTES_MAX: usize = 2 << 20;

/// Fields of that partition spec, each of which is compared with all others. People have a handful.
pub const AVRO_PARTITION_FIELDS_MAX: usize = 1_000;

/// Entries there. Those that are read are fewer than ten.
pub const AVRO_HEADER_ENTRIES_MAX: usize = 1_000;

/// Bytes of the schema of the file itself, which is the same for all tables but for the fields of the partition.
pub const AVRO_SCHEMA_BYTES_MAX: usize = 256 << 10;

/// How deep that schema may be nested. It is read, and its values are, with a call for each level; Iceberg's have eight.
pub const AVRO_SCHEMA_DEPTH_MAX: usize = 16;

/// Largest window of a block in zstandard, as a power of two: 8 MiB, what every decoder is told to accept and no more.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes of the reason why a file cannot be read: the libraries put into it whatever they did not expect.
pub const REASON_BYTES_MAX: usize = 1_000;
