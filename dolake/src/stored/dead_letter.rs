//! Changes that the lake's table cannot take, kept with the reason.

use serde::{Deserialize, Serialize};

/// The changes of one table in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    pub(crate) database: String,
    pub(crate) timeline: String,
    pub(crate) lsn: u64,
    pub(crate) table: String,
    pub(crate) reason: String,
    pub(crate) changes: u64,
    /// The entries as they came, in hexadecimal digits.
    pub(crate) entries: String,
}
