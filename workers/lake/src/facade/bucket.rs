//! What R2 has besides reading and writing whole objects: uploads in parts, and puts of streams.

use std::collections::HashMap;

use lake_catalog::facade::{BodySpec, Bucket, FacadeError, FacadeResponse, Part, Target, UploadError, stored};
use lake_host::{ETag, ObjectStoreError, PutCondition};
use worker::{Conditional, Data, FixedLengthStream, Request, Result, UploadedPart};

use super::body::{self, Verdict};
use crate::limits::WHOLE_BODY_BYTES_MAX;

/// Name under which an object carries the mark of its upload.
const MARK: &str = "upload";

/// The bucket of the lake.
pub(crate) struct R2Bucket {
    bucket: worker::Bucket,
}

impl R2Bucket {
    pub(crate) fn new(bucket: worker::Bucket) -> R2Bucket {
        R2Bucket { bucket }
    }

    /// Stores the body of a request. A large one goes through as it comes: its stream ends in an error before its last
    /// byte if the body turns out to be a lie, and R2 then stores nothing.
    pub(crate) async fn store(
        &self,
        key: &str,
        target: &Target,
        request: &mut Request,
        spec: &BodySpec,
    ) -> Result<std::result::Result<FacadeResponse, FacadeError>> {
        let verdict = Verdict::default();
        let data = if spec.length() <= WHOLE_BODY_BYTES_MAX {
            match body::whole(request, spec).await? {
                Ok((bytes, finished)) => {
                    verdict.replace(Some(Ok(finished)));
                    Data::Bytes(bytes)
                }
                Err(reason) => return Ok(Err(reason)),
            }
        } else {
            Data::Stream(FixedLengthStream::wrap(body::decoded(request, spec, &verdict)?, spec.length()))
        };
        let outcome = match target {
            Target::Object(condition) => self.put(key, data, condition).await,
            Target::Part { upload, number } => self.put_part(key, &upload.stored, *number, data).await,
        };
        Ok(match (outcome, verdict.take()) {
            (_, Some(Err(reason))) => Err(reason),
            (Ok(etag), Some(Ok(finished))) => Ok(stored(&etag, finished)),
            (Ok(_), None) => Err(FacadeError::IncompleteBody),
            (Err(reason), _) => Err(reason),
        })
    }

    async fn put(&self, key: &str, data: Data, condition: &PutCondition) -> std::result::Result<ETag, FacadeError> {
        let when = |matches: Option<String>, differs: Option<String>| Conditional {
            etag_matches: matches,
            etag_does_not_match: differs,
            uploaded_before: None,
            uploaded_after: None,
        };
        let request = self.bucket.put(key, data);
        let request = match condition {
            PutCondition::Always => request,
            PutCondition::Absent => request.only_if(when(None, Some("*".to_owned()))),
            PutCondition::Unchanged(ETag(etag)) => request.only_if(when(Some(etag.clone()), None)),
        };
        match request.execute().await {
            Ok(Some(object)) => Ok(ETag(object.etag())),
            Ok(None) => Err(FacadeError::PreconditionFailed),
            Err(reason) => Err(UploadError::Store(failed(&reason)).into()),
        }
    }

    async fn put_part(
        &self,
        key: &str,
        stored: &str,
        number: u16,
        data: Data,
    ) -> std::result::Result<ETag, FacadeError> {
        let upload = self.bucket.resume_multipart_upload(key, stored).map_err(|reason| refused(&reason))?;
        let part = upload.upload_part(number, data).await.map_err(|reason| refused(&reason))?;
        Ok(ETag(part.etag()))
    }
}

impl Bucket for R2Bucket {
    async fn delete_all(&self, keys: &[String]) -> std::result::Result<(), ObjectStoreError> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.bucket.delete_multiple(keys).await.map_err(|reason| failed(&reason))
    }

    async fn create_upload(&self, key: &str, mark: &str) -> std::result::Result<String, UploadError> {
        let mark = HashMap::from([(MARK.to_owned(), mark.to_owned())]);
        let created = self.bucket.create_multipart_upload(key).custom_metadata(mark).execute().await;
        Ok(created.map_err(|reason| refused(&reason))?.upload_id().await)
    }

    async fn complete_upload(&self, key: &str, stored: &str, parts: &[Part]) -> std::result::Result<ETag, UploadError> {
        let upload = self.bucket.resume_multipart_upload(key, stored).map_err(|reason| refused(&reason))?;
        let parts = parts.iter().map(|part| UploadedPart::new(part.number, part.etag.0.clone()));
        let object = upload.complete(parts).await.map_err(|reason| refused(&reason))?;
        Ok(ETag(object.etag()))
    }

    async fn abort_upload(&self, key: &str, stored: &str) -> std::result::Result<(), UploadError> {
        let upload = self.bucket.resume_multipart_upload(key, stored).map_err(|reason| refused(&reason))?;
        upload.abort().await.map_err(|reason| refused(&reason))
    }

    async fn find_mark(&self, key: &str) -> std::result::Result<Option<(String, ETag)>, ObjectStoreError> {
        let Some(object) = self.bucket.head(key).await.map_err(|reason| failed(&reason))? else { return Ok(None) };
        let mark = object.custom_metadata().map_err(|reason| failed(&reason))?.remove(MARK);
        Ok(mark.map(|mark| (mark, ETag(object.etag()))))
    }
}

fn failed(reason: &worker::Error) -> ObjectStoreError {
    ObjectStoreError::Failed(reason.to_string())
}

/// R2 tells its errors apart by a number at the end of their text.
fn refused(reason: &worker::Error) -> UploadError {
    let text = reason.to_string();
    let is = |number: &str| text.contains(number);
    if is("(10024)") {
        UploadError::Gone
    } else if is("(10025)") || is("(10048)") {
        UploadError::Part
    } else if is("(10011)") {
        UploadError::TooSmall
    } else {
        UploadError::Store(failed(reason))
    }
}
