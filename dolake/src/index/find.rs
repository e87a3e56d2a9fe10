//! Finding the rows of many keys at once: each block is read at most once.

use std::collections::HashMap;

use lake_host::ShardStorage;

use super::block::{Location, read_block};
use crate::error::LakeError;
use crate::stored::IndexRun;

/// The live locations of each hash that has any. `hashes` is ascending without repeats.
pub(crate) fn find<S: ShardStorage>(
    storage: &S,
    table: u32,
    runs: &[IndexRun],
    hashes: &[u64],
) -> Result<HashMap<u64, Vec<Location>>, LakeError> {
    let mut live: HashMap<u64, Vec<Location>> = HashMap::new();
    let mut dead: HashMap<u64, Vec<Location>> = HashMap::new();
    for run in runs {
        for (index, block) in run.blocks.iter().enumerate() {
            let from = hashes.partition_point(|hash| *hash < block.first);
            let to = hashes.partition_point(|hash| *hash <= block.last);
            let wanted = hashes.get(from..to).unwrap_or_default();
            if wanted.is_empty() {
                continue;
            }
            let entries = read_block(storage, table, run, index)?;
            let mut at = 0;
            for hash in wanted {
                at += entries[at..].partition_point(|entry| entry.hash < *hash);
                for entry in entries[at..].iter().take_while(|entry| entry.hash == *hash) {
                    let found = if entry.dead { &mut dead } else { &mut live };
                    found.entry(*hash).or_default().push(entry.location);
                }
            }
        }
    }
    for (hash, locations) in dead {
        if let Some(live) = live.get_mut(&hash) {
            live.retain(|location| !locations.contains(location));
        }
    }
    live.retain(|_, locations| !locations.is_empty());
    Ok(live)
}
