//! A subscriber: it consumes batches, loses its socket, and goes on where it was.

use std::collections::VecDeque;

use lake_api::subscribe::{ClientMessage, Event, ServerMessage};
use lake_dolake::{Lake, LakeError, Subscriber, SubscriberReply};
use lake_test_host::{MemoryStorage, SeededRandom};

/// A client of one namespace.
pub(crate) struct Client {
    pub(crate) namespace: String,
    /// The lake's end, kept in the socket's attachment.
    state: Option<Subscriber>,
    is_connected: bool,
    arriving: VecDeque<String>,
    cursor: u64,
    /// Everything that was consumed.
    pub(crate) events: Vec<Event>,
}

impl Client {
    /// Will read everything from the beginning.
    pub(crate) fn new(namespace: &str) -> Client {
        Client {
            namespace: namespace.to_owned(),
            state: None,
            is_connected: false,
            arriving: VecDeque::new(),
            cursor: 0,
            events: Vec::new(),
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
                namespace: Some(self.namespace.clone()),
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
                self.events.extend(events);
                self.send(lake, &ClientMessage::Ack { position }, now)
            }
            ServerMessage::Progress { position } => {
                self.cursor = position.parse().expect("a decimal position");
                Ok(())
            }
            ServerMessage::Error { code, message, .. } => panic!("the subscription ended: {code}: {message}"),
            ServerMessage::Subscribed { .. } | ServerMessage::Relation { .. } => Ok(()),
        }
    }

    /// True if nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_connected && self.arriving.is_empty()
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
            assert!(json.len() <= 16_384, "the attachment has {} bytes", json.len());
            serde_json::from_str(&json).expect("what was written")
        });
    }
}
