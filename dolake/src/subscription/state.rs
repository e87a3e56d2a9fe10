//! The state of one subscriber and what its messages do to it.

use std::collections::{BTreeMap, VecDeque};

use lake_api::ErrorCode;
use lake_api::subscribe::{ClientMessage, Operation, ServerMessage};
use lake_cdc::limits::NAME_BYTES_MAX;
use lake_host::ShardStorage;
use serde::{Deserialize, Serialize};

use crate::error::LakeError;
use crate::lake::Lake;
use crate::limits::{SUBSCRIBED_TABLES_MAX, SUBSCRIBER_BATCH_EVENTS, SUBSCRIBER_BATCH_EVENTS_MAX};

/// One subscriber. Kept in its socket's attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    pub(super) namespace: String,
    /// (namespace, table); all tables of the namespace if `None`.
    pub(super) tables: Option<Vec<(String, String)>>,
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
                    operations,
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
    Ok(Some(parsed))
}
