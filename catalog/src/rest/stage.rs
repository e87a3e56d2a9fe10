//! Staging what engines change: tables as they are, the changes on top of them, one swap for all.
//!
//! A stage can take several changes of one table, and several stages can be swapped together. Between reading and swapping
//! other requests run, so the swap looks again at everything it relies on and says if another one was first; then all is
//! staged again on what is there now.

use std::rc::Rc;

use futures::{StreamExt, TryStreamExt, stream};
use lake_host::{ObjectStore, ShardStorage, WriteBatch, durable, planted};
use lake_table::TableName;

use super::idempotency::Once;
use super::route::display;
use super::size;
use super::tables::name;
use super::{Caller, RestError};
use crate::cache::MetadataFile;
use crate::catalog::{Catalog, metadata_location};
use crate::limits::{REFS_MAX, WRITES_AT_ONCE};
use crate::location::key_of;
use crate::metadata::requirement::Requirement;
use crate::metadata::update::Update;
use crate::metadata::{MAIN, Metadata, Refused, change, integer, retention};
use crate::storage::pointer::{Owner, Pointer};
use crate::storage::{namespace, pointer, used_location, view};

/// What a client wants to change of one table.
#[derive(Clone, Debug)]
pub(super) struct TableChange {
    pub(super) table: TableName,
    pub(super) requirements: Vec<Requirement>,
    pub(super) updates: Vec<Update>,
    /// True if the caller may say where in its namespace a new table lies.
    pub(super) places: bool,
}

/// A table with changes on top of it.
pub(super) struct Stage {
    table: TableName,
    /// What the pointer was; `None` if there is no table yet.
    before: Option<Pointer>,
    file: Option<Rc<MetadataFile>>,
    /// With the changes so far, if they made a difference.
    changed: Option<Metadata>,
    /// The folder of a new table.
    folder: Option<String>,
    next: Option<Next>,
}

/// What a stage becomes.
struct Next {
    pointer: Pointer,
    file: Rc<MetadataFile>,
    /// Metadata files that fall out of the log, of a table that wants them removed.
    obsolete: Vec<String>,
}

/// What became of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    Done,
    /// Another change was first. Nothing was changed.
    LostRace,
}

impl Stage {
    /// Where the table is after the swap; `None` if there is none.
    pub(super) fn pointer(&self) -> Option<&Pointer> {
        self.next.as_ref().map(|next| &next.pointer).or(self.before.as_ref())
    }

    /// The table's file after the swap.
    pub(super) fn file(&self) -> Option<Rc<MetadataFile>> {
        self.next.as_ref().map(|next| &next.file).or(self.file.as_ref()).map(Rc::clone)
    }

    /// If a change adds snapshots or makes the table: whether the table has them already.
    pub(super) fn replays(&self, change: &TableChange) -> Result<Option<bool>, RestError> {
        let creates = change.requirements.contains(&Requirement::Create);
        if !creates && !change.updates.iter().any(|update| matches!(update, Update::AddSnapshot { .. })) {
            return Ok(None);
        }
        Ok(Some(self.present()?.is_some_and(|present| is_replay(present, change))))
    }

    /// The metadata with the changes so far; `None` if there is no table.
    fn present(&self) -> Result<Option<&Metadata>, RestError> {
        match (&self.changed, &self.file) {
            (Some(changed), _) => Ok(Some(changed)),
            (None, Some(file)) => Ok(Some(file.tree()?)),
            (None, None) => Ok(None),
        }
    }
}

impl From<Refused> for RestError {
    fn from(refused: Refused) -> RestError {
        match refused {
            Refused::Invalid(message) => RestError::BadRequest(message),
            Refused::Conflict(message) => RestError::CommitFailed(message),
        }
    }
}

impl<S: ShardStorage> Catalog<S> {
    /// A table as it is, to put changes on.
    pub(super) async fn begin_stage(&self, store: &impl ObjectStore, table: &TableName) -> Result<Stage, RestError> {
        let before = pointer::read(&self.storage, table)?;
        let file = match &before {
            None => None,
            Some(before) => Some(self.read_metadata(store, &before.metadata_location).await?),
        };
        Ok(Stage { table: table.clone(), before, file, changed: None, folder: None, next: None })
    }

    /// Puts one change on a stage, or refuses it and leaves the stage as it was.
    pub(super) async fn admit_change(
        &self,
        store: &impl ObjectStore,
        stage: &mut Stage,
        change: &TableChange,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        let now_ms = caller.now_micros.div_euclid(1_000);
        let Some(present) = stage.present()? else {
            return self.admit_creation(stage, change, caller);
        };
        let is_lakes = stage.before.as_ref().is_some_and(|before| before.owner == Owner::Lake);
        if is_lakes {
            check_lake_updates(&change.table, &change.updates)?;
        }
        if is_replay(present, change) {
            return Ok(());
        }
        let rebased;
        let mut updates = &change.updates;
        if let Err(refused) = check_requirements(present, change) {
            match self.rebase(store, present, change, caller).await? {
                Some(updates_after) => {
                    rebased = updates_after;
                    updates = &rebased;
                }
                None => return Err(refused.into()),
            }
        }
        check_places(present.location(), updates)?;
        check_move(present.location(), updates)?;
        if let Some(mut changed) = change::apply(present, updates, now_ms)? {
            if is_lakes {
                // Its next snapshot has the time of its oldest row, and must not be before the table's.
                changed.set("last-updated-ms", present.integer("last-updated-ms").unwrap_or_default());
            }
            if changed.heads().len() > REFS_MAX {
                return Err(RestError::BadRequest(format!("A table has at most {REFS_MAX} branches and tags")));
            }
            stage.changed = Some(changed);
        }
        Ok(())
    }

    /// A table that a commit makes: the end of a staged creation.
    fn admit_creation(&self, stage: &mut Stage, change: &TableChange, caller: &Caller<'_>) -> Result<(), RestError> {
        if !change.requirements.contains(&Requirement::Create) {
            return Err(RestError::NoSuchTable(name(&change.table)));
        }
        self.must_be_unnamed(&change.table)?;
        for requirement in &change.requirements {
            requirement.check(None)?;
        }
        let wanted = change.updates.iter().rev().find_map(|update| match update {
            Update::SetLocation { location } => Some(location.as_str()),
            _ => None,
        });
        let wanted = wanted.map(|wanted| self.find_place(&change.table, wanted, change.places)).transpose()?.flatten();
        let folder = wanted.unwrap_or_else(|| self.staged_folder(&change.table, caller));
        let location = format!("s3://{}/{folder}", self.settings.bucket);
        let uuid = uuid::Builder::from_random_bytes(caller.random.id()).into_uuid().to_string();
        let now_ms = caller.now_micros.div_euclid(1_000);
        check_places(&location, &change.updates)?;
        stage.changed = Some(change::create(&change.updates, &location, &uuid, now_ms)?);
        stage.folder = Some(folder);
        Ok(())
    }

    /// Puts the first metadata of a new table on an empty stage.
    pub(super) fn stage_new(&self, table: &TableName, folder: String, metadata: Metadata) -> Stage {
        let table = table.clone();
        Stage { table, before: None, file: None, changed: Some(metadata), folder: Some(folder), next: None }
    }

    /// Refuses a name that cannot be made a table: its namespace is not there, or something has the name.
    pub(super) fn must_be_unnamed(&self, table: &TableName) -> Result<(), RestError> {
        if !namespace::exists(&self.storage, &table.namespace)? {
            return Err(RestError::NoSuchNamespace(display(&table.namespace)));
        }
        if pointer::read(&self.storage, table)?.is_some() {
            return Err(RestError::AlreadyExists(format!("Table already exists: {}", name(table))));
        }
        if view::view_exists(&self.storage, table)? {
            return Err(RestError::AlreadyExists(format!("View with same name already exists: {}", name(table))));
        }
        Ok(())
    }

    /// Writes the metadata files of stages. Nothing refers to them yet.
    pub(super) async fn write_stages(
        &self,
        store: &impl ObjectStore,
        stages: &mut [Stage],
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        for stage in stages.iter_mut() {
            self.finish_stage(stage, caller)?;
        }
        stream::iter(stages.iter().filter_map(|stage| stage.next.as_ref()))
            .map(async |next| {
                let location = &next.pointer.metadata_location;
                durable!("catalog: put an engine's metadata", self.write_metadata(store, location, &next.file).await)
            })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    fn finish_stage(&self, stage: &mut Stage, caller: &Caller<'_>) -> Result<(), RestError> {
        let Some(mut metadata) = stage.changed.take() else { return Ok(()) };
        let location = match &stage.before {
            Some(before) => before.location.clone(),
            None => metadata.location().to_owned(),
        };
        let mut obsolete = Vec::new();
        if let (Some(before), Some(file)) = (&stage.before, &stage.file)
            && before.owner == Owner::Engine
        {
            let replaced = file.tree().ok().and_then(|tree| tree.integer("last-updated-ms")).unwrap_or_default();
            obsolete = retention::log_metadata(&mut metadata, &before.metadata_location, replaced);
            if metadata.property("write.metadata.delete-after-commit.enabled") != Some("true") {
                obsolete.clear();
            }
        }
        let version = stage.before.as_ref().map_or(0, |before| before.version.saturating_add(1));
        let pointer = Pointer {
            metadata_location: metadata_location(&location, version, caller.random.id()),
            location,
            version,
            moved_micros: caller.now_micros,
            owner: stage.before.as_ref().map_or(Owner::Engine, |before| before.owner),
        };
        let file = MetadataFile::of_tree(metadata)?;
        size::check(&file, stage.file.as_deref(), pointer.owner)?;
        if pointer.owner == Owner::Lake {
            // A flush reads it by the types of the crate, and one table that it cannot read stops all.
            file.metadata().map_err(|error| RestError::BadRequest(format!("The lake could not read it: {error}")))?;
        }
        stage.next = Some(Next { pointer, file: Rc::new(file), obsolete });
        Ok(())
    }

    /// The one irreversible step: all stages and what was done under which key, together. No await in it.
    pub(super) fn swap_stages(
        &self,
        stages: &[Stage],
        once: &[&Once],
        status: u16,
        caller: &Caller<'_>,
    ) -> Result<Swap, RestError> {
        let mut batch = WriteBatch::new();
        for once in once {
            match self.is_done(once, caller) {
                // A copy of this one was refused meanwhile: it is looked at again, alone.
                Err(error) if error.is_final() => return Ok(Swap::LostRace),
                seen => seen?,
            };
        }
        for stage in stages {
            if pointer::read(&self.storage, &stage.table)? != stage.before {
                return Ok(Swap::LostRace);
            }
            let Some(next) = &stage.next else { continue };
            if let Some(folder) = &stage.folder {
                if stage.before.is_none() {
                    self.must_be_unnamed(&stage.table)?;
                }
                if !used_location::is_unused(&self.storage, folder)? {
                    return Ok(Swap::LostRace);
                }
                used_location::put(&mut batch, folder, &stage.table)?;
            }
            pointer::put(&mut batch, &stage.table, &next.pointer)?;
        }
        let shown = stages.first().and_then(Stage::pointer).filter(|_| status == 200);
        for once in once {
            match shown {
                Some(pointer) => self.put_once_at(&mut batch, once, &pointer.location, caller)?,
                None => self.put_once(&mut batch, once, status, caller)?,
            }
        }
        if !batch.is_empty() {
            durable!("catalog: swap an engine's tables", self.apply(&batch))?;
        }
        for stage in stages {
            let Some(next) = &stage.next else { continue };
            let location = &next.pointer.metadata_location;
            match &stage.before {
                Some(before) => self.cache.borrow_mut().replace(&before.metadata_location, location, &next.file),
                None => self.cache.borrow_mut().keep(location, &next.file),
            }
        }
        Ok(Swap::Done)
    }

    /// Removes the files that fell out of metadata logs. What cannot be removed is left over, as it would be without the
    /// table's wish.
    pub(super) async fn remove_obsolete(&self, store: &impl ObjectStore, stages: &[Stage]) {
        for next in stages.iter().filter_map(|stage| stage.next.as_ref()) {
            for location in &next.obsolete {
                let Some(key) = key_of(location, &self.settings.bucket) else { continue };
                if location.starts_with(&format!("{}/metadata/", next.pointer.location)) {
                    let _left_over = store.delete(key).await;
                }
            }
        }
    }
}

fn check_requirements(present: &Metadata, change: &TableChange) -> Result<(), Refused> {
    for requirement in &change.requirements {
        requirement.check(Some(present))?;
    }
    // Not a requirement of the client's, but what `apply` would refuse and a rebase can mend.
    if present.format_version() > 1 {
        let last = present.integer("last-sequence-number").unwrap_or_default();
        for update in &change.updates {
            if let Update::AddSnapshot { snapshot } = update
                && integer(snapshot, "parent-snapshot-id").is_some()
                && let number = integer(snapshot, "sequence-number").unwrap_or_default()
                && number <= last
            {
                return Err(Refused::Conflict(format!(
                    "Cannot add snapshot with sequence number {number} older than last sequence number {last}"
                )));
            }
        }
    }
    Ok(())
}

/// True if the table has what this change would give it: the client asks again because it did not get the answer.
fn is_replay(present: &Metadata, change: &TableChange) -> bool {
    let is_this_table = change.requirements.iter().all(|requirement| match requirement {
        Requirement::TableUuid { uuid } => present.uuid().eq_ignore_ascii_case(uuid),
        _ => true,
    });
    let creates = change.requirements.contains(&Requirement::Create);
    if creates {
        return change.updates.iter().any(|update| match update {
            Update::AssignUuid { uuid } => present.uuid().eq_ignore_ascii_case(uuid),
            _ => false,
        });
    }
    let mut added = change.updates.iter().filter_map(Update::added_snapshot).peekable();
    let is_there = is_this_table && added.peek().is_some() && added.all(|id| present.snapshot(id).is_some());
    is_there && !planted!("engines: what is sent again is refused")
}

/// Manifest lists of other tables would be read with this table's rights.
fn check_places(location: &str, updates: &[Update]) -> Result<(), RestError> {
    for update in updates {
        let Update::AddSnapshot { snapshot } = update else { continue };
        let list = snapshot.get("manifest-list").and_then(serde_json::Value::as_str);
        if let Some(list) = list.filter(|list| !is_below(list, location)) {
            return Err(RestError::BadRequest(format!(
                "The manifest list {list} does not lie below the table's location {location}"
            )));
        }
    }
    Ok(())
}

/// A table that exists is not moved. Who replaces a table asks for a place among other changes, and reads in the answer
/// which one it is; who asks for nothing else must not think that it was done.
fn check_move(location: &str, updates: &[Update]) -> Result<(), RestError> {
    let mut elsewhere = None;
    for update in updates {
        let Update::SetLocation { location: wanted } = update else { return Ok(()) };
        elsewhere = elsewhere.or_else(|| Some(wanted).filter(|wanted| wanted.trim_end_matches('/') != location));
    }
    match elsewhere {
        Some(wanted) => Err(RestError::BadRequest(format!(
            "The table stays at {location}: one that exists is not moved, and nothing was moved to {wanted}"
        ))),
        None => Ok(()),
    }
}

/// True if a file lies below a location, and does not only look so.
pub(super) fn is_below(file: &str, location: &str) -> bool {
    let rest = file.strip_prefix(location).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| rest.split('/').all(|segment| !matches!(segment, "." | "..")))
}

/// What a foreign engine may do to a table that databases feed: nothing that touches its rows.
fn check_lake_updates(table: &TableName, updates: &[Update]) -> Result<(), RestError> {
    let is_ours = |name: &String| name.starts_with("lake.");
    let is_allowed = |update: &Update| match update {
        Update::SetProperties { updates } => !updates.keys().any(is_ours),
        Update::RemoveProperties { removals } => !removals.iter().any(is_ours),
        Update::SetSnapshotRef(reference) => reference.ref_name != MAIN,
        Update::RemoveSnapshotRef { ref_name } => ref_name != MAIN,
        _ => false,
    };
    if updates.iter().all(is_allowed) {
        return Ok(());
    }
    Err(RestError::Forbidden(format!(
        "Table {} is written by the databases that feed it and is read-only here, but for its properties (not those \
         that begin with `lake.`), tags, and branches other than main",
        name(table)
    )))
}
