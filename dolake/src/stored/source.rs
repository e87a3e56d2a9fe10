//! How one shard's table maps to the lake's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A table of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceTable {
    /// Its name in the shard.
    pub(crate) name: String,
    /// The lake's table.
    pub(crate) table: Option<u32>,
    /// Column id to field id: decided once.
    pub(crate) columns: BTreeMap<u32, i32>,
    /// Shape of the rows that come, `None` while the table contradicts the lake's.
    pub(crate) shape: Option<u32>,
    /// Why its changes go to the dead letters.
    pub(crate) contradiction: Option<String>,
    /// It was dropped in the shard.
    pub(crate) dropped: bool,
}

impl SourceTable {
    pub(crate) fn new(name: &str) -> SourceTable {
        SourceTable {
            name: name.to_owned(),
            table: None,
            columns: BTreeMap::new(),
            shape: None,
            contradiction: None,
            dropped: false,
        }
    }
}
