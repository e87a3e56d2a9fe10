//! `Idempotency-Key`: a change that was made is not made again, and the same request is told what it is now. One that was
//! refused stays refused: a copy of it that comes late must not be carried out, because the client that was told no has
//! removed its files.
//!
//! The key of a change is stored in the very batch that makes it, that of a refusal before the client is told.

use lake_api::scope::Access;
use lake_host::{ObjectStore, ShardStorage, WriteBatch, durable};
use lake_table::TableName;
use sha2::{Digest, Sha256};

use super::load_table::table_body;
use super::tables::name;
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::hex::hex;
use crate::limits::REFUSAL_CHARS_MAX;
use crate::location::key_of;
use crate::storage::idempotency::{self, Done, Refusal};
use crate::storage::pointer::{self, Pointer};
use crate::storage::{dropped, used_location};

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
        let digest = hex(&hash.finalize());
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
        Ok(self.done(once, caller)?.is_some())
    }

    /// The key of this very request, if it has one and was carried out under it.
    pub(super) fn done<'a>(&self, once: Option<&'a Once>, caller: &Caller<'_>) -> Result<Option<&'a Once>, RestError> {
        match once {
            Some(once) if self.is_done(once, caller)? => Ok(Some(once)),
            _ => Ok(None),
        }
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
        let done = Done { digest: once.digest.clone(), status, folder: None, refusal: None };
        Ok(idempotency::put(batch, &self.storage, &once.id, &done, caller.now_micros)?)
    }

    /// As [`Catalog::put_once`], of a request whose answer shows the table at a location.
    pub(super) fn put_once_at(
        &self,
        batch: &mut WriteBatch,
        once: &Once,
        location: &str,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        self.is_done(once, caller)?;
        let folder = Some(self.must_key(location)?.to_owned());
        let done = Done { digest: once.digest.clone(), status: 200, folder, refusal: None };
        Ok(idempotency::put(batch, &self.storage, &once.id, &done, caller.now_micros)?)
    }

    /// The answer to a request that was carried out under its key and shows a table: as it is now, wherever it is now. It
    /// may have got another name since or be dropped, and a client that is told "not found" removes the files of what it
    /// committed. So does one that is told that nothing was changed: what cannot be shown is not known.
    pub(super) async fn answer_done(
        &self,
        once: &Once,
        table: &TableName,
        shows_storage: bool,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let folder = idempotency::read(&self.storage, &once.id, caller.now_micros)
            .map_err(cannot_show)?
            .and_then(|done| done.folder);
        let is_it = |pointer: &Pointer| match &folder {
            Some(folder) => key_of(&pointer.location, &self.settings.bucket) == Some(folder),
            // Noted by a build that did not note it.
            None => true,
        };
        let named = pointer::read(&self.storage, table).map_err(cannot_show)?.filter(is_it);
        let has_its_name = named.is_some();
        let found = match (named, &folder) {
            (Some(pointer), _) => Some((table.clone(), pointer)),
            (None, Some(folder)) => self.find_moved(folder).map_err(cannot_show)?,
            (None, None) => None,
        };
        let (present, pointer) = found.ok_or_else(|| RestError::NoSuchTable(name(table)))?;
        if !has_its_name && self.must_be_allowed(&present, caller.claims, Access::Read).is_err() {
            return Err(RestError::StateUnknown(format!(
                "The change of {} was made, and the table has a name since that the token does not allow to read",
                name(table)
            )));
        }
        let file = self.read_metadata(store, &pointer.metadata_location).await.map_err(cannot_show)?;
        // What the token may do is said of names.
        let storage = match shows_storage && has_its_name {
            true => Some(self.storage_config(table, &pointer.location, pointer.owner, caller)?),
            false => None,
        };
        Ok(table_body(Some(&pointer.metadata_location), file.json(), storage.as_ref()))
    }

    /// The table at a folder, under whatever name it is or was dropped; `None` if its files are removed.
    fn find_moved(&self, folder: &str) -> Result<Option<(TableName, Pointer)>, CatalogError> {
        let is_there = |pointer: &Pointer| key_of(&pointer.location, &self.settings.bucket) == Some(folder);
        if let Some(owner) = used_location::read(&self.storage, folder)?
            && let Some(pointer) = pointer::read(&self.storage, &owner)?.filter(is_there)
        {
            return Ok(Some((owner, pointer)));
        }
        let dropped = dropped::all(&self.storage)?.into_iter().rev().filter(|dropped| !dropped.is_purged);
        Ok(dropped.map(|dropped| (dropped.table, dropped.pointer)).find(|(_, pointer)| is_there(pointer)))
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
        let done = Done { digest: once.digest, status, folder: None, refusal };
        let mut batch = WriteBatch::new();
        idempotency::put(&mut batch, &self.storage, &once.id, &done, caller.now_micros)?;
        durable!("catalog: note a refusal", self.apply(&batch))?;
        Ok(true)
    }
}

/// Why what was carried out cannot be shown. "Unavailable" would say that nothing was changed.
pub(super) fn cannot_show(error: CatalogError) -> RestError {
    RestError::StateUnknown(format!("The change was made, and what it made cannot be read: {error}"))
}
