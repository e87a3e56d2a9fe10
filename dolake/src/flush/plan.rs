//! What a flush takes, and what remains of it for the current rows: of all changes of a key only the last image counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lake_cdc::TimelineId;
use lake_host::{ShardStorage, planted};

use crate::error::LakeError;
use crate::lake::Lake;
use crate::limits::{FLUSH_BYTES_MAX, FLUSH_CHANGES_MAX, FLUSH_TABLES_MAX};
use crate::stored::{TailBlob, TailEntry};
use crate::tail::TailIndex;

/// Blobs of one commit.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) blobs: Vec<TailIndex>,
    pub(crate) bytes: u64,
}

impl Cut {
    pub(crate) fn end(&self) -> u64 {
        self.blobs.last().map_or(0, |blob| blob.end)
    }

    pub(crate) fn end_blob(&self) -> u64 {
        self.blobs.last().map_or(0, |blob| blob.blob + 1)
    }
}

/// The oldest blobs that fit one commit. A transaction is never cut, so at least one is whole.
pub(crate) fn plan_cut<'t>(tail: impl Iterator<Item = &'t TailIndex>) -> Option<Cut> {
    let mut cut = Cut { blobs: Vec::new(), bytes: 0 };
    let (mut whole, mut changes, mut tables) = ((0, 0), 0, BTreeSet::<u32>::new());
    for blob in tail {
        changes += blob.changes;
        tables.extend(&blob.tables);
        let is_enough = cut.bytes + blob.bytes > FLUSH_BYTES_MAX
            || changes > FLUSH_CHANGES_MAX
            || tables.len() > FLUSH_TABLES_MAX
            || lake_host::rarely!("flush: take one transaction");
        if is_enough && whole.0 > 0 {
            break;
        }
        cut.blobs.push(blob.clone());
        cut.bytes += blob.bytes;
        if !blob.continues {
            whole = (cut.blobs.len(), cut.bytes);
        }
    }
    cut.blobs.truncate(whole.0);
    cut.bytes = whole.1;
    Some(cut).filter(|cut| !cut.blobs.is_empty())
}

/// What happens to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// The tables may hold a row of it from before: look for it.
    pub(crate) existed: bool,
    /// The first change says so: not to find it is worth counting.
    pub(crate) expected: bool,
    /// Position of the change whose image is the current row; `None` if there is none.
    pub(crate) last: Option<u64>,
}

/// What happens to one table.
#[derive(Debug, Default)]
pub(crate) struct TableFold {
    /// By shard and key.
    pub(crate) keys: HashMap<u32, HashMap<Vec<u8>, Fold>>,
    /// Shards whose earlier rows go as a whole.
    pub(crate) dropped: BTreeSet<u32>,
    pub(crate) changes: u64,
}

/// What happens, over all blobs of a cut.
#[derive(Debug, Default)]
pub(crate) struct FlushFold {
    pub(crate) tables: BTreeMap<u32, TableFold>,
    pub(crate) max_stamp: i64,
    pub(crate) oldest_stamp: Option<i64>,
    /// Last transaction of each shard's timelines.
    pub(crate) lsns: BTreeMap<(u32, TimelineId), u64>,
}

impl FlushFold {
    /// Adds a blob; blobs come in order.
    pub(crate) fn add<S: ShardStorage>(&mut self, lake: &Lake<S>, blob: &TailBlob) -> Result<(), LakeError> {
        let mut position = blob.base;
        let has_letters =
            lake.state().shards.values().any(|shard| shard.number == blob.shard && shard.dead_letters > 0);
        for transaction in &blob.transactions {
            self.max_stamp = self.max_stamp.max(transaction.stamp.0);
            let oldest = self.oldest_stamp.unwrap_or(transaction.stamp.0);
            self.oldest_stamp = Some(oldest.min(transaction.stamp.0));
            self.lsns.insert((blob.shard, blob.timeline), transaction.lsn.get());
            for entry in &transaction.entries {
                position += u64::from(entry.is_change());
                let (shape, row) = match entry {
                    TailEntry::Insert { shape, after } | TailEntry::Update { shape, after, .. } => (shape, after),
                    TailEntry::Delete { shape, before } => (shape, before),
                    TailEntry::DropTable { table } => {
                        let table = self.tables.entry(*table).or_default();
                        if !planted!("flush: rows before a dropped table stay") {
                            table.keys.remove(&blob.shard);
                        }
                        table.dropped.insert(blob.shard);
                        continue;
                    }
                    TailEntry::EndOfShard => continue,
                };
                let shape = lake.shape(*shape)?;
                let key = shape.key_bytes(&row.decode()?.0);
                let table = self.tables.entry(shape.table).or_default();
                table.changes += 1;
                let expected = !matches!(entry, TailEntry::Insert { .. });
                // What deleted a row may be among the dead letters; then the row is still there.
                let existed = (expected || has_letters) && !planted!("flush: old rows are not looked for");
                let keys = table.keys.entry(blob.shard).or_default();
                let fold = keys.entry(key).or_insert(Fold { existed, expected, last: None });
                fold.last = (!matches!(entry, TailEntry::Delete { .. })).then_some(position);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: u64, mib: u64, continues: bool) -> TailIndex {
        let (bytes, tables) = (mib << 20, vec![]);
        TailIndex { blob: number, end: number * 10, bytes, changes: 1, continues, tables, removes: false }
    }

    fn check(blobs: &[TailIndex], expected: &[u64]) {
        let cut = plan_cut(blobs.iter());
        assert_eq!(cut.map_or(vec![], |cut| cut.blobs.iter().map(|blob| blob.blob).collect()), expected);
    }

    #[test]
    fn an_empty_tail_has_no_cut() {
        check(&[], &[]);
    }

    #[test]
    fn a_cut_ends_before_its_bound() {
        check(&[blob(1, 3, false), blob(2, 3, false), blob(3, 3, false)], &[1, 2]);
    }

    #[test]
    fn a_transaction_is_not_cut() {
        check(&[blob(1, 5, false), blob(2, 5, true), blob(3, 5, false)], &[1]);
    }

    #[test]
    fn a_transaction_over_the_bound_goes_whole() {
        check(&[blob(1, 9, true), blob(2, 9, false), blob(3, 1, false)], &[1, 2]);
    }

    #[test]
    fn a_cut_of_many_tables_ends_at_their_number_unless_one_transaction_has_them() {
        let of = |number, tables: std::ops::Range<usize>, continues| TailIndex {
            tables: tables.map(|table| table as u32).collect(),
            ..blob(number, 0, continues)
        };
        let most = FLUSH_TABLES_MAX;
        check(&[of(1, 0..most, false), of(2, 1..most, false), of(3, most..most + 1, false)], &[1, 2]);
        check(&[of(1, 0..most, true), of(2, most..2 * most, false), of(3, 0..1, false)], &[1, 2]);
    }

    #[test]
    fn a_cut_of_narrow_rows_ends_at_their_number() {
        let half = |number| TailIndex { changes: FLUSH_CHANGES_MAX / 2, ..blob(number, 0, false) };
        check(&[half(1), half(2), blob(3, 0, false)], &[1, 2]);
    }
}
