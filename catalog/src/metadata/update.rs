//! What a client may change: the spec's `TableUpdate`, every one of them. Unknown ones do not parse.

use serde::Deserialize;
use serde_json::Value;

use super::{Object, Refused, invalid};

/// Stands for the schema, spec or order that the same commit added last.
pub(crate) const LAST_ADDED: i64 = -1;

/// One change.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum Update {
    AssignUuid { uuid: String },
    UpgradeFormatVersion { format_version: i64 },
    AddSchema { schema: Value, last_column_id: Option<i64> },
    SetCurrentSchema { schema_id: i64 },
    AddSpec { spec: Value },
    SetDefaultSpec { spec_id: i64 },
    AddSortOrder { sort_order: Value },
    SetDefaultSortOrder { sort_order_id: i64 },
    AddSnapshot { snapshot: Value },
    SetSnapshotRef(SetRef),
    RemoveSnapshots { snapshot_ids: Vec<i64> },
    RemoveSnapshotRef { ref_name: String },
    SetLocation { location: String },
    SetProperties { updates: Object },
    RemoveProperties { removals: Vec<String> },
    SetStatistics { statistics: Value },
    RemoveStatistics { snapshot_id: i64 },
    SetPartitionStatistics { partition_statistics: Value },
    RemovePartitionStatistics { snapshot_id: i64 },
    RemovePartitionSpecs { spec_ids: Vec<i64> },
    RemoveSchemas { schema_ids: Vec<i64> },
    AddEncryptionKey { encryption_key: Value },
    RemoveEncryptionKey { key_id: String },
}

/// A branch or tag that is made or moved.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SetRef {
    pub(crate) ref_name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) snapshot_id: i64,
    pub(crate) min_snapshots_to_keep: Option<i64>,
    pub(crate) max_snapshot_age_ms: Option<i64>,
    pub(crate) max_ref_age_ms: Option<i64>,
}

impl Update {
    /// Reads a list of updates.
    pub(crate) fn parse_all(updates: &[Value]) -> Result<Vec<Update>, Refused> {
        let parse = |update: &Value| {
            let parsed = Update::deserialize(update);
            parsed.or_else(|error| invalid(format!("Cannot parse a metadata update: {error}")))
        };
        updates.iter().map(parse).collect()
    }

    /// The snapshot that it adds.
    pub(crate) fn added_snapshot(&self) -> Option<i64> {
        match self {
            Update::AddSnapshot { snapshot } => super::snapshot_id(snapshot),
            _ => None,
        }
    }
}
