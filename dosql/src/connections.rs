//! SQLite over a page store: one connection that writes, and one that reads what is committed.
//!
//! The writer has the file for itself and keeps its journal in memory, because a transaction that is not committed
//! never leaves the page store. The reader is pinned while it reads: it neither waits for a transaction nor sees it.

use std::rc::Rc;

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::limits::{PAGE_BYTES, READER_CACHE_KIB, SQLITE_VALUE_BYTES_MAX, WRITER_CACHE_KIB};
use crate::page_store::PageStore;
use crate::storage::OpenError;
use crate::vfs::preupdate::{Preupdate, RowObserver};
use crate::vfs::{READER_FILE, Vfs, WRITER_FILE};

/// The connections of a shard.
pub(crate) struct Connections {
    // The order of the fields is the order in which they are dropped: SQLite first, then what it points to.
    pub(crate) writer: Connection,
    pub(crate) reader: Connection,
    _preupdate: Preupdate,
    vfs: Vfs,
}

impl Connections {
    /// Opens both, with `observer` told of every row that the writer changes.
    pub(crate) fn open(store: Rc<PageStore>, observer: Rc<dyn RowObserver>) -> Result<Connections, OpenError> {
        // Elsewhere a process is no isolate: tests run many shards in one.
        #[cfg(target_arch = "wasm32")]
        crate::vfs::limit_memory(crate::limits::SQLITE_MEMORY_BYTES_MAX);
        let vfs = Vfs::register(store).map_err(|code| OpenError::Engine(format!("the file system, code {code}")))?;
        let writer = connect(&vfs, WRITER_FILE, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let preupdate = Preupdate::set(&writer, observer);
        writer
            .execute_batch(&format!(
                "PRAGMA page_size={PAGE_BYTES}; PRAGMA locking_mode=exclusive; PRAGMA journal_mode=memory;
                 PRAGMA synchronous=normal; PRAGMA cache_size=-{WRITER_CACHE_KIB}; PRAGMA foreign_keys=on;"
            ))
            .map_err(engine_error)?;
        let reader = connect(&vfs, READER_FILE, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        reader.execute_batch(&format!("PRAGMA cache_size=-{READER_CACHE_KIB};")).map_err(engine_error)?;
        Ok(Connections { writer, reader, _preupdate: preupdate, vfs })
    }

    /// Sets what SQLite's own clock and randomness say until the next call.
    pub(crate) fn set_environment(&self, now_micros: i64, seed: &[u8; 32]) {
        self.vfs.set_environment(now_micros, seed);
    }

    /// Gives back the memory of SQLite's caches.
    pub(crate) fn release_memory(&self) {
        for connection in [&self.writer, &self.reader] {
            // Refused only in the middle of a statement, and then there is nothing to lose but memory.
            let _ = connection.release_memory();
        }
    }
}

/// Bounds the memory of SQLite in this process, as an isolate's is bounded by itself.
pub fn limit_sqlite_memory(bytes: i64) {
    crate::vfs::limit_memory(bytes);
}

fn connect(vfs: &Vfs, name: &str, access: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags_and_vfs(name, access | OpenFlags::SQLITE_OPEN_NO_MUTEX, vfs.name())
        .map_err(engine_error)?;
    connection.execute_batch("PRAGMA temp_store=memory;").map_err(engine_error)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, SQLITE_VALUE_BYTES_MAX).map_err(engine_error)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0).map_err(engine_error)?;
    Ok(connection)
}

fn engine_error(error: rusqlite::Error) -> OpenError {
    OpenError::Engine(error.to_string())
}

#[cfg(test)]
mod tests;
