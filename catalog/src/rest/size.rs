//! How large engines may make a table's metadata. What is too large may become smaller.

use super::RestError;
use crate::cache::MetadataFile;
use crate::limits::{LAKE_METADATA_BYTES_MAX, LAKE_PROPERTIES_BYTES_MAX, METADATA_BYTES_MAX};
use crate::metadata::{Metadata, Refused};
use crate::storage::pointer::Owner;

/// Refuses a file that is larger than what is read of it, or than what a flush can hold of a table that databases feed.
pub(super) fn check(file: &MetadataFile, before: Option<&MetadataFile>, owner: Owner) -> Result<(), RestError> {
    let most = match owner {
        Owner::Engine => METADATA_BYTES_MAX,
        Owner::Lake => LAKE_METADATA_BYTES_MAX,
    };
    if owner == Owner::Lake
        && let Some(before) = before
    {
        check_lakes(file.tree()?, before.tree()?, file.json().len() as u64 > most)?;
    }
    let size = file.json().len();
    if size as u64 <= most || before.is_some_and(|before| size <= before.json().len()) {
        return Ok(());
    }
    Err(RestError::BadRequest(format!(
        "The table's metadata would have {size} bytes, and at most {most} are read: remove properties, or schemas that \
         no snapshot has, first"
    )))
}

/// What engines do to a table that databases feed: its flushes cannot forget properties, nor what branches and tags name.
fn check_lakes(after: &Metadata, before: &Metadata, is_large: bool) -> Result<(), RestError> {
    let size = pinned_bytes(after)?;
    if size > LAKE_PROPERTIES_BYTES_MAX && size > pinned_bytes(before)? {
        return Err(RestError::BadRequest(format!(
            "The table's properties, branches and tags would have {size} bytes, and have at most \
             {LAKE_PROPERTIES_BYTES_MAX}"
        )));
    }
    // Also if the file does not grow: what can be forgotten would be exchanged for what cannot.
    if is_large && sets_references(after, before) {
        return Err(RestError::BadRequest(format!(
            "The table's metadata has more than {LAKE_METADATA_BYTES_MAX} bytes: no branch or tag is set until it has less"
        )));
    }
    Ok(())
}

fn pinned_bytes(metadata: &Metadata) -> Result<usize, Refused> {
    let size = |name: &str| {
        metadata.object(name).map_or(Ok(0), |object| Metadata::of(object.clone()).to_json().map(|json| json.len()))
    };
    Ok(size("properties")? + size("refs")?)
}

/// True if a branch or tag is there that was not, or names another snapshot.
fn sets_references(after: &Metadata, before: &Metadata) -> bool {
    let named = |metadata: &Metadata, name: &str| metadata.referenced(name);
    let names = after.object("refs").into_iter().flat_map(|refs| refs.keys());
    names.into_iter().any(|name| named(after, name) != named(before, name))
}
