//! `Idempotency-Key`: a change that was made is not made again, and the same request is told what it is now. One that was
//! refused stays refused: a copy of it that comes late must not be carried out, because the client that was told no has
//! removed its files.
//!
//! The key of a change is stored in the very batch that makes it, that of a refusal before the client is told.

use lake_host::{ShardStorage, WriteBatch, durable};
use sha2::{Digest, Sha256};

use super::{Caller, RestError};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::limits::REFUSAL_CHARS_MAX;
use crate::storage::idempotency::{self, Done, Refusal};

/// Characters of a UUID with its hyphens.
const KEY_LENGTH: usize = 36;

/// The key of a request and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Once {
    id: [u8; 16],
    digest: String,
}

impl<S: ShardStorage> Catalog<S> {
    /// The request's key, if it has one.
    pub(super) fn once(&self, caller: &Caller<'_>) -> Result<Option<Once>, RestError> {
        let Some(text) = caller.request.headers.get("idempotency-key") else { return Ok(None) };
        // The crate reads other forms of a UUID too, which are not the protocol's.
        let id = uuid::Uuid::parse_str(text).ok().filter(|_| text.len() == KEY_LENGTH);
        let Some(id) = id else { return Err(RestError::BadRequest("Idempotency-Key is not a UUID".to_owned())) };
        let request = caller.request;
        let mut hash = Sha256::new();
        for part in [&request.method, &request.path, &request.query, &caller.claims.subject] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(&request.body);
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Once { id: *id.as_bytes(), digest }))
    }

    /// True if this very request was carried out; its refusal, if it was refused. A key of another request is refused,
    /// and not as a conflict: the request can never be carried out as sent, and the protocol knows no 409 at some of
    /// these addresses.
    pub(super) fn is_done(&self, once: &Once, caller: &Caller<'_>) -> Result<bool, RestError> {
        match idempotency::read(&self.storage, &once.id, caller.now_micros)? {
            None => Ok(false),
            Some(done) if done.digest == once.digest => done.refusal.map_or(Ok(true), |refusal| {
                Err(RestError::Again { status: done.status, exception: refusal.exception, message: refusal.message })
            }),
            Some(_) => Err(RestError::BadRequest("The Idempotency-Key was used for another request".to_owned())),
        }
    }

    /// True if this very request was carried out under its key, if it has one.
    pub(super) fn was_done(&self, once: Option<&Once>, caller: &Caller<'_>) -> Result<bool, RestError> {
        once.map_or(Ok(false), |once| self.is_done(once, caller))
    }

    /// Notes in a batch that the request is carried out by it, if it has a key.
    pub(super) fn put_if_once(
        &self,
        batch: &mut WriteBatch,
        once: Option<&Once>,
        status: u16,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        once.map_or(Ok(()), |once| self.put_once(batch, once, status, caller))
    }

    /// Notes in a batch that the request is carried out by it, unless a copy of it was refused meanwhile.
    pub(super) fn put_once(
        &self,
        batch: &mut WriteBatch,
        once: &Once,
        status: u16,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        self.is_done(once, caller)?;
        let done = Done { digest: once.digest.clone(), status, refusal: None };
        Ok(idempotency::put(batch, &self.storage, &once.id, &done, caller.now_micros)?)
    }

    /// Notes that a request with a key is refused for good. `Ok(false)` if a copy of it was carried out meanwhile.
    pub(super) fn put_refusal(&self, error: &RestError, caller: &Caller<'_>) -> Result<bool, CatalogError> {
        let is_change = !matches!(caller.request.method.as_str(), "GET" | "HEAD");
        let Ok(Some(once)) = self.once(caller) else { return Ok(true) };
        if !is_change || !error.is_final() {
            return Ok(true);
        }
        if let Some(done) = idempotency::read(&self.storage, &once.id, caller.now_micros)? {
            return Ok(done.refusal.is_some() || done.digest != once.digest);
        }
        let (status, exception) = error.kind();
        let message = error.message().chars().take(REFUSAL_CHARS_MAX).collect();
        let refusal = Some(Refusal { exception: exception.to_owned(), message });
        let done = Done { digest: once.digest, status, refusal };
        let mut batch = WriteBatch::new();
        idempotency::put(&mut batch, &self.storage, &once.id, &done, caller.now_micros)?;
        durable!("catalog: note a refusal", self.apply(&batch))?;
        Ok(true)
    }
}
