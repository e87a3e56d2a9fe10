//! What a query asks of the lake. The caller implements it: with a stub of the object, or with the lake in process.

use lake_api::ApiError;
use lake_cdc::{LakePosition, View, ViewRequest};
use thiserror::Error;

/// Why there is no view.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LakeError {
    /// The transaction that the query waits for did not arrive in time. Ask again.
    #[error("the transaction did not arrive in time; the lake is at {position}")]
    NotYet {
        /// Where the lake is.
        position: LakePosition,
    },
    /// The lake, or who asks it, refused: the error is for the client as it is.
    #[error("{}", .0.message)]
    Refused(ApiError),
    /// The lake cannot be reached, or its answer cannot be read.
    #[error("the lake is not available: {0}")]
    Unavailable(String),
}

/// The lake.
#[allow(async_fn_in_trait)]
pub trait Lake {
    /// One consistent state of the tables asked for.
    async fn view(&self, request: &ViewRequest) -> Result<View, LakeError>;
}
