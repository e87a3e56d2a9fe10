//! Foreign engines: they make tables of their own through the REST catalog, append to one or to two at once, replace
//! files, and make tables out of what they have. Several work at the same time, each with the habits of a client that
//! exists when an answer is lost or a commit is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use iceberg::spec::{DataFile, Struct, TableMetadata};
use lake_catalog::rest::RestRequest;
use lake_host::{ByteRange, Clock, ObjectStore, PutCondition, Random};
use lake_table::{DataFileWriter, ReadError, ReadFile, RowDelta, StagedSnapshot, stage_row_delta};
use lake_test_host::{ManualClock, MemoryObjectStore, SeededRandom};
use serde_json::{Value, json};

use crate::catalog_port::{CatalogObject, ORIGIN};
use crate::ledger::Ledger;

mod commit;
pub(crate) mod deeds;

/// Where tables are whose rows are in the ledger.
pub(crate) const NAMESPACE: &str = "foreign";
/// What all append to.
pub(crate) const EVENTS: &str = "events";
/// Gets its rows together with the other one.
pub(crate) const ECHOES: &str = "echoes";

/// How often a refused commit is staged again, and an unanswered request sent again.
const ATTEMPTS_MAX: u32 = 4;

/// What a client does when all is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habits {
    /// Sends the same body again after no answer, and removes its files after 409: DuckDB.
    SendsAgain,
    /// Looks whether its snapshot is there, and asks nothing more: Spark without idempotency.
    Looks,
    /// Sends again under one `Idempotency-Key`: Spark and Trino with it.
    HasKey,
}

/// An engine's handle on everything.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) catalog: CatalogObject,
    pub(crate) store: MemoryObjectStore,
    pub(crate) clock: ManualClock,
    pub(crate) random: SeededRandom,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
}

/// Why a deed did not come to its end: the store or the catalog failed before anything could be committed.
struct GivenUp;

struct Files<'a>(&'a MemoryObjectStore);

impl ReadFile for Files<'_> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        let key = key(location);
        match self.0.get(key, ByteRange::Full).await {
            Ok(Some(object)) => Ok(object.bytes.into()),
            Ok(None) => Err(ReadError::Missing(location.to_owned())),
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }
}

fn key(location: &str) -> &str {
    location.strip_prefix("s3://lakehouse/").unwrap_or(location)
}

/// The address of a table.
fn path(namespace: &str, table: &str) -> String {
    format!("/v1/namespaces/{namespace}/tables/{table}")
}

/// What all tables of engines are made of.
fn schema() -> Value {
    json!({"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "type": "long", "required": true}]})
}

impl Engine {
    /// A snapshot on top of what a table has, its files written.
    async fn stage(
        &self,
        metadata: &TableMetadata,
        added: &DataFile,
        removed: Option<&str>,
    ) -> Result<(i64, StagedSnapshot), GivenUp> {
        let snapshot_id = (i64::from_be_bytes(half(self.random.id())) & i64::MAX).max(1);
        let delta = RowDelta {
            snapshot_id,
            now_ms: self.clock.now_micros() / 1_000,
            attempt: hex(self.random.id()),
            added_data: vec![added.clone()],
            removed_data: removed.into_iter().map(str::to_owned).collect(),
            ..RowDelta::default()
        };
        let staged = stage_row_delta(&Files(&self.store), metadata, delta).await.map_err(|_| GivenUp)?;
        for (location, bytes) in &staged.files {
            self.put(location, bytes.to_vec()).await?;
        }
        Ok((snapshot_id, staged))
    }

    async fn write_data(&self, metadata: &TableMetadata, ids: &[i64]) -> Result<DataFile, GivenUp> {
        let location = format!("{}/data/{}.parquet", metadata.location(), hex(self.random.id()));
        let schema = Arc::clone(metadata.current_schema());
        let spec = metadata.default_partition_spec_id();
        let mut writer =
            DataFileWriter::new(location.clone(), schema, Struct::empty(), spec).expect("a schema of ours");
        let column = Arc::new(Int64Array::from(ids.to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(writer.arrow_schema()), vec![column]).expect("one column");
        writer.write(&batch).expect("rows in memory");
        let file = writer.finish(&BTreeSet::new()).expect("a file in memory");
        self.ledger.borrow_mut().files.insert(location.clone(), ids.to_vec());
        self.put(&location, file.bytes).await?;
        Ok(file.file)
    }

    async fn put(&self, location: &str, bytes: Vec<u8>) -> Result<(), GivenUp> {
        for _ in 0..ATTEMPTS_MAX {
            if self.store.put(key(location), bytes.clone(), PutCondition::Always).await.is_ok() {
                return Ok(());
            }
        }
        Err(GivenUp)
    }

    async fn load_or_create(&self, table: &str) -> Result<TableMetadata, GivenUp> {
        for _ in 0..ATTEMPTS_MAX {
            match self.load(NAMESPACE, table).await {
                Some(Some(found)) => return Ok(found),
                Some(None) => {
                    let namespace = json!({"namespace": [NAMESPACE], "properties": {}});
                    self.send("POST", "/v1/namespaces", &namespace, None).await;
                    let body = json!({"name": table, "schema": schema(), "stage-create": false, "properties": {}});
                    self.send("POST", &format!("/v1/namespaces/{NAMESPACE}/tables"), &body, None).await;
                }
                None => {}
            }
        }
        Err(GivenUp)
    }

    /// The table; `None` inside if there is none, outside if nobody answers.
    pub(crate) async fn load(&self, namespace: &str, table: &str) -> Option<Option<TableMetadata>> {
        let before = self.ledger.borrow().acknowledged.clone();
        match self.send("GET", &path(namespace, table), &Value::Null, None).await? {
            (200, answer) => {
                if let Some((table, shown)) = sequence(&answer["metadata"])
                    && let Some(told) = before.get(&table).filter(|told| **told > shown)
                {
                    self.break_off(format!("a load shows sequence number {shown} after {told} was acknowledged"));
                }
                let metadata = serde_json::from_value(answer["metadata"].clone());
                metadata
                    .map_err(|error| self.break_off(format!("metadata that cannot be read: {error}")))
                    .ok()
                    .map(Some)
            }
            (404, _) => Some(None),
            (status @ 400..500, answer) => {
                self.break_off(format!("a load was answered {status}: {answer}"));
                None
            }
            _ => None,
        }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value, key: Option<&str>) -> Option<(u16, Value)> {
        let request = RestRequest {
            method: method.to_owned(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            query: path.split_once('?').map_or_else(String::new, |(_, query)| query.to_owned()),
            headers: key.map(|key| ("idempotency-key".to_owned(), key.to_owned())).into_iter().collect(),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            origin: ORIGIN.to_owned(),
            ..RestRequest::default()
        };
        let (status, body) = self.catalog.respond(request).await?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) fn break_off(&self, why: String) {
        self.ledger.borrow_mut().broken.get_or_insert(why);
    }
}

/// The UUID and the last sequence number of a table's metadata.
fn sequence(metadata: &Value) -> Option<(String, i64)> {
    Some((metadata["table-uuid"].as_str()?.to_owned(), metadata["last-sequence-number"].as_i64()?))
}

fn half(id: [u8; 16]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&id[..8]);
    half
}

fn hex(id: [u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of version 7 by its marks; its time is random too.
fn uuid(mut id: [u8; 16]) -> String {
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    let hex = hex(id);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
