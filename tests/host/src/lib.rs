//! Deterministic ports for tests: storage, objects, clock, randomness and sockets in memory, with faults that have names.
//!
//! A test crashes an object by dropping it and opening it again over a clone of the same [`MemoryStorage`]: a clone is
//! another handle on the same rows. Faults are methods of the ports and never flags of the product. [`Simulation`] runs
//! futures on one thread in an order that a seed decides. [`contract`] is what every implementation of a port must obey;
//! the ones of Cloudflare run it in workerd.

mod clock;
pub mod contract;
mod lab;
mod object_store;
mod object_store_faults;
// Its tasks die at places that a build without `debug_assertions` does not have, such as the script of the contract.
#[cfg(debug_assertions)]
mod simulation;
mod socket;
mod storage;
mod yield_now;

pub use clock::{ManualClock, SeededRandom};
pub use lab::MemoryLab;
pub use object_store::{MemoryObjectStore, ObjectCounts, ObjectOperation};
#[cfg(debug_assertions)]
pub use simulation::{Simulation, TaskId};
pub use socket::{MemorySockets, SocketEnd, socket_pair};
pub use storage::{MemoryStorage, StorageCounts};
pub use yield_now::yield_now;

/// Drives a future to its end on this thread.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}
