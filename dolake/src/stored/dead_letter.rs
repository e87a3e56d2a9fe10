//! Changes that the lake's table cannot take, kept with the reason.

use serde::{Deserialize, Serialize};

/// Format byte of the blobs that hold a letter's entries.
pub(crate) const ENTRIES_FORMAT: u8 = 1;

/// The changes of one table in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    pub(crate) database: String,
    pub(crate) timeline: String,
    pub(crate) lsn: u64,
    pub(crate) table: String,
    pub(crate) reason: String,
    pub(crate) changes: u64,
    /// Of letters without parts: the entries as they came, in hexadecimal digits.
    pub(crate) entries: String,
    /// Blobs that follow the letter and hold its entries as they came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) parts: u32,
}

fn is_zero(parts: &u32) -> bool {
    *parts == 0
}
