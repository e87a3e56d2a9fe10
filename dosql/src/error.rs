//! What a shard answers when it does not do what was asked.

use lake_api::{ApiError, ErrorCode};
use lake_dialect::{SqlError, sqlstate};
use lake_host::StorageError;
use thiserror::Error;

use crate::storage::OpenError;

/// Why a request failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShardError {
    /// The statement was refused; its transaction was rolled back.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The request is not one.
    #[error("{0}")]
    Invalid(String),
    /// No such database.
    #[error("database \"{0}\" does not exist")]
    NotFound(String),
    /// The statement writes and the token may only read (42501). Nothing was changed.
    #[error("the token may only read database \"{0}\": a statement that writes needs the scope database:{0}:write")]
    ReadOnly(String),
    /// It exists and feeds another namespace.
    #[error("database \"{database}\" exists and feeds namespace \"{namespace}\"")]
    Exists {
        /// The database.
        database: String,
        /// The namespace it feeds.
        namespace: String,
    },
    /// It was deleted; the lake has not stored that yet. Try again.
    #[error("database \"{0}\" was deleted and the lake has not stored its end yet")]
    Ending(String),
    /// The key came with another request before.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// The lake is behind: writes are refused until it takes some of the log.
    #[error("{bytes} bytes of changes wait for the lake, which is the limit; writes are refused until it takes some")]
    BacklogFull {
        /// What waits.
        bytes: u64,
    },
    /// The transaction is over a limit (54000).
    #[error("{0}")]
    TooLarge(String),
    /// The statement used up its steps (57014).
    #[error("canceling statement: it took more steps than one request may")]
    OutOfSteps,
    /// There is no room (53100). Nothing was changed; reads go on.
    #[error("the storage of this database is full")]
    Full,
    /// Storage failed, and nothing was changed.
    #[error("storage failed and nothing was changed: {0}")]
    Unavailable(String),
    /// Storage failed and it is not known whether the transaction was committed (58030).
    #[error("storage failed and it is not known whether the transaction was committed: {0}")]
    OutcomeUnknown(String),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Our bug. The transaction was rolled back.
    #[error("{0}")]
    Internal(String),
}

impl From<StorageError> for ShardError {
    /// For reads: nothing was changed.
    fn from(error: StorageError) -> ShardError {
        match error {
            StorageError::Full => ShardError::Full,
            StorageError::Failed(reason) => ShardError::Unavailable(reason),
        }
    }
}

impl From<ShardError> for ApiError {
    fn from(error: ShardError) -> ApiError {
        let message = error.to_string();
        match error {
            ShardError::Sql(error) => sql_error(error),
            ShardError::Invalid(_) => ApiError::new(ErrorCode::Invalid, message),
            ShardError::NotFound(_) => ApiError::new(ErrorCode::DatabaseNotFound, message)
                .hint("A statement that writes creates it, and so does PUT /v1/databases/{database}."),
            ShardError::ReadOnly(_) => ApiError::new(ErrorCode::Sql(sqlstate::INSUFFICIENT_PRIVILEGE), message),
            ShardError::Exists { .. } => ApiError::new(ErrorCode::DatabaseExists, message)
                .hint("The namespace of a database is fixed when it is created."),
            ShardError::Ending(_) => ApiError::new(ErrorCode::DatabaseEnding, message),
            ShardError::KeyReused => ApiError::new(ErrorCode::IdempotencyKeyReused, message),
            ShardError::BacklogFull { .. } => ApiError::new(ErrorCode::LimitExceeded, message),
            ShardError::TooLarge(_) => {
                ApiError::new(ErrorCode::Sql(sqlstate::PROGRAM_LIMIT), message).hint("Do it in several transactions.")
            }
            ShardError::OutOfSteps => ApiError::new(ErrorCode::Sql(sqlstate::QUERY_CANCELED), message)
                .hint("Read fewer rows, or add an index. Large questions belong to the lake: POST /v1/query."),
            ShardError::Full => ApiError::new(ErrorCode::Sql(sqlstate::DISK_FULL), message),
            ShardError::Unavailable(_) => ApiError::new(ErrorCode::Unavailable, message),
            ShardError::OutcomeUnknown(_) => ApiError::new(ErrorCode::Sql("58030"), message)
                .hint("Send it again with the same Idempotency-Key, or look before you do."),
            ShardError::Open(error) => error.into(),
            ShardError::Internal(_) => ApiError::new(ErrorCode::Sql(sqlstate::INTERNAL), message),
        }
    }
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> ApiError {
        let code = match error {
            OpenError::Storage(_) => ErrorCode::Unavailable,
            OpenError::NewerFormat { .. } | OpenError::Corrupt { .. } | OpenError::Engine(_) => ErrorCode::Internal,
        };
        ApiError::new(code, error.to_string())
    }
}

/// The error of a statement of ours, which fails by what SQLite lacks or by our bug.
pub(crate) fn sqlite_error(what: &str, error: &rusqlite::Error) -> SqlError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OutOfMemory) => SqlError::new(sqlstate::OUT_OF_MEMORY, "out of memory"),
        _ => SqlError::new(sqlstate::INTERNAL, format!("{what}: {error}")),
    }
}

fn sql_error(error: SqlError) -> ApiError {
    ApiError {
        code: ErrorCode::Sql(sqlstate::known(&error.sqlstate)),
        message: error.message,
        detail: error.detail,
        hint: error.hint,
    }
}
