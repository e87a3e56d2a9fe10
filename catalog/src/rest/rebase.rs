//! An append that was staged on a snapshot which is not the last one any more: put on top of the present one here, so that
//! writers who only add rows never wait for each other.

use lake_host::{ObjectStore, PutCondition, ShardStorage, durable};
use lake_table::{Rebased, rebase_append};
use serde_json::{Value, json};

use super::stage::{TableChange, is_below};
use super::{Caller, RestError};
use crate::catalog::{Catalog, get_at_most};
use crate::limits::{METADATA_BYTES_MAX, SNAPSHOTS_MOST};
use crate::metadata::requirement::Requirement;
use crate::metadata::update::Update;
use crate::metadata::{Metadata, integer};

/// An append that can be put on another snapshot.
struct Append<'a> {
    id: i64,
    snapshot: &'a Value,
    /// The snapshot that it was staged on.
    base: Option<i64>,
    /// The snapshot that it follows now.
    head: i64,
}

impl<S: ShardStorage> Catalog<S> {
    /// The updates of `change` on top of the present snapshot; `None` if they have to be staged by the client again.
    pub(super) async fn rebase(
        &self,
        store: &impl ObjectStore,
        present: &Metadata,
        change: &TableChange,
        caller: &Caller<'_>,
    ) -> Result<Option<Vec<Update>>, RestError> {
        let Some(append) = find_append(present, change) else { return Ok(None) };
        let list_of = |snapshot: Option<&Value>| Some(snapshot?.get("manifest-list")?.as_str()?.to_owned());
        let own = list_of(Some(append.snapshot));
        let head = present.snapshot(append.head);
        let (Some(own), Some(head_list)) = (own, list_of(head)) else { return Ok(None) };
        let Some(own) = self.read_list(store, present, &own).await? else { return Ok(None) };
        let Some(head_list) = self.read_list(store, present, &head_list).await? else { return Ok(None) };
        let base = match append.base.filter(|base| present.snapshot(*base).is_some()) {
            None => None,
            Some(base) => {
                let Some(list) = list_of(present.snapshot(base)) else { return Ok(None) };
                match self.read_list(store, present, &list).await? {
                    Some(list) => Some(list),
                    None => return Ok(None),
                }
            }
        };
        let head_list = match &base {
            Some(base) if lake_host::planted!("engines: a rebase forgets what came between") => base.clone(),
            _ => head_list,
        };
        let Some(sequence_number) = present.integer("last-sequence-number").unwrap_or_default().checked_add(1) else {
            return Ok(None);
        };
        let format = present.format_version();
        let next_row = present.integer("next-row-id").unwrap_or_default();
        let rebase = lake_table::Rebase {
            format_version: u8::try_from(format).unwrap_or_default(),
            snapshot_id: append.id,
            parent_id: append.head,
            sequence_number,
            first_row_id: if format >= 3 { u64::try_from(next_row).ok() } else { None },
        };
        let bytes = match rebase_append(&own, base.as_deref(), &head_list, rebase) {
            // What was staged on nothing follows everything, if it was not there before.
            Ok(Rebased::List(bytes)) if base.is_some() || append.base.is_none() && is_whole(present, append.head) => {
                bytes
            }
            // It was committed before, and its snapshot is forgotten: nothing changes.
            Ok(Rebased::IsThere) => return Ok(Some(Vec::new())),
            // Lists that cannot be read are the client's affair: it stages again.
            _ => return Ok(None),
        };
        let id = uuid::Uuid::from_bytes(caller.random.id());
        let location = format!("{}/metadata/snap-{}-{id}.avro", present.location(), append.id);
        let key = self.must_key(&location)?;
        let put = store.put(key, bytes.to_vec(), PutCondition::Always);
        durable!("catalog: put a rebased manifest list", put.await).map_err(crate::CatalogError::from)?;

        let mut snapshot = append.snapshot.clone();
        snapshot["parent-snapshot-id"] = json!(append.head);
        snapshot["sequence-number"] = json!(sequence_number);
        snapshot["manifest-list"] = json!(location);
        if format >= 3 {
            snapshot["first-row-id"] = json!(next_row);
        }
        add_totals(&mut snapshot, head);
        let updates = change.updates.iter().map(|update| match update {
            Update::AddSnapshot { .. } => Update::AddSnapshot { snapshot: snapshot.clone() },
            other => other.clone(),
        });
        Ok(Some(updates.collect()))
    }

    async fn read_list(
        &self,
        store: &impl ObjectStore,
        present: &Metadata,
        location: &str,
    ) -> Result<Option<Vec<u8>>, RestError> {
        // What lies elsewhere is not this table's to read.
        if !is_below(location, present.location()) {
            return Ok(None);
        }
        let key = self.must_key(location)?;
        let object = get_at_most(store, key, METADATA_BYTES_MAX).await.map_err(crate::CatalogError::from)?;
        Ok(object.filter(|object| object.info.size <= METADATA_BYTES_MAX).map(|object| object.bytes))
    }
}

/// The append of a change, if all that stands against it is that its branch has moved on.
fn find_append<'a>(present: &Metadata, change: &'a TableChange) -> Option<Append<'a>> {
    let mut added = None;
    let mut branch = None;
    for update in &change.updates {
        match update {
            Update::AddSnapshot { snapshot } if added.is_none() => added = Some(snapshot),
            Update::SetSnapshotRef(reference) if branch.is_none() && reference.kind.eq_ignore_ascii_case("branch") => {
                branch = Some(reference);
            }
            Update::SetStatistics { .. } | Update::SetPartitionStatistics { .. } | Update::SetProperties { .. } => {}
            _ => return None,
        }
    }
    let (snapshot, reference) = (added?, branch?);
    let id = crate::metadata::snapshot_id(snapshot)?;
    if snapshot.get("summary")?.get("operation")?.as_str()? != "append" || reference.snapshot_id != id {
        return None;
    }
    let base = integer(snapshot, "parent-snapshot-id");
    for requirement in &change.requirements {
        match requirement {
            Requirement::RefSnapshotId { r#ref, snapshot_id } if *r#ref == reference.ref_name => {
                if *snapshot_id != base {
                    return None;
                }
            }
            other => other.check(Some(present)).ok()?,
        }
    }
    let head = present.referenced(&reference.ref_name)?;
    // Of one that is forgotten nobody knows: this append may be forgotten too.
    let is_on_top = base.is_none_or(|base| present.snapshot(base).is_none() || is_ancestor(present, base, head));
    is_on_top.then_some(Append { id, snapshot, base, head })
}

/// True if `base` is `head` or before it, as far as the table remembers.
fn is_ancestor(present: &Metadata, base: i64, head: i64) -> bool {
    let mut id = Some(head);
    // A table of another catalog may name snapshots in a circle.
    for _ in 0..=SNAPSHOTS_MOST {
        match id {
            Some(id) if id == base => return true,
            Some(at) => id = present.snapshot(at).and_then(|snapshot| integer(snapshot, "parent-snapshot-id")),
            None => return false,
        }
    }
    false
}

/// True if the table remembers all snapshots up to `head`. Otherwise an append to the empty table may be one of those that
/// are forgotten, whose files others have merged or rewritten since.
fn is_whole(present: &Metadata, head: i64) -> bool {
    let mut id = head;
    for _ in 0..=SNAPSHOTS_MOST {
        let Some(snapshot) = present.snapshot(id) else { return false };
        let Some(parent) = integer(snapshot, "parent-snapshot-id") else { return true };
        id = parent;
    }
    false
}

/// The totals of a summary: those of the snapshot before, and what this one adds.
fn add_totals(snapshot: &mut Value, head: Option<&Value>) {
    let count =
        |of: Option<&Value>, name: &str| of.and_then(|of| of.get("summary")?.get(name)?.as_str()?.parse::<u64>().ok());
    for (total, added) in [
        ("total-data-files", "added-data-files"),
        ("total-records", "added-records"),
        ("total-files-size", "added-files-size"),
        ("total-delete-files", ""),
        ("total-position-deletes", ""),
        ("total-equality-deletes", ""),
    ] {
        let Some(before) = count(head, total) else {
            if let Some(summary) = snapshot.get_mut("summary").and_then(Value::as_object_mut) {
                summary.remove(total);
            }
            continue;
        };
        let sum = before.saturating_add(count(Some(snapshot), added).unwrap_or_default());
        snapshot["summary"][total] = json!(sum.to_string());
    }
}
