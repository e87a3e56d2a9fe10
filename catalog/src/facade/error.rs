//! The errors that S3 clients know.

use lake_api::storage_key::InvalidAccessKeyId;
use lake_host::ObjectStoreError;
use thiserror::Error;

use super::FacadeResponse;
use super::xml::escape;

/// Why a storage request failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FacadeError {
    /// No signature, or not for this.
    #[error("{0}")]
    AccessDenied(&'static str),
    /// The access key id is none of this lake's.
    #[error("The access key id does not exist here.")]
    InvalidAccessKeyId,
    /// The session token is missing or is not the one of the access key id.
    #[error("The session token is missing or does not belong to the access key id.")]
    InvalidToken,
    /// The credentials' time is over. 403 and not AWS' 400, because it is on 403 that engines ask for fresh ones.
    #[error("The credentials have expired.")]
    ExpiredToken,
    /// Not signed with the secret of the access key id.
    #[error("The request signature does not match the one calculated here. Check the secret key.")]
    SignatureDoesNotMatch,
    /// Signed too long ago, or in the future.
    #[error("The difference between the request time and the present time is too large.")]
    RequestTimeTooSkewed,
    /// The signature cannot be read.
    #[error("The authorization is malformed: {0}.")]
    AuthorizationMalformed(&'static str),
    /// The path is not one of an object.
    #[error("The path cannot be used: {0}.")]
    InvalidUri(&'static str),
    /// A parameter makes no sense.
    #[error("Invalid argument: {0}.")]
    InvalidArgument(&'static str),
    /// Another bucket than the lake's.
    #[error("The bucket does not exist.")]
    NoSuchBucket,
    /// No such object.
    #[error("The key does not exist.")]
    NoSuchKey(String),
    /// A method that S3 has nowhere.
    #[error("The method is not allowed against this resource.")]
    MethodNotAllowed,
    /// `If-Match` names another version.
    #[error("At least one of the preconditions did not hold.")]
    PreconditionFailed,
    /// The range begins after the end.
    #[error("The requested range is not satisfiable.")]
    InvalidRange {
        /// Length of the object.
        size: u64,
    },
    /// A part of S3 that is not here.
    #[error("Only reading and listing objects (version 2) is implemented.")]
    NotImplemented,
    /// The store failed for the moment.
    #[error("The object store failed. Try again.")]
    ServiceUnavailable,
}

impl FacadeError {
    /// HTTP status and S3's name.
    pub fn kind(&self) -> (u16, &'static str) {
        match self {
            FacadeError::AuthorizationMalformed(_) => (400, "AuthorizationHeaderMalformed"),
            FacadeError::InvalidUri(_) => (400, "InvalidURI"),
            FacadeError::InvalidArgument(_) => (400, "InvalidArgument"),
            FacadeError::AccessDenied(_) => (403, "AccessDenied"),
            FacadeError::InvalidAccessKeyId => (403, "InvalidAccessKeyId"),
            FacadeError::InvalidToken => (403, "InvalidToken"),
            FacadeError::ExpiredToken => (403, "ExpiredToken"),
            FacadeError::SignatureDoesNotMatch => (403, "SignatureDoesNotMatch"),
            FacadeError::RequestTimeTooSkewed => (403, "RequestTimeTooSkewed"),
            FacadeError::NoSuchBucket => (404, "NoSuchBucket"),
            FacadeError::NoSuchKey(_) => (404, "NoSuchKey"),
            FacadeError::MethodNotAllowed => (405, "MethodNotAllowed"),
            FacadeError::PreconditionFailed => (412, "PreconditionFailed"),
            FacadeError::InvalidRange { .. } => (416, "InvalidRange"),
            FacadeError::NotImplemented => (501, "NotImplemented"),
            FacadeError::ServiceUnavailable => (503, "ServiceUnavailable"),
        }
    }

    /// The answer, in S3's XML.
    pub fn into_response(self, request_id: &str) -> FacadeResponse {
        let (status, code) = self.kind();
        let key = match &self {
            FacadeError::NoSuchKey(key) => format!("<Key>{}</Key>", escape(key)),
            _ => String::new(),
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{key}\
             <RequestId>{}</RequestId></Error>",
            escape(&self.to_string()),
            escape(request_id),
        );
        let mut headers = vec![
            ("content-type".to_owned(), "application/xml".to_owned()),
            ("x-amz-request-id".to_owned(), request_id.to_owned()),
        ];
        if let FacadeError::InvalidRange { size } = self {
            headers.push(("content-range".to_owned(), format!("bytes */{size}")));
        }
        FacadeResponse { status, headers, body: body.into_bytes() }
    }
}

impl From<ObjectStoreError> for FacadeError {
    fn from(error: ObjectStoreError) -> FacadeError {
        match error {
            // The store's own words are for the log of whoever implements it, not for clients.
            ObjectStoreError::Failed(_) => FacadeError::ServiceUnavailable,
        }
    }
}

impl From<InvalidAccessKeyId> for FacadeError {
    fn from(_: InvalidAccessKeyId) -> FacadeError {
        FacadeError::InvalidAccessKeyId
    }
}
