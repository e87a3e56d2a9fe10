//! Shards, the lake, the catalog and a subscriber on one thread, with everything going wrong that can.
//!
//! One seed decides the workload, the order of all events and every fault: messages late or lost, sockets that break,
//! objects that are evicted at any `await`, storage and object store that fail or whose answers are lost. At the end faults
//! stop, everything settles, and the checkers compare what the shards acknowledged with what everybody reads.
//! A failing seed is printed; `LAKE_SIM_SEED=… cargo test -p lake-sim one_seed` repeats it.

mod bucket;
mod catalog_port;
mod check;
mod link;
mod model;
mod past;
mod shard;
mod subscriber;
mod world;

pub use world::{Run, World};
