//! The Durable Object that holds the catalog: the REST protocol for engines, and the lake's own messages.

use std::rc::Rc;

use futures::lock::Mutex;
use lake_api::route::engines_path;
use lake_api::token::claims_from_json;
use lake_catalog::rest::{RestError, RestRequest, RestResponse, authorise, oauth};
use lake_catalog::{CatalogError, Settings, VendedStorage};
use lake_host::{Clock, ObjectStoreError};
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{DurableStorage, HeaderNames, R2Store, RequestHead, WorkerClock, WorkerRandom, memory};
use lake_table::{EnsureTable, FlushCommit, SettleFlush, TableName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;
use worker::{Env, Request, Response, Result, State, web_sys};

use crate::deployment::Deployment;
use crate::facade::query_in;
use crate::front::{
    ADMITTED, AUTHORIZATION, BEHIND, CLAIMS, DELEGATION, FLUSH_FIRST, IDEMPOTENCY_KEY, IF_NONE_MATCH, ORIGIN,
    PASSED_ON, origin_in, path_in,
};

/// The catalog of the lake.
///
/// Not an object of `worker`: its types read all of a request and make an answer in many calls, and most of what is asked
/// here costs less than that.
#[wasm_bindgen]
pub struct Catalog {
    state: State,
    env: Env,
    catalog: Mutex<Option<Rc<Opened>>>,
}

/// The catalog, the storage below it, and the bucket.
struct Opened {
    catalog: lake_catalog::Catalog<DurableStorage>,
    storage: DurableStorage,
    store: R2Store,
}

thread_local! {
    /// What is read of each request.
    static READ: HeaderNames = HeaderNames::new(&[
        AUTHORIZATION,
        IDEMPOTENCY_KEY,
        IF_NONE_MATCH,
        DELEGATION,
        REQUEST_ID,
        CLAIMS,
        ORIGIN,
        BEHIND,
    ]);
}

#[wasm_bindgen]
impl Catalog {
    /// The object, which opens its storage when it is first asked.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Catalog {
        Catalog { state: State::from(state), env, catalog: Mutex::new(None) }
    }

    /// Answers a request of the front door, of the lake, or of an engine.
    pub async fn fetch(&self, request: web_sys::Request) -> std::result::Result<web_sys::Response, JsValue> {
        Ok(self.answer(request).await?)
    }

    /// Goes on with removing the files of purged tables.
    pub async fn alarm(&self) -> std::result::Result<(), JsValue> {
        Ok(self.purge().await?)
    }
}

impl Catalog {
    async fn answer(&self, request: web_sys::Request) -> Result<web_sys::Response> {
        let head = READ.with(|names| names.read(&request))?;
        let id = http::id_of(head.header(REQUEST_ID), &WorkerRandom);
        let path = path_in(head.url());
        let engines = engines_path(path.strip_prefix(ADMITTED).unwrap_or(path));
        let opened = match self.open().await {
            Ok(opened) => opened,
            // Engines know only the protocol's own errors.
            Err(reason) if engines.is_some() => {
                worker::console_error!("{id} catalog: {reason}");
                return respond(&RestError::from(reason).into_response(), &id);
            }
            Err(reason) => return Ok(refuse(&reason, &id)?.into()),
        };
        match engines {
            Some(rest) => self.rest(&opened, &head, rest, path.starts_with(ADMITTED), request, &id).await,
            None => Ok(internal(&opened, path, &body(&head, request).await?, &id).await?.into()),
        }
    }

    async fn purge(&self) -> Result<()> {
        let failed = |reason: &dyn std::fmt::Display| worker::Error::RustError(reason.to_string());
        // The platform calls again after an error.
        let opened = self.open().await.map_err(|reason| failed(&reason))?;
        let Opened { catalog, storage, store } = &*opened;
        storage.alarm_fired().map_err(|reason| failed(&reason))?;
        catalog.purge_step(store, WorkerClock.now_micros()).await.map_err(|reason| failed(&reason))?;
        Ok(())
    }

    /// The catalog, opened and with its last commit record made good. Requests that come meanwhile wait.
    async fn open(&self) -> std::result::Result<Rc<Opened>, CatalogError> {
        let mut held = self.catalog.lock().await;
        if let Some(opened) = held.as_ref() {
            return Ok(Rc::clone(opened));
        }
        // Nothing is wrong with the request, and nothing was changed.
        let unusable = |reason: worker::Error| CatalogError::ObjectStore(ObjectStoreError::Failed(reason.to_string()));
        let settings = settings(&self.env).map_err(unusable)?;
        let store = R2Store::new(self.env.bucket("R2").map_err(unusable)?);
        let storage = DurableStorage::open(&self.state).map_err(CatalogError::Storage)?;
        let catalog = lake_catalog::Catalog::open(storage.clone(), settings)?;
        catalog.recover(&store).await?;
        let opened = Rc::new(Opened { catalog, storage, store });
        *held = Some(Rc::clone(&opened));
        Ok(opened)
    }

    /// A request of an engine. One that was not admitted came from outside as it is: what it says of itself is checked
    /// here, and where it would show what the lake may have to commit first it goes back.
    async fn rest(
        &self,
        opened: &Opened,
        head: &RequestHead,
        path: &str,
        is_admitted: bool,
        request: web_sys::Request,
        id: &str,
    ) -> Result<web_sys::Response> {
        let Opened { catalog, store, .. } = opened;
        let deployment = Deployment::of(&self.env)?;
        let keys = match &deployment.keys {
            Ok(keys) => keys,
            Err(reason) => return respond(&RestError::Internal(reason.message.clone()).into_response(), id),
        };
        let known = |name: &str| Some((name.to_owned(), head.header(name)?.to_owned()));
        let (origin, lake_is_behind) = match is_admitted {
            true => (head.header(ORIGIN).unwrap_or_default(), head.header(BEHIND).is_some()),
            false => (origin_in(head.url()), false),
        };
        let mut asked = RestRequest {
            method: head.method().to_owned(),
            path: path.to_owned(),
            query: query_in(head.url()).to_owned(),
            headers: PASSED_ON.into_iter().chain([AUTHORIZATION]).filter_map(known).collect(),
            body: Vec::new(),
            origin: origin.trim_end_matches('/').to_owned(),
            lake_is_behind,
        };
        let now = WorkerClock.now_micros();
        if oauth::is_token_request(&asked.method, &asked.path) {
            asked.body = body(head, request).await?;
            return respond(&oauth::token(&asked, keys, now), id);
        }
        let door = match is_admitted {
            true => head.header(CLAIMS).and_then(|json| claims_from_json(json).ok()),
            false => None,
        };
        // Where the front door found no token that is valid, the refusal is made here.
        let claims = match door.map_or_else(|| authorise(&asked, keys, now), Ok) {
            Ok(claims) => claims,
            Err(reason) => {
                // Nothing is held of a body whose sender may not send it.
                http::read_away(&mut Request::from(request)).await;
                return respond(&reason.into_response(), id);
            }
        };
        if !is_admitted && catalog.shows_lakes(&asked.method, path).unwrap_or(true) {
            return lake_platform::respond(FLUSH_FIRST, [], None);
        }
        asked.body = body(head, request).await?;
        respond(&catalog.respond(&asked, &claims, keys, store, &WorkerRandom, now).await, id)
    }
}

/// The body of a request. The front door lets none through that is too large.
async fn body(head: &RequestHead, request: web_sys::Request) -> Result<Vec<u8>> {
    match head.method() {
        "GET" | "HEAD" => Ok(Vec::new()),
        _ => Request::from(request).bytes().await,
    }
}

/// A message of the lake.
async fn internal(opened: &Opened, path: &str, body: &[u8], id: &str) -> Result<Response> {
    let Opened { catalog, store, .. } = opened;
    let now = WorkerClock.now_micros();
    match path {
        "/internal/ensure" => match read::<EnsureTable>(body) {
            Ok(wanted) => answer(catalog.ensure_table(store, &WorkerRandom, now, &wanted).await, id),
            Err(reason) => refuse(&reason, id),
        },
        "/internal/load" => match read::<TableName>(body) {
            Ok(table) => answer(catalog.load_table(store, &table).await, id),
            Err(reason) => refuse(&reason, id),
        },
        "/internal/commit" => match read::<FlushCommit>(body) {
            Ok(commit) => answer(catalog.commit_flush(store, &WorkerRandom, now, &commit).await, id),
            Err(reason) => refuse(&reason, id),
        },
        "/internal/settle" => match read::<SettleFlush>(body) {
            Ok(settle) => answer(catalog.settle_flush(store, &settle).await, id),
            Err(reason) => refuse(&reason, id),
        },
        "/internal/hint" => {
            let folder = String::from_utf8_lossy(body);
            let hint = catalog.version_hint(&folder).map(|hint| hint.map(|hint| (hint.text, hint.modified_micros)));
            answer(hint, id)
        }
        "/status" => http::json(serde_json::json!({"memoryBytes": memory::linear_bytes()}).to_string(), 200, id),
        _ => refuse(&CatalogError::Invalid(format!("there is nothing at {path}")), id),
    }
}

/// How this deployment is set up.
fn settings(env: &Env) -> Result<Settings> {
    let find = |name: &str| env.secret(name).ok().or_else(|| env.var(name).ok()).map(|value| value.to_string());
    let Deployment { lake_name, bucket, .. } = &*Deployment::of(env)?;
    Ok(Settings { lake_name: lake_name.clone(), bucket: bucket.clone(), vended: VendedStorage::read(find) })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> std::result::Result<T, CatalogError> {
    serde_json::from_slice(body).map_err(|reason| CatalogError::Invalid(reason.to_string()))
}

fn answer<T: Serialize>(outcome: std::result::Result<T, CatalogError>, id: &str) -> Result<Response> {
    match outcome {
        Ok(value) => http::json(serde_json::to_string(&value)?, 200, id),
        Err(reason) => refuse(&reason, id),
    }
}

/// Errors travel to the lake by the name of their variant; it does one thing for each.
fn refuse(reason: &CatalogError, id: &str) -> Result<Response> {
    let (name, status) = match reason {
        CatalogError::Invalid(_) => ("invalid", 400),
        CatalogError::TableNotFound { .. } => ("table_not_found", 404),
        CatalogError::Fenced { .. } => ("fenced", 409),
        CatalogError::Storage(_) | CatalogError::ObjectStore(_) => ("unavailable", 503),
        CatalogError::StateUnknown(_) => ("state_unknown", 500),
        CatalogError::Corrupt { .. } | CatalogError::Newer { .. } => ("corrupt", 500),
    };
    worker::console_error!("{id} catalog: {reason}");
    http::json(serde_json::json!({"error": name, "message": reason.to_string()}).to_string(), status, id)
}

pub(crate) fn respond(answer: &RestResponse, id: &str) -> Result<web_sys::Response> {
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = Some(answer.body.as_slice()).filter(|_| !matches!(answer.status, 204 | 304));
    lake_platform::respond(answer.status, headers.chain([(REQUEST_ID, id)]), body)
}
