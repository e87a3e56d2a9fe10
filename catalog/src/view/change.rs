//! How a view is made and how a commit changes it.
//!
//! Ids are given here. What a client sends are wishes: a schema or a version that is there already keeps its id, another
//! gets a free one, and what the same commit says about the id that was sent is about the one that was given. So a commit
//! that was planned against an earlier state still holds, and one that is sent twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::metadata::{FORMAT_VERSION, HistoryEntry, Representation, ViewMetadata, ViewSchema, ViewVersion};
use crate::limits::{VIEW_BYTES_MAX, VIEW_VERSIONS_KEPT, VIEW_VERSIONS_MAX};

const LAST_ADDED: i32 = -1;
const FIRST_VERSION: i32 = 1;
const HISTORY_SIZE: &str = "version.history.num-entries";
const DROP_DIALECT_ALLOWED: &str = "replace.drop-dialect.allowed";

/// A view that is to be made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NewView {
    pub(crate) name: String,
    pub(crate) location: Option<String>,
    pub(crate) schema: ViewSchema,
    pub(crate) view_version: ViewVersion,
    // Some clients leave it out.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
}

/// What must hold for a commit.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum ViewRequirement {
    /// The view is this one.
    #[serde(rename = "assert-view-uuid")]
    Uuid {
        /// Its id.
        uuid: String,
    },
}

/// One change of a commit.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum ViewUpdate {
    AssignUuid { uuid: String },
    UpgradeFormatVersion { format_version: i32 },
    AddSchema { schema: ViewSchema },
    SetLocation { location: String },
    SetProperties { updates: BTreeMap<String, String> },
    RemoveProperties { removals: Vec<String> },
    AddViewVersion { view_version: ViewVersion },
    SetCurrentViewVersion { view_version_id: i32 },
}

/// What is wrong with a change, in Java's words.
pub(crate) type Invalid = String;

/// The first metadata of a view.
pub(crate) fn create(new: NewView, uuid: String, location: String) -> Result<ViewMetadata, Invalid> {
    let empty = ViewMetadata {
        view_uuid: uuid,
        format_version: FORMAT_VERSION,
        location: new.location.unwrap_or(location),
        current_version_id: LAST_ADDED,
        versions: Vec::new(),
        version_log: Vec::new(),
        schemas: Vec::new(),
        properties: new.properties,
    };
    let mut change = Change::of(empty);
    change.add_schema(&new.schema);
    let version = ViewVersion { schema_id: LAST_ADDED, version_id: FIRST_VERSION, ..new.view_version };
    change.add_version(version)?;
    // The time of the version is its own, so none is needed here.
    change.set_current(LAST_ADDED, 0)?;
    change.build(None)
}

/// The metadata after a commit. A commit that says nothing different gives what was there.
pub(crate) fn commit(base: &ViewMetadata, updates: &[ViewUpdate], now_ms: i64) -> Result<ViewMetadata, Invalid> {
    let mut change = Change::of(base.clone());
    for update in updates {
        change.apply(update, now_ms)?;
    }
    change.build(Some(base))
}

/// Which requirement does not hold.
pub(crate) fn check(base: &ViewMetadata, requirements: &[ViewRequirement]) -> Result<(), Invalid> {
    for ViewRequirement::Uuid { uuid } in requirements {
        if !base.view_uuid.eq_ignore_ascii_case(uuid) {
            let expected = &base.view_uuid;
            return Err(format!("Requirement failed: view UUID does not match: expected {expected} != {uuid}"));
        }
    }
    Ok(())
}

/// A commit that is being put together.
struct Change {
    metadata: ViewMetadata,
    // Ids as they were sent, and as they were given.
    schema_ids: BTreeMap<i32, i32>,
    version_ids: BTreeMap<i32, i32>,
    last_schema: Option<i32>,
    last_version: Option<i32>,
    added: BTreeSet<i32>,
    entry: Option<HistoryEntry>,
}

impl Change {
    fn of(metadata: ViewMetadata) -> Change {
        Change {
            metadata,
            schema_ids: BTreeMap::new(),
            version_ids: BTreeMap::new(),
            last_schema: None,
            last_version: None,
            added: BTreeSet::new(),
            entry: None,
        }
    }

    fn apply(&mut self, update: &ViewUpdate, now_ms: i64) -> Result<(), Invalid> {
        match update {
            ViewUpdate::AssignUuid { uuid } if self.metadata.view_uuid.eq_ignore_ascii_case(uuid) => {}
            ViewUpdate::AssignUuid { .. } => return Err("Cannot reassign uuid".to_owned()),
            ViewUpdate::UpgradeFormatVersion { format_version } if *format_version == FORMAT_VERSION => {}
            ViewUpdate::UpgradeFormatVersion { format_version } => {
                return Err(format!("Cannot upgrade view to unsupported format version: v{format_version}"));
            }
            ViewUpdate::AddSchema { schema } => self.add_schema(schema),
            ViewUpdate::SetLocation { location } => location.clone_into(&mut self.metadata.location),
            ViewUpdate::SetProperties { updates } => self.metadata.properties.extend(updates.clone()),
            ViewUpdate::RemoveProperties { removals } => {
                self.metadata.properties.retain(|name, _| !removals.contains(name));
            }
            ViewUpdate::AddViewVersion { view_version } => self.add_version(view_version.clone())?,
            ViewUpdate::SetCurrentViewVersion { view_version_id } => self.set_current(*view_version_id, now_ms)?,
        }
        Ok(())
    }

    fn add_schema(&mut self, schema: &ViewSchema) {
        let held = self.metadata.schemas.iter().find(|held| held.is_same(schema)).map(ViewSchema::id);
        let id = held.unwrap_or_else(|| {
            let id = self.metadata.schemas.iter().map(ViewSchema::id).max().map_or(0, |last| last.saturating_add(1));
            self.metadata.schemas.push(schema.with_id(id));
            id
        });
        self.schema_ids.insert(schema.id(), id);
        self.last_schema = Some(id);
    }

    fn add_version(&mut self, mut version: ViewVersion) -> Result<(), Invalid> {
        let sent = version.version_id;
        version.schema_id = match version.schema_id {
            LAST_ADDED => self.last_schema.ok_or("Cannot set last added schema: no schema has been added")?,
            id => self.schema_ids.get(&id).copied().unwrap_or(id),
        };
        if !self.metadata.schemas.iter().any(|schema| schema.id() == version.schema_id) {
            return Err(format!("Cannot add version with unknown schema: {}", version.schema_id));
        }
        if version.representations.is_empty() {
            return Err("Cannot add a version without a query".to_owned());
        }
        let mut dialects = BTreeSet::new();
        for Representation::Sql { dialect, .. } in &version.representations {
            let dialect = dialect.to_lowercase();
            if dialects.contains(&dialect) {
                return Err(format!("Invalid view version: Cannot add multiple queries for dialect {dialect}"));
            }
            dialects.insert(dialect);
        }
        let held = self.metadata.versions.iter().find(|held| held.is_same(&version)).map(|held| held.version_id);
        let id = held.unwrap_or_else(|| {
            let last = self.metadata.versions.iter().map(|held| held.version_id).max();
            last.map_or(FIRST_VERSION, |last| last.saturating_add(1))
        });
        if held.is_none() {
            self.metadata.versions.push(ViewVersion { version_id: id, ..version });
            self.added.insert(id);
        }
        if self.added.len() > VIEW_VERSIONS_MAX {
            return Err(format!("Cannot add more than {VIEW_VERSIONS_MAX} versions at once"));
        }
        self.version_ids.insert(sent, id);
        self.last_version = Some(id);
        Ok(())
    }

    fn set_current(&mut self, wanted: i32, now_ms: i64) -> Result<(), Invalid> {
        let id = match wanted {
            LAST_ADDED => self.last_version.ok_or("Cannot set last version id: no current version id has been set")?,
            id => self.version_ids.get(&id).copied().unwrap_or(id),
        };
        if id == self.metadata.current_version_id {
            return Ok(());
        }
        let version =
            self.metadata.find(id).ok_or_else(|| format!("Cannot set current version to unknown version: {id}"))?;
        let timestamp_ms = if self.added.contains(&id) { version.timestamp_ms } else { now_ms };
        self.entry = Some(HistoryEntry { timestamp_ms, version_id: id });
        self.metadata.current_version_id = id;
        Ok(())
    }

    fn build(mut self, base: Option<&ViewMetadata>) -> Result<ViewMetadata, Invalid> {
        self.metadata.version_log.extend(self.entry.take());
        if let Some(base) = base {
            check_dialects(base, &self.metadata)?;
        }
        let kept = match self.metadata.properties.get(HISTORY_SIZE).map(|size| size.parse::<i64>()) {
            None => VIEW_VERSIONS_KEPT,
            Some(Ok(size)) if size > 0 => usize::try_from(size).unwrap_or(VIEW_VERSIONS_MAX),
            Some(_) => {
                let size = self.metadata.properties.get(HISTORY_SIZE).map(String::as_str).unwrap_or_default();
                return Err(format!("{HISTORY_SIZE} must be positive but was {size}"));
            }
        };
        // What this commit adds stays, as long as there is room.
        let most = kept.max(self.added.len()).min(VIEW_VERSIONS_MAX);
        for kept in (1..=most.min(self.metadata.versions.len())).rev() {
            expire(&mut self.metadata, kept);
            let bytes = self.metadata.encode().map_err(|error| error.to_string())?.len();
            if bytes <= VIEW_BYTES_MAX {
                return Ok(self.metadata);
            }
        }
        Err(format!("The view's metadata would be larger than {VIEW_BYTES_MAX} bytes"))
    }
}

/// Keeps the current version and the last ones, and the history back to the first that is gone.
fn expire(metadata: &mut ViewMetadata, kept: usize) {
    let mut ids: Vec<i32> = metadata.versions.iter().map(|version| version.version_id).collect();
    ids.sort_unstable_by_key(|id| (*id != metadata.current_version_id, std::cmp::Reverse(*id)));
    if ids.len() <= kept {
        return;
    }
    ids.truncate(kept);
    metadata.versions.retain(|version| ids.contains(&version.version_id));
    let gone = metadata.version_log.iter().rposition(|entry| !ids.contains(&entry.version_id));
    metadata.version_log.drain(..gone.map_or(0, |at| at + 1));
    let is_used = |schema: &ViewSchema| metadata.versions.iter().any(|version| version.schema_id == schema.id());
    metadata.schemas.retain(is_used);
}

/// A view that readers of a dialect use must not be lost to them unnoticed.
fn check_dialects(base: &ViewMetadata, changed: &ViewMetadata) -> Result<(), Invalid> {
    let is_allowed =
        changed.properties.get(DROP_DIALECT_ALLOWED).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let dialects = |metadata: &ViewMetadata| metadata.find(metadata.current_version_id).map(ViewVersion::dialects);
    let (before, after) = (dialects(base).unwrap_or_default(), dialects(changed).unwrap_or_default());
    if is_allowed || after.is_superset(&before) {
        return Ok(());
    }
    Err(format!(
        "Cannot replace view due to loss of view dialects ({DROP_DIALECT_ALLOWED}=false):\n\
         Previous dialects: {before:?}\nNew dialects: {after:?}"
    ))
}
