//! Removing the files of purged tables, and of dropped views whose time has come.
//!
//! A folder is in storage until it is empty, so that the steps go on after any death. A view's folder waits in another
//! place first: as long as it does, its files can become another view's by registering them; from then on they cannot.

use futures::{StreamExt, TryStreamExt, stream};
use lake_host::{AlarmChange, ObjectStore, ShardStorage, WriteBatch, durable};

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::limits::{DROPPED_SECONDS, PURGE_PAUSE_MICROS, PURGE_RETRY_MICROS, PURGE_STEP_OBJECTS, WRITES_AT_ONCE};
use crate::location::key_of;
use crate::storage::dropped_view::{self, DroppedView};
use crate::storage::{pointer, purge, used_location, view};

impl<S: ShardStorage> Catalog<S> {
    /// Removes objects of purged tables and dropped views, at most as many as one step may; the alarm is set if there
    /// are more, or will be. For the object's alarm.
    pub async fn purge_step(&self, store: &impl ObjectStore, now_micros: i64) -> Result<(), CatalogError> {
        self.take_up_dropped_view(now_micros)?;
        let mut batch = WriteBatch::new();
        let mut pause = PURGE_PAUSE_MICROS;
        let mut has_more = false;
        if let Some((folder, has_another)) = purge::next(&self.storage)? {
            // This step may die, and another request may have set an alarm for much later in place of the one at work.
            let mut again = WriteBatch::new();
            again.alarm = Some(AlarmChange::NoLaterThan(now_micros.saturating_add(PURGE_RETRY_MICROS)));
            durable!("catalog: begin a step of a purge", self.apply(&again))?;
            let emptied = match self.folder_is_in_use(&folder)? {
                true => Ok(true),
                false => self.empty_folder(store, &folder).await,
            };
            if emptied == Ok(true) {
                purge::remove(&mut batch, &folder);
            }
            if emptied.is_err() {
                pause = PURGE_RETRY_MICROS;
            }
            has_more = has_another || emptied != Ok(true);
        }
        let soon = now_micros.saturating_add(pause);
        let waiting = dropped_view::first(&self.storage)?.map(|view| view.due_micros.max(soon));
        if let Some(next) = if has_more { Some(soon) } else { waiting } {
            batch.alarm = Some(AlarmChange::NoLaterThan(next));
        }
        if batch.is_empty() {
            return Ok(());
        }
        durable!("catalog: end a step of a purge", self.apply(&batch))
    }

    /// Puts the folder of a dropped view whose time has come among those being removed. One that somebody uses waits
    /// again.
    fn take_up_dropped_view(&self, now_micros: i64) -> Result<(), CatalogError> {
        let Some(view) = dropped_view::first(&self.storage)?.filter(|view| view.due_micros <= now_micros) else {
            return Ok(());
        };
        let location = format!("s3://{}/{}", self.settings.bucket, view.folder);
        let is_used =
            view::any_below(&self.storage, &location)? || !used_location::is_unused(&self.storage, &view.folder)?;
        let mut batch = WriteBatch::new();
        dropped_view::remove(&mut batch, &view);
        if is_used {
            let due_micros = now_micros.saturating_add(DROPPED_SECONDS.saturating_mul(1_000_000));
            dropped_view::put(&mut batch, &self.storage, &DroppedView { due_micros, ..view })?;
        } else {
            purge::put(&mut batch, &view.folder)?;
        }
        // The step that follows may die before it sets the alarm.
        batch.alarm = Some(AlarmChange::NoLaterThan(now_micros.saturating_add(PURGE_PAUSE_MICROS)));
        durable!("catalog: take up a dropped view", self.apply(&batch))
    }

    /// Never true as long as no location is used twice; looked at because what follows cannot be undone.
    fn folder_is_in_use(&self, folder: &str) -> Result<bool, CatalogError> {
        let Some(table) = used_location::read(&self.storage, folder)? else { return Ok(false) };
        let pointer = pointer::read(&self.storage, &table)?;
        Ok(pointer.is_some_and(|pointer| key_of(&pointer.location, &self.settings.bucket) == Some(folder)))
    }

    /// Removes the next objects of a folder; true if there were no more.
    async fn empty_folder(&self, store: &impl ObjectStore, folder: &str) -> Result<bool, CatalogError> {
        let page = store.list(&format!("{folder}/"), None, PURGE_STEP_OBJECTS).await?;
        stream::iter(&page.objects)
            .map(async |object| durable!("catalog: purge an object", store.delete(&object.key).await))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(!page.truncated)
    }
}
