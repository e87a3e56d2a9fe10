//! One end of a WebSocket, and the sockets that an object has accepted and keeps while it is not in memory.
//!
//! Events come through the object's own methods, or through the stream of a socket that it dialled, as
//! [`SocketEvent`]s. What a socket is about lies in its attachment: the object that accepted it may be evicted between
//! two events and find the socket again.

use thiserror::Error;

/// Largest message that every implementation carries: a part of a transaction is 1 MiB, and its frame a little more.
pub const MESSAGE_BYTES_MAX: usize = (1 << 20) + (64 << 10);

/// Longest reason of a close: a close frame has 125 bytes, of which two are the code.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Largest attachment. The platform keeps 16,384 bytes, with some bytes that say what they are.
pub const ATTACHMENT_BYTES_MAX: usize = 16_000;

/// Code of a socket that was closed without one.
pub const CLOSED_WITHOUT_CODE: u16 = 1005;

/// Code of a socket that broke, so that no close arrived.
pub const BROKEN: u16 = 1006;

/// Why a socket did not do it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SocketError {
    /// It is closed or broken. What was sent before may or may not have arrived.
    #[error("the socket is closed: {0}")]
    Closed(String),
    /// The attachment is larger than [`ATTACHMENT_BYTES_MAX`]; the one before it is still there.
    #[error("an attachment of {0} bytes is larger than {ATTACHMENT_BYTES_MAX}")]
    AttachmentTooLarge(usize),
}

/// What happens at one end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// A binary message.
    Binary(Vec<u8>),
    /// A text message.
    Text(String),
    /// The other end closed, or the socket broke ([`BROKEN`]). Nothing comes after it.
    Closed {
        /// The code that the other end gave.
        code: u16,
        /// Its reason.
        reason: String,
    },
}

/// One end of a socket. Messages arrive whole, in order, at most once, and before a close that was sent after them.
pub trait Socket {
    /// Sends one binary message of at most [`MESSAGE_BYTES_MAX`]. It leaves after the storage writes before it (the
    /// platform's output gate). An end that closed, or has seen the other close, sends nothing any more.
    fn send(&self, message: &[u8]) -> Result<(), SocketError>;

    /// Sends one text message.
    fn send_text(&self, message: &str) -> Result<(), SocketError>;

    /// Closes, which is heard at the other end after everything that was sent. Closing again does nothing.
    ///
    /// A code that no end may send (see [`sendable_close_code`]) closes without code and reason, and a reason that is too
    /// long is cut.
    fn close(&self, code: u16, reason: &str);
}

/// An accepted socket: it outlives its object's memory.
pub trait HibernatableSocket: Socket {
    /// Keeps `bytes` with the socket, in place of what was kept.
    fn attach(&self, bytes: &[u8]) -> Result<(), SocketError>;

    /// What was attached last; `None` if nothing was.
    fn attached(&self) -> Option<Vec<u8>>;
}

/// The accepted sockets of one object.
pub trait AcceptedSockets {
    /// One of them.
    type Socket: HibernatableSocket;

    /// Those that were accepted under this tag, in no order. One that is closed may or may not be among them.
    fn with_tag(&self, tag: &str) -> Vec<Self::Socket>;
}

/// `code`, if an end may send it in a close.
pub fn sendable_close_code(code: u16) -> Option<u16> {
    match code {
        1004 | CLOSED_WITHOUT_CODE | BROKEN | 1015 => None,
        1000..=1014 | 3000..=4999 => Some(code),
        _ => None,
    }
}

/// As much of `reason` as a close frame holds, cut between two characters.
pub fn close_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_only_an_end_itself_may_note_are_not_sent() {
        for code in [1000, 1001, 1011, 1014, 3000, 4999] {
            assert_eq!(sendable_close_code(code), Some(code));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(sendable_close_code(code), None, "{code}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(close_reason("idle"), "idle");
        assert_eq!(close_reason(&"a".repeat(124)).len(), 123);
        // 41 characters of three bytes are 123 bytes, 31 of four are 124.
        assert_eq!(close_reason(&"€".repeat(50)).chars().count(), 41);
        assert_eq!(close_reason(&"𝄞".repeat(50)).chars().count(), 30);
    }
}
