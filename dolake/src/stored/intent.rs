//! A flush under way, written down before anything goes to the object store, and what it leads to.

use serde::{Deserialize, Serialize};

use super::{FileRow, TableFiles};

/// The flush under way. Once it is `sent`, only the catalog knows whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// Identity, and part of all file names.
    pub(crate) flush_id: String,
    pub(crate) base: u64,
    pub(crate) end: u64,
    /// Blobs from and to (exclusive).
    pub(crate) first_blob: u64,
    pub(crate) end_blob: u64,
    /// The snapshot that every table of the flush gets.
    pub(crate) snapshot_id: i64,
    /// The oldest stamp of the flush: the time of its snapshots.
    ///
    /// DuckDB reads the newest snapshot that is not from after the start of its transaction. Who reads what was
    /// committed before started after the oldest stamp of the flush that holds it, so this time lets every such reader
    /// see the snapshot, also one that was committed because of the read.
    #[serde(default)]
    pub(crate) oldest_stamp: i64,
    /// The commit may have been sent; then the outcome is stored.
    pub(crate) sent: bool,
}

/// What is applied once the commit holds, computed before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) tables: Vec<TableOutcome>,
    /// (database, timeline, lsn) that become durable.
    pub(crate) watermarks: Vec<(String, String, u64)>,
    pub(crate) max_stamp: i64,
    pub(crate) tail_bytes: u64,
    pub(crate) missing_rows: u64,
}

/// One table's part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableOutcome {
    pub(crate) table: u32,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) files: TableFiles,
    /// Data files that are new or changed.
    pub(crate) rows: Vec<FileRow>,
}
