//! Addresses with a prefix: clients that are told none take the warehouse's name for one.

use super::*;

#[test]
fn the_name_of_the_lake_is_taken_for_a_prefix() {
    let world = world();
    for target in [
        "/namespaces",
        "/namespaces?parent=a",
        "/namespaces/default",
        "/namespaces/default/tables",
        "/namespaces/default/tables/orders",
        "/namespaces/a%1Fb/tables/nested/credentials",
    ] {
        assert_eq!(world.get(&format!("/v1/lake{target}")), world.get(&format!("/v1{target}")), "{target}");
        assert_eq!(world.get(&format!("/v1/l%61ke{target}")), world.get(&format!("/v1{target}")), "{target}");
    }
    world.posted("/v1/lake/namespaces", &json!({"namespace": ["shop"]}));
    world.check("all", "HEAD", "/v1/namespaces/shop", 204);
}

#[test]
fn any_other_prefix_is_another_warehouse() {
    let world = world();
    for target in ["other/namespaces", "Lake/namespaces/default", "/namespaces", "lake/lake/namespaces", "lake/config"]
    {
        world.check("all", "GET", &format!("/v1/{target}"), 404);
    }
    world.check("all", "DELETE", "/v1/other/namespaces/default/tables/orders", 404);
    world.check("all", "HEAD", "/v1/namespaces/default/tables/orders", 204);
}

#[test]
fn an_address_that_means_something_without_a_prefix_has_none() {
    let world = world();
    let settings = Settings { lake_name: "namespaces".into(), ..world.catalog.settings.clone() };
    let world = World { catalog: Catalog::open(world.catalog.storage.clone(), settings).unwrap(), ..world };
    let message = |target: &str| {
        let response = world.send("all", "GET", target);
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        (response.status, body["error"]["message"].clone())
    };
    assert_eq!(message("/v1/namespaces/namespaces"), (404, json!("Namespace does not exist: namespaces")));
    world.check("all", "GET", "/v1/namespaces/namespaces/default", 200);
}

#[test]
fn what_an_address_shows_is_the_same_under_a_prefix() {
    let orders = Shown::Table(TableName { namespace: "default".into(), name: "orders".into() });
    assert_eq!(shows("GET", "/v1/lake/namespaces/default/tables/orders"), Some(orders));
    assert_eq!(shows("GET", "/v1/lake/namespaces"), Some(Shown::Listing));
    assert_eq!(shows("POST", "/v1/lake/namespaces"), None);
}
