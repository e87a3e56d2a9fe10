//! Removing all objects of a folder.

use futures::{StreamExt, TryStreamExt, stream};
use lake_host::{ObjectStore, ShardStorage, durable};

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::limits::{PURGE_STEP_OBJECTS, WRITES_AT_ONCE};

impl<S: ShardStorage> Catalog<S> {
    /// Removes the next objects of a folder; true if there were no more.
    pub(crate) async fn empty_folder(&self, store: &impl ObjectStore, folder: &str) -> Result<bool, CatalogError> {
        let page = store.list(&format!("{folder}/"), None, PURGE_STEP_OBJECTS).await?;
        stream::iter(&page.objects)
            .map(async |object| durable!("catalog: purge an object", store.delete(&object.key).await))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(!page.truncated)
    }
}
