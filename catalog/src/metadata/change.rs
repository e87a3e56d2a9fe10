//! Applying updates: what a commit makes of a table's metadata.
//!
//! As Apache's implementation does it, because clients compute the same on their side: a schema, spec or order that is
//! there already is used again, -1 is the one added last, a branch that moves to an added snapshot takes its time.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::create::{check_format, check_properties, finish};
use super::update::{LAST_ADDED, SetRef, Update};
use super::{MAIN, Metadata, Object, Refused, id_after, integer, invalid, partition, retention, schema, snapshot_id};

/// A change of one table's metadata under way.
struct Change {
    metadata: Metadata,
    now_ms: i64,
    is_new: bool,
    is_changed: bool,
    schema_added: Option<Added>,
    spec_added: Option<Added>,
    order_added: Option<Added>,
    snapshots_added: BTreeSet<i64>,
    // Snapshots that this change made current, in order.
    made_current: Vec<i64>,
    has_removed: bool,
}

/// A schema, spec or order that was added last.
#[derive(Clone, Copy)]
struct Added {
    /// The id that it has.
    id: i64,
    /// The id that the client gave it.
    asked: Option<i64>,
}

/// The metadata after `updates`; `None` if they change nothing. A table's place is not theirs to change.
pub(crate) fn apply(base: &Metadata, updates: &[Update], now_ms: i64) -> Result<Option<Metadata>, Refused> {
    let mut change = Change::new(base.clone(), now_ms, false);
    for update in updates {
        change.apply(update)?;
    }
    if !change.is_changed {
        return Ok(None);
    }
    change.build().map(Some)
}

/// The metadata of a table that is made of `updates`, at `location`. `uuid` is for a table that is given none.
pub(crate) fn create(updates: &[Update], location: &str, uuid: &str, now_ms: i64) -> Result<Metadata, Refused> {
    let fields = json!({
        "format-version": 1, "location": location, "last-column-id": 0,
        "partition-specs": [], "last-partition-id": partition::FIRST_FIELD_ID - 1, "sort-orders": [], "schemas": [],
        "properties": {}, "snapshots": [], "snapshot-log": [], "metadata-log": [], "refs": {},
    });
    let Value::Object(fields) = fields else { return invalid("unreachable") };
    let mut change = Change::new(Metadata::of(fields), now_ms, true);
    if !updates.iter().any(|update| matches!(update, Update::UpgradeFormatVersion { .. })) {
        change.metadata.set("format-version", 2);
    }
    for update in updates {
        change.apply(update)?;
    }
    let metadata = &mut change.metadata;
    if metadata.uuid().is_empty() {
        metadata.set("table-uuid", uuid);
    }
    if metadata.current_schema().is_none() {
        return invalid("Cannot create a table without a current schema");
    }
    if metadata.integer("default-spec-id").is_none() {
        metadata.list_mut("partition-specs").push(json!({"spec-id": 0, "fields": []}));
        metadata.set("default-spec-id", 0);
    }
    if metadata.integer("default-sort-order-id").is_none() {
        metadata.list_mut("sort-orders").push(json!({"order-id": 0, "fields": []}));
        metadata.set("default-sort-order-id", 0);
    }
    change.build()
}

impl Change {
    fn new(metadata: Metadata, now_ms: i64, is_new: bool) -> Change {
        Change {
            metadata,
            now_ms,
            is_new,
            is_changed: false,
            schema_added: None,
            spec_added: None,
            order_added: None,
            snapshots_added: BTreeSet::new(),
            made_current: Vec::new(),
            has_removed: false,
        }
    }

    fn apply(&mut self, update: &Update) -> Result<(), Refused> {
        match update {
            Update::AssignUuid { uuid } => self.assign_uuid(uuid),
            Update::UpgradeFormatVersion { format_version } => self.upgrade(*format_version),
            Update::AddSchema { schema, last_column_id } => self.add_schema(schema, *last_column_id),
            Update::SetCurrentSchema { schema_id } => {
                let id = last_added(*schema_id, self.schema_added, "schema")?;
                self.choose("schemas", "schema-id", "current-schema-id", id)
            }
            Update::AddSpec { spec } => self.add_spec(spec),
            Update::SetDefaultSpec { spec_id } => {
                let id = last_added(*spec_id, self.spec_added, "partition spec")?;
                self.choose("partition-specs", "spec-id", "default-spec-id", id)
            }
            Update::AddSortOrder { sort_order } => self.add_order(sort_order),
            Update::SetDefaultSortOrder { sort_order_id } => {
                let id = last_added(*sort_order_id, self.order_added, "sort order")?;
                self.choose("sort-orders", "order-id", "default-sort-order-id", id)
            }
            Update::AddSnapshot { snapshot } => self.add_snapshot(snapshot),
            Update::SetSnapshotRef(reference) => self.set_ref(reference),
            Update::RemoveSnapshots { snapshot_ids } => {
                let gone = snapshot_ids.iter().copied().collect();
                let removed = retention::remove_snapshots(&mut self.metadata, &gone);
                self.has_removed |= removed;
                self.is_changed |= removed;
                Ok(())
            }
            Update::RemoveSnapshotRef { ref_name } => {
                self.is_changed |= self.metadata.object_mut("refs").remove(ref_name).is_some();
                if ref_name == MAIN {
                    self.metadata.remove("current-snapshot-id");
                }
                Ok(())
            }
            // Where a table lies is the catalog's affair: it asks for a place, and gets it or another.
            Update::SetLocation { .. } => Ok(()),
            Update::SetProperties { updates } => self.set_properties(updates),
            Update::RemoveProperties { removals } => {
                for name in removals {
                    self.is_changed |= self.metadata.object_mut("properties").remove(name).is_some();
                }
                Ok(())
            }
            Update::SetStatistics { statistics } => {
                let needed = ["statistics-path", "file-size-in-bytes", "file-footer-size-in-bytes", "blob-metadata"];
                self.replace_by_snapshot("statistics", statistics, &needed)
            }
            Update::RemoveStatistics { snapshot_id } => self.remove_by_snapshot("statistics", *snapshot_id),
            Update::SetPartitionStatistics { partition_statistics } => {
                let needed = ["statistics-path", "file-size-in-bytes"];
                self.replace_by_snapshot("partition-statistics", partition_statistics, &needed)
            }
            Update::RemovePartitionStatistics { snapshot_id } => {
                self.remove_by_snapshot("partition-statistics", *snapshot_id)
            }
            Update::RemovePartitionSpecs { spec_ids } => {
                let names =
                    ("partition-specs", "spec-id", "default-spec-id", "Cannot remove the default partition spec");
                self.remove_unused(names, spec_ids)
            }
            Update::RemoveSchemas { schema_ids } => {
                let names = ("schemas", "schema-id", "current-schema-id", "Cannot remove the current schema");
                self.remove_unused(names, schema_ids)
            }
            Update::AddEncryptionKey { encryption_key } => self.add_key(encryption_key),
            Update::RemoveEncryptionKey { key_id } => {
                let is_it = |key: &Value| key.get("key-id").and_then(Value::as_str) == Some(key_id);
                if self.metadata.list("encryption-keys").iter().any(is_it) {
                    self.metadata.list_mut("encryption-keys").retain(|key| !is_it(key));
                    self.is_changed = true;
                }
                Ok(())
            }
        }
    }

    fn assign_uuid(&mut self, uuid: &str) -> Result<(), Refused> {
        let Ok(parsed) = uuid::Uuid::parse_str(uuid) else { return invalid(format!("Invalid UUID string: {uuid}")) };
        if self.metadata.uuid().eq_ignore_ascii_case(uuid) {
            return Ok(());
        }
        if !self.metadata.uuid().is_empty() {
            return invalid("Cannot reassign uuid");
        }
        self.metadata.set("table-uuid", parsed.to_string());
        self.is_changed = true;
        Ok(())
    }

    fn upgrade(&mut self, format: i64) -> Result<(), Refused> {
        check_format(format)?;
        let present = self.metadata.format_version();
        if format < present {
            return invalid(format!("Cannot downgrade v{present} table to v{format}"));
        }
        if format > present {
            self.metadata.set("format-version", format);
            finish(&mut self.metadata);
            self.is_changed = true;
        }
        Ok(())
    }

    fn add_schema(&mut self, added: &Value, last_column_id: Option<i64>) -> Result<(), Refused> {
        let last = self.metadata.integer("last-column-id").unwrap_or_default();
        schema::check_format(added, self.metadata.format_version())?;
        let schemas = self.metadata.list("schemas");
        let same = schemas.iter().find(|known| schema::is_same(known, added)).and_then(|s| integer(s, "schema-id"));
        let id = same.map_or_else(|| next_id(schemas, "schema-id", 0), Ok)?;
        let last = last.max(schema::highest_id(added)?).max(last_column_id.unwrap_or_default());
        self.metadata.set("last-column-id", last);
        if same.is_none() {
            self.metadata.list_mut("schemas").push(schema::with_id(added, id));
            self.is_changed = true;
        }
        self.schema_added = Some(Added { id, asked: integer(added, "schema-id") });
        Ok(())
    }

    fn add_spec(&mut self, spec: &Value) -> Result<(), Refused> {
        let mut bound = partition::bind_spec(&self.metadata, spec)?;
        let specs = self.metadata.list("partition-specs");
        let same =
            specs.iter().find(|known| partition::is_same_spec(known, &bound)).and_then(|s| integer(s, "spec-id"));
        let id = same.map_or_else(|| next_id(specs, "spec-id", 0), Ok)?;
        if same.is_none() {
            let last = self.metadata.integer("last-partition-id").unwrap_or_default();
            self.metadata.set("last-partition-id", last.max(partition::last_field_id(&bound)));
            bound["spec-id"] = json!(id);
            self.metadata.list_mut("partition-specs").push(bound);
            self.is_changed = true;
        }
        self.spec_added = Some(Added { id, asked: integer(spec, "spec-id") });
        Ok(())
    }

    fn add_order(&mut self, order: &Value) -> Result<(), Refused> {
        let mut bound = partition::bind_order(&self.metadata, order)?;
        let orders = self.metadata.list("sort-orders");
        let same =
            orders.iter().find(|known| partition::is_same_order(known, &bound)).and_then(|o| integer(o, "order-id"));
        // 0 is the order of nothing.
        let id = match (same, partition::fields_of(&bound)) {
            (Some(same), _) => same,
            (None, []) => 0,
            (None, _) => next_id(orders, "order-id", 1)?,
        };
        if same.is_none() {
            bound["order-id"] = json!(id);
            self.metadata.list_mut("sort-orders").push(bound);
            self.is_changed = true;
        }
        self.order_added = Some(Added { id, asked: integer(order, "order-id") });
        Ok(())
    }

    fn choose(&mut self, list: &str, id_name: &str, chosen: &str, id: i64) -> Result<(), Refused> {
        if !self.metadata.list(list).iter().any(|value| integer(value, id_name) == Some(id)) {
            return invalid(format!("Cannot set {chosen} to unknown {id_name}: {id}"));
        }
        if self.metadata.integer(chosen) != Some(id) {
            self.metadata.set(chosen, id);
            self.is_changed = true;
        }
        Ok(())
    }

    fn add_snapshot(&mut self, snapshot: &Value) -> Result<(), Refused> {
        let format = self.metadata.format_version();
        let Some(id) = snapshot_id(snapshot) else { return invalid("Cannot parse a snapshot without snapshot-id") };
        if integer(snapshot, "timestamp-ms").is_none() {
            return invalid("Cannot parse a snapshot without timestamp-ms");
        }
        let has_list = snapshot.get("manifest-list").is_some_and(Value::is_string);
        let has_manifests = format == 1 && snapshot.get("manifests").is_some_and(Value::is_array);
        if !(has_list || has_manifests) {
            return invalid("Cannot parse a snapshot without manifest-list");
        }
        match snapshot.get("summary") {
            None | Some(Value::Null) if format == 1 => {}
            Some(Value::Object(summary)) if summary.values().all(Value::is_string) => {}
            _ => return invalid("Cannot parse a snapshot without a summary of texts"),
        }
        if self.metadata.list("schemas").is_empty() {
            return invalid("Attempting to add a snapshot before a schema is added");
        }
        if self.metadata.snapshot(id).is_some() {
            return invalid(format!("Snapshot already exists for id: {id}"));
        }
        let last = self.metadata.integer("last-sequence-number").unwrap_or_default();
        let sequence_number = integer(snapshot, "sequence-number").unwrap_or_default();
        let has_parent = integer(snapshot, "parent-snapshot-id").is_some();
        if format > 1 && sequence_number <= last && has_parent {
            return Err(Refused::Conflict(format!(
                "Cannot add snapshot with sequence number {sequence_number} older than last sequence number {last}"
            )));
        }
        if format >= 3 {
            self.take_rows(snapshot)?;
        }
        if format > 1 {
            self.metadata.set("last-sequence-number", last.max(sequence_number));
        }
        let mut snapshot = snapshot.clone();
        if let Some(fields) = snapshot.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
            if format > 1 {
                fields.entry("sequence-number").or_insert_with(|| json!(0));
            }
        }
        self.metadata.list_mut("snapshots").push(snapshot);
        self.snapshots_added.insert(id);
        self.is_changed = true;
        Ok(())
    }

    /// Row lineage: the ids that the rows of a snapshot take.
    fn take_rows(&mut self, snapshot: &Value) -> Result<(), Refused> {
        let next = self.metadata.integer("next-row-id").unwrap_or_default();
        let Some(first) = integer(snapshot, "first-row-id") else {
            return invalid("Cannot add a snapshot: first-row-id is null");
        };
        let Some(added) = integer(snapshot, "added-rows").filter(|added| *added >= 0) else {
            return invalid("Cannot add a snapshot: added-rows is null");
        };
        if first < next {
            return Err(Refused::Conflict(format!(
                "Cannot add a snapshot, first-row-id is behind table next-row-id: {first} < {next}"
            )));
        }
        match first.checked_add(added) {
            Some(next) => self.metadata.set("next-row-id", next),
            None => return invalid("Cannot add a snapshot: added-rows is too large"),
        }
        Ok(())
    }

    fn set_ref(&mut self, wanted: &SetRef) -> Result<(), Refused> {
        let name = &wanted.ref_name;
        let Some(snapshot) = self.metadata.snapshot(wanted.snapshot_id) else {
            return invalid(format!("Cannot set {name} to unknown snapshot: {}", wanted.snapshot_id));
        };
        let stamp = integer(snapshot, "timestamp-ms").unwrap_or(self.now_ms);
        let kind = wanted.kind.to_ascii_lowercase();
        match kind.as_str() {
            "branch" => {}
            "tag" if name == MAIN => return invalid("Cannot set main to a tag"),
            "tag" if wanted.min_snapshots_to_keep.is_some() || wanted.max_snapshot_age_ms.is_some() => {
                return invalid("Tags do not support setting minSnapshotsToKeep or maxSnapshotAgeMs");
            }
            "tag" => {}
            other => return invalid(format!("Invalid snapshot ref type: {other}")),
        }
        let mut reference = Object::new();
        reference.insert("snapshot-id".to_owned(), json!(wanted.snapshot_id));
        reference.insert("type".to_owned(), json!(kind));
        for (field, value) in [
            ("min-snapshots-to-keep", wanted.min_snapshots_to_keep),
            ("max-snapshot-age-ms", wanted.max_snapshot_age_ms),
            ("max-ref-age-ms", wanted.max_ref_age_ms),
        ] {
            match value {
                Some(value) if value <= 0 => return invalid(format!("{field} must be positive: {value}")),
                Some(value) if field == "min-snapshots-to-keep" && i32::try_from(value).is_err() => {
                    return invalid(format!("{field} must be a number of 32 bits: {value}"));
                }
                Some(value) => drop(reference.insert(field.to_owned(), json!(value))),
                None => {}
            }
        }
        if self.metadata.reference(name) == Some(&reference) {
            return Ok(());
        }
        let moves = self.metadata.referenced(name) != Some(wanted.snapshot_id);
        self.metadata.object_mut("refs").insert(name.clone(), Value::Object(reference));
        self.is_changed = true;
        if name == MAIN && moves {
            self.metadata.set("current-snapshot-id", wanted.snapshot_id);
            self.made_current.push(wanted.snapshot_id);
            let stamp = if self.snapshots_added.contains(&wanted.snapshot_id) { stamp } else { self.now_ms };
            // Clients refuse a history that goes back in time; their clocks differ.
            let last = self.metadata.list("snapshot-log").last().and_then(|entry| integer(entry, "timestamp-ms"));
            let entry = json!({"snapshot-id": wanted.snapshot_id, "timestamp-ms": stamp.max(last.unwrap_or(stamp))});
            self.metadata.list_mut("snapshot-log").push(entry);
        }
        Ok(())
    }

    fn set_properties(&mut self, updates: &Object) -> Result<(), Refused> {
        for (name, value) in check_properties(updates)? {
            let before = self.metadata.object_mut("properties").insert(name, value.clone());
            self.is_changed |= before.as_ref() != Some(&value);
        }
        Ok(())
    }

    fn replace_by_snapshot(&mut self, list: &str, file: &Value, needed: &[&str]) -> Result<(), Refused> {
        let Some(id) = snapshot_id(file) else { return invalid("Cannot parse statistics without snapshot-id") };
        if let Some(missing) = needed.iter().find(|name| file.get(**name).is_none_or(Value::is_null)) {
            return invalid(format!("Cannot parse statistics without {missing}"));
        }
        self.metadata.list_mut(list).retain(|known| snapshot_id(known) != Some(id));
        self.metadata.list_mut(list).push(file.clone());
        self.is_changed = true;
        Ok(())
    }

    fn remove_by_snapshot(&mut self, list: &str, id: i64) -> Result<(), Refused> {
        if self.metadata.list(list).iter().any(|known| snapshot_id(known) == Some(id)) {
            self.metadata.list_mut(list).retain(|known| snapshot_id(known) != Some(id));
            self.is_changed = true;
        }
        Ok(())
    }

    /// Removes what is not in use: list, name of the id, which one is in use, and what to say of that one.
    fn remove_unused(&mut self, names: (&str, &str, &str, &str), ids: &[i64]) -> Result<(), Refused> {
        let (list, id_name, in_use, refusal) = names;
        if self.metadata.integer(in_use).is_some_and(|id| ids.contains(&id)) {
            return invalid(refusal);
        }
        let before = self.metadata.list(list).len();
        let is_gone = |value: &Value| integer(value, id_name).is_some_and(|id| ids.contains(&id));
        self.metadata.list_mut(list).retain(|value| !is_gone(value));
        self.is_changed |= self.metadata.list(list).len() < before;
        Ok(())
    }

    fn add_key(&mut self, key: &Value) -> Result<(), Refused> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let (Some(id), Some(_)) = (text("key-id"), text("encrypted-key-metadata")) else {
            return invalid("Cannot parse an encryption key without key-id and encrypted-key-metadata");
        };
        let is_known = |known: &Value| known.get("key-id").and_then(Value::as_str) == Some(id);
        if !self.metadata.list("encryption-keys").iter().any(is_known) {
            self.metadata.list_mut("encryption-keys").push(key.clone());
            self.is_changed = true;
        }
        Ok(())
    }

    fn build(mut self) -> Result<Metadata, Refused> {
        let metadata = &mut self.metadata;
        let current = metadata.integer("current-snapshot-id");
        // A commit that adds several snapshots to main shows the last of them only.
        let passed: BTreeSet<i64> = self.made_current.iter().copied().filter(|id| Some(*id) != current).collect();
        let passed = passed.intersection(&self.snapshots_added).copied().collect();
        retention::trim_snapshots(metadata);
        retention::trim_history(metadata, &passed);
        // Not before the snapshots it has: clients refuse that.
        let newest = metadata.list("snapshots").iter().filter_map(|snapshot| integer(snapshot, "timestamp-ms")).max();
        let before = if self.is_new { None } else { metadata.integer("last-updated-ms") };
        let updated = self.now_ms.max(newest.unwrap_or_default()).max(before.unwrap_or_default());
        metadata.set("last-updated-ms", updated);
        finish(metadata);
        Ok(self.metadata)
    }
}

/// The id after the highest of a list. A registered file can hold any, and what comes out must be one for all clients.
fn next_id(list: &[Value], id_name: &str, first: i64) -> Result<i64, Refused> {
    match list.iter().filter_map(|known| integer(known, id_name)).max() {
        None => Ok(first),
        Some(highest) => id_after(highest, id_name),
    }
}

/// The id of what is chosen: -1 is what was added last, and so is the id that the client gave it.
fn last_added(id: i64, added: Option<Added>, what: &str) -> Result<i64, Refused> {
    match added {
        Some(added) if id == LAST_ADDED || added.asked == Some(id) => Ok(added.id),
        None if id == LAST_ADDED => invalid(format!("Cannot set last added {what}: no {what} has been added")),
        _ => Ok(id),
    }
}

#[cfg(test)]
mod tests;
