//! An R2 bucket as the object store of the cores.

use lake_host::{
    ByteRange, ETag, ListPage, ListedObject, Object, ObjectInfo, ObjectStore, ObjectStoreError, PutCondition,
    PutOutcome,
};
use worker::{Bucket, Conditional, Range};

/// Largest whole number that JavaScript knows exactly: what a range says crosses over there.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A bucket.
#[derive(Clone, Debug)]
pub struct R2Store {
    bucket: Bucket,
}

impl R2Store {
    /// The bucket of a binding.
    pub fn new(bucket: Bucket) -> R2Store {
        R2Store { bucket }
    }
}

impl R2Store {
    /// Finds an object and leaves its bytes where they are, so that they can be passed on without coming here.
    pub async fn open(&self, key: &str, range: ByteRange) -> Result<Option<OpenedObject>, ObjectStoreError> {
        let mut request = self.bucket.get(key);
        match range {
            ByteRange::Full => {}
            // No object is as long, and `worker` panics.
            ByteRange::From { offset, .. } if offset > NUMBER_MAX => return self.open_empty(key).await,
            ByteRange::From { length: Some(0), .. } => return self.open_empty(key).await,
            ByteRange::From { offset, length: Some(length) } => {
                let length = length.min(NUMBER_MAX - offset);
                request = request.range(Range::OffsetWithLength { offset, length });
            }
            ByteRange::From { offset, length: None } => request = request.range(Range::OffsetToEnd { offset }),
            ByteRange::Suffix { length: 0 } => return self.open_empty(key).await,
            ByteRange::Suffix { length } => request = request.range(Range::Suffix { suffix: length.min(NUMBER_MAX) }),
        }
        let found = match (request.execute().await, range) {
            (Ok(found), _) => found,
            // A range after the end is an error of the platform and no bytes here.
            (Err(reason), ByteRange::From { offset, .. }) => match self.head(key).await? {
                Some(info) if offset >= info.size => return Ok(Some(OpenedObject { info, found: None })),
                _ => return Err(failed(reason)),
            },
            // So is the end of an empty object.
            (Err(reason), ByteRange::Suffix { .. }) => match self.head(key).await? {
                Some(info) if info.size == 0 => return Ok(Some(OpenedObject { info, found: None })),
                _ => return Err(failed(reason)),
            },
            (Err(reason), _) => return Err(failed(reason)),
        };
        Ok(found.map(|object| OpenedObject { info: info(&object), found: Some(object) }))
    }

    /// An object of which no byte is wanted.
    async fn open_empty(&self, key: &str) -> Result<Option<OpenedObject>, ObjectStoreError> {
        Ok(self.head(key).await?.map(|info| OpenedObject { info, found: None }))
    }
}

/// An object whose bytes have not been read.
#[derive(Debug)]
pub struct OpenedObject {
    /// Of the whole object.
    pub info: ObjectInfo,
    // None where the platform calls an empty range an error.
    found: Option<worker::Object>,
}

impl OpenedObject {
    /// The bytes of the range as the body of an answer.
    pub fn into_body(self) -> worker::Result<worker::ResponseBody> {
        match self.found.as_ref().and_then(worker::Object::body) {
            Some(body) => body.response_body(),
            None => Ok(worker::ResponseBody::Empty),
        }
    }
}

fn failed(reason: worker::Error) -> ObjectStoreError {
    ObjectStoreError::Failed(reason.to_string())
}

fn info(object: &worker::Object) -> ObjectInfo {
    ObjectInfo {
        size: object.size(),
        etag: ETag(object.etag()),
        modified_micros: object.uploaded().as_millis() as i64 * 1_000,
    }
}

impl ObjectStore for R2Store {
    async fn get(&self, key: &str, range: ByteRange) -> Result<Option<Object>, ObjectStoreError> {
        let Some(opened) = self.open(key, range).await? else { return Ok(None) };
        let bytes = match opened.found.as_ref().and_then(worker::Object::body) {
            Some(body) => body.bytes().await.map_err(failed)?,
            None => Vec::new(),
        };
        Ok(Some(Object { info: opened.info, bytes }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectStoreError> {
        Ok(self.bucket.head(key).await.map_err(failed)?.as_ref().map(info))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutCondition) -> Result<PutOutcome, ObjectStoreError> {
        let request = self.bucket.put(key, bytes);
        let request = match condition {
            PutCondition::Always => request,
            PutCondition::Absent => request.only_if(Conditional {
                etag_matches: None,
                etag_does_not_match: Some("*".to_owned()),
                uploaded_before: None,
                uploaded_after: None,
            }),
            PutCondition::Unchanged(ETag(etag)) => request.only_if(Conditional {
                etag_matches: Some(etag),
                etag_does_not_match: None,
                uploaded_before: None,
                uploaded_after: None,
            }),
        };
        Ok(match request.execute().await.map_err(failed)? {
            Some(object) => PutOutcome::Written(ETag(object.etag())),
            None => PutOutcome::ConditionFailed,
        })
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<ListPage, ObjectStoreError> {
        let mut request = self.bucket.list().prefix(prefix).limit(u32::try_from(limit).unwrap_or(u32::MAX).min(1_000));
        if let Some(key) = start_after {
            request = request.start_after(key);
        }
        let page = request.execute().await.map_err(failed)?;
        let objects =
            page.objects().iter().map(|object| ListedObject { key: object.key(), info: info(object) }).collect();
        Ok(ListPage { objects, truncated: page.truncated() })
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectStoreError> {
        self.bucket.delete(key).await.map_err(failed)
    }
}
