//! From the location of a table's metadata to the files a scan has to read.

use std::collections::HashMap;

use datafusion::error::{DataFusionError, Result};
use iceberg::spec::{DataFile, Datum, TableMetadata};
use lake_cdc::Micros;
use lake_table::{ReadError, ReadFile, ScanFile, TableError, plan_scan};

use crate::error::{unavailable, unsupported};
use crate::store::{StoreClient, key_of};

/// The state of an Iceberg table that a query reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Field ids by name, in the schema that is current.
    pub(crate) field_ids: HashMap<String, i32>,
    /// Data files with their deletes.
    pub(crate) files: Vec<FilePlan>,
    /// Greatest stamp of the changes in it, if the snapshot says so.
    pub(crate) max_stamp: Option<Micros>,
}

/// A data file.
#[derive(Clone, Debug)]
pub(crate) struct FilePlan {
    /// As the manifest and its position deletes name it.
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// Its partition, as something that can be counted.
    pub(crate) partition: String,
    pub(crate) lower: HashMap<i32, Datum>,
    pub(crate) upper: HashMap<i32, Datum>,
    pub(crate) nulls: HashMap<i32, u64>,
    /// Position delete files that may name rows of it.
    pub(crate) deletes: Vec<DeleteFile>,
}

/// A position delete file.
#[derive(Clone, Debug)]
pub(crate) struct DeleteFile {
    pub(crate) key: String,
    pub(crate) size: u64,
}

/// Key of a snapshot's summary that the lake writes.
const MAX_STAMP: &str = "lake.max-stamp";

impl ReadFile for StoreClient {
    async fn read(&self, location: &str) -> Result<bytes::Bytes, ReadError> {
        let key = key_of(location).map_err(|error| ReadError::Failed(error.to_string()))?;
        self.get_metadata(&key).await.map_err(|error| ReadError::Failed(error.to_string()))
    }
}

/// Reads metadata, manifest list and manifests.
pub(crate) async fn load(client: &StoreClient, metadata_location: &str) -> Result<Snapshot> {
    let bytes = client.get_metadata(&key_of(metadata_location)?).await?;
    let metadata: TableMetadata = serde_json::from_slice(&bytes)
        .map_err(|error| unavailable(format!("metadata {metadata_location} cannot be read: {error}")))?;
    let fields = metadata.current_schema().as_struct().fields();
    let field_ids = fields.iter().map(|field| (field.name.clone(), field.id)).collect();
    let Some(current) = metadata.current_snapshot() else {
        return Ok(Snapshot { field_ids, ..Snapshot::default() });
    };
    let summary = &current.summary().additional_properties;
    let max_stamp = summary.get(MAX_STAMP).and_then(|text| text.parse().ok()).map(Micros);
    let scan = plan_scan(client, &metadata, Some(current.snapshot_id()), &[]).await.map_err(damaged)?;
    let files = scan.iter().map(file_plan).collect::<Result<_>>()?;
    Ok(Snapshot { field_ids, files, max_stamp })
}

fn damaged(error: TableError) -> DataFusionError {
    match error {
        TableError::Unsupported(what) => unsupported(what),
        other => unavailable(other.to_string()),
    }
}

fn file_plan(file: &ScanFile) -> Result<FilePlan> {
    let data: &DataFile = &file.data;
    let deletes = file
        .deletes
        .iter()
        .map(|delete| {
            if delete.content_offset().is_some() {
                return Err(unsupported("a table with deletion vectors"));
            }
            Ok(DeleteFile { key: key_of(delete.file_path())?, size: delete.file_size_in_bytes() })
        })
        .collect::<Result<_>>()?;
    Ok(FilePlan {
        path: data.file_path().to_owned(),
        key: key_of(data.file_path())?,
        size: data.file_size_in_bytes(),
        rows: data.record_count(),
        partition: format!("{:?}", data.partition()),
        lower: data.lower_bounds().clone(),
        upper: data.upper_bounds().clone(),
        nulls: data.null_value_counts().clone(),
        deletes,
    })
}
