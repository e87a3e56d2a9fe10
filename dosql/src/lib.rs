//! The shard: SQLite on pages of ours, spoken to in Postgres' SQL, with a log of every change for the lake.
//!
//! One [`Shard`] is one database. A transaction is one atomic write of its storage: page deltas, change record and
//! position together. The outbox tells the lake. Nothing here knows the platform, reads a clock or a random source;
//! `unsafe` is in `vfs` alone.

mod change_log;
mod connections;
pub mod limits;
mod outbox;
mod page_cache;
mod page_store;
mod storage;
mod vfs;

pub use outbox::OutboxStep;
pub use storage::OpenError;

