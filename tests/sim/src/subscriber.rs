//! A subscriber: it consumes batches, loses its socket, and goes on where it was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lake_api::subscribe::{ClientMessage, Event, ServerMessage};
use lake_dolake::{Lake, LakeError, Subscriber, SubscriberReply};
use lake_test_host::{MemoryStorage, SeededRandom};
use serde_json::Value;

/// A change as the subscriber saw it.
#[derive(Clone, Debug)]
pub(crate) struct SeenChange {
    pub(crate) lsn: u64,
    /// Timeline and position.
    pub(crate) transaction_id: String,
    pub(crate) table: String,
    pub(crate) operation: String,
    pub(crate) id: i64,
    pub(crate) value: String,
    /// It is the first after a resync, so that there may be others before it.
    pub(crate) is_after_gap: bool,
}

/// A client of one namespace.
pub(crate) struct Client {
    pub(crate) namespace: &'static str,
    /// Turns in ten thousand steps.
    pub(crate) share: usize,
    /// The lake's end, kept in the socket's attachment.
    state: Option<Subscriber>,
    is_connected: bool,
    arriving: VecDeque<String>,
    cursor: u64,
    /// Positions of everything that was consumed.
    pub(crate) positions: Vec<u64>,
    /// Everything that was consumed, by database.
    pub(crate) events: BTreeMap<String, Vec<SeenChange>>,
    /// Databases it has heard of since the last resync.
    heard: BTreeSet<String>,
    /// It was told to go on from a later position.
    ends_in_gap: bool,
}

impl Client {
    /// Will read everything from the beginning.
    pub(crate) fn new(namespace: &'static str, share: usize) -> Client {
        Client {
            namespace,
            share,
            state: None,
            is_connected: false,
            arriving: VecDeque::new(),
            cursor: 0,
            positions: Vec::new(),
            events: BTreeMap::new(),
            heard: BTreeSet::new(),
            ends_in_gap: false,
        }
    }

    /// The socket is gone, with what was on it.
    pub(crate) fn disconnect(&mut self) {
        self.state = None;
        self.is_connected = false;
        self.arriving.clear();
    }

    /// The tail has grown.
    pub(crate) fn feed(&mut self, lake: &Lake<MemoryStorage>, now: i64) -> Result<(), LakeError> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let reply = lake.feed(state, now)?;
        self.take(reply);
        Ok(())
    }

    /// Consumes a message, or connects.
    pub(crate) fn step(
        &mut self,
        lake: &Lake<MemoryStorage>,
        now: i64,
        random: &SeededRandom,
    ) -> Result<(), LakeError> {
        if !self.is_connected {
            self.is_connected = true;
            let subscribe = ClientMessage::Subscribe {
                namespace: Some(self.namespace.to_owned()),
                tables: None,
                operations: None,
                from_position: Some(self.cursor.to_string()),
                batch_size: Some(1 + random.below(10) as u32),
            };
            return self.send(lake, &subscribe, now);
        }
        let Some(text) = self.arriving.pop_front() else { return Ok(()) };
        match serde_json::from_str(&text).expect("a message of the contract") {
            ServerMessage::Batch { events, position, .. } => {
                self.cursor = position.parse().expect("a decimal position");
                events.iter().for_each(|event| self.consume(event));
                self.send(lake, &ClientMessage::Ack { position }, now)
            }
            ServerMessage::Progress { position } => {
                self.cursor = position.parse().expect("a decimal position");
                self.send(lake, &ClientMessage::Ack { position }, now)
            }
            ServerMessage::Error { code, earliest, message, .. } => {
                assert_eq!(code, "position_expired", "the subscription ended: {message}");
                // An explicit resync: it goes on with the earliest that is kept.
                self.cursor = earliest.expect("a position to go on from").parse().expect("a decimal position");
                self.heard.clear();
                self.ends_in_gap = true;
                self.disconnect();
                Ok(())
            }
            ServerMessage::Subscribed { .. } | ServerMessage::Relation { .. } => Ok(()),
        }
    }

    /// True if it has heard of the database since the last resync: then it has heard of everything since.
    pub(crate) fn knows_end_of(&self, database: &str) -> bool {
        !self.ends_in_gap || self.heard.contains(database)
    }

    /// True if nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_connected && self.arriving.is_empty()
    }

    fn consume(&mut self, event: &Event) {
        let image = event.after.as_ref().or(event.before.as_ref());
        let field = |name: &str| image.and_then(|image| image.get(name)).cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_after_gap = self.heard.insert(event.shard.clone()) && self.ends_in_gap;
        self.positions.push(event.position.parse().unwrap_or_default());
        self.events.entry(event.shard.clone()).or_default().push(SeenChange {
            lsn: event.lsn.parse().unwrap_or_default(),
            transaction_id: event.transaction_id.clone(),
            table: event.table.clone(),
            operation: format!("{:?}", event.operation).to_uppercase(),
            id: text(field("id")).parse().unwrap_or(-1),
            value: text(field("value")),
            is_after_gap,
        });
    }

    fn send(&mut self, lake: &Lake<MemoryStorage>, message: &ClientMessage, now: i64) -> Result<(), LakeError> {
        let text = serde_json::to_string(message).expect("JSON");
        let reply = lake.subscriber_message(&mut self.state, &text, |_, _| true, now)?;
        self.take(reply);
        Ok(())
    }

    fn take(&mut self, reply: SubscriberReply) {
        self.arriving.extend(reply.messages);
        // The attachment is written after each event.
        self.state = self.state.take().map(|state| {
            let json = serde_json::to_string(&state).expect("JSON");
            assert!(json.len() <= lake_host::ATTACHMENT_BYTES_MAX, "the attachment has {} bytes", json.len());
            serde_json::from_str(&json).expect("what was written")
        });
        if reply.close.is_some() {
            self.state = None;
        }
    }
}
