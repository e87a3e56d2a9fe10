//! The object store as DataFusion can hold it.
//!
//! DataFusion wants everything `Send`, and the ports are not: a [`StoreClient`] only sends what it wants to read, and
//! [`serve`], joined to the same request's future, reads it. Counting what was read happens here too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use lake_host::{ByteRange, Object, ObjectStore, ObjectStoreError};

use crate::cache::ObjectCache;
use crate::error::{refuse, unavailable};
use crate::limits::{METADATA_BYTES_MAX, READS_AT_ONCE_MAX};

/// What a query has read.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: AtomicU64,
    pub(crate) files: AtomicU64,
    pub(crate) partitions: AtomicU64,
}

#[derive(Debug)]
struct Read {
    key: String,
    range: ByteRange,
    answer: oneshot::Sender<Result<Option<Object>, ObjectStoreError>>,
}

/// Where reads are asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct StoreClient {
    reads: mpsc::UnboundedSender<Read>,
    pub(crate) counts: Arc<Counts>,
    cache: Arc<Mutex<ObjectCache>>,
}

/// The other end of a [`StoreClient`].
#[derive(Debug)]
pub(crate) struct Reads(mpsc::UnboundedReceiver<Read>);

/// A client and its other end.
pub(crate) fn channel(cache: Arc<Mutex<ObjectCache>>) -> (StoreClient, Reads) {
    let (reads, receiver) = mpsc::unbounded();
    (StoreClient { reads, counts: Arc::default(), cache }, Reads(receiver))
}

/// Answers reads until every client is gone.
pub(crate) async fn serve<S: ObjectStore>(store: &S, reads: Reads) {
    reads
        .0
        .for_each_concurrent(READS_AT_ONCE_MAX, |read| async move {
            let answer = store.get(&read.key, read.range).await;
            // The asking operator may be gone: a LIMIT was reached.
            let _ = read.answer.send(answer);
        })
        .await;
}

impl StoreClient {
    /// Bytes of an object that must exist.
    pub(crate) async fn get(&self, key: &str, range: ByteRange) -> Result<Object> {
        let (answer, wait) = oneshot::channel();
        let gone = |_| DataFusionError::Internal("the store is no longer served".into());
        self.reads
            .unbounded_send(Read { key: key.to_owned(), range, answer })
            .map_err(|_| DataFusionError::Internal("the store is no longer served".into()))?;
        match wait.await.map_err(gone)? {
            Ok(Some(object)) => {
                self.counts.bytes.fetch_add(object.bytes.len() as u64, Ordering::Relaxed);
                Ok(object)
            }
            Ok(None) => Err(unavailable(format!("an object of the table is missing: {key}"))),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }

    /// Bytes of an object that other queries may have read already, and the size of the object.
    pub(crate) async fn get_kept(&self, key: &str, range: ByteRange) -> Result<(Bytes, u64)> {
        // A panic while the cache was locked would have ended the instance; what it holds is whole anyway.
        let kept = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key, range);
        if let Some((bytes, size)) = kept {
            self.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            return Ok((bytes, size));
        }
        let object = self.get(key, range).await?;
        let bytes = Bytes::from(object.bytes);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.keep(key, range, &bytes, object.info.size);
        Ok((bytes, object.info.size))
    }

    /// A whole metadata object.
    pub(crate) async fn get_metadata(&self, key: &str) -> Result<Bytes> {
        let range = ByteRange::From { offset: 0, length: Some(METADATA_BYTES_MAX + 1) };
        let (bytes, size) = self.get_kept(key, range).await?;
        if size > METADATA_BYTES_MAX {
            return Err(refuse("54000", format!("a metadata object is larger than {METADATA_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }
}

/// The key of an object in the bucket: its location without scheme and bucket.
pub(crate) fn key_of(location: &str) -> Result<String> {
    location
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(_, key)| key.to_owned())
        .ok_or_else(|| unavailable(format!("not a location: {location}")))
}
