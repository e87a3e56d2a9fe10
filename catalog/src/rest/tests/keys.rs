//! What is remembered under an `Idempotency-Key`.

use super::commits::commit;
use super::tables::{EVENTS, TABLES, wanted};
use super::*;
use lake_host::WriteBatch;

pub(super) const KEY: &str = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

/// A request with a key.
pub(super) fn keyed(method: &str, target: &str, key: &str, body: &Value) -> RestRequest {
    let mut request = RestRequest { body: body.to_string().into_bytes(), ..request(method, target) };
    request.headers.insert("idempotency-key".into(), key.into());
    request
}

impl World {
    pub(super) fn send_as(&self, request: &RestRequest, claims: &Claims) -> RestResponse {
        let random = SeededRandom::new(u64::from(self.requests.replace(self.requests.get() + 1)) + 900);
        run(self.catalog.respond(request, claims, &self.keys, &self.store, &random, NOW))
    }
}

#[test]
fn a_request_that_was_refused_stays_refused_under_its_key() {
    let world = world();
    let rename = json!({"source": {"namespace": ["default"], "name": "events"}, "destination": {"namespace": ["default"], "name": "x"}});
    let refused = world.send_keyed("POST", "/v1/tables/rename", KEY, &rename);
    let said: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, &said["error"]["type"]), (404, &json!("NoSuchTableException")));
    world.events();
    // A copy that comes late: the client has been told no.
    assert_eq!(world.send_keyed("POST", "/v1/tables/rename", KEY, &rename), refused);
    world.check("all", "HEAD", EVENTS, 204);
    // The next try has a key of its own.
    let next = KEY.replace('0', "1");
    assert_eq!(world.send_keyed("POST", "/v1/tables/rename", &next, &rename).status, 204);
    assert_eq!(world.send_keyed("POST", "/v1/tables/rename", KEY, &rename), refused);
    assert_eq!(world.send_keyed("POST", "/v1/tables/rename", &next, &rename).status, 204);
}

#[test]
fn what_a_right_or_time_can_change_is_not_remembered_as_refused() {
    let world = world();
    world.events();
    let rename = json!({"source": {"namespace": ["default"], "name": "events"}, "destination": {"namespace": ["default"], "name": "x"}});
    let request = keyed("POST", "/v1/tables/rename", KEY, &rename);
    assert_eq!(world.send_as(&request, &claims("table:default.events:read")).status, 403);
    let unknown = keyed("DELETE", "/v1/namespaces/default/tables/nothing", &KEY.replace('0', "2"), &json!(null));
    let behind = RestRequest { lake_is_behind: true, ..unknown.clone() };
    assert_eq!(world.send_as(&behind, &claims("all")).status, 503);
    assert_eq!(world.send_as(&unknown, &claims("all")).status, 404);
    assert_eq!(world.send_as(&request, &claims("all")).status, 204);
}

#[test]
fn a_commit_that_was_made_is_told_so_wherever_its_table_is_now() {
    let world = world();
    let made = world.events();
    let uuid = &made["metadata"]["table-uuid"];
    let again = || {
        let answer = world.send_keyed("POST", EVENTS, KEY, &commit(1, None));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["metadata"]["table-uuid"]), (200, uuid), "{body}");
        assert_eq!(body["metadata"]["current-snapshot-id"], 1);
    };
    again();
    let rename = |from: &str, to: &str| {
        let name = |name: &str| json!({"namespace": ["default"], "name": name});
        world.posted("/v1/tables/rename", &json!({"source": name(from), "destination": name(to)}));
    };
    rename("events", "moved");
    again();
    // Another table has the name.
    world.events();
    again();
    world.check("all", "DELETE", &format!("{TABLES}/moved"), 204);
    again();
    world.posted(&format!("{TABLES}/moved/undrop"), &json!({}));
    world.check("all", "DELETE", &format!("{TABLES}/moved?purgeRequested=true"), 204);
    // Its files are gone: there is nothing that the client could remove.
    assert_eq!(world.send_keyed("POST", EVENTS, KEY, &commit(1, None)).status, 404);
}

#[test]
fn a_table_that_was_made_is_shown_to_who_asks_again_under_its_new_name() {
    let world = world();
    let make = || {
        let answer = world.send_keyed("POST", TABLES, KEY, &wanted("events"));
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    let (status, made) = make();
    assert_eq!((status, make().1["config"].is_object()), (200, true));
    let name = |name: &str| json!({"namespace": ["default"], "name": name});
    world.posted("/v1/tables/rename", &json!({"source": name("events"), "destination": name("moved")}));
    let (status, again) = make();
    assert_eq!((status, &again["metadata"]), (200, &made["metadata"]));
    // What the token may do there, this address cannot say.
    assert_eq!(again.get("config"), None);
}

#[test]
fn a_table_that_has_a_name_since_that_the_token_does_not_open_is_not_shown() {
    let world = world();
    world.events();
    let request = keyed("POST", EVENTS, KEY, &commit(1, None));
    let again = |scopes: &str| {
        let answer = world.send_as(&request, &claims(scopes));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, body["error"]["type"].as_str().map(str::to_owned), body["metadata"].is_object())
    };
    let (shown, unknown) = ((200, None, true), (500, Some("CommitStateUnknownException".to_owned()), false));
    let narrow = "table:default.events:write";
    assert_eq!(again(narrow), shown);
    let name = |namespace: &str, name: &str| json!({"namespace": [namespace], "name": name});
    let rename = json!({"source": name("default", "events"), "destination": name("sales", "hidden")});
    world.posted("/v1/tables/rename", &rename);
    assert_eq!((again(narrow), again("all")), (unknown.clone(), shown.clone()));
    assert_eq!(again(&format!("{narrow} table:sales.hidden:read")), shown);
    // Another table has the name that the token opens.
    world.events();
    assert_eq!((again(narrow), again("all")), (unknown.clone(), shown.clone()));
    world.check("all", "DELETE", "/v1/namespaces/sales/tables/hidden", 204);
    assert_eq!((again(narrow), again("all")), (unknown, shown));
}

#[test]
fn what_was_made_and_cannot_be_read_is_not_called_unchanged() {
    let world = world();
    world.events();
    let view = views::new_view("v");
    let views = "/v1/namespaces/default/views";
    let (table, view) =
        (keyed("POST", EVENTS, KEY, &commit(1, None)), keyed("POST", views, &KEY.replace('0', "3"), &view));
    for request in [table, view] {
        assert_eq!(world.send_as(&request, &claims("all")).status, 200);
        let fresh = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
        let again = || {
            let (claims, random) = (claims("all"), SeededRandom::new(2));
            let answer = fresh.respond(&request, &claims, &world.keys, &world.store, &random, NOW);
            let answer = run(answer);
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            (answer.status, body["error"]["type"].clone())
        };
        world.store.fail_next_get();
        assert_eq!(again(), (500, json!("CommitStateUnknownException")), "{}", request.path);
        assert_eq!(again(), (200, Value::Null), "{}", request.path);
    }
}

/// Drops the table under a key, step by step.
fn with_drop(act: impl FnOnce(&World, &Caller<'_>)) {
    let world = world();
    world.events();
    let request = keyed("DELETE", EVENTS, KEY, &json!(null));
    let (claims, random) = (claims("all"), SeededRandom::new(5));
    act(&world, &Caller { request: &request, claims: &claims, keys: &world.keys, random: &random, now_micros: NOW });
}

#[test]
fn a_copy_that_is_refused_after_the_first_was_carried_out_is_told_so() {
    with_drop(|world, caller| {
        let missing = RestError::NoSuchTable("default.events".into());
        assert_eq!(world.send_as(caller.request, caller.claims).status, 204);
        assert_eq!(world.catalog.put_refusal(&missing, caller), Ok(false));
        assert_eq!(world.send_as(caller.request, caller.claims).status, 204);
    });
}

#[test]
fn a_copy_that_was_refused_meanwhile_is_not_carried_out() {
    with_drop(|world, caller| {
        let once = world.catalog.once(caller).unwrap().unwrap();
        assert_eq!(world.catalog.is_done(&once, caller), Ok(false));
        assert_eq!(world.catalog.put_refusal(&RestError::CommitFailed("first".into()), caller), Ok(true));
        let put = world.catalog.put_once(&mut WriteBatch::new(), &once, 204, caller);
        assert_eq!(put.map_err(|error| error.kind().0), Err(409));
        // Commits that are made together are looked at again without it.
        let swapped = world.catalog.swap_stages(&[], &[&once], 200, caller);
        assert_eq!(swapped, Ok(stage::Swap::LostRace));
        world.check("all", "HEAD", EVENTS, 204);
    });
}
