//! Subscribers: changes from a position on, in order, each once.
//!
//! A subscriber is a cursor and a filter. Everything else is read from the tail, so its state is small enough for the
//! attachment of a hibernating socket, and a socket that comes back after a break goes on from its cursor.

mod encode;
mod feed;
mod state;

pub use state::{Subscriber, SubscriberReply};
