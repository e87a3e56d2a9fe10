//! Which storage the credentials of an answer are for.

use super::*;
use crate::{BucketKey, VendedStorage};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

fn world_of(vended: VendedStorage) -> World {
    let mut world = world();
    let settings = Settings { vended, ..world.catalog.settings.clone() };
    world.catalog = Catalog::open(world.catalog.storage.clone(), settings).unwrap();
    world
}

/// A lake whose engines go to the bucket itself, with a table of engines beside the others.
fn world_of_bucket() -> World {
    let address = format!("https://{ACCOUNT}.r2.cloudflarestorage.com");
    let world = world_of(VendedStorage::Bucket(BucketKey::new(&address, "parent", "secret").unwrap()));
    world.events();
    world
}

/// What the session token of the one entry says.
fn claims_of(answer: &Value) -> Value {
    let entries = answer["storage-credentials"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{answer}");
    let token = STANDARD.decode(entries[0]["config"]["s3.session-token"].as_str().unwrap()).unwrap();
    let jwt = String::from_utf8(token).unwrap();
    let payload = jwt.strip_prefix("jwt/").unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

impl World {
    fn read_as(&self, scopes: &str, target: &str) -> Value {
        let response = self.send(scopes, "GET", target);
        assert_eq!(response.status, 200, "{target}");
        serde_json::from_slice(&response.body).unwrap()
    }
}

fn check(scopes: &str, table: &str, scope: &str) {
    let world = world_of_bucket();
    let target = format!("/v1/namespaces/default/tables/{table}");
    let loaded = world.read_as(scopes, &target);
    let location = format!("s3://lakehouse/warehouse/default/{table}/");
    assert_eq!(loaded["storage-credentials"][0]["prefix"], location.as_str());
    let (config, entry) = (&loaded["config"], &loaded["storage-credentials"][0]["config"]);
    assert_eq!(config, entry);
    assert_eq!(config["s3.endpoint"], format!("https://{ACCOUNT}.r2.cloudflarestorage.com/").as_str());
    assert_eq!((&config["s3.region"], &config["s3.path-style-access"]), (&json!("auto"), &json!("true")));
    assert_eq!(config["s3.access-key-id"], "parent");
    let expires_ms = (NOW_SECONDS + 3_600) * 1_000;
    assert_eq!(config["s3.session-token-expires-at-ms"], expires_ms.to_string().as_str());
    let claims = claims_of(&loaded);
    assert_eq!((&claims["bucket"], &claims["scope"]), (&json!("lakehouse"), &json!(scope)));
    assert_eq!(claims["paths"]["prefixPaths"], json!([format!("warehouse/default/{table}/")]));
    assert_eq!(claims["exp"], NOW_SECONDS + 3_600);
    // The address that renews them gives the same.
    assert_eq!(
        config["client.refresh-credentials-endpoint"],
        format!("v1/namespaces/default/tables/{table}/credentials").as_str()
    );
    assert_eq!(
        world.read_as(scopes, &format!("{target}/credentials"))["storage-credentials"],
        loaded["storage-credentials"]
    );
}

#[test]
fn credentials_of_the_bucket_open_one_table_as_far_as_the_token_goes() {
    check("all", "events", "object-read-write");
    check("namespace:default:write", "events", "object-read-write");
    check("table:default.events:read", "events", "object-read-only");
    // Its rows are the databases'.
    check("all", "orders", "object-read-only");
}

#[test]
fn credentials_of_the_bucket_end_with_the_token() {
    let world = world_of_bucket();
    let claims = Claims { expires_at: NOW_SECONDS + 60, ..claims("all") };
    let asked = request("GET", "/v1/namespaces/default/tables/orders/credentials");
    let response = run(world.catalog.respond(&asked, &claims, &world.keys, &world.store, &SeededRandom::new(2), NOW));
    assert_eq!(claims_of(&serde_json::from_slice(&response.body).unwrap())["exp"], NOW_SECONDS + 60);
}

#[test]
fn requests_that_are_signed_here_go_to_the_facade_whatever_is_chosen() {
    let world = world_of_bucket();
    let mut asked = request("GET", "/v1/namespaces/default/tables/events");
    asked.headers.insert("x-iceberg-access-delegation".into(), "remote-signing".into());
    let response =
        run(world.catalog.respond(&asked, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answer["config"]["s3.endpoint"], "http://127.0.0.1:8787/");
    assert_eq!(answer["storage-credentials"], json!([]));
    assert_eq!(answer["remote-signing-config"], json!({"properties": {}, "headers": {}}));
    assert!(world.get("/v1/namespaces/default/tables/events").get("remote-signing-config").is_none());
}

#[test]
fn settings_that_cannot_be_used_are_named_and_stop_engines_only() {
    let world = world_of(VendedStorage::Misconfigured("X is not set".into()));
    for (method, target) in
        [("GET", "/v1/config"), ("GET", "/v1/namespaces/default/tables/orders"), ("POST", "/v1/namespaces")]
    {
        let response = world.send("all", method, target);
        let body = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 503, "{target}");
        assert!(body.contains("The lake is not set up: X is not set"), "{body}");
    }
    let table = TableName { namespace: "default".into(), name: "orders".into() };
    run(world.catalog.load_table(&world.store, &table)).unwrap();
}
