//! Reads the log for the lake: change records in order, in parts that fit a frame.

use std::rc::Rc;

use lake_cdc::limits::PART_BYTES_MAX;
use lake_cdc::{Lsn, TransactionPart};

use crate::limits::LOG_SCAN_ROWS;
use crate::storage::counted::Counted;
use crate::storage::keys::{self, BranchId};
use crate::storage::log_entry::{self, LogEntry};
use crate::storage::{OpenError, corrupt};

/// Where reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The transaction.
    pub(crate) lsn: Lsn,
    /// Its next part.
    part: u32,
    /// How many parts it has; known once its first one was read.
    parts: u32,
}

impl Cursor {
    /// At the beginning of a transaction.
    pub(crate) fn at(lsn: Lsn) -> Cursor {
        Cursor { lsn, part: 0, parts: 0 }
    }

    /// True between two transactions.
    pub(crate) fn is_between(&self) -> bool {
        self.part == 0
    }
}

/// What one frame carries.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Consecutive parts, at most `PART_BYTES_MAX` bytes together.
    pub(crate) parts: Vec<TransactionPart>,
    /// Each transaction that ends here, with the bytes of all change records up to it.
    pub(crate) ended: Vec<(Lsn, u64)>,
}

/// The log of one branch.
#[derive(Clone)]
pub(crate) struct ChangeLog {
    storage: Rc<dyn Counted>,
    branch: BranchId,
}

impl ChangeLog {
    /// Reads from `storage`.
    pub(crate) fn new(storage: Rc<dyn Counted>, branch: BranchId) -> ChangeLog {
        ChangeLog { storage, branch }
    }

    /// What comes next, and moves the cursor after it. Empty at the end of the log.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Result<Chunk, OpenError> {
        let mut chunk = Chunk::default();
        let mut room = PART_BYTES_MAX;
        loop {
            // Parts after the first fill a frame each: reading ahead would be for nothing.
            let limit = if cursor.is_between() { LOG_SCAN_ROWS } else { 1 };
            let mut range = keys::log_from(self.branch, cursor.lsn);
            range.start = keys::log(self.branch, cursor.lsn, cursor.part);
            let rows = self.storage.scan(&range, limit)?;
            let is_end = rows.len() < limit;
            for (key, bytes) in rows {
                let found = keys::read_log(&key).ok_or("a key").map_err(corrupt("log"))?;
                if found != (cursor.lsn, cursor.part) {
                    return Err(corrupt("log")(format!("{} is missing", cursor.lsn)));
                }
                let (part, position) = if cursor.part == 0 {
                    let entry = LogEntry::decode(&bytes).map_err(corrupt("log entry"))?;
                    cursor.parts = entry.parts;
                    (entry.part, Some(entry.position))
                } else {
                    (log_entry::decode_part(&bytes).map_err(corrupt("log entry"))?, None)
                };
                let is_full = !chunk.parts.is_empty() && lake_host::rarely!("shard: a record in small parts");
                if part.len() > room || is_full {
                    return Ok(chunk);
                }
                room -= part.len();
                self.take(cursor, part, position.map(|position| position.record_bytes), &mut chunk);
            }
            if is_end {
                return Ok(chunk);
            }
        }
    }

    fn take(&self, cursor: &mut Cursor, bytes: Vec<u8>, record_bytes: Option<u64>, chunk: &mut Chunk) {
        let Cursor { lsn, part, parts } = *cursor;
        let last = part + 1 >= parts;
        chunk.parts.push(TransactionPart { lsn, part, last, bytes });
        if last {
            // Of a transaction in several parts the first one knows; asking storage again is rare enough.
            let record_bytes = record_bytes.or_else(|| self.record_bytes_at(lsn).ok().flatten());
            chunk.ended.push((lsn, record_bytes.unwrap_or(0)));
            *cursor = Cursor::at(lsn.next());
        } else {
            cursor.part += 1;
        }
    }

    /// Bytes of all change records up to `lsn`, `None` if the log no longer has it.
    pub(crate) fn record_bytes_at(&self, lsn: Lsn) -> Result<Option<u64>, OpenError> {
        let Some(bytes) = self.storage.get(&keys::log(self.branch, lsn, 0))? else { return Ok(None) };
        Ok(Some(LogEntry::decode(&bytes).map_err(corrupt("log entry"))?.position.record_bytes))
    }

    /// Bytes of all change records before the first that the log has, `None` if it has none.
    pub(crate) fn record_bytes_before(&self) -> Result<Option<u64>, OpenError> {
        let rows = self.storage.scan(&keys::log_from(self.branch, Lsn::FIRST), 1)?;
        let Some((key, bytes)) = rows.first() else { return Ok(None) };
        let (lsn, _) = keys::read_log(key).ok_or("a key").map_err(corrupt("log"))?;
        let entry = LogEntry::decode(bytes).map_err(corrupt("log entry"))?;
        let own = entry.part.len() as u64 + self.further_bytes(lsn, &entry)?;
        Ok(Some(entry.position.record_bytes.saturating_sub(own)))
    }

    /// Bytes of the parts after the first, which but for the last are as long as that.
    fn further_bytes(&self, lsn: Lsn, entry: &LogEntry) -> Result<u64, OpenError> {
        let Some(last) = entry.parts.checked_sub(1).filter(|last| *last > 0) else { return Ok(0) };
        let bytes = self.storage.get(&keys::log(self.branch, lsn, last))?.unwrap_or_default();
        let part = log_entry::decode_part(&bytes).map_err(corrupt("log entry"))?;
        Ok(u64::from(last - 1) * entry.part.len() as u64 + part.len() as u64)
    }
}
