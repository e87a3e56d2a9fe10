//! The ports of `host` on Cloudflare, and what the three scripts share of HTTP. Nothing here decides.

mod clock;
mod exchange;
pub mod http;
pub mod memory;
mod r2;
mod socket;
mod start;
mod storage;
mod stub;

pub use clock::{WorkerClock, WorkerRandom};
pub use exchange::{HeaderNames, RequestHead, respond};
pub use r2::{OpenedObject, R2Store};
pub use socket::{DialledSocket, WorkerSocket, WorkerSockets, close_event, message_event};
pub use storage::{DurableStorage, StorageCounts};
pub use stub::pass_on;
