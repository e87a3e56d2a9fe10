//! A request that may be sent twice and counts once.

use lake_api::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use lake_cdc::{Lsn, Micros};
use lake_host::{ShardStorage, WriteBatch};

use crate::answer::Answer;
use crate::error::ShardError;
use crate::limits::IDEMPOTENT_ANSWER_BYTES_MAX;
use crate::storage::idempotency::{self, Remembered};
use crate::transaction::Stamp;

/// The `Idempotency-Key` of a request.
pub(crate) struct Key {
    text: String,
    fingerprint: u64,
}

impl Key {
    /// Checks a key.
    pub(crate) fn new(text: &str, body: &[u8]) -> Result<Key, ShardError> {
        if text.is_empty() || text.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            return Err(ShardError::Invalid(format!(
                "an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes, this one has {}",
                text.len()
            )));
        }
        Ok(Key { text: text.to_owned(), fingerprint: idempotency::fingerprint(body) })
    }

    /// What the same request was answered before.
    pub(crate) fn find_answer(&self, storage: &dyn ShardStorage, now: Micros) -> Result<Option<String>, ShardError> {
        match idempotency::find(storage, &self.text, now)? {
            None => Ok(None),
            Some(remembered) if remembered.fingerprint == self.fingerprint => Ok(Some(remembered.answer)),
            Some(_) => Err(ShardError::KeyReused),
        }
    }

    /// Adds the answer of a transaction to its own batch.
    pub(crate) fn stage(
        &self,
        batch: &mut WriteBatch,
        storage: &dyn ShardStorage,
        answer: &Answer,
        stamp: Stamp,
    ) -> Result<(), ShardError> {
        self.stage_at(batch, storage, answer, Some(stamp.lsn), Some(stamp.at), stamp.at)
    }

    /// Adds the answer of a request that is true as of `lsn`.
    pub(crate) fn stage_at(
        &self,
        batch: &mut WriteBatch,
        storage: &dyn ShardStorage,
        answer: &Answer,
        lsn: Option<Lsn>,
        at: Option<Micros>,
        now: Micros,
    ) -> Result<(), ShardError> {
        let mut text = answer.finish(lsn, at);
        if text.len() > IDEMPOTENT_ANSWER_BYTES_MAX {
            text = answer.finish_facts(lsn, at);
        }
        let remembered = Remembered { at: now, fingerprint: self.fingerprint, answer: text };
        Ok(idempotency::stage(batch, storage, &self.text, &remembered)?)
    }
}
