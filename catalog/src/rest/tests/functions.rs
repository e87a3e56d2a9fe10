//! There are no functions, which is an answer and no refusal.

use super::*;

const FUNCTIONS: &str = "/v1/namespaces/default/functions";

#[test]
fn a_namespace_has_no_functions() {
    let world = world();
    assert_eq!(world.get(FUNCTIONS), json!({"identifiers": [], "next-page-token": null}));
    assert_eq!(world.get(&format!("{FUNCTIONS}?pageToken=&pageSize=2"))["identifiers"], json!([]));
    world.check("all", "GET", &format!("{FUNCTIONS}?pageSize=0"), 400);
}

#[test]
fn a_function_or_namespace_that_is_not_there_is_named() {
    let world = world();
    let check = |target: &str, name: &str, message: &str| {
        let missing = world.send("all", "GET", target);
        let body: Value = serde_json::from_slice(&missing.body).unwrap();
        assert_eq!((missing.status, &body["error"]["type"]), (404, &json!(name)), "{body}");
        assert_eq!(body["error"]["message"], message);
    };
    check(&format!("{FUNCTIONS}/f"), "NoSuchFunctionException", "Function does not exist: default.f");
    check("/v1/namespaces/nothing/functions", "NoSuchNamespaceException", "Namespace does not exist: nothing");
    check("/v1/namespaces/nothing/functions/f", "NoSuchNamespaceException", "Namespace does not exist: nothing");
}
