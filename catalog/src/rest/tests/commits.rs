//! Commits of engines.

use super::tables::{EVENTS, TABLES, wanted};
use super::*;
use futures::FutureExt;
use iceberg::io::FileIO;
use iceberg::spec::{FormatVersion, ManifestContentType, ManifestFile, ManifestList, ManifestListWriter};
use lake_host::{Died, alive, arm_fault, disarm_faults};

const LOCATION: &str = "s3://lakehouse/warehouse/default/events";

pub(super) fn snapshot(id: i64, parent: Option<i64>, sequence_number: i64) -> Value {
    let mut snapshot = json!({
        "snapshot-id": id, "sequence-number": sequence_number, "timestamp-ms": NOW / 1_000 + id,
        "manifest-list": format!("{LOCATION}/metadata/snap-{id}.avro"), "schema-id": 0,
        "summary": {"operation": "overwrite"},
    });
    if let Some(parent) = parent {
        snapshot["parent-snapshot-id"] = json!(parent);
    }
    snapshot
}

pub(super) fn commit(id: i64, parent: Option<i64>) -> Value {
    json!({
        "requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent}],
        "updates": [
            {"action": "add-snapshot", "snapshot": snapshot(id, parent, id)},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id}],
    })
}

fn updates(updates: Value) -> Value {
    json!({"requirements": [], "updates": updates})
}

impl World {
    fn committed(&self, body: &Value) -> Value {
        self.posted(EVENTS, body)["metadata"].clone()
    }
}

#[test]
fn a_commit_moves_the_table_and_answers_with_it() {
    let world = world();
    let made = world.events();
    let answer = world.posted(EVENTS, &commit(1, None));
    assert_ne!(answer["metadata-location"], made["metadata-location"]);
    let metadata = &answer["metadata"];
    assert_eq!((&metadata["current-snapshot-id"], &metadata["last-sequence-number"]), (&json!(1), &json!(1)));
    assert_eq!(metadata["snapshot-log"], json!([{"snapshot-id": 1, "timestamp-ms": NOW / 1_000 + 1}]));
    assert_eq!(metadata["metadata-log"][0]["metadata-file"], made["metadata-location"]);
    assert_eq!(&world.get(EVENTS)["metadata"], metadata);
}

#[test]
fn a_commit_that_changes_nothing_writes_nothing() {
    let world = world();
    let made = world.events();
    for nothing in [
        json!([]),
        json!([{"action": "set-properties", "updates": {}}]),
        json!([
        {"action": "remove-snapshots", "snapshot-ids": [77]}]),
    ] {
        assert_eq!(world.posted(EVENTS, &updates(nothing))["metadata-location"], made["metadata-location"]);
    }
}

#[test]
fn a_commit_sent_again_is_done_already() {
    let world = world();
    world.events();
    let first = world.posted(EVENTS, &commit(1, None));
    assert_eq!(world.posted(EVENTS, &commit(1, None)), first);
    world.posted(EVENTS, &commit(2, Some(1)));
    assert_eq!(world.posted(EVENTS, &commit(1, None))["metadata"]["current-snapshot-id"], 2);
    let mut other = commit(1, None);
    other["requirements"] = json!([{"type": "assert-table-uuid", "uuid": "00000000-0000-0000-0000-000000000000"}]);
    world.refused(EVENTS, &other, 409, "CommitFailedException", "Requirement failed: UUID does not match");
}

#[test]
fn what_does_not_hold_is_a_conflict_and_what_is_unknown_is_bad() {
    let world = world();
    world.events();
    world.committed(&commit(1, None));
    let conflict = "CommitFailedException";
    world.refused(EVENTS, &commit(2, None), 409, conflict, "Requirement failed: branch main was created concurrently");
    world.refused(EVENTS, &commit(2, Some(7)), 409, conflict, "branch main has changed: expected id 7 != 1");
    let bad = |body: Value| world.refused(EVENTS, &body, 400, "BadRequestException", "");
    bad(updates(json!([{"action": "paint-it-black"}])));
    bad(updates(json!([{"action": "set-properties"}])));
    bad(updates(json!(["set-properties"])));
    bad(json!({"requirements": [{"type": "assert-luck"}], "updates": []}));
    bad(json!({"updates": 1}));
    bad(json!(null));
    let elsewhere = json!([{"action": "add-snapshot", "snapshot": {
        "snapshot-id": 9, "sequence-number": 9, "timestamp-ms": 1, "summary": {"operation": "append"},
        "manifest-list": "s3://lakehouse/warehouse/default/orders/metadata/snap-1.avro"}}]);
    bad(updates(elsewhere));
    world.refused(&format!("{TABLES}/nothing"), &commit(1, None), 404, "NoSuchTableException", "default.nothing");
}

#[test]
fn a_table_that_is_replaced_stays_where_it_is_and_so_do_its_manifest_lists() {
    let world = world();
    world.events();
    let moved = |place: &str, list: &str| {
        let mut body = commit(1, None);
        body["updates"][0]["snapshot"]["manifest-list"] = json!(format!("{list}/metadata/snap-1.avro"));
        let set = json!({"action": "set-location", "location": place});
        body["updates"].as_array_mut().unwrap().insert(0, set);
        body
    };
    // Of the client's own disk, of another table, of a place that nobody has, and what only looks like the table's.
    for place in [
        "file:/disk/default/events",
        "s3://lakehouse/warehouse/default/orders",
        "s3://lakehouse/warehouse/default/elsewhere",
        "s3://lakehouse/warehouse/default/events2",
    ] {
        let says = format!("{place}/metadata/snap-1.avro does not lie below the table's location {LOCATION}");
        world.refused(EVENTS, &moved(place, place), 400, "BadRequestException", &says);
    }
    let up = format!("{LOCATION}/../orders");
    world.refused(EVENTS, &moved(LOCATION, &up), 400, "BadRequestException", "does not lie below");
    let taken = world.committed(&moved("file:/disk/default/events", LOCATION));
    assert_eq!((&taken["location"], &taken["current-snapshot-id"]), (&json!(LOCATION), &json!(1)));
}

#[test]
fn who_wants_a_table_moved_and_nothing_else_is_told_that_it_stays() {
    let world = world();
    world.events();
    let moved = |place: &str| updates(json!([{"action": "set-location", "location": place}]));
    let says = format!("The table stays at {LOCATION}");
    world.refused(EVENTS, &moved("s3://lakehouse/warehouse/default/elsewhere"), 400, "BadRequestException", &says);
    assert_eq!(world.committed(&moved(LOCATION))["location"], json!(LOCATION));
    assert_eq!(world.committed(&moved(&format!("{LOCATION}/")))["location"], json!(LOCATION));
}

/// As PyIceberg and Trino end a creation that they have staged.
fn creation(staged: &Value, uuid: &str) -> Value {
    let metadata = &staged["metadata"];
    json!({"requirements": [{"type": "assert-create"}], "updates": [
        {"action": "assign-uuid", "uuid": uuid},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": metadata["schemas"][0], "last-column-id": 2},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": metadata["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": metadata["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": metadata["location"]},
        {"action": "set-properties", "updates": {}},
        {"action": "add-snapshot", "snapshot": {
            "snapshot-id": 5, "sequence-number": 1, "timestamp-ms": NOW / 1_000, "summary": {"operation": "append"},
            "manifest-list": format!("{}/metadata/snap-5.avro", metadata["location"].as_str().unwrap())}},
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 5}]})
}

#[test]
fn a_staged_creation_ends_with_its_commit() {
    let world = world();
    let mut body = wanted("events");
    body["stage-create"] = json!(true);
    let staged = world.posted(TABLES, &body);
    world.check("all", "GET", EVENTS, 404);
    let uuid = staged["metadata"]["table-uuid"].as_str().unwrap();
    let metadata = world.committed(&creation(&staged, uuid));
    for same in ["table-uuid", "location", "schemas", "partition-specs", "sort-orders", "last-column-id"] {
        assert_eq!(metadata[same], staged["metadata"][same], "{same}");
    }
    assert_eq!(metadata["current-snapshot-id"], 5);
    // The same once more is done already; another one came too late.
    assert_eq!(world.committed(&creation(&staged, uuid)), metadata);
    let late = creation(&staged, "00000000-0000-4000-8000-000000000001");
    world.refused(EVENTS, &late, 409, "CommitFailedException", "Requirement failed: table already exists");
    let other = world.posted(TABLES, &{
        let mut body = wanted("more");
        body["stage-create"] = json!(true);
        body
    });
    assert_ne!(other["metadata"]["location"], staged["metadata"]["location"]);
}

#[test]
fn many_committers_at_once_all_succeed() {
    let world = world();
    world.events();
    world.store.set_yields(2);
    let before = world.store.counts().class_a;
    let requests: Vec<RestRequest> = (0..32)
        .map(|at| {
            let body = updates(json!([{"action": "set-properties", "updates": {format!("k{at}"): "v"}}]));
            RestRequest { body: body.to_string().into_bytes(), ..request("POST", EVENTS) }
        })
        .collect();
    let randoms: Vec<SeededRandom> = (0..32).map(|at| SeededRandom::new(at + 50)).collect();
    let claims = claims("all");
    let answers = requests
        .iter()
        .zip(&randoms)
        .map(|(request, random)| world.catalog.respond(request, &claims, &world.keys, &world.store, random, NOW));
    let answers = run(futures::future::join_all(answers));
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.get(EVENTS)["metadata"]["properties"].as_object().unwrap().len(), 33);
    assert!(world.store.counts().class_a - before < 6, "they are written together");
}

#[test]
fn of_those_who_come_at_once_only_the_refused_one_is_refused() {
    let world = world();
    world.events();
    world.store.set_yields(1);
    let bodies = [commit(1, None), commit(2, None), updates(json!([{"action": "nothing"}])), commit(1, None)];
    let requests = bodies.map(|body| RestRequest { body: body.to_string().into_bytes(), ..request("POST", EVENTS) });
    let claims = claims("all");
    let random = SeededRandom::new(9);
    let answers =
        requests.iter().map(|request| world.catalog.respond(request, &claims, &world.keys, &world.store, &random, NOW));
    let statuses: Vec<u16> = run(futures::future::join_all(answers)).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 409, 400, 200]);
    assert_eq!(world.get(EVENTS)["metadata"]["current-snapshot-id"], 1);
}

fn transaction(changes: &[(&str, Value)]) -> Value {
    let changes: Vec<Value> = changes
        .iter()
        .map(|(name, commit)| {
            let mut change = commit.clone();
            change["identifier"] = json!({"namespace": ["default"], "name": name});
            change
        })
        .collect();
    json!({"table-changes": changes})
}

const TRANSACTION: &str = "/v1/transactions/commit";

#[test]
fn several_tables_move_together_or_not_at_all() {
    let world = world();
    world.events();
    world.posted(TABLES, &wanted("more"));
    let property = updates(json!([{"action": "set-properties", "updates": {"a": "b"}}]));
    let both = transaction(&[("events", commit(1, None)), ("more", property.clone())]);
    world.posted(TRANSACTION, &both);
    assert_eq!(world.get(EVENTS)["metadata"]["current-snapshot-id"], 1);
    assert_eq!(world.get(&format!("{TABLES}/more"))["metadata"]["properties"]["a"], "b");
    world.posted(TRANSACTION, &both);

    let location = world.get(&format!("{TABLES}/more"))["metadata-location"].clone();
    let other = updates(json!([{"action": "set-properties", "updates": {"a": "c"}}]));
    let fails = transaction(&[("more", other.clone()), ("events", commit(9, Some(4)))]);
    world.refused(TRANSACTION, &fails, 409, "CommitFailedException", "branch main has changed: expected id 4 != 1");
    let lake = transaction(&[("more", other.clone()), ("orders", commit(9, None))]);
    world.refused(TRANSACTION, &lake, 403, "ForbiddenException", "read-only here");
    let unknown = transaction(&[("more", other.clone()), ("nothing", property)]);
    world.refused(TRANSACTION, &unknown, 404, "NoSuchTableException", "default.nothing");
    assert_eq!(world.get(&format!("{TABLES}/more"))["metadata-location"], location);
    let (status, _) = world.post("table:default.more:write", TRANSACTION, &fails);
    assert_eq!(status, 403);
    world.refused(TRANSACTION, &json!({"table-changes": [other]}), 400, "BadRequestException", "identifier");
}

#[test]
fn dying_anywhere_in_a_transaction_leaves_all_or_nothing() {
    for point in [
        "before catalog: put an engine's metadata",
        "after catalog: put an engine's metadata",
        "before catalog: swap an engine's tables",
        "after catalog: swap an engine's tables",
    ] {
        let mut world = world();
        world.events();
        world.posted(TABLES, &wanted("more"));
        let mut second = commit(1, None);
        second["updates"][0]["snapshot"]["manifest-list"] =
            json!("s3://lakehouse/warehouse/default/more/metadata/snap-1.avro");
        let both = transaction(&[("events", commit(1, None)), ("more", second)]);
        arm_fault(point, 0);
        assert_eq!(alive(|| world.post("all", TRANSACTION, &both)).err().map(|Died(name)| name), Some(point));
        disarm_faults();
        world.catalog = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
        let seen = |name: &str| world.get(&format!("{TABLES}/{name}"))["metadata"].get("current-snapshot-id").is_some();
        assert_eq!(seen("events"), seen("more"), "{point}");
        world.posted(TRANSACTION, &both);
        assert!(seen("events") && seen("more"), "{point}");
    }
}

#[test]
fn a_storage_that_fails_says_that_the_outcome_is_not_known() {
    let world = world();
    world.events();
    world.catalog.storage.lose_next_apply_answer();
    let (status, answer) = world.post("all", EVENTS, &commit(1, None));
    assert_eq!((status, &answer["error"]["type"]), (500, &json!("CommitStateUnknownException")));
    world.catalog.storage.revive();
    world.committed(&commit(1, None));
}

#[test]
fn a_bucket_that_fails_before_the_swap_changes_nothing() {
    let world = world();
    world.events();
    world.store.fail_put_after(0);
    assert_eq!(world.post("all", EVENTS, &commit(1, None)).0, 503);
    world.store.come_up();
    world.committed(&commit(1, None));
}

#[test]
fn tables_of_the_lake_take_properties_and_tags_and_no_rows() {
    let world = world();
    let target = format!("{TABLES}/orders");
    world.refused(&target, &commit(1, None), 403, "ForbiddenException", "databases that feed it");
    for forbidden in [
        json!([{"action": "set-properties", "updates": {"lake.managed": "false"}}]),
        json!([{"action": "remove-snapshot-ref", "ref-name": "main"}]),
        json!([{"action": "upgrade-format-version", "format-version": 3}]),
        json!([{"action": "remove-snapshots", "snapshot-ids": []}]),
    ] {
        world.refused(&target, &updates(forbidden), 403, "ForbiddenException", "read-only here");
    }
    let metadata = world.posted(&target, &updates(json!([{"action": "set-properties", "updates": {"a": "b"}}])));
    assert_eq!(metadata["metadata"]["properties"]["a"], "b");
    assert_eq!(metadata["metadata"]["metadata-log"], json!([]));
    world.check("all", "DELETE", &format!("{target}?purgeRequested=true"), 403);
    assert_eq!(world.post("lake:read", &target, &updates(json!([]))).0, 403);
}

/// A manifest list: of each manifest the snapshot that added it and its sequence number.
fn list(id: i64, sequence_number: i64, manifests: &[(i64, i64)]) -> Vec<u8> {
    const FILE: &str = "memory:///list.avro";
    let io = FileIO::new_with_memory();
    let file = io.new_output(FILE).unwrap().writer().now_or_never().unwrap().unwrap();
    let mut writer = ManifestListWriter::v2(file, id, None, sequence_number);
    let manifest = |(snapshot_id, sequence_number): &(i64, i64)| ManifestFile {
        manifest_path: format!("{LOCATION}/metadata/m-{snapshot_id}.avro"),
        manifest_length: 100,
        partition_spec_id: 0,
        content: ManifestContentType::Data,
        sequence_number: *sequence_number,
        min_sequence_number: *sequence_number,
        added_snapshot_id: *snapshot_id,
        added_files_count: Some(1),
        existing_files_count: Some(0),
        deleted_files_count: Some(0),
        added_rows_count: Some(10),
        existing_rows_count: Some(0),
        deleted_rows_count: Some(0),
        partitions: None,
        key_metadata: None,
        first_row_id: None,
    };
    writer.add_manifests(manifests.iter().map(manifest)).unwrap();
    writer.close().now_or_never().unwrap().unwrap();
    io.new_input(FILE).unwrap().read().now_or_never().unwrap().unwrap().to_vec()
}

fn read_list(bytes: &[u8]) -> Vec<(i64, i64)> {
    let list = ManifestList::parse_with_version(bytes, FormatVersion::V2).unwrap();
    list.entries().iter().map(|manifest| (manifest.added_snapshot_id, manifest.sequence_number)).collect()
}

fn append(id: i64, parent: Option<i64>, sequence_number: i64) -> Value {
    let mut body = commit(id, parent);
    body["updates"][0]["snapshot"]["sequence-number"] = json!(sequence_number);
    body["updates"][0]["snapshot"]["summary"] =
        json!({"operation": "append", "added-records": "10", "total-records": "10", "added-data-files": "1"});
    body
}

#[test]
fn appends_of_several_writers_are_put_on_top_of_each_other() {
    let world = world();
    world.events();
    let place = |id: i64, bytes: Vec<u8>| {
        world.store.place(&format!("warehouse/default/events/metadata/snap-{id}.avro"), &bytes);
    };
    place(1, list(1, 1, &[(1, 1)]));
    place(2, list(2, 1, &[(2, 1)]));
    place(3, list(3, 2, &[(3, 2), (1, 1)]));
    world.committed(&append(1, None, 1));
    // On the empty table, when there was none of the others.
    let second = world.committed(&append(2, None, 1));
    assert_eq!(second["snapshots"][1]["parent-snapshot-id"], 1);
    assert_eq!((&second["snapshots"][1]["sequence-number"], &second["last-sequence-number"]), (&json!(2), &json!(2)));
    assert_eq!(second["snapshots"][1]["summary"]["total-records"], "20");
    // On the first.
    let third = world.committed(&append(3, Some(1), 2));
    assert_eq!((&third["current-snapshot-id"], &third["snapshots"][2]["parent-snapshot-id"]), (&json!(3), &json!(2)));
    let key = third["snapshots"][2]["manifest-list"].as_str().unwrap().strip_prefix("s3://lakehouse/").unwrap();
    let seen = read_list(&world.store.bytes(key).unwrap());
    assert_eq!(seen, [(3, 3), (2, 2), (1, 1)]);
    // Its answer was lost: once more changes nothing.
    assert_eq!(world.committed(&append(3, Some(1), 2)), third);
    // What is no append is the client's to stage again.
    world.refused(
        EVENTS,
        &commit(4, Some(1)),
        409,
        "CommitFailedException",
        "branch main has changed: expected id 1 != 3",
    );
    let mut with_schema = append(5, Some(1), 2);
    let other = json!({"type": "assert-current-schema-id", "current-schema-id": 3});
    with_schema["requirements"].as_array_mut().unwrap().push(other);
    world.refused(EVENTS, &with_schema, 409, "CommitFailedException", "expected id 1 != 3");
}

#[test]
fn an_append_that_is_sent_again_after_it_was_forgotten_is_not_added_again() {
    let world = world();
    world.events();
    let place = |id: i64, bytes: Vec<u8>| {
        world.store.place(&format!("warehouse/default/events/metadata/snap-{id}.avro"), &bytes);
    };
    let all: Vec<(i64, i64)> = (1..=102).rev().map(|id| (id, id)).collect();
    for id in 1..=102 {
        place(id, list(id, id, &all[102 - id as usize..]));
        world.committed(&append(id, Some(id - 1).filter(|parent| *parent > 0), id));
    }
    let before = world.get(EVENTS)["metadata"].clone();
    assert_eq!((&before["snapshots"][0]["snapshot-id"], &before["current-snapshot-id"]), (&json!(3), &json!(102)));
    assert_eq!(world.committed(&append(1, None, 1)), before);
    assert_eq!(world.committed(&append(2, Some(1), 2)), before);
    // Of others, too, that were staged on what is forgotten nobody can say that they were not there.
    place(500, list(500, 1, &[(500, 1)]));
    world.refused(EVENTS, &append(500, None, 1), 409, "CommitFailedException", "main was created concurrently");
    place(501, list(501, 2, &[(501, 2), (1, 1)]));
    world.refused(EVENTS, &append(501, Some(1), 2), 409, "CommitFailedException", "branch main has changed");
}

#[test]
fn a_table_that_cannot_be_read_by_its_types_is_loaded_and_not_planned() {
    let world = world();
    world.events();
    world.committed(&commit(1, None));
    let statistics = json!({"snapshot-id": 1, "statistics-path": format!("{LOCATION}/metadata/s.puffin"),
        "file-size-in-bytes": "many", "file-footer-size-in-bytes": 1, "blob-metadata": []});
    world.committed(&updates(json!([{"action": "set-statistics", "statistics": statistics}])));
    assert_eq!(world.get(EVENTS)["metadata"]["statistics"][0]["file-size-in-bytes"], "many");
    let said = "planning scans of what it cannot read";
    world.refused(&format!("{EVENTS}/plan"), &json!({}), 406, "UnsupportedOperationException", said);
}

#[test]
fn metadata_stays_small_however_many_commits_there_are() {
    let world = world();
    world.events();
    for id in 1..=400 {
        let mut body = commit(id, Some(id - 1).filter(|parent| *parent > 0));
        let summary: serde_json::Map<String, Value> =
            (0..25).map(|at| (format!("a-counter-of-the-summary-{at}"), json!("123456789"))).collect();
        body["updates"][0]["snapshot"]["summary"] = Value::Object(summary);
        body["updates"][0]["snapshot"]["summary"]["operation"] = json!("overwrite");
        if id == 7 {
            body["updates"]
                .as_array_mut()
                .unwrap()
                .push(json!({"action": "set-snapshot-ref", "ref-name": "kept", "type": "tag", "snapshot-id": 7}));
        }
        world.committed(&body);
    }
    let metadata = world.get(EVENTS)["metadata"].clone();
    assert_eq!(metadata["snapshots"].as_array().unwrap().len(), 100);
    assert_eq!(metadata["metadata-log"].as_array().unwrap().len(), 100);
    assert_eq!(metadata["refs"]["kept"]["snapshot-id"], 7);
    assert_eq!(metadata["current-snapshot-id"], 400);
    assert!(metadata.to_string().len() <= 200_000, "{}", metadata.to_string().len());
}

/// A flush of the lake that gives `orders` one more snapshot, staged on what it knew of the table.
pub(super) fn flush(number: u64, parent: Option<i64>, removed: &[i64]) -> lake_table::FlushCommit {
    let id = number as i64;
    let mut snapshot = json!({
        "snapshot-id": id, "sequence-number": id, "timestamp-ms": NOW / 1_000 + id, "schema-id": 0,
        "manifest-list": format!("s3://lakehouse/{id}.avro"), "summary": {"operation": "append"}});
    if let Some(parent) = parent {
        snapshot["parent-snapshot-id"] = json!(parent);
    }
    let updates = json!([{"action": "add-snapshot", "snapshot": snapshot},
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id},
        {"action": "remove-snapshots", "snapshot-ids": removed}]);
    let requirement = json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent});
    lake_table::FlushCommit {
        flush_id: format!("f{number}"),
        epoch: 1,
        base: number - 1,
        end: number,
        watermarks: vec![],
        tables: vec![lake_table::TableCommit {
            table: TableName { namespace: "default".into(), name: "orders".into() },
            requirements: vec![serde_json::from_value(requirement).unwrap()],
            updates: serde_json::from_value(updates).unwrap(),
        }],
    }
}

#[test]
fn the_lake_goes_on_after_an_engine_has_set_properties_and_tags() {
    let world = world();
    let target = format!("{TABLES}/orders");
    let commit = |flush: &lake_table::FlushCommit| {
        let outcome = run(world.catalog.commit_flush(&world.store, &SeededRandom::new(5), NOW, flush)).unwrap();
        assert!(matches!(outcome, lake_table::FlushOutcome::Committed(_)), "{outcome:?}");
    };
    commit(&flush(1, None, &[]));
    let body = updates(json!([{"action": "set-properties", "updates": {"a": "b"}},
        {"action": "set-snapshot-ref", "ref-name": "audit", "type": "tag", "snapshot-id": 1},
        {"action": "set-snapshot-ref", "ref-name": "work", "type": "branch", "snapshot-id": 1}]));
    // Long after the time that the next rows have.
    let later = NOW + 600_000_000;
    let request = RestRequest { body: body.to_string().into_bytes(), ..request("POST", &target) };
    let claims = claims("all");
    let random = SeededRandom::new(6);
    let answer = world.catalog.respond(&request, &claims, &world.keys, &world.store, &random, later);
    assert_eq!(run(answer).status, 200);
    commit(&flush(2, Some(1), &[]));
    // The lake forgets by age; what is tagged stays.
    commit(&flush(3, Some(2), &[]));
    commit(&flush(4, Some(3), &[1, 2]));
    let metadata = world.get(&target)["metadata"].clone();
    let mut ids: Vec<i64> =
        metadata["snapshots"].as_array().unwrap().iter().filter_map(|s| s["snapshot-id"].as_i64()).collect();
    ids.sort_unstable();
    assert_eq!((ids, &metadata["current-snapshot-id"]), (vec![1, 3, 4], &json!(4)));
    assert_eq!((&metadata["properties"]["a"], &metadata["refs"]["audit"]["snapshot-id"]), (&json!("b"), &json!(1)));
}
