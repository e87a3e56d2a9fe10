//! The shard: SQLite on pages of ours, spoken to in Postgres' SQL, with a log of every change for the lake.
//!
//! One [`Shard`] is one database. A transaction is one atomic write of its storage: page deltas, change record and
//! position together. The outbox tells the lake. Nothing here knows the platform, reads a clock or a random source;
//! `unsafe` is in `vfs` alone.

mod answer;
mod budget;
mod change_log;
mod collector;
mod connections;
mod engine;
mod error;
mod idempotent;
pub mod limits;
mod line;
mod outbox;
mod page_cache;
mod page_store;
mod request;
pub mod schema;
mod shard;
pub mod sql;
mod status;
mod storage;
mod transaction;
mod vfs;

pub use connections::limit_sqlite_memory;
pub use error::ShardError;
pub use line::{Line, LineEvent, LineStep};
pub use outbox::OutboxStep;
pub use shard::{Shard, database_in};
pub use storage::OpenError;
