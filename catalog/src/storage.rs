//! What the object's storage holds: one file per stored fact.
//!
//! Every value is sealed: a format byte first, a checksum last. Keys:
//!
//! ```text
//! format                          the layout of all of this
//! epoch                           the highest epoch of a lake seen
//! n/{namespace}                   a namespace
//! t/{namespace} 0x00 {table}      where a table is
//! v/{namespace} 0x00 {view}       where a view is
//! l/{folder}                      a location that is or was in use
//! c/{number: 8 bytes}{part: 2}    a commit record, the last few
//! d/{time: 8}{namespace} 0 {table}  a dropped table
//! i/{hour: 8}{key: 16}            what was done under an idempotency key
//! p/{folder}                      a folder whose objects are being removed
//! w/{time: 8}{folder}             the folder of a dropped view, and when its objects are removed
//! ```

pub(crate) mod commit_record;
pub(crate) mod dropped;
pub(crate) mod dropped_view;
pub(crate) mod epoch;
pub(crate) mod format;
pub(crate) mod idempotency;
pub(crate) mod namespace;
pub(crate) mod pointer;
pub(crate) mod purge;
pub(crate) mod remembered;
pub(crate) mod used_location;
pub(crate) mod view;

use lake_host::blob;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CatalogError;

/// The layout that this build writes.
const FORMAT: u8 = 1;

fn encode(value: &impl Serialize) -> Result<Vec<u8>, CatalogError> {
    let json = serde_json::to_vec(value).map_err(|error| CatalogError::Invalid(error.to_string()))?;
    Ok(blob::seal(FORMAT, &json))
}

fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, CatalogError> {
    let json = blob::open(FORMAT, bytes).map_err(|error| CatalogError::sealed(what, error))?;
    serde_json::from_slice(json).map_err(|error| CatalogError::corrupt(what, error))
}
