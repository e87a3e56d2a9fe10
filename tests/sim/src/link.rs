//! A socket from a shard to the lake: what is on its way, and what both ends remember of it.

use std::collections::VecDeque;

use lake_dolake::Connection;

/// One socket.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// On its way to the lake.
    pub(crate) to_lake: VecDeque<Vec<u8>>,
    /// On its way to the shard.
    pub(crate) to_shard: VecDeque<Vec<u8>>,
    /// The lake's end, kept in the socket's attachment.
    pub(crate) connection: Connection,
    /// The shard was told that it is open.
    pub(crate) is_open: bool,
    /// The shard's end is there. Without it, what was sent before still arrives at the lake.
    pub(crate) has_shard: bool,
    /// The lake's end is there.
    pub(crate) has_lake: bool,
}

impl Link {
    pub(crate) fn dialled() -> Link {
        Link { has_shard: true, has_lake: true, ..Link::default() }
    }

    /// True if nothing can come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.has_shard && (!self.has_lake || self.to_lake.is_empty())
    }
}
