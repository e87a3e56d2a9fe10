//! A lake in memory: Iceberg tables with one shape, `orders(id int4 key, item text, qty int4)`, and a tail.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use iceberg::spec::{NestedField, PrimitiveType, Schema, Struct, TableMetadata, Type, UnboundPartitionSpec};
use lake_cdc::{
    ColumnType, LakePosition, Lsn, Micros, Row, TailChange, TailOperation, Value, View, ViewField, ViewPast,
    ViewRequest, ViewTable,
};
use lake_host::{ByteRange, ObjectStore};
use lake_query::{Engine, Lake, LakeError, QueryRequest};
use lake_table::{
    DataFileWriter, EnsureTable, ReadError, ReadFile, RowDelta, TableName, apply_updates, create_metadata,
    stage_row_delta, write_position_deletes,
};
use lake_test_host::MemoryObjectStore;

/// Midnight of 2025-01-15, the statement's `now()`.
pub(crate) const NOW: Micros = Micros(1_736_899_200_000_000);

/// One change of `orders`: (position, operation, shard, id, item, qty). Its stamp is its position in seconds.
pub(crate) type Change = (u64, TailOperation, &'static str, i32, &'static str, i32);

/// Drives a future whose wakers nobody needs: writing manifests enters an executor of its own, which may not be nested.
pub(crate) fn poll_to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

pub(crate) fn stamp(position: u64) -> Micros {
    Micros(position as i64 * 1_000_000)
}

pub(crate) struct World {
    /// The next flush writes no items into the file of current rows: the column was dropped while it was under way.
    pub(crate) loses_items: bool,
    pub(crate) store: MemoryObjectStore,
    pub(crate) view: View,
    engine: Engine,
    current: TableMetadata,
    history: TableMetadata,
    commits: u64,
    /// Where each row of `orders` lies: file, its rows in order.
    files: Vec<(String, Vec<(String, i32)>)>,
}

pub(crate) fn fields() -> Vec<ViewField> {
    [("id", ColumnType::Int4, true), ("item", ColumnType::Text, false), ("qty", ColumnType::Int4, false)]
        .into_iter()
        .enumerate()
        .map(|(at, (name, column_type, key))| ViewField {
            field_id: at as i32 + 1,
            name: name.into(),
            column_type,
            key,
        })
        .collect()
}

fn schema(history: bool) -> Schema {
    let mut fields = vec![
        NestedField::required(1, "id", Type::Primitive(PrimitiveType::Int)),
        NestedField::optional(2, "item", Type::Primitive(PrimitiveType::String)),
        NestedField::optional(3, "qty", Type::Primitive(PrimitiveType::Int)),
        NestedField::required(4, "_shard", Type::Primitive(PrimitiveType::String)),
        NestedField::required(5, "_commit_timestamp", Type::Primitive(PrimitiveType::Timestamptz)),
    ];
    if history {
        fields.push(NestedField::required(6, "_operation", Type::Primitive(PrimitiveType::String)));
        fields.push(NestedField::required(7, "_position", Type::Primitive(PrimitiveType::Long)));
        fields.push(NestedField::required(8, "_lsn", Type::Primitive(PrimitiveType::Long)));
        fields.push(NestedField::required(9, "_transaction_id", Type::Primitive(PrimitiveType::String)));
    }
    Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().expect("a schema")
}

fn table(name: &str, history: bool) -> TableMetadata {
    let ensure = EnsureTable {
        table: TableName { namespace: "default".into(), name: name.into() },
        schema: schema(history),
        partition_spec: UnboundPartitionSpec::builder().build(),
        properties: BTreeMap::new(),
        created_ms: 0,
        epoch: 1,
    };
    create_metadata(&ensure, &format!("s3://lakehouse/warehouse/default/{name}"), [7; 16], 0).expect("metadata")
}

pub(crate) struct Files<'a>(pub(crate) &'a MemoryObjectStore);

impl ReadFile for Files<'_> {
    async fn read(&self, location: &str) -> Result<bytes::Bytes, ReadError> {
        match self.0.get(&key(location), ByteRange::Full).await {
            Ok(Some(object)) => Ok(object.bytes.into()),
            _ => Err(ReadError::Missing(location.into())),
        }
    }
}

pub(crate) fn key(location: &str) -> String {
    location.strip_prefix("s3://lakehouse/").expect("our bucket").into()
}

impl World {
    pub(crate) fn new() -> World {
        let view = View {
            position: LakePosition(0),
            snapshot_position: None,
            whole_positions: Vec::new(),
            tables: vec![ViewTable {
                namespace: "default".into(),
                name: "orders".into(),
                metadata_location: None,
                history_metadata_location: None,
                flushed: LakePosition(0),
                fields: fields(),
                tail: Vec::new(),
                past: Some(ViewPast::default()),
            }],
            stamps: vec![("a".into(), Micros(0))],
        };
        World {
            store: MemoryObjectStore::new(),
            view,
            engine: Engine::new().expect("an engine"),
            current: table("orders", false),
            history: table("orders_history", true),
            commits: 0,
            loses_items: false,
            files: Vec::new(),
        }
    }

    /// Puts changes into the tail.
    pub(crate) fn accept(&mut self, changes: &[Change]) {
        for (position, operation, shard, id, item, qty) in changes {
            self.view.position = LakePosition(*position);
            self.view.stamps = vec![("a".into(), stamp(*position))];
            self.view.tables[0].tail.push(TailChange {
                position: LakePosition(*position),
                operation: *operation,
                shard: (*shard).into(),
                lsn: Lsn::new(*position).expect("not zero"),
                stamp: stamp(*position),
                transaction_id: format!("{shard}:{position}"),
                row: Row(vec![Value::Int4(*id), Value::Text((*item).into()), Value::Int4(*qty)]),
            });
        }
    }

    /// Writes the tail as a snapshot of both tables.
    pub(crate) fn flush(&mut self) {
        let tail = std::mem::take(&mut self.view.tables[0].tail);
        let mut last: BTreeMap<(String, i32), &TailChange> = BTreeMap::new();
        for change in &tail {
            let Value::Int4(id) = change.row.0[0] else { panic!("an id") };
            last.insert((change.shard.clone(), id), change);
        }
        let mut deletes = Vec::new();
        for (path, rows) in &self.files {
            let dead: Vec<u64> =
                rows.iter().enumerate().filter(|(_, row)| last.contains_key(*row)).map(|(at, _)| at as u64).collect();
            if !dead.is_empty() {
                deletes.push((path.clone(), dead));
            }
        }
        let live: Vec<&TailChange> =
            last.values().filter(|change| change.operation != TailOperation::Delete).copied().collect();
        self.commits += 1;
        let position = self.view.position.0;
        // As the lake does: current rows get a snapshot only when they change.
        let changes = !live.is_empty() || !deletes.is_empty();
        if changes && let Some(path) = self.commit(false, &live, &deletes, position) {
            let rows = live
                .iter()
                .map(|change| match change.row.0[0] {
                    Value::Int4(id) => (change.shard.clone(), id),
                    _ => panic!("an id"),
                })
                .collect();
            for (_, rows) in &mut self.files {
                for row in rows.iter_mut().filter(|row| last.contains_key(*row)) {
                    row.1 = i32::MIN;
                }
            }
            self.files.push((path, rows));
        }
        self.commit(true, &tail.iter().collect::<Vec<_>>(), &[], position);
        self.view.tables[0].flushed = self.view.position;
    }

    fn commit(
        &mut self,
        history: bool,
        rows: &[&TailChange],
        deletes: &[(String, Vec<u64>)],
        position: u64,
    ) -> Option<String> {
        let metadata = if history { &self.history } else { &self.current };
        let commits = self.commits;
        let location = format!("{}/data/{commits}.parquet", metadata.location());
        let mut delta = RowDelta {
            snapshot_id: commits as i64,
            now_ms: commits as i64,
            attempt: format!("a{commits}"),
            ..RowDelta::default()
        };
        delta.summary.insert("lake.position".into(), position.to_string());
        delta.summary.insert("lake.max-stamp".into(), stamp(position).0.to_string());
        let mut written = None;
        if !rows.is_empty() {
            let schema = Arc::clone(metadata.current_schema());
            let mut writer = DataFileWriter::new(location.clone(), schema, Struct::empty(), 0).expect("a writer");
            let arrow = Arc::clone(writer.arrow_schema());
            let is_lost = |name: &str| !history && self.loses_items && name == "item";
            let without = |rows: &[&TailChange]| Arc::new(StringArray::from(vec![""; rows.len()])) as ArrayRef;
            let of = |name: &str| if is_lost(name) { without(rows) } else { column(name, rows) };
            let columns = arrow.fields().iter().map(|field| of(field.name())).collect();
            writer.write(&RecordBatch::try_new(arrow, columns).expect("a batch")).expect("written");
            let file = writer.finish(&BTreeSet::new()).expect("finished");
            self.store.place(&key(&location), &file.bytes);
            delta.added_data.push(file.file);
            written = Some(location);
        }
        for (number, (path, positions)) in deletes.iter().enumerate() {
            let at = format!("{}/data/{commits}-{number}-deletes.parquet", metadata.location());
            let file = write_position_deletes(&at, path, Struct::empty(), 0, positions).expect("deletes");
            self.store.place(&key(&at), &file.bytes);
            delta.added_deletes.push(file.file);
        }
        let staged = poll_to_end(stage_row_delta(&Files(&self.store), metadata, delta)).expect("a snapshot");
        for (location, bytes) in &staged.files {
            self.store.place(&key(location), bytes);
        }
        let metadata = apply_updates(metadata, &staged.updates).expect("metadata");
        let at = format!("{}/metadata/{commits}.json", metadata.location());
        self.store.place(&key(&at), &serde_json::to_vec(&metadata).expect("JSON"));
        if history {
            self.history = metadata;
            self.view.tables[0].history_metadata_location = Some(at);
        } else {
            self.current = metadata;
            self.view.tables[0].metadata_location = Some(at);
        }
        written
    }

    /// The rows of an answer, or the code of the refusal.
    pub(crate) fn ask(&self, request: &serde_json::Value) -> Result<serde_json::Value, String> {
        let request =
            QueryRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.code.name().to_owned())?;
        let answer = futures::executor::block_on(self.engine.run(&request, self, &self.store, NOW, || 1_500));
        let json = answer.map_err(|error| format!("{} {}", error.code.name(), error.message))?;
        Ok(serde_json::from_str(&json).expect("the answer is JSON"))
    }

    pub(crate) fn rows(&self, sql: &str) -> Result<String, String> {
        self.ask(&serde_json::json!({"sql": sql})).map(|answer| answer["rows"].to_string())
    }
}

fn column(name: &str, rows: &[&TailChange]) -> ArrayRef {
    let number = |at: usize| -> ArrayRef {
        Arc::new(Int32Array::from_iter(rows.iter().map(|row| match &row.row.0[at] {
            Value::Int4(value) => Some(*value),
            _ => None,
        })))
    };
    let text = |of: &dyn Fn(&TailChange) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| of(row))))
    };
    match name {
        "id" => number(0),
        "qty" => number(2),
        "item" => text(&|row| match &row.row.0[1] {
            Value::Text(value) => value.clone(),
            _ => String::new(),
        }),
        "_shard" => text(&|row| row.shard.clone()),
        "_operation" => text(&|row| row.operation.name().into()),
        "_transaction_id" => text(&|row| row.transaction_id.clone()),
        "_position" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.position.0 as i64))),
        "_lsn" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.lsn.get() as i64))),
        _ => Arc::new(
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.stamp.0)).with_timezone("+00:00"),
        ),
    }
}

impl Lake for World {
    async fn view(&self, request: &ViewRequest) -> Result<View, LakeError> {
        let mut view = self.view.clone();
        view.tables.retain(|table| request.tables.contains(&(table.namespace.clone(), table.name.clone())));
        view.tables.iter_mut().filter(|_| !request.past).for_each(|table| table.past = None);
        view.snapshot_position = request.snapshot_id.filter(|id| *id == 77).map(|_| LakePosition(3));
        if let Some((_, lsn)) = &request.after
            && lsn.get() > view.position.0
        {
            return Err(LakeError::NotYet { position: view.position });
        }
        Ok(view)
    }
}
