//! Shards, the lake, the catalog, subscribers and readers on one thread, with everything going wrong that can.
//!
//! One seed decides who is there, what they do, the order of all events and every fault ([`Plan`]): messages late or lost,
//! sockets that break or fall silent, objects that are evicted at any `await`, that die between two durable effects, or
//! that get a second instance while the first is at work; storage and bucket that fail or whose answers are lost. At
//! the end faults stop, everything settles, and the checkers compare what was acknowledged with what everybody reads.
//!
//! `cargo xtask sim` runs seeds; a failing one is printed as the command that repeats it, and made smaller.

mod bucket;
mod catalog_port;
mod check;
mod chores;
mod database;
mod engine;
mod lake_object;
mod ledger;
mod link;
mod model;
mod past;
mod places;
pub mod plan;
mod planted;
mod shrink;
mod still;
mod subscriber;
mod workload;
mod world;

pub use places::PLACES_TO_DIE;
pub use plan::Plan;
pub use planted::{PLANTED, PlantedBug};
pub use shrink::{Smaller, shrink};
pub use world::{Run, run};
