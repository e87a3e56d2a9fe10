//! A refused statement.

use thiserror::Error;

use crate::sqlstate;

/// What Postgres' error message carries.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct SqlError {
    /// Five characters.
    pub sqlstate: String,
    /// One sentence, in Postgres' words where Postgres has the error too.
    pub message: String,
    /// The facts: which key, which row.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error with a message only.
    pub fn new(sqlstate: impl Into<String>, message: impl Into<String>) -> SqlError {
        SqlError { sqlstate: sqlstate.into(), message: message.into(), detail: None, hint: None }
    }

    /// 0A000: `what` is not supported.
    pub fn unsupported(what: impl std::fmt::Display) -> SqlError {
        SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    /// With the facts.
    pub fn with_detail(mut self, detail: impl Into<String>) -> SqlError {
        self.detail = Some(detail.into());
        self
    }

    /// With what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }
}
