//! Carrying changes out over a bucket.

use lake_host::{ETag, ObjectStoreError};
use thiserror::Error;

use super::upload::{self, Part, UploadId};
use super::{FacadeError, FacadeResponse, Finished, Instruction, delete};

/// Why an upload in parts could not be changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UploadError {
    /// There is none of this id, or it is over.
    #[error("there is no such upload")]
    Gone,
    /// A part is missing, is another than the one meant, or has a length that the store does not take there.
    #[error("a part is not the one that was named")]
    Part,
    /// A part but the last is too small.
    #[error("a part is too small")]
    TooSmall,
    /// The store failed; whether it did it is unknown.
    #[error(transparent)]
    Store(#[from] ObjectStoreError),
}

/// What the facade wants of a store besides [`lake_host::ObjectStore`].
#[allow(async_fn_in_trait)]
pub trait Bucket {
    /// Removes objects, as far as they are there.
    async fn delete_all(&self, keys: &[String]) -> Result<(), ObjectStoreError>;

    /// Begins an upload whose object will carry `mark`. The store's id.
    async fn create_upload(&self, key: &str, mark: &str) -> Result<String, UploadError>;

    /// Makes an object of parts.
    async fn complete_upload(&self, key: &str, stored: &str, parts: &[Part]) -> Result<ETag, UploadError>;

    /// Forgets an upload.
    async fn abort_upload(&self, key: &str, stored: &str) -> Result<(), UploadError>;

    /// The mark of an object that was uploaded in parts, and its version.
    async fn find_mark(&self, key: &str) -> Result<Option<(String, ETag)>, ObjectStoreError>;
}

/// Does what an instruction says. `body` was decoded and verified; `random` is used for the mark of an upload.
pub async fn carry_out(
    instruction: &Instruction,
    body: &[u8],
    store: &impl Bucket,
    random: [u8; 16],
) -> Result<FacadeResponse, FacadeError> {
    match instruction {
        Instruction::Delete { key } => {
            store.delete_all(std::slice::from_ref(key)).await?;
            Ok(FacadeResponse::no_content())
        }
        Instruction::DeleteMany { grant } => {
            let deletion = delete::plan(body, grant)?;
            if !deletion.keys.is_empty() {
                store.delete_all(&deletion.keys).await?;
            }
            Ok(delete::answer(&deletion))
        }
        Instruction::CreateUpload { bucket, key } => {
            let mark = format!("{:032x}", u128::from_be_bytes(random));
            let stored = store.create_upload(key, &mark).await?;
            Ok(upload::created(bucket, key, &UploadId { mark, stored }))
        }
        Instruction::CompleteUpload { bucket, key, upload } => {
            let parts = upload::parts(body)?;
            let etag = match store.complete_upload(key, &upload.stored, &parts).await {
                Ok(etag) => etag,
                // Its answer may have been lost on the way to who asks again.
                Err(UploadError::Gone) => match store.find_mark(key).await? {
                    Some((mark, etag)) if mark == upload.mark => etag,
                    _ => return Err(FacadeError::NoSuchUpload),
                },
                Err(other) => return Err(other.into()),
            };
            Ok(upload::completed(bucket, key, &etag))
        }
        Instruction::AbortUpload { key, upload } => {
            store.abort_upload(key, &upload.stored).await?;
            Ok(FacadeResponse::no_content())
        }
    }
}

/// The answer to bytes that were stored under `etag`.
pub fn stored(etag: &ETag, finished: Finished) -> FacadeResponse {
    let mut headers = vec![("etag".to_owned(), format!("\"{}\"", etag.0))];
    headers.extend(finished.checksums);
    FacadeResponse { status: 200, headers, body: Vec::new() }
}

impl From<UploadError> for FacadeError {
    fn from(error: UploadError) -> FacadeError {
        match error {
            UploadError::Gone => FacadeError::NoSuchUpload,
            UploadError::Part => FacadeError::InvalidPart,
            UploadError::TooSmall => FacadeError::EntityTooSmall,
            UploadError::Store(reason) => reason.into(),
        }
    }
}
