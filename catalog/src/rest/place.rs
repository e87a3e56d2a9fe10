//! Where the tables of engines lie.
//!
//! A client that asks for a place gets it if it is one of its own: below the folder of the table's namespace, and never
//! used. Else it gets another and is told so by the answer, as catalogs may do. What a table's storage credentials open
//! is its location, so no two tables may share one, nor may one lie in another's.

use lake_host::ShardStorage;
use lake_table::TableName;

use super::{Caller, RestError};
use crate::catalog::Catalog;
use crate::limits::FOLDER_BYTES_MAX;
use crate::location::{folder, is_view_folder, key_of, namespace_folder};
use crate::storage::used_location;

/// Folders between that of the namespace and the table's files.
const LEVELS_MAX: usize = 4;

impl<S: ShardStorage> Catalog<S> {
    /// The folder of a location that a client asks for; `None` if it cannot have it.
    ///
    /// Who may write all of a namespace can name any place in it. Who may write one table only gets places that
    /// nobody else's table can have: its name and 32 hexadecimal digits.
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
        let is_own = key.strip_prefix(&own).is_some_and(|end| match end.strip_prefix(['-', '.']) {
            Some(digits) => digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => false,
        });
        if !(places || is_own) || !is_plain(rest) || !self.is_unused(key)? {
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

    /// True if no table is or was at a folder, in it, or above it.
    pub(super) fn is_unused(&self, folder: &str) -> Result<bool, RestError> {
        let mut above = folder;
        loop {
            if used_location::read(&self.storage, above)?.is_some() {
                return Ok(false);
            }
            match above.rsplit_once('/') {
                Some((parent, _)) => above = parent,
                None => return Ok(!used_location::is_above(&self.storage, folder)?),
            }
        }
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
    path.split('/').count() <= LEVELS_MAX && path.split('/').all(is_plain)
}
