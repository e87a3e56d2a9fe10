//! The public HTTP and WebSocket contract: answers, errors, tokens and their scopes, subscribe messages.
//!
//! Everything a client can see is defined here once. Pure: clock readings and keys come in as arguments.

pub mod answer;
mod error;
pub mod limits;
pub mod metrics;
pub mod route;
pub mod scope;
pub mod storage_key;
pub mod subscribe;
pub mod token;

pub use error::{ApiError, ErrorCode, NAMED_CODES};
