//! Every bound of a table, with its reason.

/// Most snapshots kept in the metadata: it is written anew by every commit, so its size is what a commit costs.
pub const SNAPSHOTS_MAX: usize = 100;

/// Most manifests of one kind before the small ones are merged: a scan reads all of them.
pub const MANIFESTS_MAX: usize = 16;

/// Manifests from this size on are not merged again, which bounds how often an entry is rewritten.
pub const MANIFEST_BYTES_TARGET: i64 = 2 << 20;

/// Rows of one Parquet row group: the unit that a reader holds in memory.
pub const ROW_GROUP_ROWS: usize = 65_536;

/// Bytes of buffered columns at which a row group is closed early, so that wide rows do not fill the writer's memory.
pub const ROW_GROUP_BYTES: usize = 8 << 20;

/// Characters of a text bound, and bytes of a binary one, in a manifest.
pub const BOUND_LENGTH: usize = 16;

/// Level of zstd for data and delete files: higher ones cost time and save a few per cent.
pub const ZSTD_LEVEL: i32 = 1;

/// Bytes of a page before compression. Every column of an open file holds one, and a compressor whose tables grow with
/// it: with pages of 1 MiB forty columns take 30 MB more than with these.
pub const PAGE_BYTES: usize = 64 << 10;

/// Bytes of a column's dictionary before it is given up. While it grows, its values and their hash table are in memory
/// for every column of every open file; a column with more distinct values gains little from it.
pub const DICTIONARY_BYTES: usize = 64 << 10;
