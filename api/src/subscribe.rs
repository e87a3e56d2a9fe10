//! The messages on `/v1/subscribe`: JSON, one per text message of a WebSocket.
//!
//! The client sends one `subscribe`; the first message back, `subscribed`, fixes the start before anything else
//! can happen, so a change committed after it is never missed. Then come `relation` (before the first event of a table
//! and after each change of its schema), `batch` and `progress`. The client acknowledges positions it has consumed;
//! at most [`UNACKNOWLEDGED_BATCHES_MAX`](crate::limits::UNACKNOWLEDGED_BATCHES_MAX) batches are on their way, so a slow
//! consumer slows only itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From the client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ClientMessage {
    /// Starts the stream. Once, first.
    Subscribe {
        /// Namespace of unqualified tables; `default` if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// `table` or `namespace.table`; all tables of the namespace if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tables: Option<Vec<String>>,
        /// Kinds of change, each once or more; all if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operations: Option<Vec<Operation>>,
        /// Exclusive start, decimal; from now on if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_position: Option<String>,
        /// Most events of a batch. One that is over the lake's own bound is taken as that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
    },
    /// Everything up to `position` has been consumed.
    Ack {
        /// Decimal.
        position: String,
    },
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A row is new.
    Insert,
    /// A row changed.
    Update,
    /// A row is gone.
    Delete,
}

/// From the server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The start is fixed: everything after `position` will come.
    Subscribed {
        /// Decimal.
        position: String,
    },
    /// Names and types of a table's columns for the events that follow.
    Relation {
        /// Namespace.
        namespace: String,
        /// Table.
        table: String,
        /// In the order of the table.
        columns: Vec<RelationColumn>,
        /// Names of the key's columns.
        key: Vec<String>,
    },
    /// Changes, whole transactions where they fit, in order of position.
    Batch {
        /// The events.
        events: Vec<Event>,
        /// Position of the last event's transaction end if the transaction is complete, else of the last event.
        position: String,
        /// Counts batches of this socket from 1.
        sequence_number: u64,
        /// When it was sent: ISO 8601.
        timestamp: String,
        /// Database all events come from.
        source: String,
    },
    /// Nothing for this subscription up to here. There may be more to read: the client's acknowledgement asks for it.
    Progress {
        /// Decimal.
        position: String,
    },
    /// The stream ends.
    Error {
        /// As in HTTP errors.
        code: String,
        /// One sentence.
        message: String,
        /// Earliest position that can be asked for, with `position_expired`.
        #[serde(skip_serializing_if = "Option::is_none")]
        earliest: Option<String>,
        /// Whether reconnecting can help.
        retryable: bool,
    },
}

/// A column of a `relation`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RelationColumn {
    /// Name.
    pub name: String,
    /// Postgres' short type name.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// One change. Row images are objects from column name to value, encoded as in SQL answers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Position in the lake, decimal.
    pub position: String,
    /// Namespace.
    pub namespace: String,
    /// Table.
    pub table: String,
    /// Kind.
    pub operation: Operation,
    /// The transaction's stamp: ISO 8601 with microseconds.
    pub timestamp: String,
    /// Database it comes from.
    pub shard: String,
    /// Position of its transaction in that database, decimal.
    pub lsn: String,
    /// As in `_transaction_id`.
    pub transaction_id: String,
    /// The images are too large for a message: they have the columns of the key only, and not those that are too large as
    /// well. Absent if they are whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
    /// The row as it was; absent if there was none or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The row as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_fixtures_read_back() {
        let fixtures: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/wire/subscribe.json")).expect("a list of messages");
        assert!(!fixtures.is_empty());
        for fixture in fixtures {
            let back = match fixture["from"].as_str() {
                Some("client") => {
                    serde_json::from_value::<ClientMessage>(fixture["message"].clone()).map(serde_json::to_value)
                }
                _ => serde_json::from_value::<ServerMessage>(fixture["message"].clone()).map(serde_json::to_value),
            };
            assert_eq!(back.expect("a known message").expect("JSON"), fixture["message"]);
        }
    }

    #[test]
    fn an_unknown_field_of_a_subscription_is_refused() {
        assert!(serde_json::from_str::<ClientMessage>(r#"{"type":"subscribe","table":["orders"]}"#).is_err());
    }
}
