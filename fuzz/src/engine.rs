//! What an engine writes: a table in each format with all of its files, an append that was staged on a snapshot which
//! is not the last one any more, a view, and the bodies of commits. Nothing is compressed, so that a changed byte is a
//! changed value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::FutureExt;
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, ManifestFile, ManifestListWriter,
    ManifestWriterBuilder, PartitionSpec, Schema, SchemaRef, Struct, UNASSIGNED_SEQUENCE_NUMBER, UnboundPartitionSpec,
};
use lake_test_host::SeededRandom;
use serde_json::{Value, json};

use crate::rest::{post, send};
use crate::world::{BUCKET, NOW, World, claims};

/// The tables, of the formats 1 to 3.
pub const TABLES: [&str; 3] = ["visits", "events", "rows"];

/// The file that a table is registered by.
pub const METADATA: &str = "metadata/00003-a.metadata.json";

/// Where a view's file lies that can be registered, as a key.
pub const VIEW_KEY: &str = "warehouse/default/elsewhere/v1.metadata.json";

/// Where the writers of the `iceberg` crate put their bytes before they are taken out again.
const MEMORY: &str = "memory:///file.avro";

const DAY: i64 = 86_400_000_000;

/// A table as an engine has written it. Its snapshots: 1 appends, 2 appends, 3 deletes and is the last one; 9, which is
/// not committed, appends to 2.
pub struct EngineTable {
    /// Its name in the namespace `default`.
    pub name: &'static str,
    /// Its format: 1 to 3.
    pub format: u8,
    /// Its files by their names below its location.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Where a table lies.
pub fn location(name: &str) -> String {
    format!("s3://{BUCKET}/warehouse/default/{name}")
}

/// The key of a table's file.
pub fn key(name: &str, file: &str) -> String {
    format!("warehouse/default/{name}/{file}")
}

/// A manifest that is being put into lists.
struct Listed {
    manifest: ManifestFile,
    bytes: Vec<u8>,
}

impl EngineTable {
    /// The table of a format.
    pub fn new(format: u8) -> EngineTable {
        let name = TABLES[usize::from(format - 1)];
        let mut table = EngineTable { name, format, files: BTreeMap::new() };
        let days = |first: i32| (first..first + 3).map(|day| table.data(day, 0)).collect::<Vec<_>>();
        let m1 = table.manifest("m1", 1, 0, days(20_000), Vec::new(), 0);
        let m2 = table.manifest("m2", 2, 1, vec![table.data(20_003, 1)], vec![table.data(20_004, 1)], 30);
        let x = match format {
            1 => table.manifest("x", 3, 0, vec![table.data(20_005, 0)], Vec::new(), 60),
            _ => table.manifest("x", 3, 0, table.deletes(), Vec::new(), 0),
        };
        let m9 = table.manifest("m9", 9, 1, vec![table.data(20_006, 1)], Vec::new(), 50);
        let [m1, m2, x, m9] =
            [("m1", m1), ("m2", m2), ("x", x), ("m9", m9)].map(|(name, Listed { manifest, bytes })| {
                table.files.insert(format!("metadata/{name}.avro"), bytes);
                manifest
            });
        for (id, parent, manifests) in [
            (1, None, vec![&m1]),
            (2, Some(1), vec![&m2, &m1]),
            (3, Some(2), vec![&x, &m2, &m1]),
            (9, Some(2), vec![&m9, &m2, &m1]),
        ] {
            let list = table.list(id, parent, manifests.into_iter().cloned().collect());
            table.files.insert(format!("metadata/snap-{id}.avro"), list);
        }
        let metadata = table.metadata().to_string().into_bytes();
        table.files.insert(METADATA.to_owned(), metadata);
        table
    }

    /// A file of this table.
    pub fn file(&self, name: &str) -> &[u8] {
        &self.files[name]
    }

    /// A data file of a day, with bounds for a column of each type.
    fn data(&self, day: i32, spec: i32) -> DataFile {
        let begin = i64::from(day) * DAY;
        let name = format!("{}/data/{day}.parquet", location(self.name));
        let bounds = |least: bool| -> HashMap<i32, Datum> {
            let id = i64::from(day) + if least { 0 } else { 9 };
            let at = begin + if least { 0 } else { DAY - 1 };
            let uuid = Datum::uuid_from_str("00000000-0000-4000-8000-000000000001").expect("a UUID");
            let price = Datum::decimal_from_str(if least { "-1.50" } else { "12.25" }).expect("a decimal");
            HashMap::from([
                (1, Datum::long(id)),
                (2, Datum::string(if least { "eu" } else { "us" })),
                (3, Datum::timestamptz_micros(at)),
                (4, Datum::double(id as f64)),
                (5, price),
                (6, Datum::date(day)),
                (7, Datum::bool(!least)),
                (8, Datum::int(day)),
                (9, Datum::float(0.5)),
                (10, Datum::timestamp_micros(at)),
                (11, uuid),
                (12, Datum::binary([0, 255])),
                (13, Datum::time_micros(if least { 0 } else { DAY - 1 }).expect("a time")),
            ])
        };
        let counts = |count: u64| (1..=13).map(|id| (id, count)).collect::<HashMap<i32, u64>>();
        DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(name)
            .file_format(DataFileFormat::Parquet)
            .partition(partition(day, spec))
            .partition_spec_id(spec)
            .record_count(10)
            .file_size_in_bytes(1_000)
            .value_counts(counts(10))
            .null_value_counts(counts(1))
            .nan_value_counts([(4, 0), (9, 1)].into())
            .lower_bounds(bounds(true))
            .upper_bounds(bounds(false))
            .split_offsets(Some(vec![4, 400]))
            .sort_order_id(1)
            .build()
            .expect("a data file")
    }

    /// Delete files of all kinds, of the first day.
    fn deletes(&self) -> Vec<DataFile> {
        let delete = |name: &str, content| {
            let mut file = DataFileBuilder::default();
            file.content(content)
                .file_path(format!("{}/data/{name}", location(self.name)))
                .file_format(DataFileFormat::Parquet)
                .partition(partition(20_000, 0))
                .partition_spec_id(0)
                .record_count(1)
                .file_size_in_bytes(100);
            file
        };
        let of = Some(format!("{}/data/20000.parquet", location(self.name)));
        let path = |name: &str| Datum::string(format!("{}/data/{name}", location(self.name)));
        // Spec, "Column metrics": a file whose bounds of the path are the same is about that path.
        let bounds = HashMap::from([(2_147_483_546, path("20001.parquet"))]);
        let positions = DataContentType::PositionDeletes;
        let mut files = vec![
            delete("of-all.parquet", positions).build(),
            delete("of-one.parquet", positions).lower_bounds(bounds.clone()).upper_bounds(bounds).build(),
            delete("equality.parquet", DataContentType::EqualityDeletes).equality_ids(Some(vec![1, 2])).build(),
        ];
        let mut named = delete("named.parquet", positions);
        named.referenced_data_file(of);
        if self.format == 3 {
            named.file_format(DataFileFormat::Puffin).content_offset(Some(4)).content_size_in_bytes(Some(40));
        }
        files.push(named.build());
        files.into_iter().map(|file| file.expect("a delete file")).collect()
    }

    /// A manifest of files that snapshot `id` adds, and of others that were there or go with it.
    fn manifest(
        &self,
        name: &str,
        id: i64,
        spec: i32,
        added: Vec<DataFile>,
        others: Vec<DataFile>,
        first_row: u64,
    ) -> Listed {
        let io = FileIO::new_with_memory();
        let schema = schema_of(spec);
        let output = io.new_output(MEMORY).expect("memory");
        let builder = ManifestWriterBuilder::new(output, Some(id), schema.clone(), spec_of(spec, schema));
        let is_data = added.iter().all(|file| file.content_type() == DataContentType::Data);
        let mut writer = match (self.format, is_data) {
            (1, _) => builder.build_v1(),
            (2, true) => builder.build_v2_data(),
            (2, false) => builder.build_v2_deletes(),
            (_, true) => builder.build_v3_data(),
            (_, false) => builder.build_v3_deletes(),
        };
        for file in added {
            writer.add_file(file, UNASSIGNED_SEQUENCE_NUMBER).expect("a file");
        }
        for file in others {
            writer.add_existing_file(file.clone(), 1, 1, Some(1)).expect("a file that was there");
            writer.add_delete_file(file, 1, Some(1)).expect("a file that goes");
        }
        let mut manifest = now(writer.write_manifest_file());
        let bytes = now(io.new_input(MEMORY).expect("memory").read()).to_vec();
        manifest.manifest_path = format!("{}/metadata/{name}.avro", location(self.name));
        manifest.manifest_length = bytes.len() as i64;
        // An engine that knows of snapshot 2 only takes 3 to be the number of its own.
        manifest.sequence_number = id.min(3);
        manifest.min_sequence_number = id.min(3);
        manifest.first_row_id = (self.format == 3 && is_data).then_some(first_row);
        Listed { manifest, bytes }
    }

    /// The list of snapshot `id`.
    fn list(&self, id: i64, parent: Option<i64>, manifests: Vec<ManifestFile>) -> Vec<u8> {
        let io = FileIO::new_with_memory();
        let file: Box<dyn FileWrite> = now(io.new_output(MEMORY).expect("memory").writer());
        let mut writer = match self.format {
            1 => ManifestListWriter::v1(file, id, parent),
            2 => ManifestListWriter::v2(file, id, parent, id.min(3)),
            _ => ManifestListWriter::v3(file, id, parent, id.min(3), Some(0)),
        };
        writer.add_manifests(manifests.into_iter()).expect("manifests");
        now(writer.close());
        now(io.new_input(MEMORY).expect("memory").read()).to_vec()
    }

    fn snapshot(&self, id: i64, parent: Option<i64>) -> Value {
        let operation = if id == 3 && self.format > 1 { "delete" } else { "append" };
        let mut snapshot = json!({
            "snapshot-id": id, "sequence-number": id.min(3), "timestamp-ms": NOW / 1_000 + id,
            "schema-id": i64::from(id > 1),
            "manifest-list": format!("{}/metadata/snap-{id}.avro", location(self.name)),
            "summary": {"operation": operation, "added-data-files": "1", "added-records": "10",
                "added-files-size": "1000",
                "total-data-files": "4", "total-records": "40", "total-files-size": "4000", "total-delete-files": "0"},
        });
        if let Some(parent) = parent {
            snapshot["parent-snapshot-id"] = json!(parent);
        }
        if self.format == 3 {
            // Ids of rows are given again to an append that is put on another snapshot.
            snapshot["first-row-id"] = json!((id.min(3) - 1) * 30);
            snapshot["added-rows"] = json!(if id == 1 { 30 } else { 10 });
        }
        snapshot
    }

    fn metadata(&self) -> Value {
        let log = |id: i64| json!({"snapshot-id": id, "timestamp-ms": NOW / 1_000 + id});
        let path = |name: &str| format!("{}/metadata/{name}", location(self.name));
        let mut metadata = json!({
            "format-version": self.format, "table-uuid": uuid(self.format), "location": location(self.name),
            "last-sequence-number": 3, "last-updated-ms": NOW / 1_000 + 3, "last-column-id": 15,
            "schemas": [schema_json(0), schema_json(1)], "current-schema-id": 1,
            "partition-specs": [spec_json(0), spec_json(1)], "default-spec-id": 1, "last-partition-id": 1_007,
            "sort-orders": [{"order-id": 0, "fields": []}, order(1)], "default-sort-order-id": 1,
            "properties": {"owner": "x", "write.metadata.previous-versions-max": "2",
                "write.metadata.delete-after-commit.enabled": "true"},
            "current-snapshot-id": 3,
            "snapshots": [self.snapshot(1, None), self.snapshot(2, Some(1)), self.snapshot(3, Some(2))],
            "snapshot-log": [log(1), log(2), log(3)],
            "metadata-log": [{"metadata-file": path("00002-a.metadata.json"), "timestamp-ms": NOW / 1_000}],
            "refs": {"main": {"snapshot-id": 3, "type": "branch", "min-snapshots-to-keep": 1},
                "audit": {"snapshot-id": 1, "type": "tag", "max-ref-age-ms": 9_000_000_000_i64}},
            "statistics": [statistics(self.name)], "partition-statistics": [partition_statistics(self.name)],
        });
        match self.format {
            1 => {
                metadata["schema"] = schema_json(1);
                metadata["partition-spec"] = spec_json(1)["fields"].clone();
            }
            2 => {}
            _ => {
                metadata["next-row-id"] = json!(90);
                metadata["encryption-keys"] = json!([encryption_key()]);
            }
        }
        metadata
    }

    /// The commit of an append that was staged on snapshot 2, when 3 was there already.
    pub fn append(&self) -> Value {
        json!({
            "requirements": [
                {"type": "assert-table-uuid", "uuid": uuid(self.format)},
                {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 2}],
            "updates": [
                {"action": "add-snapshot", "snapshot": self.snapshot(9, Some(2))},
                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 9}],
        })
    }
}

impl World {
    /// The same lake with the tables of engines, their files, an append to each that is not committed, and a view.
    pub fn with_engines(self) -> World {
        let catalog = self.open_catalog().expect("opens");
        let random = SeededRandom::new(11);
        let made = |path: &str, body: &Value| {
            let answer = send(&catalog, &self.store, &post(path, body), &claims("all"), &random, NOW);
            assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        };
        for name in ["default", "sales"] {
            // One of them exists where a database feeds it.
            let body = json!({"namespace": [name], "properties": {"owner": "x"}});
            let _ = send(&catalog, &self.store, &post("/v1/namespaces", &body), &claims("all"), &random, NOW);
        }
        for format in 1..=3 {
            let table = EngineTable::new(format);
            for (file, bytes) in &table.files {
                self.store.place(&key(table.name, file), bytes);
            }
            made("/v1/namespaces/default/register", &registration(table.name));
        }
        self.store.place(VIEW_KEY, &view_metadata());
        made("/v1/namespaces/default/register-view", &view_registration("v"));
        self
    }
}

/// Registers a table by its file.
pub fn registration(name: &str) -> Value {
    json!({"name": name, "metadata-location": format!("{}/{METADATA}", location(name)), "overwrite": true})
}

/// Registers a view by its file.
pub fn view_registration(name: &str) -> Value {
    json!({"name": name, "metadata-location": format!("s3://{BUCKET}/{VIEW_KEY}")})
}

/// Bodies of commits, one for each kind of update, by its name.
pub fn commits(table: &str, format: u8) -> Vec<(&'static str, Value)> {
    let list = format!("{}/metadata/snap-9.avro", location(table));
    let snapshot = json!({
        "snapshot-id": 10, "parent-snapshot-id": 3, "sequence-number": 4, "timestamp-ms": NOW / 1_000 + 10,
        "schema-id": 1,
        "manifest-list": list, "summary": {"operation": "overwrite"}, "first-row-id": 90, "added-rows": 10});
    let all = json!([
        {"type": "assert-table-uuid", "uuid": uuid(format)},
        {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 3},
        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": 15},
        {"type": "assert-current-schema-id", "current-schema-id": 1},
        {"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1_007},
        {"type": "assert-default-spec-id", "default-spec-id": 1},
        {"type": "assert-default-sort-order-id", "default-sort-order-id": 1}]);
    let updates = [
        ("assign-uuid", json!([{"action": "assign-uuid", "uuid": uuid(format)}])),
        ("upgrade-format-version", json!([{"action": "upgrade-format-version", "format-version": 3}])),
        (
            "add-schema",
            json!([{"action": "add-schema", "schema": new_schema(), "last-column-id": 22},
                {"action": "set-current-schema", "schema-id": -1}]),
        ),
        (
            "add-spec",
            json!([{"action": "add-spec", "spec": {"fields": [
                    {"source-id": 1, "name": "id_bucket_8", "transform": "bucket[8]"}]}},
                {"action": "set-default-spec", "spec-id": -1}]),
        ),
        (
            "add-sort-order",
            json!([{"action": "add-sort-order", "sort-order": order(3)},
                {"action": "set-default-sort-order", "sort-order-id": -1}]),
        ),
        (
            "add-snapshot",
            json!([{"action": "add-snapshot", "snapshot": snapshot},
                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 10,
                    "min-snapshots-to-keep": 2, "max-snapshot-age-ms": 1, "max-ref-age-ms": 9}]),
        ),
        (
            "set-snapshot-ref",
            json!([{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 2}]),
        ),
        ("remove-snapshots", json!([{"action": "remove-snapshots", "snapshot-ids": [1, 2]}])),
        ("remove-snapshot-ref", json!([{"action": "remove-snapshot-ref", "ref-name": "audit"}])),
        (
            "set-location",
            json!([{"action": "set-location", "location": location(table)},
                {"action": "set-properties", "updates": {"a": "b"}}]),
        ),
        ("set-properties", json!([{"action": "set-properties", "updates": {"owner": "y", "format-version": "2"}}])),
        ("remove-properties", json!([{"action": "remove-properties", "removals": ["owner", "nothing"]}])),
        ("set-statistics", json!([{"action": "set-statistics", "snapshot-id": 3, "statistics": statistics(table)}])),
        ("remove-statistics", json!([{"action": "remove-statistics", "snapshot-id": 3}])),
        (
            "set-partition-statistics",
            json!([{"action": "set-partition-statistics", "partition-statistics": partition_statistics(table)}]),
        ),
        ("remove-partition-statistics", json!([{"action": "remove-partition-statistics", "snapshot-id": 3}])),
        ("remove-partition-specs", json!([{"action": "remove-partition-specs", "spec-ids": [0]}])),
        ("remove-schemas", json!([{"action": "remove-schemas", "schema-ids": [0]}])),
        ("add-encryption-key", json!([{"action": "add-encryption-key", "encryption-key": encryption_key()}])),
        ("remove-encryption-key", json!([{"action": "remove-encryption-key", "key-id": "k"}])),
    ];
    let last = updates.len() - 1;
    let body = |(at, (name, updates)): (usize, (&'static str, Value))| {
        // What holds is asked for once.
        let requirements = if at == last { all.clone() } else { json!([]) };
        (name, json!({"requirements": requirements, "updates": updates}))
    };
    updates.into_iter().enumerate().map(body).collect()
}

/// A view's file.
pub fn view_metadata() -> Vec<u8> {
    let metadata = json!({
        "view-uuid": uuid(9), "format-version": 1, "location": "s3://other/place", "current-version-id": 2,
        "versions": [view_version(1, 0, "select 1"), view_version(2, 1, "select 2")],
        "version-log": [{"timestamp-ms": 1, "version-id": 1}, {"timestamp-ms": 2, "version-id": 2}],
        "schemas": [schema_json(0), schema_json(1)],
        "properties": {"comment": "c", "version.history.num-entries": "2", "replace.drop-dialect.allowed": "true"},
    });
    metadata.to_string().into_bytes()
}

/// A definition of a view.
pub fn view_version(id: i32, schema_id: i32, sql: &str) -> Value {
    json!({
        "version-id": id, "schema-id": schema_id, "timestamp-ms": NOW / 1_000, "summary": {"engine-name": "spark"},
        "default-catalog": "lake", "default-namespace": ["default"],
        "representations": [
            {"type": "sql", "sql": sql, "dialect": "spark"}, {"type": "sql", "sql": sql, "dialect": "trino"}]})
}

/// Bodies of commits of a view, by what they do.
pub fn view_commits() -> Vec<(&'static str, Value)> {
    let replace = json!({
        "requirements": [{"type": "assert-view-uuid", "uuid": uuid(9)}],
        "updates": [{"action": "add-schema", "schema": new_schema()},
            {"action": "add-view-version", "view-version": view_version(3, -1, "select 3")},
            {"action": "set-current-view-version", "view-version-id": -1}]});
    let properties = json!({"updates": [
        {"action": "assign-uuid", "uuid": uuid(9)}, {"action": "upgrade-format-version", "format-version": 1},
        {"action": "set-location", "location": "s3://other/x"},
        {"action": "set-properties", "updates": {"a": "b", "version.history.num-entries": "1"}},
        {"action": "remove-properties", "removals": ["comment"]}]});
    let back = json!({"updates": [{"action": "set-current-view-version", "view-version-id": 1}]});
    vec![("replace", replace), ("back", back), ("properties", properties)]
}

/// A schema that no table has yet: with structs, lists and maps.
pub fn new_schema() -> Value {
    let mut schema = schema_json(1);
    let nested = json!({"id": 16, "name": "s", "required": false, "type": {"type": "struct", "fields": [
        {"id": 17, "name": "l", "required": false,
            "type": {"type": "list", "element-id": 18, "element": "decimal(9,2)", "element-required": true}},
        {"id": 19, "name": "m", "required": false, "doc": "d",
            "type": {"type": "map", "key-id": 20, "key": "string", "value-id": 21, "value": "fixed[16]",
                "value-required": false}},
        {"id": 22, "name": "f", "required": false, "type": "float"}]}});
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.push(nested);
    }
    schema
}

fn uuid(number: u8) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Schema 0, and schema 1 with a column more.
pub fn schema_json(id: i32) -> Value {
    let kinds = [
        ("id", "long"),
        ("region", "string"),
        ("at", "timestamptz"),
        ("amount", "double"),
        ("price", "decimal(12,2)"),
        ("day", "date"),
        ("flag", "boolean"),
        ("n", "int"),
        ("f", "float"),
        ("ts", "timestamp"),
        ("u", "uuid"),
        ("b", "binary"),
        ("t", "time"),
    ];
    let mut fields: Vec<Value> = (1..)
        .zip(kinds)
        .map(|(id, (name, kind))| json!({"id": id, "name": name, "required": id == 1, "type": kind}))
        .collect();
    if id > 0 {
        fields.push(json!({"id": 15, "name": "note", "required": false, "type": "string"}));
    }
    json!({"type": "struct", "schema-id": id, "identifier-field-ids": [1], "fields": fields})
}

/// Spec 0 by region, day and bucket, spec 1 by everything else that there is.
fn spec_json(id: i32) -> Value {
    let fields = match id {
        0 => vec![
            partition_field(2, 1_000, "region", "identity"),
            partition_field(3, 1_001, "at_day", "day"),
            partition_field(1, 1_002, "id_bucket", "bucket[4]"),
        ],
        _ => vec![
            partition_field(3, 1_003, "at_month", "month"),
            partition_field(10, 1_004, "ts_hour", "hour"),
            partition_field(6, 1_005, "day_year", "year"),
            partition_field(2, 1_006, "region_trunc", "truncate[2]"),
            partition_field(8, 1_007, "n_void", "void"),
        ],
    };
    json!({"spec-id": id, "fields": fields})
}

fn partition_field(source: i32, id: i32, name: &str, transform: &str) -> Value {
    json!({"source-id": source, "field-id": id, "name": name, "transform": transform})
}

fn partition(day: i32, spec: i32) -> Struct {
    let values = match spec {
        0 => vec![Some(Literal::string("eu")), Some(Literal::date(day)), Some(Literal::int(day % 4))],
        _ => vec![
            Some(Literal::int(658)),
            Some(Literal::int(day * 24)),
            Some(Literal::int(54)),
            Some(Literal::string("eu")),
            None,
        ],
    };
    values.into_iter().collect()
}

fn order(source: i32) -> Value {
    json!({"order-id": 1, "fields": [
        {"source-id": source, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]})
}

fn statistics(table: &str) -> Value {
    json!({"snapshot-id": 3, "statistics-path": format!("{}/metadata/s.puffin", location(table)),
        "file-size-in-bytes": 100, "file-footer-size-in-bytes": 10, "key-metadata": "AA==", "blob-metadata": [
            {"type": "apache-datasketches-theta-v1", "snapshot-id": 3, "sequence-number": 3, "fields": [1],
                "properties": {"ndv": "3"}}]})
}

fn partition_statistics(table: &str) -> Value {
    json!({"snapshot-id": 3, "statistics-path": format!("{}/metadata/p.parquet", location(table)),
        "file-size-in-bytes": 100})
}

fn encryption_key() -> Value {
    json!({"key-id": "k", "encrypted-key-metadata": "AA==", "encrypted-by-id": "m", "properties": {"a": "b"}})
}

fn schema_of(id: i32) -> SchemaRef {
    Arc::new(serde_json::from_value::<Schema>(schema_json(id)).expect("a schema"))
}

fn spec_of(id: i32, schema: SchemaRef) -> PartitionSpec {
    let spec = serde_json::from_value::<UnboundPartitionSpec>(spec_json(id)).expect("a spec");
    spec.bind(schema).expect("its columns are there")
}

/// Nothing waits in memory, and an executor cannot run inside another.
fn now<T>(future: impl Future<Output = Result<T, iceberg::Error>>) -> T {
    future.now_or_never().expect("nothing waits").expect("memory works")
}
