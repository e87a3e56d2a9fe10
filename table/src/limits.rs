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
