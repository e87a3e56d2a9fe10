//! Entries, blocks and runs.
//!
//! A block is `hash u64 · file u32 · row u32`, big-endian, sorted; the top bit of `row` marks a tombstone.

use lake_host::{ShardStorage, WriteBatch, blob};

use crate::error::LakeError;
use crate::limits::INDEX_BLOCK_ENTRIES;
use crate::stored::{IndexBlock, IndexRun, keys};

const FORMAT: u8 = 1;
const ENTRY_BYTES: usize = 16;
const TOMBSTONE: u32 = 1 << 31;

/// A row of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Location {
    pub(crate) file: u32,
    pub(crate) row: u32,
}

/// A key's row is here, or is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) hash: u64,
    pub(crate) location: Location,
    pub(crate) dead: bool,
}

/// Writes a run block by block into a batch.
pub(crate) struct RunWriter {
    table: u32,
    run: IndexRun,
    entries: Vec<Entry>,
}

impl RunWriter {
    pub(crate) fn new(table: u32, number: u32, level: u32) -> RunWriter {
        RunWriter { table, run: IndexRun { number, level, blocks: Vec::new() }, entries: Vec::new() }
    }

    /// Adds an entry; they come in order.
    pub(crate) fn push(&mut self, entry: Entry, batch: &mut WriteBatch) {
        self.entries.push(entry);
        if self.entries.len() == INDEX_BLOCK_ENTRIES || lake_host::rarely!("index: a block of few entries") {
            self.close_block(batch);
        }
    }

    fn close_block(&mut self, batch: &mut WriteBatch) {
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else { return };
        let block = IndexBlock { first: first.hash, last: last.hash, entries: self.entries.len() as u32 };
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for entry in self.entries.drain(..) {
            bytes.extend_from_slice(&entry.hash.to_be_bytes());
            bytes.extend_from_slice(&entry.location.file.to_be_bytes());
            let row = entry.location.row | if entry.dead { TOMBSTONE } else { 0 };
            bytes.extend_from_slice(&row.to_be_bytes());
        }
        let key = keys::block(self.table, self.run.number, self.run.blocks.len() as u32);
        batch.put(key, blob::seal(FORMAT, &bytes));
        self.run.blocks.push(block);
    }

    /// The run, `None` if it has no entries.
    pub(crate) fn finish(mut self, batch: &mut WriteBatch) -> Option<IndexRun> {
        self.close_block(batch);
        Some(self.run).filter(|run| !run.blocks.is_empty())
    }
}

/// The entries of a block.
pub(crate) fn read_block<S: ShardStorage>(
    storage: &S,
    table: u32,
    run: &IndexRun,
    block: usize,
) -> Result<Vec<Entry>, LakeError> {
    let bytes = storage
        .get(&keys::block(table, run.number, block as u32))?
        .ok_or_else(|| LakeError::damaged("index", "a block is missing"))?;
    let payload = blob::open(FORMAT, &bytes).map_err(|error| LakeError::damaged("index", error))?;
    if !payload.len().is_multiple_of(ENTRY_BYTES) {
        return Err(LakeError::damaged("index", "a block has half an entry"));
    }
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_be_bytes);
    let entries = payload.chunks_exact(ENTRY_BYTES).map(|chunk| {
        let row = word(&chunk[12..16]);
        Entry {
            hash: chunk[..8].try_into().map_or(0, u64::from_be_bytes),
            location: Location { file: word(&chunk[8..12]), row: row & !TOMBSTONE },
            dead: row & TOMBSTONE != 0,
        }
    });
    Ok(entries.collect())
}
