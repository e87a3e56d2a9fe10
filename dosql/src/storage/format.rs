//! The format row: which layout everything else in this object has.
//!
//! A build refuses a newer one, so that going back to an old build cannot damage what a new one wrote.

use lake_host::{ShardStorage, WriteBatch};

use super::{OpenError, corrupt, keys};
use lake_host::blob;

/// The format that this build writes, the only one so far.
pub(crate) const CURRENT: u8 = 1;

/// Refuses a newer format. An absent row is an object that holds nothing yet.
pub(crate) fn check(storage: &dyn ShardStorage) -> Result<(), OpenError> {
    let Some(bytes) = storage.get(&keys::format())? else { return Ok(()) };
    match blob::open_any(&bytes).map_err(corrupt("format"))? {
        (found, _) if found > CURRENT => Err(OpenError::NewerFormat { found, known: CURRENT }),
        _ => Ok(()),
    }
}

/// Adds the row to the first batch of an object.
pub(crate) fn stage(batch: &mut WriteBatch) {
    batch.put(keys::format(), blob::seal(CURRENT, b""));
}
