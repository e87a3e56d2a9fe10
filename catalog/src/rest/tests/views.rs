//! Views as clients make, change and drop them.

use lake_host::{alive, arm_fault, disarm_faults, reached_faults};

use super::*;
use crate::limits::{VIEW_BYTES_MAX, VIEW_VERSIONS_MAX};

const VIEWS: &str = "/v1/namespaces/default/views";
const VIEW: &str = "/v1/namespaces/default/views/v";

fn schema(id: i32, column: &str) -> Value {
    json!({"type": "struct", "schema-id": id, "fields": [{"id": 0, "name": column, "type": "int", "required": true}]})
}

fn version(id: i32, schema_id: i32, dialect: &str, sql: &str) -> Value {
    json!({
        "version-id": id, "schema-id": schema_id, "timestamp-ms": NOW / 1_000, "summary": {"engine-name": "spark"},
        "default-namespace": ["default"], "representations": [{"type": "sql", "sql": sql, "dialect": dialect}]})
}

pub(super) fn new_view(name: &str) -> Value {
    json!({"name": name, "schema": schema(7, "a"), "view-version": version(5, 7, "spark", "select 1"),
        "properties": {"comment": "c"}})
}

fn replace(version: &Value, schema: &Value) -> Value {
    json!({"updates": [
        {"action": "add-schema", "schema": schema}, {"action": "add-view-version", "view-version": version},
        {"action": "set-current-view-version", "view-version-id": -1}]})
}

/// Makes the view default.v.
pub(super) fn make(world: &World) {
    world.posted(VIEWS, &new_view("v"));
}

fn world_with_view() -> World {
    let world = world();
    make(&world);
    world
}

impl World {
    fn metadata(&self) -> Value {
        self.get(VIEW)["metadata"].clone()
    }

    fn commit(&self, body: &Value) -> Value {
        self.posted(VIEW, body)["metadata"].clone()
    }
}

#[test]
fn a_view_is_made_and_loaded() {
    let world = world();
    let made = world.posted(VIEWS, &new_view("v"));
    assert_eq!(made, world.get(VIEW));
    let metadata = &made["metadata"];
    assert_eq!((&metadata["format-version"], &metadata["current-version-id"]), (&json!(1), &json!(1)));
    assert_eq!(metadata["properties"], json!({"comment": "c"}));
    assert_eq!(metadata["view-uuid"].as_str().unwrap().len(), 36);
    assert_eq!(metadata["version-log"], json!([{"timestamp-ms": NOW / 1_000, "version-id": 1}]));
    let location = metadata["location"].as_str().unwrap();
    assert!(location.starts_with("s3://lakehouse/warehouse/default/v.view-"), "{location}");
    let file = made["metadata-location"].as_str().unwrap();
    assert!(file.contains("/warehouse/default/v.view-") && file.ends_with(".metadata.json"), "{file}");
    world.check("all", "HEAD", VIEW, 204);
}

#[test]
fn the_schema_of_a_version_is_one_of_those_answered() {
    let metadata = world_with_view().metadata();
    assert_eq!(metadata["schemas"], json!([schema(0, "a")]));
    assert_eq!(metadata["versions"][0]["schema-id"], 0);
    assert_eq!(metadata["versions"][0]["version-id"], 1);
}

#[test]
fn a_location_that_is_asked_for_is_only_text() {
    let world = world();
    let mut asked = new_view("v");
    asked["location"] = json!("file:/elsewhere/x");
    let made = world.posted(VIEWS, &asked);
    assert_eq!(made["metadata"]["location"], "file:/elsewhere/x");
    assert!(made["metadata-location"].as_str().unwrap().starts_with("s3://lakehouse/warehouse/default/v.view-"));
    let moved = world.commit(&json!({"updates": [{"action": "set-location", "location": "s3://other/y"}]}));
    assert_eq!((&moved["location"], &moved["versions"]), (&json!("s3://other/y"), &made["metadata"]["versions"]));
}

#[test]
fn a_view_and_a_table_do_not_share_a_name() {
    let world = world_with_view();
    let exists = "AlreadyExistsException";
    world.refused(VIEWS, &new_view("v"), 409, exists, "View already exists: default.v");
    world.refused(VIEWS, &new_view("orders"), 409, exists, "Table with same name already exists: default.orders");
    let table = TableName { namespace: "default".into(), name: "v".into() };
    assert!(crate::storage::view::view_exists(&world.catalog.storage, &table).unwrap());
}

#[test]
fn what_cannot_be_a_view_is_refused() {
    let world = world();
    let bad = "BadRequestException";
    world.refused("/v1/namespaces/nothing/views", &new_view("v"), 404, "NoSuchNamespaceException", "nothing");
    world.refused(VIEWS, &new_view(""), 400, bad, "name");
    world.refused(VIEWS, &json!({"name": "v"}), 400, bad, "schema");
    let mut twice = new_view("v");
    twice["view-version"]["representations"] = json!([
        {"type": "sql", "sql": "a", "dialect": "trino"}, {"type": "sql", "sql": "b", "dialect": "TRINO"}]);
    let argument = "IllegalArgumentException";
    world.refused(VIEWS, &twice, 400, argument, "Invalid view version: Cannot add multiple queries for dialect trino");
    let mut empty = new_view("v");
    empty["view-version"]["representations"] = json!([]);
    world.refused(VIEWS, &empty, 400, argument, "without a query");
    let mut unknown = new_view("v");
    unknown["view-version"]["representations"] = json!([{"type": "rust", "sql": "b", "dialect": "x"}]);
    world.refused(VIEWS, &unknown, 400, bad, "rust");
    assert_eq!(world.get(VIEWS)["identifiers"], json!([]));
}

#[test]
fn a_version_is_added_and_becomes_the_current_one() {
    let world = world_with_view();
    let changed = world.commit(&replace(&version(2, -1, "spark", "select 2"), &schema(0, "b")));
    assert_eq!(changed["current-version-id"], 2);
    assert_eq!(changed["schemas"], json!([schema(0, "a"), schema(1, "b")]));
    assert_eq!((&changed["versions"][1]["schema-id"], changed["versions"].as_array().unwrap().len()), (&json!(1), 2));
    assert_eq!(changed["version-log"].as_array().unwrap().len(), 2);
    let back = world.commit(&json!({"updates": [{"action": "set-current-view-version", "view-version-id": 1}]}));
    assert_eq!((&back["current-version-id"], back["version-log"].as_array().unwrap().len()), (&json!(1), 3));
}

#[test]
fn a_commit_that_was_planned_earlier_still_holds() {
    let world = world_with_view();
    world.commit(
        &json!({"updates": [{"action": "set-properties", "updates": {"replace.drop-dialect.allowed": "true"}}]}),
    );
    world.commit(&replace(&version(2, -1, "trino", "select 2"), &schema(1, "b")));
    let both = world.commit(&replace(&version(2, -1, "spark", "select 3"), &schema(0, "a")));
    let versions = both["versions"].as_array().unwrap().iter();
    let ids = versions.map(|version| (version["version-id"].as_i64().unwrap(), version["schema-id"].as_i64().unwrap()));
    assert_eq!(ids.collect::<Vec<_>>(), [(1, 0), (2, 1), (3, 0)]);
    assert_eq!(both["current-version-id"], 3);
}

#[test]
fn ids_that_are_sent_mean_what_the_same_commit_added() {
    let world = world_with_view();
    world.commit(&replace(&version(2, -1, "spark", "select 2"), &schema(1, "b")));
    let literal = json!({"updates": [
        {"action": "add-schema", "schema": schema(1, "c")},
        {"action": "add-view-version", "view-version": version(2, 1, "spark", "select 3")},
        {"action": "set-current-view-version", "view-version-id": 2}]});
    let changed = world.commit(&literal);
    assert_eq!((&changed["current-version-id"], &changed["versions"][2]["schema-id"]), (&json!(3), &json!(2)));
}

#[test]
fn a_commit_that_is_sent_again_changes_nothing() {
    let world = world_with_view();
    let body = replace(&version(2, -1, "spark", "select 2"), &schema(1, "b"));
    let once = world.posted(VIEW, &body);
    assert_eq!(world.posted(VIEW, &body), once);
    assert_eq!(world.posted(VIEW, &json!({"updates": []})), once);
}

#[test]
fn requirements_are_checked() {
    let world = world_with_view();
    let uuid = world.metadata()["view-uuid"].clone();
    let with = |uuid: &Value| {
        json!({"requirements": [{"type": "assert-view-uuid", "uuid": uuid}],
            "updates": [{"action": "set-properties", "updates": {"a": "b"}}]})
    };
    assert_eq!(world.commit(&with(&uuid))["properties"]["a"], "b");
    let other = json!("00000000-0000-0000-0000-000000000000");
    world.refused(VIEW, &with(&other), 409, "CommitFailedException", "Requirement failed: view UUID does not match");
    let unknown = json!({"requirements": [{"type": "assert-moon"}], "updates": []});
    world.refused(VIEW, &unknown, 400, "BadRequestException", "assert-moon");
}

#[test]
fn bad_updates_are_refused() {
    let world = world_with_view();
    let before = world.metadata();
    for (update, message) in [
        (json!({"action": "drop-moon"}), "drop-moon"),
        (json!({"action": "assign-uuid", "uuid": "x"}), "Cannot reassign uuid"),
        (json!({"action": "upgrade-format-version", "format-version": 2}), "unsupported format version"),
        (json!({"action": "set-current-view-version", "view-version-id": 9}), "unknown version: 9"),
        (json!({"action": "set-current-view-version", "view-version-id": -1}), "Cannot set last version id"),
        (
            json!({"action": "add-view-version", "view-version": version(2, -1, "spark", "x")}),
            "no schema has been added",
        ),
        (json!({"action": "add-view-version", "view-version": version(2, 9, "spark", "x")}), "unknown schema: 9"),
        (json!({"action": "add-schema", "schema": {"type": "struct"}}), "SchemaEnum"),
        (
            json!({"action": "set-properties", "updates": {"version.history.num-entries": "0"}}),
            "must be positive but was 0",
        ),
    ] {
        let is_unread = matches!(message, "drop-moon" | "SchemaEnum");
        let name = if is_unread { "BadRequestException" } else { "IllegalArgumentException" };
        world.refused(VIEW, &json!({"updates": [update]}), 400, name, message);
    }
    let lost = replace(&version(2, -1, "trino", "select 2"), &schema(0, "a"));
    world.refused(VIEW, &lost, 400, "IllegalArgumentException", "loss of view dialects");
    assert_eq!(world.metadata(), before);
    let absent = json!({"updates": []});
    world.refused(
        "/v1/namespaces/default/views/no",
        &absent,
        404,
        "NoSuchViewException",
        "View does not exist: default.no",
    );
}

#[test]
fn properties_are_set_and_removed() {
    let world = world_with_view();
    let changed = world.commit(&json!({"updates": [
        {"action": "set-properties", "updates": {"a": "1", "b": "2"}},
        {"action": "remove-properties", "removals": ["comment", "a", "nothing"]},
        {"action": "upgrade-format-version", "format-version": 1}]}));
    assert_eq!(changed["properties"], json!({"b": "2"}));
    assert_eq!(changed["versions"].as_array().unwrap().len(), 1);
}

#[test]
fn old_versions_go_with_the_history_before_them() {
    let world = world_with_view();
    let size = |entries: &str| json!({"updates": [{"action": "set-properties", "updates": {"version.history.num-entries": entries}}]});
    world.commit(&size("2"));
    for number in 2..=4 {
        world.commit(&replace(&version(number, -1, "spark", &format!("select {number}")), &schema(0, "a")));
    }
    let metadata = world.metadata();
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|of| of["version-id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!((ids(&metadata["versions"]), ids(&metadata["version-log"])), (vec![3, 4], vec![3, 4]));
    world.commit(&size("1000000"));
    let adds = (0..=VIEW_VERSIONS_MAX as i32)
        .map(|number| json!({"action": "add-view-version", "view-version": version(number, 0, "spark", &format!("{number}"))}));
    world.refused(VIEW, &json!({"updates": adds.collect::<Vec<_>>()}), 400, "IllegalArgumentException", "at once");
}

#[test]
fn a_view_that_grows_over_the_bound_loses_its_oldest_versions() {
    let world = world_with_view();
    for number in 2..=4 {
        let sql = format!("select {number} -- {}", "x".repeat(VIEW_BYTES_MAX / 3));
        world.commit(&replace(&version(number, -1, "spark", &sql), &schema(0, "a")));
    }
    assert_eq!(world.metadata()["versions"].as_array().unwrap().len(), 2);
    assert_eq!(world.metadata()["current-version-id"], 4);
}

#[test]
fn views_are_listed_in_pages() {
    let world = world_with_view();
    world.posted(VIEWS, &new_view("w"));
    let listed = world.get(&format!("{VIEWS}?pageToken=&pageSize=1"));
    assert_eq!(listed["identifiers"], json!([{"namespace": ["default"], "name": "v"}]));
    let token = listed["next-page-token"].as_str().unwrap();
    let rest = world.get(&format!("{VIEWS}?pageToken={token}&pageSize=1"));
    assert_eq!(rest["identifiers"], json!([{"namespace": ["default"], "name": "w"}]));
    assert_eq!(world.get("/v1/namespaces/default/tables")["identifiers"].as_array().unwrap().len(), 2);
    world.check("all", "GET", "/v1/namespaces/nothing/views", 404);
}

#[test]
fn a_view_is_dropped_once() {
    let world = world_with_view();
    world.check("all", "DELETE", VIEW, 204);
    world.check("all", "DELETE", VIEW, 404);
    world.check("all", "HEAD", VIEW, 404);
    world.check("all", "GET", VIEW, 404);
    world.posted(VIEWS, &new_view("v"));
}

fn rename(from: &str, namespace: &str, to: &str) -> Value {
    json!({"source": {"namespace": ["default"], "name": from}, "destination": {"namespace": [namespace], "name": to}})
}

#[test]
fn a_view_is_renamed_also_into_another_namespace() {
    let world = world_with_view();
    let before = world.get(VIEW);
    world.posted("/v1/views/rename", &rename("v", "sales", "w"));
    world.check("all", "HEAD", VIEW, 404);
    assert_eq!(world.get("/v1/namespaces/sales/views/w"), before);
    world.posted(
        "/v1/namespaces/sales/views/w",
        &json!({"updates": [
        {"action": "set-properties", "updates": {"a": "1"}}]}),
    );
}

#[test]
fn a_view_is_not_renamed_over_something() {
    let world = world_with_view();
    world.posted(VIEWS, &new_view("w"));
    let (target, exists) = ("/v1/views/rename", "AlreadyExistsException");
    world.refused(
        target,
        &rename("v", "default", "w"),
        409,
        exists,
        "Cannot rename default.v to default.w. View already exists",
    );
    let table = "Cannot rename default.v to default.orders. Table already exists";
    world.refused(target, &rename("v", "default", "orders"), 409, exists, table);
    world.refused(target, &rename("v", "no", "w"), 404, "NoSuchNamespaceException", "Namespace does not exist: no");
    world.refused(target, &rename("no", "default", "x"), 404, "NoSuchViewException", "View does not exist: default.no");
}

#[test]
fn a_table_is_not_renamed_over_a_view() {
    let world = world_with_view();
    world.posted("/v1/namespaces/default/tables", &json!({"name": "t", "schema": schema(0, "a")}));
    let message = "Cannot rename default.t to default.v. View already exists";
    world.refused("/v1/tables/rename", &rename("t", "default", "v"), 409, "AlreadyExistsException", message);
}

/// Dies before or after each durable effect of a change, wakes, and sends it again.
fn check_dying(method: &str, target: &str, body: &Value, again: &[u16], holds: fn(&World) -> bool) {
    let places: Vec<&str> = {
        let world = world_with_view();
        let before = reached_faults();
        let (status, _) = world.send_body("all", method, target, body.to_string().as_bytes());
        assert!(status < 300, "{method} {target}: {status}");
        let is_new = |place: &&str, count: u64| before.get(place).copied().unwrap_or_default() < count;
        reached_faults().into_iter().filter(|(place, count)| is_new(place, *count)).map(|(place, _)| place).collect()
    };
    assert!(places.len() >= 2, "{places:?}");
    for place in places {
        let mut world = world_with_view();
        arm_fault(place, 0);
        let request = RestRequest { body: body.to_string().into_bytes(), ..request(method, target) };
        let (claims, random) = (claims("all"), SeededRandom::new(77));
        let respond = || run(world.catalog.respond(&request, &claims, &world.keys, &world.store, &random, NOW));
        assert!(alive(respond).is_err(), "{place}");
        disarm_faults();
        let settings = world.catalog.settings.clone();
        world.catalog = Catalog::open(world.catalog.storage.clone(), settings).unwrap();
        let (status, answer) = world.send_body("all", method, target, body.to_string().as_bytes());
        assert!(again.contains(&status), "{place}: {status} {}", String::from_utf8_lossy(&answer));
        assert!(holds(&world), "{place}");
    }
}

#[test]
fn a_change_that_dies_half_way_is_made_whole_by_sending_it_again() {
    check_dying("POST", VIEWS, &new_view("w"), &[200, 409], |world| {
        world.send("all", "HEAD", "/v1/namespaces/default/views/w").status == 204
    });
    check_dying("POST", VIEW, &replace(&version(2, -1, "spark", "select 2"), &schema(1, "b")), &[200], |world| {
        world.metadata()["versions"].as_array().unwrap().len() == 2
    });
    check_dying("POST", "/v1/views/rename", &rename("v", "sales", "w"), &[204, 404], |world| {
        let there = |target: &str| world.send("all", "HEAD", target).status;
        (there(VIEW), there("/v1/namespaces/sales/views/w")) == (404, 204)
    });
    check_dying("DELETE", VIEW, &json!({}), &[204, 404], |world| world.send("all", "HEAD", VIEW).status == 404);
    check_dying("POST", "/v1/namespaces", &json!({"namespace": ["n"]}), &[200, 409], |world| {
        world.send("all", "HEAD", "/v1/namespaces/n").status == 204
    });
}

#[test]
fn a_dropped_view_is_registered_again() {
    let world = world_with_view();
    let before = world.get(VIEW);
    let register = "/v1/namespaces/default/register-view";
    let asked = json!({"name": "v", "metadata-location": before["metadata-location"]});
    world.refused(register, &asked, 409, "AlreadyExistsException", "View already exists: default.v");
    world.check("all", "DELETE", VIEW, 204);
    assert_eq!(world.posted(register, &asked), before);
    world.commit(&json!({"updates": [{"action": "set-properties", "updates": {"a": "1"}}]}));
    assert_eq!(world.metadata()["properties"]["a"], "1");
}

#[test]
fn only_a_view_in_reach_is_registered() {
    let world = world_with_view();
    let register = "/v1/namespaces/sales/register-view";
    let at = |location: &str| json!({"name": "w", "metadata-location": location});
    let bad = "BadRequestException";
    for location in [
        "file:/etc/passwd",
        "s3://other/warehouse/sales/x",
        "s3://lakehouse/_lake/commits/1",
        "s3://lakehouse/warehouse/../_lake/x",
        "s3://lakehouse/warehousex/y",
    ] {
        world.refused(register, &at(location), 400, bad, "not in the warehouse");
    }
    world.refused(
        register,
        &at("s3://lakehouse/warehouse/sales/no.json"),
        404,
        "NotFoundException",
        "Location does not exist",
    );
    let table = world.get("/v1/namespaces/sales/tables/orders")["metadata-location"].clone();
    world.refused(register, &at(table.as_str().unwrap()), 400, bad, "view's metadata.json");
    let foreign = world.get(VIEW)["metadata-location"].clone();
    assert_eq!(world.post("namespace:sales:write", register, &at(foreign.as_str().unwrap())).0, 403);
    world.posted(register, &at(foreign.as_str().unwrap()));
}

#[test]
fn a_namespace_with_a_view_is_not_dropped() {
    let world = world();
    world.posted("/v1/namespaces", &json!({"namespace": ["shop"]}));
    world.posted("/v1/namespaces/shop/views", &new_view("v"));
    world.check("all", "DELETE", "/v1/namespaces/shop", 409);
    world.check("all", "DELETE", "/v1/namespaces/shop/views/v", 204);
    world.check("all", "DELETE", "/v1/namespaces/shop", 204);
}

#[test]
fn a_view_is_read_and_changed_by_whose_scopes_name_it() {
    let world = world_with_view();
    world.check("table:default.v:read", "GET", VIEW, 200);
    world.check("table:default.v:read", "DELETE", VIEW, 403);
    world.check("table:default.w:write", "HEAD", VIEW, 403);
    world.check("table:default.w:write", "DELETE", "/v1/namespaces/default/views/no", 403);
    assert_eq!(world.post("namespace:default:read", VIEWS, &new_view("w")).0, 403);
    assert_eq!(world.post("table:default.w:write", VIEWS, &new_view("w")).0, 200);
    assert_eq!(world.post("table:default.v:write", "/v1/views/rename", &rename("v", "default", "x")).0, 403);
    let listed = world.send("table:default.w:read", "GET", VIEWS);
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed["identifiers"], json!([{"namespace": ["default"], "name": "w"}]));
}

#[test]
fn a_commit_whose_swap_is_in_doubt_says_so_and_can_be_sent_again() {
    let world = world_with_view();
    let body = replace(&version(2, -1, "spark", "select 2"), &schema(1, "b"));
    world.catalog.storage.lose_next_apply_answer();
    let (status, answer) = world.post("all", VIEW, &body);
    assert_eq!((status, &answer["error"]["type"]), (500, &json!("CommitStateUnknownException")));
    assert_eq!(world.commit(&body)["current-version-id"], 2);
    assert_eq!(world.metadata()["versions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_commit_that_could_not_write_has_changed_nothing() {
    let world = world_with_view();
    let before = world.metadata();
    world.store.fail_next_put();
    let (status, _) = world.post("all", VIEW, &json!({"updates": [{"action": "set-location", "location": "x"}]}));
    assert_eq!((status, world.metadata()), (503, before));
}

#[test]
fn a_change_with_a_key_is_made_once() {
    let world = world_with_view();
    let send = |key: u32, method: &str, target: &str, body: &Value| {
        let mut request = RestRequest { body: body.to_string().into_bytes(), ..request(method, target) };
        request.headers.insert("idempotency-key".into(), format!("00000000-0000-7000-8000-{key:012}"));
        let (claims, random) = (claims("all"), SeededRandom::new(u64::from(key) + 900));
        run(world.catalog.respond(&request, &claims, &world.keys, &world.store, &random, NOW)).status
    };
    for (key, method, target, body, status) in [
        (1, "POST", "/v1/namespaces", json!({"namespace": ["shop"]}), 200),
        (2, "POST", "/v1/namespaces/shop/properties", json!({"updates": {"a": "1"}, "removals": ["b"]}), 200),
        (3, "POST", VIEWS, new_view("w"), 200),
        (
            4,
            "POST",
            "/v1/namespaces/default/views/w",
            replace(&version(2, -1, "spark", "select 2"), &schema(1, "b")),
            200,
        ),
        (5, "POST", "/v1/views/rename", rename("w", "shop", "x"), 204),
        (6, "DELETE", "/v1/namespaces/shop/views/x", json!({}), 204),
        (7, "DELETE", "/v1/namespaces/shop", json!({}), 204),
    ] {
        assert_eq!(send(key, method, target, &body), status, "{method} {target}");
        assert_eq!(send(key, method, target, &body), status, "again: {method} {target}");
    }
    assert_eq!(send(1, "POST", "/v1/namespaces", &json!({"namespace": ["other"]})), 400);
}

#[test]
fn commits_at_the_same_time_all_hold() {
    let world = world_with_view();
    world.store.set_yields(3);
    let commits = (0..8).map(|number| {
        let world = &world;
        async move {
            let body = json!({"updates": [{"action": "set-properties", "updates": {format!("k{number}"): "v"}}]});
            let request = RestRequest { body: body.to_string().into_bytes(), ..request("POST", VIEW) };
            let (claims, random) = (claims("all"), SeededRandom::new(number + 50));
            world.catalog.respond(&request, &claims, &world.keys, &world.store, &random, NOW).await.status
        }
    });
    let statuses = run(futures::future::join_all(commits));
    assert_eq!(statuses, vec![200; 8]);
    assert_eq!(world.metadata()["properties"].as_object().unwrap().len(), 9);
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..60), at in 0..400_usize, byte in any::<u8>()) {
        let world = world_with_view();
        prop_assert!(world.send_body("all", "POST", VIEWS, &body).0 < 500);
        let mut mutated = replace(&version(2, -1, "spark", "select 2"), &schema(1, "b")).to_string().into_bytes();
        let at = at % mutated.len();
        mutated[at] = byte;
        prop_assert!(world.send_body("all", "POST", VIEW, &mutated).0 < 500);
    }
}
