//! Why stored facts could not be read.

use lake_cdc::DecodeError;
use lake_host::StorageError;
use lake_host::blob::BlobError;
use thiserror::Error;

/// Why a shard could not be opened. Nothing was changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// Storage refused. Try again.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A newer build wrote it. Deploy that build or a later one.
    #[error("the database has storage format {found}, this build reads up to {known}")]
    NewerFormat {
        /// What the format row says.
        found: u8,
        /// The greatest that this build reads.
        known: u8,
    },
    /// A stored fact is damaged.
    #[error("stored {what} is damaged: {reason}")]
    Corrupt {
        /// Which fact.
        what: &'static str,
        /// How it was noticed.
        reason: String,
    },
    /// SQLite did not start.
    #[error("SQLite could not be opened: {0}")]
    Engine(String),
}

/// What was wrong with the bytes of a stored fact.
#[derive(Debug, Error)]
pub(crate) enum Stored {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Fields(#[from] DecodeError),
    #[error("{0}")]
    Pages(&'static str),
}

/// Names the fact whose bytes were wrong.
pub(crate) fn corrupt<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> OpenError {
    move |reason| OpenError::Corrupt { what, reason: reason.to_string() }
}
