//! What the lake knows of a table's files: locations, the runs of the key index, and each data file of current rows.

use serde::{Deserialize, Serialize};

/// State of a table's files. Written by flushes only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFiles {
    /// `metadata.json` of the current rows and of history, `None` before the first commit.
    pub(crate) metadata_location: Option<String>,
    pub(crate) history_metadata_location: Option<String>,
    /// Next numbers.
    pub(crate) next_file: u32,
    pub(crate) next_run: u32,
    /// Runs of the key index.
    pub(crate) runs: Vec<IndexRun>,
    /// Live rows.
    pub(crate) rows: u64,
    /// Rows of history.
    pub(crate) history_rows: u64,
}

/// A sorted run of the key index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexRun {
    pub(crate) number: u32,
    /// 0 as flushed; a merge of runs of one level is of the next.
    pub(crate) level: u32,
    pub(crate) blocks: Vec<IndexBlock>,
}

/// A block of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexBlock {
    /// Least and greatest hash in it.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) entries: u32,
}

/// One data file of current rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRow {
    pub(crate) number: u32,
    pub(crate) path: String,
    pub(crate) records: u64,
    /// Rows named by its delete file, and where that is.
    pub(crate) deleted: u64,
    pub(crate) delete_file: Option<String>,
    /// Whose rows they are, in order: (shard, rows).
    pub(crate) shards: Vec<(u32, u32)>,
    /// Rows [from, to) that went with a whole shard or table; the index may still name them.
    pub(crate) dropped: Vec<(u32, u32)>,
}

impl FileRow {
    /// True if the row went with its shard.
    pub(crate) fn has_dropped(&self, row: u32) -> bool {
        self.dropped.iter().any(|(from, to)| (*from..*to).contains(&row))
    }

    /// The ranges of a shard's rows that did not go yet.
    pub(crate) fn ranges_of(&self, shard: u32) -> Vec<(u32, u32)> {
        let mut ranges = Vec::new();
        let mut start = 0;
        for (owner, rows) in &self.shards {
            let range = (start, start + rows);
            start += rows;
            if *owner == shard && !self.dropped.contains(&range) {
                ranges.push(range);
            }
        }
        ranges
    }
}
