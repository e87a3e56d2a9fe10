//! `rest`: requests of the Iceberg REST protocol, one after the other, to a catalog with tables of the lake, tables of
//! engines and a view.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::executor::block_on;
use iceberg::TableUpdate;
use lake_api::token::{Claims, mint};
use lake_catalog::Catalog;
use lake_catalog::rest::{AtDoor, RestRequest, RestResponse, authorise, goes_as_it_came, oauth, shows};
use lake_table::{FlushCommit, FlushOutcome, TableCommit, TableName};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom};
use serde_json::{Value, json};

use crate::engine;
use crate::seed::Seeds;
use crate::world::{NOW, World, claims, keys};

thread_local! {
    static WORLD: World = World::new().with_engines();
}

/// Between two requests of an input.
const NEXT: char = '\u{1e}';

/// Most requests of an input.
const REQUESTS: usize = 12;

/// The name of a table that the lake writes.
const LAKES: &str = "orders";

const ORIGIN: &str = "http://127.0.0.1:8787";

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

/// Requests as texts: see [`parse`]. Two headers are not the protocol's: `scopes` says what the client may do, which is
/// all without it, and `behind` that the lake holds what it has not committed.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let world = WORLD.with(World::fork_catalog);
    let catalog = world.open_catalog().expect("opens");
    let random = SeededRandom::new(2);
    let mut now = NOW;
    for text in text.split(NEXT).take(REQUESTS) {
        let mut request = asked(text);
        let scopes = request.headers.remove("scopes").unwrap_or_else(|| "all".to_owned());
        let scopes = scopes.split_whitespace().filter_map(|scope| scope.parse().ok()).collect();
        let claims = Claims { scopes, ..claims("all") };
        request.lake_is_behind = request.headers.remove("behind").is_some();
        request.path = encode_plan(request.path);
        request.body = encode_task(request.body);
        meet_at_door(&request);
        let answer = send(&catalog, &world.store, &request, &claims, &random, now);
        let is_late = request.lake_is_behind && answer.status == 503;
        assert!(answer.status < 500 || is_late, "{} for {text:?}", shown(&answer));
        now += 1_000_000;
    }
    let catalog = world.open_catalog().expect("what was stored opens");
    block_on(catalog.recover(&world.store)).expect("storage works");
    block_on(catalog.purge_step(&world.store, now)).expect("storage works");
    let all = get("/v1/namespaces/default/tables");
    assert!(send(&catalog, &world.store, &all, &claims("all"), &random, now).status == 200, "after {text:?}");
    if text.contains(LAKES) {
        flush(&catalog, &world.store, now);
    }
}

/// A table that the lake writes, whatever engines have done to it.
fn lakes() -> TableName {
    TableName { namespace: "default".to_owned(), name: LAKES.to_owned() }
}

/// The lake commits to its table as before.
fn flush(catalog: &Catalog<MemoryStorage>, store: &MemoryObjectStore, now: i64) {
    let base = catalog.position().expect("storage works");
    let updates = vec![TableUpdate::SetProperties { updates: [("lake.x".to_owned(), "y".to_owned())].into() }];
    let commit = FlushCommit {
        flush_id: "fuzz".to_owned(),
        epoch: u64::MAX,
        base,
        end: base + 1,
        watermarks: Vec::new(),
        tables: vec![TableCommit { table: lakes(), requirements: Vec::new(), updates }],
    };
    let outcome = block_on(catalog.commit_flush(store, &SeededRandom::new(3), now, &commit));
    assert!(
        matches!(outcome, Ok(FlushOutcome::Committed(_))),
        "the lake's table is not the lake's any more: {outcome:?}"
    );
}

/// An answer, and what holds of each: it is JSON if it is anything.
pub fn send(
    catalog: &Catalog<MemoryStorage>,
    store: &MemoryObjectStore,
    request: &RestRequest,
    claims: &Claims,
    random: &SeededRandom,
    now: i64,
) -> RestResponse {
    let answer = block_on(catalog.respond(request, claims, &keys(), store, random, now));
    if !answer.body.is_empty() {
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok(), "an answer is JSON: {}", shown(&answer));
    }
    answer
}

/// A request as a text: see [`parse`].
pub fn asked(text: &str) -> RestRequest {
    let (method, path, query, headers, body) = parse(text);
    RestRequest { method, path, query, headers, body, origin: ORIGIN.to_owned(), lake_is_behind: false }
}

/// A GET.
pub fn get(path: &str) -> RestRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (method, path, query, origin) = ("GET".to_owned(), path.to_owned(), query.to_owned(), ORIGIN.to_owned());
    RestRequest { method, path, query, origin, ..RestRequest::default() }
}

/// A POST.
pub fn post(path: &str, body: &Value) -> RestRequest {
    RestRequest { method: "POST".to_owned(), body: body.to_string().into_bytes(), ..get(path) }
}

/// Status and body, for a message.
pub fn shown(answer: &RestResponse) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// What is done before the catalog is asked.
fn meet_at_door(request: &RestRequest) {
    let _ = std::hint::black_box(shows(&request.method, &request.path));
    let _ = std::hint::black_box(authorise(request, &keys(), NOW));
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let seen = AtDoor {
        method: &request.method,
        path: &request.path,
        content_length: header("content-length"),
        is_authorised: header("authorization").is_some(),
        upgrades: header("upgrade").is_some(),
    };
    let _ = std::hint::black_box(goes_as_it_came(&seen));
    if oauth::is_token_request(&request.method, &request.path) {
        let response = oauth::token(request, &keys(), NOW);
        assert!(serde_json::from_slice::<Value>(&response.body).is_ok(), "an answer is JSON");
    }
}

/// The id of a plan is JSON in base64, which is not found by chance: where the JSON stands itself, it is encoded.
fn encode_plan(path: String) -> String {
    match path.split_once("/plan/{") {
        Some((before, json)) => format!("{before}/plan/{}", URL_SAFE_NO_PAD.encode(format!("{{{json}"))),
        None => path,
    }
}

/// The same for a task.
fn encode_task(body: Vec<u8>) -> Vec<u8> {
    const TASK: &[u8] = b"{\"plan-task\":{";
    match body.strip_prefix(TASK).and_then(|rest| rest.strip_suffix(b"}")) {
        Some(json) => {
            let json = [b"{".as_slice(), json].concat();
            json!({"plan-task": URL_SAFE_NO_PAD.encode(json)}).to_string().into_bytes()
        }
        None => body,
    }
}

const TABLES: &str = "/v1/namespaces/default/tables";
const EVENTS: &str = "/v1/namespaces/default/tables/events";
const VIEWS: &str = "/v1/namespaces/default/views";
const VIEW: &str = "/v1/namespaces/default/views/v";

fn request(method: &str, path: &str, body: &Value) -> String {
    format!("{method} {path}\n\n{body}")
}

fn posted(path: &str, body: Value) -> String {
    request("POST", path, &body)
}

fn deleted(path: &str) -> String {
    format!("DELETE {path}")
}

fn table_named(namespace: &str, name: &str) -> Value {
    json!({"namespace": [namespace], "name": name})
}

fn rename(from: &str, to: (&str, &str)) -> Value {
    json!({"source": table_named("default", from), "destination": table_named(to.0, to.1)})
}

/// Every address, every update and every requirement.
pub fn seeds() -> Seeds {
    let mut seeds = Vec::new();
    for (name, requests) in [reads(), namespaces(), tables(), commits(), scans(), signing(), views(), tokens()].concat()
    {
        seeds.push((name, requests.join(&NEXT.to_string()).into_bytes()));
    }
    seeds
}

type Chain = (String, Vec<String>);

fn chain(name: &str, requests: impl IntoIterator<Item = String>) -> Chain {
    (name.to_owned(), requests.into_iter().collect())
}

fn reads() -> Vec<Chain> {
    let bearer = format!("authorization: Bearer {}", mint(&claims("all"), &keys()));
    let one = [
        ("config", format!("GET /v1/config?warehouse=lake\n{bearer}")),
        ("prefix", format!("GET /v1/lake/namespaces/default/tables/orders\n{bearer}")),
        ("namespaces", format!("GET /v1/namespaces?parent=&pageToken=&pageSize=2\n{bearer}")),
        ("namespace", "HEAD /v1/namespaces/default".to_owned()),
        ("namespace-load", "GET /v1/namespaces/sales".to_owned()),
        ("nested", "GET /v1/namespaces/a%1Fb".to_owned()),
        ("tables", format!("GET {TABLES}?pageSize=1&pageToken=b3JkZXJz")),
        ("table", format!("GET {TABLES}/orders?snapshots=refs\nif-none-match: \"1\"")),
        ("all", format!("GET {TABLES}/orders?snapshots=all\nx-iceberg-access-delegation: vended-credentials")),
        ("referenced", format!("GET {EVENTS}?snapshots=refs")),
        ("exists", format!("HEAD {EVENTS}")),
        ("credentials", format!("GET {EVENTS}/credentials")),
        ("remote-signing", format!("GET {EVENTS}\nx-iceberg-access-delegation: remote-signing")),
        ("functions", "GET /v1/namespaces/default/functions".to_owned()),
        ("function", "GET /v1/namespaces/default/functions/f".to_owned()),
        ("metrics", posted(&format!("{EVENTS}/metrics"), json!({"report-type": "scan-report"}))),
        ("behind", format!("GET {TABLES}/unknown\nbehind: 1")),
        ("narrow", format!("GET {EVENTS}\nscopes: table:default.orders:read namespace:sales:write")),
    ];
    one.into_iter().map(|(name, text)| chain(name, [text])).collect()
}

fn namespaces() -> Vec<Chain> {
    let nested = json!({"namespace": ["a", "b"], "properties": {"owner": "x"}});
    let key = "idempotency-key: 00000000-0000-7000-8000-000000000001";
    vec![
        chain(
            "namespace-create",
            [
                posted("/v1/namespaces", nested.clone()),
                posted("/v1/namespaces/a%1Fb/properties", json!({"removals": ["owner", "x"], "updates": {"a": "b"}})),
                "GET /v1/namespaces/a%1Fb".to_owned(),
                "GET /v1/namespaces?parent=a".to_owned(),
                deleted("/v1/namespaces/a%1Fb"),
            ],
        ),
        chain(
            "once",
            [
                format!("POST /v1/namespaces\n{key}\n\n{nested}"),
                format!("POST /v1/namespaces\n{key}\n\n{nested}"),
                format!("DELETE /v1/namespaces/default\n{key}"),
            ],
        ),
        chain("namespace-drop", [deleted("/v1/namespaces/default")]),
    ]
}

fn wanted(name: &str) -> Value {
    let schema = json!({"type": "struct", "fields": [
        {"id": 1, "name": "id", "required": true, "type": "long"},
        {"id": 2, "name": "at", "required": false, "type": "timestamptz"}]});
    json!({"name": name, "schema": schema,
        "partition-spec": {"fields": [{"source-id": 2, "name": "day", "transform": "day"}]},
        "write-order": {"order-id": 1, "fields": [
            {"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]},
        "properties": {"format-version": "3", "owner": "x"}})
}

fn tables() -> Vec<Chain> {
    let mut nested = json!({"name": "nested", "schema": engine::new_schema(), "stage-create": false});
    nested["location"] = json!(engine::location("nested"));
    let mut staged = wanted("staged");
    staged["stage-create"] = json!(true);
    let creation = json!({"requirements": [{"type": "assert-create"}], "updates": [
        {"action": "assign-uuid", "uuid": "00000000-0000-4000-8000-000000000005"},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": engine::schema_json(0), "last-column-id": 13},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}}, {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": engine::location("staged")},
        {"action": "set-properties", "updates": {"a": "b"}}]});
    let key = "idempotency-key: 00000000-0000-7000-8000-000000000002";
    let once = format!("POST {TABLES}\n{key}\n\n{}", wanted("new"));
    let property = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "b"}}]});
    let new = format!("{TABLES}/new");
    let moved = "/v1/namespaces/sales/tables/moved";
    let register = "/v1/namespaces/default/register";
    vec![
        chain(
            "life",
            [
                posted(TABLES, wanted("new")),
                posted(&new, property.clone()),
                posted("/v1/tables/rename", rename("new", ("sales", "moved"))),
                deleted(moved),
                "GET /v1/namespaces/sales/dropped-tables".to_owned(),
                posted(&format!("{moved}/undrop"), json!({})),
                format!("GET {moved}"),
            ],
        ),
        chain("create-once", [once.clone(), posted("/v1/tables/rename", rename("new", ("sales", "moved"))), once]),
        chain("create-nested", [posted(TABLES, nested)]),
        chain("stage-create", [posted(TABLES, staged), posted(&format!("{TABLES}/staged"), creation)]),
        chain(
            "purge",
            [
                deleted(&format!("{EVENTS}?purgeRequested=true")),
                deleted(&format!("{EVENTS}?purgeRequested=true")),
                posted(register, engine::registration("events")),
            ],
        ),
        chain(
            "drop",
            [
                deleted(EVENTS),
                format!("GET {}", "/v1/namespaces/default/dropped-tables"),
                posted(register, engine::registration("events")),
            ],
        ),
        chain("drop-of-lake", [deleted(&format!("{TABLES}/orders?purgeRequested=true"))]),
        chain(
            "unregister",
            [posted(&format!("{EVENTS}/unregister"), json!({})), posted(register, engine::registration("events"))],
        ),
        chain("register", [posted(register, engine::registration("rows")), format!("GET {TABLES}/rows")]),
        chain(
            "rename",
            [
                posted("/v1/tables/rename", rename("events", ("default", "v"))),
                posted("/v1/tables/rename", rename("events", ("sales", "events"))),
            ],
        ),
        chain(
            "transaction",
            [posted(
                "/v1/transactions/commit",
                json!({"table-changes": [
                {"identifier": table_named("default", "events"), "requirements": [], "updates": property["updates"]},
                {"identifier": table_named("default", "rows"), "requirements": [], "updates": property["updates"]}]}),
            )],
        ),
        chain("commit-of-lake", [posted(&format!("{TABLES}/orders"), commit_of_lake())]),
    ]
}

/// What an engine may do to a table of the lake: properties, tags and branches other than the main one.
fn commit_of_lake() -> Value {
    let table = WORLD.with(|world| {
        let catalog = world.open_catalog().expect("opens");
        block_on(catalog.load_table(&world.store, &lakes())).expect("the table")
    });
    let snapshot = table.metadata.current_snapshot_id();
    let branch = json!({"action": "set-snapshot-ref", "ref-name": "audit", "type": "branch", "snapshot-id": snapshot,
        "min-snapshots-to-keep": 1, "max-snapshot-age-ms": 1, "max-ref-age-ms": 1});
    json!({"requirements": [], "updates": [
        {"action": "set-properties", "updates": {"a": "b"}},
        {"action": "remove-properties", "removals": ["a"]},
        branch,
        {"action": "remove-snapshot-ref", "ref-name": "tag"}]})
}

/// Each kind of update to a table of some format, and appends that are put on another snapshot.
fn commits() -> Vec<Chain> {
    let mut chains = Vec::new();
    for (at, name) in engine::TABLES.into_iter().enumerate() {
        let format = at as u8 + 1;
        let table = format!("{TABLES}/{name}");
        let append = engine::EngineTable::new(format).append();
        chains.push(chain(
            &format!("append-{name}"),
            [posted(&table, append.clone()), posted(&table, append), format!("GET {table}")],
        ));
    }
    for (at, (update, body)) in engine::commits("events", 2).into_iter().enumerate() {
        // Most kinds are the same in all formats.
        let format = if update.contains("encryption") || at % 5 == 4 { 3 } else { 2 };
        let name = engine::TABLES[format - 1];
        let body = if format == 2 { body } else { engine::commits(name, format as u8).swap_remove(at).1 };
        chains.push(chain(&format!("commit-{update}"), [posted(&format!("{TABLES}/{name}"), body)]));
    }
    chains
}

fn scans() -> Vec<Chain> {
    let plan = format!("{EVENTS}/plan");
    let test = |kind: &str, term: &str, value: Value| json!({"type": kind, "term": term, "value": value});
    let both = |kind: &str, left: &Value, right: &Value| json!({"type": kind, "left": left, "right": right});
    let (low, eu) = (test("lt", "id", json!(20_001)), test("eq", "region", json!("eu")));
    let asked = [
        ("plan", json!({})),
        ("plan-and", json!({"filter": both("and", &low, &eu), "stats-fields": ["id"], "select": ["id"]})),
        ("plan-or", json!({"filter": both("or", &low, &json!({"type": "not", "child": eu})), "case-sensitive": false})),
        ("plan-in", json!({"filter": {"type": "in", "term": "id", "values": [1, 20_003]}, "min-rows-requested": 1})),
        ("plan-null", json!({"filter": {"type": "is-null", "term": {"type": "reference", "term": "note"}}})),
        ("plan-nan", json!({"filter": {"type": "not-nan", "term": "f"}})),
        ("plan-moment", json!({"filter": test("gt-eq", "at", json!("2024-10-05T12:00:00.5+01:00"))})),
        (
            "plan-day",
            json!({"filter": test("lt-eq", "day", json!("2024-10-05")), "use-snapshot-schema": true, "snapshot-id": 1}),
        ),
        ("plan-price", json!({"filter": test("gt", "price", json!("12.25"))})),
        ("plan-text", json!({"filter": test("not-starts-with", "region", json!({"type": "literal", "value": "e"}))})),
        (
            "plan-between",
            json!({"start-snapshot-id": 1, "end-snapshot-id": 3, "filter": test("not-eq", "flag", json!(true))}),
        ),
    ];
    let mut chains: Vec<Chain> = asked.into_iter().map(|(name, body)| chain(name, [posted(&plan, body)])).collect();
    let scan = r#"{"s":3,"f":true,"c":true,"u":false}"#;
    chains.push(chain("plan-result", [format!("GET {plan}/{scan}")]));
    chains.push(chain("plan-cancel", [deleted(&format!("{plan}/{scan}")), deleted(&format!("{plan}/long"))]));
    let task = r#"{"plan-task":{"s":3,"b":1,"c":true,"u":false,"n":["id"],"m":0,"e":1,"z":1}}"#;
    let orders = format!("{TABLES}/orders/plan");
    chains.push(chain("tasks", [format!("POST {EVENTS}/tasks\n\n{task}")]));
    chains.push(chain("plan-of-lake", [posted(&orders, json!({"filter": test("lt", "id", json!(2))}))]));
    for name in ["visits", "rows"] {
        let filter = json!({"filter": both("or", &low, &eu)});
        chains.push(chain(&format!("plan-{name}"), [posted(&format!("{TABLES}/{name}/plan"), filter)]));
    }
    chains
}

fn signing() -> Vec<Chain> {
    let file = format!("{ORIGIN}/lakehouse/warehouse/default/events/data/a%20b=%2B.parquet");
    let sign = |method: &str, uri: &str, body: Value| {
        json!({"region": "auto", "method": method, "uri": uri, "provider": "s3", "properties": {}, "body": body,
            "headers": {"amz-sdk-invocation-id": ["x"], "Range": ["bytes=0-3"]}})
    };
    let keys = "<Delete><Object><Key>warehouse/default/events/a</Key></Object></Delete>";
    let bucket = format!("{ORIGIN}/lakehouse");
    vec![
        chain(
            "sign",
            [posted(&format!("{EVENTS}/sign"), sign("PUT", &format!("{file}?partNumber=1&uploadId=a.b"), Value::Null))],
        ),
        chain("sign-any", [posted("/v1/aws/s3/sign", sign("GET", &file, Value::Null))]),
        chain(
            "sign-delete",
            [posted(&format!("{EVENTS}/sign"), sign("POST", &format!("{bucket}?delete"), json!(keys)))],
        ),
        chain(
            "sign-list",
            [posted(
                &format!("{EVENTS}/sign"),
                sign("GET", &format!("{bucket}?list-type=2&prefix=warehouse%2Fdefault%2Fevents%2F"), Value::Null),
            )],
        ),
    ]
}

fn views() -> Vec<Chain> {
    let new = json!({"name": "w", "schema": engine::schema_json(0),
        "view-version": engine::view_version(1, 0, "select 1"),
        "properties": {"comment": "c"}, "location": "s3://other/w"});
    let mut chains = vec![
        chain("views", [format!("GET {VIEWS}?pageToken=&pageSize=1")]),
        chain("view", [format!("GET {VIEW}"), format!("HEAD {VIEW}")]),
        chain("view-create", [posted(VIEWS, new), format!("GET {VIEWS}/w"), deleted(&format!("{VIEWS}/w"))]),
        chain(
            "view-drop",
            [deleted(VIEW), posted("/v1/namespaces/default/register-view", engine::view_registration("v"))],
        ),
        chain("view-register", [posted("/v1/namespaces/sales/register-view", engine::view_registration("x"))]),
        chain("view-rename", [posted("/v1/views/rename", rename("v", ("sales", "w"))), format!("GET {VIEW}")]),
    ];
    for (name, body) in engine::view_commits() {
        chains.push(chain(&format!("view-commit-{name}"), [posted(VIEW, body)]));
    }
    chains
}

fn tokens() -> Vec<Chain> {
    let token = mint(&claims("all"), &keys());
    let basic = STANDARD.encode(format!("x:{token}"));
    let form = "grant_type=client_credentials&client_id=x";
    vec![
        chain("oauth", [format!("POST /v1/oauth/tokens\n\n{form}&client_secret={token}&scope=lake%3Aread")]),
        chain("oauth-basic", [format!("POST /v1/oauth/tokens\nauthorization: Basic {basic}\n\n{form}")]),
        chain(
            "oauth-broken",
            ["POST /v1/oauth/tokens\nauthorization: Basic eDp5\n\ngrant_type=client_credentials".to_owned()],
        ),
    ]
}
