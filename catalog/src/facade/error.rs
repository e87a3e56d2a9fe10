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
    #[error("This part of S3 is not implemented.")]
    NotImplemented,
    /// The request contradicts itself.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The body is not what its checksum says.
    #[error("The checksum that you specified did not match what was received.")]
    BadDigest,
    /// `Content-MD5` is no MD5.
    #[error("The Content-MD5 that you specified is not valid.")]
    InvalidDigest,
    /// The body is not what was signed.
    #[error("The provided x-amz-content-sha256 header does not match what was computed.")]
    ContentHashMismatch,
    /// The body ended early.
    #[error("You did not provide the number of bytes specified by the length of the body.")]
    IncompleteBody,
    /// What follows the body is not what was announced.
    #[error("The request contained trailing data that was not well-formed or did not conform to what was announced.")]
    MalformedTrailer,
    /// Nobody knows how much is coming.
    #[error("You must provide the length of the body.")]
    MissingContentLength,
    /// More than an object may have.
    #[error("Your proposed upload exceeds the maximum allowed size.")]
    EntityTooLarge,
    /// A part but the last is too small.
    #[error("Your proposed upload is smaller than the minimum allowed size.")]
    EntityTooSmall,
    /// The instructions in the body cannot be read.
    #[error("The XML that you provided was not well-formed or did not validate against the published schema.")]
    MalformedXml,
    /// A part that was not uploaded, or is another than the one meant.
    #[error("One or more of the specified parts could not be found, or their sizes differ.")]
    InvalidPart,
    /// Parts are named out of order.
    #[error("The list of parts was not in ascending order.")]
    InvalidPartOrder,
    /// No such upload, or it is over.
    #[error("The specified upload does not exist. It may have been aborted or completed.")]
    NoSuchUpload,
    /// Longer than keys can be.
    #[error("Your key is too long.")]
    KeyTooLong,
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
            FacadeError::InvalidRequest(_) => (400, "InvalidRequest"),
            FacadeError::BadDigest => (400, "BadDigest"),
            FacadeError::InvalidDigest => (400, "InvalidDigest"),
            FacadeError::ContentHashMismatch => (400, "XAmzContentSHA256Mismatch"),
            FacadeError::IncompleteBody => (400, "IncompleteBody"),
            FacadeError::MalformedTrailer => (400, "MalformedTrailerError"),
            FacadeError::EntityTooLarge => (400, "EntityTooLarge"),
            FacadeError::EntityTooSmall => (400, "EntityTooSmall"),
            FacadeError::MalformedXml => (400, "MalformedXML"),
            FacadeError::InvalidPart => (400, "InvalidPart"),
            FacadeError::InvalidPartOrder => (400, "InvalidPartOrder"),
            FacadeError::KeyTooLong => (400, "KeyTooLongError"),
            FacadeError::AccessDenied(_) => (403, "AccessDenied"),
            FacadeError::InvalidAccessKeyId => (403, "InvalidAccessKeyId"),
            FacadeError::InvalidToken => (403, "InvalidToken"),
            FacadeError::ExpiredToken => (403, "ExpiredToken"),
            FacadeError::SignatureDoesNotMatch => (403, "SignatureDoesNotMatch"),
            FacadeError::RequestTimeTooSkewed => (403, "RequestTimeTooSkewed"),
            FacadeError::NoSuchBucket => (404, "NoSuchBucket"),
            FacadeError::NoSuchKey(_) => (404, "NoSuchKey"),
            FacadeError::NoSuchUpload => (404, "NoSuchUpload"),
            FacadeError::MethodNotAllowed => (405, "MethodNotAllowed"),
            FacadeError::MissingContentLength => (411, "MissingContentLength"),
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
