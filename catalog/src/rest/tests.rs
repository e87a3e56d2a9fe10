//! Requests as clients send them, answers as they read them.

mod bounds;
mod commits;
mod dropped_views;
mod functions;
mod keys;
mod namespaces;
mod permissions;
mod plan;
mod prefix;
mod sign;
mod tables;
mod vended;
mod views;

use super::*;
use crate::catalog::Settings;
use crate::limits::OAUTH_BODY_BYTES_MAX;
use lake_api::scope::Scope;
use lake_api::token::mint;
use lake_table::{EnsureTable, TableName};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom, run};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::Cell;

const NOW: i64 = 1_763_696_544_000_000;
const NOW_SECONDS: i64 = NOW / 1_000_000;

struct World {
    catalog: Catalog<MemoryStorage>,
    store: MemoryObjectStore,
    keys: Keys,
    // For randomness that differs from one request to the next.
    requests: Cell<u32>,
}

/// Tables default.customers, default.orders, sales.orders and one in the nested namespace a.b.
fn world() -> World {
    let settings = Settings { lake_name: "lake".into(), bucket: "lakehouse".into(), vended: Default::default() };
    let catalog = Catalog::open(MemoryStorage::new(), settings).unwrap();
    let world = World {
        catalog,
        store: MemoryObjectStore::new(),
        keys: Keys::new("k1", &[7; 32]).unwrap(),
        requests: Cell::new(0),
    };
    let random = SeededRandom::new(1);
    for (namespace, name) in
        [("default", "customers"), ("default", "orders"), ("sales", "orders"), ("a\u{1f}b", "nested")]
    {
        let schema = json!({"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "id", "type": "long", "required": true}]});
        let wanted = EnsureTable {
            table: TableName { namespace: namespace.into(), name: name.into() },
            schema: serde_json::from_value(schema).unwrap(),
            partition_spec: serde_json::from_value(json!({"fields": []})).unwrap(),
            properties: [].into(),
            created_ms: NOW / 1_000,
            epoch: 1,
        };
        run(world.catalog.ensure_table(&world.store, &random, NOW, &wanted)).unwrap();
    }
    world
}

fn claims(scopes: &str) -> Claims {
    let scopes = scopes.split_whitespace().map(|scope| scope.parse().unwrap()).collect();
    Claims { subject: "test".into(), issued_at: NOW_SECONDS, expires_at: NOW_SECONDS + 86_400, scopes }
}

fn request(method: &str, target: &str) -> RestRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    RestRequest {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        origin: "http://127.0.0.1:8787".into(),
        ..RestRequest::default()
    }
}

impl World {
    fn send(&self, scopes: &str, method: &str, target: &str) -> RestResponse {
        run(self.catalog.respond(
            &request(method, target),
            &claims(scopes),
            &self.keys,
            &self.store,
            &SeededRandom::new(2),
            NOW,
        ))
    }

    fn get(&self, target: &str) -> Value {
        let response = self.send("all", "GET", target);
        assert_eq!(response.status, 200, "{target}");
        serde_json::from_slice(&response.body).unwrap()
    }

    fn check(&self, scopes: &str, method: &str, target: &str, status: u16) {
        let response = self.send(scopes, method, target);
        assert_eq!(response.status, status, "{scopes}: {method} {target}");
        if status >= 400 && method != "HEAD" {
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!(body["error"]["code"], status);
            assert!(body["error"]["type"].as_str().unwrap().len() > 5, "{body}");
            assert!(body["error"]["message"].as_str().unwrap().len() > 10, "{body}");
        } else if method == "HEAD" {
            assert!(response.body.is_empty(), "{method} {target}");
        }
    }
}

#[test]
fn config_names_what_exists_and_no_prefix() {
    let world = world();
    let config = world.get("/v1/config?warehouse=lake");
    assert_eq!(config["defaults"], json!({}));
    // Java reads texts only.
    assert_eq!(config["overrides"], json!({"token-exchange-enabled": "false"}));
    let endpoints = config["endpoints"].as_array().unwrap();
    assert!(endpoints.contains(&json!("HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}")));
    assert!(endpoints.contains(&json!("POST /v1/{prefix}/namespaces")));
    assert_eq!(world.get("/v1/config"), config);
    world.check("all", "GET", "/v1/config?warehouse=other", 404);
}

#[test]
fn every_endpoint_in_the_list_is_answered() {
    let world = world();
    for endpoint in route::endpoints() {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let path = path
            .replace("/{prefix}", "")
            .replace("{namespace}", "default")
            .replace("{table}", "orders")
            .replace("{view}", "v")
            .replace("{function}", "f");
        if path.ends_with("/views/v") && method == "GET" {
            views::make(&world);
        }
        let path = if path.contains("{plan-id}") { path.replace("{plan-id}", &plan::plan_id(&world)) } else { path };
        let response = world.send("all", method, &path);
        assert!(Route::find(method, &path).is_ok() && response.status != 406, "{endpoint}");
        match method {
            "GET" if path.ends_with("/functions/f") => assert_eq!(response.status, 404, "{endpoint}"),
            "GET" => assert_eq!(response.status, 200, "{endpoint}"),
            "HEAD" => assert_eq!(response.status, 204, "{endpoint}"),
            // Without a body, or about what is not empty.
            _ => assert!(matches!(response.status, 204 | 400 | 403 | 409), "{endpoint}: {}", response.status),
        }
    }
}

#[test]
fn what_is_not_known_while_the_lake_is_behind_may_be_there_soon() {
    let world = world();
    let status = |method: &str, target: &str| {
        let request = RestRequest { lake_is_behind: true, ..request(method, target) };
        let response =
            run(world.catalog.respond(&request, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
        (response.status, response.headers.iter().any(|(name, _)| name == "retry-after"))
    };
    assert_eq!(status("GET", "/v1/namespaces/default/tables/new"), (503, true));
    assert_eq!(status("HEAD", "/v1/namespaces/default/tables/new"), (503, true));
    assert_eq!(status("GET", "/v1/namespaces/new/tables"), (503, true));
    assert_eq!(status("GET", "/v1/namespaces/default/tables/orders"), (200, false));
    assert_eq!(status("GET", "/v1/nothing"), (404, false));
}

#[test]
fn namespaces_are_listed_by_level() {
    let world = world();
    assert_eq!(world.get("/v1/namespaces")["namespaces"], json!([["a"], ["default"], ["sales"]]));
    assert_eq!(world.get("/v1/namespaces?parent=a")["namespaces"], json!([["a", "b"]]));
    assert_eq!(world.get("/v1/namespaces?parent=a%1Fb")["namespaces"], json!([]));
    assert_eq!(world.get("/v1/namespaces?parent=")["namespaces"], json!([["a"], ["default"], ["sales"]]));
    world.check("all", "GET", "/v1/namespaces?parent=nothing", 404);
}

#[test]
fn pages_join_without_gap_or_repeat() {
    let world = world();
    let first = world.get("/v1/namespaces?pageToken=&pageSize=2");
    assert_eq!(first["namespaces"], json!([["a"], ["default"]]));
    let token = first["next-page-token"].as_str().unwrap();
    let second = world.get(&format!("/v1/namespaces?pageToken={token}&pageSize=2"));
    assert_eq!((&second["namespaces"], &second["next-page-token"]), (&json!([["sales"]]), &Value::Null));
    assert_eq!(world.get("/v1/namespaces")["next-page-token"], Value::Null);
    world.check("all", "GET", "/v1/namespaces?pageSize=0", 400);
    world.check("all", "GET", "/v1/namespaces?pageSize=many", 400);
}

#[test]
fn a_namespace_is_loaded_or_asked_for() {
    let world = world();
    let location = json!({"location": "s3://lakehouse/warehouse/default"});
    assert_eq!(world.get("/v1/namespaces/default"), json!({"namespace": ["default"], "properties": location}));
    assert_eq!(world.get("/v1/namespaces/a%1Fb")["namespace"], json!(["a", "b"]));
    world.check("all", "HEAD", "/v1/namespaces/default", 204);
    world.check("all", "HEAD", "/v1/namespaces/nothing", 404);
    world.check("all", "GET", "/v1/namespaces/nothing", 404);
    world.check("all", "GET", "/v1/namespaces/a%1F", 400);
}

#[test]
fn tables_are_listed() {
    let world = world();
    let tables = json!([
        {"namespace": ["default"], "name": "customers"}, {"namespace": ["default"], "name": "orders"}]);
    assert_eq!(world.get("/v1/namespaces/default/tables")["identifiers"], tables);
    let nested = json!([{"namespace": ["a", "b"], "name": "nested"}]);
    assert_eq!(world.get("/v1/namespaces/a%1Fb/tables")["identifiers"], nested);
    world.check("all", "GET", "/v1/namespaces/nothing/tables", 404);
}

#[test]
fn a_loaded_table_says_where_it_is_and_how_to_read_it() {
    let world = world();
    let loaded = world.get("/v1/namespaces/default/tables/orders");
    let location = loaded["metadata-location"].as_str().unwrap();
    assert!(location.starts_with("s3://lakehouse/warehouse/default/orders/metadata/00000-"), "{location}");
    assert_eq!(loaded["metadata"]["location"], "s3://lakehouse/warehouse/default/orders");
    let config = &loaded["config"];
    assert_eq!(config["s3.endpoint"], "http://127.0.0.1:8787/");
    assert_eq!((&config["s3.path-style-access"], &config["s3.region"]), (&json!("true"), &json!("auto")));
    for key in ["s3.access-key-id", "s3.secret-access-key", "s3.session-token"] {
        assert!(config[key].as_str().unwrap().len() > 20, "{key}");
    }
    assert_eq!(config["s3.session-token-expires-at-ms"], ((NOW_SECONDS + 3_600) * 1_000).to_string());
    let entries = json!([{"prefix": "s3://lakehouse/warehouse/default/orders/", "config": config}]);
    assert_eq!(loaded["storage-credentials"], entries);
    assert_eq!(world.get("/v1/namespaces/default/tables/orders/credentials"), json!({"storage-credentials": entries}));
}

#[test]
fn vended_credentials_open_their_table_and_end_with_the_token() {
    let world = world();
    let claims = Claims { expires_at: NOW_SECONDS + 60, ..claims("all") };
    let load = request("GET", "/v1/namespaces/default/tables/orders");
    let response = run(world.catalog.respond(&load, &claims, &world.keys, &world.store, &SeededRandom::new(2), NOW));
    let loaded: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(loaded["config"]["s3.session-token-expires-at-ms"], ((NOW_SECONDS + 60) * 1_000).to_string());
    let id = loaded["config"]["s3.access-key-id"].as_str().unwrap();
    let grant = lake_api::storage_key::claimed(&world.keys, id).unwrap().grant;
    assert_eq!((grant.prefix.as_str(), grant.expires_at), ("warehouse/default/orders", NOW_SECONDS + 60));
    assert_eq!((grant.access, grant.is_session), (lake_api::scope::Access::Read, true));
}

#[test]
fn the_present_metadata_is_loaded_with_all_snapshots_or_those_referenced() {
    let world = world();
    let all = world.get("/v1/namespaces/default/tables/orders?snapshots=all");
    assert_eq!(all["metadata"], world.get("/v1/namespaces/default/tables/orders?snapshots=refs")["metadata"]);
    world.check("all", "GET", "/v1/namespaces/default/tables/orders?snapshots=some", 400);
    let kept = load_table::keep_referenced(
        br#"{"refs":{"main":{"snapshot-id":2}},"snapshots":[{"snapshot-id":1},{"snapshot-id":2}]}"#,
    );
    let kept: Value = serde_json::from_slice(&kept.unwrap()).unwrap();
    assert_eq!(kept["snapshots"], json!([{"snapshot-id": 2}]));
    let kept =
        load_table::keep_referenced(br#"{"current-snapshot-id":1,"snapshots":[{"snapshot-id":1},{"snapshot-id":2}]}"#);
    let kept: Value = serde_json::from_slice(&kept.unwrap()).unwrap();
    assert_eq!(kept["snapshots"], json!([{"snapshot-id": 1}]));
}

#[test]
fn what_is_not_there_is_named() {
    let world = world();
    let missing = world.send("all", "GET", "/v1/namespaces/default/tables/nothing");
    let body: Value = serde_json::from_slice(&missing.body).unwrap();
    let expected = json!({"error": {
        "message": "Table does not exist: default.nothing", "type": "NoSuchTableException", "code": 404}});
    assert_eq!((missing.status, body), (404, expected));
    world.check("all", "HEAD", "/v1/namespaces/default/tables/nothing", 404);
    world.check("all", "GET", "/v1/namespaces/default/tables/nothing/credentials", 404);
    world.check("all", "GET", "/v2/config", 404);
    world.check("all", "GET", "/", 404);
}

#[test]
fn a_token_sees_what_its_scopes_name() {
    let world = world();
    let names = |scopes: &str| {
        let body = world.send(scopes, "GET", "/v1/namespaces").body;
        serde_json::from_slice::<Value>(&body).unwrap()["namespaces"].clone()
    };
    assert_eq!(names("lake:read"), json!([["a"], ["default"], ["sales"]]));
    assert_eq!(names("namespace:default:read"), json!([["default"]]));
    assert_eq!(names("table:a.b.nested:read"), json!([["a"]]));
    assert_eq!(names("ingest database:shop:write"), json!([]));

    let scope = "table:default.orders:read";
    let tables = world.send(scope, "GET", "/v1/namespaces/default/tables").body;
    let tables: Value = serde_json::from_slice(&tables).unwrap();
    assert_eq!(tables["identifiers"], json!([{"namespace": ["default"], "name": "orders"}]));
    world.check(scope, "GET", "/v1/namespaces/default/tables/orders", 200);
    world.check(scope, "GET", "/v1/namespaces/default/tables/customers", 403);
    world.check(scope, "GET", "/v1/namespaces/default/tables/nothing", 403);
    world.check(scope, "GET", "/v1/namespaces/sales/tables/orders", 403);
    world.check(scope, "GET", "/v1/namespaces/sales/tables", 403);
    world.check(scope, "HEAD", "/v1/namespaces/sales", 403);
    world.check(scope, "GET", "/v1/namespaces/default/tables/customers/credentials", 403);
}

#[test]
fn a_bucket_that_fails_is_unavailable_and_asks_for_patience() {
    let world = world();
    let fresh = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
    world.store.fail_next_get();
    let load = request("GET", "/v1/namespaces/default/tables/orders");
    let response = run(fresh.respond(&load, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
    assert_eq!(response.status, 503);
    assert!(response.headers.contains(&("retry-after".into(), "1".into())));
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let world = world();
    let mut post = request("POST", "/v1/namespaces");
    post.body = vec![b' '; REST_BODY_BYTES_MAX + 1];
    assert_eq!(
        run(world.catalog.respond(&post, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW)).status,
        413
    );
}

#[test]
fn a_request_without_a_good_token_is_unauthorized() {
    let world = world();
    let check = |header: Option<&str>, expected: Result<(), u16>| {
        let mut load = request("GET", "/v1/config");
        load.headers.extend(header.map(|header| ("authorization".to_owned(), header.to_owned())));
        let authorised = authorise(&load, &world.keys, NOW);
        assert_eq!(authorised.map(|_| ()).map_err(|error| error.into_response().status), expected, "{header:?}");
    };
    let token = mint(&claims("all"), &world.keys);
    check(Some(&format!("Bearer {token}")), Ok(()));
    check(Some(&format!("bearer {token}")), Ok(()));
    check(Some(&format!("Bearer {token}x")), Err(401));
    check(Some("Bearer None"), Err(401));
    check(Some(&token), Err(401));
    check(None, Err(401));
}

/// The scope that a client gets which holds `held` and asks for `wanted`.
fn check_oauth(held: &str, form: &str, expected: Result<&str, u16>) {
    let world = world();
    let secret = mint(&claims(held), &world.keys);
    let mut post = request("POST", "/v1/oauth/tokens");
    post.body = form.replace("SECRET", &secret).into_bytes();
    let response = oauth::token(&post, &world.keys, NOW);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    for (name, value) in [("cache-control", "no-store"), ("pragma", "no-cache")] {
        assert!(response.headers.contains(&(name.into(), value.into())), "{name}");
    }
    match expected {
        Ok(scope) => {
            assert_eq!((response.status, body["token_type"].as_str()), (200, Some("bearer")), "{body}");
            let claims = verify(body["access_token"].as_str().unwrap(), &world.keys, NOW).unwrap();
            let scopes: Vec<String> = claims.scopes.iter().map(Scope::to_string).collect();
            assert_eq!((scopes.join(" ").as_str(), body["scope"].as_str()), (scope, Some(scope)));
            assert_eq!((claims.expires_at - NOW_SECONDS, body["expires_in"].as_i64()), (3_600, Some(3_600)));
        }
        Err(status) => {
            assert_eq!(response.status, status, "{form}: {body}");
            assert!(body["error"].is_string() && body["error_description"].is_string(), "{body}");
        }
    }
}

#[test]
fn a_client_secret_is_exchanged_for_a_short_token() {
    let form = "grant_type=client_credentials&client_id=x&client_secret=SECRET";
    check_oauth("lake:read ingest", form, Ok("lake:read ingest"));
    check_oauth("lake:read", &format!("{form}&scope="), Ok("lake:read"));
    check_oauth("lake:read", &format!("{form}&scope=catalog"), Ok("lake:read"));
    check_oauth("lake:read", &format!("{form}&scope=PRINCIPAL_ROLE%3AALL"), Ok("lake:read"));
}

#[test]
fn a_token_can_be_narrowed_and_never_widened() {
    let form = "grant_type=client_credentials&client_id=x&client_secret=SECRET&scope=";
    check_oauth("lake:read", &format!("{form}table%3Adefault.orders%3Aread"), Ok("table:default.orders:read"));
    check_oauth("lake:read", &format!("{form}lake%3Awrite"), Err(400));
    check_oauth("lake:read", &format!("{form}all"), Err(400));
    check_oauth("lake:read", &format!("{form}nonsense"), Err(400));
}

#[test]
fn bad_grants_are_refused_in_the_words_of_oauth() {
    check_oauth("all", "grant_type=password&client_secret=SECRET", Err(400));
    check_oauth("all", "client_secret=SECRET", Err(400));
    check_oauth("all", "grant_type=client_credentials", Err(400));
    check_oauth("all", "grant_type=client_credentials&client_secret=SECRETx", Err(401));
    let long = format!("grant_type=client_credentials&client_secret=SECRET&x={}", "x".repeat(OAUTH_BODY_BYTES_MAX));
    check_oauth("all", &long, Err(413));
}

#[test]
fn a_client_secret_may_come_as_basic_authorization() {
    use base64::Engine;
    let world = world();
    let secret = mint(&claims("lake:read"), &world.keys);
    let mut post = request("POST", "/v1/oauth/tokens");
    post.body = b"grant_type=client_credentials&scope=".to_vec();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("id:{secret}"));
    post.headers.insert("authorization".into(), format!("Basic {basic}"));
    assert_eq!(oauth::token(&post, &world.keys, NOW).status, 200);
    // Who tried this way is asked to try this way again, also where the form has a secret too.
    post.body.extend(format!("&client_secret={secret}").bytes());
    let of_another = base64::engine::general_purpose::STANDARD.encode("id:x");
    for header in ["Basic !", "Basic", &format!("basic {of_another}")] {
        post.headers.insert("authorization".into(), header.into());
        let refused = oauth::token(&post, &world.keys, NOW);
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!((refused.status, &body["error"]), (401, &json!("invalid_client")), "{header}");
        assert!(refused.headers.contains(&("www-authenticate".into(), "Basic realm=\"lake\"".into())), "{header}");
    }
    // A bearer token beside the form is no try.
    post.headers.insert("authorization".into(), format!("Bearer {secret}"));
    assert_eq!(oauth::token(&post, &world.keys, NOW).status, 200);
    assert!(oauth::is_token_request("POST", "/v1/oauth/tokens"));
}

#[test]
fn what_shows_the_lake_is_told_from_everything_else() {
    let orders = Shown::Table(TableName { namespace: "default".into(), name: "orders".into() });
    assert_eq!(shows("GET", "/v1/namespaces/default/tables/orders"), Some(orders.clone()));
    assert_eq!(shows("HEAD", "/v1/namespaces/default/tables/orders"), Some(orders));
    assert_eq!(shows("GET", "/v1/namespaces/default/tables"), Some(Shown::Listing));
    assert_eq!(shows("GET", "/v1/namespaces"), Some(Shown::Listing));
    assert_eq!(shows("POST", "/v1/namespaces/default/tables/orders"), None);
    assert_eq!(shows("GET", "/v1/config"), None);
}

proptest! {
    #[test]
    fn no_request_panics(method in "GET|HEAD|POST|DELETE", path in "/v1/(namespaces|config|tables|views)?.{0,30}", query in ".{0,30}") {
        let world = world();
        let mut request = request(&method, "/");
        (request.path, request.query) = (path, query);
        let response = run(world.catalog.respond(&request, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
        prop_assert!(response.status < 500);
    }
}
