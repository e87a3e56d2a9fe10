//! Filling blobs: entries go into the open one, and a full one into the write.
//!
//! A flush takes whole blobs and has a bound on their tables, so a blob with many transactions has no more tables than
//! that. Only a transaction that has more by itself has a blob with more.

use std::rc::Rc;

use lake_cdc::{Lsn, Micros};
use lake_host::ShardStorage;

use super::Stage;
use crate::limits::{BLOB_BYTES_MAX, FLUSH_TABLES_MAX};
use crate::stored::{Point, TailBlob, TailEntry, TailTransaction};
use crate::tail::{TailIndex, put_blob};

impl<S: ShardStorage> Stage<'_, S> {
    /// Opens a transaction in the blob.
    pub(super) fn begin(&mut self, lsn: Lsn, stamp: i64) {
        (self.start, self.stamp, self.is_turn) = (self.position, stamp, false);
        self.touched.clear();
        let base = self.position;
        let (shard, timeline, accepted_at) = (self.shard.number, self.timeline(), self.now);
        let (blob, _) = self.open.get_or_insert_with(|| {
            let (tables, transactions) = (Vec::new(), Vec::new());
            (TailBlob { shard, timeline, accepted_at, base, continues: false, tables, transactions }, 0)
        });
        self.others.clone_from(&blob.tables);
        blob.transactions.push(TailTransaction { lsn, stamp: Micros(stamp), entries: Vec::new() });
    }

    /// When something of the open transaction that is no change of a row happens: a transaction shows whole, from its first
    /// position on.
    pub(super) fn point(&self) -> Point {
        Point(self.start + 1, self.stamp)
    }

    /// Ends the open transaction. If it took no position and is to be told from the state before it, it takes one that no
    /// change has: else one position would mean two states.
    pub(super) fn take_turn(&mut self) {
        if !self.is_turn || self.position > self.start {
            return;
        }
        // What came before it in the blob can be in another flush.
        if self.open.as_ref().is_some_and(|(blob, _)| blob.base < self.position) {
            self.set_apart();
        }
        if let Some((blob, _)) = &mut self.open {
            blob.base += 1;
            self.position += 1;
        }
    }

    /// Adds an entry to the open transaction; a blob that is full goes on in the next one.
    pub(super) fn push(&mut self, entry: TailEntry, table: Option<u32>) {
        let is_full =
            |bytes: usize| bytes + entry.size() > BLOB_BYTES_MAX || lake_host::rarely!("lake: a blob of few entries");
        if self.open.as_ref().is_some_and(|(_, bytes)| *bytes > 0 && is_full(*bytes)) {
            self.turn_over();
        }
        if let Some(table) = table
            && self.touched.insert(table)
            && self.is_crowded()
        {
            self.set_apart();
        }
        let Some((blob, bytes)) = &mut self.open else { return };
        *bytes += entry.size();
        if let Some(table) = table
            && let Err(at) = blob.tables.binary_search(&table)
        {
            blob.tables.insert(at, table);
        }
        if let Some(transaction) = blob.transactions.last_mut() {
            transaction.entries.push(entry);
        }
    }

    /// Ends the open blob in the middle of its last transaction.
    fn turn_over(&mut self) {
        if let Some(mut full) = self.open_next() {
            full.continues = true;
            self.seal(full, false);
        }
    }

    /// Ends the open blob where its last transaction may be cut: what follows can be in another flush.
    pub(super) fn cut(&mut self) {
        self.take_turn();
        if let Some(full) = self.open_next() {
            self.seal(full, false);
        }
    }

    /// Takes the open blob, and opens one for what follows of its last transaction.
    fn open_next(&mut self) -> Option<TailBlob> {
        let (full, _) = self.open.take()?;
        let last = full.transactions.last();
        let rest = last.map(|open| TailTransaction { lsn: open.lsn, stamp: open.stamp, entries: Vec::new() });
        let next = TailBlob {
            base: full.end(),
            continues: false,
            tables: Vec::new(),
            transactions: rest.into_iter().collect(),
            ..full
        };
        self.open = Some((next, 0));
        Some(full)
    }

    /// True if the open transaction and those before it in the blob have more tables than a flush takes.
    fn is_crowded(&self) -> bool {
        let is_first = |(blob, _): &(TailBlob, usize)| blob.transactions.len() < 2;
        let other = self.others.iter().filter(|table| !self.touched.contains(table)).count();
        !self.open.as_ref().is_none_or(is_first) && other + self.touched.len() > FLUSH_TABLES_MAX
    }

    /// Puts the open transaction into a blob of its own: a flush takes whole blobs.
    fn set_apart(&mut self) {
        let Some((mut full, _)) = self.open.take() else { return };
        let open = full.transactions.pop();
        let bytes = open.iter().flat_map(|open| &open.entries).map(TailEntry::size).sum();
        let next = TailBlob {
            base: self.start,
            tables: self.touched.iter().copied().collect(),
            transactions: open.into_iter().collect(),
            ..full
        };
        full.tables = std::mem::take(&mut self.others);
        self.seal(full, false);
        self.open = Some((next, bytes));
    }

    /// Puts a blob into the write. Only the last one of a batch stays in memory, for those who read what is newest.
    pub(super) fn seal(&mut self, blob: TailBlob, keep: bool) {
        let bytes = blob.encode();
        let number = self.meta.next_blob;
        self.meta.next_blob += 1;
        self.meta.tail_bytes += bytes.len() as u64;
        self.meta.position = blob.end();
        put_blob(&mut self.batch, blob.end(), number, &bytes);
        self.blobs.push((TailIndex::of(number, &blob, bytes.len()), keep.then(|| Rc::new(blob))));
    }
}
