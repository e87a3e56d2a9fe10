//! Tables of engines are made, dropped, renamed, registered.

use super::keys::{KEY, keyed};
use super::*;
use lake_host::{Died, alive, arm_fault, disarm_faults};

pub(super) const TABLES: &str = "/v1/namespaces/default/tables";
pub(super) const EVENTS: &str = "/v1/namespaces/default/tables/events";

/// As Spark sends it: field ids from 0, no location.
pub(super) fn wanted(name: &str) -> Value {
    json!({
        "name": name, "location": null, "stage-create": false,
        "schema": {"type": "struct", "schema-id": 0, "fields": [
            {"id": 0, "name": "id", "type": "long", "required": true},
            {"id": 1, "name": "at", "type": "timestamptz", "required": false}]},
        "partition-spec": {"spec-id": 0, "fields": [
            {"source-id": 1, "field-id": 1000, "name": "day", "transform": "day"}]},
        "write-order": {"order-id": 1, "fields": [
            {"source-id": 0, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]},
        "properties": {"owner": "me", "format-version": "2"},
    })
}

impl World {
    pub(super) fn events(&self) -> Value {
        self.posted(TABLES, &wanted("events"))
    }

    pub(super) fn access(&self, answer: &Value) -> lake_api::scope::Access {
        let id = answer["config"]["s3.access-key-id"].as_str().unwrap();
        lake_api::storage_key::claimed(&self.keys, id).unwrap().grant.access
    }

    pub(super) fn send_keyed(&self, method: &str, target: &str, key: &str, body: &Value) -> RestResponse {
        self.send_as(&keyed(method, target, key, body), &claims("all"))
    }
}

#[test]
fn a_table_is_made_with_new_ids_and_credentials_to_write() {
    let world = world();
    let made = world.events();
    let metadata = &made["metadata"];
    assert_eq!(metadata["location"], "s3://lakehouse/warehouse/default/events");
    assert_eq!(metadata["schemas"][0]["fields"][0]["id"], 1);
    assert_eq!(metadata["partition-specs"][0]["fields"][0]["source-id"], 2);
    assert_eq!(metadata["sort-orders"][0]["fields"][0]["source-id"], 1);
    assert_eq!((&metadata["default-sort-order-id"], &metadata["last-column-id"]), (&json!(1), &json!(2)));
    assert_eq!(metadata["properties"], json!({"owner": "me"}));
    assert_eq!(metadata.get("current-snapshot-id"), None);
    assert_eq!(world.access(&made), lake_api::scope::Access::Write);
    let loaded = world.get(EVENTS);
    assert_eq!((&loaded["metadata"], &loaded["metadata-location"]), (metadata, &made["metadata-location"]));
    world.refused(TABLES, &wanted("events"), 409, "AlreadyExistsException", "Table already exists: default.events");
    world.refused(
        "/v1/namespaces/no/tables",
        &wanted("t"),
        404,
        "NoSuchNamespaceException",
        "Namespace does not exist: no",
    );
}

#[test]
fn formats_1_to_3_are_made_and_no_other() {
    let world = world();
    for format in 1..=3 {
        let mut body = wanted(&format!("v{format}"));
        body["properties"]["format-version"] = json!(format.to_string());
        let metadata = world.posted(TABLES, &body)["metadata"].clone();
        assert_eq!(metadata["format-version"], format);
        assert_eq!(metadata.get("next-row-id").is_some(), format == 3);
        assert_eq!(metadata.get("schema").is_some(), format == 1);
        assert_eq!(metadata.get("last-sequence-number").is_some(), format > 1);
    }
    let mut body = wanted("v4");
    body["properties"]["format-version"] = json!("4");
    world.refused(TABLES, &body, 400, "BadRequestException", "Unsupported format version");
    body["properties"] = json!({"a": 1});
    world.refused(TABLES, &body, 400, "BadRequestException", "a");
    world.refused(TABLES, &json!({"name": "x"}), 400, "BadRequestException", "schema");
    world.refused(TABLES, &json!({"name": "", "schema": body["schema"]}), 400, "BadRequestException", "empty");
}

#[test]
fn who_may_only_read_makes_nothing_and_learns_nothing() {
    let world = world();
    world.events();
    for scope in ["lake:read", "table:default.other:write", "namespace:sales:write"] {
        for name in ["events", "nothing"] {
            assert_eq!(world.post(scope, TABLES, &wanted(name)).0, 403, "{scope} {name}");
            let target = format!("{TABLES}/{name}");
            assert_eq!(world.post(scope, &target, &json!({"requirements": [], "updates": []})).0, 403, "{scope}");
            world.check(scope, "DELETE", &target, 403);
            world.check(scope, "POST", &format!("{target}/undrop"), 403);
            world.check(scope, "POST", &format!("{target}/unregister"), 403);
        }
    }
    let loaded = world.send("table:default.events:read", "GET", EVENTS).body;
    assert_eq!(world.access(&serde_json::from_slice(&loaded).unwrap()), lake_api::scope::Access::Read);
    assert_eq!(world.access(&world.get("/v1/namespaces/default/tables/orders")), lake_api::scope::Access::Read);
}

#[test]
fn a_place_that_is_asked_for_is_given_if_a_table_can_have_it() {
    let world = world();
    let digits = "0123456789abcdef0123456789abcdef";
    let check = |scope: &str, location: &str, is_given: bool| {
        let mut body = wanted("t");
        body["location"] = json!(location);
        body["stage-create"] = json!(true);
        let (status, answer) = world.post(scope, TABLES, &body);
        assert_eq!(status, 200, "{answer}");
        let given = answer["metadata"]["location"].as_str().unwrap();
        assert_eq!(given == location.trim_end_matches('/'), is_given, "{scope}: {location} {given}");
        let prefix = answer["storage-credentials"][0]["prefix"].as_str().unwrap();
        assert_eq!(prefix, format!("{given}/"));
        assert_eq!(answer.get("metadata-location"), None);
    };
    let all = "all";
    let one = "table:default.t:write";
    check(all, &format!("s3://lakehouse/warehouse/default/t-{digits}"), true);
    check(one, &format!("s3://lakehouse/warehouse/default/t-{digits}"), true);
    // A database may be about to put a table there, and credentials go out before anything is stored.
    check(all, "s3://lakehouse/warehouse/default/mine/", false);
    check(one, "s3://lakehouse/warehouse/default/mine", false);
    check(one, &format!("s3://lakehouse/warehouse/default/u-{digits}"), false);
    for elsewhere in [
        "s3://lakehouse/warehouse/default",
        "s3://lakehouse/warehouse/default/",
        "s3://lakehouse/warehouse/sales/t",
        "s3://lakehouse/warehouse/default/orders",
        "s3://lakehouse/warehouse/default/orders/data",
        "s3://lakehouse/warehouse/default/../sales/t",
        "s3://lakehouse/warehouse/default/a//b",
        "s3://lakehouse/warehouse/default/a%2fb",
        "s3://other/warehouse/default/t",
        "file:/elsewhere/t",
    ] {
        check(all, elsewhere, false);
    }
}

#[test]
fn a_place_that_is_asked_for_is_given_if_the_table_is_made_there_at_once() {
    let world = world();
    let mut body = wanted("t");
    body["location"] = json!("s3://lakehouse/warehouse/default/mine/");
    assert_eq!(world.posted(TABLES, &body)["metadata"]["location"], "s3://lakehouse/warehouse/default/mine");
}

#[test]
fn a_table_of_a_database_lies_around_no_other_and_in_no_place_that_was_promised() {
    let world = world();
    let digits = "0123456789abcdef0123456789abcdef";
    let mut body = wanted("inner");
    body["location"] = json!("s3://lakehouse/warehouse/default/invoices/x");
    world.posted(TABLES, &body);
    let promised = format!("t-{digits}");
    for (name, folder) in [("invoices", "invoices.2".to_owned()), (promised.as_str(), format!("{promised}.2"))] {
        let schema = json!({"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "id", "type": "long", "required": true}]});
        let wanted = EnsureTable {
            table: TableName { namespace: "default".into(), name: name.into() },
            schema: serde_json::from_value(schema).unwrap(),
            partition_spec: serde_json::from_value(json!({"fields": []})).unwrap(),
            properties: [].into(),
            created_ms: NOW / 1_000,
            epoch: 1,
        };
        let made = run(world.catalog.ensure_table(&world.store, &SeededRandom::new(3), NOW, &wanted)).unwrap();
        assert_eq!(made.metadata.location(), format!("s3://lakehouse/warehouse/default/{folder}"));
    }
}

#[test]
fn two_tables_that_are_made_at_the_same_time_do_not_lie_in_each_other() {
    let world = world();
    let requests = ["around", "around/inner"].map(|place| {
        let mut body = wanted(&place.replace('/', "_"));
        body["location"] = json!(format!("s3://lakehouse/warehouse/default/{place}"));
        RestRequest { body: body.to_string().into_bytes(), ..request("POST", TABLES) }
    });
    let claims = claims("all");
    let random = SeededRandom::new(8);
    world.store.set_yields(2);
    let answers =
        requests.iter().map(|request| world.catalog.respond(request, &claims, &world.keys, &world.store, &random, NOW));
    let made: Vec<String> = run(futures::future::join_all(answers))
        .iter()
        .map(|answer| serde_json::from_slice::<Value>(&answer.body).unwrap()["metadata"]["location"].to_string())
        .collect();
    assert_eq!(made[0], r#""s3://lakehouse/warehouse/default/around""#);
    assert_eq!(made[1], r#""s3://lakehouse/warehouse/default/around_inner""#);
}

#[test]
fn a_location_is_never_used_twice() {
    let world = world();
    let first = world.events();
    world.check("all", "DELETE", EVENTS, 204);
    let second = world.events();
    assert_eq!(second["metadata"]["location"], "s3://lakehouse/warehouse/default/events.2");
    assert_ne!(first["metadata"]["table-uuid"], second["metadata"]["table-uuid"]);
}

#[test]
fn a_dropped_table_is_gone_and_can_come_back() {
    let world = world();
    let made = world.events();
    world.check("all", "DELETE", &format!("{EVENTS}?purgeRequested=False"), 204);
    world.check("all", "GET", EVENTS, 404);
    world.check("all", "DELETE", EVENTS, 404);
    let dropped = world.get("/v1/namespaces/default/dropped-tables");
    assert_eq!((&dropped["dropped"][0]["name"], dropped["dropped"].as_array().unwrap().len()), (&json!("events"), 1));
    let back = world.posted(&format!("{EVENTS}/undrop"), &json!({}));
    assert_eq!(back["metadata"], made["metadata"]);
    assert_eq!(world.get(EVENTS)["metadata"], made["metadata"]);
    assert_eq!(world.get("/v1/namespaces/default/dropped-tables")["dropped"], json!([]));
    world.refused(&format!("{EVENTS}/undrop"), &json!({}), 409, "AlreadyExistsException", "Table already exists");
    world.check("all", "DELETE", &format!("{EVENTS}?purgeRequested=maybe"), 400);
}

#[test]
fn a_table_comes_back_once_however_often_it_is_asked_for_and_whole_or_not() {
    let world = world();
    let made = world.events();
    world.check("all", "DELETE", EVENTS, 204);
    let fresh = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
    let world = World { catalog: fresh, ..world };
    let undrop = format!("{EVENTS}/undrop");
    world.store.fail_next_get();
    assert_eq!(world.send_keyed("POST", &undrop, KEY, &json!({})).status, 503);
    // It said that nothing was changed.
    world.check("all", "HEAD", EVENTS, 404);
    for _ in 0..2 {
        let back = world.send_keyed("POST", &undrop, KEY, &json!({}));
        assert_eq!(back.status, 200);
        assert_eq!(serde_json::from_slice::<Value>(&back.body).unwrap()["metadata"], made["metadata"]);
    }
}

#[test]
fn a_purged_table_loses_its_files_and_cannot_come_back() {
    let world = world();
    world.events();
    world.store.place("warehouse/default/events/data/a.parquet", b"rows");
    world.store.place("warehouse/default/events.2/data/b.parquet", b"another's");
    world.check("all", "DELETE", &format!("{EVENTS}?purgeRequested=True"), 204);
    let left: Vec<String> = world.store.keys().into_iter().filter(|key| key.contains("/events")).collect();
    assert_eq!(left, ["warehouse/default/events.2/data/b.parquet"]);
    // Trino asks again when the answer was lost.
    world.check("all", "DELETE", &format!("{EVENTS}?purgeRequested=true"), 204);
    world.check("all", "DELETE", EVENTS, 404);
    world.refused(&format!("{EVENTS}/undrop"), &json!({}), 404, "NoSuchTableException", "does not exist");
}

#[test]
fn a_purge_that_died_goes_on() {
    for point in ["before catalog: purge an object", "after catalog: purge an object", "after catalog: drop a table"] {
        let world = world();
        world.events();
        for at in 0..3 {
            world.store.place(&format!("warehouse/default/events/data/{at}.parquet"), b"rows");
        }
        arm_fault(point, 0);
        let died = alive(|| world.send("all", "DELETE", &format!("{EVENTS}?purgeRequested=true")));
        assert_eq!(died.err().map(|Died(name)| name), Some(point));
        disarm_faults();
        world.check("all", "GET", EVENTS, 404);
        let fresh = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
        run(fresh.purge_step(&world.store, NOW)).unwrap();
        assert!(world.store.keys().iter().all(|key| !key.contains("/events/")), "{point}");
        assert!(world.catalog.storage.keys(b"p/").is_empty(), "{point}");
    }
}

#[test]
fn a_table_gets_another_name_and_stays_where_it_is() {
    let world = world();
    let made = world.events();
    let rename = |from: &str, to: &str, namespace: &str| json!({"source": {"namespace": ["default"], "name": from}, "destination": {"namespace": [namespace], "name": to}});
    let target = "/v1/tables/rename";
    world.refused(
        target,
        &rename("events", "orders", "default"),
        409,
        "AlreadyExistsException",
        "Table already exists: default.orders",
    );
    world.refused(
        target,
        &rename("nothing", "x", "default"),
        404,
        "NoSuchTableException",
        "Table does not exist: default.nothing",
    );
    world.refused(
        target,
        &rename("events", "x", "nothing"),
        404,
        "NoSuchNamespaceException",
        "Namespace does not exist: nothing",
    );
    world.refused(target, &rename("orders", "x", "default"), 403, "ForbiddenException", "databases that feed it");
    world.posted(target, &rename("events", "renamed", "sales"));
    world.check("all", "GET", EVENTS, 404);
    let loaded = world.get("/v1/namespaces/sales/tables/renamed");
    assert_eq!(loaded["metadata"], made["metadata"]);
    let hint = world.catalog.version_hint("warehouse/default/events").unwrap().unwrap();
    assert!(loaded["metadata-location"].as_str().unwrap().contains(&hint.text));
    let both = "table:default.events:write";
    assert_eq!(world.post(both, target, &rename("events", "x", "default")).0, 403);
}

#[test]
fn a_table_is_registered_by_its_metadata() {
    let world = world();
    let made = world.events();
    let location = made["metadata-location"].as_str().unwrap();
    let target = "/v1/namespaces/default/register";
    let body = |name: &str, location: &str| json!({"name": name, "metadata-location": location});
    world.refused(target, &body("events", location), 409, "AlreadyExistsException", "Table already exists");
    world.refused(target, &body("copy", location), 400, "BadRequestException", "Another table");
    world.check("all", "DELETE", EVENTS, 204);
    let (status, _) = world.post("table:default.copy:write", target, &body("copy", location));
    assert_eq!(status, 403);
    let registered = world.posted(target, &body("copy", location));
    assert_eq!((&registered["metadata"], &registered["metadata-location"]), (&made["metadata"], &json!(location)));
    assert_eq!(world.access(&registered), lake_api::scope::Access::Write);
    // Its files are another table's now.
    world.refused(&format!("{EVENTS}/undrop"), &json!({}), 404, "NoSuchTableException", "does not exist");
    let mut again = body("copy", location);
    again["overwrite"] = json!(true);
    assert_eq!(world.posted(target, &again)["metadata"], made["metadata"]);
}

#[test]
fn a_metadata_file_that_claims_too_much_is_not_registered() {
    let world = world();
    let made = world.events();
    world.check("all", "DELETE", EVENTS, 204);
    let check = |change: fn(&mut Value), at: &str| {
        let mut metadata = made["metadata"].clone();
        change(&mut metadata);
        world.store.place(at, metadata.to_string().as_bytes());
        let body = json!({"name": "evil", "metadata-location": format!("s3://lakehouse/{at}")});
        let (status, answer) = world.post("all", "/v1/namespaces/default/register", &body);
        assert!(matches!(status, 400 | 403), "{at}: {answer}");
    };
    let file = "warehouse/default/events/metadata/x.metadata.json";
    check(|metadata| metadata["location"] = json!("s3://lakehouse/warehouse"), file);
    check(|metadata| metadata["location"] = json!("s3://lakehouse/warehouse/default"), file);
    check(|metadata| metadata["location"] = json!("s3://lakehouse/warehouse/default/orders"), file);
    check(|metadata| metadata["location"] = json!("s3://elsewhere/x"), file);
    check(|metadata| metadata["schemas"] = json!([]), file);
    check(|metadata| metadata["format-version"] = json!(9), file);
    check(|_| {}, "_lake/x.metadata.json");
    let missing =
        json!({"name": "evil", "metadata-location": "s3://lakehouse/warehouse/default/events/metadata/no.json"});
    world.refused("/v1/namespaces/default/register", &missing, 400, "BadRequestException", "no metadata file");
}

#[test]
fn a_table_whose_ids_are_used_up_is_given_no_other() {
    let check = |change: &dyn Fn(&mut Value), update: Value, words: &str| {
        let world = world();
        let mut metadata = world.events()["metadata"].clone();
        world.check("all", "DELETE", EVENTS, 204);
        change(&mut metadata);
        let file = "warehouse/default/events/metadata/x.metadata.json";
        world.store.place(file, metadata.to_string().as_bytes());
        let body = json!({"name": "events", "metadata-location": format!("s3://lakehouse/{file}")});
        world.posted("/v1/namespaces/default/register", &body);
        let body = json!({"requirements": [], "updates": [update]});
        world.refused(EVENTS, &body, 400, "BadRequestException", words);
        // What the table has already needs no id.
        let known = json!([
            {"action": "add-schema", "schema": metadata["schemas"][0]},
            {"action": "add-spec", "spec": metadata["partition-specs"][0]},
            {"action": "add-sort-order", "sort-order": metadata["sort-orders"][0]}]);
        let known = world.posted(EVENTS, &json!({"requirements": [], "updates": known}));
        assert_eq!(known["metadata"]["schemas"], metadata["schemas"]);
    };
    let schema = json!({"action": "add-schema", "schema": {"type": "struct", "fields": [
        {"id": 1, "name": "other", "type": "long", "required": true}]}});
    let spec = add_spec(json!({"source-id": 1, "field-id": 1000, "name": "part", "transform": "bucket[4]"}));
    let unnumbered = add_spec(json!({"source-id": 1, "name": "part", "transform": "bucket[4]"}));
    let order = json!({"action": "add-sort-order", "sort-order": {"order-id": 2, "fields": [
        {"source-id": 2, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]}});
    for last in [i64::from(i32::MAX), i64::MAX] {
        let words = |name: &str| format!("Cannot give an id after {name} {last}");
        let set = |list: &'static str, id: &'static str, chosen: &'static str| {
            move |metadata: &mut Value| {
                metadata[list][0][id] = json!(last);
                metadata[chosen] = json!(last);
            }
        };
        check(&set("schemas", "schema-id", "current-schema-id"), schema.clone(), &words("schema-id"));
        check(&set("partition-specs", "spec-id", "default-spec-id"), spec.clone(), &words("spec-id"));
        check(&set("sort-orders", "order-id", "default-sort-order-id"), order.clone(), &words("order-id"));
        let set = |metadata: &mut Value| metadata["last-partition-id"] = json!(last);
        check(&set, unnumbered.clone(), &words("field-id"));
    }
}

fn add_spec(field: Value) -> Value {
    json!({"action": "add-spec", "spec": {"spec-id": 1, "fields": [field]}})
}

#[test]
fn the_id_of_a_partition_field_can_be_the_last_one_and_no_larger() {
    let world = world();
    world.events();
    let add = |transform: &str, id: Option<i64>| {
        let mut field = json!({"source-id": 1, "name": "part", "transform": transform});
        if let Some(id) = id {
            field["field-id"] = json!(id);
        }
        json!({"requirements": [], "updates": [add_spec(field)]})
    };
    let last = i64::from(i32::MAX);
    let bad = "BadRequestException";
    for id in [last + 1, i64::MAX, i64::MIN] {
        world.refused(EVENTS, &add("bucket[4]", Some(id)), 400, bad, "Cannot parse field-id to an integer");
    }
    let made = world.posted(EVENTS, &add("bucket[4]", Some(last)));
    assert_eq!(made["metadata"]["last-partition-id"], last);
    world.refused(EVENTS, &add("bucket[8]", None), 400, bad, "Cannot give an id after field-id 2147483647");
}

#[test]
fn an_unregistered_table_is_told_for_the_last_time() {
    let world = world();
    let made = world.events();
    let told = world.posted(&format!("{EVENTS}/unregister"), &json!({}));
    assert_eq!((&told["metadata"], &told["metadata-location"]), (&made["metadata"], &made["metadata-location"]));
    world.check("all", "GET", EVENTS, 404);
    world.check("all", "POST", &format!("{EVENTS}/unregister"), 404);
}

#[test]
fn a_table_that_is_known_is_not_sent_again() {
    let world = world();
    world.events();
    let ask = |target: &str, known: Option<&str>| {
        let mut load = request("GET", target);
        load.headers.extend(known.map(|known| ("if-none-match".to_owned(), known.to_owned())));
        let response =
            run(world.catalog.respond(&load, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
        let tag = response.headers.iter().find(|(name, _)| name == "etag").map(|(_, tag)| tag.clone());
        (response.status, tag.unwrap(), response.body.is_empty())
    };
    let (status, tag, _) = ask(EVENTS, None);
    assert_eq!(status, 200);
    assert_eq!(ask(EVENTS, Some(&tag)), (304, tag.clone(), true));
    assert_eq!(ask(EVENTS, Some(&format!("\"x\", W/{tag}"))).0, 304);
    assert_eq!(ask(EVENTS, Some("\"x\"")).0, 200);
    assert_eq!(ask(&format!("{EVENTS}?snapshots=refs"), Some(&tag)).0, 200);
    world.posted(
        EVENTS,
        &json!({"requirements": [], "updates": [
        {"action": "set-properties", "updates": {"a": "b"}}]}),
    );
    assert_eq!(ask(EVENTS, Some(&tag)).0, 200);
}

#[test]
fn the_same_request_under_one_key_is_carried_out_once() {
    let world = world();
    let made = world.send_keyed("POST", TABLES, KEY, &wanted("events"));
    let again = world.send_keyed("POST", TABLES, KEY, &wanted("events"));
    let json = |response: &RestResponse| serde_json::from_slice::<Value>(&response.body).unwrap();
    assert_eq!((made.status, again.status), (200, 200));
    assert_eq!(json(&made)["metadata"], json(&again)["metadata"]);
    let other = world.send_keyed("POST", TABLES, KEY, &wanted("other"));
    assert_eq!((other.status, &json(&other)["error"]["type"]), (400, &json!("BadRequestException")));
    world.check("all", "HEAD", "/v1/namespaces/default/tables/other", 404);
    for key in ["no uuid", &KEY.replace('-', ""), &format!("{{{KEY}}}")] {
        assert_eq!(world.send_keyed("POST", TABLES, key, &wanted("other")).status, 400, "{key}");
    }
    let commit = json!({"requirements": [{"type": "assert-current-schema-id", "current-schema-id": 0}], "updates": [
        {"action": "add-schema", "schema": {"type": "struct", "fields": [
            {"id": 1, "name": "id", "type": "long", "required": true}]}},
        {"action": "set-current-schema", "schema-id": -1}]});
    let key = KEY.replace('0', "1");
    assert_eq!(world.send_keyed("POST", EVENTS, &key, &commit).status, 200);
    assert_eq!(world.send_keyed("POST", EVENTS, &key, &commit).status, 200);
    assert_eq!(world.post("all", EVENTS, &commit).0, 409);
    let key = KEY.replace('0', "2");
    assert_eq!(world.send_keyed("DELETE", EVENTS, &key, &json!(null)).status, 204);
    assert_eq!(world.send_keyed("DELETE", EVENTS, &key, &json!(null)).status, 204);
}

#[test]
fn a_table_of_a_database_moves_the_table_of_an_engine_aside() {
    let world = world();
    world.events();
    let wanted = EnsureTable {
        table: TableName { namespace: "default".into(), name: "events".into() },
        schema: serde_json::from_value(json!({"type": "struct", "fields": []})).unwrap(),
        partition_spec: serde_json::from_value(json!({"fields": []})).unwrap(),
        properties: [].into(),
        created_ms: NOW / 1_000,
        epoch: 1,
    };
    let of_engine = world.get(EVENTS)["metadata"]["table-uuid"].clone();
    let made = run(world.catalog.ensure_table(&world.store, &SeededRandom::new(3), NOW, &wanted)).unwrap();
    assert_eq!(world.get(EVENTS)["metadata"]["table-uuid"], json!(made.metadata.uuid()));
    let aside = world.get("/v1/namespaces/default/tables/events_moved");
    assert_eq!(aside["metadata"]["table-uuid"], of_engine);
    assert_eq!(
        world
            .post(
                "all",
                "/v1/namespaces/default/tables/events_moved",
                &json!({"requirements": [], "updates": [
        {"action": "set-properties", "updates": {"a": "b"}}]})
            )
            .0,
        200
    );
}

#[test]
fn only_a_table_of_engines_and_what_shows_nothing_is_answered_without_asking_the_lake() {
    let world = world();
    world.events();
    let check = |method: &str, path: &str, expected: bool| {
        assert_eq!(world.catalog.shows_lakes(method, path).unwrap(), expected, "{method} {path}");
    };
    check("GET", EVENTS, false);
    check("HEAD", EVENTS, false);
    check("GET", "/v1/namespaces/default/tables/orders", true);
    // The lake may be about to make it.
    check("GET", "/v1/namespaces/default/tables/unknown", true);
    check("GET", TABLES, true);
    check("POST", "/v1/namespaces/default/tables/orders", false);
    check("GET", "/v1/config", false);
    check("GET", "/nowhere", false);
}
