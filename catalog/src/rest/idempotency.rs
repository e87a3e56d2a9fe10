//! `Idempotency-Key`: a change that was made is not made again, and the same request is told what it is now.
//!
//! The key is stored in the very batch that makes the change. Only changes that were made are remembered: a request that
//! was refused changed nothing, and asking again is as good as the first time.

use lake_host::{ShardStorage, WriteBatch};
use sha2::{Digest, Sha256};

use super::{Caller, RestError};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::storage::idempotency::{self, Done};

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

    /// True if this very request was carried out. A key of another request is refused, and not as a conflict: the
    /// request can never be carried out as sent, and the protocol knows no 409 at some of these addresses.
    pub(super) fn is_done(&self, once: &Once, caller: &Caller<'_>) -> Result<bool, RestError> {
        match idempotency::read(&self.storage, &once.id, caller.now_micros)? {
            None => Ok(false),
            Some(done) if done.digest == once.digest => Ok(true),
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
    ) -> Result<(), CatalogError> {
        once.map_or(Ok(()), |once| self.put_once(batch, once, status, caller))
    }

    /// Notes in a batch that the request is carried out by it.
    pub(super) fn put_once(
        &self,
        batch: &mut WriteBatch,
        once: &Once,
        status: u16,
        caller: &Caller<'_>,
    ) -> Result<(), CatalogError> {
        let done = Done { digest: once.digest.clone(), status };
        idempotency::put(batch, &self.storage, &once.id, &done, caller.now_micros)
    }
}
