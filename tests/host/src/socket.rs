//! Two ends of a socket in memory.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use lake_host::{Socket, SocketError};

#[derive(Debug, Default)]
struct Wire {
    /// Messages on their way to end 0 and to end 1.
    messages: [VecDeque<Vec<u8>>; 2],
    /// Who closed it and with what, if it is closed.
    closed: Option<(u16, String)>,
    /// Messages sent from now on vanish.
    dropping: bool,
    sent: [u64; 2],
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
    /// Takes the next message that has arrived at this end.
    pub fn receive(&self) -> Option<Vec<u8>> {
        self.wire.borrow_mut().messages[self.end].pop_front()
    }

    /// Takes all messages that have arrived at this end.
    pub fn receive_all(&self) -> Vec<Vec<u8>> {
        self.wire.borrow_mut().messages[self.end].drain(..).collect()
    }

    /// How many messages this end has sent, lost ones included.
    pub fn sent_count(&self) -> u64 {
        self.wire.borrow().sent[self.end]
    }

    /// Code and reason if the socket is closed; 1006 if it broke.
    pub fn closed(&self) -> Option<(u16, String)> {
        self.wire.borrow().closed.clone()
    }

    /// Messages sent from now on vanish in both directions and nobody is told: a dead peer before anybody noticed.
    pub fn drop_messages(&self) {
        self.wire.borrow_mut().dropping = true;
    }

    /// The socket breaks: what has not been received is lost and sending fails.
    pub fn break_off(&self) {
        let mut wire = self.wire.borrow_mut();
        wire.messages = Default::default();
        wire.closed.get_or_insert_with(|| (1006, "broken".to_owned()));
    }
}

impl Socket for SocketEnd {
    fn send(&self, message: &[u8]) -> Result<(), SocketError> {
        let mut wire = self.wire.borrow_mut();
        if let Some((code, reason)) = &wire.closed {
            return Err(SocketError(format!("{code} {reason}")));
        }
        wire.sent[self.end] += 1;
        if !wire.dropping {
            wire.messages[1 - self.end].push_back(message.to_vec());
        }
        Ok(())
    }

    fn close(&self, code: u16, reason: &str) {
        self.wire.borrow_mut().closed.get_or_insert_with(|| (code, reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_at_the_other_end_in_order() {
        let (shard, lake) = socket_pair();
        shard.send(b"1").expect("open");
        shard.send(b"2").expect("open");
        lake.send(b"3").expect("open");
        assert_eq!(lake.receive_all(), [b"1", b"2"]);
        assert_eq!((shard.receive(), shard.receive()), (Some(b"3".to_vec()), None));
    }

    #[test]
    fn what_was_sent_before_a_close_still_arrives() {
        let (shard, lake) = socket_pair();
        shard.send(b"1").expect("open");
        shard.close(1000, "idle");
        assert_eq!(lake.closed(), Some((1000, "idle".to_owned())));
        assert_eq!(lake.receive(), Some(b"1".to_vec()));
        assert!(lake.send(b"2").is_err());
    }

    #[test]
    fn dropped_messages_are_sent_for_the_sender_and_never_arrive() {
        let (shard, lake) = socket_pair();
        shard.drop_messages();
        assert_eq!(shard.send(b"1"), Ok(()));
        assert_eq!((shard.sent_count(), lake.receive()), (1, None));
    }

    #[test]
    fn a_broken_socket_loses_what_was_on_its_way() {
        let (shard, lake) = socket_pair();
        shard.send(b"1").expect("open");
        shard.break_off();
        assert_eq!(lake.receive(), None);
        assert!(shard.send(b"2").is_err());
    }
}
