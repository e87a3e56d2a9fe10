//! What can go wrong with a table's bytes, and the port through which they are read.

use std::fmt::Write;

use bytes::Bytes;
use thiserror::Error;

use crate::limits::REASON_BYTES_MAX;

/// Why a file could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// It is not there: the table is damaged, or expiry removed what a reader still needs.
    #[error("{0} is missing")]
    Missing(String),
    /// The store failed; trying again may help.
    #[error("reading failed: {0}")]
    Failed(String),
}

/// Why a table could not be read or a snapshot not be staged. Nothing was changed.
#[derive(Debug, Error)]
pub enum TableError {
    /// A file of the table could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Metadata or a manifest breaks the spec, or holds what this build does not know.
    #[error("the table's metadata cannot be used: {0}")]
    Iceberg(#[from] iceberg::Error),
    /// A Parquet file cannot be written or read.
    #[error("a Parquet file cannot be used: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns do not fit together.
    #[error("columns do not fit together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The table uses a part of the format that is not supported.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// What was asked for is not there.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// JSON of the metadata cannot be built.
    #[error("the metadata cannot be built: {0}")]
    Json(#[from] serde_json::Error),
}

/// A file that the library could not read, with the begin of its reasons: they spell out what was in the way, at any length.
pub(crate) fn unreadable(error: iceberg::Error) -> TableError {
    let mut reason = Reason(String::new());
    if write!(reason, "{error}").is_err() {
        reason.0.push('…');
    }
    TableError::Iceberg(iceberg::Error::new(iceberg::ErrorKind::DataInvalid, reason.0))
}

/// A text that takes no more once it is long enough.
struct Reason(String);

impl Write for Reason {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = text.floor_char_boundary(REASON_BYTES_MAX - self.0.len());
        let (head, tail) = text.split_at(room);
        self.0.push_str(head);
        if tail.is_empty() { Ok(()) } else { Err(std::fmt::Error) }
    }
}

/// Reads whole files of a table by their location (`s3://bucket/key`).
#[allow(async_fn_in_trait)]
pub trait ReadFile {
    /// The bytes of a file.
    async fn read(&self, location: &str) -> Result<Bytes, ReadError>;
}
