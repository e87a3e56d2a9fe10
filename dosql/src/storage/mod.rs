//! What a shard stores, one file per fact.
//!
//! Every value is sealed with a format byte and a checksum. Keys begin with one letter per fact and hold their
//! numbers in big-endian, so that the order of keys is the order of pages and transactions.

pub(crate) mod base;
pub(crate) mod counted;
mod error;
pub(crate) mod format;
pub(crate) mod idempotency;
pub(crate) mod keys;
pub(crate) mod last_stamp;
pub(crate) mod log_entry;
pub(crate) mod page_image;
pub(crate) mod shard_meta;

pub use error::OpenError;
pub(crate) use error::{Stored, corrupt};

/// The bytes of a checked-in example.
#[cfg(test)]
pub(crate) fn fixture(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
}
