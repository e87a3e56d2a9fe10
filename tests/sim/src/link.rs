//! A socket from a shard to the lake: what is on its way, and what both ends remember of it.
//!
//! Not the `socket_pair` of `tests/host`, whose ends hear of a close as of a message, in its place in the queue: here each
//! end goes for itself, with what is on its way in one direction only, and the other hears of it at a turn of its own.

use std::collections::VecDeque;

use lake_dolake::Connection;

/// One socket.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// On its way to the lake.
    pub(crate) to_lake: VecDeque<Vec<u8>>,
    /// On its way to the shard.
    pub(crate) to_shard: VecDeque<Vec<u8>>,
    /// The lake's end as its attachment holds it: bytes, which is all that outlives a hibernation.
    attachment: String,
    /// The shard was told that it is open.
    pub(crate) is_open: bool,
    /// The shard's end is there. Without it, what was sent before still arrives at the lake.
    pub(crate) has_shard: bool,
    /// The lake's end is there.
    pub(crate) has_lake: bool,
    /// It swallows everything, and neither end knows.
    pub(crate) is_silent: bool,
}

impl Link {
    pub(crate) fn dialled() -> Link {
        let mut link = Link { has_shard: true, has_lake: true, ..Link::default() };
        link.attach(&Connection::default());
        link
    }

    /// What the shard sees of a socket that it closes, until it hears that it is closed.
    pub(crate) fn closing() -> Link {
        Link { has_lake: false, is_open: true, ..Link::dialled() }
    }

    /// What the lake sees of one that the shard has done with.
    pub(crate) fn left_by_shard(self) -> Link {
        Link { has_shard: false, to_shard: VecDeque::new(), ..self }
    }

    pub(crate) fn connection(&self) -> Connection {
        serde_json::from_str(&self.attachment).expect("what was written")
    }

    pub(crate) fn attach(&mut self, connection: &Connection) {
        self.attachment = serde_json::to_string(connection).expect("JSON");
        assert!(self.attachment.len() <= lake_host::ATTACHMENT_BYTES_MAX, "an attachment that does not fit");
    }

    /// The shard sends.
    pub(crate) fn send_to_lake(&mut self, message: Vec<u8>) {
        if self.has_shard && !self.is_silent {
            self.to_lake.push_back(message);
        }
    }

    /// The lake sends.
    pub(crate) fn send_to_shard(&mut self, message: Vec<u8>) {
        if self.has_lake && self.has_shard && !self.is_silent {
            self.to_shard.push_back(message);
        }
    }

    /// From now on nothing arrives, and nobody is told.
    pub(crate) fn fall_silent(&mut self) {
        self.is_silent = true;
        self.to_lake.clear();
        self.to_shard.clear();
    }

    /// True if nothing can come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.has_shard && (!self.has_lake || self.to_lake.is_empty())
    }
}
