//! What a flush needs from outside: the object store, the catalog, time and randomness.

use bytes::Bytes;
use lake_host::{ByteRange, ObjectStore};
use lake_table::{
    EnsureTable, FlushCommit, FlushOutcome, ReadError, ReadFile, SettleFlush, Settlement, TableName, TableState,
};

use crate::error::CatalogError;

/// The catalog as the lake sees it.
#[allow(async_fn_in_trait)]
pub trait TableCatalog {
    /// The table, made if it is not there.
    async fn ensure_table(&self, request: &EnsureTable) -> Result<TableState, CatalogError>;
    /// The table, if it is there.
    async fn load_table(&self, table: &TableName) -> Result<Option<TableState>, CatalogError>;
    /// Moves all tables of a flush together and writes the commit record.
    async fn commit(&self, commit: &FlushCommit) -> Result<FlushOutcome, CatalogError>;
    /// What became of a flush.
    async fn settle(&self, request: &SettleFlush) -> Result<Settlement, CatalogError>;
}

/// Everything that a flush waits for.
#[allow(async_fn_in_trait)]
pub trait LakePorts {
    /// The object store of the deployment's bucket.
    type Store: ObjectStore;
    /// The catalog.
    type Catalog: TableCatalog;

    /// The object store.
    fn store(&self) -> &Self::Store;
    /// The catalog.
    fn catalog(&self) -> &Self::Catalog;
    /// The clock: microseconds since 1970.
    fn now_micros(&self) -> i64;
    /// Unpredictable bytes.
    fn fill_random(&self, bytes: &mut [u8]);
    /// Waits; 0 only lets other events of the object come in between.
    async fn pause_ms(&self, milliseconds: u32);
}

/// The key of a location: what comes after `s3://bucket/`.
pub(crate) fn key_of(location: &str) -> &str {
    let path = location.split_once("://").map_or(location, |(_, path)| path);
    path.split_once('/').map_or(path, |(_, key)| key)
}

/// Reads a table's files from the object store.
pub(crate) struct StoredFiles<'a, S>(pub(crate) &'a S);

impl<S: ObjectStore> ReadFile for StoredFiles<'_, S> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        match self.0.get(key_of(location), ByteRange::Full).await {
            Ok(Some(object)) => Ok(Bytes::from(object.bytes)),
            Ok(None) => Err(ReadError::Missing(location.to_owned())),
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_follows_the_bucket() {
        assert_eq!(key_of("s3://lakehouse/warehouse/a/b.parquet"), "warehouse/a/b.parquet");
    }
}
