//! `rest`: requests of the Iceberg REST protocol to a catalog with tables.

use std::collections::BTreeMap;

use futures::executor::block_on;
use lake_api::token::mint;
use lake_catalog::Catalog;
use lake_catalog::rest::{RestRequest, authorise, oauth, shows};
use lake_test_host::{MemoryStorage, SeededRandom};
use serde_json::Value;

use crate::seed::Seeds;
use crate::world::{NOW, World, claims, keys};

thread_local! {
    static WORLD: (World, Catalog<MemoryStorage>) = {
        let world = World::new();
        let catalog = world.open_catalog().expect("opens");
        (world, catalog)
    };
}

/// `METHOD path?query`, header lines, an empty line, the body.
pub fn parse(text: &str) -> (String, String, String, BTreeMap<String, String>, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let (method, target) = lines.next().unwrap_or_default().split_once(' ').unwrap_or(("GET", "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    (method.to_owned(), path.to_owned(), query.to_owned(), headers, body.as_bytes().to_vec())
}

/// A request as text: see [`parse`].
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (method, path, query, headers, body) = parse(text);
    let origin = "http://127.0.0.1:8787".to_owned();
    let request = RestRequest { method, path, query, headers, body, origin, lake_is_behind: false };
    let _ = std::hint::black_box(shows(&request.method, &request.path));
    let _ = std::hint::black_box(authorise(&request, &keys(), NOW));
    if oauth::is_token_request(&request.method, &request.path) {
        let response = oauth::token(&request, &keys(), NOW);
        assert!(serde_json::from_slice::<Value>(&response.body).is_ok(), "an answer is JSON");
    }
    WORLD.with(|(world, catalog)| {
        for scopes in ["all", "table:default.orders:read namespace:sales:write"] {
            let (claims, keys) = (claims(scopes), keys());
            let response = block_on(catalog.respond(&request, &claims, &keys, &world.store, &SeededRandom::new(2), NOW));
            assert!(response.status < 500 || response.status == 501, "{} for {text:?}", response.status);
            if !response.body.is_empty() {
                assert!(serde_json::from_slice::<Value>(&response.body).is_ok(), "an answer is JSON");
            }
        }
    });
}

/// Every address, and a request for a token.
pub fn seeds() -> Seeds {
    let token = mint(&claims("all"), &keys());
    let bearer = format!("authorization: Bearer {token}");
    let requests = [
        ("config", format!("GET /v1/config?warehouse=lake\n{bearer}")),
        ("namespaces", format!("GET /v1/namespaces?parent=&pageToken=&pageSize=2\n{bearer}")),
        ("namespace", "HEAD /v1/namespaces/default".to_owned()),
        ("nested", "GET /v1/namespaces/a%1Fb".to_owned()),
        ("tables", "GET /v1/namespaces/default/tables?pageSize=1&pageToken=b3JkZXJz".to_owned()),
        ("table", "GET /v1/namespaces/default/tables/orders?snapshots=refs\nif-none-match: \"1\"".to_owned()),
        (
            "all",
            "GET /v1/namespaces/default/tables/orders?snapshots=all\nx-iceberg-access-delegation: vended-credentials"
                .to_owned(),
        ),
        ("credentials", "GET /v1/namespaces/default/tables/orders/credentials".to_owned()),
        ("commit", "POST /v1/namespaces/default/tables/orders\n\n{\"requirements\":[],\"updates\":[]}".to_owned()),
        ("drop", "DELETE /v1/namespaces/default/tables/orders?purgeRequested=true".to_owned()),
        ("rename", "POST /v1/tables/rename\n\n{\"source\":{\"namespace\":[\"a\"],\"name\":\"b\"}}".to_owned()),
        ("transaction", "POST /v1/transactions/commit\n\n{\"table-changes\":[]}".to_owned()),
        ("metrics", "POST /v1/namespaces/default/tables/orders/metrics".to_owned()),
        (
            "oauth",
            format!(
                "POST /v1/oauth/tokens\n\ngrant_type=client_credentials&client_id=x&client_secret={token}&scope=lake%3Aread"
            ),
        ),
        ("oauth-basic", "POST /v1/oauth/tokens\nauthorization: Basic eDp5\n\ngrant_type=client_credentials".to_owned()),
    ];
    requests.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}
