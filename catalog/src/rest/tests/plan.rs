//! Scans that are planned here.

use std::collections::{BTreeMap, BTreeSet};

use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, Struct};
use iceberg::{TableRequirement, TableUpdate};
use lake_host::PutCondition;
use lake_table::{Bytes, FlushCommit, FlushOutcome, ReadError, ReadFile, RowDelta, TableCommit, stage_row_delta};

use super::*;
use crate::limits::{SCAN_ANSWER_BYTES, SCAN_FILTER_BYTES_MAX};

const PLAN: &str = "/v1/namespaces/default/tables/events/plan";
const TASKS: &str = "/v1/namespaces/default/tables/events/tasks";
const DAY: i64 = 86_400_000_000;

struct Files<'a>(&'a MemoryObjectStore);

impl ReadFile for Files<'_> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        let key = location.strip_prefix("s3://lakehouse/").unwrap();
        self.0.bytes(key).map(Bytes::from).ok_or_else(|| ReadError::Missing(location.to_owned()))
    }
}

fn events() -> TableName {
    TableName { namespace: "default".into(), name: "events".into() }
}

fn path(name: &str) -> String {
    format!("s3://lakehouse/warehouse/default/events/data/{name}")
}

/// A file of a region and a day, whose ids and amounts are in a range.
fn data(name: &str, region: Option<&str>, day: i32, ids: (i64, i64)) -> DataFile {
    let bounds = |id: i64, text: &str, at: i64| {
        [
            (1, Datum::long(id)),
            (2, Datum::string(text)),
            (3, Datum::timestamptz_micros(at)),
            (4, Datum::double(id as f64)),
        ]
    };
    let begin = i64::from(day) * DAY;
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(path(name))
        .file_format(DataFileFormat::Parquet)
        .partition([region.map(Literal::string), Some(Literal::date(day))].into_iter().collect::<Struct>())
        .partition_spec_id(0)
        .record_count(10)
        .file_size_in_bytes(1_000)
        .value_counts([(1, 10), (2, 10), (5, 10)].into())
        .null_value_counts([(1, 0), (2, if region.is_some() { 0 } else { 10 }), (5, 10)].into())
        .lower_bounds(bounds(ids.0, region.unwrap_or("a"), begin).into())
        .upper_bounds(bounds(ids.1, region.unwrap_or("z"), begin + DAY - 1).into())
        .split_offsets(Some(vec![4]))
        .build()
        .unwrap()
}

/// A delete file of the region eu on day 20000.
fn deletes(name: &str, of: Option<&str>, content: DataContentType) -> DataFile {
    DataFileBuilder::default()
        .content(content)
        .file_path(path(name))
        .file_format(DataFileFormat::Parquet)
        .partition([Some(Literal::string("eu")), Some(Literal::date(20_000))].into_iter().collect::<Struct>())
        .partition_spec_id(0)
        .record_count(1)
        .file_size_in_bytes(100)
        .referenced_data_file(of.map(path))
        .build()
        .unwrap()
}

impl World {
    /// A snapshot of `events` with more files.
    fn append(&self, snapshot_id: i64, added_data: Vec<DataFile>, added_deletes: Vec<DataFile>) {
        self.change(snapshot_id, |delta| {
            delta.added_data = added_data;
            delta.added_deletes = added_deletes;
        });
    }

    fn change(&self, snapshot_id: i64, change: impl FnOnce(&mut RowDelta)) {
        let state = run(self.catalog.load_table(&self.store, &events())).unwrap();
        let mut delta = RowDelta {
            snapshot_id,
            now_ms: NOW / 1_000 + snapshot_id,
            attempt: format!("a{snapshot_id}"),
            added_data: Vec::new(),
            added_deletes: Vec::new(),
            removed_deletes: BTreeSet::new(),
            removed_data: BTreeSet::new(),
            summary: BTreeMap::new(),
        };
        change(&mut delta);
        let staged = run(stage_row_delta(&Files(&self.store), &state.metadata, delta)).unwrap();
        for (location, bytes) in staged.files {
            let key = location.strip_prefix("s3://lakehouse/").unwrap();
            run(self.store.put(key, bytes.to_vec(), PutCondition::Always)).unwrap();
        }
        self.flush(format!("f{snapshot_id}"), staged.requirements, staged.updates);
    }

    /// A snapshot of `events` in which a file stands in the place of another, as compaction leaves it.
    fn remove(&self, snapshot_id: i64, added: &str, removed: &str) {
        let added = data(added, Some("eu"), 20_003, (41, 50));
        self.change(snapshot_id, |delta| {
            delta.added_data = vec![added];
            delta.removed_data = [path(removed)].into();
        });
    }

    fn flush(&self, flush_id: String, requirements: Vec<TableRequirement>, updates: Vec<TableUpdate>) {
        let base = self.catalog.position().unwrap();
        let commit = FlushCommit {
            flush_id,
            epoch: 1,
            base,
            end: base + 1,
            watermarks: Vec::new(),
            tables: vec![TableCommit { table: events(), requirements, updates }],
        };
        let outcome = run(self.catalog.commit_flush(&self.store, &SeededRandom::new(9), NOW, &commit)).unwrap();
        assert!(matches!(outcome, FlushOutcome::Committed(_)), "{outcome:?}");
    }

    /// From here on files have no partition: the fields of the spec are void.
    fn leave_partitions(&self) {
        let field = |id: i32, source: i32, name: &str| json!({"source-id": source, "field-id": id, "name": name, "transform": "void"});
        let spec = json!({"spec-id": 1, "fields": [field(1000, 2, "region_void"), field(1001, 3, "at_day")]});
        let updates = json!([{"action": "add-spec", "spec": spec}, {"action": "set-default-spec", "spec-id": -1}]);
        self.flush("spec".to_owned(), Vec::new(), serde_json::from_value(updates).unwrap());
    }

    /// Names of the files that a scan with this filter reads.
    fn files_planned(&self, filter: &Value) -> Vec<String> {
        files_of(&self.posted(PLAN, &json!({"filter": filter})))
    }
}

/// The table events without files: partitioned by region and day.
fn empty() -> World {
    let world = world();
    let field = |id: i32, name: &str, kind: &str| json!({"id": id, "name": name, "type": kind, "required": false});
    let schema = json!({"type": "struct", "schema-id": 0, "fields": [
        field(1, "id", "long"), field(2, "region", "string"), field(3, "at", "timestamptz"), field(4, "amount", "double"),
        field(5, "note", "string")]});
    let spec = json!({"fields": [
        {"source-id": 2, "name": "region", "transform": "identity"}, {"source-id": 3, "name": "at_day", "transform": "day"}]});
    let wanted = EnsureTable {
        table: events(),
        schema: serde_json::from_value(schema).unwrap(),
        partition_spec: serde_json::from_value(spec).unwrap(),
        properties: [].into(),
        created_ms: NOW / 1_000,
        epoch: 1,
    };
    run(world.catalog.ensure_table(&world.store, &SeededRandom::new(5), NOW, &wanted)).unwrap();
    world
}

fn filled() -> World {
    let world = empty();
    let files = vec![
        data("a", Some("eu"), 20_000, (1, 10)),
        data("b", Some("eu"), 20_001, (11, 20)),
        data("c", Some("us"), 20_001, (21, 30)),
        data("d", None, 20_002, (31, 40)),
    ];
    world.append(1, files, Vec::new());
    world.append(2, Vec::new(), vec![deletes("x", Some("a"), DataContentType::PositionDeletes)]);
    world
}

fn files_of(answer: &Value) -> Vec<String> {
    let tasks = answer["file-scan-tasks"].as_array().unwrap().iter();
    let name = |task: &Value| task["data-file"]["file-path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut names: Vec<String> = tasks.map(name).collect();
    names.sort();
    names
}

/// The plan's id of a scan of default.orders.
pub(super) fn plan_id(world: &World) -> String {
    let plan = world.posted("/v1/namespaces/default/tables/orders/plan", &json!({}));
    plan["plan-id"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_names_files_with_their_deletes_and_how_to_read_them() {
    let plan = filled().posted(PLAN, &json!({}));
    assert_eq!((&plan["status"], &plan["plan-tasks"]), (&json!("completed"), &Value::Null));
    assert_eq!(files_of(&plan), ["a", "b", "c", "d"]);
    let task = plan["file-scan-tasks"].as_array().unwrap().iter();
    let task = task.filter(|task| task["data-file"]["file-path"] == path("a")).collect::<Vec<_>>()[0];
    assert_eq!(
        task["data-file"],
        json!({
        "content": "data", "spec-id": 0, "file-path": path("a"), "file-format": "parquet",
        "partition": ["eu", "2024-10-04"], "file-size-in-bytes": 1_000, "record-count": 10, "split-offsets": [4]})
    );
    assert_eq!((&task["delete-file-references"], &task["residual-filter"]), (&json!([0]), &json!(true)));
    assert_eq!(
        plan["delete-files"],
        json!([{
        "content": "position-deletes", "spec-id": 0, "file-path": path("x"), "file-format": "parquet",
        "partition": ["eu", "2024-10-04"], "file-size-in-bytes": 100, "record-count": 1,
        "referenced-data-file": path("a")}])
    );
    let entry = &plan["storage-credentials"][0];
    assert_eq!(entry["prefix"], "s3://lakehouse/warehouse/default/events/");
    assert!(entry["config"]["s3.session-token"].as_str().unwrap().len() > 20);
}

#[test]
fn a_table_without_rows_has_an_empty_plan() {
    let plan = empty().posted(PLAN, &json!({}));
    assert_eq!((&plan["file-scan-tasks"], &plan["delete-files"]), (&json!([]), &json!([])));
}

#[test]
fn a_snapshot_is_planned_as_it_was() {
    let world = filled();
    assert_eq!(world.posted(PLAN, &json!({"snapshot-id": 1}))["delete-files"], json!([]));
    assert_eq!(
        world.posted(PLAN, &json!({"snapshot-id": 2, "use-snapshot-schema": true}))["delete-files"][0]["record-count"],
        1
    );
    world.refused(PLAN, &json!({"snapshot-id": 3}), 400, "BadRequestException", "Cannot find snapshot with ID 3");
}

#[test]
fn bounds_of_columns_leave_files_out() {
    let world = filled();
    let check = |filter: Value, expected: &[&str]| assert_eq!(world.files_planned(&filter), expected, "{filter}");
    let test = |kind: &str, term: &str, value: Value| json!({"type": kind, "term": term, "value": value});
    check(test("eq", "id", json!(10)), &["a"]);
    check(test("lt", "id", json!(11)), &["a"]);
    check(test("lt-eq", "id", json!(11)), &["a", "b"]);
    check(test("gt", "id", json!(30)), &["d"]);
    check(test("gt-eq", "id", json!(30)), &["c", "d"]);
    check(test("not-eq", "id", json!(10)), &["a", "b", "c", "d"]);
    check(test("starts-with", "region", json!("e")), &["a", "b"]);
    check(json!({"type": "in", "term": "id", "values": [1, 40]}), &["a", "d"]);
    check(json!({"type": "is-null", "term": "note"}), &["a", "b", "c", "d"]);
    check(json!({"type": "not-null", "term": "note"}), &[]);
    check(json!({"type": "is-null", "term": "id"}), &[]);
}

#[test]
fn partitions_leave_files_out() {
    let world = filled();
    let check = |filter: Value, expected: &[&str]| assert_eq!(world.files_planned(&filter), expected, "{filter}");
    check(json!({"type": "eq", "term": "region", "value": "us"}), &["c"]);
    check(json!({"type": "is-null", "term": "region"}), &["d"]);
    check(json!({"type": "not-null", "term": "region"}), &["a", "b", "c"]);
    check(json!({"type": "eq", "term": "at", "value": "2024-10-05T12:00:00+00:00"}), &["b", "c"]);
    check(json!({"type": "lt", "term": "at", "value": 20_001 * DAY}), &["a"]);
    check(json!({"type": "gt-eq", "term": "at", "value": 20_002 * DAY}), &["d"]);
}

#[test]
fn conditions_are_combined_and_negated() {
    let world = filled();
    let check = |filter: Value, expected: &[&str]| assert_eq!(world.files_planned(&filter), expected, "{filter}");
    let (low, eu) =
        (json!({"type": "lt", "term": "id", "value": 15}), json!({"type": "eq", "term": "region", "value": "eu"}));
    let us = json!({"type": "eq", "term": {"type": "reference", "term": "region"}, "value": {"type": "literal", "value": "us"}});
    check(json!({"type": "and", "left": low, "right": us}), &[]);
    check(json!({"type": "or", "left": low, "right": us}), &["a", "b", "c"]);
    check(json!({"type": "not", "child": low}), &["b", "c", "d"]);
    check(json!({"type": "not", "child": {"type": "or", "left": low, "right": {"type": "not", "child": eu}}}), &["b"]);
    check(json!(false), &[]);
    check(json!({"type": "not", "child": {"type": "false"}}), &["a", "b", "c", "d"]);
}

#[test]
fn what_cannot_be_said_of_a_file_keeps_it() {
    let world = filled();
    let all = ["a", "b", "c", "d"];
    for filter in [
        // NaN may be in any of them, and some engines have it after every number.
        json!({"type": "gt", "term": "amount", "value": 1000.0}),
        json!({"type": "eq", "term": "unknown", "value": 1}),
        json!({"type": "eq", "term": "ID", "value": 1}),
        json!({"type": "eq", "term": "id", "value": "1"}),
        json!({"type": "not-in", "term": "id", "values": [1]}),
        json!({"type": "not-starts-with", "term": "region", "value": "e"}),
        json!({"type": "eq", "term": {"type": "transform", "transform": "bucket[4]", "term": "id"}, "value": 1}),
        json!({"type": "is-nan", "term": "amount"}),
    ] {
        assert_eq!(world.files_planned(&filter), all, "{filter}");
    }
    let any_case = json!({"filter": {"type": "eq", "term": "ID", "value": 1}, "case-sensitive": false});
    assert_eq!(files_of(&world.posted(PLAN, &any_case)), ["a"]);
    assert_eq!(world.files_planned(&json!({"type": "lt", "term": "amount", "value": 11.0})), ["a"]);
}

#[test]
fn the_filter_comes_back_with_each_file() {
    let filter = json!({"type": "lt", "term": "id", "value": 5});
    let plan = filled().posted(PLAN, &json!({"filter": filter, "select": ["id", "_file"], "min-rows-requested": 1}));
    assert_eq!(plan["file-scan-tasks"][0]["residual-filter"], filter);
}

#[test]
fn deletes_of_a_partition_apply_to_its_earlier_files() {
    let world = filled();
    let positions = DataContentType::PositionDeletes;
    world.append(3, vec![data("e", Some("eu"), 20_000, (50, 60))], vec![deletes("y", None, positions)]);
    let plan = world.posted(PLAN, &json!({"filter": {"type": "eq", "term": "region", "value": "eu"}}));
    let references = |name: &str| {
        let mut tasks = plan["file-scan-tasks"].as_array().unwrap().iter();
        let task = tasks.find(|task| task["data-file"]["file-path"] == path(name)).unwrap();
        let places = task["delete-file-references"].as_array().cloned().unwrap_or_default();
        let name = |place: Value| plan["delete-files"][place.as_u64().unwrap() as usize]["file-path"].clone();
        let mut names: Vec<Value> = places.into_iter().map(name).collect();
        names.sort_by_key(Value::to_string);
        names
    };
    assert_eq!(references("a"), [json!(path("x")), json!(path("y"))]);
    assert_eq!(references("e"), [json!(path("y"))]);
    assert_eq!(references("b"), Vec::<Value>::new());
}

#[test]
fn equality_deletes_of_a_spec_whose_fields_are_void_apply_to_all_files() {
    let world = filled();
    world.leave_partitions();
    let delete = DataFileBuilder::default()
        .content(DataContentType::EqualityDeletes)
        .file_path(path("y"))
        .file_format(DataFileFormat::Parquet)
        .partition([None, None].into_iter().collect::<Struct>())
        .partition_spec_id(1)
        .record_count(1)
        .file_size_in_bytes(100)
        .equality_ids(Some(vec![1]))
        .build();
    world.append(3, Vec::new(), vec![delete.unwrap()]);
    let plan = world.posted(PLAN, &json!({"filter": {"type": "eq", "term": "region", "value": "us"}}));
    assert_eq!(files_of(&plan), ["c"]);
    assert_eq!(plan["delete-files"][0]["file-path"], path("y"), "{plan}");
    assert_eq!(plan["file-scan-tasks"][0]["delete-file-references"], json!([0]));
}

#[test]
fn counts_are_said_of_columns_that_are_asked_for() {
    let plan = filled().posted(PLAN, &json!({"stats-fields": ["id", "nothing"], "snapshot-id": 1}));
    let file = &plan["file-scan-tasks"][0]["data-file"];
    assert_eq!(file["value-counts"], json!({"keys": [1], "values": [10]}));
    assert_eq!((&file["null-value-counts"]["values"], &file["lower-bounds"]), (&json!([0]), &Value::Null));
}

#[test]
fn bad_scans_are_refused() {
    let world = filled();
    let refused = |body: Value, message: &str| world.refused(PLAN, &body, 400, "BadRequestException", message);
    refused(json!({"filter": {"type": "moon", "term": "id"}}), "there is no operation moon");
    refused(json!({"filter": null}), "there is no type");
    refused(json!({"filter": {"type": "and", "left": true}}), "there is no right");
    refused(json!({"filter": {"type": "eq", "term": "id"}}), "there is no value");
    refused(json!({"snapshot-id": 1, "start-snapshot-id": 1, "end-snapshot-id": 2}), "not both");
    refused(json!({"start-snapshot-id": 1}), "names both");
    refused(json!({"snapshot-id": "1"}), "body");
    let large = json!({"type": "eq", "term": "region", "value": "x".repeat(SCAN_FILTER_BYTES_MAX)});
    refused(json!({"filter": large}), "larger than");
    refused(json!({"start-snapshot-id": 1, "end-snapshot-id": 77}), "Cannot find snapshot with ID 77");
    refused(json!({"start-snapshot-id": 77, "end-snapshot-id": 1}), "77 is not a parent ancestor of end snapshot 1");
    let missing = "/v1/namespaces/default/tables/nothing/plan";
    world.refused(missing, &json!({}), 404, "NoSuchTableException", "default.nothing");
}

#[test]
fn a_scan_between_two_snapshots_reads_what_appends_have_added() {
    let world = filled();
    world.append(3, vec![data("e", Some("eu"), 20_003, (41, 50))], Vec::new());
    let two = vec![data("f", Some("us"), 20_003, (51, 60)), data("g", None, 20_004, (61, 70))];
    world.append(4, two, Vec::new());
    // Rows that were changed are no append, whatever files it adds.
    let y = deletes("y", Some("b"), DataContentType::PositionDeletes);
    world.append(5, vec![data("h", Some("eu"), 20_005, (71, 80))], vec![y]);
    let between = |start: i64, end: i64| json!({"start-snapshot-id": start, "end-snapshot-id": end});
    let check = |start: i64, end: i64, expected: &[&str]| {
        let plan = world.posted(PLAN, &between(start, end));
        assert_eq!(
            (files_of(&plan), &plan["delete-files"]),
            (expected.iter().map(|name| (*name).to_owned()).collect(), &json!([]))
        );
        // The plan's id is the same scan.
        let again = world.get(&format!("{PLAN}/{}", plan["plan-id"].as_str().unwrap()));
        assert_eq!(again["file-scan-tasks"], plan["file-scan-tasks"]);
    };
    check(1, 5, &["e", "f", "g"]);
    check(1, 3, &["e"]);
    check(3, 4, &["f", "g"]);
    check(1, 2, &[]);
    check(4, 4, &[]);
    let mut filtered = between(1, 5);
    filtered["filter"] = json!({"type": "eq", "term": "region", "value": "us"});
    assert_eq!(files_of(&world.posted(PLAN, &filtered)), ["f"]);
    let backwards = "Starting snapshot (exclusive) 4 is not a parent ancestor of end snapshot 3";
    world.refused(PLAN, &between(4, 3), 400, "BadRequestException", backwards);
}

#[test]
fn a_scan_of_appends_finds_files_whose_manifests_were_merged_since() {
    let world = filled();
    world.append(3, vec![data("e", Some("eu"), 20_003, (41, 50))], Vec::new());
    // Removing one file writes its manifest anew, with the others as files that were there.
    world.remove(4, "e2", "e");
    world.append(5, vec![data("f", Some("eu"), 20_004, (51, 60))], Vec::new());
    let plan = world.posted(PLAN, &json!({"start-snapshot-id": 2, "end-snapshot-id": 5}));
    assert_eq!(files_of(&plan), ["e", "f"]);
}

#[test]
fn a_scan_of_appends_finds_each_file_once_although_appends_merge_manifests() {
    let world = filled();
    // So many manifests that an append puts the files of earlier ones into its own.
    let last = 3 + lake_table::limits::MANIFESTS_MAX as i64;
    for id in 3..=last {
        world.append(id, vec![data(&format!("f{id:03}"), Some("eu"), 20_003, (id, id))], Vec::new());
    }
    let plan = world.posted(PLAN, &json!({"start-snapshot-id": 2, "end-snapshot-id": last}));
    assert_eq!(files_of(&plan), (3..=last).map(|id| format!("f{id:03}")).collect::<Vec<String>>());
}

#[test]
fn a_plan_is_asked_for_again_and_cancelled() {
    let world = filled();
    let plan = world.posted(PLAN, &json!({"filter": {"type": "lt", "term": "id", "value": 5}}));
    let target = format!("{PLAN}/{}", plan["plan-id"].as_str().unwrap());
    assert_eq!(world.get(&target), plan);
    world.check("all", "DELETE", &target, 204);
    let unknown = world.send("all", "GET", &format!("{PLAN}/nothing"));
    assert_eq!(unknown.status, 404);
    assert!(String::from_utf8(unknown.body).unwrap().contains("NoSuchPlanIdException"));
    world.check("all", "DELETE", &format!("{PLAN}/nothing"), 404);
    let of_others = format!("/v1/namespaces/default/tables/orders/plan/{}", plan["plan-id"].as_str().unwrap());
    world.check("all", "GET", &of_others, 404);
    let long = world.posted(PLAN, &json!({"filter": {"type": "eq", "term": "region", "value": "x".repeat(2_000)}}));
    world.check("all", "DELETE", &format!("{PLAN}/{}", long["plan-id"].as_str().unwrap()), 204);
}

#[test]
fn a_large_plan_is_fetched_part_by_part_and_whole() {
    let world = empty();
    // So long that an answer holds a handful of tasks.
    let filter = json!({"type": "starts-with", "term": "region", "value": "eu"});
    let padding = "y".repeat(60_000);
    let long = json!({"type": "or", "left": filter, "right": {"type": "eq", "term": "region", "value": padding}});
    let per_answer = SCAN_ANSWER_BYTES / 61_000;
    let mut expected = Vec::new();
    for snapshot in 1..=5_i64 {
        let names: Vec<String> = (0..per_answer).map(|number| format!("f{snapshot}-{number:03}")).collect();
        let files = names.iter().map(|name| data(name, Some("eu"), 20_000, (1, 2))).collect();
        world.append(
            snapshot,
            files,
            vec![deletes(&format!("x{snapshot}"), Some(&names[0]), DataContentType::PositionDeletes)],
        );
        expected.extend(names);
    }
    let plan = world.posted(PLAN, &json!({"filter": long}));
    let texts = |answer: &Value| answer["plan-tasks"].as_array().cloned().unwrap_or_default();
    let mut waiting = texts(&plan);
    assert!(waiting.len() > 1, "{}", waiting.len());
    let (mut found, mut deleted, mut answers) = (files_of(&plan), 0, 0);
    while let Some(task) = waiting.pop() {
        let answer = world.posted(TASKS, &json!({"plan-task": task}));
        assert!(files_of(&answer).len() <= per_answer + 1);
        deleted += answer["delete-files"].as_array().unwrap().len();
        for task in answer["file-scan-tasks"].as_array().unwrap() {
            for place in task["delete-file-references"].as_array().into_iter().flatten() {
                assert!(place.as_u64().unwrap() < answer["delete-files"].as_array().unwrap().len() as u64);
            }
        }
        found.extend(files_of(&answer));
        waiting.extend(texts(&answer));
        answers += 1;
        assert!(answers < 50);
    }
    found.sort();
    assert_eq!((found, deleted), (expected, 5));
}

#[test]
fn a_task_that_is_none_is_named() {
    let world = filled();
    world.refused(TASKS, &json!({"plan-task": "x"}), 404, "NoSuchPlanTaskException", "x");
    world.refused(TASKS, &json!({}), 400, "BadRequestException", "plan-task");
    let encode = |json: Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    let task = |part: Value| {
        let mut task = json!({"s": 1, "c": true, "u": false});
        task.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        json!({"plan-task": encode(task)})
    };
    assert_eq!(files_of(&world.posted(TASKS, &task(json!({"m": 0, "e": 0, "z": 1})))), ["a", "b", "c", "d"]);
    world.refused(TASKS, &task(json!({"m": 0, "e": 0, "z": 9})), 400, "BadRequestException", "another scan");
    world.refused(TASKS, &task(json!({"m": 3, "e": 0, "z": 1})), 400, "BadRequestException", "another scan");
    let gone = json!({"plan-task": encode(json!({"s": 77, "c": true, "u": false, "m": 0, "e": 0, "z": 1}))});
    world.refused(TASKS, &gone, 404, "NoSuchPlanTaskException", "does not exist");
}

#[test]
fn a_plan_shows_its_table_and_its_tasks_do_not() {
    assert_eq!(shows("POST", PLAN), Some(Shown::Table(events())));
    assert_eq!(shows("POST", TASKS), None);
    assert_eq!(shows("DELETE", &format!("{PLAN}/x")), None);
}

#[test]
fn a_report_is_taken_also_of_a_table_to_come() {
    let world = world();
    let target = "/v1/namespaces/default/tables/soon/metrics";
    assert_eq!(world.post("all", target, &json!({"report-type": "commit-report", "x": [1]})).0, 204);
    assert_eq!(world.catalog.reports(), 1);
    assert_eq!(world.post("all", target, &json!([])).0, 400);
    assert_eq!(world.post("all", target, &json!({"report-type": 1})).0, 400);
    assert_eq!(world.post("table:default.orders:read", target, &json!({"report-type": "x"})).0, 403);
    assert_eq!(world.catalog.reports(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_scan_panics(at in 0..400_usize, byte in any::<u8>(), task in "[A-Za-z0-9_-]{0,40}") {
        let world = filled();
        let filter = json!({"type": "and", "left": {"type": "eq", "term": "at", "value": "2024-10-05T12:00:00+00:00"},
            "right": {"type": "in", "term": "id", "values": [1, -9_223_372_036_854_775_808_i64]}});
        let mut body = json!({"filter": filter, "snapshot-id": 1, "stats-fields": ["id"]}).to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        let (planned, _) = world.send_body("all", "POST", PLAN, &body);
        let (fetched, _) = world.post("all", TASKS, &json!({"plan-task": task}));
        prop_assert!(planned < 500 && fetched < 500);
    }

    #[test]
    fn no_damaged_manifest_panics(file in 0..4_usize, at in any::<usize>(), byte in any::<u8>()) {
        let world = filled();
        let keys = world.store.keys().into_iter().filter(|key| key.contains("/events/") && key.ends_with(".avro"));
        let keys: Vec<String> = keys.collect();
        let key = &keys[file % keys.len()];
        let mut bytes = world.store.bytes(key).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        world.store.place(key, &bytes);
        let (status, _) = world.post("all", PLAN, &json!({"filter": {"type": "lt", "term": "id", "value": 5}}));
        prop_assert!(matches!(status, 200 | 406), "{status}");
    }

    #[test]
    fn no_row_that_matches_is_left_out(low in 0..45_i64, kind in 0..6_usize, is_negated in any::<bool>()) {
        let world = filled();
        let kind = ["lt", "lt-eq", "gt", "gt-eq", "eq", "not-eq"][kind];
        let test = json!({"type": kind, "term": "id", "value": low});
        let filter = if is_negated { json!({"type": "not", "child": test}) } else { test };
        let planned = world.files_planned(&filter);
        for (name, ids) in [("a", 1..=10), ("b", 11..=20), ("c", 21..=30), ("d", 31..=40)] {
            let holds = |id: i64| match kind {
                "lt" => id < low,
                "lt-eq" => id <= low,
                "gt" => id > low,
                "gt-eq" => id >= low,
                "eq" => id == low,
                _ => id != low,
            };
            let mut ids = ids;
            prop_assert!(!ids.any(|id| holds(id) != is_negated) || planned.contains(&name.to_owned()), "{filter} {name}");
        }
    }
}
