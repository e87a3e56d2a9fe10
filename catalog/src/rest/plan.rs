//! Server-side scan planning: `POST …/plan`, `GET` and `DELETE …/plan/{id}`, `POST …/tasks`.
//!
//! Every plan is completed in its answer; a large one names tasks whose files are fetched one by one. Ids and tasks are
//! the scan itself as text ([`crate::scan`]), so any instance can go on with them and there is nothing to cancel. Rows
//! that are not flushed yet are in the plan because the front door asks the lake to commit first: a plan shows its table.

use std::cell::Cell;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iceberg::spec::TableMetadata;
use lake_host::{ObjectStore, ShardStorage};
use lake_table::{Bytes, ReadError, ReadFile, TableError, TableName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::route::ScanRoute;
use super::{Caller, RestError, RestResponse};
use crate::cache::MetadataFile;
use crate::catalog::{Catalog, get_at_most};
use crate::limits::{PLAN_ID_BYTES_MAX, SCAN_FILTER_BYTES_MAX, SCAN_MANIFEST_BYTES_MAX};
use crate::location::key_of;
use crate::scan::{Part, Scan, ScanError, Tasks, check, parts, read};
use crate::storage::pointer::{Owner, Pointer};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PlanRequest {
    snapshot_id: Option<i64>,
    // Told from null, which is no filter in the protocol.
    #[serde(default, deserialize_with = "given")]
    filter: Option<Value>,
    case_sensitive: Option<bool>,
    use_snapshot_schema: Option<bool>,
    start_snapshot_id: Option<i64>,
    end_snapshot_id: Option<i64>,
    stats_fields: Option<Vec<String>>,
    // What a client needs of each row does not change which files it reads.
    #[serde(rename = "select")]
    _select: Option<Vec<String>>,
    #[serde(rename = "min-rows-requested")]
    _min_rows_requested: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TasksRequest {
    plan_task: String,
}

/// A task: a part of a scan.
#[derive(Deserialize, Serialize)]
struct Task {
    #[serde(flatten)]
    scan: Scan,
    #[serde(flatten)]
    part: Part,
}

fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The metadata by the types of the crate that plans. That of an engine's table is kept as it came, and may have what they
/// do not know.
fn typed(file: &MetadataFile, owner: Owner) -> Result<&TableMetadata, RestError> {
    file.metadata().map_err(|error| match owner {
        Owner::Engine => RestError::Unsupported(format!("planning scans of what it cannot read: {error}")),
        Owner::Lake => error.into(),
    })
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_scan(
        &self,
        route: &ScanRoute,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        match route {
            ScanRoute::Plan(table) => {
                let pointer = self.must_read(table, caller.claims)?;
                let asked: PlanRequest = caller.body()?;
                let file = self.read_metadata(store, &pointer.metadata_location).await?;
                let metadata = typed(&file, pointer.owner)?;
                let scan = scan_of(asked, metadata)?;
                self.answer_plan(table, &pointer, metadata, &scan, caller, store).await
            }
            ScanRoute::Result(table, id) => {
                let pointer = self.must_read(table, caller.claims)?;
                let unknown = || RestError::NoSuchPlanId(shorten(id));
                let scan: Scan = decode(id).ok_or_else(unknown)?;
                let file = self.read_metadata(store, &pointer.metadata_location).await?;
                let metadata = typed(&file, pointer.owner)?;
                if !is_of(&scan, metadata) {
                    return Err(unknown());
                }
                self.answer_plan(table, &pointer, metadata, &scan, caller, store).await
            }
            ScanRoute::Cancel(table, id) => {
                self.must_read(table, caller.claims)?;
                match id.as_str() == LONG_PLAN || decode::<Scan>(id).is_some() {
                    true => Ok(RestResponse::no_content()),
                    false => Err(RestError::NoSuchPlanId(shorten(id))),
                }
            }
            ScanRoute::Tasks(table) => self.answer_tasks(table, caller, store).await,
            ScanRoute::Metrics(table) => self.take_report(table, caller),
        }
    }

    async fn answer_plan(
        &self,
        table: &TableName,
        pointer: &Pointer,
        metadata: &TableMetadata,
        scan: &Scan,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        check(metadata, scan).map_err(refuse)?;
        let files = self.files_of(pointer, store);
        let parts = parts(&files, metadata, scan).await.map_err(|error| files.refuse(error))?;
        let (tasks, rest) = match parts.as_slice() {
            [only] => {
                let tasks = read(&files, metadata, scan, *only).await.map_err(|error| files.refuse(error))?;
                let rest = tasks.rest.into_iter().collect();
                (tasks, rest)
            }
            _ => (Tasks::default(), parts),
        };
        let storage = self.storage_config(table, &pointer.location, pointer.owner, caller)?;
        let mut body = answer(tasks, &rest, scan);
        if let Some(body) = body.as_object_mut() {
            body.insert("status".to_owned(), "completed".into());
            let id = encode(scan);
            // It becomes part of an address.
            let id = if id.len() <= PLAN_ID_BYTES_MAX { id } else { LONG_PLAN.to_owned() };
            body.insert("plan-id".to_owned(), id.into());
            body.insert("storage-credentials".to_owned(), json!(storage.entries()));
        }
        Ok(RestResponse::value(&body))
    }

    async fn answer_tasks(
        &self,
        table: &TableName,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let pointer = self.must_read(table, caller.claims)?;
        let asked: TasksRequest = caller.body()?;
        let unknown = || RestError::NoSuchPlanTask(shorten(&asked.plan_task));
        let task: Task = decode(&asked.plan_task).ok_or_else(unknown)?;
        let file = self.read_metadata(store, &pointer.metadata_location).await?;
        let metadata = typed(&file, pointer.owner)?;
        if !is_of(&task.scan, metadata) {
            return Err(unknown());
        }
        let files = self.files_of(&pointer, store);
        let tasks = read(&files, metadata, &task.scan, task.part).await.map_err(|error| files.refuse(error))?;
        let rest: Vec<Part> = tasks.rest.into_iter().collect();
        Ok(RestResponse::value(&answer(tasks, &rest, &task.scan)))
    }

    fn files_of<'a, O: ObjectStore>(&'a self, pointer: &'a Pointer, store: &'a O) -> TableFiles<'a, O> {
        TableFiles { store, bucket: &self.settings.bucket, location: &pointer.location, is_elsewhere: Cell::new(false) }
    }
}

/// The id of a plan that would be too long for an address. It can be cancelled, not asked for.
const LONG_PLAN: &str = "long";

fn scan_of(asked: PlanRequest, metadata: &TableMetadata) -> Result<Scan, RestError> {
    let bad = |why: &str| Err(RestError::BadRequest(why.to_owned()));
    let (snapshot_id, after) = match (asked.snapshot_id, asked.start_snapshot_id, asked.end_snapshot_id) {
        (snapshot_id, None, None) => (snapshot_id.or_else(|| metadata.current_snapshot_id()), None),
        (Some(_), _, _) => return bad("A scan is of one snapshot or of what is between two, not both"),
        (None, Some(start), Some(end)) => (Some(end), Some(start)),
        (None, _, _) => return bad("A scan between two snapshots names both"),
    };
    if asked.filter.as_ref().is_some_and(|filter| filter.to_string().len() > SCAN_FILTER_BYTES_MAX) {
        return bad(&format!("The filter is larger than {SCAN_FILTER_BYTES_MAX} bytes"));
    }
    let scan = Scan {
        snapshot_id,
        after,
        filter: asked.filter,
        is_case_sensitive: asked.case_sensitive.unwrap_or(true),
        uses_snapshot_schema: asked.use_snapshot_schema.unwrap_or(false),
        counted: asked.stats_fields.unwrap_or_default(),
    };
    match scan.snapshot_id {
        Some(id) if !is_of(&scan, metadata) => bad(&format!("Cannot find snapshot with ID {id}")),
        _ => Ok(scan),
    }
}

/// True if the table has the scan's snapshot.
fn is_of(scan: &Scan, metadata: &TableMetadata) -> bool {
    scan.snapshot_id.is_none_or(|id| metadata.snapshot_by_id(id).is_some())
}

fn answer(tasks: Tasks, rest: &[Part], scan: &Scan) -> Value {
    let mut body = json!({"file-scan-tasks": tasks.file_scan_tasks, "delete-files": tasks.delete_files});
    let rest: Vec<String> = rest.iter().map(|part| encode(&Task { scan: scan.clone(), part: *part })).collect();
    if let (false, Some(body)) = (rest.is_empty(), body.as_object_mut()) {
        body.insert("plan-tasks".to_owned(), json!(rest));
    }
    body
}

fn encode(value: &impl Serialize) -> String {
    // Of these types none fails; an empty text would be refused when it comes back.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

fn refuse(error: ScanError) -> RestError {
    match error {
        ScanError::Invalid(why) => RestError::BadRequest(why),
        ScanError::Unsupported(what) => RestError::Unsupported(what.to_owned()),
        ScanError::Table(TableError::Read(ReadError::Failed(why))) => RestError::Unavailable(why),
        // What an engine wrote; it may understand it itself.
        ScanError::Table(error) => RestError::Unsupported(format!("planning this scan: {error}")),
    }
}

/// The files below a table's location, and no others: who may read a table does not read another one's file lists by
/// naming them in its own metadata.
struct TableFiles<'a, O> {
    store: &'a O,
    bucket: &'a str,
    location: &'a str,
    is_elsewhere: Cell<bool>,
}

impl<O> TableFiles<'_, O> {
    fn refuse(&self, error: ScanError) -> RestError {
        match self.is_elsewhere.get() {
            true => RestError::Unsupported("planning a scan of a table with manifests elsewhere".to_owned()),
            false => refuse(error),
        }
    }
}

impl<O: ObjectStore> ReadFile for TableFiles<'_, O> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        let below = location.strip_prefix(self.location).is_some_and(|rest| rest.starts_with('/'));
        let is_plain = !location.split('/').any(|part| matches!(part, "." | ".."));
        let Some(key) = key_of(location, self.bucket).filter(|_| below && is_plain) else {
            self.is_elsewhere.set(true);
            return Err(ReadError::Missing(location.to_owned()));
        };
        let object = get_at_most(self.store, key, SCAN_MANIFEST_BYTES_MAX.unsigned_abs()).await;
        let object = object.map_err(|error| ReadError::Failed(error.to_string()))?;
        let object = object.ok_or_else(|| ReadError::Missing(location.to_owned()))?;
        if object.info.size > SCAN_MANIFEST_BYTES_MAX.unsigned_abs() {
            return Err(ReadError::Missing(format!("{location}, as small as it should be,")));
        }
        Ok(object.bytes.into())
    }
}
