//! Two ends of a socket in memory, and the sockets of an object that is not.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use lake_host::{
    ATTACHMENT_BYTES_MAX, AcceptedSockets, BROKEN, CLOSED_WITHOUT_CODE, HibernatableSocket, Socket, SocketError,
    SocketEvent, close_reason, sendable_close_code,
};

#[derive(Debug, Default)]
struct Wire {
    ends: [End; 2],
    /// Messages sent from now on vanish.
    dropping: bool,
}

#[derive(Debug, Default)]
struct End {
    /// On their way to this end.
    events: VecDeque<SocketEvent>,
    /// Why it sends nothing any more: it closed, or it has seen the other close.
    closed: Option<String>,
    sent: u64,
    attachment: Option<Vec<u8>>,
}

/// One end of a socket. A clone is the same end.
#[derive(Clone, Debug)]
pub struct SocketEnd {
    wire: Rc<RefCell<Wire>>,
    end: usize,
}

/// The two ends of a new socket.
pub fn socket_pair() -> (SocketEnd, SocketEnd) {
    let wire = Rc::new(RefCell::new(Wire::default()));
    (SocketEnd { wire: wire.clone(), end: 0 }, SocketEnd { wire, end: 1 })
}

impl SocketEnd {
    /// Takes what has arrived at this end next.
    pub fn receive(&self) -> Option<SocketEvent> {
        let mut wire = self.wire.borrow_mut();
        let event = wire.ends[self.end].events.pop_front();
        if let Some(SocketEvent::Closed { code, reason }) = &event
            && wire.ends[self.end].closed.is_none()
        {
            wire.ends[self.end].closed = Some(format!("{code} {reason}"));
            // An end that sees a close answers it with the same.
            if !wire.dropping {
                wire.ends[1 - self.end].events.extend(event.clone());
            }
        }
        event
    }

    /// How many messages this end has sent, lost ones included.
    pub fn sent_count(&self) -> u64 {
        self.wire.borrow().ends[self.end].sent
    }

    /// Messages sent from now on vanish in both directions and nobody is told: a dead peer before anybody noticed.
    pub fn drop_messages(&self) {
        self.wire.borrow_mut().dropping = true;
    }

    /// The socket breaks: what has not been received is lost, both ends are told, and sending fails.
    pub fn break_off(&self) {
        for end in &mut self.wire.borrow_mut().ends {
            end.events.clear();
            if end.closed.replace("it broke".to_owned()).is_none() {
                end.events.push_back(SocketEvent::Closed { code: BROKEN, reason: String::new() });
            }
        }
    }

    fn post(&self, message: SocketEvent) -> Result<(), SocketError> {
        let mut wire = self.wire.borrow_mut();
        if let Some(reason) = &wire.ends[self.end].closed {
            return Err(SocketError::Closed(reason.clone()));
        }
        wire.ends[self.end].sent += 1;
        if !wire.dropping {
            wire.ends[1 - self.end].events.push_back(message);
        }
        Ok(())
    }
}

impl Socket for SocketEnd {
    fn send(&self, message: &[u8]) -> Result<(), SocketError> {
        self.post(SocketEvent::Binary(message.to_vec()))
    }

    fn send_text(&self, message: &str) -> Result<(), SocketError> {
        self.post(SocketEvent::Text(message.to_owned()))
    }

    fn close(&self, code: u16, reason: &str) {
        let (code, reason) = match sendable_close_code(code) {
            Some(code) => (code, close_reason(reason)),
            None => (CLOSED_WITHOUT_CODE, ""),
        };
        let mut wire = self.wire.borrow_mut();
        if wire.ends[self.end].closed.is_some() {
            return;
        }
        wire.ends[self.end].closed = Some(format!("{code} {reason}"));
        if !wire.dropping {
            wire.ends[1 - self.end].events.push_back(SocketEvent::Closed { code, reason: reason.to_owned() });
        }
    }
}

impl HibernatableSocket for SocketEnd {
    fn attach(&self, bytes: &[u8]) -> Result<(), SocketError> {
        if bytes.len() > ATTACHMENT_BYTES_MAX {
            return Err(SocketError::AttachmentTooLarge(bytes.len()));
        }
        self.wire.borrow_mut().ends[self.end].attachment = Some(bytes.to_vec());
        Ok(())
    }

    fn attached(&self) -> Option<Vec<u8>> {
        self.wire.borrow().ends[self.end].attachment.clone()
    }
}

/// The accepted sockets of one object. A clone is the same list, which outlives the object.
#[derive(Clone, Debug, Default)]
pub struct MemorySockets {
    accepted: Rc<RefCell<Vec<(String, SocketEnd)>>>,
}

impl MemorySockets {
    /// Accepts `socket` under `tag`.
    pub fn accept(&self, tag: &str, socket: SocketEnd) {
        self.accepted.borrow_mut().push((tag.to_owned(), socket));
    }

    /// Takes what has arrived next at one of the sockets, with its tag. One that has seen the other end close is let go.
    pub fn receive(&self) -> Option<(String, SocketEnd, SocketEvent)> {
        let mut accepted = self.accepted.borrow_mut();
        let (at, event) = accepted.iter().enumerate().find_map(|(at, (_, socket))| Some((at, socket.receive()?)))?;
        let (tag, socket) = match event {
            SocketEvent::Closed { .. } => accepted.remove(at),
            _ => accepted[at].clone(),
        };
        Some((tag, socket, event))
    }
}

impl AcceptedSockets for MemorySockets {
    type Socket = SocketEnd;

    fn with_tag(&self, tag: &str) -> Vec<SocketEnd> {
        let accepted = self.accepted.borrow();
        accepted.iter().filter(|(held, _)| held == tag).map(|(_, socket)| socket.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(bytes: &[u8]) -> Option<SocketEvent> {
        Some(SocketEvent::Binary(bytes.to_vec()))
    }

    #[test]
    fn messages_arrive_at_the_other_end_in_order() {
        let (shard, lake) = socket_pair();
        shard.send(b"1").expect("open");
        shard.send(b"2").expect("open");
        lake.send(b"3").expect("open");
        assert_eq!([lake.receive(), lake.receive(), lake.receive()], [binary(b"1"), binary(b"2"), None]);
        assert_eq!([shard.receive(), shard.receive()], [binary(b"3"), None]);
    }

    #[test]
    fn dropped_messages_are_sent_for_the_sender_and_never_arrive() {
        let (shard, lake) = socket_pair();
        shard.drop_messages();
        assert_eq!(shard.send(b"1"), Ok(()));
        assert_eq!((shard.sent_count(), lake.receive()), (1, None));
    }

    #[test]
    fn a_peer_that_is_gone_never_answers_a_close() {
        let (shard, _lake) = socket_pair();
        shard.drop_messages();
        shard.close(1000, "idle");
        assert_eq!(shard.receive(), None);
    }

    #[test]
    fn a_broken_socket_loses_what_was_on_its_way_and_says_so_at_both_ends() {
        let (shard, lake) = socket_pair();
        shard.send(b"1").expect("open");
        shard.break_off();
        let broken = Some(SocketEvent::Closed { code: BROKEN, reason: String::new() });
        assert_eq!([lake.receive(), lake.receive()], [broken.clone(), None]);
        assert_eq!(shard.receive(), broken);
        assert!(shard.send(b"2").is_err() && lake.send(b"2").is_err());
    }
}
