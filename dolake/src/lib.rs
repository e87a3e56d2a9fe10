//! The lake: it admits what shards send, keeps it in a tail, and turns the tail into Iceberg snapshots.
//!
//! What a shell calls, in the order in which things happen:
//!
//! - [`Lake::open`] on waking, over the object's storage.
//! - [`Lake::receive`] for each message of a producer's socket; its state is a [`Connection`], kept in the socket's
//!   attachment. What was accepted is stored when the call returns.
//! - [`Lake::take_notices`] after every event: frames for the sockets of other databases.
//! - [`Lake::after_event`] after every event, which sets the alarm and says when to call [`Lake::flush`]; whoever wants
//!   to read through the catalog calls that too. [`Lake::after_flush`] at its end.
//! - [`Lake::view`] and [`Lake::view_after`] for queries, [`Lake::status`] for people.
//! - [`Lake::subscriber_message`] and [`Lake::feed`] for subscribers, whose state is a [`Subscriber`].
//!
//! Nothing here reads a clock or knows where it runs. Admission and views have no `await`.

mod admission;
mod error;
mod flush;
mod index;
mod lake;
pub mod limits;
mod ports;
mod receive;
mod schedule;
mod schema;
mod shapes;
mod stage;
mod state;
mod status;
mod stored;
mod subscription;
mod tail;
mod view;

pub use error::{CatalogError, FlushError, LakeError};
pub use flush::Flushed;
pub use lake::{Lake, Notice};
pub use ports::{LakePorts, TableCatalog};
pub use receive::{Connection, Received};
pub use subscription::{Subscriber, SubscriberReply};
pub use view::ViewAnswer;
