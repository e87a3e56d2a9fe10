//! What the catalog shows is there, what it was told to remove is not, and what it remembers is bounded.

use lake_catalog::limits::{
    COMMITS_KEPT, DROPPED_SECONDS, DROPPED_TABLES_MAX, DROPPED_VIEWS_MAX, IDEMPOTENCY_SECONDS, METADATA_LOG_MAX,
    SNAPSHOTS_MAX,
};
use lake_test_host::{MemoryObjectStore, SeededRandom};

use super::{Outcome, Seen, snapshot_stays};
use crate::bucket::Bucket;
use crate::chores::CHORES;
use crate::engine::NAMESPACE;
use crate::engine::deeds::known_as;
use crate::ledger::Ledger;
use crate::still::{Purged, Shown, Still};

/// All that the metadata of these tables and views names is there, whatever else was purged.
pub(crate) fn shown_is_there(bucket: &Bucket, store: &MemoryObjectStore, shown: &[Shown]) -> Outcome {
    let is_there = |of: &Shown| {
        if of.is_view {
            let size = store.size(of.location.strip_prefix("s3://lakehouse/").unwrap_or_default());
            return size.map(|_| ()).ok_or_else(|| format!("{} is missing", of.location));
        }
        let metadata = bucket.metadata(&of.location)?;
        let (snapshots, log) = (metadata.snapshots().len(), metadata.metadata_log().len());
        if snapshots > SNAPSHOTS_MAX || log > METADATA_LOG_MAX {
            return Err(format!("its metadata has {snapshots} snapshots, and names {log} that came before"));
        }
        bucket.is_whole(&metadata)
    };
    let mut shown = shown.iter();
    shown.try_for_each(|of| is_there(of).map_err(|error| format!("{}.{}: {error}", of.namespace, of.name)))
}

/// A snapshot of an engine has the rows that it had.
pub(crate) fn engines_snapshots_stay(
    bucket: &Bucket,
    shown: &[Shown],
    random: &SeededRandom,
    seen: &mut Seen,
) -> Outcome {
    let is_engines = |of: &&Shown| !of.is_view && matches!(of.namespace.as_str(), NAMESPACE | CHORES);
    for of in shown.iter().filter(is_engines) {
        let metadata = bucket.metadata(&of.location)?;
        let mut snapshots: Vec<i64> = metadata.snapshots().map(|snapshot| snapshot.snapshot_id()).collect();
        snapshots.sort_unstable();
        if !snapshots.is_empty() {
            let snapshot_id = snapshots[random.below(snapshots.len())];
            snapshot_stays(bucket, &metadata, snapshot_id, &["id"], seen)?;
        }
    }
    Ok(())
}

/// What engines were told of their rows is so.
pub(crate) fn engines_are_told_the_truth(bucket: &Bucket, shown: &[Shown], ledger: &mut Ledger) -> Outcome {
    let mut there = Vec::new();
    for Shown { name, location, .. } in shown.iter().filter(|of| of.namespace == NAMESPACE && !of.is_view) {
        let metadata = bucket.metadata(location)?;
        let rows = bucket.snapshot(&metadata, metadata.current_snapshot_id(), &["id"])?;
        let table = known_as(name, &metadata.uuid().to_string());
        there.extend(rows.iter().map(|row| (table.clone(), row[0].parse().unwrap_or(-1))));
    }
    ledger.compare(there)
}

/// Notes what is to be removed, and sees that the files of dropped views are there as long as they wait.
pub(crate) fn dropped_waits(still: &Still, seen: &mut Seen) -> Outcome {
    for Purged { folder, dropped_micros } in still.purged()? {
        seen.purged.insert(folder, dropped_micros);
    }
    for (folder, due) in still.dropped_views() {
        let below = |key: &String| key.starts_with(&format!("{folder}/"));
        let (_, keys) = seen.dropped_views.entry(folder.clone()).or_insert_with(|| {
            let dropped = due - DROPPED_SECONDS * 1_000_000;
            (dropped, still.store.keys().into_iter().filter(below).collect())
        });
        if let Some(key) = keys.iter().find(|key| due > still.now && still.store.size(key).is_none()) {
            return Err(format!("{key} of a dropped view was removed before its time"));
        }
    }
    Ok(())
}

/// The rows that grow with what engines ask for stay within what `limits.rs` says. The cache, the queues and the pointers
/// that the catalog has in memory are its own affair and cannot be seen from here.
pub(crate) fn catalog_is_bounded(still: &Still, in_flight: usize) -> Outcome {
    let count = |prefix: &[u8]| still.storage.keys(prefix).len();
    for (what, prefix, most) in [
        ("dropped tables", &b"d/"[..], DROPPED_TABLES_MAX),
        ("dropped views", b"w/", DROPPED_VIEWS_MAX),
        // The runs' records have one part each.
        ("commit records", b"c/", COMMITS_KEPT as usize),
    ] {
        if count(prefix) > most {
            return Err(format!("{} {what} are remembered, and {most} at most", count(prefix)));
        }
    }
    let hour = |key: &Vec<u8>| key[2..].first_chunk::<8>().map(|hour| u64::from_be_bytes(*hour));
    let hours: Vec<u64> = still.storage.keys(b"i/").iter().filter_map(hour).collect();
    let alive = hours.last().map_or(0, |last| last.saturating_sub((IDEMPOTENCY_SECONDS as u64).div_ceil(3_600)));
    // Each key that is noted takes those away whose time is over; but a request may be noted with the time at which it
    // began, after a later one.
    let over = hours.iter().filter(|hour| **hour < alive).count();
    if over > in_flight {
        return Err(format!("{over} keys are remembered whose time is over"));
    }
    Ok(())
}

/// Folders of purged tables do not wait for anything but the next alarm.
pub(crate) fn purges_are_over(still: &Still) -> Outcome {
    match still.being_removed().first() {
        Some(folder) => Err(format!("{folder} is still being removed, and nothing goes on with it")),
        None => Ok(()),
    }
}

/// Once nobody has asked for anything for as long as it takes, nothing is left of purged tables and of dropped views, but
/// of those that somebody uses again, and what was put there after the drop by who did not know of it.
pub(crate) fn folders_are_empty(still: &Still, store: &MemoryObjectStore, seen: &Seen) -> Outcome {
    purges_are_over(still)?;
    let mut used = Vec::new();
    for namespace in still.namespaces()? {
        let shown = still.shown(&namespace)?.into_iter().chain(still.dropped(&namespace)?);
        used.extend(shown.map(|of| of.location));
    }
    let is_used = |folder: &str| used.iter().any(|location| location.starts_with(&format!("s3://lakehouse/{folder}/")));
    if let Some((folder, _)) = still.dropped_views().iter().find(|(folder, _)| !is_used(folder)) {
        return Err(format!("{folder} of a dropped view waits, and nobody uses it"));
    }
    let views = seen.dropped_views.iter().map(|(folder, (dropped, _))| (folder, dropped));
    for (folder, dropped) in seen.purged.iter().chain(views.filter(|(folder, _)| !is_used(folder))) {
        let is_left = |key: &&String| {
            key.starts_with(&format!("{folder}/")) && store.modified_micros(key).is_some_and(|at| at < *dropped)
        };
        if let Some(key) = store.keys().iter().find(is_left) {
            return Err(format!("{key} is left of what was removed"));
        }
    }
    Ok(())
}
