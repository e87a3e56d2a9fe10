//! Ports: everything the cores need from where they run, as traits.
//!
//! A Durable Object is one thread and so is the simulator, so the traits have `async fn` without `Send`. The shells
//! in `workers/platform` implement them on Cloudflare, `tests/host` deterministically with faults; one contract
//! suite in `tests/host` holds for both. Clock readings and random bytes are arguments wherever one suffices; the
//! ports [`Clock`] and [`Random`] are for code that waits in between.

pub mod blob;
mod clock;
mod coin;
mod fault;
mod object_store;
mod planted;
mod socket;
mod storage;

pub use clock::{Clock, Random};
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use coin::__coin;
#[cfg(debug_assertions)]
pub use coin::throw_coins;
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use fault::{__die, __fault_armed};
#[cfg(debug_assertions)]
pub use fault::{Died, alive, arm_fault, disarm_faults, reached_faults};
pub use object_store::{
    ByteRange, ETag, ListPage, ListedObject, Object, ObjectInfo, ObjectStore, ObjectStoreError, PutCondition,
    PutOutcome,
};
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use planted::__planted;
#[cfg(debug_assertions)]
pub use planted::plant_bug;
pub use socket::{
    ATTACHMENT_BYTES_MAX, AcceptedSockets, BROKEN, CLOSE_REASON_BYTES_MAX, CLOSED_WITHOUT_CODE, HibernatableSocket,
    MESSAGE_BYTES_MAX, Socket, SocketError, SocketEvent, close_reason, sendable_close_code,
};
pub use storage::{AlarmChange, KeyRange, ROW_BYTES_MAX, ShardStorage, StorageError, WriteBatch, WriteOperation};
