//! Where the tables of engines lie.
//!
//! A client that asks for a place gets it if it is one of its own: below the folder of the table's namespace, and never
//! used. Else it gets another and is told so by the answer, as catalogs may do. What a table's storage credentials open
//! is its location, so no two tables may share one, nor may one lie in another's.

use lake_host::ShardStorage;
use lake_table::TableName;

use super::{Caller, RestError};
use crate::catalog::Catalog;
use crate::limits::{FOLDER_BYTES_MAX, PLACE_BYTES_MAX, PLACE_LEVELS_MAX};
use crate::location::{folder, is_mark, is_view_folder, key_of, namespace_folder};
use crate::storage::used_location;

impl<S: ShardStorage> Catalog<S> {
    /// The folder of a location that a client asks for; `None` if it cannot have it.
    ///
    /// Who may write all of a namespace can name any place in it. Who may write one table only gets places that
    /// nobody else's table can have: its name and 32 hexadecimal digits. So does a creation that is staged: credentials
    /// for its place go out before anything is stored, and a database may be about to put a table in any other.
    pub(super) fn find_place(
        &self,
        table: &TableName,
        wanted: &str,
        places: bool,
    ) -> Result<Option<String>, RestError> {
        let Some(key) = key_of(wanted.trim_end_matches('/'), &self.settings.bucket) else { return Ok(None) };
        let Some(rest) = key.strip_prefix(&namespace_folder(&table.namespace)) else { return Ok(None) };
        let Some(rest) = rest.strip_prefix('/') else { return Ok(None) };
        let own = folder(table, 1);
        let is_own = key.strip_prefix(&own).and_then(|end| end.strip_prefix(['-', '.'])).is_some_and(is_mark);
        let is_plain = is_plain(rest) && key.len() <= PLACE_BYTES_MAX;
        if !(places || is_own) || !is_plain || !used_location::is_unused(&self.storage, key)? {
            return Ok(None);
        }
        Ok(Some(key.to_owned()))
    }

    /// A folder for a table whose creation is staged: nobody else gets it, though nothing is stored.
    pub(super) fn staged_folder(&self, table: &TableName, caller: &Caller<'_>) -> String {
        let digits = uuid::Uuid::from_bytes(caller.random.id()).simple().to_string();
        // No encoded name has a dot.
        format!("{}.{digits}", folder(table, 1))
    }
}

/// True for folders that are the same to every store and client.
fn is_plain(path: &str) -> bool {
    let is_plain = |segment: &str| {
        let all = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.~=".contains(&byte));
        all && !is_view_folder(segment)
            && !segment.is_empty()
            && !segment.bytes().all(|byte| byte == b'.')
            && segment.len() <= FOLDER_BYTES_MAX
    };
    path.split('/').count() <= PLACE_LEVELS_MAX && path.split('/').all(is_plain)
}
