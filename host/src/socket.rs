//! One end of a WebSocket that carries binary messages.

use thiserror::Error;

/// The socket is closed or broken. What was sent before may or may not have arrived.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the socket is closed: {0}")]
pub struct SocketError(pub String);

/// An open socket. Messages arrive through the object's event method, not here.
pub trait Socket {
    /// Sends one binary message. Queued after the storage writes before it (the platform's output gate).
    fn send(&self, message: &[u8]) -> Result<(), SocketError>;

    /// Closes with a WebSocket status code (1000, 1001, 1008, 1011, …) and a reason of at most 123 bytes.
    fn close(&self, code: u16, reason: &str);
}
