//! Merging runs, so that finding a key looks into few of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use lake_host::{ShardStorage, WriteBatch};

use super::block::{Entry, RunWriter, read_block};
use crate::error::LakeError;
use crate::limits::INDEX_RUNS_PER_LEVEL;
use crate::stored::IndexRun;

/// The runs to merge next: all of the lowest level that has too many.
pub(crate) fn plan_merge(runs: &[IndexRun]) -> Option<Vec<IndexRun>> {
    let mut levels: BTreeMap<u32, Vec<IndexRun>> = BTreeMap::new();
    for run in runs {
        levels.entry(run.level).or_default().push(run.clone());
    }
    let is_many = |runs: &Vec<IndexRun>| {
        runs.len() >= INDEX_RUNS_PER_LEVEL || (runs.len() > 1 && lake_host::rarely!("index: merge two runs"))
    };
    levels.into_values().find(is_many)
}

/// One run read in order.
struct Cursor<'a> {
    run: &'a IndexRun,
    next_block: usize,
    entries: std::vec::IntoIter<Entry>,
}

impl Cursor<'_> {
    fn next<S: ShardStorage>(&mut self, storage: &S, table: u32) -> Result<Option<Entry>, LakeError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            if self.next_block == self.run.blocks.len() {
                return Ok(None);
            }
            self.entries = read_block(storage, table, self.run, self.next_block)?.into_iter();
            self.next_block += 1;
        }
    }
}

/// Writes the merge of `runs` as run `number`. Its blocks are applied one by one: nothing refers to them before the
/// caller does, and what is left of an attempt that died is removed on the next one.
///
/// An entry and its tombstone cancel out. A tombstone that meets none stays: its entry lies in a higher level.
pub(crate) fn merge_runs<S: ShardStorage>(
    storage: &S,
    table: u32,
    runs: &[IndexRun],
    number: u32,
) -> Result<Option<IndexRun>, LakeError> {
    let level = runs.iter().map(|run| run.level).max().unwrap_or_default() + 1;
    let mut writer = RunWriter::new(table, number, level);
    let mut cursors = runs
        .iter()
        .map(|run| Cursor { run, next_block: 0, entries: Vec::new().into_iter() })
        .collect::<Vec<Cursor<'_>>>();
    let mut heap = BinaryHeap::new();
    for (index, cursor) in cursors.iter_mut().enumerate() {
        heap.extend(cursor.next(storage, table)?.map(|entry| Reverse((entry, index))));
    }
    let mut held: Option<Entry> = None;
    while let Some(Reverse((entry, index))) = heap.pop() {
        heap.extend(cursors[index].next(storage, table)?.map(|entry| Reverse((entry, index))));
        match held.take() {
            Some(live) if live.hash == entry.hash && live.location == entry.location && entry.dead => {}
            Some(other) => {
                push(storage, &mut writer, other)?;
                held = Some(entry);
            }
            None => held = Some(entry),
        }
    }
    if let Some(entry) = held {
        push(storage, &mut writer, entry)?;
    }
    let mut batch = WriteBatch::new();
    let run = writer.finish(&mut batch);
    lake_host::durable!("index: store the end of a merged run", storage.apply(&batch))?;
    Ok(run)
}

fn push<S: ShardStorage>(storage: &S, writer: &mut RunWriter, entry: Entry) -> Result<(), LakeError> {
    let mut batch = WriteBatch::new();
    writer.push(entry, &mut batch);
    if !batch.is_empty() {
        lake_host::durable!("index: store a block of a merged run", storage.apply(&batch))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::block::read_block;
    use crate::index::{Location, find};
    use lake_test_host::MemoryStorage;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(hash: u64, row: u32, dead: bool) -> Entry {
        Entry { hash, location: Location { file: 1, row }, dead }
    }

    fn store(storage: &MemoryStorage, number: u32, mut entries: Vec<Entry>) -> Option<IndexRun> {
        entries.sort_unstable();
        let mut batch = WriteBatch::new();
        let mut writer = RunWriter::new(1, number, 0);
        entries.into_iter().for_each(|entry| writer.push(entry, &mut batch));
        let run = writer.finish(&mut batch);
        storage.apply(&batch).unwrap();
        run
    }

    #[test]
    fn a_row_and_its_tombstone_cancel_out() {
        let storage = MemoryStorage::new();
        let runs = [
            store(&storage, 1, vec![entry(5, 1, false), entry(5, 2, false)]).unwrap(),
            store(&storage, 2, vec![entry(5, 1, true), entry(9, 7, true)]).unwrap(),
        ];
        let merged = merge_runs(&storage, 1, &runs, 3).unwrap().unwrap();
        assert_eq!(read_block(&storage, 1, &merged, 0).unwrap(), [entry(5, 2, false), entry(9, 7, true)]);
        assert_eq!(merged.level, 1);
    }

    #[test]
    fn runs_of_one_level_are_merged_when_there_are_enough() {
        let run = |number, level| IndexRun { number, level, blocks: vec![] };
        let mut runs = (0..INDEX_RUNS_PER_LEVEL as u32 - 1).map(|number| run(number, 0)).collect::<Vec<IndexRun>>();
        runs.push(run(90, 1));
        assert_eq!(plan_merge(&runs), None);
        runs.push(run(91, 0));
        assert_eq!(plan_merge(&runs).map(|runs| runs.len()), Some(INDEX_RUNS_PER_LEVEL));
    }

    proptest! {
        /// Rows move and die over several runs; the index finds what a map would, merged or not.
        #[test]
        fn the_index_answers_like_a_map(steps in prop::collection::vec(prop::collection::vec((0u64..20, any::<bool>()), 0..12), 1..9)) {
            let storage = MemoryStorage::new();
            let mut model: BTreeMap<u64, Location> = BTreeMap::new();
            let mut runs = Vec::new();
            let mut row = 0;
            for (number, step) in steps.iter().enumerate() {
                let mut entries = Vec::new();
                let mut seen = std::collections::BTreeSet::new();
                for (hash, lives) in step {
                    if !seen.insert(*hash) {
                        continue;
                    }
                    if let Some(old) = model.remove(hash) {
                        entries.push(Entry { hash: *hash, location: old, dead: true });
                    }
                    if *lives {
                        row += 1;
                        let location = Location { file: number as u32, row };
                        model.insert(*hash, location);
                        entries.push(Entry { hash: *hash, location, dead: false });
                    }
                }
                runs.extend(store(&storage, number as u32, entries));
            }
            let hashes = (0..20).collect::<Vec<u64>>();
            let expected = model.into_iter().map(|(hash, location)| (hash, vec![location])).collect::<std::collections::HashMap<u64, Vec<Location>>>();
            prop_assert_eq!(&find(&storage, 1, &runs, &hashes).unwrap(), &expected);
            let merged = merge_runs(&storage, 1, &runs, 99).unwrap().into_iter().collect::<Vec<IndexRun>>();
            prop_assert_eq!(&find(&storage, 1, &merged, &hashes).unwrap(), &expected);
        }
    }
}
