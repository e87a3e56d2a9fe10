//! How much of its past a table's metadata keeps. It is written anew by every commit, so its size is what a commit costs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Metadata, Refused, integer, snapshot_id};
use crate::limits::{METADATA_LOG_MAX, SNAPSHOT_LOG_MAX, SNAPSHOTS_MAX, SNAPSHOTS_MOST};

/// How many files of the metadata log are kept, unless the table says otherwise.
const METADATA_LOG_DEFAULT: usize = 100;

/// Removes the oldest snapshots over the bound. Those that a branch or tag names stay, whatever their number. A table may
/// ask for more than the bound with the property by which clients ask for it too.
pub(crate) fn trim_snapshots(metadata: &mut Metadata) {
    let wanted = metadata.property("history.expire.min-snapshots-to-keep").and_then(|text| text.parse::<usize>().ok());
    let keep = wanted.unwrap_or_default().clamp(SNAPSHOTS_MAX, SNAPSHOTS_MOST);
    let excess = metadata.list("snapshots").len().saturating_sub(keep);
    if excess == 0 {
        return;
    }
    let gone: BTreeSet<i64> = removable(metadata).into_iter().take(excess).collect();
    remove_snapshots(metadata, &gone);
}

/// Makes metadata smaller than `most` bytes, if that can be: schemas go that no snapshot has, then the older half of the
/// snapshots that no branch or tag names, again and again.
pub(crate) fn shrink(metadata: &mut Metadata, most: u64) -> Result<(), Refused> {
    loop {
        remove_unused_schemas(metadata);
        if metadata.to_json()?.len() as u64 <= most {
            return Ok(());
        }
        let mut removable = removable(metadata);
        if removable.is_empty() {
            return Ok(());
        }
        removable.truncate(removable.len().div_ceil(2));
        remove_snapshots(metadata, &removable.into_iter().collect());
        trim_history(metadata, &BTreeSet::new());
    }
}

fn remove_unused_schemas(metadata: &mut Metadata) {
    let mut used: BTreeSet<i64> = metadata.integer("current-schema-id").into_iter().collect();
    used.extend(metadata.list("snapshots").iter().filter_map(|snapshot| integer(snapshot, "schema-id")));
    metadata.list_mut("schemas").retain(|schema| integer(schema, "schema-id").is_none_or(|id| used.contains(&id)));
}

/// The snapshots that no branch or tag names, the oldest first.
fn removable(metadata: &Metadata) -> Vec<i64> {
    let heads = metadata.heads();
    let mut removable: Vec<(i64, i64, i64)> = metadata
        .list("snapshots")
        .iter()
        .filter_map(|snapshot| {
            let sequence_number = integer(snapshot, "sequence-number").unwrap_or_default();
            Some((sequence_number, integer(snapshot, "timestamp-ms").unwrap_or_default(), snapshot_id(snapshot)?))
        })
        .filter(|(_, _, id)| !heads.contains(id))
        .collect();
    removable.sort_unstable();
    removable.into_iter().map(|(_, _, id)| id).collect()
}

/// Removes snapshots, their statistics, and the branches and tags that name them. True if one was there.
pub(crate) fn remove_snapshots(metadata: &mut Metadata, gone: &BTreeSet<i64>) -> bool {
    let is_gone = |value: &Value| snapshot_id(value).is_some_and(|id| gone.contains(&id));
    let before = metadata.list("snapshots").len();
    for name in ["snapshots", "statistics", "partition-statistics"] {
        if metadata.list(name).iter().any(is_gone) {
            metadata.list_mut(name).retain(|value| !is_gone(value));
        }
    }
    metadata.object_mut("refs").retain(|_, reference| !is_gone(reference));
    if metadata.integer("current-snapshot-id").is_some_and(|id| gone.contains(&id)) {
        metadata.remove("current-snapshot-id");
    }
    metadata.list("snapshots").len() < before
}

/// Brings the history of the main branch in order: without the snapshots that one commit both set and left, and
/// without everything up to a snapshot that is gone.
pub(crate) fn trim_history(metadata: &mut Metadata, passed_through: &BTreeSet<i64>) {
    let present: BTreeSet<i64> = metadata.list("snapshots").iter().filter_map(snapshot_id).collect();
    let mut kept: Vec<Value> = Vec::new();
    for entry in std::mem::take(metadata.list_mut("snapshot-log")) {
        match snapshot_id(&entry) {
            Some(id) if passed_through.contains(&id) => {}
            Some(id) if present.contains(&id) => kept.push(entry),
            _ => kept.clear(),
        }
    }
    kept.drain(..kept.len().saturating_sub(SNAPSHOT_LOG_MAX));
    *metadata.list_mut("snapshot-log") = kept;
}

/// Adds the file that is replaced to the metadata log. The files that fall out of it.
pub(crate) fn log_metadata(metadata: &mut Metadata, replaced: &str, replaced_ms: i64) -> Vec<String> {
    let wanted = metadata.property("write.metadata.previous-versions-max").and_then(|text| text.parse::<usize>().ok());
    let keep = wanted.unwrap_or(METADATA_LOG_DEFAULT).clamp(1, METADATA_LOG_MAX);
    let log = metadata.list_mut("metadata-log");
    log.push(json!({"metadata-file": replaced, "timestamp-ms": replaced_ms}));
    let dropped = log.drain(..log.len().saturating_sub(keep));
    dropped.filter_map(|entry| Some(entry.get("metadata-file")?.as_str()?.to_owned())).collect()
}
