//! What is too large or too long is refused before it stands in the way of what is there.

use super::commits::{commit, flush};
use super::tables::{EVENTS, TABLES, wanted};
use super::*;
use crate::limits::{LAKE_METADATA_BYTES_MAX, LAKE_PROPERTIES_BYTES_MAX, METADATA_BYTES_MAX};

const ORDERS: &str = "/v1/namespaces/default/tables/orders";

/// A property of so many bytes.
fn property(number: usize, bytes: usize) -> Value {
    let name = format!("p{number}");
    json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {name: "x".repeat(bytes)}}]})
}

fn removed(number: usize) -> Value {
    json!({"requirements": [], "updates": [{"action": "remove-properties", "removals": [format!("p{number}")]}]})
}

/// Sets properties until one is refused; how many were taken.
fn fill(world: &World, table: &str, bytes: usize) -> usize {
    (0..20).find(|number| world.post("all", table, &property(*number, bytes)).0 == 400).unwrap()
}

#[test]
fn metadata_does_not_grow_beyond_what_is_read() {
    let world = world();
    world.events();
    let orders = "The table's properties, branches and tags would have";
    for (table, most, bytes, why) in [
        (EVENTS, METADATA_BYTES_MAX as usize, 900_000, "The table's metadata would have"),
        (ORDERS, LAKE_PROPERTIES_BYTES_MAX, 9_000, orders),
    ] {
        let taken = fill(&world, table, bytes);
        assert_eq!(taken, most / bytes, "{table}");
        let more = property(taken, bytes);
        world.refused(table, &more, 400, "BadRequestException", why);
        assert_eq!(world.get(table)["metadata"]["properties"].get(format!("p{taken}")), None);
        world.posted(table, &removed(0));
        world.posted(table, &more);
    }
}

/// A table of the lake with a snapshot, whose schema alone is larger than what a flush lets a table have, and a
/// property of 20 kB.
fn wide() -> World {
    let world = world();
    let name = TableName { namespace: "default".into(), name: "wide".into() };
    let schema = json!({"type": "struct", "schema-id": 0, "fields": [
        {"id": 1, "name": "id", "type": "long", "required": true, "doc": "x".repeat(LAKE_METADATA_BYTES_MAX as usize)}]});
    let wanted = EnsureTable {
        table: name.clone(),
        schema: serde_json::from_value(schema).unwrap(),
        partition_spec: serde_json::from_value(json!({"fields": []})).unwrap(),
        properties: [("p".to_owned(), "x".repeat(20_000))].into(),
        created_ms: NOW / 1_000,
        epoch: 1,
    };
    run(world.catalog.ensure_table(&world.store, &SeededRandom::new(8), NOW, &wanted)).unwrap();
    let mut flush = flush(1, None, &[]);
    flush.tables[0].table = name;
    let outcome = run(world.catalog.commit_flush(&world.store, &SeededRandom::new(9), NOW, &flush)).unwrap();
    assert!(matches!(outcome, lake_table::FlushOutcome::Committed(_)), "{outcome:?}");
    world
}

#[test]
fn no_snapshot_of_a_large_table_of_the_lake_is_held_that_could_be_forgotten() {
    let world = wide();
    let wide = "/v1/namespaces/default/tables/wide";
    let updates = |updates: Value| json!({"requirements": [], "updates": updates});
    let tag = |name: &str| json!({"action": "set-snapshot-ref", "ref-name": name, "type": "tag", "snapshot-id": 1});
    let less = json!({"action": "remove-properties", "removals": ["p"]});
    let exchange = updates(json!([less, tag("a")]));
    world.refused(wide, &exchange, 400, "BadRequestException", "no branch or tag is set until it has less");
    world.refused(wide, &property(1, 1), 400, "BadRequestException", "The table's metadata would have");
    world.posted(wide, &updates(json!([less])));
    assert_eq!(world.get(wide)["metadata"]["properties"].get("p"), None);
}

#[test]
fn a_commit_is_not_refused_for_those_that_came_at_the_same_time() {
    let world = world();
    let taken = fill(&world, ORDERS, 9_000);
    world.posted(ORDERS, &removed(0));
    // There is room for one of these.
    let requests = [taken, taken + 1].map(|number| RestRequest {
        body: property(number, 9_000).to_string().into_bytes(),
        ..request("POST", ORDERS)
    });
    let (claims, random) = (claims("all"), SeededRandom::new(7));
    world.store.set_yields(2);
    let answers =
        requests.iter().map(|request| world.catalog.respond(request, &claims, &world.keys, &world.store, &random, NOW));
    let statuses: Vec<u16> = run(futures::future::join_all(answers)).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 400]);
}

#[test]
fn what_the_lake_cannot_read_is_not_written_into_its_tables() {
    let world = world();
    world.events();
    world.posted(EVENTS, &commit(1, None));
    let reference = json!({"action": "set-snapshot-ref", "ref-name": "x", "type": "branch", "snapshot-id": 1,
        "min-snapshots-to-keep": 3_000_000_000_i64});
    let asked = json!({"requirements": [], "updates": [reference]});
    world.refused(EVENTS, &asked, 400, "BadRequestException", "must be a number of 32 bits: 3000000000");
}

#[test]
fn a_file_that_is_no_metadata_is_not_read_whole() {
    let world = world();
    world.events();
    let key = "warehouse/default/events/data/large";
    world.store.place(key, &vec![b' '; 2 * METADATA_BYTES_MAX as usize]);
    world.store.reset_counts();
    let body = json!({"name": "events", "overwrite": true, "metadata-location": format!("s3://lakehouse/{key}")});
    let register = "/v1/namespaces/default/register";
    world.refused(register, &body, 400, "BadRequestException", "There is no metadata file at");
    assert_eq!(world.store.counts().bytes_read, METADATA_BYTES_MAX);

    world.store.reset_counts();
    let body = json!({"name": "v", "metadata-location": format!("s3://lakehouse/{key}")});
    let (status, answer) = world.post("all", "/v1/namespaces/default/register-view", &body);
    assert_eq!(status, 400, "{answer}");
    assert!(world.store.counts().bytes_read <= 1 << 20);
}

#[test]
fn no_table_lies_where_no_credentials_could_open_it() {
    let world = world();
    let level = |letter: &str| letter.repeat(200);
    let location = format!("s3://lakehouse/warehouse/default/{}/{}/{}", level("a"), level("b"), level("c"));
    let mut body = wanted("deep");
    body["location"] = json!(location);
    let made = world.posted(TABLES, &body);
    assert_eq!(made["metadata"]["location"], "s3://lakehouse/warehouse/default/deep");

    // The longest place that is given has credentials that work.
    let rest = 512 - "warehouse/default/".len() - 402;
    let location = format!("s3://lakehouse/warehouse/default/{}/{}/{}", level("a"), level("b"), "c".repeat(rest));
    body["name"] = json!("long");
    body["location"] = json!(location);
    let made = world.posted(TABLES, &body);
    assert_eq!(made["metadata"]["location"], location);
    assert_eq!(world.access(&made), lake_api::scope::Access::Write);

    let mut metadata = made["metadata"].clone();
    metadata["location"] = json!(format!("{location}c"));
    let key =
        format!("warehouse/default/{}/{}/{}c/metadata/v1.metadata.json", level("a"), level("b"), "c".repeat(rest));
    world.store.place(&key, metadata.to_string().as_bytes());
    let body = json!({"name": "far", "metadata-location": format!("s3://lakehouse/{key}")});
    world.refused("/v1/namespaces/default/register", &body, 400, "BadRequestException", "is longer than 512 bytes");
}
