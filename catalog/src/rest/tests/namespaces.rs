//! Namespaces are made, changed and dropped.

use super::*;

impl World {
    /// Sends a body; the answer's status and JSON.
    pub(super) fn post(&self, scopes: &str, target: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self.send_body(scopes, "POST", target, body.to_string().as_bytes());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(super) fn send_body(&self, scopes: &str, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let request = RestRequest { body: body.to_vec(), ..request(method, target) };
        let random = SeededRandom::new(u64::from(self.requests.replace(self.requests.get() + 1)) + 100);
        let claims = claims(scopes);
        let response = run(self.catalog.respond(&request, &claims, &self.keys, &self.store, &random, NOW));
        (response.status, response.body)
    }

    /// A body that must be taken; the answer's JSON.
    pub(super) fn posted(&self, target: &str, body: &Value) -> Value {
        let (status, answer) = self.post("all", target, body);
        assert!(status == 200 || status == 204, "{target}: {status} {answer}");
        answer
    }

    /// A body that must be refused with this status, type and message.
    pub(super) fn refused(&self, target: &str, body: &Value, status: u16, name: &str, message: &str) {
        let (answered, answer) = self.post("all", target, body);
        let error = &answer["error"];
        assert_eq!((answered, &error["code"]), (status, &json!(status)), "{target}: {answer}");
        assert_eq!(error["type"], name, "{target}: {answer}");
        assert!(error["message"].as_str().unwrap().contains(message), "{target}: {answer}");
    }
}

const NAMESPACES: &str = "/v1/namespaces";

#[test]
fn a_namespace_is_made_with_its_properties() {
    let world = world();
    let asked = json!({"namespace": ["shop"], "properties": {"owner": "ann"}});
    let made = world.posted(NAMESPACES, &asked);
    assert_eq!((&made["namespace"], &made["properties"]["owner"]), (&json!(["shop"]), &json!("ann")));
    assert_eq!(world.get("/v1/namespaces/shop"), made);
    assert!(world.get(NAMESPACES)["namespaces"].as_array().unwrap().contains(&json!(["shop"])));
    world.refused(NAMESPACES, &asked, 409, "AlreadyExistsException", "Namespace already exists: shop");
}

#[test]
fn a_namespace_needs_no_parent_and_is_listed_below_it() {
    let world = world();
    world.posted(NAMESPACES, &json!({"namespace": ["x", "y", "z"]}));
    assert_eq!(world.get("/v1/namespaces?parent=x")["namespaces"], json!([["x", "y"]]));
    assert_eq!(world.get("/v1/namespaces?parent=x%1Fy")["namespaces"], json!([["x", "y", "z"]]));
    world.check("all", "HEAD", "/v1/namespaces/x%1Fy", 204);
    world.check("all", "HEAD", "/v1/namespaces/y", 404);
    let asked = json!({"namespace": ["x", "y", "z"], "properties": null});
    world.refused(NAMESPACES, &asked, 409, "AlreadyExistsException", "Namespace already exists: x.y.z");
    world.posted(NAMESPACES, &json!({"namespace": ["x"]}));
}

#[test]
fn names_may_have_dots_and_any_letters() {
    let world = world();
    for (name, path) in
        [("new.db", "new.db"), ("größe", "gr%C3%B6%C3%9Fe"), ("a b", "a%20b"), ("*", "*"), ("%2A", "%252A")]
    {
        world.posted(NAMESPACES, &json!({"namespace": [name]}));
        assert_eq!(world.get(&format!("/v1/namespaces/{path}"))["namespace"], json!([name]));
        world.check("all", "DELETE", &format!("/v1/namespaces/{path}"), 204);
        world.check("all", "HEAD", &format!("/v1/namespaces/{path}"), 404);
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let world = world();
    for levels in [
        json!([]),
        json!([""]),
        json!(["a", ""]),
        json!(["a\u{0}"]),
        json!(["a\u{1f}b"]),
        json!(["a".repeat(256)]),
        json!([".."]),
        json!(["a", "."]),
    ] {
        world.refused(NAMESPACES, &json!({"namespace": levels}), 400, "BadRequestException", "amespace");
    }
    for name in ["", "a\u{0}", &"a".repeat(256), ".", ".."] {
        let refused = |target: &str, body: &Value| world.refused(target, body, 400, "BadRequestException", "the name");
        refused(tables::TABLES, &json!({"name": name, "schema": {"type": "struct", "fields": []}}));
        refused("/v1/namespaces/default/register", &json!({"name": name, "metadata-location": "s3://b/x"}));
        let view = json!({"name": name, "schema": {"type": "struct", "fields": []}, "view-version": {"version-id": 1,
            "schema-id": 0, "timestamp-ms": 1, "summary": {}, "default-namespace": ["default"],
            "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "spark"}]}, "properties": {}});
        refused("/v1/namespaces/default/views", &view);
        let to = json!({"namespace": ["default"], "name": name});
        refused(
            "/v1/tables/rename",
            &json!({"source": {"namespace": ["default"], "name": "orders"}, "destination": to}),
        );
    }
    for body in [json!({}), json!([]), json!({"namespace": "a"}), json!({"namespace": ["n"], "properties": {"a": 1}})] {
        world.refused(NAMESPACES, &body, 400, "BadRequestException", "body");
    }
    let large =
        json!({"namespace": ["n"], "properties": {"a": "x".repeat(crate::limits::NAMESPACE_PROPERTIES_BYTES_MAX)}});
    world.refused(NAMESPACES, &large, 400, "BadRequestException", "at most");
    world.check("all", "HEAD", "/v1/namespaces/n", 404);
}

#[test]
fn a_namespace_says_where_its_tables_go() {
    let world = world();
    let location = |name: &str| world.get(&format!("/v1/namespaces/{name}"))["properties"]["location"].clone();
    assert_eq!(location("default"), "s3://lakehouse/warehouse/default");
    assert_eq!(location("a%1Fb"), "s3://lakehouse/warehouse/a.b");
    world.posted(NAMESPACES, &json!({"namespace": ["own"], "properties": {"location": "s3://elsewhere/x"}}));
    assert_eq!(location("own"), "s3://elsewhere/x");
}

#[test]
fn properties_are_updated_removed_and_missed() {
    let world = world();
    let made = json!({"namespace": ["shop"], "properties": {"a": "1", "b": "2"}});
    world.posted(NAMESPACES, &made);
    let change = json!({"removals": ["b", "nothing", "b"], "updates": {"a": "3", "c": "4"}});
    let answer = world.posted("/v1/namespaces/shop/properties", &change);
    assert_eq!(answer, json!({"updated": ["a", "c"], "removed": ["b"], "missing": ["nothing"]}));
    let properties = &world.get("/v1/namespaces/shop")["properties"];
    assert_eq!((&properties["a"], &properties["b"], &properties["c"]), (&json!("3"), &Value::Null, &json!("4")));
    assert_eq!(world.posted("/v1/namespaces/shop/properties", &json!({}))["updated"], json!([]));
}

#[test]
fn a_key_is_not_both_removed_and_updated() {
    let world = world();
    let both = json!({"removals": ["a"], "updates": {"a": "1"}});
    let target = "/v1/namespaces/default/properties";
    world.refused(target, &both, 422, "UnprocessableEntityException", "a is both");
    let missing = "/v1/namespaces/nothing/properties";
    world.refused(
        missing,
        &json!({"removals": ["a"]}),
        404,
        "NoSuchNamespaceException",
        "Namespace does not exist: nothing",
    );
}

#[test]
fn only_an_empty_namespace_is_dropped() {
    let world = world();
    let refused = |target: &str, what: &str| {
        let response = world.send("all", "DELETE", target);
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, &body["error"]["type"]), (409, &json!("NamespaceNotEmptyException")), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().ends_with(what), "{body}");
    };
    refused("/v1/namespaces/default", "is not empty: it contains tables");
    refused("/v1/namespaces/a", "is not empty: it contains namespaces");
    world.posted(NAMESPACES, &json!({"namespace": ["empty"]}));
    world.check("all", "DELETE", "/v1/namespaces/empty", 204);
    world.check("all", "DELETE", "/v1/namespaces/empty", 404);
}

#[test]
fn a_namespace_is_changed_by_who_may_write_it() {
    let world = world();
    let made = json!({"namespace": ["shop"]});
    for scopes in ["lake:read", "namespace:shop:read", "table:shop.t:write", "namespace:sho%70x:write", "ingest"] {
        assert_eq!(world.post(scopes, NAMESPACES, &made).0, 403, "{scopes}");
    }
    assert_eq!(world.post("namespace:shop:write", NAMESPACES, &made).0, 200);
    assert_eq!(world.post("namespace:shop:read", "/v1/namespaces/shop/properties", &json!({})).0, 403);
    world.check("namespace:shop:read", "DELETE", "/v1/namespaces/shop", 403);
    world.check("namespace:other:write", "DELETE", "/v1/namespaces/nothing", 403);
    world.check("namespace:shop:write", "DELETE", "/v1/namespaces/shop", 204);
}

#[test]
fn a_namespace_whose_making_was_not_stored_is_not_there() {
    let world = world();
    world.catalog.storage.fail_next_apply();
    let (status, _) = world.post("all", NAMESPACES, &json!({"namespace": ["shop"]}));
    assert!(status == 500 || status == 503, "{status}");
    world.check("all", "HEAD", "/v1/namespaces/shop", 404);
}
