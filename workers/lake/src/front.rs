//! The front door: finds the route, checks the token, and passes the request on to the object or script behind it.

use lake_api::limits::BODY_BYTES_MAX;
use lake_api::route::{Method, Route, engines_path, route};
use lake_api::scope::Action;
use lake_api::token::Claims;
use lake_api::{ApiError, ErrorCode};
use lake_catalog::rest::{AtDoor, RestError, body_bytes_max};
use lake_host::Clock;
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{HeaderNames, RequestHead, WorkerClock, WorkerRandom, memory};
use serde::{Deserialize, Serialize};
use worker::{Env, Headers, Request, RequestInit, Response, Result, Stub, web_sys};

use crate::auth::authenticate;
use crate::deployment::Deployment;
use crate::facade::{query_in, query_of};
use crate::{console, do_catalog, facade, metrics};

/// Header with the claims of a checked token, for objects behind the door. Never taken from outside.
pub(crate) const CLAIMS: &str = "x-lake-claims";
/// Header with the origin under which the client knows us.
pub(crate) const ORIGIN: &str = "x-lake-origin";
/// Header that says that the lake could not commit in time what it holds. Never taken from outside.
pub(crate) const BEHIND: &str = "x-lake-behind";
/// What the path of a request to the catalog begins with whose token was checked here, and whose headers are from here.
/// One without it came from outside as it is, and the catalog takes no word of it on trust.
pub(crate) const ADMITTED: &str = "/admitted";
/// The status with which the catalog says that the lake has to be asked first. No answer to a client has it.
pub(crate) const FLUSH_FIRST: u16 = 425;
pub(crate) const AUTHORIZATION: &str = "authorization";
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(crate) const IF_NONE_MATCH: &str = "if-none-match";
pub(crate) const DELEGATION: &str = "x-iceberg-access-delegation";
/// Headers of a client that objects behind the door get to see.
pub(crate) const PASSED_ON: [&str; 3] = [IDEMPOTENCY_KEY, IF_NONE_MATCH, DELEGATION];
/// Header with the name of the database, which a Durable Object does not know by itself when it is new.
pub(crate) const DATABASE: &str = "x-lake-database";
const CONTENT_LENGTH: &str = "content-length";
const UPGRADE: &str = "upgrade";

/// What the lake answers to the wish for a commit.
#[derive(Deserialize, Serialize)]
pub(crate) struct Flushed {
    /// True if everything that it held when it was asked is committed.
    pub(crate) committed: bool,
}

thread_local! {
    /// What is read of each request.
    static READ: HeaderNames = HeaderNames::new(&[AUTHORIZATION, REQUEST_ID, CONTENT_LENGTH, UPGRADE]);
}

/// Answers one request from outside.
pub(crate) async fn serve(request: web_sys::Request, env: &Env) -> Result<web_sys::Response> {
    let head = READ.with(|names| names.read(&request))?;
    let (path, query) = (path_in(head.url()), query_in(head.url()));
    let id = http::id_of(head.header(REQUEST_ID), &WorkerRandom);
    if facade::is_signed(head.header(AUTHORIZATION), query) {
        let mut request = Request::from(request);
        return Ok(facade::serve(&mut request, path, env, &id).await?.into());
    }
    if goes_as_it_came(&head, path) {
        match lake_platform::pass_on(catalog(env)?, &request).await {
            Ok(answer) if answer.status() == FLUSH_FIRST => {}
            Ok(answer) => return Ok(answer),
            Err(reason) => {
                let reason = http::unreachable("the object behind this address", &reason);
                return Ok(answer_engine(Err(reason), &id)?.into());
            }
        }
    }
    Ok(answer(Request::from(request), path, env, &id).await?.into())
}

/// True for a request of an engine that needs nobody but the catalog.
fn goes_as_it_came(head: &RequestHead, path: &str) -> bool {
    let Ok(Route::Iceberg { path }) = route(Method::parse(head.method()), path) else { return false };
    lake_catalog::rest::goes_as_it_came(&AtDoor {
        method: head.method(),
        path: &path,
        content_length: head.header(CONTENT_LENGTH),
        is_authorised: head.header(AUTHORIZATION).is_some(),
        upgrades: head.header(UPGRADE).is_some(),
    })
}

async fn answer(mut request: Request, path: &str, env: &Env, id: &str) -> Result<Response> {
    let in_contract = path.starts_with("/v1/");
    let asked_from = request.headers().get("origin")?;
    let mut response = match route(Method::parse(request.method().as_ref()), path) {
        // Storage clients without credentials get an answer that they can read. Addresses of ours come first.
        Err(reason) if reason.code == ErrorCode::NotFound && facade::is_in_bucket(&request, path, env)? => {
            return facade::serve(&mut request, path, env, id).await;
        }
        Err(reason) if engines_path(path).is_some() => {
            let said = [Some(reason.message), reason.hint].into_iter().flatten().collect::<Vec<_>>().join(": ");
            do_catalog::respond(&RestError::BadRequest(said).into_response(), id)?.into()
        }
        Err(reason) => http::error(&reason, id)?,
        Ok(route) => match admit(&request, env, &route)? {
            Err(reason) => http::error(&reason, id)?,
            Ok(claims) => pass_on(&mut request, env, route, claims.as_ref(), id).await?,
        },
    };
    if in_contract && response.status_code() != 101 {
        allow_origin(response.headers_mut(), asked_from.as_deref())?;
    }
    Ok(response)
}

/// The path as it was sent.
pub(crate) fn path_in(url: &str) -> &str {
    let path = url.get(origin_in(url).len()..).and_then(|rest| rest.split(['?', '#']).next());
    path.filter(|path| !path.is_empty()).unwrap_or("/")
}

fn admit(request: &Request, env: &Env, route: &Route) -> Result<std::result::Result<Option<Claims>, ApiError>> {
    if matches!(route, Route::Health | Route::Preflight | Route::Console) {
        return Ok(Ok(None));
    }
    let deployment = Deployment::of(env)?;
    let keys = match &deployment.keys {
        Ok(keys) => keys,
        Err(reason) => return Ok(Err(reason.clone())),
    };
    let claims = match authenticate(request, keys, WorkerClock.now_micros())? {
        Ok(claims) => claims,
        // The catalog answers in its own error format, also to requests without a valid token.
        Err(_) if route.is_open() => return Ok(Ok(None)),
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match route.action() {
        Some(action) if !claims.may(action) => Err(forbidden(action)),
        _ => Ok(Some(claims)),
    })
}

fn forbidden(action: Action<'_>) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "the token does not allow this").detail(format!("{action:?}"))
}

async fn pass_on(
    request: &mut Request,
    env: &Env,
    route: Route,
    claims: Option<&Claims>,
    id: &str,
) -> Result<Response> {
    match route {
        Route::Health => http::json("{\"status\":\"ok\"}".to_owned(), 200, id),
        Route::Preflight => Ok(Response::empty()?.with_status(204)),
        Route::Console => console::page(id),
        Route::Metrics => metrics::answer(env, id).await,
        Route::Status => status(env, id).await,
        Route::Databases => forward(request, lake(env)?, "/databases", claims, &[], id, 0).await,
        Route::Sql { database } => {
            forward(request, shard(env, &database)?, "/sql", claims, &[(DATABASE, &database)], id, BODY_BYTES_MAX).await
        }
        Route::CreateDatabase { database }
        | Route::DatabaseStatus { database }
        | Route::DeleteDatabase { database } => {
            forward(request, shard(env, &database)?, "/", claims, &[(DATABASE, &database)], id, BODY_BYTES_MAX).await
        }
        Route::Query => query(request, env, claims, id).await,
        Route::Subscribe => upgrade(request, lake(env)?, "/subscribe", claims, id).await,
        Route::Changes => upgrade(request, lake(env)?, "/changes", claims, id).await,
        Route::Iceberg { path } => iceberg(request, env, &path, claims, id).await,
    }
}

/// The one lake of this deployment.
pub(crate) fn lake(env: &Env) -> Result<Stub> {
    env.durable_object("LAKE")?.get_by_name(&Deployment::of(env)?.lake_name)
}

/// The one catalog of this deployment.
pub(crate) fn catalog(env: &Env) -> Result<Stub> {
    env.durable_object("CATALOG")?.get_by_name(&Deployment::of(env)?.lake_name)
}

fn shard(env: &Env, database: &str) -> Result<Stub> {
    env.durable_object("DOSQL")?.get_by_name(database)
}

/// The origin in a URL, under which the client knows us.
pub(crate) fn origin_in(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after_scheme..).and_then(|rest| rest.find(['/', '?', '#']));
    end.and_then(|end| url.get(..after_scheme + end)).unwrap_or(url)
}

fn inner_headers(request: &Request, claims: Option<&Claims>, id: &str) -> Result<Headers> {
    let headers = Headers::new();
    for name in PASSED_ON {
        if let Some(value) = request.headers().get(name)? {
            headers.set(name, &value)?;
        }
    }
    headers.set(REQUEST_ID, id)?;
    headers.set(ORIGIN, origin_in(&request.inner().url()))?;
    if let Some(claims) = claims {
        headers.set(CLAIMS, &lake_api::token::claims_to_json(claims))?;
    }
    Ok(headers)
}

/// Passes a request on to an object, with a body of at most `most` bytes.
async fn forward(
    request: &mut Request,
    stub: Stub,
    path: &str,
    claims: Option<&Claims>,
    extra: &[(&str, &str)],
    id: &str,
    most: usize,
) -> Result<Response> {
    match ask(request, stub, path, claims, extra, id, most).await? {
        Ok(response) => rebuild(response, id).await,
        Err(reason) => http::error(&reason, id),
    }
}

/// The answer of an object, or why there is none. `most` is 0 where a body says nothing.
async fn ask(
    request: &mut Request,
    stub: Stub,
    path: &str,
    claims: Option<&Claims>,
    extra: &[(&str, &str)],
    id: &str,
    most: usize,
) -> Result<std::result::Result<Response, ApiError>> {
    let headers = inner_headers(request, claims, id)?;
    for (name, value) in extra {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(request.method()).with_headers(headers);
    if most > 0 && !matches!(request.method(), worker::Method::Get | worker::Method::Head) {
        match http::body(request, most).await? {
            Ok(bytes) => init.with_body(Some(js_sys::Uint8Array::from(bytes.as_slice()).into())),
            Err(reason) => return Ok(Err(reason)),
        };
    }
    let inner = Request::new_with_init(&format!("http://lake.internal{path}"), &init)?;
    match stub.fetch_with_request(inner).await {
        Ok(response) => Ok(Ok(response)),
        Err(reason) => Ok(Err(http::unreachable("the object behind this address", &reason))),
    }
}

/// A response from a stub has headers that cannot be changed; this one can.
async fn rebuild(mut response: Response, id: &str) -> Result<Response> {
    let status = response.status_code();
    let headers = Headers::new();
    for (name, value) in response.headers().entries() {
        headers.set(&name, &value)?;
    }
    headers.set(REQUEST_ID, id)?;
    if matches!(status, 204 | 304) {
        return Ok(Response::empty()?.with_status(status).with_headers(headers));
    }
    let bytes = response.bytes().await?;
    Ok(Response::from_bytes(bytes)?.with_status(status).with_headers(headers))
}

async fn query(request: &mut Request, env: &Env, claims: Option<&Claims>, id: &str) -> Result<Response> {
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Post).with_headers(inner_headers(request, claims, id)?);
    match http::body(request, BODY_BYTES_MAX).await? {
        Ok(bytes) => init.with_body(Some(js_sys::Uint8Array::from(bytes.as_slice()).into())),
        Err(reason) => return http::error(&reason, id),
    };
    match env.service("QUERY")?.fetch("http://query.internal/query", Some(init)).await {
        Ok(response) => rebuild(response, id).await,
        Err(reason) => http::error(&http::unreachable("the query script", &reason), id),
    }
}

async fn upgrade(request: &Request, stub: Stub, path: &str, claims: Option<&Claims>, id: &str) -> Result<Response> {
    if !request.headers().get(UPGRADE)?.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        let reason = ApiError::new(ErrorCode::Invalid, "this address speaks WebSocket only");
        return http::error(&reason.hint("send `Upgrade: websocket`"), id);
    }
    let headers = inner_headers(request, claims, id)?;
    headers.set(UPGRADE, "websocket")?;
    if let Some(offered) = request.headers().get("sec-websocket-protocol")? {
        headers.set("sec-websocket-protocol", &offered)?;
    }
    let mut init = RequestInit::new();
    init.with_headers(headers);
    stub.fetch_with_request(Request::new_with_init(&format!("http://lake.internal{path}"), &init)?).await
}

/// Reading the catalog shows what is committed, so the lake is asked first to commit what is older than a table's
/// `freshness` (commit on read). If it cannot in time, the reader gets the last snapshot.
async fn iceberg(request: &mut Request, env: &Env, path: &str, claims: Option<&Claims>, id: &str) -> Result<Response> {
    let shown = claims.and_then(|_| lake_catalog::rest::shows(request.method().as_ref(), path));
    let target = match query_of(request) {
        query if query.is_empty() => format!("{ADMITTED}/iceberg{path}"),
        query => format!("{ADMITTED}/iceberg{path}?{query}"),
    };
    let is_behind = shown.is_some() && !flush(env, id).await;
    let authorization = request.headers().get(AUTHORIZATION)?.unwrap_or_default();
    let mut extra = vec![(AUTHORIZATION, authorization.as_str())];
    extra.extend(is_behind.then_some((BEHIND, "1")));
    let most = body_bytes_max(request.method().as_ref(), path);
    answer_engine(ask(request, catalog(env)?, &target, claims, &extra, id, most).await?, id)
}

/// The catalog's answer as it is: it carries the request's id already, and its body does not come through here.
fn answer_engine(answer: std::result::Result<Response, ApiError>, id: &str) -> Result<Response> {
    // Engines know only the protocol's own errors, and decide by them whether to look for their commit.
    answer.or_else(|reason| {
        let reason = match reason.code {
            ErrorCode::CommitStateUnknown => RestError::StateUnknown(reason.message),
            _ => RestError::TooLarge,
        };
        Ok(do_catalog::respond(&reason.into_response(), id)?.into())
    })
}

/// Asks the lake for a commit and waits for it, at most as long as the lake's own limit. True if everything that the
/// lake held then is committed.
pub(crate) async fn flush(env: &Env, id: &str) -> bool {
    let asked = async {
        let headers = Headers::new();
        headers.set(REQUEST_ID, id)?;
        let mut init = RequestInit::new();
        init.with_method(worker::Method::Post).with_headers(headers);
        let request = Request::new_with_init("http://lake.internal/flush", &init)?;
        lake(env)?.fetch_with_request(request).await?.json::<Flushed>().await
    };
    // A reader is not refused because a commit failed: it gets the last snapshot, and the lake counts the miss.
    asked.await.map(|flushed| flushed.committed).unwrap_or_else(|reason| {
        worker::console_error!("{id} commit on read: {reason}");
        false
    })
}

async fn status(env: &Env, id: &str) -> Result<Response> {
    http::json(gather_status(env).await?.to_string(), 200, id)
}

/// What the lake, the catalog and the query script say of themselves.
pub(crate) async fn gather_status(env: &Env) -> Result<serde_json::Value> {
    let mut whole = serde_json::Map::new();
    for (name, part) in [
        ("lake", lake(env)?.fetch_with_str("http://lake.internal/status").await),
        ("catalog", catalog(env)?.fetch_with_str("http://lake.internal/status").await),
        ("query", env.service("QUERY")?.fetch("http://query.internal/status", None).await),
    ] {
        // What cannot be reached must not hide the rest.
        let status = match read_status(part).await {
            Ok(status) => status,
            Err(reason) => serde_json::json!({"unreachable": reason.to_string()}),
        };
        whole.insert(name.to_owned(), status);
    }
    whole.insert("front".to_owned(), serde_json::json!({"memoryBytes": memory::linear_bytes()}));
    Ok(serde_json::Value::Object(whole))
}

async fn read_status(part: Result<Response>) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&part?.text().await?)?)
}

fn allow_origin(headers: &mut Headers, asked_from: Option<&str>) -> Result<()> {
    if asked_from.is_none() {
        return Ok(());
    }
    headers.set("access-control-allow-origin", "*")?;
    headers.set("access-control-allow-methods", "GET, POST, PUT, DELETE, OPTIONS")?;
    headers.set("access-control-allow-headers", "authorization, content-type, idempotency-key, x-request-id")?;
    headers.set("access-control-expose-headers", REQUEST_ID)?;
    headers.set("access-control-max-age", "86400")
}
