//! What the cases of sockets and alarms tell an object to do, and what it answers.

use serde::{Deserialize, Serialize};

/// What the suite wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Dial the object `to`, which accepts the socket under `tag`. Done by the lab, which knows how to dial.
    Dial {
        /// The other object.
        to: String,
        /// A name for the socket at both ends.
        tag: String,
    },
    /// Do this with the socket.
    Act {
        /// Which one.
        tag: String,
        /// In order, without anything in between.
        acts: Vec<Act>,
    },
    /// Tell what the socket has seen.
    Seen {
        /// Which one.
        tag: String,
    },
    /// Tell what is attached to the accepted sockets.
    Held {
        /// Of this tag.
        tag: String,
    },
    /// Forget the alarms so far and change the alarm, step by step.
    Alarm {
        /// Each is a batch of its own.
        steps: Vec<AlarmStep>,
        /// How often an alarm that comes sets the next one.
        repeat: u32,
        /// How often an alarm that comes fails.
        failures: u32,
    },
    /// Tell which alarms came.
    Fired,
}

/// What can be done with a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Send a binary message.
    Binary(Payload),
    /// Send a text message.
    Text(String),
    /// Close with code and reason.
    Close(u16, String),
    /// Attach bytes.
    Attach(Payload),
}

/// A change of the alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmStep {
    /// Set it, so many milliseconds from the object's present.
    Set(i64),
    /// Set it, unless an earlier one is set.
    NoLaterThan(i64),
    /// Remove it.
    Clear,
    /// Set it in a batch that fails.
    SetAndFail(i64),
    /// Remove it in a batch that fails.
    ClearAndFail,
}

/// Bytes to send or attach: so many, which follow from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// How many.
    pub length: usize,
    /// Two seeds give different bytes.
    pub seed: u64,
}

/// Bytes that were seen: an order and an answer stay small, however long a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many.
    pub length: usize,
    /// Their hash (FNV-1a).
    pub hash: u64,
}

/// What a socket's end has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A binary message.
    Binary(Digest),
    /// A text message.
    Text(String),
    /// A close.
    Closed {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
        /// True if the end could still send.
        can_send: bool,
    },
}

/// An alarm that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The object's time.
    pub at: i64,
    /// The alarm that storage said was set while this one was taken.
    pub held: Option<i64>,
    /// The alarm that it set, or that stays set.
    pub next: Option<i64>,
}

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It dialled.
    Dialled,
    /// What came of each act at each socket of the tag.
    Acted(Vec<Result<(), String>>),
    /// Events in order.
    Seen(Vec<Seen>),
    /// Attachments, one for each socket.
    Held(Vec<Option<Digest>>),
    /// The alarm as it is after each step.
    Alarm(Vec<Option<i64>>),
    /// Alarms in order.
    Fired {
        /// Those that came.
        fired: Vec<Fired>,
        /// The one that is set.
        next: Option<i64>,
    },
}

impl Payload {
    /// How the bytes are seen.
    pub(super) fn digest(self) -> Digest {
        Digest::of(&self.bytes())
    }

    /// The bytes themselves.
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut state = self.seed;
        let next = |_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        };
        (0..self.length).map(next).collect()
    }
}

impl Digest {
    /// Of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Digest {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Digest { length: bytes.len(), hash: bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash) }
    }
}
