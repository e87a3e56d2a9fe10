//! The errors that Iceberg clients know. They decide by status, and show type and message.

use serde_json::json;

use super::RestResponse;
use crate::error::CatalogError;

/// Why a REST request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestError {
    /// Can never succeed as sent.
    BadRequest(String),
    /// The same for what Java checks as an argument: its client throws another exception for it.
    IllegalArgument(String),
    /// No token, or one that is not valid.
    Unauthorized(String),
    /// The token, or the table, does not allow this.
    Forbidden(String),
    /// The lake has another name.
    NoSuchWarehouse(String),
    /// No such namespace.
    NoSuchNamespace(String),
    /// No such table.
    NoSuchTable(String),
    /// No such view.
    NoSuchView(String),
    /// No such function.
    NoSuchFunction(String),
    /// No such scan plan.
    NoSuchPlanId(String),
    /// No such part of a scan plan.
    NoSuchPlanTask(String),
    /// No such address, or no such file.
    NotFound(String),
    /// The namespace holds something. Nothing was changed.
    NamespaceNotEmpty(String),
    /// The parts of a request contradict each other.
    Unprocessable(String),
    /// The name is taken.
    AlreadyExists(String),
    /// What a commit relies on does not hold. Nothing was changed; load, and commit again.
    CommitFailed(String),
    /// In the protocol, but not here.
    Unsupported(String),
    /// The body is over the limit.
    TooLarge,
    /// What the same request was told before.
    Again {
        /// HTTP status.
        status: u16,
        /// Name of the exception in clients.
        exception: String,
        /// For people.
        message: String,
    },
    /// For the moment. Nothing was changed.
    Unavailable(String),
    /// Whether the change took effect is not known.
    StateUnknown(String),
    /// Our bug, or damage.
    Internal(String),
}

impl RestError {
    /// HTTP status and the name of the exception in clients.
    pub fn kind(&self) -> (u16, &str) {
        match self {
            RestError::Again { status, exception, .. } => (*status, exception),
            RestError::BadRequest(_) => (400, "BadRequestException"),
            RestError::IllegalArgument(_) => (400, "IllegalArgumentException"),
            RestError::Unauthorized(_) => (401, "NotAuthorizedException"),
            RestError::Forbidden(_) => (403, "ForbiddenException"),
            RestError::NoSuchWarehouse(_) => (404, "NoSuchWarehouseException"),
            RestError::NoSuchNamespace(_) => (404, "NoSuchNamespaceException"),
            RestError::NoSuchTable(_) => (404, "NoSuchTableException"),
            RestError::NoSuchView(_) => (404, "NoSuchViewException"),
            RestError::NoSuchFunction(_) => (404, "NoSuchFunctionException"),
            RestError::NoSuchPlanId(_) => (404, "NoSuchPlanIdException"),
            RestError::NoSuchPlanTask(_) => (404, "NoSuchPlanTaskException"),
            RestError::NotFound(_) => (404, "NotFoundException"),
            RestError::Unsupported(_) => (406, "UnsupportedOperationException"),
            RestError::AlreadyExists(_) => (409, "AlreadyExistsException"),
            RestError::CommitFailed(_) => (409, "CommitFailedException"),
            RestError::NamespaceNotEmpty(_) => (409, "NamespaceNotEmptyException"),
            RestError::Unprocessable(_) => (422, "UnprocessableEntityException"),
            RestError::TooLarge => (413, "BadRequestException"),
            RestError::StateUnknown(_) => (500, "CommitStateUnknownException"),
            RestError::Internal(_) => (500, "InternalServerError"),
            RestError::Unavailable(_) => (503, "ServiceUnavailableException"),
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            RestError::BadRequest(message)
            | RestError::IllegalArgument(message)
            | RestError::Unauthorized(message)
            | RestError::Forbidden(message)
            | RestError::NoSuchWarehouse(message)
            | RestError::NotFound(message)
            | RestError::AlreadyExists(message)
            | RestError::CommitFailed(message)
            | RestError::NamespaceNotEmpty(message)
            | RestError::Unprocessable(message)
            | RestError::Unavailable(message)
            | RestError::StateUnknown(message)
            | RestError::Internal(message)
            | RestError::Again { message, .. } => message.clone(),
            RestError::NoSuchNamespace(name) => format!("Namespace does not exist: {name}"),
            RestError::NoSuchTable(name) => format!("Table does not exist: {name}"),
            RestError::NoSuchView(name) => format!("View does not exist: {name}"),
            RestError::NoSuchFunction(name) => format!("Function does not exist: {name}"),
            RestError::NoSuchPlanId(id) => format!("Plan does not exist: {id}"),
            RestError::NoSuchPlanTask(task) => format!("Plan task does not exist: {task}"),
            RestError::Unsupported(what) => format!("This catalog does not support {what}"),
            RestError::TooLarge => "The body is too large".to_owned(),
        }
    }

    /// True for what follows from the request and the tables alone. A token can be given more rights, what this catalog
    /// cannot do for the moment it can do later, and what it does not know it must not call refused.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.kind().0, 400 | 404 | 406 | 409 | 422)
    }

    /// What it is while the lake holds what it has not committed: then nobody knows that a table does not exist.
    pub(crate) fn while_behind(self) -> RestError {
        match self {
            RestError::NoSuchNamespace(name) | RestError::NoSuchTable(name) => RestError::Unavailable(format!(
                "{name} is not known, but the lake has not committed all that it was sent; ask again"
            )),
            other => other,
        }
    }

    /// The answer.
    pub fn into_response(self) -> RestResponse {
        let (status, name) = self.kind();
        let body = json!({"error": {"message": self.message(), "type": name, "code": status}});
        let mut response = RestResponse::json(status, body.to_string().into_bytes());
        match self {
            RestError::Unauthorized(_) => response.headers.push(("www-authenticate".into(), "Bearer".into())),
            RestError::Unavailable(_) => response.headers.push(("retry-after".into(), "1".into())),
            _ => {}
        }
        response
    }
}

impl From<CatalogError> for RestError {
    fn from(error: CatalogError) -> RestError {
        let message = error.to_string();
        match error {
            CatalogError::Invalid(_) => RestError::BadRequest(message),
            CatalogError::TableNotFound { namespace, name } => RestError::NoSuchTable(format!("{namespace}.{name}")),
            CatalogError::Fenced { .. } | CatalogError::Storage(_) | CatalogError::ObjectStore(_) => {
                RestError::Unavailable(message)
            }
            CatalogError::StateUnknown(_) => RestError::StateUnknown(message),
            CatalogError::Corrupt { .. } | CatalogError::Newer { .. } => RestError::Internal(message),
        }
    }
}
