//! What can go wrong in the lake.

use lake_cdc::DecodeError;
use lake_host::{ObjectStoreError, StorageError, blob::BlobError};
use lake_table::TableError;
use thiserror::Error;

/// Why the lake could not do it.
#[derive(Debug, Error)]
pub enum LakeError {
    /// The object's storage failed. For a write, whether it took effect is unknown: drop the lake and open it again.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stored fact cannot be read. The object refuses to work rather than to lose what it may mean.
    #[error("stored {what} is damaged: {reason}")]
    Damaged {
        /// Which.
        what: &'static str,
        /// How.
        reason: String,
    },
    /// This instance was closed, or closed itself after an error: another one is at work. Open the lake again.
    #[error("this instance of the lake is closed")]
    Closed,
    /// The storage was written by a later build.
    #[error("the storage has format {0}, which this build does not know")]
    NewerFormat(u32),
}

impl LakeError {
    pub(crate) fn damaged(what: &'static str, reason: impl ToString) -> LakeError {
        LakeError::Damaged { what, reason: reason.to_string() }
    }
}

impl From<BlobError> for LakeError {
    fn from(error: BlobError) -> LakeError {
        LakeError::damaged("blob", error)
    }
}

impl From<DecodeError> for LakeError {
    fn from(error: DecodeError) -> LakeError {
        LakeError::damaged("blob", error)
    }
}

/// Why a flush did not commit. The tail still holds everything; the next flush settles and goes on.
#[derive(Debug, Error)]
pub enum FlushError {
    /// The lake itself failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] ObjectStoreError),
    /// A table cannot be read or staged.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A later instance of this lake is at work: this one must not write any more.
    #[error("a later instance of the lake is at work (epoch {0})")]
    Fenced(u64),
    /// Others changed the tables in between, again and again.
    #[error("the commit lost every race")]
    LostRaces,
    /// The catalog is at a position that this lake does not know.
    #[error("the catalog is at position {catalog}, the lake at {lake}")]
    PositionConflict {
        /// Where the tables are.
        catalog: u64,
        /// Where the lake believes they are.
        lake: u64,
    },
}

impl From<StorageError> for FlushError {
    fn from(error: StorageError) -> FlushError {
        FlushError::Lake(LakeError::Storage(error))
    }
}

impl From<arrow::error::ArrowError> for FlushError {
    fn from(error: arrow::error::ArrowError) -> FlushError {
        FlushError::Table(TableError::Arrow(error))
    }
}

impl From<iceberg::Error> for FlushError {
    fn from(error: iceberg::Error) -> FlushError {
        FlushError::Table(TableError::Iceberg(error))
    }
}

/// Why the catalog did not answer as asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CatalogError {
    /// Nothing was changed.
    #[error("the catalog failed: {0}")]
    Failed(String),
    /// Whether the commit took effect is unknown.
    #[error("the catalog's answer was lost: {0}")]
    StateUnknown(String),
}
