//! A shard on deterministic storage: requests in, answers, log and storage out.

mod bench;
mod capture;
mod crash;
mod idempotency;
mod lake;
mod life;
mod read_only;
mod requests;
