//! A foreign engine: it makes a table of its own through the REST catalog and appends to it, several at once, each with
//! the habits of a client that exists when an answer is lost or a commit is refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use iceberg::spec::{Struct, TableMetadata};
use lake_catalog::rest::RestRequest;
use lake_host::{ByteRange, Clock, ObjectStore, PutCondition, Random};
use lake_table::{DataFileWriter, ReadError, ReadFile, RowDelta, stage_row_delta};
use lake_test_host::{ManualClock, MemoryObjectStore, SeededRandom};
use serde_json::{Value, json};

use crate::catalog_port::CatalogObject;

/// Where the table is.
pub(crate) const NAMESPACE: &str = "foreign";
/// Its name.
pub(crate) const TABLE: &str = "events";

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

/// What is known of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Its append is under way, or nobody will ever know.
    InDoubt,
    /// The answer was 2xx, or a look has shown it.
    There,
    /// The answer was 4xx.
    Refused,
}

/// What engines know together.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) rows: BTreeMap<i64, Row>,
    /// What an engine was told that it must never be told.
    pub(crate) broken: Option<String>,
    /// Appends that were begun.
    pub(crate) appends: usize,
    /// The last sequence number of a table, by its UUID, that an answer of 2xx has told.
    acknowledged: BTreeMap<String, i64>,
}

/// An engine's handle on everything.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) catalog: CatalogObject,
    pub(crate) store: MemoryObjectStore,
    pub(crate) clock: ManualClock,
    pub(crate) random: SeededRandom,
    pub(crate) known: Rc<RefCell<Known>>,
}

/// Why an append did not come to its end: the store or the catalog failed before anything could be committed.
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

impl Engine {
    /// Appends some new rows, and tries as hard as its habits say.
    pub(crate) async fn append(self) {
        let habits = [Habits::SendsAgain, Habits::Looks, Habits::HasKey][self.random.below(3)];
        let ids: Vec<i64> = {
            let mut known = self.known.borrow_mut();
            let first = known.rows.last_key_value().map_or(1, |(id, _)| id + 1);
            let ids: Vec<i64> = (first..=first + self.random.below(3) as i64).collect();
            known.rows.extend(ids.iter().map(|id| (*id, Row::InDoubt)));
            known.appends += 1;
            ids
        };
        let outcome = self.try_append(habits, &ids).await;
        let row = match outcome {
            Ok(row) => row,
            // Nothing was sent that could have committed.
            Err(GivenUp) => Row::Refused,
        };
        let mut known = self.known.borrow_mut();
        known.rows.extend(ids.into_iter().map(|id| (id, row)));
    }

    async fn try_append(&self, habits: Habits, ids: &[i64]) -> Result<Row, GivenUp> {
        let mut data = None;
        for _ in 0..ATTEMPTS_MAX {
            let (metadata, _) = self.load_or_create().await?;
            let file = match data.take() {
                Some(file) => file,
                None => self.write_data(&metadata, ids).await?,
            };
            data = Some(file.clone());
            let snapshot_id = (i64::from_be_bytes(half(self.random.id())) & i64::MAX).max(1);
            let delta = RowDelta {
                snapshot_id,
                now_ms: self.clock.now_micros() / 1_000,
                attempt: hex(self.random.id()),
                added_data: vec![file.clone()],
                ..RowDelta::default()
            };
            let staged = stage_row_delta(&Files(&self.store), &metadata, delta).await.map_err(|_| GivenUp)?;
            for (location, bytes) in staged.files {
                self.put(&location, bytes.to_vec()).await?;
            }
            let body = json!({
                "identifier": {"namespace": [NAMESPACE], "name": TABLE},
                "requirements": staged.requirements,
                "updates": staged.updates,
            });
            match self.commit(habits, &body, snapshot_id).await {
                Answer::Committed => return Ok(Row::There),
                Answer::Unknown => return Ok(Row::InDoubt),
                Answer::Refused if habits == Habits::SendsAgain => {
                    // It takes 409 for the last word, and tidies up.
                    let _ = self.store.delete(key(file.file_path())).await;
                    return Ok(Row::Refused);
                }
                Answer::Refused | Answer::NotNow => {}
            }
        }
        Ok(Row::Refused)
    }

    /// Sends a commit as often as the client does.
    async fn commit(&self, habits: Habits, body: &Value, snapshot_id: i64) -> Answer {
        let key = uuid(self.random.id());
        let mut may_have_committed = false;
        for _ in 0..ATTEMPTS_MAX {
            let key = (habits == Habits::HasKey).then_some(key.as_str());
            match self.send("POST", &format!("/v1/namespaces/{NAMESPACE}/tables/{TABLE}"), body, key).await {
                Some((200 | 204, answer)) => {
                    if let Some((table, sequence)) = sequence(&answer["metadata"]) {
                        let mut known = self.known.borrow_mut();
                        let acknowledged = known.acknowledged.entry(table).or_default();
                        *acknowledged = sequence.max(*acknowledged);
                    }
                    return Answer::Committed;
                }
                // DuckDB believes it, whatever came before.
                Some((409, _)) if may_have_committed && habits != Habits::SendsAgain => {
                    return self.look(snapshot_id, Answer::Refused).await;
                }
                Some((409, _)) => return Answer::Refused,
                Some((503, _)) => {
                    if !may_have_committed {
                        return Answer::NotNow;
                    }
                }
                Some((status @ 400..500, answer)) => {
                    self.break_off(format!("a commit was answered {status}: {answer}"));
                    return Answer::Unknown;
                }
                Some(_) | None => may_have_committed = true,
            }
            if habits == Habits::Looks {
                return self.look(snapshot_id, Answer::Unknown).await;
            }
        }
        self.look(snapshot_id, Answer::Unknown).await
    }

    /// Whether the snapshot is there; if not, what the client believes then.
    async fn look(&self, snapshot_id: i64, otherwise: Answer) -> Answer {
        match self.load().await {
            Some(Some((metadata, _))) if metadata.snapshot_by_id(snapshot_id).is_some() => Answer::Committed,
            Some(_) => otherwise,
            None => Answer::Unknown,
        }
    }

    async fn write_data(&self, metadata: &TableMetadata, ids: &[i64]) -> Result<iceberg::spec::DataFile, GivenUp> {
        let location = format!("{}/data/{}.parquet", metadata.location(), hex(self.random.id()));
        let schema = Arc::clone(metadata.current_schema());
        let spec = metadata.default_partition_spec_id();
        let mut writer =
            DataFileWriter::new(location.clone(), schema, Struct::empty(), spec).expect("a schema of ours");
        let column = Arc::new(Int64Array::from(ids.to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(writer.arrow_schema()), vec![column]).expect("one column");
        writer.write(&batch).expect("rows in memory");
        let file = writer.finish(&BTreeSet::new()).expect("a file in memory");
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

    async fn load_or_create(&self) -> Result<(TableMetadata, String), GivenUp> {
        for _ in 0..ATTEMPTS_MAX {
            match self.load().await {
                Some(Some(found)) => return Ok(found),
                Some(None) => {
                    let namespace = json!({"namespace": [NAMESPACE], "properties": {}});
                    self.send("POST", "/v1/namespaces", &namespace, None).await;
                    let schema = json!({"type": "struct", "schema-id": 0, "fields": [
                        {"id": 1, "name": "id", "type": "long", "required": true}]});
                    let table = json!({"name": TABLE, "schema": schema, "stage-create": false, "properties": {}});
                    self.send("POST", &format!("/v1/namespaces/{NAMESPACE}/tables"), &table, None).await;
                }
                None => {}
            }
        }
        Err(GivenUp)
    }

    /// The table; `None` inside if there is none, outside if nobody answers.
    async fn load(&self) -> Option<Option<(TableMetadata, String)>> {
        let path = format!("/v1/namespaces/{NAMESPACE}/tables/{TABLE}");
        let before = self.known.borrow().acknowledged.clone();
        match self.send("GET", &path, &Value::Null, None).await? {
            (200, answer) => {
                if let Some((table, shown)) = sequence(&answer["metadata"])
                    && let Some(told) = before.get(&table).filter(|told| **told > shown)
                {
                    self.break_off(format!("a load shows sequence number {shown} after {told} was acknowledged"));
                }
                let metadata = serde_json::from_value(answer["metadata"].clone());
                match metadata {
                    Ok(metadata) => {
                        let location = answer["metadata-location"].as_str().unwrap_or_default().to_owned();
                        Some(Some((metadata, location)))
                    }
                    Err(error) => {
                        self.break_off(format!("metadata that cannot be read: {error}"));
                        None
                    }
                }
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
            origin: "http://127.0.0.1:8787".to_owned(),
            ..RestRequest::default()
        };
        let (status, body) = self.catalog.respond(request).await?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) fn break_off(&self, why: String) {
        self.known.borrow_mut().broken.get_or_insert(why);
    }
}

/// The UUID and the last sequence number of a table's metadata.
fn sequence(metadata: &Value) -> Option<(String, i64)> {
    Some((metadata["table-uuid"].as_str()?.to_owned(), metadata["last-sequence-number"].as_i64()?))
}

/// What a client makes of the answers to its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Committed,
    Refused,
    /// Nothing was changed; later it may work.
    NotNow,
    Unknown,
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
