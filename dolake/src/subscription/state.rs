//! The state of one subscriber and what its messages do to it.

use std::collections::{BTreeMap, VecDeque};

use lake_api::ErrorCode;
use lake_api::subscribe::{ClientMessage, Operation, ServerMessage};
use lake_cdc::limits::NAME_BYTES_MAX;
use lake_host::ShardStorage;
use serde::{Deserialize, Serialize};

use crate::error::LakeError;
use crate::lake::Lake;
use crate::limits::{
    SUBSCRIBED_NAMES_BYTES_MAX, SUBSCRIBED_TABLES_MAX, SUBSCRIBER_BATCH_EVENTS, SUBSCRIBER_BATCH_EVENTS_MAX,
    SUBSCRIBER_MESSAGE_BYTES_MAX, TOLD_RELATIONS_MAX,
};

/// One subscriber. Kept in its socket's attachment, where it takes at most
/// [`SUBSCRIBER_BYTES_MAX`](crate::limits::SUBSCRIBER_BYTES_MAX).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    pub(super) namespace: String,
    /// (namespace, table); all tables of the namespace if `None`.
    pub(super) tables: Option<Vec<(String, String)>>,
    /// Each at most once; all if `None`.
    pub(super) operations: Option<Vec<Operation>>,
    pub(super) batch_size: u32,
    /// Everything up to here was sent or is not for it.
    pub(super) position: u64,
    /// Positions of batches that were not acknowledged.
    pub(super) in_flight: VecDeque<u64>,
    pub(super) sequence_number: u64,
    /// Shape of each table's rows as last told.
    pub(super) relations: BTreeMap<u32, u32>,
}

/// What to send to a subscriber: text messages in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SubscriberReply {
    /// The messages.
    pub messages: Vec<String>,
    /// Close the socket afterwards with this WebSocket status and reason.
    pub close: Option<(u16, String)>,
}

impl SubscriberReply {
    pub(super) fn push(&mut self, message: &ServerMessage) -> Result<(), LakeError> {
        self.messages.push(serde_json::to_string(message).map_err(|error| LakeError::damaged("message", error))?);
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        code: ErrorCode,
        message: impl Into<String>,
        earliest: Option<u64>,
    ) -> Result<(), LakeError> {
        let message = message.into();
        self.close = Some((1008, code.name().to_owned()));
        self.push(&ServerMessage::Error {
            code: code.name().to_owned(),
            message,
            earliest: earliest.map(|position| position.to_string()),
            retryable: code.is_retryable(),
        })
    }
}

impl Subscriber {
    pub(super) fn wants_table(&self, namespace: &str, name: &str) -> bool {
        match &self.tables {
            None => namespace == self.namespace,
            Some(tables) => tables.iter().any(|(wanted, table)| wanted == namespace && table == name),
        }
    }

    pub(super) fn wants(&self, operation: Operation) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(&operation))
    }

    /// Notes which shape of a table was told.
    pub(super) fn keep_relation(&mut self, table: u32, shape: u32) {
        if self.relations.len() >= TOLD_RELATIONS_MAX {
            self.relations.clear();
        }
        self.relations.insert(table, shape);
    }

    fn acknowledge(&mut self, position: u64) {
        self.in_flight.retain(|sent| *sent > position);
    }
}

impl<S: ShardStorage> Lake<S> {
    /// Takes one text message of a subscriber's socket. `subscriber` is `None` before its `subscribe`.
    ///
    /// `may_read` says whether the socket's token allows a namespace (all of it with `None`) or one table.
    pub fn subscriber_message(
        &self,
        subscriber: &mut Option<Subscriber>,
        text: &str,
        may_read: impl Fn(&str, Option<&str>) -> bool,
        now: i64,
    ) -> Result<SubscriberReply, LakeError> {
        let mut reply = SubscriberReply::default();
        if text.len() > SUBSCRIBER_MESSAGE_BYTES_MAX {
            let message =
                format!("a message has at most {SUBSCRIBER_MESSAGE_BYTES_MAX} bytes, this one {}", text.len());
            reply.fail(ErrorCode::BodyTooLarge, message, None)?;
            return Ok(reply);
        }
        match serde_json::from_str::<ClientMessage>(text) {
            Err(error) => reply.fail(ErrorCode::Invalid, format!("the message cannot be read: {error}"), None)?,
            Ok(ClientMessage::Ack { position }) => match (subscriber.as_mut(), position.parse()) {
                (Some(subscriber), Ok(position)) => {
                    subscriber.acknowledge(position);
                    return self.feed(subscriber, now);
                }
                (None, _) => reply.fail(ErrorCode::Invalid, "the first message must be a subscribe", None)?,
                (_, Err(_)) => reply.fail(ErrorCode::Invalid, "a position must be a decimal string", None)?,
            },
            Ok(ClientMessage::Subscribe { .. }) if subscriber.is_some() => {
                reply.fail(ErrorCode::Invalid, "this socket has subscribed already", None)?;
            }
            Ok(ClientMessage::Subscribe { namespace, tables, operations, from_position, batch_size }) => {
                let namespace = namespace.unwrap_or_else(|| "default".to_owned());
                let tables = match parse_tables(&namespace, tables) {
                    Ok(tables) => tables,
                    Err(message) => {
                        reply.fail(ErrorCode::Invalid, message, None)?;
                        return Ok(reply);
                    }
                };
                let allowed = match &tables {
                    None => may_read(&namespace, None),
                    Some(tables) => tables.iter().all(|(namespace, table)| may_read(namespace, Some(table))),
                };
                if !allowed {
                    reply.fail(ErrorCode::Forbidden, "the token does not allow reading these tables", None)?;
                    return Ok(reply);
                }
                let Some(position) = self.start(from_position, &mut reply)? else { return Ok(reply) };
                let batch_size = batch_size.unwrap_or(SUBSCRIBER_BATCH_EVENTS).clamp(1, SUBSCRIBER_BATCH_EVENTS_MAX);
                let mut state = Subscriber {
                    namespace,
                    tables,
                    operations: operations.map(distinct),
                    batch_size,
                    position,
                    in_flight: VecDeque::new(),
                    sequence_number: 0,
                    relations: BTreeMap::new(),
                };
                reply.push(&ServerMessage::Subscribed { position: position.to_string() })?;
                let first = self.feed(&mut state, now)?;
                reply.messages.extend(first.messages);
                reply.close = first.close;
                *subscriber = Some(state);
            }
        }
        Ok(reply)
    }

    /// Where a subscription starts; `None` if the reply says why it cannot.
    fn start(&self, from: Option<String>, reply: &mut SubscriberReply) -> Result<Option<u64>, LakeError> {
        let (last, earliest) = {
            let state = self.state();
            (state.meta.position, state.meta.earliest)
        };
        let Some(from) = from else { return Ok(Some(last)) };
        match from.parse::<u64>() {
            Err(_) => reply.fail(ErrorCode::Invalid, "a position must be a decimal string", None)?,
            Ok(from) if from > last => {
                let message = format!("the lake is at position {last} and does not know {from}");
                reply.fail(ErrorCode::PositionUnknown, message, Some(earliest))?;
            }
            Ok(from) if from < earliest => {
                let message = format!("the position {from} is older than what is kept");
                reply.fail(ErrorCode::PositionExpired, message, Some(earliest))?;
            }
            Ok(from) => return Ok(Some(from)),
        }
        Ok(None)
    }
}

type Tables = Option<Vec<(String, String)>>;

fn parse_tables(namespace: &str, tables: Option<Vec<String>>) -> Result<Tables, String> {
    let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if !fits(namespace) {
        return Err(format!("{namespace:?} is no namespace"));
    }
    let Some(tables) = tables else { return Ok(None) };
    if tables.is_empty() || tables.len() > SUBSCRIBED_TABLES_MAX {
        return Err(format!("a subscription names between 1 and {SUBSCRIBED_TABLES_MAX} tables"));
    }
    let mut parsed = Vec::new();
    for table in tables {
        let (namespace, name) = table.split_once('.').unwrap_or((namespace, &table));
        if !fits(namespace) || !fits(name) {
            return Err(format!("{table:?} is no table"));
        }
        parsed.push((namespace.to_owned(), name.to_owned()));
    }
    // Texts always serialise.
    let bytes = serde_json::to_vec(&(namespace, &parsed)).unwrap_or_default().len();
    if bytes > SUBSCRIBED_NAMES_BYTES_MAX {
        return Err(format!(
            "the names of a subscription take at most {SUBSCRIBED_NAMES_BYTES_MAX} bytes, not {bytes}"
        ));
    }
    Ok(Some(parsed))
}

fn distinct(operations: Vec<Operation>) -> Vec<Operation> {
    let kinds = [Operation::Insert, Operation::Update, Operation::Delete];
    kinds.into_iter().filter(|kind| operations.contains(kind)).collect()
}

#[cfg(test)]
mod tests {
    use lake_api::limits::UNACKNOWLEDGED_BATCHES_MAX;

    use super::*;
    use crate::limits::SUBSCRIBER_BYTES_MAX;

    /// A state with everything at its bound, but for names.
    fn largest(namespace: &str, tables: Tables) -> Subscriber {
        let mut subscriber = Subscriber {
            namespace: namespace.to_owned(),
            tables,
            operations: Some(distinct(vec![
                Operation::Delete,
                Operation::Update,
                Operation::Insert,
                Operation::Delete,
            ])),
            batch_size: SUBSCRIBER_BATCH_EVENTS_MAX,
            position: u64::MAX,
            in_flight: std::iter::repeat_n(u64::MAX, UNACKNOWLEDGED_BATCHES_MAX).collect(),
            sequence_number: u64::MAX,
            relations: BTreeMap::new(),
        };
        for table in (0..3 * TOLD_RELATIONS_MAX as u32).map(|number| u32::MAX - number) {
            subscriber.keep_relation(table, u32::MAX);
        }
        assert_eq!(subscriber.relations.len(), TOLD_RELATIONS_MAX);
        subscriber
    }

    fn check(namespace: &str, tables: Tables) {
        let bytes = serde_json::to_vec(&largest(namespace, tables)).unwrap().len();
        assert!(bytes <= SUBSCRIBER_BYTES_MAX, "{bytes}");
        // What lies beside it are names and numbers of the token, 100 bytes.
        const { assert!(SUBSCRIBER_BYTES_MAX + 1_000 < lake_host::ATTACHMENT_BYTES_MAX) };
    }

    #[test]
    fn the_largest_state_is_within_its_bound() {
        // Six bytes for each of its own.
        let widest = "\u{1}".repeat(NAME_BYTES_MAX);
        check(&widest, None);
        let longest = "n".repeat(NAME_BYTES_MAX);
        let names = |name: &str| vec![name.to_owned(); SUBSCRIBED_TABLES_MAX];
        check(&longest, parse_tables(&longest, Some(names(&longest))).unwrap());
        // As many tables with such names as are let in.
        let fitting = (1..SUBSCRIBED_TABLES_MAX)
            .rev()
            .find_map(|count| parse_tables(&widest, Some(vec![widest.clone(); count])).ok());
        check(&widest, fitting.unwrap());
    }

    #[test]
    fn names_over_the_bound_are_refused_by_its_name() {
        let tables = vec!["\u{1}".repeat(NAME_BYTES_MAX); SUBSCRIBED_TABLES_MAX];
        let refused = parse_tables("n", Some(tables)).unwrap_err();
        assert_eq!(refused, "the names of a subscription take at most 7168 bytes, not 19357");
        let tables = vec!["n".to_owned(); SUBSCRIBED_TABLES_MAX + 1];
        assert_eq!(parse_tables("n", Some(tables)).unwrap_err(), "a subscription names between 1 and 50 tables");
    }
}
