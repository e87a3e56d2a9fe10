//! Every token at every address: what is not allowed is refused, and a refused caller does not learn what is there.

use super::*;

/// What an address is about, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    /// Nothing: it shows no more than the caller may know.
    Nothing,
    /// To know of the namespace.
    See,
    /// To write the namespace.
    WriteNamespace,
    /// To read the table or view.
    Read,
    /// To write the table or view.
    Write,
}

/// Where a request is sent.
#[derive(Clone, Copy, Debug)]
struct Place {
    namespace: &'static str,
    name: &'static str,
}

/// Addresses that are answered and in no list: of older clients, and ours.
const UNLISTED: [&str; 3] = [
    "POST /v1/{prefix}/aws/s3/sign",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/undrop",
    "GET /v1/{prefix}/namespaces/{namespace}/dropped-tables",
];

fn endpoints() -> Vec<&'static str> {
    [route::endpoints(), UNLISTED.to_vec()].concat()
}

fn needs(endpoint: &str) -> Needs {
    let (method, path) = endpoint.split_once(' ').unwrap();
    let path = path.strip_prefix("/v1/{prefix}/").unwrap();
    match (method, path) {
        ("GET", "namespaces") => Needs::Nothing,
        ("POST", "namespaces") => Needs::WriteNamespace,
        ("GET" | "HEAD", "namespaces/{namespace}") => Needs::See,
        ("GET", "namespaces/{namespace}/tables" | "namespaces/{namespace}/views") => Needs::See,
        ("GET", "namespaces/{namespace}/dropped-tables") => Needs::See,
        ("GET", path) if path.starts_with("namespaces/{namespace}/functions") => Needs::See,
        ("DELETE", "namespaces/{namespace}") | ("POST", "namespaces/{namespace}/properties") => Needs::WriteNamespace,
        ("GET" | "HEAD", _) => Needs::Read,
        // Cancelling a plan, planning, fetching tasks, reporting: what a reader does. Signing is for the request inside.
        (_, path) if path.contains("/plan") || path.ends_with("/tasks") || path.ends_with("/metrics") => Needs::Read,
        (_, path) if path.ends_with("/sign") => Needs::Read,
        _ => Needs::Write,
    }
}

/// A body that each address reads, about a place.
fn body(endpoint: &str, place: Place) -> Value {
    let levels: Vec<String> = place.namespace.split('\u{1f}').map(str::to_owned).collect();
    let identifier = json!({"namespace": levels, "name": place.name});
    let schema = json!({"type": "struct", "schema-id": 0, "fields": [
        {"id": 1, "name": "id", "type": "long", "required": false}]});
    match endpoint.split_once("{prefix}/").unwrap().1 {
        "namespaces" => json!({"namespace": levels}),
        "namespaces/{namespace}/tables" => json!({"name": place.name, "schema": schema}),
        "namespaces/{namespace}/views" => {
            json!({"name": place.name, "schema": schema, "properties": {}, "view-version": {
            "version-id": 1, "schema-id": 0, "timestamp-ms": 1, "summary": {}, "default-namespace": ["a"],
            "representations": [{"type": "sql", "sql": "select 1", "dialect": "trino"}]}})
        }
        "namespaces/{namespace}/register" | "namespaces/{namespace}/register-view" => {
            json!({"name": place.name, "metadata-location": "s3://lakehouse/warehouse/x/y.metadata.json"})
        }
        "tables/rename" | "views/rename" => json!({"source": identifier, "destination": identifier}),
        "transactions/commit" => {
            json!({"table-changes": [{"identifier": identifier, "requirements": [], "updates": []}]})
        }
        path if path.ends_with("/tasks") => json!({"plan-task": "x"}),
        path if path.ends_with("/metrics") => json!({"report-type": "scan-report"}),
        path if path.ends_with("/sign") => {
            json!({"region": "auto", "method": "GET", "headers": {}, "uri": file(place)})
        }
        _ => json!({"requirements": [], "updates": []}),
    }
}

/// The address of a file: of the place's table if there is one, and of no other table.
fn file(place: Place) -> String {
    let namespace = place.namespace.replace('.', "_").replace('\u{1f}', ".");
    format!("http://127.0.0.1:8787/lakehouse/warehouse/{namespace}/{}/data/x", place.name.replace('/', "_"))
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Status and body of a request about a place.
fn send(world: &World, scopes: &str, endpoint: &str, place: Place) -> (u16, String) {
    send_under(world, "", scopes, endpoint, place)
}

/// The same with a prefix in the address.
fn send_under(world: &World, prefix: &str, scopes: &str, endpoint: &str, place: Place) -> (u16, String) {
    let (method, path) = endpoint.split_once(' ').unwrap();
    let path = path.replace("/{prefix}", prefix).replace("{namespace}", &encode(place.namespace));
    let path = path.replace("{table}", &encode(place.name)).replace("{view}", &encode(place.name));
    let path = path.replace("{plan-id}", "x").replace("{function}", "f");
    let body = match method {
        "POST" if endpoint.ends_with("/properties") => "{}".to_owned(),
        "POST" => body(endpoint, place).to_string(),
        _ => String::new(),
    };
    let (status, answer) = world.send_body(scopes, method, &path, body.as_bytes());
    (status, String::from_utf8(answer).unwrap())
}

fn allows(scopes: &str, needs: Needs, place: Place) -> bool {
    use lake_api::scope::{Access, Action};
    let action = match needs {
        Needs::Nothing => return true,
        Needs::See => Action::SeeNamespace(place.namespace),
        Needs::WriteNamespace => Action::Namespace(place.namespace, Access::Write),
        Needs::Read => Action::Table(place.namespace, place.name, Access::Read),
        Needs::Write => Action::Table(place.namespace, place.name, Access::Write),
    };
    claims(scopes).may(action)
}

const TOKENS: &[&str] = &[
    "all",
    "lake:read",
    "lake:write",
    "namespace:default:read",
    "namespace:default:write",
    "namespace:sales:write",
    "namespace:a:write",
    "namespace:a.b:read",
    "namespace:%2A:write",
    "namespace:default%25:write",
    "namespace:d%3Ffault:write",
    "table:default.orders:read",
    "table:default.orders:write",
    "table:default.%2A:write",
    "table:default.order%3F:write",
    "table:default.orders%2Fx:write",
    "table:default%2Eorders.x:write",
    "table:sales.orders:write",
    "table:a.b.nested:read",
    "table:%252A.%252A:write",
    "ingest",
    "database:default:write",
    "ingest database:orders:write",
];

const PLACES: &[Place] = &[
    Place { namespace: "default", name: "orders" },
    Place { namespace: "default", name: "customers" },
    Place { namespace: "default", name: "nothing" },
    Place { namespace: "default", name: "*" },
    Place { namespace: "default", name: "orders/x" },
    Place { namespace: "default", name: "%2A" },
    Place { namespace: "sales", name: "orders" },
    Place { namespace: "a\u{1f}b", name: "nested" },
    Place { namespace: "a", name: "b" },
    Place { namespace: "a.b", name: "nested" },
    Place { namespace: "nowhere", name: "orders" },
    Place { namespace: "*", name: "*" },
];

#[test]
fn every_crossing_is_refused() {
    let world = world();
    let mut refused = 0;
    for endpoint in endpoints() {
        let needed = needs(endpoint);
        for place in PLACES {
            for scopes in TOKENS.iter().filter(|scopes| !allows(scopes, needed, *place)) {
                for prefix in ["", "/lake"] {
                    let (status, answer) = send_under(&world, prefix, scopes, endpoint, *place);
                    assert_eq!(status, 403, "{scopes}: {prefix} {endpoint} {place:?} {answer}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 4_000, "{refused}");
}

#[test]
fn no_token_reaches_anything_under_the_name_of_another_warehouse() {
    let world = world();
    for endpoint in endpoints() {
        for prefix in ["/other", "/default", "/lake%2Flake", "/v1"] {
            let (status, answer) = send_under(&world, prefix, "all", endpoint, PLACES[0]);
            assert_eq!(status, 404, "{prefix}: {endpoint} {answer}");
        }
    }
}

#[test]
fn what_is_allowed_is_not_refused_for_the_token() {
    // What may be registered depends on where the file is too.
    for endpoint in endpoints().into_iter().filter(|endpoint| !endpoint.contains("/register")) {
        let needed = needs(endpoint);
        for place in PLACES {
            for scopes in TOKENS.iter().filter(|scopes| allows(scopes, needed, *place)) {
                // Anew each time: some of them drop what is there.
                let world = world();
                let (status, answer) = send(&world, scopes, endpoint, *place);
                let is_refused = status == 403 && answer.contains("token");
                assert!(
                    !is_refused && status < 500 && status != 401,
                    "{scopes}: {endpoint} {place:?} {status} {answer}"
                );
            }
        }
    }
}

#[test]
fn a_refusal_is_the_same_whether_the_thing_is_there_or_not() {
    let (full, bare) = (world(), world());
    // The same names, nothing behind them.
    let settings = Settings { lake_name: "lake".into(), bucket: "lakehouse".into(), vended: Default::default() };
    let bare = World { catalog: Catalog::open(MemoryStorage::new(), settings).unwrap(), ..bare };
    views::make(&full);
    let places = [PLACES[0], PLACES[6], PLACES[7], Place { namespace: "default", name: "v" }];
    for endpoint in endpoints() {
        let needed = needs(endpoint);
        for place in places {
            for scopes in TOKENS.iter().filter(|scopes| !allows(scopes, needed, place)) {
                let there = send(&full, scopes, endpoint, place);
                assert_eq!(there, send(&bare, scopes, endpoint, place), "{scopes}: {endpoint} {place:?}");
            }
        }
    }
}

#[test]
fn a_listing_shows_what_the_caller_may_read() {
    let world = world();
    views::make(&world);
    let names = |scopes: &str, target: &str| {
        let response = world.send(scopes, "GET", target);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        let listed = answer["identifiers"].as_array().unwrap().iter();
        listed.map(|identifier| identifier["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let tables = "/v1/namespaces/default/tables";
    assert_eq!(names("table:default.orders:read", tables), ["orders"]);
    assert_eq!(names("table:default.%2A:write", tables), Vec::<String>::new());
    assert_eq!(names("namespace:default:read", tables), ["customers", "orders"]);
    assert_eq!(names("table:default.orders:read", "/v1/namespaces/default/views"), Vec::<String>::new());
    assert_eq!(names("table:default.v:read", "/v1/namespaces/default/views"), ["v"]);
}

#[test]
fn a_rename_needs_both_ends() {
    let world = world();
    views::make(&world);
    let rename = json!({"source": {"namespace": ["default"], "name": "v"}, "destination": {"namespace": ["sales"], "name": "v"}});
    for scopes in [
        "namespace:default:write",
        "namespace:sales:write",
        "table:default.v:write",
        "table:sales.v:write",
        "namespace:default:write namespace:sales:read",
    ] {
        for target in ["/v1/views/rename", "/v1/tables/rename"] {
            assert_eq!(world.post(scopes, target, &rename).0, 403, "{scopes}: {target}");
        }
    }
    assert_eq!(world.post("namespace:default:write table:sales.v:write", "/v1/views/rename", &rename).0, 204);
}

#[test]
fn a_transaction_needs_each_of_its_tables() {
    let world = world();
    let change = |namespace: &str| json!({"identifier": {"namespace": [namespace], "name": "orders"}, "requirements": [], "updates": []});
    let both = json!({"table-changes": [change("default"), change("sales")]});
    for scopes in ["namespace:default:write", "table:sales.orders:write", "lake:read"] {
        assert_eq!(world.post(scopes, "/v1/transactions/commit", &both).0, 403, "{scopes}");
    }
}
