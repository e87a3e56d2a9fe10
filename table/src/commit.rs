//! What the lake and the catalog say to each other.
//!
//! The lake writes data, deletes, manifests and manifest lists; the catalog writes `metadata.json`, moves all pointers
//! of a commit in one storage write, and then writes the commit record. Messages are JSON with the spec's own
//! [`TableRequirement`] and [`TableUpdate`]. 64-bit numbers of ours are decimal strings.

use iceberg::spec::{Schema, TableMetadata, UnboundPartitionSpec};
use iceberg::{TableRequirement, TableUpdate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Namespace (one level) and name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TableName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Asks for a table, which is made if it is not there.
///
/// If it is there, schema, spec and properties are left as they are and its present state is the answer. Field ids of
/// `schema` are kept (see [`create_metadata`](crate::create_metadata)); the namespace is made too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnsureTable {
    /// Which.
    pub table: TableName,
    /// Its first schema, with field ids.
    pub schema: Schema,
    /// Its partition spec; fields without ids get 1000, 1001, ….
    pub partition_spec: UnboundPartitionSpec,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// When it was made, if it is: the time of the first snapshot to come, in milliseconds.
    pub created_ms: i64,
    /// Epoch of the asking lake.
    #[serde(with = "decimal")]
    pub epoch: u64,
}

/// A table as the catalog has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TableState {
    /// Which.
    pub table: TableName,
    /// Where its `metadata.json` is.
    pub metadata_location: String,
    /// The metadata itself.
    pub metadata: TableMetadata,
}

/// The last transaction of a timeline that the tables contain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Watermark {
    /// Name of the database.
    pub database: String,
    /// Its timeline, 32 hexadecimal digits.
    pub timeline: String,
    /// Its last transaction.
    #[serde(with = "decimal")]
    pub lsn: u64,
}

/// The change of one table in a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TableCommit {
    /// Which.
    pub table: TableName,
    /// What must hold.
    pub requirements: Vec<TableRequirement>,
    /// What changes.
    pub updates: Vec<TableUpdate>,
}

/// One flush: all its tables move together or none does.
///
/// The catalog keeps the position of the last flush it committed. It applies this one only if that is `base`, and then
/// it is `end`. `tables` may be empty: the position and the watermarks still move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlushCommit {
    /// Identity of the flush. The same id again is answered with what was committed under it.
    pub flush_id: String,
    /// Epoch of the lake; a lower one than the catalog has seen is refused.
    #[serde(with = "decimal")]
    pub epoch: u64,
    /// The lake position that the tables must be at.
    #[serde(with = "decimal")]
    pub base: u64,
    /// The lake position they are at afterwards.
    #[serde(with = "decimal")]
    pub end: u64,
    /// Positions of all shards at `end`, for the commit record.
    pub watermarks: Vec<Watermark>,
    /// The changes.
    pub tables: Vec<TableCommit>,
}

/// Where the record of a commit lies in the bucket. Padded, so that a listing is in order of numbers.
pub fn commit_record_key(number: u64) -> String {
    format!("_lake/commits/{number:020}")
}

/// What was committed under a flush id. The commit record exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommittedFlush {
    /// Number of the commit record `_lake/commits/{number}`.
    #[serde(with = "decimal")]
    pub number: u64,
    /// The lake position that the tables are at.
    #[serde(with = "decimal")]
    pub end: u64,
    /// The tables of the flush, as they are after it.
    pub tables: Vec<TableState>,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum FlushOutcome {
    /// It holds, and the commit record exists.
    Committed(CommittedFlush),
    /// A requirement of one table failed; nothing was changed. Load it and stage again.
    Conflict {
        /// The table.
        table: TableName,
        /// Which requirement, for logs.
        message: String,
    },
    /// The tables are not at `base`; nothing was changed. Settle, then plan anew.
    BaseMoved {
        /// Where they are.
        #[serde(with = "decimal")]
        position: u64,
    },
    /// A later instance of the lake is at work; nothing was changed. Stop.
    Fenced {
        /// Its epoch.
        #[serde(with = "decimal")]
        epoch: u64,
    },
}

/// Asks what became of a flush whose answer was lost.
///
/// The catalog raises its fence to `epoch` first, so that a request of an earlier epoch that is still under way cannot
/// be applied after the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SettleFlush {
    /// The flush; `None` to ask only for the position.
    pub flush_id: Option<String>,
    /// Epoch of the asking lake, higher than the one that sent the commit.
    #[serde(with = "decimal")]
    pub epoch: u64,
}

/// What became of a flush.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "settlement")]
pub enum Settlement {
    /// It was committed; the commit record exists.
    Committed(CommittedFlush),
    /// It was not and never will be.
    NotCommitted {
        /// The lake position that the tables are at.
        #[serde(with = "decimal")]
        position: u64,
    },
    /// A later instance of the lake is at work. Stop.
    Fenced {
        /// Its epoch.
        #[serde(with = "decimal")]
        epoch: u64,
    },
}

/// Serde of a `u64` as a decimal string: JSON numbers are exact only up to 2^53.
pub mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the string.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads the string.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("not a decimal string of 64 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_travel_as_decimal_strings() {
        let commit = FlushCommit {
            flush_id: "f".into(),
            epoch: 3,
            base: 9_007_199_254_740_993,
            end: u64::MAX,
            watermarks: vec![Watermark { database: "shop".into(), timeline: "00".repeat(16), lsn: 7 }],
            tables: vec![],
        };
        let json = serde_json::to_string(&commit).unwrap();
        assert!(json.contains(r#""base":"9007199254740993""#), "{json}");
        assert_eq!(serde_json::from_str::<FlushCommit>(&json).unwrap(), commit);
    }

    #[test]
    fn outcomes_are_told_apart_by_a_tag() {
        let outcome = FlushOutcome::BaseMoved { position: 4 };
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(json, r#"{"outcome":"base-moved","position":"4"}"#);
        assert_eq!(serde_json::from_str::<FlushOutcome>(&json).unwrap(), outcome);
    }
}
