//! Ports: everything the cores need from where they run, as traits.
//!
//! A Durable Object is one thread and so is the simulator, so the traits have `async fn` without `Send`. The shells
//! in `workers/platform` implement them on Cloudflare, `tests/host` deterministically with faults; one contract
//! suite in `tests/host` holds for both. Clock readings and random bytes are arguments wherever one suffices; the
//! ports [`Clock`] and [`Random`] are for code that waits in between.

pub mod blob;
mod clock;
mod fault;
mod object_store;
mod socket;
mod storage;

pub use clock::{Clock, Random};
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use fault::__fault_armed;
#[cfg(debug_assertions)]
pub use fault::{arm_fault, disarm_faults};
pub use object_store::{
    ByteRange, ETag, ListPage, ListedObject, Object, ObjectInfo, ObjectStore, ObjectStoreError, PutCondition,
    PutOutcome,
};
pub use socket::{Socket, SocketError};
pub use storage::{AlarmChange, KeyRange, ROW_BYTES_MAX, ShardStorage, StorageError, WriteBatch, WriteOperation};
