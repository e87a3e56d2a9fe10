//! Updates, one by one, as Apache's implementation takes them.

use super::*;
use crate::metadata::create::{CreateTable, first_metadata};
use proptest::prelude::*;

const NOW_MS: i64 = 1_763_696_544_000;

fn table(format: i64) -> Metadata {
    let wanted: CreateTable = serde_json::from_value(json!({
        "name": "t", "properties": {"format-version": format.to_string()},
        "schema": {"type": "struct", "fields": [
            {"id": 1, "name": "a", "type": "long", "required": true},
            {"id": 2, "name": "b", "type": "string", "required": false}]},
    }))
    .unwrap();
    first_metadata(&wanted, "s3://b/t", "00000000-0000-4000-8000-000000000000", NOW_MS).unwrap()
}

fn after(metadata: &Metadata, updates: Value) -> Result<Metadata, Refused> {
    let updates = Update::parse_all(updates.as_array().unwrap())?;
    Ok(apply(metadata, &updates, NOW_MS + 1_000)?.unwrap_or_else(|| metadata.clone()))
}

fn refused(metadata: &Metadata, updates: Value, message: &str) {
    match after(metadata, updates.clone()) {
        Err(Refused::Invalid(said)) => assert!(said.contains(message), "{said}"),
        other => panic!("{updates}: {other:?}"),
    }
}

fn snapshot(id: i64, parent: Option<i64>) -> Value {
    let mut snapshot = json!({"snapshot-id": id, "sequence-number": id, "timestamp-ms": NOW_MS + id,
        "manifest-list": "s3://b/t/metadata/l.avro", "summary": {"operation": "append"}});
    if let Some(parent) = parent {
        snapshot["parent-snapshot-id"] = json!(parent);
    }
    snapshot
}

fn add(id: i64, parent: Option<i64>) -> Value {
    json!({"action": "add-snapshot", "snapshot": snapshot(id, parent)})
}

fn main_at(id: i64) -> Value {
    json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id})
}

fn schema(names: &[&str]) -> Value {
    let fields: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(at, name)| json!({"id": at + 1, "name": name, "type": "long", "required": false}))
        .collect();
    json!({"type": "struct", "fields": fields})
}

#[test]
fn a_schema_that_is_there_is_used_again() {
    let table = table(2);
    let updates = json!([{"action": "add-schema", "schema": schema(&["a", "b", "c"])},
        {"action": "set-current-schema", "schema-id": -1}]);
    let changed = after(&table, updates.clone()).unwrap();
    assert_eq!((changed.integer("current-schema-id"), changed.integer("last-column-id")), (Some(1), Some(3)));
    let back = json!([{"action": "add-schema", "schema": table.current_schema().unwrap()},
        {"action": "set-current-schema", "schema-id": -1}]);
    let back = after(&changed, back).unwrap();
    assert_eq!((back.integer("current-schema-id"), back.list("schemas").len()), (Some(0), 2));
    assert_eq!(back.integer("last-column-id"), Some(3));
    let literal = after(&back, json!([{"action": "set-current-schema", "schema-id": 1}])).unwrap();
    assert_eq!(literal.integer("current-schema-id"), Some(1));
    refused(&back, json!([{"action": "set-current-schema", "schema-id": -1}]), "no schema has been added");
    refused(&back, json!([{"action": "set-current-schema", "schema-id": 7}]), "unknown");
    let removed = after(&literal, json!([{"action": "remove-schemas", "schema-ids": [0]}])).unwrap();
    assert_eq!(removed.list("schemas").len(), 1);
    refused(&literal, json!([{"action": "remove-schemas", "schema-ids": [1]}]), "Cannot remove the current schema");
}

#[test]
fn a_client_chooses_what_it_has_added_by_the_id_that_it_gave() {
    let table = table(2);
    let with_id = |names: &[&str], id: i64| schema::with_id(&schema(names), id);
    // Java counts the columns of the schema that it adds, which may be fewer than there were.
    let fewer = json!([{"action": "add-schema", "schema": with_id(&["a"], 7), "last-column-id": 1},
        {"action": "set-current-schema", "schema-id": 7}]);
    let changed = after(&table, fewer).unwrap();
    assert_eq!((changed.integer("current-schema-id"), changed.integer("last-column-id")), (Some(1), Some(2)));
    // DuckDB chooses the schema of a new table last.
    let updates = json!([
        {"action": "add-schema", "schema": with_id(&["a", "b"], 0), "last-column-id": 2},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": [
            {"name": "identity_b_2", "transform": "identity", "source-id": 2, "field-id": 1000}]}},
        {"action": "set-default-spec", "spec-id": 0},
        {"action": "set-current-schema", "schema-id": 0}]);
    let updates = Update::parse_all(updates.as_array().unwrap()).unwrap();
    let made = create(&updates, "s3://b/t", "00000000-0000-4000-8000-000000000000", NOW_MS).unwrap();
    assert_eq!(made.list("partition-specs")[0]["fields"][0]["source-id"], 2);
}

#[test]
fn specs_and_orders_are_numbered_and_used_again() {
    let table = table(2);
    let spec = |name: &str| json!({"spec-id": 0, "fields": [{"source-id": 1, "name": name, "transform": "bucket[4]"}]});
    let updates =
        |name: &str| json!([{"action": "add-spec", "spec": spec(name)}, {"action": "set-default-spec", "spec-id": -1}]);
    let one = after(&table, updates("x")).unwrap();
    assert_eq!((one.integer("default-spec-id"), one.integer("last-partition-id")), (Some(1), Some(1000)));
    assert_eq!(after(&one, updates("x")).unwrap(), one);
    let two = after(&one, updates("y")).unwrap();
    assert_eq!(two.list("partition-specs")[2]["fields"][0]["field-id"], 1000, "the same transform keeps its id");
    let gone = after(&two, json!([{"action": "remove-partition-specs", "spec-ids": [0, 1]}])).unwrap();
    assert_eq!(gone.list("partition-specs").len(), 1);
    refused(&two, json!([{"action": "remove-partition-specs", "spec-ids": [2]}]), "default partition spec");
    let order = json!([{"action": "add-sort-order", "sort-order": {"order-id": 9, "fields": [
        {"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]}},
        {"action": "set-default-sort-order", "sort-order-id": -1}]);
    let sorted = after(&table, order).unwrap();
    assert_eq!(sorted.integer("default-sort-order-id"), Some(1));
    let unsorted = json!([{"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1}]);
    assert_eq!(after(&sorted, unsorted).unwrap().integer("default-sort-order-id"), Some(0));
}

#[test]
fn snapshots_come_and_go_with_what_belongs_to_them() {
    let table = table(2);
    let two = after(&table, json!([add(1, None), main_at(1)])).unwrap();
    let statistics = json!({"snapshot-id": 1, "statistics-path": "s", "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1, "blob-metadata": []});
    let two = after(
        &two,
        json!([add(2, Some(1)), main_at(2),
        {"action": "set-statistics", "snapshot-id": 1, "statistics": statistics},
        {"action": "set-partition-statistics", "partition-statistics":
            {"snapshot-id": 1, "statistics-path": "p", "file-size-in-bytes": 1}},
        {"action": "set-snapshot-ref", "ref-name": "t", "type": "tag", "snapshot-id": 1}]),
    )
    .unwrap();
    assert_eq!((two.list("statistics").len(), two.list("partition-statistics").len()), (1, 1));
    let gone = after(&two, json!([{"action": "remove-snapshots", "snapshot-ids": [1, 99]}])).unwrap();
    assert_eq!((gone.list("snapshots").len(), gone.list("statistics").len(), gone.referenced("t")), (1, 0, None));
    assert_eq!(gone.list("snapshot-log"), [json!({"snapshot-id": 2, "timestamp-ms": NOW_MS + 2})]);
    assert_eq!(gone.integer("current-snapshot-id"), Some(2));
    let removed = after(
        &two,
        json!([{"action": "remove-statistics", "snapshot-id": 1},
        {"action": "remove-partition-statistics", "snapshot-id": 1}]),
    )
    .unwrap();
    assert!(removed.list("statistics").is_empty() && removed.list("partition-statistics").is_empty());
    let emptied = after(&two, json!([{"action": "remove-snapshot-ref", "ref-name": "main"}])).unwrap();
    assert_eq!((emptied.integer("current-snapshot-id"), emptied.referenced("main")), (None, None));
    refused(&two, json!([add(2, Some(1))]), "Snapshot already exists for id: 2");
    refused(&two, json!([main_at(9)]), "unknown snapshot: 9");
}

#[test]
fn a_commit_of_several_snapshots_shows_the_last() {
    let both = after(&table(2), json!([add(1, None), main_at(1), add(2, Some(1)), main_at(2)])).unwrap();
    let log: Vec<i64> = both.list("snapshot-log").iter().filter_map(snapshot_id).collect();
    assert_eq!((log, both.list("snapshots").len()), (vec![2], 2));
}

#[test]
fn a_branch_and_its_retention() {
    let one = after(&table(2), json!([add(1, None), main_at(1)])).unwrap();
    let branch = json!([{"action": "set-snapshot-ref", "ref-name": "b", "type": "BRANCH", "snapshot-id": 1,
        "min-snapshots-to-keep": 2, "max-snapshot-age-ms": 5, "max-ref-age-ms": 6}]);
    let with = after(&one, branch.clone()).unwrap();
    assert_eq!(with.reference("b").unwrap()["type"], "branch");
    assert_eq!(after(&with, branch).unwrap(), with);
    assert_eq!(with.list("snapshot-log").len(), 1);
    refused(
        &one,
        json!([{"action": "set-snapshot-ref", "ref-name": "b", "type": "twig", "snapshot-id": 1}]),
        "Invalid",
    );
    refused(&one, json!([{"action": "set-snapshot-ref", "ref-name": "main", "type": "tag", "snapshot-id": 1}]), "tag");
    refused(
        &one,
        json!([{"action": "set-snapshot-ref", "ref-name": "b", "type": "branch", "snapshot-id": 1,
        "max-ref-age-ms": 0}]),
        "positive",
    );
}

#[test]
fn an_old_sequence_number_is_a_conflict() {
    let two = after(&table(2), json!([add(1, None), main_at(1), add(2, Some(1)), main_at(2)])).unwrap();
    let mut stale = snapshot(3, Some(1));
    stale["sequence-number"] = json!(2);
    let conflict = after(&two, json!([{"action": "add-snapshot", "snapshot": stale}]));
    assert!(matches!(conflict, Err(Refused::Conflict(_))), "{conflict:?}");
}

#[test]
fn formats_go_up_and_never_down() {
    let v1 = after(&table(1), json!([add(1, None), main_at(1)])).unwrap();
    let up = json!([{"action": "upgrade-format-version", "format-version": 2}]);
    let v2 = after(&v1, up).unwrap();
    assert_eq!((v2.format_version(), v2.integer("last-sequence-number")), (2, Some(0)));
    assert!(v2.object("schema").is_none() && v1.object("schema").is_some());
    let v3 = after(&v2, json!([{"action": "upgrade-format-version", "format-version": 3}])).unwrap();
    assert_eq!(v3.integer("next-row-id"), Some(0));
    refused(&v3, json!([{"action": "upgrade-format-version", "format-version": 2}]), "Cannot downgrade v3 table to v2");
    refused(&v3, json!([{"action": "upgrade-format-version", "format-version": 4}]), "Unsupported format version");
}

#[test]
fn rows_of_format_3_have_ids() {
    let table = table(3);
    let mut first = snapshot(1, None);
    refused(&table, json!([{"action": "add-snapshot", "snapshot": first}]), "first-row-id is null");
    first["first-row-id"] = json!(0);
    first["added-rows"] = json!(10);
    let one = after(&table, json!([{"action": "add-snapshot", "snapshot": first}, main_at(1)])).unwrap();
    assert_eq!(one.integer("next-row-id"), Some(10));
    assert_eq!(one.snapshot(1).unwrap()["added-rows"], 10);
    let mut behind = snapshot(2, Some(1));
    behind["first-row-id"] = json!(5);
    behind["added-rows"] = json!(1);
    let conflict = after(&one, json!([{"action": "add-snapshot", "snapshot": behind}]));
    assert!(matches!(conflict, Err(Refused::Conflict(_))), "{conflict:?}");
}

#[test]
fn keys_and_what_is_not_known_survive() {
    let mut table = table(3);
    table.set("of-another-build", json!({"a": [1]}));
    let key = json!({"key-id": "k", "encrypted-key-metadata": "AAAA", "properties": {"x": "y"}});
    let with = after(&table, json!([{"action": "add-encryption-key", "encryption-key": key}])).unwrap();
    assert_eq!(with.list("encryption-keys"), [key]);
    let read = Metadata::parse(&with.to_json().unwrap()).unwrap();
    assert_eq!(read, with);
    assert_eq!(read.object("of-another-build").unwrap()["a"], json!([1]));
    let without = after(&with, json!([{"action": "remove-encryption-key", "key-id": "k"}])).unwrap();
    assert!(without.list("encryption-keys").is_empty());
}

#[test]
fn properties_are_texts_and_the_time_goes_forward() {
    let table = table(2);
    let changed = after(&table, json!([{"action": "set-properties", "updates": {"a": "b"}}])).unwrap();
    assert_eq!((changed.property("a"), changed.integer("last-updated-ms")), (Some("b"), Some(NOW_MS + 1_000)));
    let removed = json!([{"action": "remove-properties", "removals": ["a", "nothing"]}]);
    assert_eq!(after(&changed, removed).unwrap().property("a"), None);
    refused(&table, json!([{"action": "set-properties", "updates": {"a": 1}}]), "not a string");
    refused(&table, json!([{"action": "assign-uuid", "uuid": "00000000-0000-4000-8000-000000000001"}]), "reassign");
    refused(&table, json!([{"action": "assign-uuid", "uuid": "x"}]), "Invalid UUID");
    // A client's clock that is ahead.
    let mut ahead = snapshot(1, None);
    ahead["timestamp-ms"] = json!(NOW_MS + 90_000);
    let ahead = after(&table, json!([{"action": "add-snapshot", "snapshot": ahead}, main_at(1)])).unwrap();
    let next = after(&ahead, json!([add(2, Some(1)), main_at(2)])).unwrap();
    let log: Vec<i64> = next.list("snapshot-log").iter().filter_map(|entry| integer(entry, "timestamp-ms")).collect();
    assert_eq!((log, next.integer("last-updated-ms")), (vec![NOW_MS + 90_000; 2], Some(NOW_MS + 90_000)));
}

/// Every update once, as a client may send it.
fn all_updates() -> Value {
    let mut rows = snapshot(3, Some(2));
    rows["first-row-id"] = json!(100);
    rows["added-rows"] = json!(1);
    json!([
        {"action": "assign-uuid", "uuid": "00000000-0000-4000-8000-000000000000"},
        {"action": "upgrade-format-version", "format-version": 3},
        {"action": "add-schema", "schema": {"type": "struct", "identifier-field-ids": [1], "fields": [
            {"id": 1, "name": "a", "required": true, "type": "long"},
            {"id": 9, "name": "m", "required": false, "type": {"type": "map", "key-id": 10, "key": "string",
                "value-id": 11, "value-required": false, "value": {"type": "list", "element-id": 12,
                "element": "decimal(9,2)", "element-required": true}}}]}, "last-column-id": 12},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 1, "fields": [
            {"source-id": 1, "field-id": 1000, "name": "p", "transform": "truncate[4]"}]}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": [
            {"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "add-snapshot", "snapshot": rows},
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 3},
        {"action": "set-snapshot-ref", "ref-name": "t", "type": "tag", "snapshot-id": 1, "max-ref-age-ms": 5},
        {"action": "remove-snapshots", "snapshot-ids": [2]},
        {"action": "remove-snapshot-ref", "ref-name": "t"},
        {"action": "set-location", "location": "s3://b/elsewhere"},
        {"action": "set-properties", "updates": {"a": "b"}},
        {"action": "remove-properties", "removals": ["a"]},
        {"action": "set-statistics", "statistics": {"snapshot-id": 3, "statistics-path": "s",
            "file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}},
        {"action": "remove-statistics", "snapshot-id": 3},
        {"action": "set-partition-statistics", "partition-statistics": {"snapshot-id": 3, "statistics-path": "s",
            "file-size-in-bytes": 1}},
        {"action": "remove-partition-statistics", "snapshot-id": 3},
        {"action": "remove-partition-specs", "spec-ids": [0]},
        {"action": "remove-schemas", "schema-ids": [0]},
        {"action": "add-encryption-key", "encryption-key": {"key-id": "k", "encrypted-key-metadata": "AA=="}},
        {"action": "remove-encryption-key", "key-id": "k"},
    ])
}

/// The addresses of every value in a tree.
fn addresses(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| addresses(value, &format!("{at}/{index}"), found));
        }
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| addresses(value, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(2)),
        Just(json!(i64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(1.5)),
        Just(json!("")),
        Just(json!("x")),
        Just(json!([])),
        Just(json!([1, "x"])),
        Just(json!({})),
        Just(json!(true)),
    ]
}

proptest! {
    #[test]
    fn what_a_commit_leaves_can_be_read_again(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 0..4),
        takes in prop::collection::vec(any::<bool>(), 24),
        format in 1i64..4,
    ) {
        let mut updates = all_updates();
        for (at, odd) in changes {
            let mut found = Vec::new();
            addresses(&updates, "", &mut found);
            if let Some(value) = updates.pointer_mut(at.get::<String>(&found)) {
                *value = odd;
            }
        }
        let list: Vec<Value> = updates.as_array().cloned().unwrap_or_default();
        let taken: Vec<Value> = list.into_iter().zip(takes).filter_map(|(update, take)| take.then_some(update)).collect();
        let mut first = snapshot(1, None);
        let mut second = snapshot(2, Some(1));
        for rows in [&mut first, &mut second] {
            rows["first-row-id"] = json!(rows["snapshot-id"].as_i64().unwrap() * 10);
            rows["added-rows"] = json!(1);
        }
        let base = after(&table(format), json!([
            {"action": "add-snapshot", "snapshot": first}, {"action": "add-snapshot", "snapshot": second}, main_at(2)]))
        .unwrap();
        if let Ok(changed) = after(&base, Value::Array(taken)) {
            let read = Metadata::parse(&changed.to_json().unwrap());
            prop_assert_eq!(read, Ok(changed));
        }
    }
}
