//! What can go wrong in the catalog's own operations.

use lake_host::blob::BlobError;
use lake_host::{ObjectStoreError, StorageError};
use thiserror::Error;

/// Why the catalog did not do it. Conflicts of commits are outcomes, not errors.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CatalogError {
    /// The request can never succeed as sent: a bug of the caller. Nothing was changed.
    #[error("the request is invalid: {0}")]
    Invalid(String),
    /// There is no such table. Nothing was changed.
    #[error("table {namespace}.{name} does not exist")]
    TableNotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A later instance of the lake is at work. Stop.
    #[error("a later instance of the lake (epoch {epoch}) is at work")]
    Fenced {
        /// Its epoch.
        epoch: u64,
    },
    /// The object's storage failed before anything was changed. Try again.
    #[error(transparent)]
    Storage(StorageError),
    /// The object store failed before anything was changed. Try again.
    #[error(transparent)]
    ObjectStore(#[from] ObjectStoreError),
    /// Whether the change took effect is not known, or it did and its commit record is not written yet. Settle.
    #[error("whether the commit took effect is not known: {0}")]
    StateUnknown(String),
    /// Something stored is damaged or missing. Needs a person.
    #[error("{what} is damaged: {detail}")]
    Corrupt {
        /// Which thing.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Something stored was written by a newer build.
    #[error("{what} has format {format}, which this build does not read")]
    Newer {
        /// Which thing.
        what: &'static str,
        /// Its format.
        format: u8,
    },
}

impl CatalogError {
    /// For `map_err`: a stored thing that cannot be read.
    pub(crate) fn corrupt(what: &'static str, detail: impl ToString) -> CatalogError {
        CatalogError::Corrupt { what, detail: detail.to_string() }
    }

    /// For `map_err`: an envelope that cannot be opened.
    pub(crate) fn sealed(what: &'static str, error: BlobError) -> CatalogError {
        match error {
            BlobError::Format(format) => CatalogError::Newer { what, format },
            BlobError::Truncated | BlobError::Checksum => CatalogError::corrupt(what, error),
        }
    }
}
