//! A shard on deterministic storage: requests in, answers, log and storage out.

mod bench;
mod bounds;
mod capture;
mod crash;
mod first_request;
mod idempotency;
mod lake;
mod life;
mod read_only;
mod requests;
mod roll_back;
