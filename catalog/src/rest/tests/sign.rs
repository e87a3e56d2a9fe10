//! Storage requests are signed for who may send them, and the facade takes what was signed.

use super::*;
use crate::facade::{Action as Planned, FacadeRequest, Write, plan};
use crate::storage::pointer::{self, Owner, Pointer};
use crate::storage::used_location;
use lake_host::WriteBatch;

const ORDERS: &str = "http://127.0.0.1:8787/lakehouse/warehouse/default/orders";
const MINE: &str = "http://127.0.0.1:8787/lakehouse/warehouse/default/mine";

/// The tables of the other tests, and one that engines write.
fn world_with_mine() -> World {
    let world = world();
    let table = TableName { namespace: "default".into(), name: "mine".into() };
    let location = "s3://lakehouse/warehouse/default/mine".to_owned();
    let metadata_location = format!("{location}/metadata/00000-x.metadata.json");
    let pointer = Pointer { metadata_location, location, version: 0, moved_micros: NOW, owner: Owner::Engine };
    let mut batch = WriteBatch::default();
    pointer::put(&mut batch, &table, &pointer).unwrap();
    used_location::put(&mut batch, "warehouse/default/mine", &table).unwrap();
    world.catalog.storage.apply(&batch).unwrap();
    world
}

impl World {
    fn sign(&self, scopes: &str, address: &str, method: &str, uri: &str, body: Option<&str>) -> RestResponse {
        let body = json!({
            "region": "us-east-1", "method": method, "uri": uri, "provider": "s3", "properties": {}, "body": body,
            "headers": {"amz-sdk-invocation-id": ["x"], "x-amz-te": ["append-md5"], "Range": ["bytes=0-3"]},
        });
        let mut request = request("POST", address);
        request.body = body.to_string().into_bytes();
        run(self.catalog.respond(&request, &claims(scopes), &self.keys, &self.store, &SeededRandom::new(2), NOW))
    }

    /// Signs a request and sends it to the facade: what it would do.
    fn planned(&self, address: &str, method: &str, uri: &str, body: Option<&str>) -> Planned {
        let response = self.sign("all", address, method, uri, body);
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(answer["uri"], uri);
        let added = answer["headers"].as_object().unwrap();
        let mut headers: BTreeMap<String, String> =
            added.iter().map(|(name, values)| (name.clone(), values[0].as_str().unwrap().to_owned())).collect();
        let own =
            [("host", "127.0.0.1:8787"), ("x-amz-te", "append-md5"), ("range", "bytes=0-3"), ("content-length", "3")];
        headers.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let target = uri.strip_prefix("http://127.0.0.1:8787").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        plan(&FacadeRequest { method, path, query, headers: &headers }, "lakehouse", &self.keys, NOW).unwrap()
    }

    fn status(&self, scopes: &str, table: &str, method: &str, uri: &str) -> u16 {
        self.sign(scopes, &format!("/v1/namespaces/default/tables/{table}/sign"), method, uri, None).status
    }
}

const OF_MINE: &str = "/v1/namespaces/default/tables/mine/sign";
const OF_ANY: &str = "/v1/aws/s3/sign";

#[test]
fn what_is_signed_is_taken_by_the_facade() {
    let world = world_with_mine();
    for address in [OF_MINE, OF_ANY] {
        let file = format!("{MINE}/data/a%20b=%2B.parquet");
        let read = world.planned(address, "GET", &file, None);
        assert!(
            matches!(&read, Planned::Get(read) if read.key == "warehouse/default/mine/data/a b=+.parquet"),
            "{read:?}"
        );
        let put = world.planned(address, "PUT", &format!("{file}?partNumber=1&uploadId=a.b"), None);
        assert!(matches!(put, Planned::Write(Write::Store { .. })), "{put:?}");
        let begun = world.planned(address, "POST", &format!("{file}?uploads"), None);
        assert!(matches!(begun, Planned::Write(Write::Instruct { .. })), "{begun:?}");
        let bucket = "http://127.0.0.1:8787/lakehouse";
        let body = "<Delete><Object><Key>warehouse/default/mine/a</Key></Object></Delete>";
        let deletion = world.planned(address, "POST", &format!("{bucket}?delete"), Some(body));
        assert!(matches!(deletion, Planned::Write(Write::Instruct { .. })), "{deletion:?}");
        let listing = format!("{bucket}?list-type=2&prefix=warehouse%2Fdefault%2Fmine%2F");
        assert!(matches!(world.planned(address, "GET", &listing, None), Planned::List(_)));
    }
}

#[test]
fn a_signature_goes_as_far_as_the_token_and_the_table() {
    let world = world_with_mine();
    let (mine, orders) = (format!("{MINE}/a"), format!("{ORDERS}/a"));
    for (scopes, table, method, uri, status) in [
        ("all", "orders", "GET", &orders, 200),
        ("all", "orders", "PUT", &orders, 403),
        ("all", "orders", "DELETE", &orders, 403),
        ("all", "mine", "GET", &orders, 403),
        ("all", "mine", "PUT", &orders, 403),
        ("table:default.mine:write", "mine", "PUT", &mine, 200),
        ("table:default.mine:read", "mine", "HEAD", &mine, 200),
        ("table:default.mine:read", "mine", "PUT", &mine, 403),
        ("table:default.orders:write", "mine", "GET", &mine, 403),
        ("table:default.orders:write", "orders", "GET", &mine, 403),
        ("all", "none", "GET", &mine, 404),
        ("all", "mine", "PATCH", &mine, 400),
    ] {
        assert_eq!(world.status(scopes, table, method, uri), status, "{scopes}: {method} {uri} of {table}");
    }
    for uri in [
        format!("{MINE}2/a"),
        format!("{MINE}/../orders/a"),
        format!("{MINE}/%2e%2e/orders/a"),
        MINE.to_owned(),
        format!("{MINE}/"),
        "http://127.0.0.1:8787/other/warehouse/default/mine/a".to_owned(),
        "http://127.0.0.1:8787/lakehouse".to_owned(),
        "http://127.0.0.1:8787/lakehouse?list-type=2".to_owned(),
        "mine/a".to_owned(),
        String::new(),
        "http://127.0.0.1:8787/lakehouse?list-type=2&prefix=warehouse%2Fdefault%2Fmine".to_owned(),
    ] {
        let status = world.status("all", "mine", "GET", &uri);
        let is_folder = uri == format!("{MINE}/");
        assert!(if is_folder { status == 200 } else { (400..404).contains(&status) }, "{uri}: {status}");
    }
}

#[test]
fn a_deletion_is_signed_for_what_it_names() {
    let world = world_with_mine();
    let sign =
        |body: Option<&str>| world.sign("all", OF_MINE, "POST", "http://127.0.0.1:8787/lakehouse?delete", body).status;
    let object = |key: &str| format!("<Object><Key>warehouse/default/{key}</Key></Object>");
    assert_eq!(sign(Some(&format!("<Delete>{}{}</Delete>", object("mine/a"), object("mine/b")))), 200);
    assert_eq!(sign(Some(&format!("<Delete>{}{}</Delete>", object("mine/a"), object("orders/b")))), 403);
    assert_eq!(sign(Some("<Delete></Delete>")), 403);
    assert_eq!(sign(None), 400);
}

#[test]
fn a_table_that_is_being_made_can_be_written_where_only_it_will_be() {
    let world = world_with_mine();
    let staged = "http://127.0.0.1:8787/lakehouse/warehouse/default/new.00112233445566778899aabbccddeeff/data/a";
    assert_eq!(world.status("table:default.new:write", "new", "PUT", staged), 200);
    assert_eq!(world.status("table:default.new:read", "new", "PUT", staged), 403);
    assert_eq!(world.status("table:default.ne:write", "ne", "PUT", staged), 404);
    assert_eq!(world.status("all", "new", "PUT", "http://127.0.0.1:8787/lakehouse/warehouse/default/new/a"), 404);
}

#[test]
fn reads_may_be_signed_once_for_many_times() {
    let world = world_with_mine();
    let cached = |method: &str| {
        let response = world.sign("all", OF_MINE, method, &format!("{MINE}/a"), None);
        response.headers.into_iter().find(|(name, _)| name == "cache-control").map(|(_, value)| value)
    };
    assert_eq!((cached("GET").as_deref(), cached("PUT").as_deref()), (Some("private"), Some("no-cache")));
}

#[test]
fn who_asks_for_signatures_is_told_where_they_are_made_and_given_no_keys() {
    let world = world_with_mine();
    let config = |delegation: &str| {
        let mut request = request("GET", "/v1/namespaces/default/tables/orders");
        request.headers.insert("x-iceberg-access-delegation".into(), delegation.into());
        let response =
            run(world.catalog.respond(&request, &claims("all"), &world.keys, &world.store, &SeededRandom::new(2), NOW));
        serde_json::from_slice::<Value>(&response.body).unwrap()
    };
    let signed = config("remote-signing");
    assert_eq!(signed["config"]["s3.remote-signing-enabled"], "true");
    assert_eq!(signed["config"]["s3.signer.uri"], "http://127.0.0.1:8787/iceberg");
    assert_eq!(signed["config"]["s3.signer.endpoint"], "v1/namespaces/default/tables/orders/sign");
    assert_eq!((&signed["config"]["s3.access-key-id"], &signed["storage-credentials"]), (&Value::Null, &json!([])));
    for delegation in ["vended-credentials", "vended-credentials,remote-signing", ""] {
        let vended = config(delegation);
        assert!(vended["config"]["s3.access-key-id"].is_string(), "{delegation}");
        assert_eq!(vended["config"]["s3.remote-signing-enabled"], Value::Null, "{delegation}");
    }
}

proptest! {
    #[test]
    fn no_request_to_sign_panics(uri in "http://a/(lakehouse|b)?[/?=&%2e.a-z]{0,40}", method in "GET|PUT|POST", body in ".{0,40}") {
        let world = world_with_mine();
        for address in [OF_MINE, OF_ANY] {
            let response = world.sign("all", address, &method, &uri, Some(&body));
            prop_assert!(response.status < 500);
        }
    }
}
